"""AgentV's transcripts: lines with a message each, of one or more tests.

The rows of one `test_id` and `target` are a conversation. A message has `tool_calls` with a `tool`, an `input`, and the
`output` where the tool has run; `token_usage` is that of its model call. `source` names the session, its model and its
directory, `transcript_token_usage`, `transcript_duration_ms` and `transcript_cost_usd` are totals of the conversation: they
are kept in the fields of the Run, because no model call has them. Source: EntityProcess/agentv at 58f316ca24e3,
packages/core/src/import/types.ts (`TranscriptJsonLine`, `TranscriptToolCallJsonLine`; schema version
`agentv.transcript.v1`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.turns import Run
from .kit.agent_messages import AgentMessageReader
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    list_or_empty,
    object_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
)
from .kit.reply_blocks import Content, RequestedCall
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "agentv"
SCHEMA = "agentv.transcript."  # and the version
ROW_FIELDS = ("schema_version", "test_id", "target", "source", "capture")
TOTALS = ("transcript_token_usage", "transcript_duration_ms", "transcript_cost_usd")
MESSAGE_FIELDS = (*AgentMessageReader.known_fields, "start_time", "token_usage", "duration_ms", "message_index")
CALL_FIELDS = ("tool", "input", "output", "id")
Row = tuple[str, Any]  # with its position


def is_row(value: Any) -> bool:
    """Return True for a row of a transcript."""
    return isinstance(value, Mapping) and text_or_empty(value.get("schema_version")).startswith(SCHEMA)


def score_agentv(sample: Sample) -> int:
    """Return a score higher than that of OpenAI's messages for rows with this schema."""
    records = [*sample.records, sample.record] if sample.container == "json" else []
    return SURE + 6 if any(map(is_row, records)) else 0


def read_transcripts(source: Source) -> Iterator[Run]:
    """Yield the conversation of each test."""
    rows_by_test: dict[tuple[str, str], list[Row]] = {}
    last_key = ("", "")
    for position, row in source.records():
        if isinstance(row, Mapping):
            last_key = text_or_empty(row.get("test_id")), text_or_empty(row.get("target"))
        rows_by_test.setdefault(last_key, []).append((position, row))
    session_ids: set[str] = set()
    for rows in rows_by_test.values():
        yield from try_read(source, "", _read_rows, rows, session_ids, source.notes(FORMAT))


def _read_rows(rows: Sequence[Row], session_ids: set[str], notes: Notes) -> Run:
    first_row = next((row for _, row in rows if isinstance(row, Mapping)), {})
    origin = object_of_document(first_row.get("source"), "source", notes)
    session_id, test_id = text_or_empty(origin.get("session_id")), text_or_empty(first_row.get("test_id"))
    run_id = session_id if session_id not in session_ids else ""  # another test may have been run in this session
    session_ids.add(session_id)
    transcript = Transcript(notes)
    transcript.key = f"{session_id}/{test_id}" if test_id else transcript.key
    reader = _RowReader(transcript, text_or_empty(origin.get("model")))
    for index, (position, row) in enumerate(rows):
        transcript.read_record(position, _own_fields(row, first_row), reader.read_message, index)
    fields = {name: first_row.get(name) for name in ("schema_version", "test_id", "target", "capture", *TOTALS)}
    extra_fields = omit_empty(
        {**omit(origin, "session_id"), **fields, **({} if origin else {"source": first_row.get("source")})}
    )
    return transcript.to_run(id=run_id, name=test_id, time=origin.get("timestamp"), extra_fields=extra_fields)


def _own_fields(row: Any, first_row: Mapping[str, Any]) -> Any:
    """Return a row without the fields of the conversation that it repeats."""
    if not isinstance(row, Mapping):
        return row
    repeated = [name for name in (*ROW_FIELDS, *TOTALS) if name in row and row[name] == first_row.get(name)]
    return omit(row, *repeated)


class _RowReader(AgentMessageReader):
    time_name = "start_time"
    known_fields = MESSAGE_FIELDS

    def result_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        usage = object_or_empty(message.get("token_usage"), "token_usage")
        duration = to_number(message.get("duration_ms"))
        return {
            "usage": token_usage(
                usage.get("input"),
                usage.get("output"),
                cache_read_tokens=usage.get("cached"),
                reasoning_tokens=usage.get("reasoning"),
            ),
            "duration_ms": None if duration is None else round(duration),
        }

    def split_reply(self, message: Mapping[str, Any], text: str) -> tuple[str, list[RequestedCall]]:
        calls = objects(list_or_empty(message.get("tool_calls"), "tool_calls"), "tool_calls")
        requested = [
            RequestedCall(call.get("id"), call.get("tool"), call.get("input"), omit(call, *CALL_FIELDS))
            for call in calls
        ]
        return text, requested

    def add_reply(self, message: Mapping[str, Any], content: Content, message_id: str) -> None:
        """Add a reply, and the results of the tools that it has called."""
        first_block = len(self.transcript.blocks)
        super().add_reply(message, content, message_id)
        call_blocks = [block for block in self.transcript.blocks[first_block:] if block.kind == "tool_call"]
        calls = objects(message.get("tool_calls"), "tool_calls") if call_blocks else []
        for block, call in zip(call_blocks, calls, strict=True):
            if "output" in call:
                output = call["output"]
                error = (output if isinstance(output, str) and output else "error") if _has_failed(call) else ""
                self.transcript.add_result(block.tool_call_id, None if error == output else output, error)


def _has_failed(call: Mapping[str, Any]) -> bool:
    return call.get("status") == "error"


IMPORTER = Importer(FORMAT, score_agentv, read_transcripts)
