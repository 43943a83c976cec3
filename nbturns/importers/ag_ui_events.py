"""Events of AG-UI, joined to the messages that they make.

Source: ag-ui-protocol/ag-ui at 821b8c227c6f, sdks/typescript/packages/core/src/events.ts (types of events and their
fields).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.import_report import Notes
from .kit.record_fields import (
    ShapeError,
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    unexpected,
)

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
    event_type = value["type"]
    return event_type in (*RUN_EVENTS, *OTHER_EVENTS, "MESSAGES_SNAPSHOT") or event_type.startswith(MESSAGE_PREFIXES)


class EventStream:
    """Joins the events of a stream to messages. Events that belong to no message are `{"event": …}` in their place."""

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
            self._append_message({"event": event})

    def _read_event(self, event: Record) -> None:
        event_type = expect(event.get("type"), str, "type")
        if event_type in RUN_EVENTS:
            self._add_run_event(event, event_type)
        elif event_type == "MESSAGES_SNAPSHOT":
            messages = objects(event.get("messages"), "messages")
            for message in messages:
                self._replace_message(message)
            self._order_messages(
                [message_id for message in messages if isinstance(message_id := message.get("id"), str)]
            )
        elif event_type in OTHER_EVENTS:
            self._append_message({"event": event})
        elif event_type == "TOOL_CALL_RESULT":
            self._add_result(event)
        elif event_type == "REASONING_ENCRYPTED_VALUE":
            self._add_encrypted_value(event)
        elif event_type in BOUNDARY_EVENTS:
            return
        elif event_type.startswith("TOOL_CALL_"):
            self._add_call_delta(event)
        elif event_type.startswith(MESSAGE_PREFIXES):
            self._add_text_delta(event, event_type)
        else:
            raise unexpected("type", event_type)

    def _add_run_event(self, event: Record, event_type: str) -> None:
        run_input = event.get("input")
        if event_type == "RUN_STARTED":
            self.ids = {**omit_empty(threadId=event.get("threadId")), **self.ids}
            messages = objects(object_or_empty(run_input, "input").get("messages"), "messages")
            prompt_id = text_or_empty(messages[-1].get("id")) if messages else ""
            if messages and messages[-1].get("role") == "user" and prompt_id not in self._messages:
                messages[-1] = {**omit_empty(timestamp=event.get("timestamp")), **messages[-1]}  # the prompt of the run
            for message in messages:
                self._replace_message(message)
            if isinstance(run_input, dict):
                event = {**event, "input": omit(run_input, "messages")}
        self.run_events.append(event)

    def _order_messages(self, snapshot_ids: list[str]) -> None:
        """Put the messages in the order of a snapshot; one that the snapshot lacks stays behind the one before it."""
        in_snapshot = frozenset(snapshot_ids)
        followers: dict[str, list[str]] = {"": []}
        anchor_id = ""
        for message_id in self._messages:
            if message_id in in_snapshot:
                anchor_id = message_id
            else:
                followers.setdefault(anchor_id, []).append(message_id)
        ordered_ids = [*followers[""]]
        for message_id in dict.fromkeys(snapshot_ids):
            ordered_ids += [message_id, *followers.get(message_id, ())]
        self._messages = {message_id: self._messages[message_id] for message_id in ordered_ids}

    def _replace_message(self, message: Record) -> None:
        """Add a whole message, in place of the parts that earlier events added."""
        message_id = message.get("id")
        if not isinstance(message_id, str):
            self._append_message(message)
            return
        self._deltas.pop((message_id, "content"), None)
        self._messages[message_id] = message = dict(message)
        tool_calls = message.get("toolCalls")
        message["toolCalls"] = (
            [self._replace_call(tool_call) for tool_call in tool_calls] if isinstance(tool_calls, list) else tool_calls
        )

    def _replace_call(self, tool_call: Any) -> Any:
        if not isinstance(tool_call, dict) or not isinstance(tool_call.get("id"), str):
            return tool_call
        call_function = tool_call.get("function")
        self._calls[tool_call["id"]] = {
            **tool_call,
            "function": dict(call_function) if isinstance(call_function, dict) else call_function,
        }
        self._deltas.pop((tool_call["id"], "arguments"), None)
        return self._calls[tool_call["id"]]

    def _add_text_delta(self, event: Record, event_type: str) -> None:
        """Add a part of a text or of reasoning."""
        is_reasoning = event_type.startswith(("THINKING_", "REASONING_"))
        message_slot = "REASONING" if is_reasoning else "TEXT_MESSAGE"
        message_id = optional_text(event.get("messageId"), "messageId")
        new_id = f"{message_slot.lower()}-{len(self._messages)}"
        if message_id is None and event_type.endswith("_START"):
            message_id = new_id
        message_id = message_id or self._current_ids[message_slot] or new_id
        self._current_ids[message_slot] = message_id
        if message_id not in self._messages:
            role = "reasoning" if is_reasoning else optional_text(event.get("role"), "role") or "assistant"
            message_fields = omit_empty(
                timestamp=event.get("timestamp"), name=event.get("name"), rawEvent=event.get("rawEvent")
            )
            self._messages[message_id] = {"id": message_id, "role": role} | message_fields
        elif event_type.endswith("_START") and (message_id, "content") in self._deltas:  # the stream is replayed
            del self._deltas[message_id, "content"]
        if (text_delta := optional_text(event.get("delta"), "delta")) is not None:
            self._deltas.setdefault((message_id, "content"), []).append(text_delta)

    def _add_call_delta(self, event: Record) -> None:
        """Add a part of a tool call: its start, or a part of its arguments."""
        call_id = optional_text(event.get("toolCallId"), "toolCallId") or self._current_ids["TOOL_CALL"]
        if not call_id:
            raise ShapeError("a tool call goes on that did not start")
        self._current_ids["TOOL_CALL"] = call_id
        if call_id not in self._calls:
            parent_id = optional_text(event.get("parentMessageId"), "parentMessageId") or f"message-of-{call_id}"
            new_reply = {"id": parent_id, "role": "assistant"} | omit_empty(timestamp=event.get("timestamp"))
            message = self._messages.setdefault(parent_id, new_reply)
            tool_name = optional_text(event.get("toolCallName"), "toolCallName") or ""
            self._calls[call_id] = {"id": call_id, "type": "function", "function": {"name": tool_name, "arguments": ""}}
            message.setdefault("toolCalls", []).append(self._calls[call_id])
        elif event.get("type") == "TOOL_CALL_START":  # the stream is replayed
            self._deltas.pop((call_id, "arguments"), None)
        if (arguments_delta := optional_text(event.get("delta"), "delta")) is not None:
            self._deltas.setdefault((call_id, "arguments"), []).append(arguments_delta)

    def _add_result(self, event: Record) -> None:
        message_id = optional_text(event.get("messageId"), "messageId") or f"result-{len(self._messages)}"
        tool_message = {"role": "tool", **omit(event, "type", "messageId", "role")}
        known_message = self._messages.get(message_id)
        if known_message is not None and not tool_message.items() <= known_message.items():
            message_id = f"{message_id}-{len(self._messages)}"
        self._messages[message_id] = {"id": message_id, **tool_message}

    def _add_encrypted_value(self, event: Record) -> None:
        entity_id = str(event.get("entityId"))
        entity = self._messages.get(entity_id) or self._calls.get(entity_id)
        if entity is None:
            raise unexpected("entityId", event.get("entityId"))
        entity["encryptedValue"] = event.get("encryptedValue")

    def _append_message(self, message: Record) -> None:
        self._messages[f" {len(self._messages)}"] = message

    def joined_messages(self) -> list[Record]:
        """Return the messages with their deltas joined."""
        for (record_id, field_name), deltas in self._deltas.items():
            if field_name == "content" and record_id in self._messages:
                self._messages[record_id]["content"] = "".join(deltas)
            elif record_id in self._calls and isinstance(call_function := self._calls[record_id].get("function"), dict):
                call_function["arguments"] = "".join(deltas)
        return list(self._messages.values())
