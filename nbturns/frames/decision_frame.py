"""The frame of decisions: a row for each decision at a pause, of a person or a policy."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ..runtime.marks import DecisionRecord, decisions_of
from .builder import FrameBuilder
from .columns import Column, NamedColumns, in_reading_order
from .shared_columns import FILE, RUN_ID, SESSION_ID, TURN_KEYS
from .traversal import Row, Traversal, TurnVisit

ACTIONS = ("mock", "denied", "skipped", "edited", "added", "dropped", "approved")


@dataclass(slots=True, eq=False)
class DecisionRow(Row):
    """The row of a column of `decisions`; the index is None for a decision about a block that is not in the Turn."""

    decision: DecisionRecord
    block_index: int | None = None

    @property
    def time(self) -> datetime | None:
        """Time of the decision in UTC, or None if it is not a time."""
        try:
            return datetime.fromtimestamp(self.decision.at, UTC)
        except (TypeError, ValueError, OverflowError, OSError):  # from a file that somebody wrote
            return None


DECISION: tuple[Column, ...] = NamedColumns(
    "DECISION",
    in_reading_order(
        (
            RUN_ID,
            *TURN_KEYS,
            SESSION_ID,
            Column(
                "block_index",
                lambda row: row.block_index,
                "Int64",
                doc="index of the block in that Turn; NA if dropped",
            ),
            Column("block_id", lambda row: row.decision.block_id or None, "string", doc="id of the block"),
            Column("tool_call_id", lambda row: row.decision.call_id or None, "string", doc="id of the tool call"),
            Column(
                "call_id", lambda row: row.decision.call_id or None, "string", doc="the same, as the decision names it"
            ),
            Column(
                "action",
                lambda row: row.decision.action,
                "category",
                categories=ACTIONS,
                doc="mock, denied, skipped, edited, …",
            ),
            Column(
                "by", lambda row: row.decision.by or None, "string", doc="its author: step, resume, policy, or a name"
            ),
            Column("at", lambda row: row.time, "time", doc="its time"),
            Column(
                "before",
                lambda row: row.decision.before,
                "json",
                doc="payload of the block before it; NA for a new one",
            ),
            Column(
                "after",
                lambda row: row.decision.after,
                "json",
                doc="payload of the block after it; NA for a dropped one",
            ),
            Column("reason", lambda row: row.decision.reason or None, "string", doc="the reason that was given"),
            FILE,
        ),
        "action",
        "before",
        "after",
        "reason",
        "by",
    ),
)


class DecisionBuilder(FrameBuilder):
    """A row for each decision of each Run, at the first Turn that lists it."""

    def begin(self, traversal: Traversal) -> None:
        del traversal
        self._earlier: dict[float, list[DecisionRecord]] = {}  # by time, of the Turns before

    def visit(self, visit: TurnVisit) -> None:
        decisions = decisions_of(visit.turn)
        if not decisions:
            return
        index_by_id = {block.id: index for index, block in enumerate(visit.turn) if block.id}
        new_decisions = [decision for decision in decisions if decision not in self._earlier.get(decision.at, ())]
        for decision in new_decisions:
            self._earlier.setdefault(decision.at, []).append(decision)
            self.buffer.add(DecisionRow(visit, decision, index_by_id.get(decision.block_id)))
