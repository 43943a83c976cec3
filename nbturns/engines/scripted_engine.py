"""An engine that gives prepared answers: for tests, demos and first notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from ..errors import ScriptExhausted
from ..runtime.engine_protocol import Scope
from ..safety.visible_text import printable
from ..values.inference_results import INFERENCE_RESULT, InferenceResult
from ..values.turns import Block, Turn, assistant
from .streaming_playback import play_back

ScriptedAnswer: TypeAlias = str | Block | Iterable[Block] | Turn | BaseException


class Scripted:
    """Gives its answers in order, one per model call, then raises ScriptExhausted.

    An answer is a text, a Block, a list of Blocks, a Turn (with its `inference_result`),
    or an exception to raise. `pace` is the seconds between two words.
    """

    def __init__(self, *answers: ScriptedAnswer, pace: float = 0.0) -> None:
        self.answers: tuple[Turn | BaseException | tuple[Block, ...], ...] = tuple(
            _prepared_answer(answer) for answer in answers
        )
        self.pace = pace
        self.call_count: int = 0

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        if self.call_count >= len(self.answers):
            raise ScriptExhausted(
                f"no answer left after {len(self.answers)} model call{'s' * (len(self.answers) != 1)}; add one to nt.scripted(…)",
                turn=turn,
            )
        answer = self.answers[self.call_count]
        self.call_count += 1
        if isinstance(answer, BaseException):
            answer.turn = turn  # type: ignore[attr-defined]  # of this call, not of an earlier one with the same exception
            raise answer
        if isinstance(answer, Turn):
            result = answer.metadata.get(INFERENCE_RESULT) or DEFAULT_RESULT
            return await play_back(turn, answer.blocks, result, scope, self.pace)
        return await play_back(turn, answer, DEFAULT_RESULT, scope, self.pace)

    @printable
    def __repr__(self) -> str:
        return f"<scripted: {self.call_count} of {len(self.answers)} answers given>"


DEFAULT_RESULT = InferenceResult(provider="scripted", model="scripted")


def scripted(*answers: ScriptedAnswer, pace: float = 0.0) -> Scripted:
    """Return an engine that gives these answers in order, one per model call."""
    return Scripted(*answers, pace=pace)


def _prepared_answer(answer: Any) -> Turn | BaseException | tuple[Block, ...]:
    if isinstance(answer, (Turn, BaseException)):
        return answer
    if isinstance(answer, str):
        return (assistant(answer),)
    if isinstance(answer, Block):
        return (answer,)
    return tuple(Turn(answer))
