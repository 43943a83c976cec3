"""AG-UI: the messages of an agent's front end, and the streams of events that make them.

Messages have ids, `toolCalls` and `toolCallId`; the input of a run (`RunAgentInput`) has them with a thread.
Events (`TEXT_MESSAGE_CONTENT`, `TOOL_CALL_ARGS`, …, in JSON Lines, a list or an event stream) are joined to
messages first, by `ag_ui_events`. Events that are nobody's message (state, custom) are `other` blocks; those
of a run (`RUN_STARTED`, `STEP_STARTED`) are kept in the Run's metadata. Source: AG-UI's `core/types` and
`core/events`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..values.turns import Kind, Run
from .ag_ui_events import EventStream, is_event
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    ShapeError,
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    pop_text,
    split_document,
    unexpected,
)
from .kit.record_lists import first_items, list_reader
from .kit.source import Sample, Source
from .kit.transcript import Transcript

FORMAT = "ag-ui"
PLAIN_FIELDS = frozenset({"id", "role", "content", "name", "timestamp", "encryptedValue"})
MESSAGE_FIELDS = ("id", "role", "content", "toolCalls", "toolCallId", "error", "timestamp")
WITH_IDS = 55  # score of plain messages with ids; higher than that of an OpenAI chat, which has none
PROMPT_KINDS = {"user": Kind.USER, "system": Kind.SYSTEM, "developer": Kind.SYSTEM}  # by role


def is_message(value: Any) -> bool:
    """Return True for a message with a mark of AG-UI alone."""
    if not isinstance(value, Mapping) or "parts" in value or not isinstance(value.get("id"), str):
        return False
    return "toolCalls" in value or "toolCallId" in value or value.get("role") in ("activity", "reasoning")


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of a list of messages or events, or of an object with `messages` or `events`."""
    if _is_item(value):
        value = [value]
    if isinstance(value, Mapping) and "messages" not in value and "events" in value:
        events, extra_fields = split_document(value, notes, "events")
        return read_events(events, notes, extra_fields)
    messages, extra_fields = split_document(value, notes)
    if any(map(is_event, messages)):
        return read_events(messages, notes, extra_fields)
    return _run_of(Transcript(notes), messages, extra_fields)


def read_events(events: Iterable[Any], notes: Notes, extra_fields: Mapping[str, Any] | None = None) -> Run:
    """Return the Run of the messages of a stream of events."""
    stream = EventStream(notes)
    for index, event in enumerate(events):
        stream.read_event(f"events[{index}]", event)
    fields = {**(extra_fields or {}), **omit_empty(events=stream.run_events), **stream.ids}
    return _run_of(Transcript(notes), stream.joined_messages(), fields)


def _run_of(transcript: Transcript, messages: list[Any], extra_fields: dict[str, Any]) -> Run:
    event_count = transcript.notes.record_count
    transcript.read_records("messages", messages, _MessageReader(transcript, messages).read_message)
    if event_count:  # the records are the events, not the messages made of them
        transcript.notes.record_count = event_count
    id, name = pop_text(extra_fields, "id", "threadId", "thread_id"), pop_text(extra_fields, "name")
    return transcript.to_run(id=id, name=name, extra_fields=extra_fields)


class _MessageReader:
    def __init__(self, transcript: Transcript, messages: list[Any]) -> None:
        self.transcript = transcript
        self.next_reply_ids = [_reply_id(message) for message in messages[1:]] + [""]

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        if "event" in message and len(message) == 1:
            self.transcript.add_other(message["event"])
            return
        if "unread" in message and len(message) == 1:
            raise ShapeError("the event cannot be read")
        role, id = message.get("role"), optional_text(message.get("id"), "id") or ""
        transcript, first_block, time = self.transcript, len(self.transcript.blocks), message.get("timestamp")
        extra_fields = omit(message, *MESSAGE_FIELDS)
        if role in PROMPT_KINDS:
            text, images, is_whole = _prompt(message.get("content"))
            payload = {"text": text} | omit_empty(images=images)
            transcript.add(PROMPT_KINDS[role], payload, role, id, time=time)
            extra_fields |= {} if is_whole else {"content": message["content"]}
        elif role == "assistant":
            self.add_reply(message, id, time)
        elif role == "tool":
            call_id, content, error = (message.get(name) for name in ("toolCallId", "content", "error"))
            transcript.add_result(call_id, content, error, block_id=id, time=time)
        elif role == "reasoning":
            result = transcript.inference_result(id=self.next_reply_ids[transcript.index or 0] or id)
            payload = {"text": _text(message.get("content"))}
            payload |= omit_empty(encrypted_content=extra_fields.pop("encryptedValue", None))
            transcript.add(Kind.REASONING, payload, "", id, result=result, time=time)
        elif role == "activity":
            transcript.add_other(message)
            return
        else:
            raise unexpected("role", role)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reply(self, message: Mapping[str, Any], id: str, time: Any) -> None:
        transcript = self.transcript
        calls = objects(message.get("toolCalls"), "toolCalls")
        result = transcript.inference_result(id=id, pending=bool(calls))
        content = message.get("content")
        if content or not calls:
            transcript.add(Kind.LLM_TEXT, {"text": _text(content)}, "assistant", id, result=result, time=time)
        for call in calls:
            function = object_or_empty(call.get("function"), "function")
            name, arguments = function.get("name"), function.get("arguments")
            fields = omit(call, "id", "function", "type")
            transcript.add_call(call.get("id"), name, arguments, result=result, time=time, extra_fields=fields)


def _reply_id(message: Any) -> str:
    """Return the id of a reply, to which the reasoning before it belongs; "" for another message."""
    is_reply = isinstance(message, Mapping) and message.get("role") == "assistant"
    return str(message.get("id") or "") if is_reply else ""


def _text(content: Any) -> str:
    if isinstance(content, list) and all(isinstance(text, str) for text in content):
        return "\n".join(content)
    return optional_text(content, "content") or ""


def _prompt(content: Any) -> tuple[str, list[dict[str, Any]], bool]:
    """Return text and images of a prompt, and whether that is all of it."""
    if content is None or isinstance(content, str):
        return content or "", [], True
    parts = objects(expect(content, list, "content"), "content")
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    images = [image for part in parts if (image := _image(part)) is not None]
    return "\n".join(texts), images, len(parts) < 2 and len(texts) + len(images) == len(parts)


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    source = part.get("source")
    fields = {**part, **source} if isinstance(source, Mapping) else part
    type, media_type = part.get("type"), fields.get("mimeType")
    if type != "image" and not (type == "binary" and str(media_type).startswith("image/")):
        return None
    content = fields.get("data") or (fields.get("value") if fields.get("type") == "data" else None)
    url = fields.get("url") or (fields.get("value") if fields.get("type") == "url" else None)
    file_id = None if url or content else fields.get("id")
    return omit_empty(media_type=media_type, content=content, url=url, file_id=file_id)


# In files.


def score(sample: Sample) -> int:
    """Return SURE for tool calls and events of AG-UI, and a lower score for plain messages with ids."""
    if sample.container == "text":
        return SURE if any(map(is_event, _stream_values(sample.text, 4))) else 0
    items = first_items(sample, "messages", "events")
    if any(is_event(item) or is_message(item) for item in items):
        return SURE
    return WITH_IDS if items and all(map(_is_plain, items)) else 0


def _is_plain(value: Any) -> bool:
    """Return True for a message without tool calls: an id, a role, a content."""
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not PLAIN_FIELDS.issuperset(value):
        return False
    role = value.get("role")
    return isinstance(role, str) and role in (*PROMPT_KINDS, "assistant") and "content" in value


def _is_item(value: Any) -> bool:
    return is_event(value) or is_message(value) or _is_plain(value)


def _stream_values(text: str, limit: int | None = None) -> Iterator[Any]:
    """Yield the values in an event stream (`data: {…}`)."""
    lines = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    for line in islice(lines, limit):
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            yield line


def read(source: Source) -> Iterator[Run]:
    """Yield the conversations of a source; an event stream is one."""
    if source.sample.container == "text":
        yield from try_read(source, "", read_events, _stream_values(source.read_text()), source.notes(FORMAT))
    else:
        yield from read_lists(source)


read_lists = list_reader(FORMAT, _is_item, read_one)
IMPORTER = Importer(FORMAT, score, read)
