"""An engine that says what it was told to say: for tests, demos and first notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from ..contract import Scope
from ..errors import ScriptExhausted
from ..results import INFERENCE_RESULT, InferenceResult
from ..turns import Block, Turn, assistant
from .speaking import speak

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


NAMELESS = InferenceResult(provider="scripted", model="scripted")


def scripted(*answers: Answer, pace: float = 0.0) -> Scripted:
    """An engine that gives these answers in order, one a model call."""
    return Scripted(*answers, pace=pace)


def _checked(answer: Any) -> Turn | BaseException | tuple[Block, ...]:
    if isinstance(answer, (Turn, BaseException)):
        return answer
    if isinstance(answer, str):
        return (assistant(answer),)
    if isinstance(answer, Block):
        return (answer,)
    return tuple(Turn(answer))
