"""Sessions with their snapshots, as Turns and as records without Turns: what frames count."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ..events import Phase, Snapshot, stamp
from ..values.frozen_json import FrozenDict
from ..values.metadata import Key, unchecked_metadata
from ..values.persistent_list import PersistentList
from ..values.recorded_turns import RecordedRun, RecordedTurn, as_turn
from ..values.turns import Run, Turn
from .patches import NO_PARTS, Patch, StateParts, apply_patch
from .reader import SNAPSHOT_PHASES, StoreReader

TurnSnapshots = dict[int, tuple[Snapshot, ...]]  # by index of the Turn


def load_with_snapshots(reader: StoreReader, session_id: str) -> tuple[Run, TurnSnapshots]:
    """Return a session and its snapshots, which share blocks."""
    session = reader.session_number(session_id)
    turns: list[Turn] = []
    snapshots: TurnSnapshots = {}
    for execution in reader.execution_numbers(session):
        if (turn := reader.latest_turn(execution, reader.turn)) is not None:
            if turn_snapshots := tuple(reader.snapshots(execution)):
                snapshots[len(turns)] = turn_snapshots
            turns.append(turn)
    return Run(tuple(turns), **reader.run_fields(session)), snapshots


def recorded_run(
    reader: StoreReader, session_id: str, snapshot_keys: Sequence[Key[Any]] | None
) -> tuple[RecordedRun, TurnSnapshots]:
    """Return a session as records, and its snapshots with the metadata of these keys; without snapshots for None."""
    session = reader.session_number(session_id)
    turns: list[Turn] = []
    snapshots: TurnSnapshots = {}
    for execution in reader.execution_numbers(session):
        if (turn := reader.latest_turn(execution, reader.recorded_turn)) is not None:
            if snapshot_keys is not None and (
                turn_snapshots := tuple(_RecordedSnapshots(reader, snapshot_keys).of(execution))
            ):
                snapshots[len(turns)] = turn_snapshots
            turns.append(as_turn(turn))
    return RecordedRun(tuple(turns), **reader.run_fields(session)), snapshots


class _RecordedSnapshots:
    """The snapshots of an execution as records; of their values only those of some keys are decoded."""

    def __init__(self, reader: StoreReader, keys: Sequence[Key[Any]]) -> None:
        self.reader = reader
        self.names = frozenset({"id", *(f"m:{key.name}" for key in keys)})

    def of(self, execution: int) -> Iterator[Snapshot]:
        """Yield the snapshots of an execution in order. All patches are parsed at once, and all blocks read at once."""
        reader = self.reader
        (execution_id,) = reader.rows("SELECT id FROM executions WHERE number = ?", execution)[0]
        states = reader.rows(
            "SELECT number, seq, at, phase, iteration, base, patch FROM states WHERE execution = ? ORDER BY seq",
            execution,
        )
        patches: list[Patch] = json.loads(f"[{','.join([state[6] or '{}' for state in states])}]")
        reader.blocks({number for patch in patches if "blocks" in patch for number in patch["blocks"][2]})
        parts_by_number: dict[int, StateParts] = {}
        record, previous_parts = RecordedTurn(), NO_PARTS
        for (number, seq, at, phase, iteration, base, _), patch in zip(states, patches, strict=True):
            if base is not None and base not in parts_by_number:
                parts_by_number[base] = self._parts(base)
            base_parts = NO_PARTS if base is None else parts_by_number[base]
            parts = apply_patch(base_parts, self._needed(patch), reader.block)
            parts_by_number[number] = parts
            if phase in SNAPSHOT_PHASES:
                record = self._record(parts, previous_parts, record)
                previous_parts = parts
                snapshot = Snapshot(Phase(phase), as_turn(record), iteration)
                stamp(snapshot, seq, at, execution_id)
                yield snapshot

    def _parts(self, state: int) -> StateParts:
        """Return the parts of a state of another execution, with the blocks themselves."""
        blocks, values = self.reader.parts(state)
        needed_values = {name: value for name, value in values.items() if name in self.names}
        return StateParts(PersistentList(self.reader.blocks(blocks)), needed_values)

    def _needed(self, patch: Patch) -> Patch:
        """Return a patch without the values of other names."""
        needed: Patch = {}
        for field, changes in patch.items():
            if field == "blocks":
                needed[field] = changes
            elif not self.names.isdisjoint(changes):
                is_mapping = isinstance(changes, dict)
                names = [name for name in changes if name in self.names]
                needed[field] = {name: changes[name] for name in names} if is_mapping else names
        return needed

    def _record(self, parts: StateParts, previous_parts: StateParts, previous: RecordedTurn) -> RecordedTurn:
        """Return the record of a snapshot; values that did not change are those of the previous one."""
        if parts.values is previous_parts.values or parts.values == previous_parts.values:
            return RecordedTurn(parts.blocks, previous.id, previous.metadata)
        reader = self.reader
        values = FrozenDict({name[2:]: reader.value(value) for name, value in parts.values.items() if name != "id"})
        return RecordedTurn(parts.blocks, reader.turn_id(parts), unchecked_metadata(values))
