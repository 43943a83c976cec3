"""An engine that repeats the answers of a recorded conversation, and reports where a new conversation differs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import DriftError
from ..render.text import block_line, transcript_text
from ..runtime.engine_protocol import Scope
from ..safety.visible_text import printable
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..values.turns import Block, Run, Turn
from .streaming_playback import play_back

GENERATED = frozenset({"llm_text", "tool_call", "reasoning"})


@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    """One recorded model call: the Turn before it, its blocks, and its result."""

    question: Turn
    blocks: tuple[Block, ...]
    result: InferenceResult


class Replay:
    """An engine that answers a Turn as the recording answered the Turn with the same content.

    Equal Turns get equal answers, so a fork and a second session may share one engine.
    `pace` is the seconds between two words. Raises DriftError for a Turn that the
    recording does not have.
    """

    def __init__(self, run: Run | Turn, *, pace: float = 0.0) -> None:
        turns = run.turns if isinstance(run, Run) else (run,)
        self.answers: tuple[RecordedAnswer, ...] = tuple(recorded_answers(turns))
        self.pace = pace
        self._by_length: dict[int, list[RecordedAnswer]] = {}
        for answer in self.answers:
            self._by_length.setdefault(len(answer.question), []).append(answer)

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        for answer in self._by_length.get(len(turn), ()):
            if turn.same_content(answer.question):
                return await play_back(turn, _without_session_ids(answer.blocks), answer.result, scope, self.pace)
        raise self._drift_error(turn)

    def _drift_error(self, turn: Turn) -> DriftError:
        """Return an error with the difference between `turn` and the most similar recorded one."""
        if not self.answers:
            return DriftError("the recording has no model call", turn=turn)
        nearest_answer = max(
            self.answers,
            key=lambda answer: (_equal_blocks(turn, answer.question), -abs(len(turn) - len(answer.question))),
        )
        first_difference = _equal_blocks(turn, nearest_answer.question)
        difference = "\n".join(
            difflib.unified_diff(
                _lines(nearest_answer.question, first_difference),
                _lines(turn, first_difference),
                "recorded",
                "asked",
                lineterm="",
            )
        )
        asked_line = block_line(turn[first_difference]) if first_difference < len(turn) else "nothing"
        recorded_line = (
            block_line(nearest_answer.question[first_difference])
            if first_difference < len(nearest_answer.question)
            else "nothing"
        )
        return DriftError(
            f"the conversation departs from the recording at block {first_difference}: recorded {recorded_line!r}, got {asked_line!r}; see error.difference",
            difference=difference,
            turn=turn,
        )

    @printable
    def __repr__(self) -> str:
        return f"<replay of {len(self.answers)} model calls>"


def replay(run: Run | Turn | str | Path, *, pace: float = 0.0) -> Replay:
    """Return an engine that answers as recorded in a Run, a Turn, or a file of one.

    `pace` is the seconds between two words.
    """
    if isinstance(run, (str, Path)):
        from ..files import load

        run = load(run)
    return Replay(run, pace=pace)


def recorded_answers(turns: tuple[Turn, ...]) -> Iterator[RecordedAnswer]:
    """Yield the recorded model calls of these Turns, in order, each once."""
    previous_turn = Turn()
    for turn in turns:
        answer_start = turn.blocks.shared_length(previous_turn.blocks)
        while answer_start < len(turn):
            answer_end = _end_of_answer(turn, answer_start)
            if answer_end > answer_start:
                answer_blocks = turn.blocks[answer_start:answer_end]
                yield RecordedAnswer(
                    turn._with(blocks=turn.blocks.head(answer_start)),
                    answer_blocks,
                    next((answer_block.inference for answer_block in answer_blocks if answer_block.inference), None)
                    or InferenceResult(),
                )
            answer_start = max(answer_end, answer_start + 1)
        previous_turn = turn


def _end_of_answer(turn: Turn, start: int) -> int:
    """Return the end of the model call that begins at `start`; `start` when none begins there."""
    answer_end = start
    while answer_end < len(turn) and (turn[answer_end].inference_id or turn[answer_end].kind in GENERATED):
        if turn[answer_end].inference_id != turn[start].inference_id:
            break
        answer_end += 1
    return answer_end


def _without_session_ids(blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Return the blocks without the ids of the session that recorded them."""
    return tuple(
        block._with(id="", metadata=block.metadata.without(INFERENCE_ID, INFERENCE_RESULT)) for block in blocks
    )


def _equal_blocks(first_turn: Turn, second_turn: Turn) -> int:
    """Return the number of blocks at the head with equal content."""
    for index, (block_a, block_b) in enumerate(zip(first_turn, second_turn, strict=False)):
        if not Turn((block_a,)).same_content(Turn((block_b,))):
            return index
    return min(len(first_turn), len(second_turn))


def _lines(turn: Turn, start: int) -> list[str]:
    return [
        line
        for block in list(turn)[start : start + 3]
        for line in (f"[{block.kind}]", *transcript_text(block).splitlines())
    ]
