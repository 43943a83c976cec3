"""The base class of the frame builders: a builder visits each Turn of a Run and fills its column buffer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .column_buffer import ColumnBuffer
from .columns import Column
from .shared_columns import with_copy_keys
from .traversal import Traversal, TurnVisit

if TYPE_CHECKING:
    import pyarrow as pa


class FrameBuilder:
    """The builder of one frame. `begin`, `visit` and `end` are called for one Run after the other."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.buffer: ColumnBuffer = ColumnBuffer(with_copy_keys(columns))

    def __len__(self) -> int:
        return len(self.buffer)

    def begin(self, traversal: Traversal) -> None:
        """Begin a Run; the Turns of `traversal` follow."""

    def visit(self, visit: TurnVisit) -> None:
        """Add the rows of a Turn."""

    def end(self) -> None:
        """End the Run."""

    def mark(self) -> None:
        """Keep all rows so far, whatever happens to those that follow."""
        self.buffer.mark()

    def roll_back(self) -> None:
        """Remove the rows since the mark."""
        self.buffer.roll_back()

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        """Return all rows, and the values of the columns that Arrow has no type for."""
        return self.buffer.table()
