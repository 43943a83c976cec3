"""Values as static HTML for any viewer: without scripts, network access, ids and times.

Every text is escaped, so a model cannot write tags. The HTML is readable without its style, too,
because some code hosts remove it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ..values.inference_results import InferenceResult
from ..values.turns import Block, Run, Turn
from .block_rows import ModelCallCells, Row, block_body, block_row, duration_text, model_call_cells_by_key, token_text
from .call_pairs import CallPairs
from .es_modules import compact_styles
from .text import shorten, visible
from .totals import count_phrase, usage_phrases

MAX_ROWS = 400  # rows of a static table; a last row counts the others
MAX_REPORT_LINES = 50  # lines of one section of an import report
REPORT_SECTIONS = ("guessed", "unknown", "dropped")
MAX_TEXT_LENGTH = 40_000  # characters of one block in a static table

# For elements with focus: without it, JupyterLab adds a cell on "b".
NO_SHORTCUTS = 'data-lm-suppress-shortcuts="true"'
# MathJax skips elements of these classes, so "$100 … $200" is not a formula.
NO_MATH = "tex2jax_ignore mathjax_ignore"
COLUMNS = ("#", "kind", "content", "model", "stop", "tokens in → out", "time")


def turn_html(turn: Turn, *, whole: bool = False, max_rows: int = MAX_ROWS) -> str:
    """Return a Turn as a block table with at most `max_rows` rows, or all with `whole`."""
    return styled_table(
        _block_table(_turn_caption(turn), _TableRows(turn.blocks, whole=whole, max_rows=max_rows), "turn")
    )


def run_html(run: Run, *, whole: bool = False) -> str:
    """Return a Run as one table, with a heading and the new blocks of each Turn."""
    if len(run) == 1:
        return styled_table(
            _block_table(_turn_caption(run[0]), _TableRows(run[0].blocks, whole=whole), "turn") + report_html(run)
        )
    rows = _TableRows(run.latest.blocks, whole=whole)
    rows.parts = list(_turn_headings(run))
    return styled_table(_block_table(_run_caption(run), rows, "run.latest") + report_html(run))


def report_html(run: Run) -> str:
    """Return the import report as a folded list; "" for files of nbturns."""
    report = run.import_report
    if report is None:
        return ""
    report_lines = [
        line
        for section_name in REPORT_SECTIONS
        for line in _report_items(section_name, getattr(report, section_name, ()))
    ]
    count_phrases = [count_phrase(getattr(report, "read", 0), "record")] if getattr(report, "read", 0) else []
    count_phrases += [
        f"{len(getattr(report, section_name, ())):,} {section_name}"
        for section_name in REPORT_SECTIONS
        if getattr(report, section_name, ())
    ]
    report_head = f"read as {escape(visible(str(getattr(report, 'format', ''))))}: {', '.join(count_phrases) or 'nothing to tell'}"
    if not report_lines:
        return f'<p class="nbt-report">{report_head}</p>'
    return f'<details class="nbt-report"><summary {NO_SHORTCUTS}>{report_head}</summary><ul>{"".join(report_lines)}</ul></details>'


def _report_items(name: str, report_lines: Iterable[object]) -> Iterable[str]:
    report_lines = list(report_lines)
    yield from (f"<li>{name}: {escape(shorten(str(line), 300))}</li>" for line in report_lines[:MAX_REPORT_LINES])
    if len(report_lines) > MAX_REPORT_LINES:
        yield f"<li>{name}: {len(report_lines) - MAX_REPORT_LINES:,} more in run.import_report.{name}</li>"


def execution_html(turn: Turn, status: str, error: BaseException | None) -> str:
    """Return the status of an execution and its Turn, for when the live view is closed."""
    summary = f"Execution {status}; <code>nt.view(execution)</code> opens its live view again"
    if error is not None:
        summary += f': <span class="nbt-warn">{escape(visible(f"{type(error).__name__}: {error}"))}</span>'
    return styled_table(
        f'<p class="nbt-status">{summary}</p>{_block_table(_turn_caption(turn), _TableRows(turn.blocks), "execution.turn")}'
    )


def styled_table(table: str, *style_sheets: str) -> str:
    """Return a table with its style; `style_sheets` are added to that of every table."""
    return f'<div class="nbturns {NO_MATH}"><style>{compact_styles("table.css", *style_sheets)}</style>\n{table}</div>'


class _TableRows:
    """The blocks of one table, their rows, and the links between them."""

    def __init__(self, blocks: Sequence[Block], *, whole: bool = False, max_rows: int = MAX_ROWS) -> None:
        self.blocks = blocks
        self.whole = whole
        self.shown = list(blocks) if whole else list(blocks[:max_rows])
        self.rows: list[Row] = [block_row(block) for block in self.shown]
        self.calls: dict[str, ModelCallCells] = model_call_cells_by_key(self.shown)
        self.parts: list[tuple[int, str]] = []
        self._pairs = CallPairs()
        for index, table_row in enumerate(self.rows):
            if call := table_row.get("call"):
                self._pairs.add(table_row["kind"], call, index, index)

    def partner(self, index: int) -> int | None:
        """Return the row index of the result of a call, or of the call of a result; None without one."""
        table_row = self.rows[index]
        return self._pairs.partner(table_row["kind"], table_row["call"], index) if table_row.get("call") else None

    def span(self, index: int) -> int:
        """Return the number of rows of the model call that begins at this row; 0 for its other rows."""
        key = self.rows[index].get("inference")
        if not key:
            return 1
        if index and self.rows[index - 1].get("inference") == key:
            return 0
        end = index
        while end < len(self.rows) and self.rows[end].get("inference") == key:
            end += 1
        return end - index


def _block_table(caption: str, rows: _TableRows, variable_name: str) -> str:
    header_cells = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    turn_headings = dict(rows.parts)
    body_rows: list[str] = []
    for index in range(len(rows.rows)):
        if index in turn_headings:
            body_rows.append(
                f'<tr class="nbt-part"><th scope="rowgroup" colspan="{len(COLUMNS)}">{turn_headings[index]}</th></tr>'
            )
        body_rows.append(_block_row_html(index, rows))
    if not rows.blocks:
        body_rows.append(f'<tr class="nbt-part"><td colspan="{len(COLUMNS)}">no blocks yet</td></tr>')
    if hidden_count := len(rows.blocks) - len(rows.rows):
        hidden_part = f"{variable_name}[{len(rows.rows)}:]"
        body_rows.append(
            f'<tr class="nbt-part"><td colspan="{len(COLUMNS)}">… {hidden_count:,} more blocks: show <code>{hidden_part}</code>, or nt.save(…, "conversation.html")</td></tr>'
        )
    return f"<table><caption>{caption}</caption><thead><tr>{header_cells}</tr></thead><tbody>\n{chr(10).join(body_rows)}\n</tbody></table>"


def _block_row_html(index: int, rows: _TableRows) -> str:
    block_row = rows.rows[index]
    kind = block_row["kind"]
    cells = [
        f'<td class="nbt-n">{index}</td>',
        f'<td class="nbt-kind"><b>{block_row["icon"]}</b> {escape(kind)}</td>',
        f'<td class="nbt-content">{_content_cell(index, block_row, rows)}</td>',
        *_call_cells(block_row, rows, rows.span(index)),
    ]
    model_call_class = " nbt-made" if block_row.get("inference") else ""
    failure_class = " nbt-failed" if block_row.get("error") else ""
    return f'<tr class="{block_classes(kind)}{model_call_class}{failure_class}">{"".join(cells)}</tr>'


def block_classes(kind: str) -> str:
    """Return the CSS class of a row, which sets its colour; nbt-other for kinds that are not valid names."""
    return f"nbt-{kind}" if kind.replace("_", "").isalpha() and kind.isascii() else "nbt-other"


def _call_cells(row: Row, rows: _TableRows, span: int) -> list[str]:
    """Return the cells for model, stop reason, tokens and time, in the first row of each model call."""
    if span == 0:
        return []
    call_cells = rows.calls.get(row.get("inference", ""))
    if call_cells is None:
        return ["<td></td><td></td><td></td>", f'<td class="nbt-time">{escape(duration_text(row.get("ms")))}</td>']
    rowspan = f' rowspan="{span}"' if span > 1 else ""
    token_details = ((call_cells.get("cached"), "from cache"), (call_cells.get("reasoning"), "reasoning"))
    token_detail_html = "".join(
        f"<small>{token_count:,} {label}</small>" for token_count, label in token_details if token_count
    )
    first_token_title = (
        f' title="first token after {escape(duration_text(call_cells["first"]))}"' if call_cells.get("first") else ""
    )
    cut_marker = ' <span class="nbt-warn">⚠ cut</span>' if call_cells.get("truncated") else ""
    return [
        f'<td{rowspan} class="nbt-model">{escape(call_cells.get("model") or call_cells.get("provider") or "—")}</td>',
        f'<td{rowspan} class="nbt-stop nbt-is-{escape(call_cells["finish"])}">{escape(call_cells.get("stop") or "—")}{cut_marker}</td>',
        f'<td{rowspan} class="nbt-tokens">{token_text(call_cells) or "—"}{token_detail_html}</td>',
        f'<td{rowspan} class="nbt-time"{first_token_title}>{escape(duration_text(call_cells.get("ms"))) or "—"}</td>',
    ]


def _content_cell(index: int, row: Row, rows: _TableRows) -> str:
    block = rows.shown[index]
    partner_link = _partner_link(index, row, rows)
    images_html = "".join(
        f'<img alt="image {image_index + 1}" src="{escape(source)}">'
        for image_index, source in enumerate(row.get("images", ()))
    )
    if external_addresses := row.get("elsewhere"):
        images_html += f"<small>{count_phrase(len(external_addresses), 'image')} elsewhere: {escape(shorten(', '.join(external_addresses), 120))}</small>"
    head_html = f'<span class="nbt-head">{escape(row["head"])}</span>'
    text = row.get("body") if "body" in row else block_body(block)
    if not row["fold"]:
        body_html = f"<pre>{escape(text)}</pre>" if text else "" if images_html else "<small>empty</small>"
        return f"{partner_link}{body_html}{images_html}"
    if row["kind"] == "tool_call" and not _worth_unfolding(row, text or ""):
        return f"{partner_link}{head_html}{images_html}"
    return f"{partner_link}<details><summary {NO_SHORTCUTS}>{head_html}</summary><pre>{escape(text or '') if rows.whole else _limit_text(text or '')}</pre></details>{images_html}"


def _worth_unfolding(row: Row, text: str) -> bool:
    return row["head"].endswith("…") or "\n" in text


def _limit_text(text: str) -> str:
    if len(text) <= MAX_TEXT_LENGTH:
        return escape(text)
    return f"{escape(text[:MAX_TEXT_LENGTH])}</pre><small>… {len(text) - MAX_TEXT_LENGTH:,} more characters are in the block itself</small><pre>"


def _partner_link(index: int, row: Row, rows: _TableRows) -> str:
    """Return the link from a call to its result, or from a result to its call."""
    if not row.get("call") or len(rows.blocks) == 1:  # a single block has no partner
        return ""
    partner = rows.partner(index)
    if row["kind"] == "tool_call":
        link_text = (
            f"→ #{partner}" if partner is not None else ("pending" if len(rows.shown) == len(rows.blocks) else "")
        )
        return (
            f'<span class="nbt-link{"" if partner is not None else " nbt-warn"}">{link_text}</span> '
            if link_text
            else ""
        )
    if partner is None:
        return '<span class="nbt-link nbt-warn">answers no call here</span> '
    return f'<span class="nbt-link">← #{partner} {escape(rows.rows[partner].get("name", ""))}</span> '


def _turn_caption(turn: Turn) -> str:
    return " · ".join(
        ["Turn", count_phrase(len(turn), "block"), *_result_phrases(turn.inferences), *_pending_phrases(turn)]
    )


def _run_caption(run: Run) -> str:
    name_part = f"Run <b>{escape(shorten(run.name, 60))}</b>" if run.name else "Run"
    return " · ".join(
        [
            name_part,
            count_phrase(len(run), "turn"),
            count_phrase(len(run.latest), "block"),
            *_result_phrases(run.inferences),
            *_pending_phrases(run.latest),
        ]
    )


def _turn_headings(run: Run) -> Iterable[tuple[int, str]]:
    """Yield the index of the first new block of each Turn, and the heading of the Turn.

    A Turn that was edited on the way has its new blocks where they differ from the one before.
    """
    previous_turn = Turn()
    for index, turn in enumerate(run):
        start = turn.blocks.shared_length(previous_turn.blocks)
        kept_count = turn.blocks.shared_length(run.latest.blocks)
        if start < kept_count or index == 0:
            yield (
                start,
                " · ".join(
                    [
                        f"turn {index}",
                        *_result_phrases(turn.inferences if index == 0 else _new_calls(turn, previous_turn)),
                    ]
                ),
            )
        previous_turn = turn


def _new_calls(turn: Turn, previous_turn: Turn) -> tuple[InferenceResult, ...]:
    previous_ids = {result.inference_id for result in previous_turn.inferences}
    return tuple(
        result for result in turn.inferences if not result.inference_id or result.inference_id not in previous_ids
    )


def _pending_phrases(turn: Turn) -> list[str]:
    pending_count = len(turn.pending)
    return [f'<span class="nbt-warn">{count_phrase(pending_count, "call")} pending</span>'] if pending_count else []


def _result_phrases(results: Sequence[InferenceResult]) -> list[str]:
    failed_count = sum(result.finish_class in ("error", "interrupted") for result in results)
    failure_part = [f'<span class="nbt-warn">{failed_count} failed or stopped</span>'] if failed_count else []
    return [*usage_phrases(results), *failure_part]
