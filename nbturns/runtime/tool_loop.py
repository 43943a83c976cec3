"""The loop of model calls and tool calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ..errors import LimitReached, StoreError, ToolError
from ..events import Event, Notice, Phase, ToolStarted, snapshot
from ..tools import Tool
from ..values.frozen_json import EMPTY_DICT
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, FinishClass
from ..values.turns import Block, Turn
from .call_ids import with_block_ids, with_distinct_call_ids
from .call_rules import answer_of_rules, denial
from .engine_protocol import Engine, Scope
from .marks import ANSWERED_BY, BY_MOCK, DENIED, answer_decisions, with_decisions, with_marked_changes
from .prompts import with_interrupted_calls, without_interrupted_marks
from .step_controller import BY_TIMEOUT, StepController, Verdict
from .toolbox import Toolbox

Boundary: TypeAlias = tuple[Phase, int]  # a phase and an iteration
REFUSALS = (FinishClass.REFUSED, FinishClass.FILTERED)
MAX_SECONDS_WITHOUT_YIELD = 0.002  # after that the loop yields, even if engine and tools never wait


async def run_loop(
    turn: Turn,
    engine: Engine,
    scope: Scope,
    steps: StepController,
    *,
    limit: int,
    boundary: Boundary | None = None,
    chosen_ids: frozenset[str] | None = None,
) -> Turn:
    """Run `engine` on `turn` until no tool call is pending.

    The pending calls of the initial Turn are run first, so a paused execution needs no record but its Turn. `boundary`
    is the last one that an earlier process passed, `chosen_ids` are the calls that a decision there chose. Raises LimitReached after `limit` model calls, and the errors of
    engine and tools; each error carries the Turn so far.
    """
    loop = _Loop(scope, steps)
    if chosen_ids is not None:
        loop.choose(chosen_ids)
    turn, first_iteration = (turn, 0) if boundary is None else await loop.continue_at(boundary, turn, limit)
    if first_iteration is None:
        return turn
    task = asyncio.current_task()
    loop_time = asyncio.get_running_loop().time
    last_yield_time = loop_time()
    for iteration in range(first_iteration, limit):
        turn = await loop.answer_open_calls(turn, iteration)
        turn = await loop.take_snapshot(Phase.PRE_INFERENCE, turn, iteration)
        turn = await loop.answer_open_calls(turn, iteration)  # those added at the pause
        turn = await engine(turn, loop.scope.at_iteration(iteration))
        if task is not None and task.cancelling():  # the engine swallowed the cancellation
            raise _cancellation(turn)
        if loop_time() - last_yield_time > MAX_SECONDS_WITHOUT_YIELD:  # let stops, clicks and views run on this loop
            await asyncio.sleep(0)
            last_yield_time = loop_time()
        turn, is_over = await loop.handle_reply(turn, iteration, is_last_call=iteration + 1 == limit)
        if is_over:
            return turn
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
        steps.tool_of = self.tool_of
        self.was_edited = False  # by a decision at a pause, since the last model call
        self.chosen_ids: frozenset[str] | None = None  # of the pending calls that run now; None is all
        self.was_chosen = False  # before the boundary at which they run
        self.approved_ids: set[str] = set()  # of the calls that a person saw at a pause, and let run
        self.boundary: Boundary | None = None  # whose snapshot an earlier process took

    def choose(self, call_ids: frozenset[str]) -> None:
        """Run these of the pending calls and pause again, as a decision of an earlier process said."""
        self.chosen_ids, self.was_chosen = call_ids, True
        self.approved_ids.update(call_ids)

    async def continue_at(self, boundary: Boundary, turn: Turn, limit: int) -> tuple[Turn, int | None]:
        """Return the Turn and the iteration to continue with after a boundary; None for the iteration at the end."""
        self.boundary = boundary
        phase, iteration = boundary
        if phase is Phase.PRE_INFERENCE:
            return turn, iteration
        if phase is Phase.FINAL:
            return await self.take_snapshot(phase, turn, iteration), None
        has_calls = phase is Phase.POST_TOOLS or turn[-1].kind in ("tool_call", "tool_use")
        if turn.calls.pending:
            is_last_call = iteration + 1 == limit
            turn = await self.handle_pending_calls(turn, iteration, new=False, run=_runs_calls(turn, is_last_call))
        else:
            turn = await self.take_snapshot(Phase.POST_TOOLS if has_calls else phase, turn, iteration)
        if not _needs_another_call(turn, has_calls=has_calls, was_edited=self.was_edited):
            return await self.take_snapshot(Phase.FINAL, turn, iteration), None
        return turn, iteration + 1

    async def handle_reply(self, turn: Turn, iteration: int, *, is_last_call: bool) -> tuple[Turn, bool]:
        """Answer the calls of a reply; return the Turn, and True when no further model call is needed."""
        self.was_edited = False
        has_calls = bool(turn.calls.pending)
        if has_calls:
            turn = await self.handle_pending_calls(turn, iteration, run=_runs_calls(turn, is_last_call))
        else:
            turn = await self.take_snapshot(Phase.POST_INFERENCE, turn, iteration)
            if turn.calls.pending:
                has_calls = True
                turn = turn if is_last_call else await self.handle_pending_calls(turn, iteration, new=False)
        if not _needs_another_call(turn, has_calls=has_calls, was_edited=self.was_edited):
            return await self.take_snapshot(Phase.FINAL, turn, iteration), True
        return turn, False

    async def take_snapshot(self, phase: Phase, turn: Turn, iteration: int) -> Turn:
        """Take the snapshot of a boundary, pause there if required, and return the Turn to continue with."""
        boundary_snapshot = snapshot(phase, turn, iteration)
        if self.boundary != (phase, iteration):
            self.emit(boundary_snapshot)
        self.boundary = None
        if reason := self.steps.pause_reason(boundary_snapshot):
            verdict = await self.steps.wait_at_pause(boundary_snapshot, reason)
            turn, answers = self.accept_decision(verdict, turn)
            turn += _answers_in_call_order(turn.calls.pending, answers)
            self.was_chosen = verdict.only is not None and bool(turn.calls.pending)
        return turn

    def accept_decision(self, verdict: Verdict, known_turn: Turn) -> tuple[Turn, Mapping[str, Block]]:
        """Return the Turn of a verdict, which lists its decisions, and the answers to calls."""
        turn = self.accept_edited_turn(verdict, known_turn)
        self.chosen_ids = verdict.only
        self.approved_ids.update(verdict.only or ())
        answers = {id: answer.replace(id=self.scope.new_id()) for id, answer in verdict.answers.items()}
        self.was_edited = self.was_edited or bool(answers)
        return with_decisions(turn, answer_decisions(answers.values(), verdict.by, verdict.reasons)), answers

    def accept_edited_turn(self, verdict: Verdict, known_turn: Turn) -> Turn:
        """Return the Turn of a verdict, with marks of its changes, an id on each new block and distinct call ids."""
        turn = verdict.turn
        if turn is known_turn:
            return turn
        self.was_edited = True
        turn, notices = with_distinct_call_ids(turn, self.scope.new_id)
        for text in notices:
            self.emit(Notice(text))
        return with_block_ids(with_marked_changes(turn, known_turn, verdict.by), known_turn, self.scope.new_id)

    async def answer_open_calls(self, turn: Turn, iteration: int) -> Turn:
        """Answer the calls that the Turn already has; a model is called with pending ones only to end its reply."""
        while turn.calls.pending and _finish_class(turn) is not FinishClass.CONTINUE:
            turn = await self.handle_pending_calls(turn, iteration, new=False)
        return turn

    async def handle_pending_calls(self, turn: Turn, iteration: int, *, new: bool = True, run: bool = True) -> Turn:
        """Pause at the boundary with pending calls, answer them, and pause again.

        `new` takes a snapshot first. Without `run`, at the limit, no tool is called; only the
        answers of a decision are added. After a decision that chose some of the calls, it pauses
        again at this boundary with the others.
        """
        while True:
            turn, answers = await self.decide_on_calls(turn, iteration, new)
            if not run:
                return turn + _answers_in_call_order(turn.calls.pending, answers) if answers else turn
            if turn.calls.pending:
                turn = await self.answer_chosen_calls(turn, answers)
            if self.chosen_ids is None or not turn.calls.pending:
                break
            new, self.steps.next_reason = True, "step"
        self.chosen_ids = None
        return await self.take_snapshot(Phase.POST_TOOLS, turn, iteration)

    async def decide_on_calls(self, turn: Turn, iteration: int, new: bool) -> tuple[Turn, Mapping[str, Block]]:
        """Pause before the pending calls, if required; return the Turn and the answers of the decision."""
        boundary_snapshot = snapshot(Phase.POST_INFERENCE, turn, iteration)
        if new:
            self.emit(boundary_snapshot)
        if self.was_chosen:  # at the boundary before
            self.was_chosen = False
            return turn, EMPTY_DICT
        self.chosen_ids = None
        reason = self.steps.pause_reason(boundary_snapshot) or self.rule_reason(turn)
        if not reason:
            return turn, EMPTY_DICT
        verdict = await self.steps.wait_at_pause(boundary_snapshot, reason)
        turn, answers = self.accept_decision(verdict, turn)
        if verdict.by != BY_TIMEOUT and verdict.only is None:
            self.approved_ids.update(turn.calls.pending)
        return turn, answers

    async def answer_chosen_calls(self, turn: Turn, answers: Mapping[str, Block]) -> Turn:
        """Append these answers, those of the rules, and the results of the calls that run now."""
        if self.chosen_ids is not None:
            turn = without_interrupted_marks(turn, self.chosen_ids)
        if self.scope.call_rules:
            turn, answers = self.with_ruled_answers(turn, answers)
        return await self.answer_calls(turn, answers)

    def runs_now(self, id: str) -> bool:
        return self.chosen_ids is None or id in self.chosen_ids

    def rule_reason(self, turn: Turn) -> str:
        """Return why a rule of the session pauses before the pending calls; "" if none does."""
        rules = self.scope.call_rules
        for id, call in turn.calls.pending.items() if rules else ():
            answer = answer_of_rules(rules, call, self.tool_of(call))
            is_open = answer is None or answer[0].metadata.get(ANSWERED_BY) == BY_MOCK  # a mock lifts no question
            if is_open and id not in self.approved_ids and (reason := self.question(call)):
                return reason
        return ""

    def question(self, call: Block) -> str:
        """Return the reason of the first rule that asks for a call; "" if none does."""
        reasons = (rule.pause_reason(call, self.tool_of(call)) for rule in self.scope.call_rules)
        return next(filter(None, reasons), "")

    def with_ruled_answers(self, turn: Turn, answers: Mapping[str, Block]) -> tuple[Turn, Mapping[str, Block]]:
        """Return the answers and those of the rules; the Turn lists the calls that a policy denied."""
        ruled_answers, reasons = dict[str, Block](), dict[str, str]()
        for id, call in turn.calls.pending.items():
            if id in answers or not self.runs_now(id):
                continue
            answer = answer_of_rules(self.scope.call_rules, call, self.tool_of(call))
            is_open = answer is None or answer[0].metadata.get(ANSWERED_BY) == BY_MOCK
            if is_open and id not in self.approved_ids and self.question(call):
                answer = denial(call, "nobody approved it in time")
            if answer is not None:
                ruled_answers[id] = answer[0].replace(id=self.scope.new_id())
                if answer[1] is not None and answer[0].metadata.get(ANSWERED_BY) == DENIED:
                    reasons[id] = answer[1]
        denied_answers = [ruled_answers[id] for id in reasons]
        return with_decisions(turn, answer_decisions(denied_answers, "policy", reasons)), {**answers, **ruled_answers}

    def tool_of(self, call: Block) -> Tool | None:
        return self.offered_toolbox(call).get(call.name)

    def offered_toolbox(self, call: Block) -> Toolbox:
        """Return the tools that were offered in the model call that made this tool call."""
        return self.offered_tools.get(call.metadata.get(INFERENCE_ID) or "", self.scope.tools)

    async def answer_calls(self, turn: Turn, manual_answers: Mapping[str, Block]) -> Turn:
        """Append the answers to the pending calls, in the order of the calls."""
        scope, pending_calls = self.scope.with_config_of(turn), turn.calls.pending
        config = scope.tool_config
        calls = tuple(call for id, call in pending_calls.items() if self.runs_now(id) and id not in manual_answers)
        answers = dict(manual_answers)
        started_ids: set[str] = set()

        def emit(event: Event) -> object:
            if isinstance(event, ToolStarted):
                started_ids.add(event.call.tool_call_id)
            return self.emit(event)

        try:
            await scope.tools.answer_calls(
                calls,
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
        except StoreError as error:
            error.turn = turn + _answers_in_call_order(pending_calls, answers)
            raise
        turn += _answers_in_call_order(pending_calls, answers)
        if (task := asyncio.current_task()) is not None and task.cancelling():  # a tool swallowed the cancellation
            raise _cancellation(turn)
        if config.tool_error_handling == "abort":
            for call in calls:
                answer = answers.get(call.tool_call_id)
                if answer is not None and answer.error:
                    raise ToolError(f"{call.name} failed and tool_error_handling is 'abort': {answer.error}", turn=turn)
        return turn


def _answers_in_call_order(calls: Iterable[str], answers: Mapping[str, Block]) -> tuple[Block, ...]:
    """Return the available answers in the order of the calls."""
    return tuple([answers[id] for id in calls if id in answers])
