"""A conversation as Markdown: a heading for each block, and its text in a fence that the text cannot close."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..values.blocks import Block
from ..values.turns import Run, Turn
from .block_rows import ICONS, OTHER_ICON, block_body, duration_text, model_call_cells, token_text
from .readable_values import readable_run, readable_turn
from .text import call_text, visible


def turn_markdown(turn: Turn) -> str:
    return "\n".join(_block_sections(readable_turn(turn), 0))


def run_markdown(run: Run) -> str:
    """Return a Run as Markdown, with a heading and the new blocks of each Turn."""
    run = readable_run(run)
    lines = [f"# {_escape_inline(run.name or 'Conversation')}", ""]
    previous_turn = Turn()
    for index, turn in enumerate(run):
        start = turn.blocks.shared_length(previous_turn.blocks)
        lines += [f"## Turn {index}", "", *_block_sections(turn, start)]
        previous_turn = turn
    return "\n".join(lines)


def _block_sections(turn: Turn, start: int) -> Iterator[str]:
    last_inference_id = None
    for block_index, block in enumerate(turn.blocks.since(start), start):
        yield f"### {block_index} {ICONS.get(block.kind, OTHER_ICON)} {_escape_inline(block.kind)}"
        inference_result = block.inference
        if inference_result is not None and block.inference_id != last_inference_id:
            call_cells = model_call_cells(inference_result)
            call_phrases = (
                call_cells.get("model", ""),
                call_cells.get("stop", ""),
                token_text(call_cells),
                duration_text(call_cells.get("ms")),
            )
            yield f"*{_escape_inline(' · '.join(part for part in call_phrases if part))}*"
        last_inference_id = block.inference_id
        yield ""
        yield from _block_content(block)
        yield ""


def _block_content(block: Block) -> Iterator[str]:
    if block.kind == "tool_call":
        yield from _fence(visible(call_text(block)), "python")
    else:
        yield from _fence(block_body(block), "json" if block.kind == "tool_use" and not block.error else "text")


def _fence(text: str, language: str) -> Iterator[str]:
    """Yield the text in a fence that is longer than any in the text, so that the text cannot end it."""
    longest_fence = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest_fence + 1)
    yield f"{fence}{language}"
    yield text
    yield fence


def _escape_inline(text: str) -> str:
    """Return a text on one line, without links, math, entities and emphasis."""
    line = re.sub(r"([\\`*_\[\]<>#|!$~&@])", r"\\\1", " ".join(visible(text).split()))
    return re.sub(r"(?i)\b(https?|ftp|mailto|xmpp)(?=:)|\b(www)(?=\.)", r"\1\2\\", line)
