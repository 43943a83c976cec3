"""Figures of conversations, drawn with Matplotlib: tokens, cost, time and context of model calls, and tools.

No window is opened and pyplot is not used. Unknown values are gaps. Texts of models are drawn as they are, without
mathematics and TeX.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..packages import require
from ..values.blocks import Block
from ..values.inference_results import InferenceResult, UnknownCount
from ..values.model_info import find_model
from ..values.turns import Run, Turn
from .comparison_metrics import blocks_of, is_failed_result
from .tex import body_text
from .text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNKNOWN = math.nan
PLAIN_TEXT: dict[str, Any] = {"parse_math": False, "usetex": False}  # texts are never mathematics or TeX
MAX_TOOLS = 30  # most used tools that are drawn
MAX_TABLE_BLOCKS = 100
TABLE_TEXT_LENGTH, TABLE_LINE_LENGTH = 600, 100  # characters of a block, and of a line
LINE_HEIGHT = 0.17  # inches
WITHOUT_DATE: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def draw_figure(value: Turn | Run, kind: str) -> Figure:
    """Return the figure of one of the `KINDS`."""
    return _draw([KINDS[kind]], value)


def draw_timeline(value: Turn | Run) -> Figure:
    """Return the tokens and the time of the model calls of a Run, one above the other."""
    return _draw([_draw_tokens, _draw_time], value)


def _draw(drawers: Sequence[Callable[[Axes, Turn | Run], None]], value: Turn | Run) -> Figure:
    require("matplotlib")
    figure = _notebook_figure_class()(figsize=(7, 0.6 + 2.6 * len(drawers)), layout="constrained")
    for number, draw in enumerate(drawers, 1):
        axes = figure.add_subplot(len(drawers), 1, number)
        draw(axes, value)
    if isinstance(value, Run) and value.name:
        figure.suptitle(shorten(value.name, 70), fontsize="medium", **PLAIN_TEXT)
    return figure


@cache
def _notebook_figure_class() -> type[Figure]:
    """Return the class of figures that a cell shows; others it shows only when pyplot has been imported."""
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    return NotebookFigure


def _known(number: float | None) -> float:
    return UNKNOWN if number is None or isinstance(number, UnknownCount) else float(number)


def _draw_bars(axes: Axes, parts: dict[str, list[float]], unit: str) -> None:
    """Draw a bar for each model call, of parts that stand on each other; a call with unknown parts has none of these."""
    positions = range(len(next(iter(parts.values()))))
    tops = [0.0 for _ in positions]
    for label, heights in parts.items():
        axes.bar(positions, heights, 0.8, bottom=tops, label=label)
        tops = [top + (0.0 if math.isnan(height) else height) for top, height in zip(tops, heights, strict=True)]
    axes.set_xlabel("model call", **PLAIN_TEXT)
    axes.set_ylabel(unit, **PLAIN_TEXT)
    _mark_integers(axes)
    axes.set_xlim(-0.6, max(len(positions), 1) - 0.4)
    if all(math.isnan(height) for heights in parts.values() for height in heights):
        axes.text(0.5, 0.5, f"{unit}: unknown", ha="center", va="center", transform=axes.transAxes, **PLAIN_TEXT)
    elif len(parts) > 1:
        axes.legend(frameon=False, fontsize="small")


def _mark_integers(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _draw_tokens(axes: Axes, value: Turn | Run) -> None:
    fresh, cached, output = [], [], []
    for result in value.inferences:
        input_tokens, cached_tokens, output_tokens = _token_counts(result)
        cached.append(cached_tokens)
        fresh.append(input_tokens - (0.0 if math.isnan(cached_tokens) else cached_tokens))
        output.append(output_tokens)
    _draw_bars(axes, {"input": fresh, "input from the cache": cached, "output": output}, "tokens")


def _token_counts(result: InferenceResult) -> tuple[float, float, float]:
    usage = result.usage
    if usage is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    return _known(usage.input_tokens), _known(usage.cached_tokens), _known(usage.output_tokens)


def _draw_cost(axes: Axes, value: Turn | Run) -> None:
    is_estimated = any(result.cost_source == "table" for result in value.inferences)
    unit = "USD (estimated)" if is_estimated else "USD"
    _draw_bars(axes, {"cost": [_known(result.cost) for result in value.inferences]}, unit)


def _draw_time(axes: Axes, value: Turn | Run) -> None:
    _draw_bars(axes, {"time": [_known(result.duration_ms) / 1000 for result in value.inferences]}, "seconds")


def _draw_context(axes: Axes, value: Turn | Run) -> None:
    """Draw the tokens that each call had in its context, and the window of its model where it is known."""
    counts = [_token_counts(result) for result in value.inferences]
    tokens = [input_tokens + output_tokens for input_tokens, _, output_tokens in counts]
    models = [find_model(result.model) for result in value.inferences]
    windows = [_known(model.context_window if model is not None else None) for model in models]
    _draw_bars(axes, {"context": tokens}, "tokens")
    known_windows = {window for window in windows if not math.isnan(window)}
    most_tokens = max((count for count in tokens if not math.isnan(count)), default=0.0)
    if known_windows and most_tokens < max(known_windows) / 10:  # the bars would not be visible below the line
        sizes = " and ".join(f"{window:,.0f}" for window in sorted(known_windows))
        axes.set_title(f"window of the model: {sizes} tokens", fontsize="small", **PLAIN_TEXT)
    elif known_windows:
        axes.plot(range(len(windows)), windows, color="black", linestyle="--", marker="_", label="window of the model")
        axes.legend(frameon=False, fontsize="small")


def _draw_tools(axes: Axes, value: Turn | Run) -> None:
    """Draw how often each tool was called, and how often its call failed."""
    calls, failures = tool_counts(blocks_of(value))
    names = sorted(calls, key=lambda name: -calls[name])[:MAX_TOOLS][::-1]
    failed = [failures.get(name, 0) for name in names]
    positions = range(len(names))
    axes.barh(positions, [calls[name] - count for name, count in zip(names, failed, strict=True)], label="calls")
    axes.barh(positions, failed, left=[calls[name] - failures.get(name, 0) for name in names], label="failed calls")
    axes.set_yticks(positions, [shorten(name, 40) or "—" for name in names], **PLAIN_TEXT)
    omitted = len(calls) - len(names)
    axes.set_xlabel(f"calls ({omitted} more tools)" if omitted else "calls", **PLAIN_TEXT)
    _mark_integers(axes)
    if not names:
        axes.text(0.5, 0.5, "no tool calls", ha="center", va="center", transform=axes.transAxes, **PLAIN_TEXT)
    elif any(failed):
        axes.legend(frameon=False, fontsize="small")


def tool_counts(blocks: Sequence[Block]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the number of calls, and of failed calls, of each tool."""
    names_by_id: dict[str, str] = {}
    calls: dict[str, int] = {}
    failures: dict[str, int] = {}
    for block in blocks:
        if block.kind == "tool_call":
            names_by_id[block.tool_call_id] = block.name
            calls[block.name] = calls.get(block.name, 0) + 1
        elif is_failed_result(block) and (name := names_by_id.get(block.tool_call_id)) is not None:
            failures[name] = failures.get(name, 0) + 1
    return calls, failures


KINDS: dict[str, Callable[[Axes, Turn | Run], None]] = {
    "tokens": _draw_tokens,
    "cost": _draw_cost,
    "time": _draw_time,
    "context": _draw_context,
    "tools": _draw_tools,
}


def draw_table(turn: Turn) -> Figure:
    """Return the blocks of a Turn as a table with wrapped text; long texts are cut with an ellipsis."""
    require("matplotlib")
    from matplotlib.figure import Figure

    rows = [(str(index), block.kind, _wrapped(block)) for index, block in enumerate(turn.blocks.head(MAX_TABLE_BLOCKS))]
    if len(turn) > MAX_TABLE_BLOCKS:
        rows.append(("", "", [f"… {len(turn) - MAX_TABLE_BLOCKS:,} more blocks"]))
    line_count = sum(len(lines) for *_, lines in rows) or 1
    height = (line_count + 1) * LINE_HEIGHT
    figure = Figure(figsize=(7, height))
    top = height - LINE_HEIGHT / 2
    for index, kind, lines in rows:
        texts = {0.01: index, 0.05: shorten(kind, 12), 0.18: "\n".join(lines)}
        for x, text in texts.items():
            style: dict[str, Any] = {"va": "top", "fontsize": 7, "linespacing": 1.5, **PLAIN_TEXT}
            figure.text(x, top / height, text, **style)
        top -= len(lines) * LINE_HEIGHT
    return figure


def _wrapped(block: Block) -> list[str]:
    import textwrap

    return textwrap.wrap(shorten(body_text(block), TABLE_TEXT_LENGTH), TABLE_LINE_LENGTH) or [""]


def figure_file(value: Turn | Run, suffix: str) -> bytes:
    """Return the file of a figure: the timeline of a Run, or the table of a Turn; equal for equal values."""
    figure = draw_timeline(value) if isinstance(value, Run) else draw_table(value)
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "nbturns"}):
        figure.savefig(buffer, format=suffix, metadata=WITHOUT_DATE[suffix])
    return buffer.getvalue()
