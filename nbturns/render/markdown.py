"""A conversation as Markdown: a heading a block, what was said in fences that it cannot close."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..values.blocks import Block
from ..values.turns import Run, Turn
from .block_rows import ICONS, OTHER_ICON, block_body, duration_text, model_call_cells, token_text
from .text import call_line, visible


def turn_markdown(turn: Turn) -> str:
    return "\n".join(_block_sections(turn, 0))


def run_markdown(run: Run) -> str:
    """Each Turn under a heading of its own, with the blocks that are new in it."""
    lines = [f"# {_escape_inline(run.name or 'Conversation')}", ""]
    previous_turn = Turn()
    for index, turn in enumerate(run):
        start = turn.blocks.shared_length(previous_turn.blocks)
        lines += [f"## Turn {index}", "", *_block_sections(turn, start)]
        previous_turn = turn
    return "\n".join(lines)


def _block_sections(turn: Turn, start: int) -> Iterator[str]:
    last = None
    for number, block in enumerate(turn.blocks.since(start), start):
        yield f"### {number} {ICONS.get(block.kind, OTHER_ICON)} {_escape_inline(block.kind)}"
        result = block.inference
        if result is not None and block.inference_id != last:
            call = model_call_cells(result)
            parts = (call.get("model", ""), call.get("stop", ""), token_text(call), duration_text(call.get("ms")))
            yield f"*{_escape_inline(' · '.join(part for part in parts if part))}*"
        last = block.inference_id
        yield ""
        yield from _block_content(block)
        yield ""


def _block_content(block: Block) -> Iterator[str]:
    if block.kind == "tool_call":
        yield from _fence(call_line(block, 10**6), "python")
    else:
        yield from _fence(block_body(block), "json" if block.kind == "tool_use" and not block.error else "text")


def _fence(text: str, language: str) -> Iterator[str]:
    """A fence longer than any in the text: what a model said cannot end it and go on as Markdown."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield text
    yield fence


def _escape_inline(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>#|!])", r"\\\1", " ".join(visible(text).split()))
