"""Words said as a model says them: piece by piece, with the result at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator

from ..contract import Scope
from ..events import Delta
from ..results import INFERENCE_RESULT, InferenceResult
from ..turns import Block, Turn

AS_JSON = json.JSONEncoder(ensure_ascii=False).encode


async def speak(turn: Turn, blocks: Iterable[Block], result: InferenceResult, scope: Scope, pace: float) -> Turn:
    """Add `blocks` to `turn` as a model would: word by word, then the result.

    When it is stopped or fails on the way, the Turn with what was said so far travels on
    the exception.
    """
    blocks = tuple(blocks)
    for index, block in enumerate(blocks):
        said: list[str] = []
        try:
            for word in _words(block, pace):
                scope.emit(Delta(scope.inference_id, index, block.kind, word, block.name if not said else ""))
                said.append(word)
                if pace:
                    await asyncio.sleep(pace)
        except asyncio.CancelledError as stop:
            partial = (block.edit(text="".join(said)),) if said and block.kind != "tool_call" else ()
            stop.turn = turn + blocks[:index] + partial  # type: ignore[attr-defined]  # what was said travels with the stop
            raise
    return (turn + blocks).with_metadata(INFERENCE_RESULT, result)


def _words(block: Block, pace: float) -> Iterator[str]:
    """A block's text in the pieces it streams in: whole without a pace, else word by word."""
    text = AS_JSON(block.args) if block.kind == "tool_call" else block.text
    if not text:
        return
    if not pace:
        yield text
        return
    start = 0
    for at, char in enumerate(text):
        if char == " " and at > start:
            yield text[start : at + 1]
            start = at + 1
    if start < len(text):
        yield text[start:]
