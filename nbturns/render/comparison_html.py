"""Two conversations side by side as a static table: equal blocks are folded, differences are marked.

The marks are words, signs, `<ins>` and `<del>`, so that they are visible without style and colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from .block_rows import ICONS, OPEN_LINES, OPEN_TEXT, OTHER_ICON, block_head
from .comparison import CHANGE_SIGNS, Change, Comparison
from .diff import Piece
from .html import MAX_ROWS, MAX_TEXT_LENGTH, NO_SHORTCUTS, block_classes, styled_table
from .text import shorten, visible, visible_space

MAX_OPEN_SAME_ROWS = 2  # equal blocks in a row up to which they are not folded
CONTEXT_LENGTH = 160  # characters of unchanged text shown on both sides of a change
COLUMN_COUNT = 6
COLUMN_GROUP = (
    "<colgroup>"
    + "".join(f'<col class="nbt-col-{name}">' for name in ["what", "kind", "n", "said", "n", "said"])
    + "</colgroup>"
)


def comparison_html(comparison: Comparison, *, unlimited: bool = False) -> str:
    """Return a comparison as a table: of limited size for a cell, or `unlimited`."""
    body = list(_body_rows(comparison.rows, unlimited=unlimited))
    head_a, head_b = comparison.heads
    head = (
        '<th scope="col">change</th><th scope="col">kind</th>'
        f'<th scope="col" colspan="2">A · {escape(head_a)}</th><th scope="col" colspan="2">B · {escape(head_b)}</th>'
    )
    return styled_table(
        f'<table class="nbt-compare"><caption>{comparison_caption(comparison)}</caption>{COLUMN_GROUP}<thead><tr>{head}</tr></thead><tbody>\n'
        + "\n".join(body)
        + "\n</tbody></table>",
        "compare.css",
    )


def comparison_caption(comparison: Comparison) -> str:
    count_parts = [f"{count:,} {'the same' if what == 'same' else what}" for what, count in comparison.counts.items()]
    return " · ".join(["Comparison", *(count_parts or ["of nothing with nothing"])])


def _body_rows(rows: Sequence[Change], *, unlimited: bool) -> Iterator[str]:
    shown_count, previous_turns = 0, (0, 0)
    for group in row_groups(rows):
        first = group[0]
        current_turns = (
            previous_turns[0] if first.a_turn is None else first.a_turn,
            previous_turns[1] if first.b_turn is None else first.b_turn,
        )
        if current_turns != previous_turns:
            previous_turns = current_turns
            turn_label = (
                f"turn {current_turns[0]}"
                if current_turns[0] == current_turns[1]
                else f"turn {current_turns[0]} of A, turn {current_turns[1]} of B"
            )
            yield f'<tr class="nbt-part"><th scope="rowgroup" colspan="{COLUMN_COUNT}">{turn_label}</th></tr>'
        if shown_count >= MAX_ROWS and not unlimited:
            remaining_count = len(rows) - shown_count
            yield (
                f'<tr class="nbt-part"><td colspan="{COLUMN_COUNT}">… {remaining_count:,} more rows: <code>comparison.changes</code>, '
                '<code>.to_df()</code>, or <code>nt.save(comparison, "comparison.html")</code></td></tr>'
            )
            return
        shown_count += len(group)
        yield (
            _folded_group(group)
            if len(group) > MAX_OPEN_SAME_ROWS
            else "\n".join(_change_row(row, unlimited=unlimited) for row in group)
        )


def row_groups(rows: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield groups of rows: consecutive equal rows of one Turn together, every other row alone."""
    group: list[Change] = []
    for row in rows:
        if row.what != "same" or (group and (group[0].a_turn, group[0].b_turn) != (row.a_turn, row.b_turn)):
            if group:
                yield group
            group = []
        if row.what == "same":
            group.append(row)
        else:
            yield [row]
    if group:
        yield group


def _folded_group(group: list[Change]) -> str:
    lines = "\n".join(f"{row.b_index} {row.kind}: {block_head(row.b)}" for row in group[:MAX_ROWS] if row.b is not None)
    if len(group) > MAX_ROWS:
        lines += f"\n… and {len(group) - MAX_ROWS:,} more"
    summary = f"{len(group):,} blocks the same: {_index_range(group, 'a_index')} · {_index_range(group, 'b_index')}"
    return (
        f'<tr class="nbt-same"><td class="nbt-what">{CHANGE_SIGNS["same"]} same</td><td colspan="{COLUMN_COUNT - 1}" class="nbt-content">'
        f"<details><summary {NO_SHORTCUTS}>{summary}</summary><pre>{escape(lines)}</pre></details></td></tr>"
    )


def _index_range(group: list[Change], name: str) -> str:
    return f"#{getattr(group[0], name)}–#{getattr(group[-1], name)}"


def _change_row(row: Change, *, unlimited: bool) -> str:
    differs = ", ".join(
        [
            *(name for name in row.fields if name not in ("text", "args", "result", "error")),
            *(["white space only"] if row.only_white_space else []),
        ]
    )
    note = f"<small>{escape(visible(differs))}</small>" if differs else ""
    kind = f'<td class="nbt-kind"><b>{ICONS.get(row.kind, OTHER_ICON)}</b> {escape(visible(row.kind))}</td>'
    cells = f'<td class="nbt-what">{CHANGE_SIGNS[row.what]} {row.what}{note}</td>{kind}'
    if row.what == "same":
        block = row.b or row.a
        text = escape(block_head(block)) if block else ""
        cells += (
            f'<td class="nbt-n">{row.a_index}</td><td colspan="3" class="nbt-content"><pre>{text}</pre>'
            f"{'' if row.a_index == row.b_index else f'<small>#{row.b_index} in B</small>'}</td>"
        )
    else:
        pieces = row.pieces
        cells += _side_cells(row.a_index, pieces, "removed", unlimited=unlimited) + _side_cells(
            row.b_index, pieces, "added", unlimited=unlimited
        )
    return f'<tr class="{block_classes(row.kind)} nbt-{row.what}">{cells}</tr>'


def _side_cells(index: int | None, pieces: Sequence[Piece], side: str, *, unlimited: bool) -> str:
    """Return the cells of one side: the common text, and its own text marked."""
    if index is None:
        return '<td class="nbt-n"></td><td class="nbt-content"></td>'
    mark = "del" if side == "removed" else "ins"
    side_pieces = [(what, text) for what, text in pieces if what in ("same", side)]
    marked_text = "".join(
        f"<{mark}>{_limit_text(visible_space(text) if text.isspace() else text, unlimited=unlimited)}</{mark}>"
        if what == side
        else _shorten_middle(text, unlimited=unlimited)
        for what, text in side_pieces
    )
    length = sum(len(text) for _, text in side_pieces)
    lines = sum(text.count("\n") for _, text in side_pieces)
    content = f"<pre>{marked_text}</pre>" if marked_text else "<small>empty</small>"
    if length > OPEN_TEXT or lines >= OPEN_LINES:
        head = escape(shorten("".join(text for _, text in side_pieces)[:400], 100))
        content = f"<details><summary {NO_SHORTCUTS}>{head}</summary>{content}</details>"
    return f'<td class="nbt-n">{index}</td><td class="nbt-content">{content}</td>'


def _limit_text(text: str, *, unlimited: bool) -> str:
    if unlimited or len(text) <= MAX_TEXT_LENGTH:
        return escape(visible(text))
    omitted_count = len(text) - MAX_TEXT_LENGTH
    return f"{escape(visible(text[:MAX_TEXT_LENGTH]))}<small>… {omitted_count:,} more characters</small>"


def _shorten_middle(text: str, *, unlimited: bool) -> str:
    """Return unchanged text; the middle of a long one is omitted."""
    if unlimited or len(text) <= 4 * CONTEXT_LENGTH:
        return escape(visible(text))
    omitted = f"<small>… {len(text) - 2 * CONTEXT_LENGTH:,} characters the same …</small>"
    return f"{escape(visible(text[:CONTEXT_LENGTH]))}{omitted}{escape(visible(text[-CONTEXT_LENGTH:]))}"
