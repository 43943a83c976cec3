"""Kiro's and Amazon Q's sessions: a state of a conversation, the database of these, and lines of `sessions/cli`.

A state has a `history` of pairs: what the user or the tools said, and the reply. Its conversation after a compaction begins
with `latest_summary` in place of the entries before `valid_history_range`. A database has states in `conversations_v2`
or `conversations`; nothing else of it is read. Lines have a `kind` and `data`, with a file of the same name beside
them. Tokens are not recorded. Source: aws/amazon-q-developer-cli at 15cc8f3cd18c, crates/chat-cli/src/cli/chat/
conversation.rs (`ConversationState`), message.rs (`UserMessage`, `AssistantMessage`, `ToolUseResult`), parser.rs
(`RequestMetadata`: `model_id`, `request_id`, times in milliseconds), database/sqlite_migrations; kenn-io/agentsview at
538600744d1b, internal/parser/kiro_sqlite.go (`conversations_v2`) and kiro.go (lines: `content` with `kind` and `data`,
`toolUseId`; the file beside: `session_id`, `cwd`, `title`, `created_at`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import LoadError
from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit import lenient_json
from .kit.faults import unknown_value, wrong_type
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    to_number,
    unexpected,
)
from .kit.sample import Sample
from .kit.side_files import side_value
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "kiro"
SCORE = SURE + 6  # higher than SURE: no other format has these pairs, but some have a `history`
TABLES = ("conversations_v2", "conversations")
AMAZON_Q = frozenset({"conversations", "auth_kv"})  # tables of a database without `conversations_v2`
KINDS = ("Prompt", "AssistantMessage", "ToolResults")
RESULT_KINDS = ("ToolUseResults", "CancelledToolUses")


def _is_state(value: Any) -> bool:
    history = value.get("history") if isinstance(value, Mapping) else None
    if not isinstance(history, list) or not ("conversation_id" in value or "transcript" in value):
        return False
    return not history or (isinstance(history[0], Mapping) and {"user", "assistant"} <= history[0].keys())


def _is_line(value: Any) -> bool:
    data = value.get("data") if isinstance(value, Mapping) else None
    return isinstance(data, Mapping) and value.get("kind") in KINDS and isinstance(data.get("content"), list)


def score_kiro(sample: Sample) -> int:
    """Return a score higher than SURE for a state, for lines with Kiro's kinds, and for its database."""
    if sample.container == "sqlite":
        names = set(sample.names)
        return SCORE if TABLES[0] in names or names >= AMAZON_Q else 0
    records = sample.records if sample.container == "json" else []
    return SCORE if any(_is_state(value) or _is_line(value) for value in records) else 0


def read_sessions(source: Source) -> Iterator[Run]:
    """Yield the conversation of each state in a source, or that of its lines."""
    if source.sample.container == "sqlite":
        yield from _runs_of_database(source)
        return
    lines: list[tuple[str, Any]] = []
    for position, value in source.records():
        if isinstance(value, Mapping) and "history" in value:
            yield from try_read(source, position, _read_state, value, {}, source.notes(FORMAT, position))
        else:
            lines.append((position, value))
    if lines:
        yield from try_read(source, "", _read_lines, lines, _side_of(source), source.notes(FORMAT))


def _runs_of_database(source: Source) -> Iterator[Run]:
    from .kit.sqlite_database import open_source

    with open_source(source) as database:
        for table in [name for name in TABLES if name in database.tables]:
            database.require_tables([table])
            columns = database.columns(table)  # refuses computed ones
            query = "SELECT * FROM conversations_v2" if table == TABLES[0] else "SELECT * FROM conversations"
            for number, row in enumerate(database.rows(f"{query} ORDER BY rowid")):
                position = f"{table} {row.get('conversation_id') or number}"
                fields = omit_empty({name: row[name] for name in columns if name != "value"})
                notes = source.notes(FORMAT, position)
                yield from try_read(source, position, _read_state, _state_of(row.get("value")), fields, notes)


def _state_of(value: Any) -> Any:
    """Return the state in a row. Raises LoadError for a text that is not JSON."""
    try:
        return lenient_json.parse(value if isinstance(value, (str, bytes)) else "")
    except (ValueError, RecursionError) as error:
        return LoadError(f"the state is not JSON: {error}")


# A state.


def _read_state(value: Any, row: Mapping[str, Any], notes: Notes) -> Run:
    if isinstance(value, LoadError):
        raise value
    state = value if isinstance(value, Mapping) else {}
    history = state.get("history")
    if not isinstance(history, list):
        raise notes.load_error("", wrong_type("history", history, list))
    transcript = Transcript(notes)
    conversation_id = text_or_empty(state.get("conversation_id")) or text_or_empty(row.get("conversation_id"))
    transcript.key = conversation_id or transcript.key
    model_info = state.get("model_info")
    model = text_or_empty(model_info.get("model_id")) if isinstance(model_info, Mapping) else ""
    reader = _EntryReader(transcript, model or text_or_empty(state.get("model")))
    summary, first_entry = _summary_of(state)
    for index, entry in enumerate(history):
        if index == first_entry and summary:
            _add_summary(transcript, summary)
        transcript.read_record(f"history[{index}]", entry, reader.read_entry)
    if first_entry >= len(history) and summary:
        _add_summary(transcript, summary)
    fields = {
        "cwd": text_or_empty(row.get("key")) or reader.cwd,
        **omit(state, "conversation_id", "history"),
        "row": row,
    }
    time = row.get("created_at") or reader.time
    return transcript.to_run(id=conversation_id, time=time, extra_fields=fields)


def _summary_of(state: Mapping[str, Any]) -> tuple[str, int]:
    """Return the summary of what came before, and the index of the first entry that the model still sees."""
    summary, entries = state.get("latest_summary"), state.get("valid_history_range")
    first_entry = entries[0] if isinstance(entries, list) and entries and type(entries[0]) is int else 0
    return text_or_empty(summary[0]) if isinstance(summary, list) and summary else "", first_entry


def _add_summary(transcript: Transcript, summary: str) -> None:
    transcript.begin_record("latest_summary")
    if transcript.blocks:
        transcript.start_context()
    transcript.add_block(Kind.USER, {"text": summary}, "user", extra_fields={"compacted": True})


class _EntryReader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model
        self.cwd = ""
        self.time: Any = None

    def read_entry(self, record: Any) -> None:
        entry = expect(record, dict, "")
        user, metadata = object_or_empty(entry.get("user"), "user"), entry.get("request_metadata")
        self.add_user(user)
        metadata = object_or_empty(metadata, "request_metadata")
        self.add_reply(object_or_empty(entry.get("assistant"), "assistant"), metadata)
        extra_fields = omit(entry, "user", "assistant", "request_metadata")
        if extra_fields:
            self.transcript.add_extra_fields(len(self.transcript.blocks) - 1, extra_fields)

    def add_user(self, user: Mapping[str, Any]) -> None:
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        content = object_or_empty(user.get("content"), "content")
        for kind, value in content.items():
            fields = object_or_empty(value, kind)
            if kind in RESULT_KINDS:
                for result in objects(fields.get("tool_use_results"), "tool_use_results"):
                    _add_result(transcript, result, "tool_use_id")
            elif kind != "Prompt":
                raise unexpected("content", kind)
            prompt = optional_text(fields.get("prompt"), "prompt")
            if prompt is not None:
                transcript.add_block(Kind.USER, {"text": prompt}, "user")
        if not content or len(transcript.blocks) == first_block:
            transcript.add_block(Kind.USER, {"text": ""}, "user")
        env = user.get("env_context")
        env_state = env.get("env_state") if isinstance(env, Mapping) else None
        cwd = env_state.get("current_working_directory") if isinstance(env_state, Mapping) else None
        self.cwd, self.time = self.cwd or text_or_empty(cwd), self.time or user.get("timestamp")
        transcript.set_times(first_block, user.get("timestamp"))
        transcript.add_extra_fields(first_block, omit(user, "content", "timestamp"))

    def add_reply(self, assistant: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        for kind, value in assistant.items():
            if kind not in ("Response", "ToolUse"):
                raise unexpected("assistant", kind)
            fields = object_or_empty(value, kind)
            calls = objects(fields.get("tool_uses"), "tool_uses")
            result = self.call_result(fields, metadata, pending=bool(calls))
            text = optional_text(fields.get("content"), "content") or ""
            if text or not calls:
                transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", result=result)
            for call in calls:
                values = (call.get("id"), call.get("name"), call.get("args"))
                extra_fields = omit(call, "id", "name", "args")
                transcript.add_call(*values, result=result, extra_fields=extra_fields)
            transcript.add_extra_fields(first_block, omit(fields, "content", "tool_uses"))
        transcript.set_times(first_block, metadata.get("stream_end_timestamp_ms"))

    def call_result(self, fields: Mapping[str, Any], metadata: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        start, end = (to_number(metadata.get(f"{name}_timestamp_ms")) for name in ("request_start", "stream_end"))
        first_chunk = object_or_empty(metadata.get("time_to_first_chunk"), "time_to_first_chunk")
        seconds, nanoseconds = (to_number(first_chunk.get(name)) for name in ("secs", "nanos"))
        return self.transcript.inference_result(
            id=text_or_empty(fields.get("message_id")) or text_or_empty(metadata.get("message_id")),
            model=text_or_empty(metadata.get("model_id")) or self.model or None,
            request_id=optional_text(metadata.get("request_id"), "request_id"),
            pending=pending,
            duration_ms=int(end - start) if start and end and end >= start else None,
            time_to_first_token_ms=None if seconds is None else int(seconds * 1000 + (nanoseconds or 0) / 1_000_000),
            extra={"request_metadata": metadata},
        )


def _add_result(transcript: Transcript, result: Mapping[str, Any], id_name: str) -> None:
    """Add a result of a tool, whose content is a list of texts and JSON values."""
    content, failed = result.get("content"), str(result.get("status")).lower() == "error"
    values = [_value_of(part) for part in content] if isinstance(content, list) else [content]
    value = values[0] if len(values) == 1 else values
    error = (value if isinstance(value, str) and value else "error") if failed else ""
    extra_fields = omit(result, id_name, "content", *(("status",) if failed or "status" in result else ()))
    transcript.add_result(result.get(id_name), None if error == value else value, error, extra_fields=extra_fields)


def _value_of(part: Any) -> Any:
    """Return the value of a part: `{"Text": …}`, `{"Json": …}`, or `{"kind": "text", "data": …}`."""
    if isinstance(part, Mapping) and len(part) == 1 and next(iter(part)).lower() in ("text", "json"):
        return next(iter(part.values()))
    if isinstance(part, Mapping) and part.keys() == {"kind", "data"} and part["kind"] in ("text", "json"):
        return part["data"]
    return part


# Lines.


def _side_of(source: Source) -> Mapping[str, Any]:
    """Return the metadata of a session, from the `.json` file next to its lines; an empty object without one."""
    path = source.path.with_suffix(".json") if source.path is not None and source.path.suffix == ".jsonl" else None
    side = side_value(source, path)
    return side if isinstance(side, Mapping) and "session_id" in side else {}


def _read_lines(lines: Sequence[tuple[str, Any]], side: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    session_id = text_or_empty(side.get("session_id"))
    transcript.key = session_id or transcript.key
    reader = _LineReader(transcript)
    for position, line in lines:
        transcript.read_record(position, line, reader.read_line)
    name, time = text_or_empty(side.get("title")), side.get("created_at")
    fields = {**omit(side, "session_id", "title"), "records": reader.other_lines}
    return transcript.to_run(id=session_id, name=name, time=time, extra_fields=fields)


class _LineReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.other_lines: list[Any] = []

    def read_line(self, record: Any) -> None:
        line, transcript = expect(record, dict, ""), self.transcript
        if not _is_line(line):
            transcript.unknown(unknown_value("kind", line.get("kind")))
            self.other_lines.append(line)
            return
        data, kind, first_block = line["data"], line["kind"], len(transcript.blocks)
        parts = objects(data.get("content"), "content")
        result = None
        if kind == "AssistantMessage":
            calls = any(part.get("kind") == "toolUse" for part in parts)
            model = text_or_empty(data.get("model_id")) or None
            result = transcript.inference_result(id=text_or_empty(data.get("message_id")), model=model, pending=calls)
        for part in parts:
            self.add_part(part, result)
        if not parts:
            block_kind, role = (Kind.LLM_TEXT, "assistant") if result else (Kind.USER, "user")
            transcript.add_block(block_kind, {"text": ""}, role, result=result)
        transcript.set_times(first_block, line.get("timestamp", data.get("timestamp")))
        extra_fields = omit(line, "kind", "data", "timestamp") | omit(data, "content", "timestamp")
        transcript.add_extra_fields(first_block, extra_fields)

    def add_part(self, part: dict[str, Any], result: InferenceResult | None) -> None:
        transcript, part_kind, value = self.transcript, part.get("kind"), part.get("data")
        if part_kind == "text":
            block_kind, role = (Kind.LLM_TEXT, "assistant") if result else (Kind.USER, "user")
            transcript.add_block(block_kind, {"text": expect(value, str, "data")}, role, result=result)
        elif part_kind == "toolUse" and result is not None:
            call = expect(value, dict, "data")
            values = (call.get("toolUseId"), call.get("name"), call.get("input"))
            extra_fields = omit(call, "toolUseId", "name", "input")
            transcript.add_call(*values, result=result, extra_fields=extra_fields)
        elif part_kind == "toolResult":
            _add_result(transcript, expect(value, dict, "data"), "toolUseId")
        else:
            transcript.unknown(unknown_value("kind", part_kind))
            transcript.add_other(part, result=result)


IMPORTER = Importer(FORMAT, score_kiro, read_sessions)
