"""A value → static HTML that any viewer shows: no script, no network, no ids, no clock.

Every text goes through `escape`, so what a model wrote is never a tag. It reads well without its style,
too, because some code hosts strip that.
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

MAX_ROWS = 400  # rows of a static table; more are counted, and where they are is said
MAX_REPORT_LINES = 50  # lines of what an importer tells of one sort
REPORT_SECTIONS = ("guessed", "unknown", "dropped")
MAX_TEXT_LENGTH = 40_000  # characters of one block in a static table

# On what can have the focus: with "b" JupyterLab would add a cell.
NO_SHORTCUTS = 'data-lm-suppress-shortcuts="true"'
# "$100 … $200" is no formula: MathJax passes over what has these classes.
NO_MATH = "tex2jax_ignore mathjax_ignore"
COLUMNS = ("#", "kind", "content", "model", "stop", "tokens in → out", "time")


def turn_html(turn: Turn, *, whole: bool = False, max_rows: int = MAX_ROWS) -> str:
    """A Turn as a block table: of limited size for a cell (`most` rows), or `whole`."""
    return styled_table(
        _block_table(_turn_caption(turn), _TableRows(turn.blocks, whole=whole, max_rows=max_rows), "turn")
    )


def run_html(run: Run, *, whole: bool = False) -> str:
    """A Run as one table: each Turn under a line of its own, with the blocks that are new in it."""
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
    report_lines = [line for name in REPORT_SECTIONS for line in _report_items(name, getattr(report, name, ()))]
    counts = [count_phrase(getattr(report, "read", 0), "record")] if getattr(report, "read", 0) else []
    counts += [f"{len(getattr(report, name, ())):,} {name}" for name in REPORT_SECTIONS if getattr(report, name, ())]
    head = f"read as {escape(visible(str(getattr(report, 'format', ''))))}: {', '.join(counts) or 'nothing to tell'}"
    if not report_lines:
        return f'<p class="nbt-report">{head}</p>'
    return f'<details class="nbt-report"><summary {NO_SHORTCUTS}>{head}</summary><ul>{"".join(report_lines)}</ul></details>'


def _report_items(name: str, lines: Iterable[object]) -> Iterable[str]:
    lines = list(lines)
    yield from (f"<li>{name}: {escape(shorten(str(line), 300))}</li>" for line in lines[:MAX_REPORT_LINES])
    if len(lines) > MAX_REPORT_LINES:
        yield f"<li>{name}: {len(lines) - MAX_REPORT_LINES:,} more in run.import_report.{name}</li>"


def execution_html(turn: Turn, status: str, error: BaseException | None) -> str:
    """Return the status of an execution and its Turn, for when the live view is closed."""
    summary = f"Execution {status}; <code>nt.view(execution)</code> opens its live view again"
    if error is not None:
        summary += f': <span class="nbt-warn">{escape(visible(f"{type(error).__name__}: {error}"))}</span>'
    return styled_table(
        f'<p class="nbt-status">{summary}</p>{_block_table(_turn_caption(turn), _TableRows(turn.blocks), "execution.turn")}'
    )


def styled_table(table: str, *looks: str) -> str:
    """A table with its style: `looks` are the style sheets it has besides that of every table."""
    return f'<div class="nbturns {NO_MATH}"><style>{compact_styles("table.css", *looks)}</style>\n{table}</div>'


class _TableRows:
    """The blocks of one table, and what joins them."""

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
        """The row of a call's result, or of the call a result answers."""
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
    head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
    parts = dict(rows.parts)
    body: list[str] = []
    for index in range(len(rows.rows)):
        if index in parts:
            body.append(f'<tr class="nbt-part"><th scope="rowgroup" colspan="{len(COLUMNS)}">{parts[index]}</th></tr>')
        body.append(_block_row_html(index, rows))
    if not rows.blocks:
        body.append(f'<tr class="nbt-part"><td colspan="{len(COLUMNS)}">no blocks yet</td></tr>')
    if hidden_count := len(rows.blocks) - len(rows.rows):
        hidden_part = f"{variable_name}[{len(rows.rows)}:]"
        body.append(
            f'<tr class="nbt-part"><td colspan="{len(COLUMNS)}">… {hidden_count:,} more blocks: show <code>{hidden_part}</code>, or nt.save(…, "conversation.html")</td></tr>'
        )
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>\n{chr(10).join(body)}\n</tbody></table>"


def _block_row_html(index: int, rows: _TableRows) -> str:
    row = rows.rows[index]
    kind = row["kind"]
    cells = [
        f'<td class="nbt-n">{index}</td>',
        f'<td class="nbt-kind"><b>{row["icon"]}</b> {escape(kind)}</td>',
        f'<td class="nbt-content">{_content_cell(index, row, rows)}</td>',
        *_call_cells(row, rows, rows.span(index)),
    ]
    joined = " nbt-made" if row.get("inference") else ""
    failed = " nbt-failed" if row.get("error") else ""
    return f'<tr class="{block_classes(kind)}{joined}{failed}">{"".join(cells)}</tr>'


def block_classes(kind: str) -> str:
    """The class of a row, by which it gets its colour; a kind may have any name."""
    return f"nbt-{kind}" if kind.replace("_", "").isalpha() and kind.isascii() else "nbt-other"


def _call_cells(row: Row, rows: _TableRows, span: int) -> list[str]:
    """Model, stop, tokens and time: once for all rows of one model call."""
    if span == 0:
        return []
    call = rows.calls.get(row.get("inference", ""))
    if call is None:
        return ["<td></td><td></td><td></td>", f'<td class="nbt-time">{escape(duration_text(row.get("ms")))}</td>']
    rowspan = f' rowspan="{span}"' if span > 1 else ""
    token_details = ((call.get("cached"), "from cache"), (call.get("reasoning"), "reasoning"))
    detail = "".join(f"<small>{count:,} {label}</small>" for count, label in token_details if count)
    first = f' title="first token after {escape(duration_text(call["first"]))}"' if call.get("first") else ""
    cut = ' <span class="nbt-warn">⚠ cut</span>' if call.get("truncated") else ""
    return [
        f'<td{rowspan} class="nbt-model">{escape(call.get("model") or call.get("provider") or "—")}</td>',
        f'<td{rowspan} class="nbt-stop nbt-is-{escape(call["finish"])}">{escape(call.get("stop") or "—")}{cut}</td>',
        f'<td{rowspan} class="nbt-tokens">{token_text(call) or "—"}{detail}</td>',
        f'<td{rowspan} class="nbt-time"{first}>{escape(duration_text(call.get("ms"))) or "—"}</td>',
    ]


def _content_cell(index: int, row: Row, rows: _TableRows) -> str:
    block = rows.shown[index]
    link = _partner_link(index, row, rows)
    pictures = "".join(
        f'<img alt="image {n + 1}" src="{escape(source)}">' for n, source in enumerate(row.get("images", ()))
    )
    if elsewhere := row.get("elsewhere"):
        pictures += f"<small>{count_phrase(len(elsewhere), 'image')} elsewhere: {escape(shorten(', '.join(elsewhere), 120))}</small>"
    head = f'<span class="nbt-head">{escape(row["head"])}</span>'
    text = row.get("body") if "body" in row else block_body(block)
    if not row["fold"]:
        body = f"<pre>{escape(text)}</pre>" if text else "" if pictures else "<small>empty</small>"
        return f"{link}{body}{pictures}"
    if row["kind"] == "tool_call" and not _worth_unfolding(row, text or ""):
        return f"{link}{head}{pictures}"
    return f"{link}<details><summary {NO_SHORTCUTS}>{head}</summary><pre>{escape(text or '') if rows.whole else _limit_text(text or '')}</pre></details>{pictures}"


def _worth_unfolding(row: Row, text: str) -> bool:
    return row["head"].endswith("…") or "\n" in text


def _limit_text(text: str) -> str:
    if len(text) <= MAX_TEXT_LENGTH:
        return escape(text)
    return f"{escape(text[:MAX_TEXT_LENGTH])}</pre><small>… {len(text) - MAX_TEXT_LENGTH:,} more characters are in the block itself</small><pre>"


def _partner_link(index: int, row: Row, rows: _TableRows) -> str:
    """Return the link from a call to its result, or from a result to its call."""
    if not row.get("call") or len(rows.blocks) == 1:  # a block alone has nobody to point at
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
    failed = sum(result.finish_class in ("error", "interrupted") for result in results)
    failure_part = [f'<span class="nbt-warn">{failed} failed or stopped</span>'] if failed else []
    return [*usage_phrases(results), *failure_part]
