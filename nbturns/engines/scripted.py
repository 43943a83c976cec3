"""An engine that says what it was told to say: for tests, demos and first notebooks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from ..contract import Scope
from ..errors import ScriptExhausted
from ..events import Delta
from ..results import INFERENCE_RESULT, InferenceResult
from ..turns import Block, Turn, assistant

Answer: TypeAlias = str | Block | Iterable[Block] | Turn | BaseException


class Scripted:
    """Answers in order, one a model call, then raises ScriptExhausted.

    An answer is a text, a Block, a list of Blocks, a Turn (its `inference_result` goes
    with it), or an exception to raise. `pace` is the seconds between two words.
    """

    def __init__(self, *answers: Answer, pace: float = 0.0) -> None:
        self.answers = tuple(_checked(answer) for answer in answers)
        self.pace = pace
        self.asked = 0

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        if self.asked >= len(self.answers):
            raise ScriptExhausted(
                f"this script has {len(self.answers)} answer{'s' * (len(self.answers) != 1)}, and was asked once more; give nt.scripted(…) another",
                turn=turn,
            )
        answer = self.answers[self.asked]
        self.asked += 1
        if isinstance(answer, BaseException):
            answer.turn = turn  # type: ignore[attr-defined]  # where it fails now, not where the same one failed before
            raise answer
        if isinstance(answer, Turn):
            result = answer.metadata.get(INFERENCE_RESULT) or NAMELESS
            return await speak(turn, answer.blocks, result, scope, self.pace)
        return await speak(turn, answer, NAMELESS, scope, self.pace)

    def __repr__(self) -> str:
        return f"<scripted: {self.asked} of {len(self.answers)} answers given>"


AS_JSON = json.JSONEncoder(ensure_ascii=False).encode
NAMELESS = InferenceResult(provider="scripted", model="scripted")


def scripted(*answers: Answer, pace: float = 0.0) -> Scripted:
    """An engine that gives these answers in order, one a model call."""
    return Scripted(*answers, pace=pace)


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


def _checked(answer: Any) -> Turn | BaseException | tuple[Block, ...]:
    if isinstance(answer, (Turn, BaseException)):
        return answer
    if isinstance(answer, str):
        return (assistant(answer),)
    if isinstance(answer, Block):
        return (answer,)
    return tuple(Turn(answer))
