"""The frame of snapshots: a row for each boundary of the loop, with what changed since the one before."""

from __future__ import annotations

from dataclasses import dataclass

from ..calls import PendingCalls
from ..chunks import PersistentList
from ..events import Phase, Snapshot
from ..keys import EXECUTION_ID
from ..turns import Block, Turn
from .columns import Column
from .joined import FILE, RUN_ID, SESSION_ID, TURN_KEYS
from .maker import Maker
from .walk import Place, Row, Walk, said


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a Turn: from `start` on, blocks were `removed`, `added`, or `edited` (before, after)."""

    start: int | None
    removed: tuple[Block, ...] = ()
    added: tuple[Block, ...] = ()
    edited: tuple[tuple[Block, Block], ...] = ()


@dataclass(slots=True, eq=False)
class SnapshotRow(Row):
    """What a column of `snapshots` reads. Of a Turn nobody took snapshots of, its end is one."""

    snapshot: Snapshot | None
    state: Turn
    snapshot_index: int
    change: Change
    pending: int
    since: float | None

    @property
    def turn(self) -> Turn:
        """The Turn as it was then."""
        return self.state

    @property
    def phase(self) -> str:
        return str(self.snapshot.phase if self.snapshot else Phase.FINAL)

    @property
    def iteration(self) -> int | None:
        return self.snapshot.iteration if self.snapshot else None

    @property
    def at(self) -> float | None:
        return self.snapshot.at or None if self.snapshot else None

    @property
    def elapsed_ms(self) -> float | None:
        return (self.at - self.since) * 1000 if self.at is not None and self.since is not None else None

    @property
    def inference_id(self) -> str | None:
        return next((block.inference_id for block in reversed(self.change.added) if block.inference_id), None)

    def __str__(self) -> str:
        return f"{self.place}, snapshot {self.snapshot_index}"


SNAPSHOT: tuple[Column, ...] = (
    RUN_ID,
    SESSION_ID,
    *TURN_KEYS,
    Column("snapshot_index", lambda row: row.snapshot_index, "Int64", doc="its place in its Run, from 0"),
    Column(
        "execution_id", lambda row: row.turn.metadata.get(EXECUTION_ID), "string", doc="the execution it was taken of"
    ),
    Column("phase", lambda row: row.phase, "category", known=tuple(Phase), doc="the boundary it was taken at"),
    Column("iteration", lambda row: row.iteration, "Int64", doc="how often the loop had gone round, from 0"),
    Column("at", lambda row: row.at, "time", doc="when it was taken"),
    Column("elapsed_ms", lambda row: row.elapsed_ms, "Float64", unit="ms", doc="since the one before in its Turn"),
    Column("blocks", lambda row: len(row.turn), "Int64", unit="blocks", doc="all it holds"),
    Column("pending", lambda row: row.pending, "Int64", unit="calls", doc="calls nobody had answered"),
    Column("added", lambda row: len(row.change.added), "Int64", unit="blocks", doc="new since the snapshot before"),
    Column("removed", lambda row: len(row.change.removed), "Int64", unit="blocks", doc="gone since then"),
    Column("edited", lambda row: len(row.change.edited), "Int64", unit="blocks", doc="changed since then"),
    Column("changed_from", lambda row: row.change.start, "Int64", doc="the first place that differs, if one does"),
    Column(
        "added_kinds",
        lambda row: " ".join(block.kind for block in row.change.added) or None,
        "string",
        doc="the kinds of what is new, in order",
    ),
    Column(
        "text",
        lambda row: said(row.change.added[-1]) if row.change.added else None,
        "string",
        doc="what the last new block says",
    ),
    Column("inference_id", lambda row: row.inference_id, "string", doc="the model call that made what is new"),
    FILE,
)


class SnapshotMaker(Maker):
    """A row for each snapshot of each Run."""

    def begin(self, walk: Walk) -> None:  # noqa: ARG002  # what every maker is told
        self._before: PersistentList[Block] = PersistentList()
        self._calls = PendingCalls()
        self._index = 0

    def place(self, place: Place) -> None:
        taken: tuple[Snapshot | None, ...] = (place.source.snapshots or {}).get(place.turn_index) or (None,)
        since: float | None = None
        for snapshot in taken:
            turn = snapshot.turn if snapshot else place.turn
            change = changed(self._before, turn.blocks)
            grown = not change.removed and not change.edited and change.start in (None, len(self._before))
            self._calls = self._calls.after(change.added) if grown else turn.calls
            pending = len(self._calls.pending)
            row = SnapshotRow(place, snapshot, turn, self._index, change, pending, since)
            self.sheet.add(row)
            self._before, self._index, since = turn.blocks, self._index + 1, row.at


def changed(before: PersistentList[Block], after: PersistentList[Block]) -> Change:
    """What became of `before`. Blocks are told by identity; one that changed keeps its id, or its place and kind."""
    start = before.shared(after)
    gone, new = list(before.since(start)), list(after.since(start))
    if not gone and not new:
        return Change(None)
    while gone and new and gone[-1] is new[-1]:
        del gone[-1], new[-1]
    pairs = _pairs(gone, new)
    old, fresh = {id(one) for one, _ in pairs}, {id(one) for _, one in pairs}
    return Change(
        start,
        tuple(block for block in gone if id(block) not in old),
        tuple(block for block in new if id(block) not in fresh),
        tuple((one, other) for one, other in pairs if one is not other),
    )


def _pairs(gone: list[Block], new: list[Block]) -> list[tuple[Block, Block]]:
    """Which of the new blocks stand for which of the old."""
    if len(gone) == len(new) and all(
        one.kind == other.kind and one.id == other.id for one, other in zip(gone, new, strict=True)
    ):
        return list(zip(gone, new, strict=True))
    same = {id(block): block for block in new}
    named = {block.id: block for block in new if block.id}
    found = ((block, same.get(id(block)) or named.get(block.id)) for block in gone)
    return [(block, other) for block, other in found if other is not None]
