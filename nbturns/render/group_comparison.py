"""Comparison of three or more conversations: each with the first, and all side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import TYPE_CHECKING, Any

from ..safety.visible_text import printable
from ..values.blocks import Block
from ..values.turns import Run, Turn
from .block_rows import block_head, dollar_text, duration_text
from .comparison import Comparison, placed_blocks
from .comparison_metrics import COUNTS, first_divergence, metrics_frame, value_metrics
from .html import MAX_ROWS
from .listing import Cell, Fold, listing_html

if TYPE_CHECKING:
    import pandas as pd

AlignedRow = tuple[Block | None, ...]
MAX_OPEN_SAME_ROWS = 2  # a longer series of blocks that are the same in all is folded
PAGE_ROWS = 5_000  # aligned blocks of a saved page


@dataclass(frozen=True, slots=True, repr=False)
class GroupComparison:
    """A comparison of three or more Turns or Runs; `pairs` compare the first with each of the others."""

    sides: tuple[Turn | Run, ...]
    pairs: tuple[Comparison, ...]

    @property
    def metrics(self) -> pd.DataFrame:
        """A DataFrame with a row for each value: its counts and outcome, and the differences to the first."""
        return metrics_frame(self.sides)

    @property
    def divergence(self) -> int | None:
        """The index of the first block that is not the same in all values; None if all are the same."""
        return first_divergence(self.sides)

    @property
    def rows(self) -> tuple[AlignedRow, ...]:
        """The blocks in columns, one for each value: corresponding blocks in a row, None where a value has none."""
        return tuple(aligned_rows(self.sides[0], self.pairs))

    def to_df(self) -> pd.DataFrame:
        """Return `metrics`."""
        return self.metrics

    def _repr_html_(self) -> str:
        return group_html(self)

    @printable
    def __repr__(self) -> str:
        divergence = "all the same" if self.divergence is None else f"different from block {self.divergence} on"
        return f"<GroupComparison of {len(self.sides)}: {divergence}>"


def aligned_rows(first: Turn | Run, pairs: Sequence[Comparison]) -> Iterator[AlignedRow]:
    """Yield the blocks of the first value with their partners; added blocks stand behind the block that they follow."""
    places = [(placed.turn, placed.index) for placed in placed_blocks(first)]
    partners: list[dict[Any, Block | None]] = []
    added: list[dict[Any, list[Block]]] = []
    for pair in pairs:
        partners.append({})
        added.append({})
        place: Any = None
        for row in pair.rows:
            if row.a is None:
                added[-1].setdefault(place, []).extend([row.b] if row.b is not None else [])
                continue
            partners[-1][row.a_turn, row.a_index] = row.b
            place = place if row.what == "moved" else (row.a_turn, row.a_index)
    blocks = {(placed.turn, placed.index): placed.block for placed in placed_blocks(first)}
    for place in [None, *places]:
        if place is not None:
            yield (blocks[place], *(by_place.get(place) for by_place in partners))
        yield from ((None, *row) for row in zip_longest(*(by_place.get(place, []) for by_place in added)))


def group_html(comparison: GroupComparison, *, unlimited: bool = False) -> str:
    """Return the figures of all values and their blocks in columns as two tables, with all texts escaped."""
    names = [value_name(index, value) for index, value in enumerate(comparison.sides)]
    caption = "no differences" if comparison.divergence is None else f"different from block {comparison.divergence} on"
    lines = list(_block_lines(comparison.rows))
    shown_count = PAGE_ROWS if unlimited else MAX_ROWS
    remaining_count = len(lines) - shown_count
    note = f"… {remaining_count:,} more rows: comparison.rows" if remaining_count > 0 else ""
    columns = ["", "kind", *names]
    return _metrics_html(comparison, names) + listing_html(f"Blocks · {caption}", columns, lines[:shown_count], note)


def _block_lines(rows: Sequence[AlignedRow]) -> Iterator[list[Cell] | Fold]:
    """Yield the lines of corresponding blocks; a longer series that is the same in all values is folded."""
    is_first = True
    for is_same, series in groupby(rows, is_same_row):
        group = list(series)
        if is_same and len(group) > MAX_OPEN_SAME_ROWS:
            texts = [f"{row[0].kind}: {block_head(row[0])}" for row in group[:MAX_ROWS] if row[0] is not None]
            yield Fold(f"= {len(group):,} blocks the same in all", "\n".join(texts))
            continue
        for row in group:
            mark = "=" if is_same else "≠ first difference" if is_first else "≠"
            kind = next(block.kind for block in row if block is not None)
            yield [Cell(mark), Cell(kind), *_block_cells(row)]
            is_first = is_first and is_same


def _block_cells(row: AlignedRow) -> Iterator[Cell]:
    """Yield the text of each block; one that is the same as the first says so."""
    for index, block in enumerate(row):
        is_repeated = index and block is not None and row[0] is not None and is_same_row((row[0], block))
        yield Cell("= A" if is_repeated else "—" if block is None else block_head(block))


def _metrics_html(comparison: GroupComparison, names: Sequence[str]) -> str:
    metrics = [value_metrics(value) for value in comparison.sides]
    rows = [
        [Cell(metric_name(name)), *(Cell(count_text(row[name], metrics[0][name], name)) for row in metrics)]
        for name in COUNTS
    ]
    if any(row["outcome"] for row in metrics):
        rows.append([Cell("outcome"), *(Cell(row["outcome"] or "—") for row in metrics)])
    return listing_html(f"Comparison of {len(names)}", ["", *names], rows)


def metric_name(name: str) -> str:
    """Return the words for a figure."""
    return "time" if name == "duration_ms" else name.replace("_", " ")


def count_text(count: float | None, first_count: float | None, name: str = "") -> str:
    """Return the figure `name` with its difference to that of the first value; "—" if it is unknown."""
    if count is None:
        return "—"
    difference = 0 if first_count is None else count - first_count
    text, sign = _figure_text(count, name), "+" if difference > 0 else "−"
    return f"{text} ({sign}{_figure_text(abs(difference), name)})" if difference else text


def _figure_text(count: float, name: str) -> str:
    if name == "cost":
        return dollar_text(count)
    if name == "duration_ms":
        return duration_text(count)
    return f"{count:,.6g}" if isinstance(count, float) else f"{count:,}"


def value_name(index: int, value: Turn | Run) -> str:
    """Return the letter of a value, with its name if it has one."""
    letter = chr(ord("A") + index) if index < 26 else f"#{index}"
    name = value.name if isinstance(value, Run) else ""
    return f"{letter} · {name[:60]}" if name else letter


def is_same_row(row: AlignedRow) -> bool:
    """Return whether corresponding blocks are all the same."""
    return first_divergence([Turn((block,)) if block is not None else Turn() for block in row]) is None
