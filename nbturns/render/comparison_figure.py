"""Comparisons for a paper: a table of their counts and their blocks in columns, as a LaTeX fragment or as a figure."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..packages import require
from ..values.blocks import Block
from .comparison import Comparison
from .comparison_metrics import COUNTS, value_metrics
from .figures import LINE_HEIGHT, PLAIN_TEXT, WITHOUT_DATE
from .group_comparison import AlignedRow, GroupComparison, count_text, is_same_row, metric_name, value_name
from .tex import HEAD, body_text, tex_text
from .text import cut_text, shorten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT_LENGTH = 600  # characters of a block
MAX_FIGURE_ROWS = 40  # rows of blocks of a figure; a last row counts the others
LINE_CHARACTERS = 104  # characters of a line of a figure, in all columns together
LABEL_WIDTH = 0.16  # of the figure


def comparison_tex(comparison: Comparison | GroupComparison) -> str:
    """Return a `tabular` with a column for each value: its counts, its outcome and its blocks, every text escaped."""
    names, counts, blocks = _grid(comparison)
    width = f"{0.84 / len(names):.3f}"
    lines = [_tex_row(["", *names]), "\\hline\n", *map(_tex_row, counts), "\\hline\n", *map(_tex_row, blocks)]
    return (
        HEAD + f"\\begin{{tabular}}{{@{{}}l*{{{len(names)}}}{{p{{{width}\\linewidth}}}}@{{}}}}\n\\hline\n"
        f"{''.join(lines)}\\hline\n\\end{{tabular}}\n"
    )


def _tex_row(cells: Sequence[str]) -> str:
    return f"{' & '.join(map(tex_text, cells))} \\\\\n"


def draw_comparison(comparison: Comparison | GroupComparison) -> Figure:
    """Return the table of a comparison as a figure with wrapped texts."""
    require("matplotlib")
    from matplotlib.figure import Figure

    names, counts, blocks = _grid(comparison)
    rows = [["", *names], *counts, *blocks[:MAX_FIGURE_ROWS]]
    if len(blocks) > MAX_FIGURE_ROWS:
        rows.append([f"… {len(blocks) - MAX_FIGURE_ROWS:,} more", *("" for _ in names)])
    line_length = LINE_CHARACTERS // len(names)
    wrapped_rows = [[textwrap.wrap(shorten(cell, TEXT_LENGTH), line_length) or [""] for cell in row] for row in rows]
    height = (sum(max(map(len, row)) for row in wrapped_rows) + 1) * LINE_HEIGHT
    figure = Figure(figsize=(7, height))
    top = height - LINE_HEIGHT / 2
    for number, row in enumerate(wrapped_rows):
        for column, lines in enumerate(row):
            x = 0.01 if column == 0 else LABEL_WIDTH + (column - 1) * (1 - LABEL_WIDTH) / len(names)
            style: dict[str, Any] = {"va": "top", "fontsize": 7, "linespacing": 1.5, **PLAIN_TEXT}
            figure.text(x, top / height, "\n".join(lines), **style, weight="normal" if number else "bold")
        top -= max(map(len, row)) * LINE_HEIGHT
    return figure


def comparison_figure_file(comparison: Comparison | GroupComparison, suffix: str) -> bytes:
    """Return the file of the figure of a comparison; equal for equal values."""
    figure = draw_comparison(comparison)
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "nbturns"}):
        figure.savefig(buffer, format=suffix, metadata=WITHOUT_DATE[suffix])
    return buffer.getvalue()


def _grid(comparison: Comparison | GroupComparison) -> tuple[list[str], list[list[str]], list[list[str]]]:
    """Return the names of the values, the rows of their counts, and the rows of their blocks; labels come first."""
    if isinstance(comparison, GroupComparison):
        sides, aligned_rows = comparison.sides, comparison.rows
    else:
        sides, aligned_rows = (comparison.a, comparison.b), tuple((row.a, row.b) for row in comparison.rows)
    metrics = [value_metrics(side) for side in sides]
    counts = [
        [metric_name(name), *(count_text(row[name], metrics[0][name], name) for row in metrics)] for name in COUNTS
    ]
    counts.append(["outcome", *(str(row["outcome"] or "—") for row in metrics)])
    return [value_name(index, side) for index, side in enumerate(sides)], counts, list(map(_block_cells, aligned_rows))


def _block_cells(row: AlignedRow) -> list[str]:
    """Return the cells of corresponding blocks: of equal ones the text once."""
    kinds = dict.fromkeys(block.kind for block in row if block is not None)
    if is_same_row(row):
        return [f"= {', '.join(kinds)}", _cell_text(row[0]), *("=" for _ in row[1:])]
    return [", ".join(kinds), *map(_cell_text, row)]


def _cell_text(block: Block | None) -> str:
    return "—" if block is None else cut_text(body_text(block), TEXT_LENGTH)
