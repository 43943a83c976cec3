"""Hermes Agent's sessions: `~/.hermes/sessions/….jsonl` and `.json`, its exports, `state.db`, and the archival export.

A message is one of OpenAI's chat with a time, `reasoning` and `finish_reason`. Lines begin with a message of the role
`session_meta`, which names the model; a document has the fields of the session beside its messages. Tokens and costs are
counted for the session only and kept in the fields of the Run. A compaction begins a session of its own, which names the one
before it as its parent, or a message with a fixed text. The archival export says of each message whether it was
compacted (it is before a new context) or rewound (it is on a path that was left). Source: NousResearch/hermes-agent at 03106cd8d9a0,
hermes_state_portability.py (`export_session`), at 00025f69fcc3, hermes_state.py; kenn-io/agentsview at 538600744d1b,
internal/parser/hermes.go (lines, documents, columns of `state.db`, compaction texts); Sinity/polylogue at d250e578bf73,
polylogue/schemas/hermes_export_contract.py (archival export).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values.provenance import BRANCH_OF, PARENT_RUN
from ..values.turns import Run
from .kit.agent_messages import AgentMessageReader, requested_calls
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import json_or_none, objects, omit, split_document, text_or_empty
from .kit.reply_blocks import RequestedCall
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "hermes"
META_ROLE = "session_meta"
COMPACTED_TEXTS = ("[CONTEXT COMPACTION - REFERENCE ONLY]", "[CONTEXT COMPACTION – REFERENCE ONLY]")
STATE_MARKS = (b"CREATE TABLE", b"parent_session_id", b"tool_call_id", b"finish_reason", b"api_call_count")
JSON_COLUMNS = ("tool_calls", "reasoning_details", "codex_reasoning_items", "codex_message_items")
LEFT_STATES = ("rewound", "inactive")  # of messages of the archival export
SESSION_MARKS = (
    frozenset({"session_start", "platform"}),  # a log of one session
    frozenset({"started_at", "source", "message_count", "end_reason"}),  # a row of `sessions`, in an export
    frozenset({"producer", "session_revision_hash"}),  # the archival export
)


def _is_document(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("messages"), list):
        return False
    return any(marks <= value.keys() for marks in SESSION_MARKS)


def score_hermes(sample: Sample) -> int:
    """Return a score higher than those of a chat for a session of Hermes in any of its files."""
    if sample.container == "sqlite":
        return SURE + 4 if all(mark in sample.head for mark in STATE_MARKS) else 0
    records = sample.records if sample.container == "json" else []
    is_lines = any(value.get("role") == META_ROLE and ("tools" in value or "platform" in value) for value in records)
    return SURE + 6 if is_lines or any(map(_is_document, records)) else 0


def read_sessions(source: Source) -> Iterator[Run]:
    """Yield the conversation of each session."""
    if source.sample.container == "sqlite":
        yield from _read_database(source)
        return
    lines: list[Any] = []
    for position, value in source.records():
        if _is_document(value):
            yield from _read_document(source, position, value)
        else:
            lines.append(value)
    if lines:
        header = next((line for line in lines if isinstance(line, Mapping) and line.get("role") == META_ROLE), {})
        document = {**omit(header, "role"), "messages": [line for line in lines if line is not header]}
        yield from try_read(source, "", _read_session, document, source.notes(FORMAT))


def _read_document(source: Source, position: str, document: Mapping[str, Any]) -> Iterator[Run]:
    """Yield the session of a document, then the path that a rewind left."""
    root_id = ""
    for number, messages in enumerate(_paths(document["messages"])):
        notes = source.notes(FORMAT, position)
        for run in try_read(source, position, _read_session, {**document, "messages": messages}, notes):
            root_id = root_id or run.id
            run_id, metadata = f"{root_id}/branch {number}", run.metadata.with_(BRANCH_OF, root_id)
            yield replace(run, id=run_id, metadata=metadata) if number else run


def _paths(messages: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield the messages that were kept, and those on the path that was left last, if there are any."""
    left = [index for index, message in enumerate(messages) if _state_of(message) in LEFT_STATES]
    yield [message for index, message in enumerate(messages) if index not in set(left)]
    if left:
        yield list(messages[: left[-1] + 1])


def _state_of(message: Any) -> str:
    return text_or_empty(message.get("state")) if isinstance(message, Mapping) else ""


def _read_session(document: Mapping[str, Any], notes: Notes) -> Run:
    messages, fields = split_document(document, notes)
    transcript = Transcript(notes)
    session_id = text_or_empty(fields.get("session_id")) or text_or_empty(fields.get("id"))
    transcript.key = session_id or transcript.key
    reader = _MessageReader(transcript, text_or_empty(fields.get("model")))
    transcript.read_records("messages", messages, reader.read_message)
    times = [fields.get(name) for name in ("created_at", "started_at", "session_start", "timestamp")]
    return transcript.to_run(
        id=session_id,
        name=text_or_empty(fields.get("title")),
        time=next((time for time in times if time), None),
        extra_fields=omit(fields, "title"),
        metadata={PARENT_RUN.name: text_or_empty(fields.get("parent_session_id"))},
    )


class _MessageReader(AgentMessageReader):
    known_fields = (
        *AgentMessageReader.known_fields,
        "text",
        "tool_results",
        "state",
        "finish_reason",
        "tool_name",
        "message_id",
    )

    def __init__(self, transcript: Transcript, model: str) -> None:
        super().__init__(transcript, model)
        self.active_blocks: list[tuple[int, int]] = []  # of messages that a compaction kept
        self.has_compacted = False

    def read_message(self, record: Any) -> None:
        """Add the blocks of a message; one of the archival export has other names for some fields."""
        if not isinstance(record, Mapping) or "state" not in record:
            super().read_message(record)
            return
        state, first_block = record.get("state"), len(self.transcript.blocks)
        if state != "compacted" and self.has_compacted:
            self.has_compacted = False
            self.transcript.start_context()
            for start, end in self.active_blocks:
                self.transcript.carry_blocks(start, end)
        results = objects(record.get("tool_results"), "tool_results")
        message = {**record, "id": record.get("message_id"), "content": record.get("text")}
        if record.get("role") != "tool" or not results:
            super().read_message(message)
        for result in results:
            self.add_archived_result(result, record)
        self.has_compacted = self.has_compacted or state == "compacted"
        if state != "compacted":
            self.active_blocks.append((first_block, len(self.transcript.blocks)))
        self.transcript.add_extra_fields(first_block, {"state": state})

    def add_archived_result(self, result: Mapping[str, Any], message: Mapping[str, Any]) -> None:
        exit_code, value = result.get("exit_code"), result.get("output_preview")
        has_failed = result.get("is_error") is True or (type(exit_code) is int and exit_code != 0)
        error = (text_or_empty(value) or "error") if has_failed else ""
        extra_fields = omit(result, "action_id", "output_preview", "is_error") | omit(message, *self.known_fields)
        call_id = self.open_calls.take(result.get("action_id"))
        self.transcript.add_result(call_id, None if error == value else value, error, extra_fields=extra_fields)

    def begin_message(self, message: Mapping[str, Any]) -> None:
        if message.get("role") == "user" and text_or_empty(message.get("content")).lstrip().startswith(COMPACTED_TEXTS):
            self.transcript.start_context()

    def result_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().result_fields(message), "stop_reason": text_or_empty(message.get("finish_reason"))}

    def split_reply(self, message: Mapping[str, Any], text: str) -> tuple[str, list[RequestedCall]]:
        calls = objects(message.get("tool_calls"), "tool_calls")
        if all("action_id" in call for call in calls):
            return text, [
                RequestedCall(call["action_id"], call.get("tool_name"), call.get("arguments_json")) for call in calls
            ]
        return text, requested_calls(calls)


def _read_database(source: Source) -> Iterator[Run]:
    from .kit.sqlite_database import open_database

    with open_database(source.path or source.read_bytes(), source.file) as database:
        database.require_tables(("sessions", "messages"))
        for table in ("sessions", "messages"):
            database.columns(table)  # refuses computed ones
        sessions = list(database.rows("SELECT * FROM sessions ORDER BY started_at, id"))
        for session in sessions:
            query = "SELECT * FROM messages WHERE session_id = ? ORDER BY timestamp, id"
            messages = [_plain_row(row) for row in database.rows(query, (session.get("id"),))]
            position = f"session {session.get('id')}"
            document = {**_plain_row(session), "messages": messages}
            yield from try_read(source, position, _read_session, document, source.notes(FORMAT, position))


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row that are not null, with JSON texts as their values and without the id of a message."""
    fields = {name: value for name, value in row.items() if value is not None and name != "session_id"}
    for name in JSON_COLUMNS:
        if isinstance(fields.get(name), str):
            fields[name] = json_or_none(fields[name]) or fields[name]
    return fields


IMPORTER = Importer(FORMAT, score_hermes, read_sessions)
