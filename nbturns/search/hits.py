"""Hits of a search: where the words are, as a table, a frame and a view."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from ..render.listing import Cell, listing_html
from ..render.text import shorten
from ..safety.visible_text import printable
from ..values.turns import Block, Run

if TYPE_CHECKING:
    from ..widgets import RunView

EXCERPT_LENGTH = 160  # characters
WORDS_BEFORE = 40  # characters of an excerpt before its first marked word
COLUMNS = ("run_id", "turn_index", "block_index", "block_id", "kind", "tool", "model", "at", "file", "excerpt")


@dataclass(frozen=True, slots=True)
class Hit:
    """A block that matches a query. `excerpt` is the part of its text with the first words, `marks` their places in it."""

    run_id: str
    turn_index: int
    block_index: int
    kind: str
    text: str = field(repr=False)
    block_id: str = ""
    tool: str = ""
    model: str = ""
    at: float | None = None
    file: str = ""
    pattern: re.Pattern[str] | None = field(default=None, repr=False, compare=False)
    load: Callable[[str], Run] | None = field(default=None, repr=False, compare=False)

    @property
    def excerpt(self) -> str:
        return self._excerpt_and_marks()[0]

    @property
    def marks(self) -> tuple[tuple[int, int], ...]:
        """The places of the words in the excerpt, as (start, end)."""
        return self._excerpt_and_marks()[1]

    def _excerpt_and_marks(self) -> tuple[str, tuple[tuple[int, int], ...]]:
        text = " ".join(self.text[:200_000].split())
        first = self.pattern.search(text) if self.pattern else None
        start = max(0, first.start() - WORDS_BEFORE) if first else 0
        excerpt = shorten(text[start : start + EXCERPT_LENGTH + 1], EXCERPT_LENGTH)
        if start:
            excerpt = "…" + excerpt
        marks = self.pattern.finditer(excerpt) if self.pattern else ()
        return excerpt, tuple(match.span() for match in marks if match.end() > match.start())

    @property
    def run(self) -> Run:
        """The Run of the hit, loaded now."""
        assert self.load is not None
        return self.load(self.run_id)

    @property
    def block(self) -> Block:
        return self.run[self.turn_index][self.block_index]

    def open(self) -> RunView:
        """Return the view of the Run at the block of the hit."""
        from ..widgets import RunView

        return RunView(self.run, turn=self.turn_index, selected=[self.block_index])

    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in COLUMNS}


class Hits(Sequence[Hit]):
    """The hits of a query, the newest first. As the last expression of a cell it is a table with the words marked.

    `has_more` is true when the limit left some out.
    """

    def __init__(self, query: str, hits: Sequence[Hit], *, has_more: bool = False) -> None:
        self.query = query
        self.has_more = has_more
        self._hits = tuple(hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Hits: ...
    def __getitem__(self, index: int | slice) -> Hit | Hits:
        return Hits(self.query, self._hits[index]) if isinstance(index, slice) else self._hits[index]

    def __len__(self) -> int:
        return len(self._hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._hits)

    def to_df(self) -> Any:
        """Return a DataFrame with a row for each hit; unknown values are NA."""
        import pandas as pd

        rows = [{name: None if value == "" else value for name, value in hit.row().items()} for hit in self]
        frame = pd.DataFrame(rows, columns=list(COLUMNS))
        frame["at"] = pd.to_datetime(frame["at"].astype("Float64"), unit="s", utc=True)
        for name in ("run_id", "block_id", "kind", "tool", "model", "file", "excerpt"):
            frame[name] = frame[name].astype("string")
        for name in ("turn_index", "block_index"):
            frame[name] = frame[name].astype("Int64")
        return frame

    @printable
    def __repr__(self) -> str:
        more = "+" if self.has_more else ""
        return f"<Hits {len(self)}{more} for {self.query!r:.60}>"

    @printable
    def __str__(self) -> str:
        lines = [f"{hit.run_id}/{hit.turn_index}/{hit.block_index}  {hit.kind:9}  {hit.excerpt}" for hit in self]
        return "\n".join([repr(self), *lines])

    def _repr_html_(self) -> str:
        caption = f"{len(self)}{'+' if self.has_more else ''} hits for {self.query}"
        columns = ("", "run", "turn", "block", "kind", "tool", "text")
        return listing_html(caption, columns, [self._cells(index, hit) for index, hit in enumerate(self)])

    @staticmethod
    def _cells(index: int, hit: Hit) -> list[Cell]:
        where = hit.run_id if not hit.file or hit.file in hit.run_id else f"{hit.run_id} · {hit.file}"
        excerpt, marks = hit._excerpt_and_marks()
        return [
            Cell(str(index)), Cell(where), Cell(str(hit.turn_index)), Cell(str(hit.block_index)), Cell(hit.kind),
            Cell(hit.tool), Cell(excerpt, marks),
        ]  # fmt: skip
