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
        emitted_words: list[str] = []
        try:
            for word in _words(block, pace):
                scope.emit(Delta(scope.inference_id, index, block.kind, word, block.name if not emitted_words else ""))
                emitted_words.append(word)
                if pace:
                    await asyncio.sleep(pace)
        except asyncio.CancelledError as cancellation:
            partial_block = (
                (block.edit(text="".join(emitted_words)),) if emitted_words and block.kind != "tool_call" else ()
            )
            cancellation.turn = turn + blocks[:index] + partial_block  # type: ignore[attr-defined]  # the partial Turn travels with the stop
            raise
    return (turn + blocks).with_metadata(INFERENCE_RESULT, result)


def _words(block: Block, pace: float) -> Iterator[str]:
    """Yield the text of a block: whole without a pace, else word by word."""
    block_text = AS_JSON(block.args) if block.kind == "tool_call" else block.text
    if not block_text:
        return
    if not pace:
        yield block_text
        return
    word_start = 0
    for index, character in enumerate(block_text):
        if character == " " and index > word_start:
            yield block_text[word_start : index + 1]
            word_start = index + 1
    if word_start < len(block_text):
        yield block_text[word_start:]
