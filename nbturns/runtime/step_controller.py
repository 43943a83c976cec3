"""A gate at each boundary of the loop.

Buttons and code open the same gate: `step()` lets one boundary pass, `resume()` all that
follow, `hold()` shuts it again. A gate never opens by itself, unless a time-out policy
says so. Everything here happens on the host's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import EndedError, MisuseError
from ..events import Notice, Pause, Paused, Phase, Resumed, Sink, Snapshot
from ..values.frozen_json import EMPTY_DICT
from ..values.turns import Block, Turn, tool_use
from .toolbox import ToolConfig

Breakpoint = Callable[[Snapshot], object]
DECISION_TOO_LATE = "this execution is over, and what was decided for its next pause comes too late; session.ask(turn) goes on from a Turn"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a pause: the Turn to continue with, and answers to calls.

    `answers` maps the id of a pending call to the block that answers it instead of the tool.
    """

    turn: Turn
    answers: Mapping[str, Block] = EMPTY_DICT
    by: str = "step"
    pause: int = 0  # the number of the pause it is for


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A request for the next pause. Raises TypeError for values that no pause accepts."""

    turn: Turn | None = None
    deny: Mapping[str, str] | None = None
    mock: Mapping[str, Any] | None = None
    skip: Iterable[str] = ()
    by: str = "step"

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.turn is not None and not isinstance(self.turn, Turn):
            raise MisuseError(f"a step goes on with a Turn, not with {type(self.turn).__name__}: {self.turn!r:.60}")
        for name, given, example in (("deny", self.deny, '"not this one"'), ("mock", self.mock, "{...}")):
            if given is not None and not isinstance(given, Mapping):
                raise MisuseError(f'{name} maps the id of a call: {name}={{"call_1": {example}}}, not {given!r:.60}')
        if not isinstance(self.skip, Iterable) or isinstance(self.skip, (bytes, Mapping)):
            raise MisuseError(f'skip lists ids of calls, like skip=["call_1"], not {self.skip!r:.60}')
        put(self, "skip", (self.skip,) if isinstance(self.skip, str) else tuple(self.skip))

    @property
    def changes_anything(self) -> bool:
        return bool(self.turn is not None or self.deny or self.mock or self.skip)

    def verdict_for(self, pause: Pause) -> Verdict:
        """Return the verdict for this pause. Raises ValueError for a call that is not pending."""
        turn = pause.turn if self.turn is None else self.turn
        return Verdict(turn, self._manual_answers(turn), self.by, pause.number)

    def _manual_answers(self, turn: Turn) -> dict[str, Block]:
        given = {
            **{id: (None, f"denied: {reason}" if reason else "denied") for id, reason in (self.deny or {}).items()},
            **{id: (result, "") for id, result in (self.mock or {}).items()},
            **dict.fromkeys(self.skip, (None, "skipped: this call was not run")),
        }
        waiting = [call.tool_call_id for call in turn.pending]
        for id in given:
            if id not in waiting:
                raise MisuseError(f"no call {id!r} is pending here; pending: {', '.join(waiting) or 'none'}")
        return {id: tool_use(id, result, error) for id, (result, error) in given.items()}


def parse_pause_phases(step: Any) -> frozenset[Phase] | None:
    """The phases to pause at; None for the usual ones. Raises TypeError or ValueError for what names none."""
    if isinstance(step, bool):
        return None
    if not isinstance(step, Iterable):
        raise MisuseError(f"step is True, False, or phases to pause at, like step={{'post_tools'}}, not {step!r:.60}")
    return frozenset(map(parse_phase, (step,) if isinstance(step, str) else step))


def parse_phase(name: Any) -> Phase:
    try:
        return Phase(name)
    except ValueError:
        raise MisuseError(f"{name!r:.60} is no phase; there are: {', '.join(Phase)}") from None


class StepController:
    """Holds an execution at its boundaries, and lets it go on with the Turn it is given."""

    def __init__(self, step: bool | Iterable[str], config: ToolConfig, emit: Sink) -> None:
        self.pause_phases = parse_pause_phases(step)
        self.is_stepping = bool(step)
        self.pause_requested = False
        self.breakpoints: list[tuple[Breakpoint, str]] = []
        self.pause: Pause | None = None
        self.has_ended = False
        self._tool_config = config
        self._emit = emit
        self._pause_count = 0
        self._verdict_future: asyncio.Future[Verdict] | None = None
        self._pause_changed = asyncio.Condition()
        self._step_lock = asyncio.Lock()
        self._last_pause_number = 0

    # Called by the loop.

    def pause_reason(self, snapshot: Snapshot) -> str:
        """Why the execution must pause at this boundary; "" when it need not."""
        if self.is_stepping and self._is_point(snapshot):
            return "pause" if self.pause_requested else "step"
        for test, name in self.breakpoints:
            try:
                if test(snapshot):
                    return f"breakpoint: {name}"
            except Exception as error:  # the user's own function; a broken breakpoint stops where it broke
                return f"breakpoint {name} raised {type(error).__name__}: {error}"
        return ""

    def _is_point(self, snapshot: Snapshot) -> bool:
        if self.pause_phases is not None:
            return snapshot.phase in self.pause_phases
        return snapshot.phase is Phase.POST_TOOLS or (
            snapshot.phase is Phase.POST_INFERENCE and bool(snapshot.turn.pending)
        )

    async def wait_at_pause(self, snapshot: Snapshot, reason: str) -> Verdict:
        """Stand here until somebody says how to go on."""
        self._pause_count += 1
        self.pause_requested = False
        pause = Pause(self._pause_count, snapshot.phase, snapshot.turn, snapshot.iteration, reason)
        self._verdict_future = asyncio.get_running_loop().create_future()
        self.pause = pause
        self._emit(Paused(pause))
        await self._notify_waiters()
        try:
            verdict = await self._wait_for_verdict(pause)
        finally:
            self.pause = self._verdict_future = None
            self._last_pause_number = pause.number
        self._emit(Resumed(pause, verdict.turn, verdict.by, tuple(verdict.answers.values())))
        return verdict

    async def _wait_for_verdict(self, pause: Pause) -> Verdict:
        assert self._verdict_future is not None
        if self._tool_config.on_pause_timeout == "stay" or self._tool_config.pause_timeout is None:
            return await self._verdict_future
        try:
            async with asyncio.timeout(self._tool_config.pause_timeout):
                return await asyncio.shield(self._verdict_future)
        except TimeoutError:
            if self._verdict_future.done():  # somebody was just in time
                return self._verdict_future.result()
            self._emit(
                Notice(
                    f"nobody ended the pause within {self._tool_config.pause_timeout:g} s: {self._tool_config.on_pause_timeout}"
                )
            )
            if self._tool_config.on_pause_timeout == "stop":
                raise asyncio.CancelledError from None
            self.is_stepping = False
            return Verdict(pause.turn, by="timeout")

    async def end(self) -> None:
        """The execution is over: whoever waits for a pause learns that none will come."""
        self.has_ended = True
        await self._notify_waiters()

    async def _notify_waiters(self) -> None:
        async with self._pause_changed:
            self._pause_changed.notify_all()

    # Called for the user, on the loop.

    async def next(self, after: int = 0) -> Pause | None:
        """The pause it stands at (if its number is above `after`), else the next one; None when it is over."""
        async with self._pause_changed:
            await self._pause_changed.wait_for(
                lambda: (
                    self.has_ended
                    or (self.pause is not None and self.pause.number > after and not self._decision_made())
                )
            )
            return self.pause

    def _decision_made(self) -> bool:
        return self._verdict_future is not None and self._verdict_future.done()

    async def step(self, decision: Decision, number: int | None = None) -> Pause | None:
        """Pass one pause, this one or (where it stands at none) the next; then wait for the one after.

        With a `number` it passes that pause and no other: a second click on the same button finds it gone.
        """
        async with self._step_lock:
            if number is not None and (self.pause is None or self.pause.number != number or self._decision_made()):
                passed = self._last_pause_number
            else:
                self.is_stepping = True
                pause = await self.next()
                if pause is None:
                    if decision.changes_anything:
                        raise EndedError(DECISION_TOO_LATE)
                    return None
                self._set_verdict(decision.verdict_for(pause))
                passed = pause.number
        return await self.next(after=passed)

    def resume(self, verdict: Verdict | None, by: str) -> None:
        """Let it pass this boundary and all that follow, up to a breakpoint.

        A `verdict` is for the pause it was made at, and is forgotten where that is over.
        """
        self.is_stepping = self.pause_requested = False
        if self.pause is not None and (verdict is None or verdict.pause == self.pause.number):
            self._set_verdict(verdict or Verdict(self.pause.turn, by=by))

    def _set_verdict(self, verdict: Verdict) -> None:
        if self._verdict_future is not None and not self._verdict_future.done():
            self._verdict_future.set_result(verdict)

    def pause_at_next_boundary(self) -> None:
        """Shut the gates: it pauses at the next boundary."""
        if self.pause is None or self._decision_made():
            self.is_stepping = self.pause_requested = True
