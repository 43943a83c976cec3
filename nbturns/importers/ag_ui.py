"""AG-UI: the messages of an agent's front end, and the streams of events that make them.

Messages have ids, `toolCalls` and `toolCallId`; the input of a run (`RunAgentInput`) has them with a thread.
Events (`TEXT_MESSAGE_CONTENT`, `TOOL_CALL_ARGS`, …, in JSON Lines, a list or an event stream) are joined to
messages first, by `ag_ui_events`. Events that belong to no message (state, custom) are `other` blocks; those
of a run (`RUN_STARTED`, `STEP_STARTED`) are kept in the Run's metadata. Source: ag-ui-protocol/ag-ui at
821b8c227c6f, sdks/typescript/packages/core/src/types.ts and events.ts, sdks/python/ag_ui/core/types.py and events.py (the
same names in snake case).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..values.turns import Kind, Run
from . import openai_chat
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
from .kit.sample import Sample
from .kit.source import Source
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


def read_ag_ui_conversation(document: Any, notes: Notes) -> Run:
    """Return the Run of a list of messages or events, or of an object with `messages` or `events`."""
    if _is_item(document):
        document = [document]
    if isinstance(document, Mapping) and "messages" not in document and "events" in document:
        events, extra_fields = split_document(document, notes, "events")
        return read_event_stream(events, notes, extra_fields)
    messages, extra_fields = split_document(document, notes)
    if any(map(openai_chat.has_own_call, messages)):  # calls as OpenAI's chat has them, after plain messages with ids
        notes.format = openai_chat.FORMAT
        return openai_chat.read_chat(document, notes)
    if any(map(is_event, messages)):
        return read_event_stream(messages, notes, extra_fields)
    return _run_of(Transcript(notes), messages, extra_fields)


def read_event_stream(events: Iterable[Any], notes: Notes, extra_fields: Mapping[str, Any] | None = None) -> Run:
    """Return the Run of the messages of a stream of events."""
    stream = EventStream(notes)
    for event_index, event in enumerate(events):
        stream.read_event(f"events[{event_index}]", event)
    run_fields = {**(extra_fields or {}), **omit_empty(events=stream.run_events), **stream.ids}
    return _run_of(Transcript(notes), stream.joined_messages(), run_fields)


def _run_of(transcript: Transcript, messages: list[Any], extra_fields: dict[str, Any]) -> Run:
    event_count = transcript.notes.record_count
    transcript.read_records("messages", messages, _MessageReader(transcript, messages).read_message)
    if event_count:  # the records are the events, not the messages made of them
        transcript.notes.record_count = event_count
    thread_id, run_name = pop_text(extra_fields, "id", "threadId", "thread_id"), pop_text(extra_fields, "name")
    return transcript.to_run(id=thread_id, name=run_name, extra_fields=extra_fields)


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
        role, message_id = message.get("role"), optional_text(message.get("id"), "id") or ""
        transcript, first_block, timestamp = self.transcript, len(self.transcript.blocks), message.get("timestamp")
        extra_fields = omit(message, *MESSAGE_FIELDS)
        if role in PROMPT_KINDS:
            prompt_text, images, is_whole = _prompt_content(message.get("content"))
            payload = {"text": prompt_text} | omit_empty(images=images)
            transcript.add_block(PROMPT_KINDS[role], payload, role, message_id, time=timestamp)
            extra_fields |= {} if is_whole else {"content": message["content"]}
        elif role == "assistant":
            self.add_reply(message, message_id, timestamp)
        elif role == "tool":
            call_id, content, error = (message.get(field_name) for field_name in ("toolCallId", "content", "error"))
            transcript.add_result(call_id, content, error, block_id=message_id, time=timestamp)
        elif role == "reasoning":
            inference_result = transcript.inference_result(id=self.next_reply_ids[transcript.index or 0] or message_id)
            payload = {"text": _join_texts(message.get("content"))}
            payload |= omit_empty(encrypted_content=extra_fields.pop("encryptedValue", None))
            transcript.add_block(Kind.REASONING, payload, "", message_id, result=inference_result, time=timestamp)
        elif role == "activity":
            transcript.add_other(message)
            return
        else:
            raise unexpected("role", role)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reply(self, message: Mapping[str, Any], message_id: str, timestamp: Any) -> None:
        transcript = self.transcript
        tool_calls = objects(message.get("toolCalls"), "toolCalls")
        inference_result = transcript.inference_result(id=message_id, pending=bool(tool_calls))
        content = message.get("content")
        if content or not tool_calls:
            transcript.add_block(
                Kind.LLM_TEXT,
                {"text": _join_texts(content)},
                "assistant",
                message_id,
                result=inference_result,
                time=timestamp,
            )
        for tool_call in tool_calls:
            call_function = object_or_empty(tool_call.get("function"), "function")
            tool_name, arguments = call_function.get("name"), call_function.get("arguments")
            call_fields = omit(tool_call, "id", "function", "type")
            transcript.add_call(
                tool_call.get("id"),
                tool_name,
                arguments,
                result=inference_result,
                time=timestamp,
                extra_fields=call_fields,
            )


def _reply_id(message: Any) -> str:
    """Return the id of a reply, to which the reasoning before it belongs; "" for another message."""
    is_reply = isinstance(message, Mapping) and message.get("role") == "assistant"
    return str(message.get("id") or "") if is_reply else ""


def _join_texts(content: Any) -> str:
    if isinstance(content, list) and all(isinstance(text_part, str) for text_part in content):
        return "\n".join(content)
    return optional_text(content, "content") or ""


def _prompt_content(content: Any) -> tuple[str, list[dict[str, Any]], bool]:
    """Return text and images of a prompt, and whether that is all of it."""
    if content is None or isinstance(content, str):
        return content or "", [], True
    content_parts = objects(expect(content, list, "content"), "content")
    text_parts = [
        content_part["text"]
        for content_part in content_parts
        if content_part.get("type") == "text" and isinstance(content_part.get("text"), str)
    ]
    images = [image for content_part in content_parts if (image := _image_payload(content_part)) is not None]
    return "\n".join(text_parts), images, len(content_parts) < 2 and len(text_parts) + len(images) == len(content_parts)


def _image_payload(content_part: Mapping[str, Any]) -> dict[str, Any] | None:
    part_source = content_part.get("source")
    image_fields = {**content_part, **part_source} if isinstance(part_source, Mapping) else content_part
    part_type, media_type = content_part.get("type"), image_fields.get("mimeType")
    if part_type != "image" and not (part_type == "binary" and str(media_type).startswith("image/")):
        return None
    image_data = image_fields.get("data") or (image_fields.get("value") if image_fields.get("type") == "data" else None)
    image_url = image_fields.get("url") or (image_fields.get("value") if image_fields.get("type") == "url" else None)
    file_id = None if image_url or image_data else image_fields.get("id")
    return omit_empty(media_type=media_type, content=image_data, url=image_url, file_id=file_id)


# Files.


def score_ag_ui(sample: Sample) -> int:
    """Return SURE for tool calls and events of AG-UI, and a lower score for plain messages with ids."""
    if sample.container == "text":
        return SURE if any(map(is_event, _stream_values(sample.text, 4))) else 0
    first_records = first_items(sample, "messages", "events")
    if any(is_event(record) or is_message(record) for record in first_records):
        return SURE
    return WITH_IDS if first_records and all(map(_is_plain, first_records)) else 0


def _is_plain(value: Any) -> bool:
    """Return True for a message without tool calls: an id, a role, a content."""
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not PLAIN_FIELDS.issuperset(value):
        return False
    role = value.get("role")
    return isinstance(role, str) and role in (*PROMPT_KINDS, "assistant") and "content" in value


def _is_item(value: Any) -> bool:
    return is_event(value) or is_message(value) or _is_plain(value)


def _stream_values(text: str, max_lines: int | None = None) -> Iterator[Any]:
    """Yield the values in an event stream (`data: {…}`)."""
    data_lines = (
        data_line.removeprefix("data:").strip() for data_line in text.splitlines() if data_line.startswith("data:")
    )
    for data_line in islice(data_lines, max_lines):
        try:
            yield json.loads(data_line)
        except (ValueError, RecursionError):
            yield data_line


def read_ag_ui(source: Source) -> Iterator[Run]:
    """Yield the conversations of a source; an event stream is one."""
    if source.sample.container == "text":
        yield from try_read(source, "", read_event_stream, _stream_values(source.read_text()), source.notes(FORMAT))
    else:
        yield from read_lists(source)


read_lists: Callable[[Source], Iterator[Run]] = list_reader(FORMAT, _is_item, read_ag_ui_conversation)
IMPORTER = Importer(FORMAT, score_ag_ui, read_ag_ui)
