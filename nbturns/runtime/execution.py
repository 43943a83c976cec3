"""One `ask`, while it runs and after: its Turn, its snapshots, its pauses.

It runs on the host's loop. Everything here may be called from any cell and any thread,
and nothing here waits for a click.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from time import time as now
from typing import Any, Literal, TypeAlias

from ..errors import EndedError, HeldError, MisuseError
from ..events import Delta, Ended, Event, InferenceFinished, Pause, Phase, Sink, Snapshot, Started, put_at, put_seq
from ..values.metadata import Key
from ..values.turns import Turn
from .background_loop import WAIT_SLICE, Waiting, call_soon, on_loop_thread, refuse_on_loop_thread
from .step_controller import DECISION_TOO_LATE, Breakpoint, Decision, StepController, parse_phase
from .toolbox import ToolConfig

Status: TypeAlias = Literal["running", "pausing", "paused", "done", "stopped", "failed"]
STATUS: Key[str] = Key("nbturns.status@v1", str)
Drive: TypeAlias = Callable[["Execution"], Awaitable[Turn]]


class Execution(Waiting[Turn]):
    """A Turn on its way. `await` it, ask for its `result()`, or walk through its pauses.

    `snapshots` are all so far, `turn` is the newest; `sink_errors` are what listeners
    raised, which never stops an execution.
    """

    def __init__(
        self,
        drive: Drive,
        turn: Turn,
        *,
        id: str,
        step: bool | Iterable[str],
        break_when: Iterable[Breakpoint] = (),
        config: ToolConfig,
        sinks: Iterable[Sink],
        settle: Callable[[Turn], None],
    ) -> None:
        self.id = id
        self.turn = turn
        self.snapshots: list[Snapshot] = []
        self.sink_errors: list[BaseException] = []
        self.error: BaseException | None = None
        self.started_at = now()
        self._sinks = list(sinks)
        self._on_end = settle
        self._seq = 0
        self._events: list[Event] = []
        self._deltas: list[Delta] = []
        self._has_begun = False
        self._final_status: Status | None = None
        self._stop_requested = False
        self._step_controller = StepController(step, config, self.emit)
        self._step_controller.breakpoints.extend((test, getattr(test, "__name__", "predicate")) for test in break_when)
        super().__init__(self._run_to_end(drive), contextvars.copy_context())

    async def _run_to_end(self, drive: Drive) -> Turn:
        self._has_begun = True
        self.emit(Started(self.turn))
        try:
            if self._stop_requested:
                raise asyncio.CancelledError
            turn = await drive(self)
            status: Status = "done"
        except asyncio.CancelledError as stop:
            turn, status = getattr(stop, "turn", None) or self.turn, "stopped"
        except (
            Exception,
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # whatever it was, those who wait for the result are to get it
            turn, status = getattr(error, "turn", None) or self.turn, "failed"
            self.error = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
        self.turn = turn.with_metadata(STATUS, status)
        if self.error is not None:
            self.error.turn = self.turn  # type: ignore[attr-defined]  # an error that ends an execution carries the Turn
        self._on_end(self.turn)
        self._final_status = status  # only now may the session be asked again
        self.emit(Ended(status, self.turn, str(self.error) if self.error else ""))
        await self._step_controller.end()
        if self.error is not None:
            raise self.error
        return self.turn

    # What it tells.

    def emit(self, event: Event) -> None:
        """Give `event` its place and time, and hand it to every listener. On the loop."""
        put_seq(event, self._seq)  # as `stamp` does: done here, for it is done seven times an iteration
        put_at(event, now())
        self._seq += 1
        if isinstance(event, Delta):
            self._deltas.append(event)
        else:
            self._events.append(event)
            if isinstance(event, Snapshot):
                self.snapshots.append(event)
                self.turn = event.turn
            elif self._deltas and isinstance(event, InferenceFinished):
                self._deltas.clear()  # its blocks say it all
        for sink in self._sinks:
            self._deliver(event, sink)

    def _deliver(self, event: Event, sink: Sink) -> None:
        try:
            sink(event)
        except (
            Exception,
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # a listener may fail in any way; the execution goes on
            self.sink_errors.append(error)
            if (
                len(self.sink_errors) == 1
            ):  # said beside the run, where a filter that makes errors of warnings cannot end it
                call_soon(
                    warnings.warn,
                    f"a listener failed and the run goes on; see execution.sink_errors: {type(error).__name__}: {error}",
                )

    def listen(self, sink: Sink, *, replay: bool = True) -> None:
        """Add a listener; it first hears what has happened so far, in order, and misses nothing.

        Of the deltas it hears those of the model call in progress; finished blocks are in the snapshots.
        """
        if on_loop_thread():
            self._attach(sink, replay)
        else:
            call_soon(self._attach, sink, replay)

    def _attach(self, sink: Sink, replay: bool) -> None:
        for event in sorted((*self._events, *self._deltas), key=lambda event: event.seq) if replay else ():
            self._deliver(event, sink)
        self._sinks.append(sink)

    def unlisten(self, sink: Sink) -> None:
        call_soon(lambda: self._sinks.remove(sink) if sink in self._sinks else None)

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """The text of the model call in progress, as far as it has come."""
        return tuple(self._deltas)

    @property
    def status(self) -> Status:
        if self._final_status is not None:
            return self._final_status
        if self._step_controller.pause is not None:
            return "paused"
        return "pausing" if self._step_controller.pause_requested else "running"

    @property
    def paused_at(self) -> Pause | None:
        """The pause it stands at."""
        return self._step_controller.pause

    # What one does with it.

    def next(self) -> Waiting[Pause | None]:
        """The pause it stands at, else the next one; None when it is over."""
        return Waiting(self._step_controller.next())

    def step(
        self,
        turn: Turn | None = None,
        *,
        deny: Mapping[str, str] | None = None,
        mock: Mapping[str, Any] | None = None,
        skip: Iterable[str] = (),
        number: int | None = None,
        by: str = "step",
    ) -> Waiting[Pause | None]:
        """Pass the pause it stands at, or the next one; then the pause after, None at the end.

        `turn` goes on in place of the one that paused. Of the calls that wait there,
        `deny` answers with a reason, `mock` with a result, `skip` with neither, by call id.
        `number` names the pause that is meant: if it is over already, nothing is passed.
        `by` is who says so, for the event. Raises EndedError for a verdict after the end.
        """
        return Waiting(self._step_controller.step(Decision(turn=turn, deny=deny, mock=mock, skip=skip, by=by), number))

    def resume(
        self,
        turn: Turn | None = None,
        *,
        deny: Mapping[str, str] | None = None,
        mock: Mapping[str, Any] | None = None,
        skip: Iterable[str] = (),
        by: str = "resume",
    ) -> None:
        """Pass this boundary and all that follow, up to a breakpoint.

        Verdicts are as in `step`, for the pause it stands at. Raises EndedError for one after
        the end, ValueError for one while it stands at no pause or on a call that does not wait.
        """
        decision = Decision(turn=turn, deny=deny, mock=mock, skip=skip, by=by)
        verdict = None
        if decision.changes_anything:
            if (pause := self.paused_at) is None:
                if self._final_status is not None:
                    raise EndedError(DECISION_TOO_LATE)
                raise MisuseError(
                    "it stands at no pause, so there is nothing to decide; execution.next() waits for one"
                )
            verdict = decision.verdict_for(pause)
        call_soon(self._step_controller.resume, verdict, by)

    def pause(self) -> None:
        """Stand at the next boundary. The model's text goes on until there."""
        call_soon(self._step_controller.pause_at_next_boundary)

    def stop(self) -> None:
        """End it here: a call to a model is cut off, no tool is started. `turn` is what there is."""
        self._stop_requested = True
        call_soon(self._stop)

    def _stop(self) -> None:
        if self._has_begun and self._task is not None:  # before that, it stops as it begins
            self._task.cancel()

    def break_when(
        self, predicate: Breakpoint | None = None, *, tool: str | None = None, phase: str | None = None
    ) -> Execution:
        """Pause where `predicate(snapshot)` is true, before `tool` runs, or at `phase`."""
        if predicate is not None and not callable(predicate):
            raise MisuseError(f"a breakpoint is a function of a snapshot, or tool=… or phase=…, not {predicate!r:.60}")
        if predicate is not None:
            call_soon(
                self._step_controller.breakpoints.append, (predicate, getattr(predicate, "__name__", "predicate"))
            )
        if tool is not None:
            call_soon(self._step_controller.breakpoints.append, (_calls_tool(tool), f"tool {tool}"))
        if phase is not None:
            at = parse_phase(phase)
            call_soon(self._step_controller.breakpoints.append, (lambda snapshot: snapshot.phase is at, f"phase {at}"))
        return self

    def result(self, timeout: float | None = None, *, wait: bool = False) -> Turn:
        """The Turn, when it is done or stopped. Raises what ended it, or TimeoutError.

        Standing at a pause it raises HeldError at once, because only a step moves it;
        `wait=True` waits all the same. A keyboard interrupt stops the execution.
        """
        refuse_on_loop_thread("result()")
        deadline = None if timeout is None else time.monotonic() + timeout
        pause_future = Waiting(self._step_controller.next())._future if not wait else Future[Any]()
        try:
            while True:
                seconds_left = WAIT_SLICE if deadline is None else min(WAIT_SLICE, deadline - time.monotonic())
                if self._wait_for_either(pause_future, max(seconds_left, 0)):
                    return self._future.result()
                if seconds_left <= 0:
                    raise TimeoutError(f"it is {self.status} after {timeout} s; it goes on, ask again")
        except KeyboardInterrupt:
            self.stop()
            raise

    def _wait_for_either(self, pause_future: Future[Any], seconds: float) -> bool:
        from concurrent.futures import FIRST_COMPLETED
        from concurrent.futures import wait as wait_for

        finished, _ = wait_for((self._future, pause_future), seconds, FIRST_COMPLETED)
        if self._future in finished:
            return True
        if pause_future in finished:
            pause = pause_future.result()
            if pause is None:  # over: the result is a moment away
                wait_for((self._future,), seconds)
                return self._future.done()
            raise HeldError(
                f"held at pause {pause.number}, {pause.phase}: execution.step() passes it, execution.resume() runs on, result(wait=True) waits"
            )
        return False

    def __iter__(self) -> Iterator[Pause]:
        """Its pauses, one after the other. The end of the body steps, unless the body did."""
        pause = self.next().result()
        while pause is not None:
            yield pause
            pause = self.step(number=pause.number).result()

    async def __aiter__(self) -> AsyncIterator[Pause]:
        pause = await self.next()
        while pause is not None:
            yield pause
            pause = await self.step(number=pause.number)

    # Doors to the floor above.

    def _ipython_display_(self) -> None:
        from ..widgets import show

        show(self)

    def _repr_html_(self) -> str:
        return self.turn._repr_html_()

    def __repr__(self) -> str:
        n = len(self.snapshots)
        return f"<Execution {self.status}: {n} snapshot{'s' * (n != 1)}, {len(self.turn)} blocks>"


def _calls_tool(tool: str) -> Breakpoint:
    def about_to_run(snapshot: Snapshot) -> bool:
        return snapshot.phase is Phase.POST_INFERENCE and any(call.name == tool for call in snapshot.turn.pending)

    return about_to_run
