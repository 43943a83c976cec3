"""The blocks of a prompt, and the answers to the calls that an earlier execution left open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..errors import MisuseError
from ..values.turns import Block, Turn, tool_use, user
from .toolbox import INTERRUPTED, INTERRUPTED_MESSAGE


def prompt_blocks(prompt: Any) -> tuple[Any, ...]:
    """Return the blocks of a prompt; each text is a user block. Other objects are refused by the Turn.

    Raises MisuseError for a blank prompt.
    """
    is_list = isinstance(prompt, Iterable) and not isinstance(prompt, (str, bytes, Block, Mapping))
    items = tuple(prompt) if is_list else (prompt,)
    blocks = tuple(user(item) if isinstance(item, str) else item for item in items)
    for block in blocks:
        _refuse_blank(block)
    return blocks


def _refuse_blank(block: Any) -> None:
    """Raise MisuseError for a user block without content, because models reject it."""
    if not isinstance(block, Block) or block.kind != "user":
        return
    if not any(value.strip() if isinstance(value, str) else value for value in block.payload.values()):
        raise MisuseError(f"the prompt is blank: {block.text!r:.60}; pass a text or an image")


def with_open_calls_answered(turn: Turn) -> Turn:
    """Return the Turn with an error for each pending call, because providers reject open calls."""
    errors = {
        call.tool_call_id: INTERRUPTED_MESSAGE if call.metadata.get(INTERRUPTED) else "not run: stopped"
        for call in turn.pending
    }
    return turn + tuple(tool_use(id, error=error) for id, error in errors.items()) if errors else turn


def with_interrupted_calls(turn: Turn, call_ids: Collection[str]) -> Turn:
    """Return the Turn with a mark on the calls whose tools had started when the execution was stopped."""
    for index, block in enumerate(turn if call_ids else ()):
        if block.kind == "tool_call" and block.tool_call_id in call_ids:
            turn = turn.replace(index, block.with_metadata(INTERRUPTED, True))
    return turn
