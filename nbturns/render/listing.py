"""Lists of Runs and of search hits as static HTML tables, in the style of block tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from .html import NO_SHORTCUTS, styled_table
from .text import visible

NUMBER = re.compile(r"[≈<] ?\$?[\d,.]+|\$?[\d,.]+( (ms|s|min( \d+ s)?|%))?( \([+−][\d,.$ ms%]+\))?")
NUMBER_CLASS = ' class="nbt-number"'
TEXT_CLASS = ' class="nbt-text"'


class Cell(NamedTuple):
    """A text of a table; `marks` are the parts to highlight, as (start, end)."""

    text: str
    marks: Sequence[tuple[int, int]] = ()


class Fold(NamedTuple):
    """A row that unfolds to lines of text."""

    summary: str
    text: str


def listing_html(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell] | Fold], note: str = "") -> str:
    """Return a table with a caption, a header, and a row for each sequence of cells; `note` is a last row."""
    rows = list(rows)
    cells = [row for row in rows if not isinstance(row, Fold)]
    numeric = [_is_numeric(column) for column in zip(*cells, strict=True)] or [False] * len(columns)
    header_cells = "".join(
        f'<th scope="col"{NUMBER_CLASS if is_number else ""}>{escape(column)}</th>'
        for column, is_number in zip(columns, numeric, strict=True)
    )
    body_rows = [
        _fold_html(row, len(columns))
        if isinstance(row, Fold)
        else f"<tr>{''.join(map(_cell_tag, columns, numeric, row))}</tr>"
        for row in rows
    ]
    if note or not body_rows:
        body_rows.append(
            f'<tr class="nbt-part"><td colspan="{len(columns)}">{escape(visible(note or "nothing found"))}</td></tr>'
        )
    return styled_table(
        f'<table class="nbt-listing"><caption>{escape(visible(caption))}</caption><thead><tr>{header_cells}</tr></thead>'
        f"<tbody>\n{chr(10).join(body_rows)}\n</tbody></table>",
        "listing.css",
    )


def _fold_html(fold: Fold, column_count: int) -> str:
    summary, text = escape(visible(fold.summary)), escape(visible(fold.text))
    return (
        f'<tr><td colspan="{column_count}" class="nbt-content">'
        f"<details><summary {NO_SHORTCUTS}>{summary}</summary><pre>{text}</pre></details></td></tr>"
    )


def _is_numeric(cells: Iterable[Cell]) -> bool:
    """Return whether a column has numbers, perhaps with units, and nothing else."""
    texts = [cell.text for cell in cells if cell.text not in {"", "—"}]
    return bool(texts) and all(NUMBER.fullmatch(text) for text in texts)


def _cell_tag(column: str, is_number: bool, cell: Cell) -> str:
    """Return a cell; in a narrow output it has the name of its column before it."""
    name = f' data-name="{escape(column)}"' if column and cell.text else ""
    return f"<td{NUMBER_CLASS if is_number else TEXT_CLASS}{name}>{_cell_html(cell)}</td>"


def _cell_html(cell: Cell) -> str:
    parts: list[str] = []
    end = 0
    for start, mark_end in cell.marks:
        parts.append(escape(visible(cell.text[end:start])))
        parts.append(f"<mark>{escape(visible(cell.text[start:mark_end]))}</mark>")
        end = mark_end
    return "".join(parts) + escape(visible(cell.text[end:]))
