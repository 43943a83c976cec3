"""The records of a Claude Code session as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ..engines.anthropic.reply import usage
from ..engines.anthropic.request import history
from ..errors import EngineError
from ..values.inference_results import FinishClass, InferenceResult, Usage
from ..values.turns import Block
from .kit import faults
from .kit.record_fields import omit, text_or_empty, to_float, to_number
from .kit.transcript import Transcript, other_block

BOOKKEEPING = frozenset(
    {"summary", "file-history-snapshot", "queue-operation", "progress", "last-prompt", "custom-title", "ai-title"}
    | {"agent-name", "agent-color", "pr-link", "mode", "permission-mode", "saved_hook_context", "bridge_status"}
    | {"worktree-state", "content-replacement", "tag", "task-summary", "attribution-snapshot", "speculation-accept"}
)  # types of records that are not part of a conversation
SYNTHETIC_MODEL = "<synthetic>"  # of texts that Claude Code wrote itself
OTHER_TYPES = frozenset(
    {"system", "attachment", "result"}
)  # types of records that become `other` blocks without a note


class Record:
    """One record of a session: `position` is that in its file, `number` that among all records."""

    def __init__(self, raw_record: Mapping[str, Any], position: str, record_number: int) -> None:
        self.raw = raw_record
        self.position = position
        self.number = record_number
        self.type = text_or_empty(raw_record.get("type"))
        self.is_side = raw_record.get("isSidechain") is True or bool(raw_record.get("parent_tool_use_id"))
        message = raw_record.get("message")
        self.message: Mapping[str, Any] = message if isinstance(message, Mapping) else {}

    @cached_property
    def message_id(self) -> str:
        """The id of the model call that made the record; "" for a record of the user."""
        return text_or_empty(self.message.get("id")) if self.type == "assistant" else ""

    @cached_property
    def output_tokens(self) -> float:
        """The output tokens of the message so far; -1 where they are unknown."""
        token_counts = self.message.get("usage")
        output_count = to_number(token_counts.get("output_tokens")) if isinstance(token_counts, Mapping) else None
        return -1 if output_count is None else output_count

    @cached_property
    def has_result(self) -> bool:
        """True for a record with the result of a tool."""
        message_content = self.message.get("content")
        content_parts = message_content if isinstance(message_content, list) else ()
        return any(
            isinstance(content_part, Mapping) and content_part.get("type") == "tool_result"
            for content_part in content_parts
        )


def read_records(transcript: Transcript, records: Sequence[Record]) -> None:
    """Add the blocks of a conversation's records. Records with the same message id are of one model call."""
    last_records = _whole_records(records)
    for record in records:
        transcript.begin_record(record.position, record.number)
        inference_result = None
        if record.type == "assistant" and record.message:
            last_record = last_records.get(record.message_id, record)
            call_id = record.message_id or record.raw.get("uuid") or f"{transcript.key}/{record.number}"
            inference_result = _result_of_record(last_record, str(call_id))
        content = record.message.get("content")
        if record.type in ("user", "assistant") and isinstance(content, (str, list)):
            blocks = _message_blocks(transcript, record, [content] if isinstance(content, str) else content)
            timestamp = record.raw.get("timestamp")
            transcript.add_blocks(blocks, result=inference_result, extra_fields=_extra_fields(record), time=timestamp)
        else:
            if record.type not in OTHER_TYPES:
                transcript.unknown(faults.unknown_value("type", record.raw.get("type")))
            transcript.add_blocks(
                [other_block(record.raw, "system")], result=inference_result, time=record.raw.get("timestamp")
            )
            if record.raw.get("subtype") == "compact_boundary":
                transcript.start_context()


def _whole_records(records: Sequence[Record]) -> dict[str, Record]:
    """Return the record of each model call by message id: the last of those with the largest count of output tokens."""
    whole_records: dict[str, Record] = {}
    for record in records:
        if not record.message_id:
            continue
        known_record = whole_records.get(record.message_id)
        if known_record is None or record.output_tokens >= known_record.output_tokens:
            whole_records[record.message_id] = record
    return whole_records


def _extra_fields(record: Record) -> dict[str, Any]:
    """Return the fields of a record and its message that the blocks do not hold."""
    return omit(record.raw, "message", "timestamp", "type", "costUSD", "durationMs") | omit(
        record.message, "content", "role", "usage"
    )


def _message_blocks(transcript: Transcript, record: Record, content_parts: Sequence[Any]) -> list[Block]:
    """Return the blocks of a message, at least one, as the codec of Anthropic reads its parts."""
    blocks: list[Block] = []
    for part_index, content_part in enumerate(content_parts):
        blocks += _part_blocks(transcript, record, content_part, f".content[{part_index}]")
    return blocks or [other_block(record.message, record.type)]


def _part_blocks(transcript: Transcript, record: Record, content_part: Any, part_path: str) -> list[Block]:
    try:
        part_blocks = list(history({"messages": [{"role": record.type, "content": [content_part]}]}))
    except (EngineError, TypeError, ValueError, AttributeError):  # errors of the codec for malformed values
        part_blocks = []
    if isinstance(content_part, str) and part_blocks:  # the codec reads a text as a content, not as a part
        part_blocks = list(history({"messages": [{"role": record.type, "content": content_part}]}))
    if not part_blocks or part_blocks[0].kind == "other":
        transcript.unknown(
            faults.unknown_value(
                "type", content_part.get("type") if isinstance(content_part, Mapping) else content_part
            ),
            part_path,
        )
    elif part_blocks[0].kind == "tool_use" and not part_blocks[0].payload.get("id"):
        transcript.guess(faults.no_result_id(""), part_path)
    return part_blocks or [other_block(content_part, record.type)]


def _result_of_record(record: Record, inference_id: str) -> InferenceResult:
    message = record.message
    stop_reason = text_or_empty(message.get("stop_reason"))
    token_counts = message.get("usage")
    duration = to_number(record.raw.get("durationMs"))
    finish_class = FinishClass.TOOL_CALLS_PENDING if stop_reason == "tool_use" else FinishClass.of(stop_reason)
    if record.raw.get("isApiErrorMessage") or message.get("model") == SYNTHETIC_MODEL:  # no model answered
        finish_class, token_counts = FinishClass.ERROR, None
    return InferenceResult(
        inference_id=inference_id,
        provider="anthropic",
        model=text_or_empty(message.get("model")),
        stop_reason=stop_reason,
        finish_class=finish_class,
        truncated=finish_class is FinishClass.MAX_TOKENS,
        usage=_usage(token_counts),
        cost=to_float(record.raw.get("costUSD")),
        duration_ms=None if duration is None else round(duration),
        request_id=text_or_empty(record.raw.get("requestId")),
        response_id=record.message_id,
    )


def _usage(token_counts: Any) -> Usage | None:
    """Return the counts of a message; None for an object without any, as gateways write it."""
    if not isinstance(token_counts, Mapping):
        return None
    has_count = any(to_number(token_counts.get(name)) is not None for name in ("input_tokens", "output_tokens"))
    return usage(token_counts) if has_count else None
