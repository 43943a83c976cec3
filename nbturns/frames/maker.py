"""What makes one frame of a walk over Runs: it is told of each Turn, and fills its sheet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .columns import Column
from .sheet import Sheet
from .walk import Place, Walk

if TYPE_CHECKING:
    import pyarrow as pa


class Maker:
    """One frame in the making. `begin`, `place` and `end` are told of one Run after the other."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.sheet = Sheet(columns)

    def __len__(self) -> int:
        return len(self.sheet)

    def begin(self, walk: Walk) -> None:
        """A Run begins; `walk` is about to go through its Turns."""

    def place(self, place: Place) -> None:
        """A Turn, and what is new in it."""

    def end(self) -> None:
        """The Run is over."""

    def mark(self) -> None:
        """All so far is to stay."""
        self.sheet.mark()

    def take_back(self) -> None:
        """Forget what came since the mark."""
        self.sheet.take_back()

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        """All that came, and the values of columns that Arrow has no type for."""
        return self.sheet.table()
