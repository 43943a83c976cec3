"""An engine that answers as a recorded conversation did, and says where a new one leaves it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..contract import Scope
from ..errors import DriftError
from ..results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..text import block_line, content
from ..turns import Block, Run, Turn
from .speaking import speak

GENERATED = frozenset({"llm_text", "tool_call", "reasoning"})


@dataclass(frozen=True, slots=True)
class Answer:
    """One recorded model call: what it was asked, what it said, how it ended."""

    asked: Turn
    blocks: tuple[Block, ...]
    result: InferenceResult


class Replay:
    """Answers a Turn as the recording answered one with the same content.

    The same question has the same answer every time, so a fork and a second session may
    share one engine. `pace` is the seconds between two words. Raises DriftError when the
    recording was never asked this.
    """

    def __init__(self, run: Run | Turn, *, pace: float = 0.0) -> None:
        turns = run.turns if isinstance(run, Run) else (run,)
        self.answers = tuple(recorded(turns))
        self.pace = pace
        self._by_length: dict[int, list[Answer]] = {}
        for answer in self.answers:
            self._by_length.setdefault(len(answer.asked), []).append(answer)

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        for answer in self._by_length.get(len(turn), ()):
            if turn.same_content(answer.asked):
                return await speak(turn, _bare(answer.blocks), answer.result, scope, self.pace)
        raise self._drift(turn)

    def _drift(self, turn: Turn) -> DriftError:
        """Say how `turn` differs from what the recording was asked at the nearest place."""
        if not self.answers:
            return DriftError("this recording holds no answer of a model", turn=turn)
        nearest = max(
            self.answers, key=lambda answer: (_agreement(turn, answer.asked), -abs(len(turn) - len(answer.asked)))
        )
        at = _agreement(turn, nearest.asked)
        difference = "\n".join(
            difflib.unified_diff(_lines(nearest.asked, at), _lines(turn, at), "recorded", "asked", lineterm="")
        )
        here = block_line(turn[at]) if at < len(turn) else "nothing"
        there = block_line(nearest.asked[at]) if at < len(nearest.asked) else "nothing"
        return DriftError(
            f"this conversation left the recording at block {at}: recorded is {there!r}, asked is {here!r}; see error.difference",
            difference=difference,
            turn=turn,
        )

    def __repr__(self) -> str:
        return f"<replay of {len(self.answers)} model calls>"


def replay(run: Run | Turn | str | Path, *, pace: float = 0.0) -> Replay:
    """An engine that answers as recorded in a Run, a Turn, or a file of one."""
    if isinstance(run, (str, Path)):
        from ..files import load

        run = load(run)
    return Replay(run, pace=pace)


def recorded(turns: tuple[Turn, ...]) -> Iterator[Answer]:
    """The model calls these Turns record, in order, each once."""
    before = Turn()
    for turn in turns:
        start = turn.blocks.shared(before.blocks)
        while start < len(turn):
            end = _end_of_answer(turn, start)
            if end > start:
                blocks = turn.blocks[start:end]
                yield Answer(
                    turn._with(blocks=turn.blocks.head(start)),
                    blocks,
                    next((b.inference for b in blocks if b.inference), None) or InferenceResult(),
                )
            start = max(end, start + 1)
        before = turn


def _end_of_answer(turn: Turn, start: int) -> int:
    """Where the blocks of the model call that begins at `start` end; `start` when none begins there."""
    end = start
    while end < len(turn) and (turn[end].inference_id or turn[end].kind in GENERATED):
        if turn[end].inference_id != turn[start].inference_id:
            break
        end += 1
    return end


def _bare(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """The blocks as the model said them, without the ids of the session that recorded them."""
    return tuple(b._with(id="", metadata=b.metadata.without(INFERENCE_ID, INFERENCE_RESULT)) for b in blocks)


def _agreement(a: Turn, b: Turn) -> int:
    """How many blocks at the head say the same."""
    for index, (mine, theirs) in enumerate(zip(a, b, strict=False)):
        if not Turn((mine,)).same_content(Turn((theirs,))):
            return index
    return min(len(a), len(b))


def _lines(turn: Turn, start: int) -> list[str]:
    return [
        line for block in list(turn)[start : start + 3] for line in (f"[{block.kind}]", *content(block).splitlines())
    ]
