"""goose's sessions: JSON Lines with a header, the export of a session with its `conversation`, and the database.

A message has a role, a time in seconds and parts with a type; a tool call and its result are `toolRequest` and
`toolResponse`, each a success with a `value` or an error. Files have tokens for the session only, in the fields of the Run;
the database has a row for each call in `usage_ledger`, in the order of the replies. Source: block/goose,
crates/goose/src/conversation/message.rs at 05132966065f, and crates/goose/src/session/session_manager.rs;
kenn-io/agentsview at 538600744d1b, internal/parser/goose.go (the columns of `sessions`, `messages` and `usage_ledger`). Of
the parts `contextLengthExceeded` and `summarizationRequested` of older versions no such source is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import PARENT_RUN
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.ledger import with_calls
from .kit.record_fields import (
    expect,
    json_or_none,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    to_float,
    token_usage,
    unexpected,
)
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "goose"
KINDS = {"user": Kind.USER, "assistant": Kind.LLM_TEXT, "system": Kind.SYSTEM}
ROLES = tuple(KINDS)
OWN_PART_TYPES = frozenset(
    {"toolRequest", "toolResponse", "frontendToolRequest", "toolConfirmationRequest", "actionRequired"}
    | {"systemNotification", "contextLengthExceeded", "summarizationRequested", "conversationCompacted"}
)
OTHER_TYPES = OWN_PART_TYPES - {"toolRequest", "toolResponse", "frontendToolRequest"}
HEADER_FIELDS = frozenset({"working_dir", "message_count", "schedule_id", "accumulated_total_tokens"})
MESSAGE_FIELDS = ("id", "role", "created", "content")


def is_message(value: Any) -> bool:
    """Return True for a message of goose: a role, a time, and parts with a type."""
    if not isinstance(value, Mapping) or value.get("role") not in ROLES or not isinstance(value.get("content"), list):
        return False
    return "created" in value and all(isinstance(part, Mapping) and "type" in part for part in value["content"])


def _is_header(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" not in value and len(HEADER_FIELDS & value.keys()) > 1


def score_goose(sample: Sample) -> int:
    """Return SURE for the header of a session, for its export, for messages with goose's own parts, and its database."""
    if sample.container == "sqlite":
        return SURE + 6 if {"sessions", "messages", "messages.content_json"} <= set(sample.names) else 0
    if sample.container != "json":
        return 0
    record = sample.record
    if isinstance(record.get("conversation"), list):
        return SURE if _is_header(record) or any(map(_has_own_part, record["conversation"])) else 0
    records = sample.records
    if _is_header(record):
        return SURE if len(records) == 1 or any(map(is_message, records[1:])) else 0
    return SURE if any(map(_has_own_part, records)) else 0


def _has_own_part(value: Any) -> bool:
    return is_message(value) and any(str(part["type"]) in OWN_PART_TYPES for part in value["content"])


def read_sessions(source: Source) -> Iterator[Run]:
    """Yield the session of a source whose lines or items are messages, or each session of an export."""
    if source.sample.container == "sqlite":
        yield from _runs_of_database(source)
        return
    messages: list[Any] = []
    header: dict[str, Any] = {}
    for position, value in source.records():
        if isinstance(value, Mapping) and isinstance(value.get("conversation"), list):
            fields = omit(value, "conversation")
            arguments = (value["conversation"], fields, source.notes(FORMAT, position))
            yield from try_read(source, position, _read_session, *arguments)
        elif _is_header(value) and not messages:
            header = {**header, **value}
        else:
            messages.append(value)
    if messages or header:
        yield from try_read(source, "", _read_session, messages, header, source.notes(FORMAT))


def _runs_of_database(source: Source) -> Iterator[Run]:
    from .kit.sqlite_database import open_source

    with open_source(source) as database:
        database.require_tables(["sessions", "messages"])
        has_ledger = database.tables.get("usage_ledger") == "table"
        for table in ("sessions", "messages", *(["usage_ledger"] if has_ledger else [])):
            database.columns(table)  # refuses computed ones
        for row in list(database.rows("SELECT * FROM sessions ORDER BY rowid")):
            query = "SELECT * FROM messages WHERE session_id = ? ORDER BY created_timestamp, id"
            messages = [_message_of_row(message) for message in database.rows(query, [row["id"]])]
            query = "SELECT * FROM usage_ledger WHERE session_id = ? ORDER BY created_timestamp, id"
            ledger = list(database.rows(query, [row["id"]])) if has_ledger else []
            position = f"session {row['id']}"
            arguments = (messages, _header_of_row(row), source.notes(FORMAT, position), ledger)
            yield from try_read(source, position, _read_session, *arguments)


def _header_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a session as an export has it: columns with JSON are objects."""
    names = {"model_config_json": "model_config", "extension_data": "extension_data", "recipe_json": "recipe"}
    parsed = {names[name]: json_or_none(row[name]) for name in names if isinstance(row.get(name), str)}
    return omit_empty({**omit(row, *names), **parsed})


def _message_of_row(row: Mapping[str, Any]) -> dict[str, Any]:
    content = json_or_none(row["content_json"]) if isinstance(row.get("content_json"), str) else None
    metadata = json_or_none(row["metadata_json"]) if isinstance(row.get("metadata_json"), str) else None
    created = {"id": row.get("message_id") or str(row.get("id")), "created": row.get("created_timestamp")}
    fields = {"tokens": row.get("tokens"), "metadata": metadata}
    return {**created, "role": row.get("role"), "content": content, **omit_empty(fields)}


def _read_session(
    messages: list[Any], header: dict[str, Any], notes: Notes, ledger: Sequence[Mapping[str, Any]] = ()
) -> Run:
    transcript = Transcript(notes)
    session_id = text_or_empty(header.get("id"))
    transcript.key = session_id or transcript.key
    model_config = header.get("model_config")
    model = model_config.get("model_name") if isinstance(model_config, Mapping) else None
    reader = _MessageReader(transcript, text_or_empty(model), ledger)
    transcript.read_records("messages", messages, reader.read_message)
    name = text_or_empty(header.get("name") or header.get("description"))
    metadata = {PARENT_RUN.name: text_or_empty(header.get("parent_session_id"))}
    run = transcript.to_run(
        id=session_id, name=name, time=header.get("created_at"), extra_fields=header, metadata=metadata
    )
    return with_calls(run, reader.calls_without_reply())


class _MessageReader:
    def __init__(self, transcript: Transcript, model: str, ledger: Sequence[Mapping[str, Any]]) -> None:
        self.transcript = transcript
        self.model = model
        self.rows = [row for row in ledger if not row.get("is_compaction")]  # those of replies, in order
        self.compactions = [row for row in ledger if row.get("is_compaction")]

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        role = message.get("role")
        if role not in ROLES:
            raise unexpected("role", role)
        transcript, parts = self.transcript, objects(message.get("content"), "content")
        first_block, message_id = len(transcript.blocks), text_or_empty(message.get("id"))
        result = None
        if role == "assistant":
            has_calls = any("toolCall" in part for part in parts)
            row = self.rows.pop(0) if self.rows else {}
            result = self.call_result(message_id, row, pending=has_calls)
        for index, part in enumerate(parts):
            self.add_part(part, role, result, f".content[{index}]")
        if not parts:
            transcript.add_block(KINDS[role], {"text": ""}, role, result=result)
        transcript.set_times(first_block, message.get("created"))
        transcript.add_extra_fields(first_block, omit(message, *MESSAGE_FIELDS) | omit_empty(message_id=message_id))

    def call_result(self, call_id: str, row: Mapping[str, Any], *, pending: bool = False) -> InferenceResult:
        counts = [row.get(f"{name}_tokens") for name in ("input", "output", "cache_read", "cache_write")]
        is_reported = row.get("cost_source") == "provider_reported"  # others are estimates of goose
        return self.transcript.inference_result(
            id=call_id,
            model=text_or_empty(row.get("model")) or self.model,
            pending=pending,
            usage=token_usage(counts[0], counts[1], cache_read_tokens=counts[2], cache_write_tokens=counts[3]),
            cost=to_float(row.get("cost")) if is_reported else None,
            extra={"usage_ledger": omit_empty(omit(row, "session_id"))},
        )

    def calls_without_reply(self) -> list[InferenceResult]:
        """Return the calls that left no message: compactions, and those of replies that were removed."""
        return [self.call_result(f"ledger-{row.get('id')}", row) for row in (*self.rows, *self.compactions)]

    def add_part(self, part: dict[str, Any], role: str, result: InferenceResult | None, path: str) -> None:
        transcript, part_type = self.transcript, part.get("type")
        if part_type == "text":
            text = expect(part.get("text"), str, "text")
            extra_fields = omit(part, "type", "text")
            transcript.add_block(KINDS[role], {"text": text}, role, result=result, extra_fields=extra_fields)
        elif part_type == "image":
            image = omit_empty(content=part.get("data"), media_type=part.get("mimeType"))
            extra_fields = omit(part, "type", "data", "mimeType")
            payload = {"text": "", "images": [image]}
            transcript.add_block(KINDS[role], payload, role, result=result, extra_fields=extra_fields)
        elif part_type in ("thinking", "redactedThinking"):
            text = optional_text(part.get("thinking"), "thinking") or ""
            payload = {"text": text} | omit_empty(omit(part, "type", "thinking"))
            transcript.add_block(Kind.REASONING, payload, result=result)
        elif part_type in ("toolRequest", "frontendToolRequest"):
            self.add_call(part, result)
        elif part_type == "toolResponse":
            value, error, extra_fields = _tool_result(expect(part.get("toolResult"), dict, "toolResult"))
            extra_fields |= omit(part, "type", "id", "toolResult")
            transcript.add_result(part.get("id"), value, error, extra_fields=extra_fields)
        else:
            if str(part_type) not in OTHER_TYPES:
                transcript.unknown(unknown_value("type", part_type), path)
            transcript.add_other(part, result=result)

    def add_call(self, part: Mapping[str, Any], result: InferenceResult | None) -> None:
        """Add a tool call; one that goose could not read has no name, and its error is kept with it."""
        tool_call = expect(part.get("toolCall"), dict, "toolCall")
        call_value = object_or_empty(tool_call.get("value"), "value")
        extra_fields = omit(part, "type", "id", "toolCall") | omit(tool_call, "value", "status")
        extra_fields |= omit(call_value, "name", "arguments")
        call = (part.get("id"), call_value.get("name"), call_value.get("arguments"))
        self.transcript.add_call(*call, result=result, extra_fields=extra_fields)


def _tool_result(tool_result: Mapping[str, Any]) -> tuple[Any, str, dict[str, Any]]:
    """Return the value of a result, its error, and its other fields; newer values have `content` and `isError`."""
    value, error = tool_result.get("value"), tool_result.get("error")
    extra_fields = omit(tool_result, "value", "error", "status")
    has_failed = error is not None
    if isinstance(value, Mapping) and isinstance(value.get("content"), list):
        has_failed = has_failed or value.get("isError") is True
        extra_fields |= omit(value, "content", "isError")
        value = value["content"]
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], Mapping) and value[0].get("type") == "text":
        extra_fields |= omit(value[0], "type", "text")
        value = value[0].get("text")
    if not has_failed:
        return value, "", extra_fields
    error_text = error if isinstance(error, str) and error else value if isinstance(value, str) and value else "error"
    return (None if error_text == value else value), error_text, extra_fields


IMPORTER = Importer(FORMAT, score_goose, read_sessions)
