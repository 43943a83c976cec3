"""The records of a Claude Code session as blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from ..engines.anthropic.reply import usage
from ..engines.anthropic.request import history
from ..errors import EngineError
from ..values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ..values.inference_results import FinishClass, InferenceResult, Usage
from ..values.turns import Block
from .claude_code_parts import usual_blocks
from .kit import faults
from .kit.prices import priced
from .kit.record_fields import text_or_empty, to_float, to_number
from .kit.transcript import Transcript, other_block

BOOKKEEPING = frozenset(
    {"summary", "file-history-snapshot", "queue-operation", "progress", "last-prompt", "custom-title", "ai-title"}
    | {"agent-name", "agent-color", "pr-link", "mode", "permission-mode", "saved_hook_context", "bridge_status"}
    | {"worktree-state", "content-replacement", "tag", "task-summary", "attribution-snapshot", "speculation-accept"}
)  # types of records that are not part of a conversation
READ_FIELDS = frozenset({"message", "timestamp", "type", "costUSD", "durationMs"})
READ_MESSAGE_FIELDS = frozenset({"content", "role", "usage"})
COMMON_COUNTS = frozenset({"input_tokens", "output_tokens"})
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
        self.type: str = text_or_empty(raw_record.get("type"))
        self.is_side: bool = raw_record.get("isSidechain") is True or bool(raw_record.get("parent_tool_use_id"))
        message = raw_record.get("message")
        self.message: Mapping[str, Any] = message if isinstance(message, Mapping) else {}
        parent_uuid = raw_record.get("parentUuid") or raw_record.get("logicalParentUuid")
        self.parent_uuid: str = text_or_empty(parent_uuid)
        self.copies: list[Record] = []  # later records with the same content

    @cached_property
    def message_id(self) -> str:
        """The id of the model call that made the record; "" for a record of the user."""
        if self.type != "assistant":
            return ""
        return text_or_empty(self.message.get("id")) or text_or_empty(self.raw.get("requestId"))

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
    whole_records = _whole_records(records)
    results: dict[str, InferenceResult] = {}  # by the id of the call
    contexts = _Contexts(transcript)
    for record in records:
        transcript.begin_record(record.position, record.number)
        first_block, inference_result = len(transcript.blocks), None
        if record.type == "assistant" and record.message:
            call_id = str(record.message_id or record.raw.get("uuid") or f"{transcript.key}/{record.number}")
            if call_id not in results:
                result = _result_of_record(whole_records.get(record.message_id, record), call_id)
                results[call_id] = priced(result, transcript.notes, record.raw.get("timestamp"))
            inference_result = results[call_id]
        content, timestamp = record.message.get("content"), record.raw.get("timestamp")
        if record.type in ("user", "assistant") and isinstance(content, (str, list)):
            parts, texts_only = [content] if isinstance(content, str) else content, transcript.notes.texts_only
            extra_fields = None if texts_only else _extra_fields(record)
            blocks = usual_blocks(parts, record.type, record.number, extra_fields, timestamp, inference_result)
            if blocks is not None:
                transcript.append_blocks(blocks)
            else:
                blocks = _message_blocks(transcript, record, parts)
                transcript.add_blocks(blocks, result=inference_result, extra_fields=extra_fields, time=timestamp)
        else:
            if record.type not in OTHER_TYPES:
                transcript.unknown(faults.unknown_value("type", record.raw.get("type")))
            transcript.add_blocks([other_block(record.raw, "system")], result=inference_result, time=timestamp)
        contexts.take(record, first_block)


def preserved_segment(record: Record) -> tuple[str, str, str]:
    """Return the ids of the first record, of the record before it, and of the last record that a compaction preserves."""
    metadata = record.raw.get("compactMetadata")
    segment = metadata.get("preservedSegment") if isinstance(metadata, Mapping) else None
    if not isinstance(segment, Mapping):
        return "", "", ""
    return tuple(text_or_empty(segment.get(name)) for name in ("headUuid", "anchorUuid", "tailUuid"))  # type: ignore[return-value]


class _Contexts:
    """The contexts of a session: a compaction begins one, with the summary and perhaps a segment that it preserves.

    `preservedSegment` names the first and the last record of the segment, and the record after which the model sees it.
    """

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.ranges: dict[str, tuple[int, int]] = {}  # the blocks of a record, by its id
        self.segments: dict[str, tuple[int, int]] = {}  # preserved blocks, by the id of the record before them

    def take(self, record: Record, first_block: int) -> None:
        """Take a record whose blocks begin at `first_block`."""
        block_count, record_uuid = len(self.transcript.blocks), record.raw.get("uuid")
        if isinstance(record_uuid, str):
            self.ranges[record_uuid] = (first_block, block_count)
        if record.raw.get("subtype") == "compact_boundary":
            self.transcript.start_context()
            head, anchor, tail = preserved_segment(record)
            if head in self.ranges and tail in self.ranges:
                self.segments[anchor] = (self.ranges[head][0], self.ranges[tail][1])
        if isinstance(record_uuid, str) and record_uuid in self.segments:
            self.transcript.carry_blocks(*self.segments.pop(record_uuid))


def _whole_records(records: Sequence[Record]) -> dict[str, Record]:
    """Return the record of each model call by message id: the last of those with the largest count of output tokens."""
    whole_records: dict[str, Record] = {}
    for record in chain.from_iterable((first_record, *first_record.copies) for first_record in records):
        if not record.message_id:
            continue
        known_record = whole_records.get(record.message_id)
        if known_record is None or record.output_tokens >= known_record.output_tokens:
            whole_records[record.message_id] = record
    return whole_records


def _extra_fields(record: Record) -> dict[str, Any]:
    """Return the fields of a record and its message that the blocks do not hold, and those in which copies of it differ."""
    extra_fields = {name: value for name, value in record.raw.items() if name not in READ_FIELDS}
    extra_fields |= {name: value for name, value in record.message.items() if name not in READ_MESSAGE_FIELDS}
    if record.copies:
        copied_fields = [_different_fields(copy.raw, record.raw) for copy in record.copies]
        extra_fields["copies"] = [fields for fields in copied_fields if fields]
    return extra_fields


def _different_fields(copied_record: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in copied_record.items() if record.get(name) != value}


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
        response_id=text_or_empty(message.get("id")),
        extra=_extra_counts(token_counts),
    )


def _extra_counts(token_counts: Any) -> FrozenDict:
    """Return the usage as the provider wrote it, where it has more than the counts that the result has."""
    if not isinstance(token_counts, Mapping) or COMMON_COUNTS.issuperset(token_counts):
        return EMPTY_DICT
    usage_fields: FrozenDict = freeze({"usage": token_counts})
    return usage_fields


def _usage(token_counts: Any) -> Usage | None:
    """Return the counts of a message; None for an object without any, as gateways write it."""
    if not isinstance(token_counts, Mapping):
        return None
    has_count = any(to_number(token_counts.get(name)) is not None for name in ("input_tokens", "output_tokens"))
    return usage(token_counts) if has_count else None
