"""Lists of Runs and of search hits as static HTML tables, in the style of block tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from .html import styled_table
from .text import visible


class Cell(NamedTuple):
    """A text of a table; `marks` are the parts to highlight, as (start, end)."""

    text: str
    marks: Sequence[tuple[int, int]] = ()


def listing_html(caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], note: str = "") -> str:
    """Return a table with a caption, a header, and a row for each sequence of cells; `note` is a last row."""
    header_cells = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body_rows = [f"<tr>{''.join(f'<td>{_cell_html(cell)}</td>' for cell in row)}</tr>" for row in rows]
    if note or not body_rows:
        body_rows.append(
            f'<tr class="nbt-part"><td colspan="{len(columns)}">{escape(visible(note or "nothing found"))}</td></tr>'
        )
    return styled_table(
        f"<table><caption>{escape(visible(caption))}</caption><thead><tr>{header_cells}</tr></thead>"
        f"<tbody>\n{chr(10).join(body_rows)}\n</tbody></table>"
    )


def _cell_html(cell: Cell) -> str:
    parts: list[str] = []
    end = 0
    for start, mark_end in cell.marks:
        parts.append(escape(visible(cell.text[end:start])))
        parts.append(f"<mark>{escape(visible(cell.text[start:mark_end]))}</mark>")
        end = mark_end
    return "".join(parts) + escape(visible(cell.text[end:]))
