"""Gemini CLI's sessions: `~/.gemini/tmp/<project>/chats/session-….json`, and JSON Lines since 2026.

A message of the type `gemini` is one model call: its thoughts, its text, its tool calls with their results, its
tokens (`input` includes the cache; `thoughts` are not part of `output`). In JSON Lines a later line with the id of a
message replaces it, `$set` changes the fields of the session, and `$rewindTo` removes a message and all after it;
what was removed is a Run of its own, with the messages before it. `logs.json` above
the folder `chats` repeats the prompts, and is not read. Source: google-gemini/gemini-cli, packages/core/src/services/
chatRecordingTypes.ts at 04741d1d7383 and chatRecordingService.ts at 5411f113cafa (`loadConversationRecord`), core/logger.ts
(`logs.json`) and config/storage.ts (the folder `chats`) at 5411f113cafa.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import BRANCH_OF
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
    unexpected,
)
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "gemini-cli"
MESSAGE_TYPES = ("user", "gemini", "info", "error", "warning")
MESSAGE_FIELDS = ("id", "type", "timestamp", "content", "thoughts", "toolCalls", "tokens", "model")
CALL_FIELDS = ("id", "name", "args", "result", "status", "timestamp")
FAILED_STATES = ("error", "cancelled")
Messages = dict[str, dict[str, Any]]  # by id


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("type") in MESSAGE_TYPES and "content" in value and "id" in value


def _is_session(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("sessionId"), str) and "projectHash" in value


def score_gemini_cli(sample: Sample) -> int:
    """Return a score higher than SURE for a session: its messages may have fields of other formats."""
    if sample.container != "json":
        return 0
    record = sample.record
    if _is_session(record):
        messages = record.get("messages")
        is_list = isinstance(messages, list) and all(map(_is_message, messages[:-1]))  # the last one may be cut
        return SURE + 6 if is_list or "messages" not in record else 0
    is_sent = any("$set" in value or "$rewindTo" in value for value in sample.records)
    return SURE + 6 if is_sent and any(map(_is_message, sample.records)) else 0


def read_sessions(source: Source) -> Iterator[Run]:
    """Yield the session of a source, then each path that a rewind left."""
    session = _Session()
    for position, value in source.records():
        if not isinstance(value, Mapping):
            source.add_problem(position, "not a record of a session")
            continue
        if _is_session(value) and isinstance(value.get("messages"), list) and session.messages:
            yield from session.runs(source)
            session = _Session()
        session.take(value)
    yield from session.runs(source)


class _Session:
    """The messages of a session as they are after each record, and the paths that were left."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.messages: Messages = {}
        self.left_paths: list[Messages] = []

    def take(self, record: Mapping[str, Any]) -> None:
        if "$rewindTo" in record:
            message_ids = list(self.messages)
            start = message_ids.index(record["$rewindTo"]) if record["$rewindTo"] in message_ids else 0
            self.leave_path({message_id: self.messages[message_id] for message_id in message_ids[:start]})
        elif isinstance(record.get("$set"), Mapping):
            self.take_fields(record["$set"])
        elif record.get("type") in MESSAGE_TYPES:
            self.add_message(self.messages, record)
        else:
            self.take_fields(record)

    def take_fields(self, fields: Mapping[str, Any]) -> None:
        self.fields |= omit(fields, "messages")
        messages = fields.get("messages")
        if isinstance(messages, list):
            new_messages: Messages = {}
            for message in messages:
                self.add_message(new_messages, message)
            if self.messages.keys() - new_messages.keys():
                self.leave_path(new_messages)
            self.messages = new_messages
        elif messages is not None:
            self.fields["messages"] = messages

    def add_message(self, messages: Messages, message: Any) -> None:
        message_id = message.get("id") if isinstance(message, Mapping) else None
        messages[message_id if isinstance(message_id, str) else f" {len(messages)}"] = message

    def leave_path(self, new_messages: Messages) -> None:
        if self.messages:
            self.left_paths.append(self.messages)
        self.messages = new_messages

    def runs(self, source: Source) -> Iterator[Run]:
        session_id = text_or_empty(self.fields.get("sessionId"))
        root_id = ""
        for number, messages in enumerate([self.messages, *self.left_paths]):
            name = f"branch {number}" if number else ""
            notes = source.notes(FORMAT, name)
            fields = {} if number else self.fields
            run_id = "/".join(part for part in (session_id, name) if part)
            arguments = (list(messages.values()), fields, run_id, notes)
            for run in try_read(source, name, _read_session, *arguments):
                yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root_id)) if root_id else run
                root_id = root_id or run.id


def _read_session(messages: list[Any], fields: dict[str, Any], run_id: str, notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.key = run_id.partition("/")[0] or transcript.key.partition(":")[0]
    transcript.read_records("messages", messages, _MessageReader(transcript).read_message)
    name = text_or_empty(fields.get("summary"))
    return transcript.to_run(id=run_id, name=name, time=fields.get("startTime"), extra_fields=fields)


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        message_type, transcript = message.get("type"), self.transcript
        if message_type not in MESSAGE_TYPES:
            raise unexpected("type", message_type)
        if message_type not in ("user", "gemini"):
            transcript.add_other(message)
            return
        first_block, message_id = len(transcript.blocks), text_or_empty(message.get("id"))
        text, images, other_parts = _split_content(message.get("content"))
        payload = {"text": text} | omit_empty(images=images)
        if message_type == "user":
            transcript.add_block(Kind.USER, payload, "user", message_id)
        else:
            self.add_reply(message, message_id, payload)
        for part in other_parts:
            transcript.add_other(part)
        transcript.set_times(first_block, message.get("timestamp"))
        transcript.add_extra_fields(first_block, omit(message, *MESSAGE_FIELDS))
        for tool_call in objects(message.get("toolCalls"), "toolCalls"):
            self.add_result(tool_call)

    def add_reply(self, message: Mapping[str, Any], message_id: str, payload: dict[str, Any]) -> None:
        transcript = self.transcript
        tool_calls = objects(message.get("toolCalls"), "toolCalls")
        tokens = object_or_empty(message.get("tokens"), "tokens")
        result = transcript.inference_result(
            id=message_id,
            provider="gemini",
            model=message.get("model"),
            pending=bool(tool_calls),
            usage=_usage(tokens),
            extra={"usage": tokens},
        )
        for thought in objects(message.get("thoughts"), "thoughts"):
            texts = [
                thought[name]
                for name in ("subject", "description")
                if isinstance(thought.get(name), str) and thought[name]
            ]
            extra_fields = omit(thought, "subject", "description")
            transcript.add_block(Kind.REASONING, {"text": "\n".join(texts)}, result=result, extra_fields=extra_fields)
        if payload != {"text": ""} or not tool_calls:
            transcript.add_block(Kind.LLM_TEXT, payload, "assistant", message_id, result=result)
        for tool_call in tool_calls:
            self.add_call(tool_call, result)

    def add_call(self, tool_call: Mapping[str, Any], result: InferenceResult) -> None:
        extra_fields = omit(tool_call, *CALL_FIELDS)
        call = (tool_call.get("id"), tool_call.get("name"), tool_call.get("args"))
        self.transcript.add_call(*call, result=result, extra_fields=extra_fields)

    def add_result(self, tool_call: Mapping[str, Any]) -> None:
        """Add the result of a tool call; a call without one was not run, or its session was cut."""
        parts, state = tool_call.get("result"), tool_call.get("status")
        if parts is None and state not in FAILED_STATES:
            return
        value, has_error = _tool_output(parts)
        has_failed = has_error or state in FAILED_STATES
        error = (value if isinstance(value, str) and value else str(state or "error")) if has_failed else ""
        extra_fields = {} if state in ("success", None) else {"status": state}
        result_value = None if error and error == value else value
        time = tool_call.get("timestamp")
        self.transcript.add_result(tool_call.get("id"), result_value, error, time=time, extra_fields=extra_fields)


def _split_content(content: Any) -> tuple[str, list[dict[str, Any]], list[Any]]:
    """Return the text, the images and the other parts of a content: a text, a part, or a list of both."""
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    other_parts: list[Any] = []
    for part in content if isinstance(content, list) else [] if content is None else [content]:
        inline_data = part.get("inlineData") if isinstance(part, Mapping) else None
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.keys() == {"text"} and isinstance(part["text"], str):
            texts.append(part["text"])
        elif isinstance(inline_data, Mapping) and str(inline_data.get("mimeType")).startswith("image/"):
            images.append(omit_empty(media_type=inline_data.get("mimeType"), content=inline_data.get("data")))
        else:
            other_parts.append(part)
    return "\n".join(texts), images, other_parts


def _tool_output(parts: Any) -> tuple[Any, bool]:
    """Return the output in the parts of a result, and whether it is an error; the parts where they have more than one."""
    if isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], Mapping):
        response = parts[0].get("functionResponse")
        output = response.get("response") if isinstance(response, Mapping) else None
        if isinstance(output, Mapping) and len(output) == 1:
            name, value = next(iter(output.items()))
            if name in ("output", "error"):
                return value, name == "error"
        return (output, False) if output is not None else (parts, False)
    return parts, False


def _usage(tokens: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a call; thoughts that only the total includes are counted as its remainder."""
    names = ("input", "output", "cached", "thoughts", "tool", "total")
    input_tokens, output_tokens, cached, thoughts, tool, total = (to_number(tokens.get(name)) for name in names)
    if input_tokens is None and output_tokens is None:
        return None
    input_count, output_count = (input_tokens or 0) + (tool or 0), output_tokens or 0
    if not thoughts and total is not None and total > input_count + output_count:
        thoughts = total - input_count - output_count
    return token_usage(input_count, output_count + (thoughts or 0), cache_read_tokens=cached, reasoning_tokens=thoughts)


IMPORTER = Importer(FORMAT, score_gemini_cli, read_sessions)
