"""The snapshots of an execution as a list that displays as a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ..events import Phase, Snapshot
from ..safety.visible_text import printable, visible
from ..values.turns import Turn

PHASE_WORDS = {
    Phase.PRE_INFERENCE: "before the model",
    Phase.POST_INFERENCE: "before the tools",
    Phase.POST_TOOLS: "after the tools",
    Phase.FINAL: "at the end",
}
SHOWN_ROWS = 60  # the others are counted
SHOWN_CALLS = 3  # names of pending calls in a row
COLUMNS = ("snapshot", "time", "iteration", "phase", "blocks", "added", "pending")


class SnapshotList(list[Snapshot]):
    """The snapshots of an execution, the oldest first. In a notebook they are a table with readable times."""

    @printable
    def __repr__(self) -> str:
        rows = [COLUMNS, *self._shown_rows()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
        lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, *self._hidden_rows()])

    def _repr_html_(self) -> str:
        from ..render.listing import Cell, listing_html

        rows = [[Cell(text) for text in row] for row in self._shown_rows()]
        return listing_html(f"{len(self):,} snapshots", COLUMNS, rows, "".join(self._hidden_rows()))

    def _hidden_rows(self) -> list[str]:
        hidden_count = len(self) - SHOWN_ROWS
        return [f"… and {hidden_count:,} earlier snapshots"] if hidden_count > 0 else []

    def _shown_rows(self) -> Iterator[tuple[str, ...]]:
        first = max(len(self) - SHOWN_ROWS, 0)
        for index in range(first, len(self)):
            snapshot = self[index]
            yield (
                str(index),
                time_text(snapshot.at),
                str(snapshot.iteration),
                PHASE_WORDS[snapshot.phase],
                str(len(snapshot.turn)),
                added_text(snapshot.turn, self[index - 1].turn) if index else "",
                pending_text(snapshot.turn),
            )


def time_text(at: float) -> str:
    """Return the local time of an event, like 14:02:11.250; "" for an unknown one."""
    return f"{datetime.fromtimestamp(at, UTC).astimezone():%H:%M:%S.%f}"[:-3] if 0 < at < 1e11 else ""


def added_text(turn: Turn, earlier_turn: Turn) -> str:
    """Return how many blocks a Turn has more or fewer than an earlier one, like +2; "" without a difference."""
    difference = len(turn) - len(earlier_turn)
    return f"{difference:+d}" if difference else ""


def pending_text(turn: Turn) -> str:
    """Return the names of the pending calls of a Turn."""
    names = [visible(call.name) for call in turn.pending]
    more = f" and {len(names) - SHOWN_CALLS} more" if len(names) > SHOWN_CALLS else ""
    return ", ".join(names[:SHOWN_CALLS]) + more


__all__ = ["PHASE_WORDS", "SnapshotList", "time_text"]
