"""Ask the model, run the tools it called, ask again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from ..errors import LimitReached, ToolError
from ..events import Notice, Phase, snapshot
from ..values.frozen_json import EMPTY_DICT
from ..values.inference_results import INFERENCE_RESULT, FinishClass
from ..values.turns import Block, Turn
from .call_ids import with_distinct_call_ids
from .engine_protocol import Engine, Scope, with_block_ids
from .step_controller import StepController

MAX_SECONDS_WITHOUT_YIELD = 0.002  # seconds an engine and tools that never wait may keep the loop to themselves


async def run_loop(turn: Turn, engine: Engine, scope: Scope, steps: StepController, *, limit: int) -> Turn:
    """Run `engine` on `turn` until no tool call is pending.

    A Turn that comes with pending calls goes on from there: its tools run first, then
    the model is asked. A paused execution needs no other record. Raises LimitReached
    after `limit` model calls, and whatever ended a call, with the Turn as far as it came.
    """
    loop = _Loop(scope, steps)
    task = asyncio.current_task()
    clock = asyncio.get_running_loop().time
    rested = clock()
    for iteration in range(limit):
        if turn.calls.pending:
            turn = await loop.answer_open_calls(turn, iteration)
        turn = await loop.take_snapshot(Phase.PRE_INFERENCE, turn, iteration)
        if turn.calls.pending:  # handed over just now
            turn = await loop.answer_open_calls(turn, iteration)
        turn = await engine(turn, scope.at_iteration(iteration))
        if task is not None and task.cancelling():  # a stop that the engine kept for itself
            raise _cancellation(turn)
        if (
            clock() - rested > MAX_SECONDS_WITHOUT_YIELD
        ):  # others live on this loop too: a stop, a click, a view that draws
            await asyncio.sleep(0)
            rested = clock()
        last = iteration + 1 == limit
        if turn.calls.pending:
            turn = await loop.handle_pending_calls(turn, iteration, run=not last)
            continue
        before = turn
        turn = await loop.take_snapshot(Phase.POST_INFERENCE, turn, iteration)
        if turn.calls.pending:
            turn = turn if last else await loop.handle_pending_calls(turn, iteration, new=False)
        elif not _needs_another_call(turn, edited=turn is not before):
            return await loop.take_snapshot(Phase.FINAL, turn, iteration)
    raise LimitReached(
        f"still calling tools after {limit} model calls; go on with session.ask(error.turn), or set a higher limit",
        turn=turn,
    )


def _cancellation(turn: Turn) -> asyncio.CancelledError:
    stop = asyncio.CancelledError()
    stop.turn = turn  # type: ignore[attr-defined]  # what was done travels with the stop
    return stop


def _needs_another_call(turn: Turn, *, edited: bool) -> bool:
    """Return True when the model must be called again: it asked to continue, or an edit left something to answer."""
    if edited and len(turn) and turn[-1].kind in ("user", "tool_use"):
        return True
    result = turn.metadata.get(INFERENCE_RESULT)
    return result is not None and result.finish_class is FinishClass.CONTINUE


class _Loop:
    def __init__(self, scope: Scope, steps: StepController) -> None:
        self.scope = scope
        self.steps = steps
        self.emit = scope.emit

    async def take_snapshot(self, phase: Phase, turn: Turn, iteration: int) -> Turn:
        """Take the snapshot of a boundary, and stand there if somebody wants it so."""
        seen = snapshot(phase, turn, iteration)
        self.emit(seen)
        if reason := self.steps.pause_reason(seen):
            turn = self.accept_edited_turn((await self.steps.wait_at_pause(seen, reason)).turn, turn)
        return turn

    def accept_edited_turn(self, turn: Turn, known_turn: Turn) -> Turn:
        """The Turn somebody hands over at a pause, with an id on each new block and each call its own."""
        if turn is known_turn:
            return turn
        turn, notices = with_distinct_call_ids(turn, self.scope.new_id)
        for text in notices:
            self.emit(Notice(text))
        return with_block_ids(turn, known_turn, self.scope.new_id)

    async def answer_open_calls(self, turn: Turn, iteration: int) -> Turn:
        """With the calls answered that came with the Turn: no model is asked while one is open."""
        while turn.calls.pending:
            turn = await self.handle_pending_calls(turn, iteration, new=False)
        return turn

    async def handle_pending_calls(self, turn: Turn, iteration: int, *, new: bool = True, run: bool = True) -> Turn:
        """The boundary with calls pending: hold, answer them, hold again.

        Without `run`, at the limit, no tool is called; what was answered by hand stands.
        """
        seen = snapshot(Phase.POST_INFERENCE, turn, iteration)
        if new:
            self.emit(seen)
        answers: Mapping[str, Block] = EMPTY_DICT
        if reason := self.steps.pause_reason(seen):
            verdict = await self.steps.wait_at_pause(seen, reason)
            turn = self.accept_edited_turn(verdict.turn, turn)
            answers = {id: answer.replace(id=self.scope.new_id()) for id, answer in verdict.answers.items()}
        if not run:
            return turn + _answers_in_call_order(turn.calls.pending, answers) if answers else turn
        if turn.calls.pending:
            turn = await self.answer_calls(turn, answers)
        return await self.take_snapshot(Phase.POST_TOOLS, turn, iteration)

    async def answer_calls(self, turn: Turn, manual_answers: Mapping[str, Block]) -> Turn:
        """Append the answers to the pending calls, in the order of the calls."""
        scope, pending = self.scope, turn.calls.pending
        config, calls = scope.tool_config, tuple(pending.values())
        answers = dict(manual_answers)
        try:
            await scope.tools.answer_calls(
                [call for id, call in pending.items() if id not in manual_answers] if manual_answers else calls,
                config,
                self.emit,
                answers,
                allowed=config.allowed_in(turn),
                new_id=scope.new_id,
            )
        except asyncio.CancelledError as stop:
            stop.turn = turn + _answers_in_call_order(pending, answers)  # type: ignore[attr-defined]  # what was answered travels with the stop
            raise
        turn += _answers_in_call_order(pending, answers)
        if (task := asyncio.current_task()) is not None and task.cancelling():  # a stop that a tool kept for itself
            raise _cancellation(turn)
        if config.tool_error_handling == "abort":
            for call in calls:
                answer = answers.get(call.tool_call_id)
                if answer is not None and answer.error and call.tool_call_id not in manual_answers:
                    raise ToolError(f"{call.name} failed, and tool errors end this run: {answer.error}", turn=turn)
        return turn


def _answers_in_call_order(calls: Iterable[str], answers: Mapping[str, Block]) -> tuple[Block, ...]:
    """The answers there are, in the order of the calls."""
    return tuple([answers[id] for id in calls if id in answers])
