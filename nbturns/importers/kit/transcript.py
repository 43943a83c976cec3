"""The importer kit: a Transcript is one conversation while it is read, and becomes a Run.

An importer reads one record after the other and adds the blocks of each. A record of another shape
than its format documents raises ShapeError: it is kept as it is in an `other` block and named in
the report. So nothing is lost, and one odd record does not cost the others.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...values.blocks import make_block
from ...values.frozen_json import EMPTY_DICT, freeze
from ...values.inference_results import INFERENCE_ID, INFERENCE_RESULT, FinishClass, InferenceResult
from ...values.metadata import NO_METADATA, metadata_from_dict
from ...values.persistent_list import PersistentList
from ...values.provenance import ARGUMENTS, FIELDS, MESSAGE, TIMESTAMP
from ...values.turns import Block, Kind, Run, Turn, _make_turn
from . import faults
from .import_report import Notes
from .record_fields import ShapeError, expect, omit_empty, parse_arguments, pop_text, split_document

PROMPT_KINDS = frozenset({"system", "user"})
RESULT_TEXTS = ("provider", "model", "request_id", "response_id")


class Transcript:
    """One conversation while it is read: its blocks, its notes, and the position of the current record."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.key = conversation_key(notes)  # the beginning of the ids of its model calls
        self.blocks: list[Block] = []
        self.position = ""  # of the current record
        self.index: int | None = None  # of the current record, where the records are a list
        self.turn_starts: list[int] = []  # indexes of blocks, where the format itself says what a Turn is
        self.record_starts: list[int] = []  # the number of blocks before each record of `messages`, if added at once
        self._positions: list[str] = []  # of each block's record

    # One record after the other.

    def begin_record(self, position: str, index: int | None = None) -> None:
        """Say which record the next blocks belong to."""
        self.position, self.index = position, index

    def read_record(self, position: str, record: Any, read: Callable[[Any], None], index: int | None = None) -> None:
        """Let `read` add the blocks of one record; where it raises ShapeError, keep the record as it is."""
        self.begin_record(position, index)
        self.notes.record_count += 1
        counts = [len(kept) for kept in self._undoable()]
        try:
            read(record)
        except (ShapeError, TypeError) as error:  # TypeError: nested too deeply for a value
            for kept, count in zip(self._undoable(), counts, strict=True):
                del kept[count:]
            self.add_unknown(record, str(error))

    def read_records(self, name: str, records: Iterable[Any], read: Callable[[Any], None]) -> None:
        """Let `read` add the blocks of each record of the list `name`."""
        for index, record in enumerate(records):
            self.read_record(f"{name}[{index}]", record, read, index)

    def _undoable(self) -> tuple[list[Any], ...]:
        return self.blocks, self._positions, self.turn_starts, self.notes.guessed, self.notes.unknown

    def guess(self, message: str, path: str = "") -> None:
        """Report what the record does not say and is assumed; `path` leads from the record to the place."""
        self.notes.add_guess(f"{self.position}{path}", message)

    def unknown(self, message: str, path: str = "") -> None:
        """Report what is not understood and kept as it is; `path` leads from the record to the place."""
        self.notes.add_unknown(f"{self.position}{path}", message)

    # Blocks.

    def add(
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

        `extra_fields` are those of the record that no block holds; `metadata` goes by its full names.
        """
        entries = dict(metadata)
        if self.index is not None:
            entries[MESSAGE.name] = self.index
        if time:
            entries[TIMESTAMP.name] = time if isinstance(time, str) else repr(time)
        if extra_fields and (fields := omit_empty(extra_fields)):
            entries[FIELDS.name] = fields
        if result is not None:
            entries[INFERENCE_ID.name] = result.inference_id
            entries[INFERENCE_RESULT.name] = result.to_dict()
        block_id = id if isinstance(id, str) else ""
        bag = metadata_from_dict(entries) if entries else NO_METADATA
        self.blocks.append(make_block(str(kind), freeze(payload), role, block_id, bag))
        self._positions.append(self.position)

    def add_blocks(
        self,
        blocks: Iterable[Block],
        *,
        result: InferenceResult | None = None,
        extra_fields: Mapping[str, Any] | None = None,
        time: Any = None,
    ) -> None:
        """Add blocks that were made elsewhere, by a codec for example; `extra_fields` go to the first of them."""
        for made in blocks:
            fields: dict[str, Any] = {} if self.index is None else {MESSAGE.name: self.index}
            if extra_fields:
                fields[FIELDS.name], extra_fields = freeze_or_json(extra_fields), None
            if isinstance(time, str) and time:
                fields[TIMESTAMP.name] = time
            metadata = made.metadata.with_raw(**fields) if fields else made.metadata
            if result is not None:
                call_id = {INFERENCE_ID.name: result.inference_id}
                metadata = metadata.holding(INFERENCE_RESULT, result, **call_id)
            self.blocks.append(made._with(metadata=metadata))
            self._positions.append(self.position)

    def add_call(self, id: Any, name: Any, arguments: Any, **options: Any) -> str:
        """Add a tool call and return its id, which is made of the position where the record has none.

        `arguments`: an object, or JSON text; anything else is kept in `args_raw`. `options` as in `add`.
        """
        if id is None or id == "":
            id = f"{self.position}.{len(self.blocks)}"
            self.guess(faults.no_call_id(id))
        call_id = expect(id, str, "tool call id")
        tool = "" if name is None else expect(name, str, "tool name")
        parsed, exact = parse_arguments(arguments)
        payload = {"id": call_id, "name": tool, "args": {} if parsed is None else parsed}
        if parsed is None:
            payload["args_raw"] = arguments
        elif not exact:
            options["metadata"] = {ARGUMENTS.name: arguments}
        self.add(Kind.TOOL_CALL, payload, **options)
        return call_id

    def add_result(self, call_id: Any, value: Any, error: Any = "", *, block_id: Any = "", **options: Any) -> None:
        """Add the result of the tool call with this id. `options` as in `add`."""
        if error and not isinstance(error, str):
            error = json.dumps(error, ensure_ascii=False)
        id = "" if call_id is None else expect(call_id, str, "tool call id")
        self.add(Kind.TOOL_USE, {"id": id, "result": value, "error": error or ""}, "", block_id, **options)

    def add_other(self, value: Any, *, result: InferenceResult | None = None) -> None:
        """Add an `other` block with a value as it is: of a record that is nobody's message, for example."""
        role = value.get("role") if isinstance(value, Mapping) else ""
        made = other_block(value, role if isinstance(role, str) else "")
        self.add(made.kind, made.payload, made.role, result=result)

    def add_unknown(self, value: Any, reason: str) -> None:
        """Add an `other` block with a value that is not understood, and report the reason."""
        self.unknown(reason)
        self.add_other(value)

    def add_extra_fields(self, index: int, fields: Mapping[str, Any]) -> None:
        """Keep the fields of a record that no block holds with the block at `index`, its first."""
        if more := omit_empty(fields):
            first = self.blocks[index]
            part = first.metadata.raw(FIELDS) or EMPTY_DICT
            merged = {"part": part, **more} if part.keys() & more.keys() else {**part, **more}
            self.blocks[index] = first._with(metadata=first.metadata.with_raw(**{FIELDS.name: merged}))

    def start_turn(self) -> None:
        """Begin a Turn with the next block, in a format that says where they begin."""
        self.turn_starts.append(len(self.blocks))

    def inference_result(
        self,
        *,
        id: str = "",
        stop_reason: Any = "",
        pending: bool = False,
        extra: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> InferenceResult:
        """Return the result of a model call, for `add(result=…)`. `id` is made of the position where there is none.

        `pending` says that it called tools; `fields` are those of InferenceResult, of which None is left out.
        """
        reason = stop_reason if isinstance(stop_reason, str) else ""
        fields = {name: value for name, value in fields.items() if value is not None}
        for name in RESULT_TEXTS:
            expect(fields.get(name, ""), str, name)
        return InferenceResult(
            inference_id=f"{self.key}/{id or self.position}".lstrip("/"),
            stop_reason=reason,
            finish_class=FinishClass.of(reason, pending=pending),
            truncated=FinishClass.of(reason) is FinishClass.MAX_TOKENS,
            extra=freeze(omit_empty(extra or EMPTY_DICT)),
            **fields,
        )

    # The whole conversation.

    def to_run(
        self,
        *,
        id: str = "",
        name: str = "",
        time: Any = None,
        extra_fields: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] = EMPTY_DICT,
    ) -> Run:
        """Return the conversation as a Run: a Turn for each prompt, each with all blocks before it.

        Without an `id` it is known by its position in its file. `extra_fields` are those of the document that
        no block holds; `metadata` goes by its full names.
        """
        check_calls(self.blocks, self.notes, self.position_of)
        entries = omit_empty(metadata)
        if time:
            entries[TIMESTAMP.name] = time if isinstance(time, str) else repr(time)
        if extra_fields and (fields := omit_empty(extra_fields)):
            entries[FIELDS.name] = freeze_or_json(fields)
        return Run(
            turns_from(self.blocks, self.turn_starts) if self.turn_starts else turns_of(self.blocks),
            id=id or self.key,
            name=name,
            metadata=metadata_from_dict(entries) if entries else NO_METADATA,
            import_report=self.notes.report(len(self.blocks)),
        )

    def position_of(self, index: int) -> str:
        """Return the position of the record that a block is of."""
        if self.record_starts:
            return f"messages[{bisect_right(self.record_starts, index) - 1}]"
        return self._positions[index]


def run_of_messages(
    value: Any,
    notes: Notes,
    is_message: Callable[[Any], bool],
    reader: Callable[[Transcript], Callable[[Any], None]],
    *id_names: str,
) -> Run:
    """Return the Run of a list of messages, of one message, or of an object with a list `messages`.

    `reader` returns the function that adds the blocks of a message; `id_names` are fields of the
    object that hold the id of the conversation.
    """
    messages, extra_fields = split_document([value] if is_message(value) else value, notes)
    transcript = Transcript(notes)
    transcript.read_records("messages", messages, reader(transcript))
    id, name = pop_text(extra_fields, *id_names), pop_text(extra_fields, "name", "title")
    return transcript.to_run(id=id, name=name, extra_fields=extra_fields)


def conversation_key(notes: Notes) -> str:
    """Return a key for a conversation without an id: its file and line. Ids of model calls begin with it."""
    return ":".join(part for part in (Path(notes.file).stem, notes.position.removeprefix("line ")) if part)


def check_calls(blocks: Sequence[Block], notes: Notes, position_of: Callable[[int], str]) -> None:
    """Report ids that two tool calls have, results of unknown calls, and calls that were left without a result."""
    pending: dict[str, int] = {}
    left_behind: dict[str, int] = {}  # before a prompt of the user
    call_ids: set[str] = set()
    for index, one in enumerate(blocks):
        kind = one.kind
        if kind == "tool_call":
            id = one.payload.get("id")
            if type(id) is not str:
                continue
            if id in call_ids:
                notes.add_guess(position_of(index), faults.duplicate_call_id(id))
            call_ids.add(id)
            pending[id] = index
        elif kind == "tool_use":
            id = one.payload.get("id")
            if type(id) is not str or not id:  # the importer reports a result without an id
                continue
            if id not in call_ids:
                notes.add_guess(position_of(index), faults.unknown_call(id))
            pending.pop(id, None)
            left_behind.pop(id, None)
        elif kind == "user" and pending:
            left_behind |= pending
            pending = {}
    for id, index in left_behind.items():
        notes.add_guess(position_of(index), faults.no_result(id))


def turns_of(blocks: Iterable[Block]) -> tuple[Turn, ...]:
    """Return a Turn for each prompt that follows an answer; every Turn has all blocks before it, and shares them."""
    turns: list[Turn] = []
    earlier_blocks: PersistentList[Block] = PersistentList()
    new_blocks: list[Block] = []
    answered = False
    for one in blocks:
        if one.kind == "user" and answered:
            earlier_blocks += new_blocks
            turns.append(_make_turn(earlier_blocks, "", NO_METADATA, NO_METADATA, EMPTY_DICT, None))
            new_blocks, answered = [], False
        answered = answered or one.kind not in PROMPT_KINDS
        new_blocks.append(one)
    if new_blocks or not turns:
        turns.append(_make_turn(earlier_blocks + new_blocks, "", NO_METADATA, NO_METADATA, EMPTY_DICT, None))
    return tuple(turns)


def turns_from(blocks: Sequence[Block], starts: Iterable[int]) -> tuple[Turn, ...]:
    """Return a Turn from each of the indexes `starts` on; every Turn has all blocks before it."""
    turns: list[Turn] = []
    turn_blocks: PersistentList[Block] = PersistentList()
    for end in sorted({*(start for start in starts if 0 < start < len(blocks)), len(blocks)}):
        turn_blocks += tuple(blocks[len(turn_blocks) : end])
        turns.append(Turn(turn_blocks))
    return tuple(turns)


def other_block(value: Any, role: str = "") -> Block:
    """Return an `other` block with a value as it is: an object as the payload, anything else as its `value`.

    A value that is nested deeper than a block can hold is kept as the text of its JSON, in `json`.
    """
    return make_block("other", freeze_or_json(value if isinstance(value, Mapping) else {"value": value}, value), role)


def freeze_or_json(value: Mapping[str, Any], source: Any = None) -> Any:
    """Return a frozen value; where it is nested too deeply, one with the JSON of `source`, which is the value if not given."""
    try:
        return freeze(value)
    except TypeError:
        text = json.dumps(value if source is None else source, ensure_ascii=False, default=repr)
        return freeze({"json": text})
