"""Events of AG-UI, joined to the messages that they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.import_report import Notes
from .kit.record_fields import ShapeError, expect, object_or_empty, objects, omit, omit_empty, optional_text, unexpected

RUN_EVENTS = ("RUN_STARTED", "RUN_FINISHED", "STEP_STARTED", "STEP_FINISHED")
BOUNDARY_EVENTS = (
    "TEXT_MESSAGE_END",
    "TOOL_CALL_END",
    "THINKING_START",
    "THINKING_END",
    "THINKING_TEXT_MESSAGE_END",
    "REASONING_START",
    "REASONING_END",
    "REASONING_MESSAGE_END",
)
MESSAGE_PREFIXES = ("TEXT_MESSAGE_", "TOOL_CALL_", "THINKING_", "REASONING_")
OTHER_EVENTS = ("STATE_SNAPSHOT", "STATE_DELTA", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "RAW", "CUSTOM", "RUN_ERROR")
Record = dict[str, Any]


def is_event(value: Any) -> bool:
    """Return True for an event of AG-UI."""
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        return False
    type = value["type"]
    return type in (*RUN_EVENTS, *OTHER_EVENTS, "MESSAGES_SNAPSHOT") or type.startswith(MESSAGE_PREFIXES)


class EventStream:
    """Joins the events of a stream to messages. Events that are nobody's message are `{"event": …}` in their place."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.run_events: list[Any] = []
        self.ids: Record = {}  # of the thread
        self._messages: dict[str, Record] = {}  # by id
        self._calls: dict[str, Record] = {}  # by id
        self._deltas: dict[tuple[str, str], list[str]] = {}  # by id and field: "content" or "arguments"
        self._current_ids = {"TEXT_MESSAGE": "", "TOOL_CALL": "", "REASONING": ""}

    def read_event(self, position: str, event: Any) -> None:
        """Add an event to its message; one that cannot be read is reported and kept in its place."""
        self.notes.record_count += 1
        try:
            self._read_event(expect(event, dict, ""))
        except ShapeError as error:
            self.notes.add_unknown(position, str(error))
            self._append({"event": event})

    def _read_event(self, event: Record) -> None:
        type = expect(event.get("type"), str, "type")
        if type in RUN_EVENTS:
            self._add_run_event(event, type)
        elif type == "MESSAGES_SNAPSHOT":
            for message in objects(event.get("messages"), "messages"):
                self._put_message(message)
        elif type in OTHER_EVENTS:
            self._append({"event": event})
        elif type == "TOOL_CALL_RESULT":
            self._add_result(event)
        elif type == "REASONING_ENCRYPTED_VALUE":
            self._add_encrypted_value(event)
        elif type in BOUNDARY_EVENTS:
            return
        elif type.startswith("TOOL_CALL_"):
            self._add_call_delta(event)
        elif type.startswith(MESSAGE_PREFIXES):
            self._add_text_delta(event, type)
        else:
            raise unexpected("type", type)

    def _add_run_event(self, event: Record, type: str) -> None:
        run_input = event.get("input")
        if type == "RUN_STARTED":
            self.ids = {**omit_empty(threadId=event.get("threadId")), **self.ids}
            for message in objects(object_or_empty(run_input, "input").get("messages"), "messages"):
                self._put_message(message)
            if isinstance(run_input, dict):
                event = {**event, "input": omit(run_input, "messages")}
        self.run_events.append(event)

    def _put_message(self, message: Record) -> None:
        """Add a whole message, in place of what earlier events said of it."""
        id = message.get("id")
        if not isinstance(id, str):
            self._append(message)
            return
        self._deltas.pop((id, "content"), None)
        self._messages[id] = message = dict(message)
        calls = message.get("toolCalls")
        message["toolCalls"] = [self._put_call(call) for call in calls] if isinstance(calls, list) else calls

    def _put_call(self, call: Any) -> Any:
        if not isinstance(call, dict) or not isinstance(call.get("id"), str):
            return call
        function = call.get("function")
        self._calls[call["id"]] = {**call, "function": dict(function) if isinstance(function, dict) else function}
        self._deltas.pop((call["id"], "arguments"), None)
        return self._calls[call["id"]]

    def _add_text_delta(self, event: Record, type: str) -> None:
        """Add a part of a text or of reasoning."""
        is_reasoning = type.startswith(("THINKING_", "REASONING_"))
        slot = "REASONING" if is_reasoning else "TEXT_MESSAGE"
        id = optional_text(event.get("messageId"), "messageId")
        new_id = f"{slot.lower()}-{len(self._messages)}"
        if id is None and type.endswith("_START"):
            id = new_id
        id = id or self._current_ids[slot] or new_id
        self._current_ids[slot] = id
        if id not in self._messages:
            role = "reasoning" if is_reasoning else optional_text(event.get("role"), "role") or "assistant"
            fields = omit_empty(
                timestamp=event.get("timestamp"), name=event.get("name"), rawEvent=event.get("rawEvent")
            )
            self._messages[id] = {"id": id, "role": role} | fields
        if (delta := optional_text(event.get("delta"), "delta")) is not None:
            self._deltas.setdefault((id, "content"), []).append(delta)

    def _add_call_delta(self, event: Record) -> None:
        """Add a part of a tool call: its start, or a part of its arguments."""
        id = optional_text(event.get("toolCallId"), "toolCallId") or self._current_ids["TOOL_CALL"]
        if not id:
            raise ShapeError("a tool call goes on that did not start")
        self._current_ids["TOOL_CALL"] = id
        if id not in self._calls:
            parent_id = optional_text(event.get("parentMessageId"), "parentMessageId") or f"message-of-{id}"
            reply = {"id": parent_id, "role": "assistant"} | omit_empty(timestamp=event.get("timestamp"))
            message = self._messages.setdefault(parent_id, reply)
            name = optional_text(event.get("toolCallName"), "toolCallName") or ""
            self._calls[id] = {"id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            message.setdefault("toolCalls", []).append(self._calls[id])
        if (delta := optional_text(event.get("delta"), "delta")) is not None:
            self._deltas.setdefault((id, "arguments"), []).append(delta)

    def _add_result(self, event: Record) -> None:
        id = optional_text(event.get("messageId"), "messageId") or f"result-{len(self._messages)}"
        if id in self._messages:
            id = f"{id}-{len(self._messages)}"
        self._messages[id] = {"id": id, "role": "tool", **omit(event, "type", "messageId", "role")}

    def _add_encrypted_value(self, event: Record) -> None:
        entity_id = str(event.get("entityId"))
        entity = self._messages.get(entity_id) or self._calls.get(entity_id)
        if entity is None:
            raise unexpected("entityId", event.get("entityId"))
        entity["encryptedValue"] = event.get("encryptedValue")

    def _append(self, message: Record) -> None:
        self._messages[f" {len(self._messages)}"] = message

    def joined_messages(self) -> list[Record]:
        """Return the messages with their deltas joined."""
        for (id, name), deltas in self._deltas.items():
            if name == "content" and id in self._messages:
                self._messages[id]["content"] = "".join(deltas)
            elif id in self._calls and isinstance(function := self._calls[id].get("function"), dict):
                function["arguments"] = "".join(deltas)
        return list(self._messages.values())
