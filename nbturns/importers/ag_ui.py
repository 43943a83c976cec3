"""AG-UI: the messages of an agent's front end, and the streams of events that make them.

Messages have ids, `toolCalls` and `toolCallId`; a run's input (`RunAgentInput`) has them with a thread.
Events (`TEXT_MESSAGE_CONTENT`, `TOOL_CALL_ARGS`, …, in JSON Lines, a list or an event stream) are put together to
messages first. Events that are nobody's message (state, custom) are `other` blocks; those that frame a run
(`RUN_STARTED`, `STEP_STARTED`) stay beside the Run. Source: AG-UI's `core/types` and `core/events`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..turns import Kind, Run
from .importer import SURE, Importer, try_read
from .listed import first_items, list_reader
from .record_fields import (
    ShapeError,
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    pop_text,
    split_document,
    unexpected,
)
from .report import Notes
from .source import Sample, Source
from .transcript import Transcript

FORMAT = "ag-ui"
FRAMES = ("RUN_STARTED", "RUN_FINISHED", "STEP_STARTED", "STEP_FINISHED")
BOUNDS = (
    "TEXT_MESSAGE_END",
    "TOOL_CALL_END",
    "THINKING_START",
    "THINKING_END",
    "THINKING_TEXT_MESSAGE_END",
    "REASONING_START",
    "REASONING_END",
    "REASONING_MESSAGE_END",
)
SPEAKING = ("TEXT_MESSAGE_", "TOOL_CALL_", "THINKING_", "REASONING_")
OTHERS = ("STATE_SNAPSHOT", "STATE_DELTA", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "RAW", "CUSTOM", "RUN_ERROR")
PLAIN = frozenset({"id", "role", "content", "name", "timestamp", "encryptedValue"})
WITH_IDS = 55  # surer than a chat of OpenAI's, whose messages have no ids, is of plain texts
ROLES = {"user": Kind.USER, "system": Kind.SYSTEM, "developer": Kind.SYSTEM}


def is_event(value: Any) -> bool:
    """Whether this is an event of AG-UI's."""
    if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
        return False
    kind = value["type"]
    return kind in (*FRAMES, *OTHERS, "MESSAGES_SNAPSHOT") or kind.startswith(SPEAKING)


def is_message(value: Any) -> bool:
    """Whether this has what only messages of AG-UI have."""
    if not isinstance(value, Mapping) or "parts" in value or not isinstance(value.get("id"), str):
        return False
    return "toolCalls" in value or "toolCallId" in value or value.get("role") in ("activity", "reasoning")


def read_one(value: Any, notes: Notes) -> Run:
    """A list of messages or of events, or an object that has `messages` or `events`."""
    if _is_item(value):
        value = [value]
    if isinstance(value, Mapping) and "messages" not in value and "events" in value:
        events, other_fields = split_document(value, notes, "events")
        return read_events(events, notes, other_fields)
    messages, other_fields = split_document(value, notes)
    if any(map(is_event, messages)):
        return read_events(messages, notes, other_fields)
    return _run(Transcript(notes), "messages", messages, other_fields)


def read_events(events: Iterable[Any], notes: Notes, other_fields: dict[str, Any] | None = None) -> Run:
    """A stream of events as the messages it made."""
    stream = _Stream(notes)
    for index, event in enumerate(events):
        stream.event(f"events[{index}]", event)
    framed = {**(other_fields or {}), **omit_empty(events=stream.frames)}
    transcript = Transcript(notes)
    return _run(transcript, "messages", stream.whole(), framed | stream.ids)


def _run(transcript: Transcript, name: str, messages: list[Any], other_fields: dict[str, Any]) -> Run:
    counted = transcript.notes.record_count
    reader = _Reader(transcript, messages)
    transcript.read_records(name, messages, reader.message)
    transcript.notes.record_count = counted or transcript.notes.record_count  # events were counted, not what they made
    return transcript.to_run(
        id=pop_text(other_fields, "id", "threadId", "thread_id"),
        name=pop_text(other_fields, "name"),
        extra_fields=other_fields,
    )


class _Reader:
    def __init__(self, transcript: Transcript, messages: list[Any]) -> None:
        self.transcript = transcript
        self.next = [_reply_id(message) for message in messages[1:]] + [""]

    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "")
        if "event" in message and len(message) == 1:
            self.transcript.add_other(message["event"])
            return
        if "unread" in message and len(message) == 1:
            raise ShapeError("event cannot be read")
        role, id = message.get("role"), optional_text(message.get("id"), "id") or ""
        before = len(self.transcript.blocks)
        extra_fields = omit(message, "id", "role", "content", "toolCalls", "toolCallId", "error", "timestamp")
        time = message.get("timestamp")
        if role in ROLES:
            text, images, whole = _written(message.get("content"))
            self.transcript.add(ROLES[role], {"text": text} | omit_empty(images=images), role, id, time=time)
            extra_fields |= {} if whole else {"content": message["content"]}
        elif role == "assistant":
            self.reply(message, id, time)
        elif role == "tool":
            error = message.get("error")
            self.transcript.add_result(message.get("toolCallId"), message.get("content"), error, block_id=id, time=time)
        elif role == "reasoning":
            index = self.transcript.index or 0
            result = self.transcript.inference_result(id=self.next[index] or id)
            payload = {"text": _text(message.get("content"))} | omit_empty(
                encrypted_content=extra_fields.pop("encryptedValue", None)
            )
            self.transcript.add(Kind.REASONING, payload, "", id, result=result, time=time)
        elif role == "activity":
            self.transcript.add_other(message)
            return
        else:
            raise unexpected("role", role)
        self.transcript.add_extra_fields(before, extra_fields)

    def reply(self, message: Mapping[str, Any], id: str, time: Any) -> None:
        transcript = self.transcript
        calls = [expect(call, dict, "a call") for call in list_or_empty(message.get("toolCalls"), "toolCalls")]
        result = transcript.inference_result(id=id, pending=bool(calls))
        content = message.get("content")
        if content or not calls:
            transcript.add(Kind.LLM_TEXT, {"text": _text(content)}, "assistant", id, result=result, time=time)
        for call in calls:
            function = object_or_empty(call.get("function"), "function")
            extra_fields = omit(call, "id", "function", "type")
            transcript.add_call(
                call.get("id"),
                function.get("name"),
                function.get("arguments"),
                result=result,
                time=time,
                extra_fields=extra_fields,
            )


def _reply_id(message: Any) -> str:
    """The id of an answer, which a thought before it belongs to."""
    is_reply = isinstance(message, Mapping) and message.get("role") == "assistant"
    return str(message.get("id") or "") if is_reply else ""


def _text(content: Any) -> str:
    if isinstance(content, list) and all(isinstance(one, str) for one in content):
        return "\n".join(content)
    return optional_text(content, "content") or ""


def _written(content: Any) -> tuple[str, list[dict[str, Any]], bool]:
    """Text and images of a message, and whether that is all of it."""
    if content is None or isinstance(content, str):
        return content or "", [], True
    parts = [expect(part, dict, "a part") for part in expect(content, list, "content")]
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    images = [image for part in parts if (image := _image(part)) is not None]
    return "\n".join(texts), images, len(parts) < 2 and len(texts) + len(images) == len(parts)


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    source = part.get("source")
    about = {**part, **source} if isinstance(source, Mapping) else part
    media = about.get("mimeType")
    if part.get("type") not in ("binary", "image") or not (part["type"] == "image" or str(media).startswith("image/")):
        return None
    data = about.get("data") or (about.get("value") if about.get("type") == "data" else None)
    url = about.get("url") or (about.get("value") if about.get("type") == "url" else None)
    return omit_empty(media_type=media, content=data, url=url, file_id=None if url or data else about.get("id"))


class _Stream:
    """Puts the events of a stream together to messages."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.messages: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, dict[str, Any]] = {}
        self.pieces: dict[tuple[str, str], list[str]] = {}
        self.frames: list[Any] = []
        self.ids: dict[str, Any] = {}
        self.current = {"TEXT_MESSAGE": "", "TOOL_CALL": "", "REASONING": ""}

    def event(self, time: str, event: Any) -> None:
        self.notes.record_count += 1
        try:
            self._event(expect(event, dict, "an event"))
        except ShapeError as error:
            self.notes.add_unknown(time, str(error))
            self._put({"event": event})

    def _event(self, event: dict[str, Any]) -> None:
        kind = expect(event.get("type"), str, "the type of an event")
        if kind in FRAMES:
            self.frame(event, kind)
        elif kind == "MESSAGES_SNAPSHOT":
            for message in list_or_empty(event.get("messages"), "messages"):
                self.put_message(expect(message, dict, "a message"))
        elif kind in OTHERS:
            self._put({"event": event})
        elif kind == "TOOL_CALL_RESULT":
            self.result(event)
        elif kind.startswith("TOOL_CALL_") and kind not in BOUNDS:
            self.call(event)
        elif kind.startswith(SPEAKING) and kind not in BOUNDS and kind != "REASONING_ENCRYPTED_VALUE":
            self.speech(event, kind)
        elif kind == "REASONING_ENCRYPTED_VALUE":
            self.encrypted(event)
        elif kind not in BOUNDS:
            raise unexpected("type", kind)

    def frame(self, event: dict[str, Any], kind: str) -> None:
        given = event.get("input")
        if kind == "RUN_STARTED":
            self.ids = {**omit_empty(threadId=event.get("threadId")), **self.ids}
            for message in list_or_empty(object_or_empty(given, "input").get("messages"), "messages"):
                self.put_message(expect(message, dict, "a message"))
            if isinstance(given, dict):
                event = {**event, "input": omit(given, "messages")}
        self.frames.append(event)

    def put_message(self, message: dict[str, Any]) -> None:
        """A message as the stream tells it whole: in place of what it told of it before."""
        id = message.get("id")
        if not isinstance(id, str):
            self._put(message)
            return
        self.pieces.pop((id, "content"), None)
        self.messages[id] = message = dict(message)
        listed = message.get("toolCalls")
        message["toolCalls"] = [self.put_call(call) for call in listed] if isinstance(listed, list) else listed

    def put_call(self, call: Any) -> Any:
        if not isinstance(call, dict) or not isinstance(call.get("id"), str):
            return call
        function = call.get("function")
        self.calls[call["id"]] = {**call, "function": dict(function) if isinstance(function, dict) else function}
        self.pieces.pop((call["id"], "arguments"), None)
        return self.calls[call["id"]]

    def speech(self, event: dict[str, Any], kind: str) -> None:
        """A piece of a text or of a thought."""
        thinking = kind.startswith(("THINKING_", "REASONING_"))
        slot = "REASONING" if thinking else "TEXT_MESSAGE"
        id = optional_text(event.get("messageId"), "messageId")
        if id is None and kind.endswith("_START"):
            id = f"{slot.lower()}-{len(self.messages)}"
        id = id or self.current[slot] or f"{slot.lower()}-{len(self.messages)}"
        self.current[slot] = id
        if id not in self.messages:
            role = "reasoning" if thinking else optional_text(event.get("role"), "role") or "assistant"
            self.messages[id] = {"id": id, "role": role} | omit_empty(timestamp=event.get("timestamp"))
            self.messages[id] |= omit_empty(name=event.get("name"), rawEvent=event.get("rawEvent"))
        if (delta := optional_text(event.get("delta"), "delta")) is not None:
            self.pieces.setdefault((id, "content"), []).append(delta)

    def call(self, event: dict[str, Any]) -> None:
        """A piece of a call: its beginning, or of its arguments."""
        id = optional_text(event.get("toolCallId"), "toolCallId") or self.current["TOOL_CALL"]
        if not id:
            raise ShapeError("part of a tool call that did not start")
        self.current["TOOL_CALL"] = id
        if id not in self.calls:
            parent = optional_text(event.get("parentMessageId"), "parentMessageId") or f"message-of-{id}"
            blank = {"id": parent, "role": "assistant"} | omit_empty(timestamp=event.get("timestamp"))
            message = self.messages.setdefault(parent, blank)
            name = optional_text(event.get("toolCallName"), "toolCallName") or ""
            self.calls[id] = {"id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            message.setdefault("toolCalls", []).append(self.calls[id])
        if (delta := optional_text(event.get("delta"), "delta")) is not None:
            self.pieces.setdefault((id, "arguments"), []).append(delta)

    def result(self, event: dict[str, Any]) -> None:
        id = optional_text(event.get("messageId"), "messageId") or f"result-{len(self.messages)}"
        known = omit(event, "type", "messageId", "role")
        if id in self.messages:
            id = f"{id}-{len(self.messages)}"
        self.messages[id] = {"id": id, "role": "tool", **known}

    def encrypted(self, event: dict[str, Any]) -> None:
        one = self.messages.get(str(event.get("entityId"))) or self.calls.get(str(event.get("entityId")))
        if one is None:
            raise unexpected("entityId", event.get("entityId"))
        one["encryptedValue"] = event.get("encryptedValue")

    def _put(self, message: dict[str, Any]) -> None:
        self.messages[f" {len(self.messages)}"] = message

    def whole(self) -> list[dict[str, Any]]:
        """The messages, with what was said of them in pieces."""
        for (id, name), pieces in self.pieces.items():
            if name == "content" and id in self.messages:
                self.messages[id]["content"] = "".join(pieces)
            elif id in self.calls and isinstance(function := self.calls[id].get("function"), dict):
                function["arguments"] = "".join(pieces)
        return list(self.messages.values())


# In files.


def score(sample: Sample) -> int:
    """Sure of calls and events in AG-UI's spelling; a chat in plain texts is told by its messages' ids alone."""
    if sample.container == "text":
        return SURE if any(map(is_event, _streamed(sample.text, 4))) else 0
    items = first_items(sample, "messages", "events")
    if any(is_event(item) or is_message(item) for item in items):
        return SURE
    return WITH_IDS if items and all(map(_is_plain, items)) else 0


def _is_plain(value: Any) -> bool:
    """Whether this could be a message without calls: an id, a role, a content."""
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not PLAIN.issuperset(value):
        return False
    role = value.get("role")
    return isinstance(role, str) and role in (*ROLES, "assistant") and "content" in value


def _is_item(value: Any) -> bool:
    return is_event(value) or is_message(value) or _is_plain(value)


def _streamed(text: str, most: int | None = None) -> Iterator[Any]:
    """The values in an event stream (`data: {…}`)."""
    data = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    for line in islice(data, most):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield line


def read(source: Source) -> Iterator[Run]:
    if source.sample.container != "text":
        yield from _read(source)
        return
    notes = source.notes(FORMAT)
    yield from try_read(source, "", read_events, _streamed(source.read_text()), notes)


_read = list_reader(FORMAT, _is_item, read_one)
IMPORTER = Importer(FORMAT, score, read)
