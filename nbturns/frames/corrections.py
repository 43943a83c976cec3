"""Counts of model calls whose copies have larger ones.

A session that is forked while a reply is streamed has a part of its output count; the copy has all of it. The row of
the call is that of the first Run, so it gets the usage with the largest output count when all Runs are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..values.inference_results import InferenceResult, UnknownCount

if TYPE_CHECKING:
    import pyarrow as pa

TOKEN_NAMES = (
    *("input_tokens", "output_tokens", "cached_tokens", "cache_creation_input_tokens", "reasoning_tokens"),
    "total_tokens",
)
ROW_KEYS: dict[str, tuple[str, ...]] = {
    "inferences": ("run_id", "inference_id"),
    "turns": ("run_id", "turn_index"),
    "runs": ("run_id",),
}  # the columns that name the row of a call


CallCounts = dict[str, float]  # the known counts of a call by name, and its cost


def counts_of(result: InferenceResult | None) -> CallCounts:
    """Return the counts of a result that are known, and its cost."""
    if result is None or result.usage is None:
        return {}
    counts = {name: getattr(result.usage, name) for name in TOKEN_NAMES}
    known_counts: CallCounts = {n: int(count) for n, count in counts.items() if not isinstance(count, UnknownCount)}
    return known_counts if result.cost is None else {**known_counts, "cost": result.cost}


@dataclass(slots=True, eq=False)
class KnownCall:
    """A model call in the frames: its row, and the counts with the largest output count so far."""

    run_id: str
    turn_index: int
    inference_id: str
    counts: CallCounts

    def take_larger(self, copy_counts: CallCounts) -> CallCounts:
        """Take the counts of a copy if its output count is larger, and return what that adds to each count."""
        if not self.counts or copy_counts.get("output_tokens", 0) <= self.counts.get("output_tokens", 0):
            return {}
        changes = {name: copy_counts[name] - count for name, count in self.counts.items() if name in copy_counts}
        self.counts = copy_counts
        return changes


class Corrections:
    """Amounts to add to counts of the rows so far."""

    def __init__(self) -> None:
        self._changes: list[tuple[KnownCall, CallCounts]] = []

    def add(self, call: KnownCall, copy: InferenceResult | None) -> None:
        if changes := call.take_larger(counts_of(copy)):
            self._changes.append((call, changes))

    def apply(self, tables: dict[str, pa.Table]) -> None:
        """Change the counts in these tables, which have all columns of their frames."""
        for frame, key_names in ROW_KEYS.items() if self._changes else ():
            table = tables.get(frame)
            if table is not None and set(key_names) <= set(table.column_names):
                tables[frame] = self._corrected(table, key_names)

    def _corrected(self, table: pa.Table, key_names: tuple[str, ...]) -> pa.Table:
        import pyarrow as pa

        keys = zip(*(table.column(name).to_pylist() for name in key_names), strict=True)
        rows = {key: row for row, key in enumerate(keys)}
        for name in (*TOKEN_NAMES, "cost"):
            if name not in table.column_names:
                continue
            values: list[Any] = table.column(name).to_pylist()
            for call, changes in self._changes:
                row = rows.get(tuple(getattr(call, key) for key in key_names))
                if row is not None and values[row] is not None and name in changes:
                    values[row] += changes[name]
            index = table.schema.get_field_index(name)
            table = table.set_column(index, table.schema.field(index), pa.array(values, table.schema.field(index).type))
        return table
