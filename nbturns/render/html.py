"""Values as static HTML for any viewer: without scripts, network access, ids and times.

Every text is escaped, so a model cannot write tags. The HTML is readable without its style, too,
because some code hosts remove it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ..values.inference_results import InferenceResult
from ..values.turns import Block, Run, Turn
from .annotations import turn_ending
from .block_rows import (
    OPEN_LINES,
    ModelCallCells,
    Row,
    block_body,
    block_row,
    model_call_cells_by_key,
)
from .call_pairs import CallPairs
from .content_nodes import MARKDOWN_KINDS, block_nodes
from .es_modules import compact_styles
from .inline_styles import with_inline_styles
from .node_html import nodes_html
from .readable_values import readable_run, readable_turn
from .static_figures import figures_cell, shared_model, time_cell
from .text import cut_text, shorten, visible
from .totals import count_phrase, usage_phrases

MAX_ROWS = 400  # rows of a static table; a last row counts the others
MAX_REPORT_LINES = 50  # lines of one section of an import report
REPORT_SECTIONS = ("guessed", "unknown", "dropped")
MAX_BEFORE = 300  # characters of the value before a change
MAX_TEXT_LENGTH = 40_000  # characters of one block in a static table

# For elements with focus: without it, JupyterLab adds a cell on "b".
NO_SHORTCUTS = 'data-lm-suppress-shortcuts="true"'
# MathJax skips elements of these classes, so "$100 … $200" is not a formula.
NO_MATH = "tex2jax_ignore mathjax_ignore"
ENDING_SIGNS = {"failed": "✗", "limit": "■", "stopped": "■"}
PROSE_KINDS = ("user", "llm_text", "system", "reasoning")
COLUMNS = ("#", "kind", "content", "tokens in → out, time")
HEADER_CLASSES = {COLUMNS[0]: ' class="nbt-n"', COLUMNS[-1]: ' class="nbt-figures"'}


def turn_html(turn: Turn, *, unlimited: bool = False, max_rows: int = MAX_ROWS, markdown: bool = False) -> str:
    """Return a Turn as a block table with at most `max_rows` rows, or all with `unlimited`; texts are rendered with `markdown`."""
    turn = readable_turn(turn)
    rows = _turn_rows(turn, unlimited=unlimited, max_rows=max_rows, markdown=markdown)
    return styled_table(_block_table(_turn_caption(turn), rows, "turn"))


def run_html(run: Run, *, unlimited: bool = False, markdown: bool = False) -> str:
    """Return a Run as one table, with a heading and the new blocks of each Turn; texts are rendered with `markdown`."""
    run = readable_run(run)
    if len(run) == 1:
        rows = _turn_rows(run[0], unlimited=unlimited, markdown=markdown)
        return styled_table(_block_table(_turn_caption(run[0]), rows, "turn") + report_html(run))
    rows = _TableRows(run.latest.blocks, shared_model(run.inferences), unlimited=unlimited, markdown=markdown)
    rows.parts = list(_turn_headings(run))
    rows.endings = dict(_turn_endings(run))
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
    if getattr(report, "dropped", ()):
        report_head = f'<b class="nbt-dropped">✗ {report_head}</b>'
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
        f'<p class="nbt-status">{summary}</p>{_block_table(_turn_caption(turn), _turn_rows(turn), "execution.turn")}'
    )


def styled_table(table: str, *style_sheets: str) -> str:
    """Return a table with its style; `style_sheets` are added to that of every table."""
    form_styles = ("forms.css",) if '<div class="nbt-form">' in table else ()
    style = compact_styles("table.css", *style_sheets, *form_styles)
    return f'<div class="nbturns {NO_MATH}"><style>{style}</style>\n{with_inline_styles(table)}</div>'


class _TableRows:
    """The blocks of one table, their rows, and the links between them."""

    def __init__(
        self,
        blocks: Sequence[Block],
        caption_model: str,
        *,
        unlimited: bool = False,
        max_rows: int = MAX_ROWS,
        markdown: bool = False,
    ) -> None:
        self.blocks = blocks
        self.caption_model = caption_model
        self.unlimited = unlimited
        self.markdown = markdown
        self.shown = list(blocks) if unlimited else list(blocks[:max_rows])
        self.rows: list[Row] = [block_row(block) for block in self.shown]
        self.calls: dict[str, ModelCallCells] = model_call_cells_by_key(self.shown)
        self.parts: list[tuple[int, str]] = []
        self.endings: dict[int, str] = {}  # rows about Turns that ended early, by the index of the row after them
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


def _turn_rows(turn: Turn, *, unlimited: bool = False, max_rows: int = MAX_ROWS, markdown: bool = False) -> _TableRows:
    model = shared_model(turn.inferences)
    rows = _TableRows(turn.blocks, model, unlimited=unlimited, max_rows=max_rows, markdown=markdown)
    if row := _ending_row(turn):
        rows.endings = {len(turn): row}
    return rows


def _block_table(caption: str, rows: _TableRows, variable_name: str) -> str:
    header_cells = "".join(f'<th scope="col"{HEADER_CLASSES.get(name, "")}>{name}</th>' for name in COLUMNS)
    turn_headings = dict(rows.parts)
    body_rows: list[str] = []
    for index in range(len(rows.rows)):
        if index in rows.endings:
            body_rows.append(rows.endings[index])
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
    elif len(rows.blocks) in rows.endings:
        body_rows.append(rows.endings[len(rows.blocks)])
    return f"<table><caption>{caption}</caption><thead><tr>{header_cells}</tr></thead><tbody>\n{chr(10).join(body_rows)}\n</tbody></table>"


def _block_row_html(index: int, rows: _TableRows) -> str:
    block_row = rows.rows[index]
    kind = block_row["kind"]
    cells = [
        f'<td class="nbt-n">{index}</td>',
        f'<td class="nbt-kind"><b>{block_row["icon"]}</b> {escape(kind)}</td>',
        f'<td class="nbt-content">{_content_cell(index, block_row, rows)}</td>',
        _figures_cell(block_row, rows, rows.span(index)),
    ]
    model_call_class = " nbt-made" if block_row.get("inference") else ""
    failure_class = " nbt-failed" if block_row.get("error") else ""
    return f'<tr class="{block_classes(kind)}{model_call_class}{failure_class}">{"".join(cells)}</tr>'


def block_classes(kind: str) -> str:
    """Return the CSS class of a row, which sets its colour; nbt-other for kinds that are not valid names."""
    return f"nbt-{kind}" if kind.replace("_", "").isalpha() and kind.isascii() else "nbt-other"


def _figures_cell(row: Row, rows: _TableRows, span: int) -> str:
    """Return the cell for tokens and time, in the first row of each model call; "" in its other rows."""
    call_cells = rows.calls.get(row.get("inference", ""))
    if span and call_cells is not None:
        return figures_cell(call_cells, span, rows.caption_model)
    return time_cell(row.get("ms")) if span else ""


def _content_cell(index: int, row: Row, rows: _TableRows) -> str:
    block = rows.shown[index]
    partner_link = _partner_link(index, row, rows)
    images_html = "".join(
        f'<img alt="image {image_index + 1}" src="{escape(source)}">'
        for image_index, source in enumerate(row.get("images", ()))
    )
    if external_addresses := row.get("elsewhere"):
        images_html += f"<small>{count_phrase(len(external_addresses), 'image')} elsewhere: {escape(shorten(', '.join(external_addresses), 120))}</small>"
    partner_link += _mark_badges(row)
    head_html = f'<span class="nbt-head">{escape(row["head"])}</span>'
    text = row.get("body") if "body" in row else block_body(block)
    if (form_html := _form_html(block, row, text or "", rows)) is not None:
        if not row["fold"] or (row["kind"] == "tool_call" and form_html.count("\n") <= OPEN_LINES):
            return f"{partner_link}{head_html if row['kind'] == 'tool_call' else ''}{form_html}{images_html}"
        return f"{partner_link}<details><summary {NO_SHORTCUTS}>{head_html}</summary>{form_html}</details>{images_html}"
    if not row["fold"]:
        body_html = _text_html(row["kind"], text) if text else "" if images_html else "<small>empty</small>"
        return f"{partner_link}{body_html}{images_html}"
    if row["kind"] == "tool_call" and not _worth_unfolding(row, text or ""):
        return f"{partner_link}{head_html}{images_html}"
    return f"{partner_link}<details><summary {NO_SHORTCUTS}>{head_html}</summary><pre>{escape(text or '') if rows.unlimited else _limit_text(text or '')}</pre></details>{images_html}"


def _text_html(kind: str, text: str) -> str:
    """Return an unfolded text. Prose has line breaks as tags, because a code host neither styles nor wraps `<pre>`."""
    if kind not in PROSE_KINDS:
        return f"<pre>{escape(text)}</pre>"
    return f'<div class="nbt-prose">{escape(text).replace(chr(10), "<br>" + chr(10))}</div>'


def _form_html(block: Block, row: Row, text: str, rows: _TableRows) -> str | None:
    """Return the form of a block (a diff, code, records, and rendered Markdown if the reader asked for it), if it has one."""
    is_shown = row.get("form") or (rows.markdown and row["kind"] in MARKDOWN_KINDS)
    if not is_shown or not text or (len(text) > MAX_TEXT_LENGTH and not rows.unlimited):
        return None
    nodes = block_nodes(block)
    return None if nodes is None else f'<div class="nbt-form">{nodes_html(nodes)}</div>'


def _worth_unfolding(row: Row, text: str) -> bool:
    return row["head"].endswith("…") or "\n" in text


def _limit_text(text: str) -> str:
    if len(text) <= MAX_TEXT_LENGTH:
        return escape(text)
    return f"{escape(text[:MAX_TEXT_LENGTH])}</pre><small>… {len(text) - MAX_TEXT_LENGTH:,} more characters are in the block itself</small><pre>"


def _mark_badges(row: Row) -> str:
    """Return what a person changed, in words, with the value before."""
    return "".join(
        f'<span class="nbt-mark">{mark["sign"]} <b>{escape(mark["label"])}</b>'
        + (f" <small>was: {escape(cut_text(mark['before'], MAX_BEFORE))}</small>" if "before" in mark else "")
        + "</span> "
        for mark in row.get("marks", ())
    )


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


def _ending_row(turn: Turn) -> str:
    """Return the row that says why a Turn ended early; "" for another Turn."""
    ending = turn_ending(turn)
    if ending is None:
        return ""
    return (
        f'<tr class="nbt-ending nbt-{ending["state"]}"><td colspan="{len(COLUMNS)}">'
        f"<b>{ENDING_SIGNS[ending['state']]} {escape(ending['text'])}</b></td></tr>"
    )


def _turn_endings(run: Run) -> Iterable[tuple[int, str]]:
    """Yield the index of the row after each Turn that ended early, and its row."""
    for index, turn in enumerate(run):
        row = _ending_row(turn)
        following_turn = run[index + 1] if index + 1 < len(run) else None
        end = len(turn) if following_turn is None else following_turn.blocks.shared_length(turn.blocks)
        if row and end <= len(run.latest):
            yield end, row


def _turn_headings(run: Run) -> Iterable[tuple[int, str]]:
    """Yield the index of the first new block of each Turn, and the heading of the Turn.

    A Turn that was edited on the way has its new blocks where they differ from the one before.
    """
    previous_turn, run_model = Turn(), shared_model(run.inferences)
    for index, turn in enumerate(run):
        start = turn.blocks.shared_length(previous_turn.blocks)
        kept_count = turn.blocks.shared_length(run.latest.blocks)
        if start < kept_count or index == 0:
            yield (
                start,
                " · ".join(
                    [
                        f"turn {index}",
                        *_result_phrases(turn.inferences if index == 0 else _new_calls(turn, previous_turn), run_model),
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


def _result_phrases(results: Sequence[InferenceResult], known_model: str = "") -> list[str]:
    """Return the totals of model calls, with their model if it is the same and not known from a heading above."""
    failed_count = sum(result.finish_class in ("error", "interrupted") for result in results)
    failure_part = [f'<span class="nbt-warn">{failed_count} failed or stopped</span>'] if failed_count else []
    count_part, *usage_parts = usage_phrases(results) or [""]
    model = shared_model(results)
    if model and model != known_model:
        count_part += f" of {escape(model)}"
    return [part for part in (count_part, *usage_parts, *failure_part) if part]
