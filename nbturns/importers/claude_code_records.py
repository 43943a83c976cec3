"""The records of a Claude Code session as blocks.

Sources: see `claude_code.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ..engines.anthropic.reply import usage
from ..engines.anthropic.request import history
from ..errors import EngineError
from ..values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ..values.inference_results import FinishClass, InferenceResult, Usage, unchecked_result
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
MESSAGE_TYPES = frozenset({"user", "assistant"})
OTHER_TYPES = frozenset(
    {"system", "attachment", "result"}
)  # types of records that become `other` blocks without a note


class Record:
    """One record of a session: `position` is that in its file, `number` that among all records.

    `message_id` is the id of the model call that made the record; "" for a record of the user. `uuid` is None where it
    is no text.
    """

    def __init__(self, raw_record: Mapping[str, Any], position: str, record_number: int) -> None:
        get = raw_record.get
        self.raw = raw_record
        self.position = position
        self.number = record_number
        self.type: str = text_or_empty(get("type"))
        self.is_side: bool = get("isSidechain") is True or bool(get("parent_tool_use_id"))
        message = get("message")
        self.message: Mapping[str, Any] = message if isinstance(message, (dict, Mapping)) else EMPTY_DICT
        self.parent_uuid: str = text_or_empty(get("parentUuid") or get("logicalParentUuid"))
        uuid = get("uuid")
        self.uuid: str | None = uuid if isinstance(uuid, str) else None
        self.message_id: str = ""
        if self.type == "assistant":
            self.message_id = text_or_empty(self.message.get("id")) or text_or_empty(get("requestId"))
        self.copies: list[Record] = []  # later records with the same content

    @property
    def output_tokens(self) -> float:
        """The output tokens of the message so far; -1 where they are unknown."""
        token_counts = self.message.get("usage")
        output_count = (
            to_number(token_counts.get("output_tokens")) if isinstance(token_counts, (dict, Mapping)) else None
        )
        return -1 if output_count is None else output_count

    @property
    def has_result(self) -> bool:
        """True for a record with the result of a tool."""
        message_content = self.message.get("content")
        content_parts = message_content if isinstance(message_content, list) else ()
        return any(
            isinstance(content_part, (dict, Mapping)) and content_part.get("type") == "tool_result"
            for content_part in content_parts
        )


def read_records(transcript: Transcript, records: Sequence[Record]) -> None:
    """Add the blocks of a conversation's records. Records with the same message id are of one model call."""
    call_results = _CallResults(transcript, records)
    contexts = _Contexts(transcript)
    begin_record, texts_only = transcript.begin_record, transcript.notes.texts_only
    for record in records:
        begin_record(record.position, record.number)
        first_block = len(transcript.blocks)
        result = call_results.result_of(record) if record.type == "assistant" and record.message else None
        content, timestamp = record.message.get("content"), record.raw.get("timestamp")
        if record.type in MESSAGE_TYPES and isinstance(content, (str, list)):
            parts = [content] if isinstance(content, str) else content
            number, fields = (None, None) if texts_only else (record.number, _fields_value(record, transcript))
            blocks = usual_blocks(parts, record.type, number, fields, timestamp, result)
            if blocks is not None:
                transcript.append_blocks(blocks)
            else:
                blocks = _message_blocks(transcript, record, parts)
                extra_fields = None if texts_only else _extra_fields(record)
                transcript.add_blocks(blocks, result=result, extra_fields=extra_fields, time=timestamp)
        else:
            if record.type not in OTHER_TYPES:
                transcript.unknown(faults.unknown_value("type", record.raw.get("type")))
            transcript.add_blocks([other_block(record.raw, "system")], result=result, time=timestamp)
        contexts.take(record, first_block)


class _CallResults:
    """The results of the model calls of a conversation, each priced once, by the id of the call."""

    def __init__(self, transcript: Transcript, records: Sequence[Record]) -> None:
        self._transcript = transcript
        self._whole_records = _whole_records(records)
        self._results: dict[str, InferenceResult] = {}

    def result_of(self, record: Record) -> InferenceResult:
        """Return the result of the call that made a record."""
        call_id = str(record.message_id or record.raw.get("uuid") or f"{self._transcript.key}/{record.number}")
        result = self._results.get(call_id)
        if result is None:
            result = _result_of_record(self._whole_records.get(record.message_id, record), call_id)
            result = priced(result, self._transcript.notes, record.raw.get("timestamp"))
            self._results[call_id] = result
        return result


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
        block_count, record_uuid = len(self.transcript.blocks), record.uuid
        if record_uuid is not None:
            self.ranges[record_uuid] = (first_block, block_count)
        if record.raw.get("subtype") == "compact_boundary":
            self.transcript.start_context()
            head, anchor, tail = preserved_segment(record)
            if head in self.ranges and tail in self.ranges:
                self.segments[anchor] = (self.ranges[head][0], self.ranges[tail][1])
        if record_uuid is not None and record_uuid in self.segments:
            self.transcript.carry_blocks(*self.segments.pop(record_uuid))


def _whole_records(records: Sequence[Record]) -> dict[str, Record]:
    """Return the record of each model call by message id: the last of those with the largest count of output tokens."""
    whole_records: dict[str, Record] = {}
    for record in chain.from_iterable((first_record, *first_record.copies) for first_record in records):
        message_id = record.message_id
        if not message_id:
            continue
        known_record = whole_records.get(message_id)
        if known_record is None or record.output_tokens >= known_record.output_tokens:
            whole_records[message_id] = record
    return whole_records


def _fields_value(record: Record, transcript: Transcript) -> Any:
    """Return the value of `FIELDS` for the first block of a record, as metadata stores it; None without fields."""
    has_fields = bool(record.copies) or not (
        READ_FIELDS.issuperset(record.raw) and READ_MESSAGE_FIELDS.issuperset(record.message)
    )
    return transcript.fields_value(_extra_fields, record) if has_fields else None


def _extra_fields(record: Record) -> dict[str, Any]:
    """Return the fields of a record and its message that the blocks do not hold, and those in which copies of it differ."""
    extra_fields = dict(record.raw)
    message_fields = dict(record.message)
    for name in READ_FIELDS:
        extra_fields.pop(name, None)
    for name in READ_MESSAGE_FIELDS:
        message_fields.pop(name, None)
    extra_fields |= message_fields
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
    return unchecked_result(
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
