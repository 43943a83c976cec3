"""The frame of snapshots: a row for each boundary of the loop, with the changes since the previous one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..errors import LoadError
from ..events import Phase, Snapshot, stamp
from ..keys import EXECUTION_ID, FIELDS
from ..safety.visible_text import printable
from ..serialization.serde import block_from_dict
from ..values.pending_calls import PendingCalls
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn
from .builder import FrameBuilder
from .columns import Column, NamedColumns, in_reading_order
from .shared_columns import FILE, RUN_ID, SESSION_ID, TURN_KEYS
from .traversal import Row, Traversal, TurnVisit, text_of


@dataclass(frozen=True, slots=True)
class Change:
    """The changes of a Turn: from index `start` on, blocks were `removed`, `added`, or `edited` (before, after)."""

    start: int | None
    removed: tuple[Block, ...] = ()
    added: tuple[Block, ...] = ()
    edited: tuple[tuple[Block, Block], ...] = ()


@dataclass(slots=True, eq=False)
class SnapshotRow(Row):
    """The row of a column of `snapshots`. A Turn without snapshots has one row, for its end."""

    snapshot: Snapshot | None
    state: Turn
    snapshot_index: int
    change: Change
    pending: int
    previous_time: float | None

    @property
    def turn(self) -> Turn:
        """The Turn at that moment."""
        return self.state

    @property
    def phase(self) -> str:
        """Phase at which the snapshot was taken; "final" for a Turn without snapshots."""
        return str(self.snapshot.phase if self.snapshot else Phase.FINAL)

    @property
    def iteration(self) -> int | None:
        """Iteration of the tool loop, from 0, or None."""
        return self.snapshot.iteration if self.snapshot else None

    @property
    def at(self) -> float | None:
        """Time in seconds since 1970, or None."""
        return self.snapshot.at or None if self.snapshot else None

    @property
    def elapsed_ms(self) -> float | None:
        """Milliseconds since the snapshot before, or None."""
        return (self.at - self.previous_time) * 1000 if self.at is not None and self.previous_time is not None else None

    @property
    def inference_id(self) -> str | None:
        """Id of the model call that added the last block, or None."""
        return next((block.inference_id for block in reversed(self.change.added) if block.inference_id), None)

    @printable
    def __str__(self) -> str:
        return f"{self.visit}, snapshot {self.snapshot_index}"


SNAPSHOT: tuple[Column, ...] = NamedColumns(
    "SNAPSHOT",
    in_reading_order(
        (
            RUN_ID,
            SESSION_ID,
            *TURN_KEYS,
            Column("snapshot_index", lambda row: row.snapshot_index, "Int64", doc="index in its Run, from 0"),
            Column(
                "execution_id", lambda row: row.turn.metadata.get(EXECUTION_ID), "string", doc="id of the execution"
            ),
            Column("phase", lambda row: row.phase, "category", categories=tuple(Phase), doc="boundary of the loop"),
            Column("iteration", lambda row: row.iteration, "Int64", doc="iteration of the loop, from 0"),
            Column("at", lambda row: row.at, "time", doc="time of the snapshot"),
            Column(
                "elapsed_ms",
                lambda row: row.elapsed_ms,
                "Float64",
                unit="ms",
                doc="time since the previous snapshot of its Turn",
            ),
            Column("blocks", lambda row: len(row.turn), "Int64", unit="blocks", doc="all blocks of the Turn"),
            Column("pending", lambda row: row.pending, "Int64", unit="calls", doc="tool calls without a result"),
            Column(
                "added",
                lambda row: len(row.change.added),
                "Int64",
                unit="blocks",
                doc="new since the previous snapshot",
            ),
            Column("removed", lambda row: len(row.change.removed), "Int64", unit="blocks", doc="removed since then"),
            Column("edited", lambda row: len(row.change.edited), "Int64", unit="blocks", doc="edited since then"),
            Column("changed_from", lambda row: row.change.start, "Int64", doc="first index that differs, if one does"),
            Column(
                "added_kinds",
                lambda row: " ".join(block.kind for block in row.change.added) or None,
                "string",
                doc="kinds of the new blocks, in order",
            ),
            Column(
                "text",
                lambda row: text_of(row.change.added[-1]) if row.change.added else None,
                "string",
                doc="text of the last new block",
            ),
            Column("inference_id", lambda row: row.inference_id, "string", doc="model call of the new blocks"),
            FILE,
        ),
        "phase",
        "text",
    ),
)


SNAPSHOT_KEYS = (EXECUTION_ID,)  # of the metadata that these columns read at each snapshot


class SnapshotBuilder(FrameBuilder):
    """A row for each snapshot of each Run."""

    def begin(self, traversal: Traversal) -> None:  # noqa: ARG002  # the signature of all builders
        self._previous_blocks: PersistentList[Block] = PersistentList()
        self._calls = PendingCalls()
        self._index = 0

    def visit(self, visit: TurnVisit) -> None:
        snapshots: tuple[Snapshot | None, ...] = (visit.source.snapshots or {}).get(
            visit.turn_index
        ) or recorded_snapshots(visit.turn)
        previous_time: float | None = None
        for snapshot in snapshots:
            turn = snapshot.turn if snapshot else visit.turn
            change = changes_between(self._previous_blocks, turn.blocks)
            is_appended = change.start in (None, len(self._previous_blocks)) and not (change.removed or change.edited)
            self._calls = self._calls.after_blocks(change.added) if is_appended else turn.calls
            pending = self._calls.open_count
            row = SnapshotRow(visit, snapshot, turn, self._index, change, pending, previous_time)
            self.buffer.add(row)
            self._previous_blocks, self._index, previous_time = turn.blocks, self._index + 1, row.at


def recorded_snapshots(turn: Turn) -> tuple[Snapshot | None, ...]:
    """Return the snapshots that a pinocchio database has of a Turn, oldest first; (None,) for other Turns.

    The importer keeps of each the phase, the time, the number of blocks and those that the last one lacks.
    """
    fields = turn.metadata.raw(FIELDS)
    if not isinstance(fields, Mapping) or not isinstance(fields.get("phase"), str):
        return (None,)
    summaries = fields.get("snapshots")
    snapshots = [_recorded_snapshot(fields["phase"], turn, fields.get("snapshot_created_at_ms"))]
    for summary in summaries if isinstance(summaries, (list, tuple)) else ():
        try:
            other_blocks = [block_from_dict(block) for block in summary.get("blocks") or ()]
            shared_count = max(0, int(summary.get("count") or 0) - len(other_blocks))
            blocks = turn.blocks.head(min(shared_count, len(turn))) + other_blocks
            snapshot = _recorded_snapshot(
                str(summary.get("phase") or ""), turn._with(blocks=blocks), summary.get("created_at_ms")
            )
        except (
            LoadError,
            AttributeError,
            TypeError,
            ValueError,
        ):  # a file of others may have other fields of these names
            continue
        snapshots.append(snapshot)
    return tuple(sorted(snapshots, key=lambda snapshot: (snapshot.at, PHASE_ORDER.get(snapshot.phase, 0))))


def _recorded_snapshot(phase: str, turn: Turn, created_at_ms: Any) -> Snapshot:
    snapshot = Snapshot(Phase(phase) if phase in PHASE_ORDER else cast(Phase, phase), turn)
    is_number = isinstance(created_at_ms, (int, float)) and not isinstance(created_at_ms, bool)
    stamp(snapshot, 0, created_at_ms / 1000 if is_number else 0.0)
    return snapshot


PHASE_ORDER: dict[str, int] = {phase: order for order, phase in enumerate(Phase)}


def changes_between(previous_blocks: PersistentList[Block], blocks: PersistentList[Block]) -> Change:
    """Return the changes from `previous_blocks` to `blocks`.

    Blocks are compared by identity; an edited block keeps its id, or its index and kind.
    """
    start = previous_blocks.shared_length(blocks)
    old_blocks, new_blocks = list(previous_blocks.since(start)), list(blocks.since(start))
    if not old_blocks and not new_blocks:
        return Change(None)
    while old_blocks and new_blocks and old_blocks[-1] is new_blocks[-1]:
        del old_blocks[-1], new_blocks[-1]
    pairs = _pairs(old_blocks, new_blocks)
    paired_old, paired_new = {id(old) for old, _ in pairs}, {id(new) for _, new in pairs}
    return Change(
        start,
        tuple(block for block in old_blocks if id(block) not in paired_old),
        tuple(block for block in new_blocks if id(block) not in paired_new),
        tuple((old, new) for old, new in pairs if old is not new),
    )


def _pairs(old_blocks: list[Block], new_blocks: list[Block]) -> list[tuple[Block, Block]]:
    """Return the pairs of an old block and the new block that replaces it."""
    if len(old_blocks) == len(new_blocks) and all(
        old.kind == new.kind and old.id == new.id for old, new in zip(old_blocks, new_blocks, strict=True)
    ):
        return list(zip(old_blocks, new_blocks, strict=True))
    by_identity = {id(block): block for block in new_blocks}
    by_id = {block.id: block for block in new_blocks if block.id}
    pairs = ((old, by_identity.get(id(old)) or by_id.get(old.id)) for old in old_blocks)
    return [(old, new) for old, new in pairs if new is not None]
