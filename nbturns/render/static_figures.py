"""The cell with the figures of a model call in a static table: tokens, time, and what is out of the ordinary.

The model is in the caption if all calls have the same one. A stop is shown if it is neither the end of a reply nor a
call of tools, because the rows show those.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ..values.inference_results import InferenceResult
from .block_rows import ModelCallCells, duration_text, token_text
from .text import visible

ORDINARY_CLASSES = ("completed", "tool_calls_pending")
FAILED_CLASSES = ("error", "interrupted")


def shared_model(results: Iterable[InferenceResult]) -> str:
    """Return the model of all of these calls; "" if they differ or one is unknown."""
    models = {visible(result.model) for result in results}
    return models.pop() if len(models) == 1 else ""


def time_cell(ms: float | None) -> str:
    """Return the cell of a block that no model call made, such as a result with the time of its tool."""
    return f'<td class="nbt-figures">{escape(duration_text(ms))}</td>'


def figures_cell(call: ModelCallCells, span: int, caption_model: str) -> str:
    """Return the cell of a model call; the first line has tokens and time, the others what the caption does not say."""
    rowspan = f' rowspan="{span}"' if span > 1 else ""
    first = call.get("first")
    title = f' title="first token after {escape(duration_text(first))}"' if first else ""
    parts = (token_text(call) or "—", escape(duration_text(call.get("ms"))) or "—")
    figures = "&emsp;".join(f"<span>{part}</span>" for part in parts)
    lines = "".join(f"<br><small>{line}</small>" for line in _detail_lines(call, caption_model))
    return f'<td{rowspan} class="nbt-figures nbt-of-call"{title}>{figures}{lines}</td>'


def _detail_lines(call: ModelCallCells, caption_model: str) -> Iterable[str]:
    """Yield the HTML of the lines below the figures."""
    model = call.get("model") or call.get("provider") or "—"
    if model != caption_model:
        yield escape(model)
    for count, label in ((call.get("cached"), "from cache"), (call.get("reasoning"), "reasoning")):
        if count:
            yield f"{count:,} {label}"
    finish, stop = call["finish"], call.get("stop") or ""
    if call.get("truncated"):
        yield f'<span class="nbt-warn">⚠ cut: {escape(stop or "—")}</span>'
    elif finish not in ORDINARY_CLASSES and stop:
        css_class = "nbt-bad" if finish in FAILED_CLASSES else "nbt-warn"
        yield f'<span class="{css_class}">{escape(stop)}</span>'
