"""Pauses of an execution at the boundaries of the loop.

Buttons and code call the same methods: `step()` passes one boundary, `resume()` all that
follow, `pause_at_next_boundary()` pauses again. A pause ends by itself only with a time-out
policy. Everything here runs on the background loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from ..errors import EndedError, HeldError, MisuseError, describe_error
from ..events import Notice, Pause, Paused, Phase, Resumed, Sink, Snapshot
from ..tools import Tool
from ..values.frozen_json import EMPTY_DICT
from ..values.turns import Block, Turn, tool_use
from .background_loop import until_written
from .breakpoints import Breakpoint, SnapshotTest
from .breakpoints import parse_phase as parse_phase
from .call_faults import argument_fault
from .marks import BY_MOCK, DENIED, SKIPPED, answered_by
from .toolbox import ToolConfig

BY_TIMEOUT = "timeout"  # the cause of a decision that nobody made
DECISION_TOO_LATE = "this execution is over, so the decision has no effect; continue from a Turn with session.ask(turn)"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a pause: the Turn to continue with, and answers to calls.

    `answers` maps the id of a pending call to the block that answers it instead of the tool, `reasons`
    the id of a denied call to the reason. `only` are the ids of the calls that run now; None is all.
    """

    turn: Turn
    answers: Mapping[str, Block] = EMPTY_DICT
    reasons: Mapping[str, str] = EMPTY_DICT
    by: str = "step"
    pause: int = 0  # the number of its pause
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A request for the next pause. Raises TypeError for values that no pause accepts, and for a call that is named twice."""

    turn: Turn | None = None
    deny: Mapping[str, str] | None = None
    mock: Mapping[str, Any] | None = None
    skip: Iterable[str] = ()
    only: Iterable[str] | None = None
    by: str = "step"

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.turn is not None and not isinstance(self.turn, Turn):
            raise MisuseError(f"step() expects a Turn, got {type(self.turn).__name__}: {self.turn!r:.60}")
        for name, answers_by_id, example in (("deny", self.deny, '"not this one"'), ("mock", self.mock, "{...}")):
            if answers_by_id is not None and not isinstance(answers_by_id, Mapping):
                raise MisuseError(
                    f'{name} must map call ids, like {name}={{"call_1": {example}}}, got {answers_by_id!r:.60}'
                )
        put(self, "skip", _call_ids("skip", self.skip))
        put(self, "only", None if self.only is None else tuple(dict.fromkeys(_call_ids("only", self.only))))
        call_ids = Counter([*(self.deny or ()), *(self.mock or ()), *self.skip, *(self.only or ())])
        if repeated_ids := [id for id, count in call_ids.items() if count > 1]:
            raise MisuseError(f"call {repeated_ids[0]!r:.60} has {call_ids[repeated_ids[0]]} decisions; name it once")

    @property
    def changes_anything(self) -> bool:
        return bool(self.turn is not None or self.deny or self.mock or self.skip or self.only is not None)

    def verdict_for(self, pause: Pause) -> Verdict:
        """Return the verdict for this pause. Raises ValueError for a call that is not pending."""
        turn = pause.turn if self.turn is None else self.turn
        only = None if self.only is None else frozenset(self.only)
        return Verdict(turn, self._manual_answers(turn), dict(self.deny or ()), self.by, pause.number, only)

    def _manual_answers(self, turn: Turn) -> dict[str, Block]:
        outcome_by_id = {
            **{
                id: (None, f"denied: {reason}" if reason else "denied", DENIED)
                for id, reason in (self.deny or {}).items()
            },
            **{id: (result, "", BY_MOCK) for id, result in (self.mock or {}).items()},
            **dict.fromkeys(self.skip, (None, "skipped: this call was not run", SKIPPED)),
        }
        pending_ids = [call.tool_call_id for call in turn.pending]
        for id in (*outcome_by_id, *(self.only or ())):
            if id not in pending_ids:
                raise MisuseError(f"no call {id!r} is pending here; pending: {', '.join(pending_ids) or 'none'}")
        return {
            id: answered_by(tool_use(id, result, error), answerer)
            for id, (result, error, answerer) in outcome_by_id.items()
        }


def _call_ids(name: str, ids: Any) -> tuple[str, ...]:
    """Return the call ids that an argument of `step` lists."""
    if not isinstance(ids, Iterable) or isinstance(ids, (bytes, Mapping)):
        raise MisuseError(f'{name} must be a list of call ids, like {name}=["call_1"], got {ids!r:.60}')
    return (ids,) if isinstance(ids, str) else tuple(ids)


def parse_pause_phases(step: Any) -> frozenset[Phase] | None:
    """Return the phases to pause at; None for the default ones. Raises MisuseError for an unknown phase."""
    if isinstance(step, bool):
        return None
    if not isinstance(step, Iterable):
        raise MisuseError(
            f"step must be True, False, or phases to pause at, like step={{'post_tools'}}, got {step!r:.60}"
        )
    return frozenset(map(parse_phase, (step,) if isinstance(step, str) else step))


def ends_within(end: Future[Any], pause: Future[Pause | None], seconds: float) -> bool:
    """Return True when the execution ends within this time. Raises HeldError when it pauses instead."""
    finished_futures, _ = wait((end, pause), seconds, FIRST_COMPLETED)
    if end in finished_futures:
        return True
    if pause not in finished_futures:
        return False
    if (held_at := pause.result()) is None:  # it has ended, so the result follows at once
        wait((end,), seconds)
        return end.done()
    raise HeldError(
        f"the execution is paused (pause {held_at.number}, {held_at.phase}); call step(), resume() or result(wait=True)"
    )


class StepController:
    """Pause an execution at its boundaries and continue it with the Turn of a decision."""

    has_ended: bool

    def __init__(self, step: bool | Iterable[str], tool_config: ToolConfig, emit: Sink) -> None:
        self.pause_phases: frozenset[Phase] | None = parse_pause_phases(step)
        self.is_stepping: bool = bool(step)
        self.pause_requested: bool = False
        self.breakpoints: list[Breakpoint] = []
        self.pause: Pause | None = None
        self.has_ended = False
        self._tool_config = tool_config
        self._emit = emit
        self._pause_count = 0
        self._verdict_future: asyncio.Future[Verdict] | None = None
        self._pause_changed = asyncio.Condition()
        self._step_lock = asyncio.Lock()
        self._last_pause_number = 0
        self._written_pause: Pause | None = None  # the last one that is in the store
        self.next_reason: str = ""  # to pause at the next boundary, where an earlier process did
        self.tool_of: Callable[[Block], Tool | None] = lambda _: None  # of the loop: the tool that a call names

    def continue_pauses(self, pause_count: int, reason: str) -> None:
        """Continue the numbers of the pauses of an earlier process, and pause at the next boundary for `reason`."""
        self._pause_count = self._last_pause_number = pause_count
        self.next_reason = reason

    # Called by the loop.

    def pause_reason(self, snapshot: Snapshot) -> str:
        """Return the reason to pause at this boundary; "" without one."""
        if self.next_reason:
            reason, self.next_reason = self.next_reason, ""
            return reason
        if self.pause_requested:
            return "pause"
        if self.is_stepping and self._is_point(snapshot):
            return "step"
        for breakpoint in tuple(self.breakpoints):
            try:
                if not breakpoint.matches(snapshot):
                    continue
                reason = "step" if breakpoint.once else f"breakpoint: {breakpoint.name}"
            except BaseException as error:  # the predicate is user code; pause where it fails
                reason = f"breakpoint {breakpoint.name} raised {describe_error(error)}"
            breakpoint.hits += 1
            return reason
        return ""

    def add_breakpoint(self, test: SnapshotTest, name: str, *, once: bool = False) -> Breakpoint:
        """Add a breakpoint, from any thread, and return it."""
        breakpoint = Breakpoint(test, name, self._remove_breakpoint, once=once)
        self.breakpoints.append(breakpoint)
        return breakpoint

    def _remove_breakpoint(self, breakpoint: Breakpoint) -> None:
        if breakpoint in self.breakpoints:
            self.breakpoints.remove(breakpoint)

    def _is_point(self, snapshot: Snapshot) -> bool:
        if self.pause_phases is not None:
            return snapshot.phase in self.pause_phases
        return snapshot.phase is Phase.POST_TOOLS or (
            snapshot.phase is Phase.POST_INFERENCE and bool(snapshot.turn.pending)
        )

    async def wait_at_pause(self, snapshot: Snapshot, reason: str) -> Verdict:
        """Pause until there is a decision, and return its verdict."""
        self._pause_count += 1
        self.pause_requested = False
        self.breakpoints[:] = [breakpoint for breakpoint in self.breakpoints if not breakpoint.once]
        pause = Pause(self._pause_count, snapshot.phase, snapshot.turn, snapshot.iteration, reason)
        self._verdict_future = asyncio.get_running_loop().create_future()
        self.pause = pause
        write = self._emit(Paused(pause))
        try:
            await until_written(write)
            self._written_pause = pause
            await self._notify_waiters()
            verdict = await self._wait_for_verdict(pause)
        finally:
            self.pause = self._verdict_future = None
            self._last_pause_number = pause.number
        only = None if verdict.only is None else tuple(sorted(verdict.only))
        self._emit(Resumed(pause, verdict.turn, verdict.by, tuple(verdict.answers.values()), only))
        return verdict

    async def _wait_for_verdict(self, pause: Pause) -> Verdict:
        assert self._verdict_future is not None
        if self._tool_config.on_pause_timeout == "stay" or self._tool_config.pause_timeout is None:
            return await self._verdict_future
        try:
            async with asyncio.timeout(self._tool_config.pause_timeout):
                return await asyncio.shield(self._verdict_future)
        except TimeoutError:
            if self._verdict_future.done():  # decided at the last moment
                return self._verdict_future.result()
            self._emit(
                Notice(
                    f"the pause was not ended within {self._tool_config.pause_timeout:g} s: {self._tool_config.on_pause_timeout}"
                )
            )
            if self._tool_config.on_pause_timeout == "stop":
                raise asyncio.CancelledError from None
            self.is_stepping = False
            return Verdict(pause.turn, by=BY_TIMEOUT)

    async def end(self) -> None:
        """Mark the execution as ended and release everybody who waits for a pause."""
        self.has_ended = True
        await self._notify_waiters()

    async def _notify_waiters(self) -> None:
        async with self._pause_changed:
            self._pause_changed.notify_all()

    def refuse_misfits(self, decision: Decision, pause: Pause) -> None:
        """Raise MisuseError for an edited or added call whose arguments do not fit its tool. On any thread."""
        if decision.turn is None or decision.turn is pause.turn:
            return
        answered_ids = {*(decision.deny or ()), *(decision.mock or ()), *decision.skip}
        known_calls = pause.turn.calls.pending
        for id, call in decision.turn.calls.pending.items():
            known_call = known_calls.get(id)
            is_changed = known_call is None or (known_call is not call and known_call.payload != call.payload)
            tool = self.tool_of(call) if is_changed and id not in answered_ids else None
            if tool is not None and (fault := argument_fault(tool, call)):
                raise MisuseError(f"{call.name}: {fault}")

    # Called for the user, on the loop.

    async def next(self, after: int = 0) -> Pause | None:
        """Return the current pause (if its number is above `after`), else the next one; None at the end."""
        async with self._pause_changed:
            await self._pause_changed.wait_for(
                lambda: (
                    self.has_ended
                    or (self.pause is not None and self.pause.number > after and self._is_decidable(self.pause))
                )
            )
            return self.pause

    def _is_decidable(self, pause: Pause) -> bool:
        """Return True for a pause that the store has, and that no decision has ended."""
        return self._written_pause is pause and not self._decision_made()

    def _decision_made(self) -> bool:
        return self._verdict_future is not None and self._verdict_future.done()

    async def step(self, decision: Decision, number: int | None = None) -> Pause | None:
        """End the current pause, or else the next one, and return the pause after it.

        With a `number` it ends only the pause of that number, so a second click on the same button has no effect.
        """
        async with self._step_lock:
            if number is not None and (self.pause is None or self.pause.number != number or self._decision_made()):
                last_pause_number = self._last_pause_number
            else:
                self.is_stepping = True
                pause = await self.next()
                if pause is None:
                    if decision.changes_anything:
                        raise EndedError(DECISION_TOO_LATE)
                    return None
                self.refuse_misfits(decision, pause)
                self._set_verdict(decision.verdict_for(pause))
                last_pause_number = pause.number
        return await self.next(after=last_pause_number)

    def resume(self, verdict: Verdict | None, by: str) -> None:
        """End the current pause and continue without pauses, up to a breakpoint.

        A `verdict` applies only to its own pause; if that has ended, it is ignored.
        """
        self.is_stepping = self.pause_requested = False
        if self.pause is not None and (verdict is None or verdict.pause == self.pause.number):
            self._set_verdict(verdict or Verdict(self.pause.turn, by=by))

    def _set_verdict(self, verdict: Verdict) -> None:
        if self._verdict_future is not None and not self._verdict_future.done():
            self._verdict_future.set_result(verdict)

    def pause_at_next_boundary(self) -> None:
        """Pause at the next boundary."""
        if self.pause is None or self._decision_made():
            self.is_stepping = self.pause_requested = True
