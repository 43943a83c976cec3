"""The importer kit: a Transcript is one conversation while it is read, and becomes a Run.

An importer reads one record after the other and adds the blocks of each. A record of another shape
than its format documents raises ShapeError: it is kept as it is in an `other` block and named in
the report. So nothing is lost, and one odd record does not cost the others.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...values.blocks import make_block
from ...values.deferred import deferred, stored_metadata
from ...values.frozen_json import EMPTY_DICT, freeze
from ...values.inference_results import INFERENCE_ID, INFERENCE_RESULT, FinishClass, InferenceResult
from ...values.metadata import NO_METADATA, metadata_from_dict
from ...values.persistent_list import PersistentList
from ...values.provenance import ARGUMENTS, FIELDS, MESSAGE, TIMESTAMP
from ...values.turns import Block, Kind, Run, Turn, _make_turn
from . import faults
from .call_checks import check_calls
from .import_report import Notes
from .outcomes import error_record
from .record_fields import ShapeError, expect, omit_empty, parse_arguments, pop_text, split_document

PROMPT_KINDS = frozenset({"system", "user"})
TIME_FIELDS = ("timestamp", "create_time", "createdAt", "created_at", "time")
RESULT_TEXTS = ("provider", "model", "request_id", "response_id")


class Transcript:
    """One conversation while it is read: its blocks, its notes, and the position of the current record."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.key: str = conversation_key(notes)  # prefix of the ids of its model calls
        self.blocks: list[Block] = []
        self.position: str = ""  # position of the current record
        self.keeps_results = True  # false for a format that has no results of tools
        self.index: int | None = None  # index of the current record, when the records are a list
        self.turn_starts: list[int] = []  # indexes of first blocks, in formats that mark where a Turn begins
        self.context_starts: list[int] = []  # indexes of the first blocks that the model saw after a compaction
        self.carried_blocks: dict[int, list[int]] = {}  # indexes of earlier blocks that a new context keeps, by place
        self.record_starts: list[int] = []  # number of blocks before each of `messages`, if they are added together
        self._positions: list[str] = []  # position of the record of each block

    # Reading records.

    def begin_record(self, position: str, index: int | None = None) -> None:
        """Set the record that the next blocks belong to."""
        self.position, self.index = position, index

    def read_record(
        self, position: str, record: Any, read_blocks: Callable[[Any], None], index: int | None = None
    ) -> None:
        """Call `read_blocks` to add the blocks of one record; keep the record as it is when that raises ShapeError."""
        self.notes.record_count += 1
        self.read_part(position, record, read_blocks, index)

    def read_part(
        self, position: str, record: Any, read_blocks: Callable[[Any], None], index: int | None = None
    ) -> None:
        """Do as `read_record` does, without counting a record of the file."""
        self.begin_record(position, index)
        lengths_before = [len(growing_list) for growing_list in self._growing_lists()]
        try:
            read_blocks(record)
        except (ShapeError, TypeError) as error:  # TypeError: nested too deeply for a value
            for growing_list, length_before in zip(self._growing_lists(), lengths_before, strict=True):
                del growing_list[length_before:]
            self.add_unknown(record, str(error))

    def read_records(self, list_name: str, records: Iterable[Any], read_blocks: Callable[[Any], None]) -> None:
        """Call `read_blocks` to add the blocks of each record of the list `list_name`."""
        for index, record in enumerate(records):
            self.read_record(f"{list_name}[{index}]", record, read_blocks, index)

    def _growing_lists(self) -> tuple[list[Any], ...]:
        return self.blocks, self._positions, self.turn_starts, self.notes.guessed, self.notes.unknown

    def guess(self, message: str, path: str = "") -> None:
        """Report an assumption about a value that the record lacks; `path` leads from the record to the value."""
        self.notes.add_guess(f"{self.position}{path}", message)

    def unknown(self, message: str, path: str = "") -> None:
        """Report a value that is not understood and kept as it is; `path` leads from the record to the value."""
        self.notes.add_unknown(f"{self.position}{path}", message)

    # Adding blocks.

    def add_block(
        self,
        kind: str,
        payload: Mapping[str, Any],
        role: str = "",
        id: Any = "",
        *,
        result: InferenceResult | None = None,
        extra_fields: Mapping[str, Any] | None = None,
        time: Any = None,
        metadata: Mapping[str, Any] = EMPTY_DICT,
    ) -> None:
        """Add a block. `result` is that of its model call, `time` as the file writes it.

        `extra_fields` are fields of the record that no block holds; the keys of `metadata` are full key names.
        """
        metadata_values = dict(metadata)
        if self.index is not None:
            metadata_values[MESSAGE.name] = self.index
        if time:
            metadata_values[TIMESTAMP.name] = time if isinstance(time, str) else repr(time)
        if extra_fields and (present_fields := omit_empty(extra_fields)):
            metadata_values[FIELDS.name] = present_fields
        if result is not None:
            metadata_values[INFERENCE_ID.name] = result.inference_id
            metadata_values[INFERENCE_RESULT.name] = result.to_dict()
        block_id = id if isinstance(id, str) else ""
        block_metadata = metadata_from_dict(metadata_values) if metadata_values else NO_METADATA
        self.blocks.append(make_block(str(kind), freeze(payload), role, block_id, block_metadata))
        self._positions.append(self.position)

    def add_blocks(
        self,
        blocks: Iterable[Block],
        *,
        result: InferenceResult | None = None,
        extra_fields: Mapping[str, Any] | None = None,
        time: Any = None,
    ) -> None:
        """Add existing blocks, such as those of a codec; `extra_fields` go to the first block."""
        time_text = repr(time) if time and not isinstance(time, str) else time
        for new_block in blocks:
            values: dict[str, Any] = {} if self.index is None else {MESSAGE.name: self.index}
            if extra_fields:
                values[FIELDS.name], extra_fields = freeze_or_json(extra_fields), None
            if time_text:
                values[TIMESTAMP.name] = time_text
            if result is not None:
                values[INFERENCE_RESULT.name] = (INFERENCE_RESULT.type, result)
                values[INFERENCE_ID.name] = result.inference_id
            block_metadata = new_block.metadata.with_stored_values(values) if values else new_block.metadata
            self.blocks.append(new_block.with_signature(new_block.id, block_metadata))
            self._positions.append(self.position)

    def append_blocks(self, blocks: Sequence[Block]) -> None:
        """Add blocks of the current record that are complete."""
        self.blocks += blocks
        self._positions += [self.position] * len(blocks)

    def add_call(self, id: Any, name: Any, arguments: Any, **options: Any) -> str:
        """Add a tool call and return its id, which is made of the position where the record has none.

        `arguments`: an object, or JSON text; anything else is kept in `args_raw`. `options` as in `add_block`.
        """
        if id is None or id == "":
            id = f"{self.position}.{len(self.blocks)}"
            self.guess(faults.no_call_id(id))
        call_id = expect(id, str, "tool call id")
        tool_name = "" if name is None else expect(name, str, "tool name")
        parsed_arguments, is_exact = parse_arguments(arguments)
        payload = {"id": call_id, "name": tool_name, "args": {} if parsed_arguments is None else parsed_arguments}
        if parsed_arguments is None:
            payload["args_raw"] = arguments
        elif not is_exact:
            options["metadata"] = {ARGUMENTS.name: arguments}
        self.add_block(Kind.TOOL_CALL, payload, **options)
        return call_id

    def add_result(self, call_id: Any, value: Any, error: Any = "", *, block_id: Any = "", **options: Any) -> None:
        """Add the result of the tool call with this id. `options` as in `add_block`."""
        if error and not isinstance(error, str):
            error = json.dumps(error, ensure_ascii=False)
        result_call_id = "" if call_id is None else expect(call_id, str, "tool call id")
        self.add_block(
            Kind.TOOL_USE, {"id": result_call_id, "result": value, "error": error or ""}, "", block_id, **options
        )

    def add_other(self, value: Any, *, result: InferenceResult | None = None) -> None:
        """Add an `other` block with a value as it is: of a record that belongs to no message, for example."""
        role = value.get("role") if isinstance(value, Mapping) else ""
        new_block = other_block(value, role if isinstance(role, str) else "")
        self.add_block(new_block.kind, new_block.payload, new_block.role, result=result, time=_time_of(value))

    def add_unknown(self, value: Any, reason: str) -> None:
        """Add an `other` block with a value that is not understood, and report the reason."""
        self.unknown(reason)
        self.add_other(value)

    def add_extra_fields(self, index: int, fields: Mapping[str, Any]) -> None:
        """Keep the fields of a record that no block holds with the block at `index`, its first."""
        if new_fields := omit_empty(fields):
            first_block = self.blocks[index]
            present_fields = first_block.metadata.raw(FIELDS) or EMPTY_DICT
            merged_fields = (
                {"part": present_fields, **new_fields}
                if present_fields.keys() & new_fields.keys()
                else {**present_fields, **new_fields}
            )
            self.blocks[index] = first_block._with(
                metadata=first_block.metadata.with_raw(**{FIELDS.name: merged_fields})
            )

    def set_times(self, index: int, time: Any, *, overwrite: bool = True) -> None:
        """Set the time of the record, as the file writes it, on its blocks, which begin at `index`.

        Without `overwrite` a block that has a time keeps it.
        """
        if isinstance(time, (str, int, float)) and time:
            time_text = time if isinstance(time, str) else repr(time)
            for block_index in range(index, len(self.blocks)):
                block = self.blocks[block_index]
                if not overwrite and TIMESTAMP in block.metadata:
                    continue
                self.blocks[block_index] = block._with(metadata=block.metadata.with_raw(**{TIMESTAMP.name: time_text}))

    def start_turn(self) -> None:
        """Begin a Turn with the next block, in formats that mark where Turns begin."""
        self.turn_starts.append(len(self.blocks))

    def start_context(self) -> None:
        """Begin a new context with the next block: the model no longer sees the blocks before it."""
        self.context_starts.append(len(self.blocks))

    def carry_blocks(self, start: int, end: int) -> None:
        """Keep the blocks from `start` to `end` in the new context, before the next block."""
        self.carried_blocks.setdefault(len(self.blocks), []).extend(range(start, end))

    def inference_result(
        self,
        *,
        id: str = "",
        stop_reason: Any = "",
        pending: bool = False,
        extra: Mapping[str, Any] | None = None,
        **result_fields: Any,
    ) -> InferenceResult:
        """Return the result of a model call, for `add_block(result=…)`. Without an `id` the position is used.

        `pending` is True when the reply calls tools; `fields` are fields of InferenceResult, and None values are left out.
        """
        reason_text = stop_reason if isinstance(stop_reason, str) else ""
        result_fields = {field_name: value for field_name, value in result_fields.items() if value is not None}
        if extra and "error" not in result_fields and (error := error_record(extra.get("error"))):
            result_fields["error"] = error
        for field_name in RESULT_TEXTS:
            expect(result_fields.get(field_name, ""), str, field_name)
        return InferenceResult(
            inference_id=f"{self.key}/{id or self.position}".lstrip("/"),
            stop_reason=reason_text,
            finish_class=FinishClass.of(reason_text, pending=pending),
            truncated=FinishClass.of(reason_text) is FinishClass.MAX_TOKENS,
            extra=freeze(omit_empty(extra or EMPTY_DICT)),
            **result_fields,
        )

    def fields_value(self, read_fields: Callable[..., Mapping[str, Any]], *arguments: Any) -> Any:
        """Return the value of `FIELDS` that `read_fields` returns for its arguments, as metadata stores it.

        It is computed when it is first asked for, unless the values that it is made of belong to somebody else.
        """
        if self.notes.owns_values:
            return deferred(read_fields, *arguments, freeze_value=freeze_or_json)
        return freeze_or_json(read_fields(*arguments))

    # The whole conversation.

    def to_run(
        self,
        *,
        id: str = "",
        name: str = "",
        time: Any = None,
        extra_fields: Mapping[str, Any] | tuple[Any, Any] | None = None,
        metadata: Mapping[str, Any] = EMPTY_DICT,
    ) -> Run:
        """Return the conversation as a Run: a Turn for each prompt, each with all blocks before it.

        Without an `id` the Run gets one when it is read: the name of its file, and its index there. `extra_fields` are fields of the document
        that no block holds. The keys of `metadata` are full key names. Both may be a `fields_value` of records.
        """
        if not self.notes.texts_only:
            check_calls(self.blocks, self.notes, self.position_of, results=self.keeps_results)
        metadata_values = omit_empty(metadata)
        if time:
            metadata_values[TIMESTAMP.name] = time if isinstance(time, str) else repr(time)
        if isinstance(extra_fields, tuple):
            metadata_values[FIELDS.name] = extra_fields
        elif extra_fields and (present_fields := omit_empty(extra_fields)):
            metadata_values[FIELDS.name] = freeze_or_json(present_fields)
        return Run(
            turns_by_start(self.blocks, self.turn_starts)
            if self.turn_starts
            else turns_by_prompt(self.blocks, self.context_starts, self.carried_blocks),
            id=id or self.key,
            name=name,
            metadata=stored_metadata(metadata_values) if metadata_values else NO_METADATA,
            import_report=replace(self.notes.report(len(self.blocks)), has_run_id=bool(id)),
        )

    def position_of(self, index: int) -> str:
        """Return the position of the record that the block at `index` came from."""
        if self.record_starts:
            return f"messages[{bisect_right(self.record_starts, index) - 1}]"
        return self._positions[index]


def run_of_messages(
    value: Any,
    notes: Notes,
    is_message: Callable[[Any], bool],
    message_reader: Callable[[Transcript], Callable[[Any], None]],
    *id_names: str,
) -> Run:
    """Return the Run of a list of messages, of one message, or of an object with a list `messages`.

    `message_reader` returns the function that adds the blocks of a message; `id_names` are the fields
    of the object that may hold the id of the conversation.
    """
    messages, extra_fields = split_document([value] if is_message(value) else value, notes)
    transcript = Transcript(notes)
    transcript.read_records("messages", messages, message_reader(transcript))
    id, name = pop_text(extra_fields, *id_names), pop_text(extra_fields, "name", "title")
    return transcript.to_run(id=id, name=name, extra_fields=extra_fields)


def conversation_key(notes: Notes) -> str:
    """Return a key for a conversation without an id: its file and line. Ids of model calls begin with it."""
    return ":".join(part for part in (Path(notes.file).stem, notes.position.removeprefix("line ")) if part)


def turns_by_prompt(
    blocks: Sequence[Block], context_starts: Iterable[int] = (), carried: Mapping[int, Sequence[int]] | None = None
) -> tuple[Turn, ...]:
    """Return a Turn for each prompt that follows an answer; every Turn has all blocks before it, and shares them.

    A Turn that begins at one of `context_starts` has none of the blocks before it but those that `carried` names: for
    the index of a block, the indexes of earlier blocks that are before it.
    """
    turns: list[Turn] = []
    earlier_blocks: PersistentList[Block] = PersistentList()
    new_blocks: list[Block] = []
    has_answer = False
    first_blocks, carried = frozenset(context_starts), carried or {}
    for index, next_block in enumerate(blocks):
        is_new_context = index in first_blocks and index > 0
        if (next_block.kind == "user" and has_answer) or is_new_context:
            earlier_blocks += new_blocks
            turns.append(_make_turn(earlier_blocks, "", NO_METADATA, NO_METADATA, EMPTY_DICT, None))
            new_blocks, has_answer = [], False
            earlier_blocks = PersistentList() if is_new_context else earlier_blocks
        if index in carried:
            new_blocks += [blocks[carried_index] for carried_index in carried[index]]
        has_answer = has_answer or next_block.kind not in PROMPT_KINDS
        new_blocks.append(next_block)
    if len(blocks) in carried:
        if len(blocks) in first_blocks:
            turns.append(_make_turn(earlier_blocks + new_blocks, "", NO_METADATA, NO_METADATA, EMPTY_DICT, None))
            earlier_blocks, new_blocks = PersistentList(), []
        new_blocks += [blocks[carried_index] for carried_index in carried[len(blocks)]]
    if new_blocks or not turns:
        turns.append(_make_turn(earlier_blocks + new_blocks, "", NO_METADATA, NO_METADATA, EMPTY_DICT, None))
    return tuple(turns)


def turns_by_start(blocks: Sequence[Block], turn_starts: Iterable[int]) -> tuple[Turn, ...]:
    """Return a Turn for each index in `turn_starts`, where its first new block is; every Turn has all blocks before it."""
    turns: list[Turn] = []
    turn_blocks: PersistentList[Block] = PersistentList()
    for turn_end in sorted({*(turn_start for turn_start in turn_starts if 0 < turn_start < len(blocks)), len(blocks)}):
        turn_blocks += tuple(blocks[len(turn_blocks) : turn_end])
        turns.append(Turn(turn_blocks))
    return tuple(turns)


def _time_of(record: Any) -> Any:
    """Return the time of a record that becomes an `other` block; None without one."""
    times = [record.get(name) for name in TIME_FIELDS] if isinstance(record, Mapping) else []
    return next((time for time in times if isinstance(time, (str, int, float)) and not isinstance(time, bool)), None)


def other_block(value: Any, role: str = "") -> Block:
    """Return an `other` block with a value as it is: an object as the payload, anything else as its `value`.

    A value that is nested deeper than a block can hold is kept as the text of its JSON, in `json`.
    """
    return make_block("other", freeze_or_json(value if isinstance(value, Mapping) else {"value": value}, value), role)


def freeze_or_json(value: Mapping[str, Any], source: Any = None) -> Any:
    """Return a frozen value; for a value that is nested too deeply, one with the JSON of `source` (default: the value)."""
    try:
        return freeze(value)
    except TypeError:
        json_text = json.dumps(value if source is None else source, ensure_ascii=False, default=repr)
        return freeze({"json": json_text})
