"""The loop of model calls and tool calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from ..errors import LimitReached, ToolError
from ..events import Event, Notice, Phase, ToolStarted, snapshot
from ..values.frozen_json import EMPTY_DICT
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, FinishClass
from ..values.turns import Block, Turn
from .call_ids import with_distinct_call_ids
from .engine_protocol import Engine, Scope, with_block_ids
from .prompts import with_interrupted_calls
from .step_controller import StepController
from .toolbox import Toolbox

REFUSALS = (FinishClass.REFUSED, FinishClass.FILTERED)
MAX_SECONDS_WITHOUT_YIELD = 0.002  # after that the loop yields, even if engine and tools never wait


async def run_loop(turn: Turn, engine: Engine, scope: Scope, steps: StepController, *, limit: int) -> Turn:
    """Run `engine` on `turn` until no tool call is pending.

    The pending calls of the initial Turn are run first, so a paused execution needs no record
    but its Turn. Raises LimitReached after `limit` model calls, and the errors of engine and
    tools; each error carries the Turn so far.
    """
    loop = _Loop(scope, steps)
    task = asyncio.current_task()
    loop_time = asyncio.get_running_loop().time
    last_yield_time = loop_time()
    for iteration in range(limit):
        turn = await loop.answer_open_calls(turn, iteration)
        turn = await loop.take_snapshot(Phase.PRE_INFERENCE, turn, iteration)
        turn = await loop.answer_open_calls(turn, iteration)  # those added at the pause
        turn = await engine(turn, loop.scope.at_iteration(iteration))
        if task is not None and task.cancelling():  # the engine swallowed the cancellation
            raise _cancellation(turn)
        if loop_time() - last_yield_time > MAX_SECONDS_WITHOUT_YIELD:  # let stops, clicks and views run on this loop
            await asyncio.sleep(0)
            last_yield_time = loop_time()
        is_last_call = iteration + 1 == limit
        loop.was_edited = False
        has_calls = bool(turn.calls.pending)
        if has_calls:
            turn = await loop.handle_pending_calls(turn, iteration, run=_runs_calls(turn, is_last_call))
        else:
            turn = await loop.take_snapshot(Phase.POST_INFERENCE, turn, iteration)
            if turn.calls.pending:
                has_calls = True
                turn = turn if is_last_call else await loop.handle_pending_calls(turn, iteration, new=False)
        if not _needs_another_call(turn, has_calls=has_calls, was_edited=loop.was_edited):
            return await loop.take_snapshot(Phase.FINAL, turn, iteration)
    raise LimitReached(
        f"still calling tools after {limit} model calls; continue with session.ask(error.turn), or set a higher limit",
        turn=turn,
    )


def _cancellation(turn: Turn) -> asyncio.CancelledError:
    cancellation = asyncio.CancelledError()
    cancellation.turn = turn  # type: ignore[attr-defined]  # the cancellation carries the Turn
    return cancellation


def _finish_class(turn: Turn) -> FinishClass:
    """Return why the last model call ended."""
    result = turn.metadata.get(INFERENCE_RESULT)
    return FinishClass.UNKNOWN if result is None else result.finish_class


def _runs_calls(turn: Turn, is_last_call: bool) -> bool:
    """Return True when the pending calls are answered now; those of a paused reply wait for its end."""
    finish_class = _finish_class(turn)
    return finish_class is not FinishClass.CONTINUE and (not is_last_call or finish_class in REFUSALS)


def _needs_another_call(turn: Turn, *, has_calls: bool, was_edited: bool) -> bool:
    """Return True when the model must be called again.

    It called tools and did not refuse, it asked to continue, or an edit left something to answer.
    """
    if was_edited and len(turn) and (has_calls or turn[-1].kind in ("user", "tool_use")):
        return True
    finish_class = _finish_class(turn)
    return finish_class is FinishClass.CONTINUE or (has_calls and finish_class not in REFUSALS)


class _Loop:
    def __init__(self, scope: Scope, steps: StepController) -> None:
        self.offered_tools: dict[str, Toolbox] = {}  # by inference id; a middleware may replace those of the session
        self.scope = scope.replace(offered_tools=self.offered_tools)
        self.steps = steps
        self.emit = scope.emit
        self.was_edited = False  # by a decision at a pause, since the last model call

    async def take_snapshot(self, phase: Phase, turn: Turn, iteration: int) -> Turn:
        """Take the snapshot of a boundary, pause there if required, and return the Turn to continue with."""
        boundary_snapshot = snapshot(phase, turn, iteration)
        self.emit(boundary_snapshot)
        if reason := self.steps.pause_reason(boundary_snapshot):
            turn = self.accept_edited_turn((await self.steps.wait_at_pause(boundary_snapshot, reason)).turn, turn)
        return turn

    def accept_edited_turn(self, turn: Turn, known_turn: Turn) -> Turn:
        """Return the Turn of a decision, with an id on each new block and distinct call ids."""
        if turn is known_turn:
            return turn
        self.was_edited = True
        turn, notices = with_distinct_call_ids(turn, self.scope.new_id)
        for text in notices:
            self.emit(Notice(text))
        return with_block_ids(turn, known_turn, self.scope.new_id)

    async def answer_open_calls(self, turn: Turn, iteration: int) -> Turn:
        """Answer the calls that the Turn already has; a model is called with pending ones only to end its reply."""
        while turn.calls.pending and _finish_class(turn) is not FinishClass.CONTINUE:
            turn = await self.handle_pending_calls(turn, iteration, new=False)
        return turn

    async def handle_pending_calls(self, turn: Turn, iteration: int, *, new: bool = True, run: bool = True) -> Turn:
        """Pause at the boundary with pending calls, answer them, and pause again.

        `new` takes a snapshot first. Without `run`, at the limit, no tool is called; only the
        answers of a decision are added.
        """
        boundary_snapshot = snapshot(Phase.POST_INFERENCE, turn, iteration)
        if new:
            self.emit(boundary_snapshot)
        answers: Mapping[str, Block] = EMPTY_DICT
        if reason := self.steps.pause_reason(boundary_snapshot):
            verdict = await self.steps.wait_at_pause(boundary_snapshot, reason)
            turn = self.accept_edited_turn(verdict.turn, turn)
            answers = {id: answer.replace(id=self.scope.new_id()) for id, answer in verdict.answers.items()}
            self.was_edited = self.was_edited or bool(answers)
        if not run:
            return turn + _answers_in_call_order(turn.calls.pending, answers) if answers else turn
        if turn.calls.pending:
            turn = await self.answer_calls(turn, answers)
        return await self.take_snapshot(Phase.POST_TOOLS, turn, iteration)

    def offered_toolbox(self, call: Block) -> Toolbox:
        """Return the tools that were offered in the model call that made this tool call."""
        return self.offered_tools.get(call.metadata.get(INFERENCE_ID) or "", self.scope.tools)

    async def answer_calls(self, turn: Turn, manual_answers: Mapping[str, Block]) -> Turn:
        """Append the answers to the pending calls, in the order of the calls."""
        scope, pending_calls = self.scope.with_config_of(turn), turn.calls.pending
        config, calls = scope.tool_config, tuple(pending_calls.values())
        answers = dict(manual_answers)
        started_ids: set[str] = set()

        def emit(event: Event) -> None:
            if isinstance(event, ToolStarted):
                started_ids.add(event.call.tool_call_id)
            self.emit(event)

        try:
            await scope.tools.answer_calls(
                [call for id, call in pending_calls.items() if id not in manual_answers] if manual_answers else calls,
                config,
                emit,
                answers,
                allowed=config.allowed_in(turn),
                toolbox_of=self.offered_toolbox,
                new_id=scope.new_id,
            )
        except asyncio.CancelledError as cancellation:
            turn = with_interrupted_calls(turn, started_ids - answers.keys())
            cancellation.turn = turn + _answers_in_call_order(pending_calls, answers)  # type: ignore[attr-defined]  # the cancellation carries the answers so far
            raise
        turn += _answers_in_call_order(pending_calls, answers)
        if (task := asyncio.current_task()) is not None and task.cancelling():  # a tool swallowed the cancellation
            raise _cancellation(turn)
        if config.tool_error_handling == "abort":
            for call in calls:
                answer = answers.get(call.tool_call_id)
                if answer is not None and answer.error and call.tool_call_id not in manual_answers:
                    raise ToolError(f"{call.name} failed and tool_error_handling is 'abort': {answer.error}", turn=turn)
        return turn


def _answers_in_call_order(calls: Iterable[str], answers: Mapping[str, Block]) -> tuple[Block, ...]:
    """Return the available answers in the order of the calls."""
    return tuple([answers[id] for id in calls if id in answers])
