"""Play blocks back as a model streams them: word by word, with the result at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator

from ..events import Delta
from ..runtime.engine_protocol import Scope
from ..values.inference_results import INFERENCE_RESULT, InferenceResult
from ..values.turns import Block, Turn

AS_JSON = json.JSONEncoder(ensure_ascii=False).encode


async def play_back(turn: Turn, blocks: Iterable[Block], result: InferenceResult, scope: Scope, pace: float) -> Turn:
    """Add `blocks` to `turn` word by word, as a model streams them, then the result.

    A cancellation carries the Turn with the words until then in `.turn`.
    """
    blocks = tuple(blocks)
    for index, block in enumerate(blocks):
        words: list[str] = []
        try:
            for word in _words(block, pace):
                scope.emit(Delta(scope.inference_id, index, block.kind, word, block.name if not words else ""))
                words.append(word)
                if pace:
                    await asyncio.sleep(pace)
        except asyncio.CancelledError as stop:
            partial = (block.edit(text="".join(words)),) if words and block.kind != "tool_call" else ()
            stop.turn = turn + blocks[:index] + partial  # type: ignore[attr-defined]  # the partial Turn travels with the stop
            raise
    return (turn + blocks).with_metadata(INFERENCE_RESULT, result)


def _words(block: Block, pace: float) -> Iterator[str]:
    """Yield the text of a block: whole without a pace, else word by word."""
    text = AS_JSON(block.args) if block.kind == "tool_call" else block.text
    if not text:
        return
    if not pace:
        yield text
        return
    start = 0
    for index, char in enumerate(text):
        if char == " " and index > start:
            yield text[start : index + 1]
            start = index + 1
    if start < len(text):
        yield text[start:]
