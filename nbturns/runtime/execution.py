"""Execution: one `ask`, with its Turn, snapshots and pauses.

It runs on the background loop. Its methods may be called from any cell and any thread.
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
from ..events import (
    Delta,
    Ended,
    Event,
    InferenceFinished,
    Notice,
    Pause,
    Phase,
    Sink,
    Snapshot,
    Started,
    live_executions,
    put_at,
    put_execution_id,
    put_seq,
)
from ..values.metadata import Key
from ..values.turns import Turn
from .background_loop import WAIT_SLICE, Waiting, call_soon, on_loop_thread
from .step_controller import DECISION_TOO_LATE, Breakpoint, Decision, StepController, parse_phase
from .toolbox import ToolConfig

Status: TypeAlias = Literal["running", "pausing", "paused", "done", "stopped", "failed"]
STATUS: Key[str] = Key("nbturns.status@v1", str)
Drive: TypeAlias = Callable[["Execution"], Awaitable[Turn]]


class Execution(Waiting[Turn]):
    """The future Turn of one `ask`: `await` it, call `result()`, or iterate over its pauses.

    `snapshots` are those so far, `turn` is the newest Turn. `sink_errors` are the exceptions of
    listeners, which never stop an execution.
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
        self._drive = drive
        self._pause_request_count = 0  # pause() calls that the loop has not handled yet
        self._prepare()
        live_executions[id] = self

    def start(self) -> None:
        """Start to run, once; the caller first makes the execution known to those who will be asked for it."""
        call_soon(self._start_task, self._run_to_end(self._drive), contextvars.copy_context())

    async def _run_to_end(self, drive: Drive) -> Turn:
        self._has_begun = True
        self.emit(Started(self.turn))
        try:
            if self._stop_requested:
                raise asyncio.CancelledError
            turn = await drive(self)
            status: Status = "done"
        except asyncio.CancelledError as cancellation:
            turn, status = getattr(cancellation, "turn", None) or self.turn, "stopped"
        except (
            Exception,
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # raised again from result(), whatever its type
            turn, status = getattr(error, "turn", None) or self.turn, "failed"
            self.error = error if isinstance(error, Exception) else RuntimeError(f"{type(error).__name__}: {error}")
        self.turn = turn.with_metadata(STATUS, status)
        if self.error is not None:
            self.error.turn = self.turn  # type: ignore[attr-defined]  # an error that ends an execution carries the Turn
        self._on_end(self.turn)
        self._final_status = status  # from here on the session accepts another prompt
        if self._step_controller.pause_requested or self._pause_request_count:
            self.emit(Notice(f"no pause: the execution was past its last boundary, and is {status}"))
        self.emit(Ended(status, self.turn, str(self.error) if self.error else ""))
        await self._step_controller.end()
        if self.error is not None:
            raise self.error
        return self.turn

    # Events and status.

    def emit(self, event: Event) -> None:
        """Set number and time of `event` and pass it to every listener. Called on the loop."""
        put_seq(event, self._seq)  # like `stamp`; inlined, because it runs seven times per iteration
        put_at(event, now())
        put_execution_id(event, self.id)
        self._seq += 1
        if isinstance(event, Delta):
            self._deltas.append(event)
        else:
            self._events.append(event)
            if isinstance(event, Snapshot):
                self.snapshots.append(event)
                self.turn = event.turn
            elif self._deltas and isinstance(event, InferenceFinished):
                self._deltas.clear()  # the finished blocks contain their text
        for sink in self._sinks:
            self._deliver(event, sink)

    def _deliver(self, event: Event, sink: Sink) -> None:
        try:
            sink(event)
        except (
            Exception,
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # a listener may raise anything; the execution continues
            self.sink_errors.append(error)
            if len(self.sink_errors) == 1:  # outside the run, which `-W error` must not end
                call_soon(
                    warnings.warn,
                    f"a listener failed; the execution continues, see execution.sink_errors: {type(error).__name__}: {error}",
                )

    def listen(self, sink: Sink, *, replay: bool = True) -> None:
        """Add a listener; with `replay` it first gets all events so far, in order.

        Deltas are replayed only for the model call in progress; finished blocks are in the snapshots.
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
        """The pieces of text of the model call in progress."""
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
        """The current pause, or None."""
        return self._step_controller.pause

    # Control.

    def next(self) -> Waiting[Pause | None]:
        """Return the current pause, else the next one; None when the execution is over."""
        if self._final_status is None:
            self._refuse_in_fork()
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
        """End the current pause, or the next one, and return the pause after it; None at the end.

        The execution continues with `turn`, if there is one. Pending calls are answered by call id:
        `deny` gives a reason, `mock` a result, `skip` neither. `number` is the number of the pause
        to end; if it has ended already, nothing changes. `by` is the cause in the Resumed event.
        Raises EndedError after the end, except for the `number` of an earlier pause.
        """
        decision = Decision(turn=turn, deny=deny, mock=mock, skip=skip, by=by)
        if number is None or decision.changes_anything:
            self._refuse_after_end()
        return Waiting(self._step_controller.step(decision, number))

    def _refuse_after_end(self) -> None:
        if self._final_status is not None:
            raise EndedError(DECISION_TOO_LATE)
        self._refuse_in_fork()

    def resume(
        self,
        turn: Turn | None = None,
        *,
        deny: Mapping[str, str] | None = None,
        mock: Mapping[str, Any] | None = None,
        skip: Iterable[str] = (),
        by: str = "resume",
    ) -> None:
        """End the current pause and continue without pauses, up to a breakpoint.

        `turn`, `deny`, `mock` and `skip` are as in `step`, for the current pause. Raises EndedError
        after the end; with one of them, ValueError without a pause or for a call that is not pending.
        """
        decision = Decision(turn=turn, deny=deny, mock=mock, skip=skip, by=by)
        self._refuse_after_end()
        verdict = None
        if decision.changes_anything:
            if (pause := self.paused_at) is None:
                raise MisuseError("the execution is not paused; wait for a pause with execution.next()")
            verdict = decision.verdict_for(pause)
        if on_loop_thread():  # a sink that hears of the pause; nobody may find it open in between
            self._step_controller.resume(verdict, by)
        else:
            call_soon(self._step_controller.resume, verdict, by)

    def pause(self) -> None:
        """Pause at the next boundary; a model call in progress is completed first.

        After the last boundary a Notice reports that there is none; after the end nothing happens.
        """
        if self._final_status is None:
            self._refuse_in_fork()
            self._pause_request_count += 1
            call_soon(self._handle_pause_request)

    def _handle_pause_request(self) -> None:
        self._pause_request_count -= 1
        self._step_controller.pause_at_next_boundary()

    def stop(self) -> None:
        """Stop: cancel a model call in progress and start no tool. `turn` is the Turn so far."""
        if self._final_status is None:
            self._refuse_in_fork()
        self._stop_requested = True
        call_soon(self._stop)

    def _stop(self) -> None:
        if self._has_begun and self._task is not None:  # earlier stops take effect at the start
            self._task.cancel()

    def break_when(
        self, predicate: Breakpoint | None = None, *, tool: str | None = None, phase: str | None = None
    ) -> Execution:
        """Pause when `predicate(snapshot)` is true, before `tool` runs, or at `phase`; return this execution."""
        if predicate is not None and not callable(predicate):
            raise MisuseError(
                f"a breakpoint must be a function of a snapshot, tool=… or phase=…, got {predicate!r:.60}"
            )
        if predicate is not None:
            call_soon(
                self._step_controller.breakpoints.append, (predicate, getattr(predicate, "__name__", "predicate"))
            )
        if tool is not None:
            call_soon(self._step_controller.breakpoints.append, (_calls_tool(tool), f"tool {tool}"))
        if phase is not None:
            pause_phase = parse_phase(phase)
            call_soon(
                self._step_controller.breakpoints.append,
                (lambda snapshot: snapshot.phase is pause_phase, f"phase {pause_phase}"),
            )
        return self

    def result(self, timeout: float | None = None, *, wait: bool = False) -> Turn:
        """Wait for the end and return the Turn. Raises the error of the execution, or TimeoutError.

        At a pause it raises HeldError at once, because only a step continues it; `wait=True` waits
        nevertheless. `timeout` is in seconds. A keyboard interrupt stops the execution.
        """
        self._refuse_endless_wait()
        deadline = None if timeout is None else time.monotonic() + timeout
        pause_future = Waiting(self._step_controller.next())._future if not wait else Future[Any]()
        try:
            while True:
                seconds_left = WAIT_SLICE if deadline is None else min(WAIT_SLICE, deadline - time.monotonic())
                if self._wait_for_either(pause_future, max(seconds_left, 0)):
                    return self._future.result()
                if seconds_left <= 0:
                    raise TimeoutError(
                        f"the execution is {self.status} after {timeout} s; it continues, call result() again"
                    )
        except KeyboardInterrupt:
            self.stop()
            raise

    def _wait_for_either(self, pause_future: Future[Any], wait_seconds: float) -> bool:
        from concurrent.futures import FIRST_COMPLETED
        from concurrent.futures import wait as wait_for

        finished_futures, _ = wait_for((self._future, pause_future), wait_seconds, FIRST_COMPLETED)
        if self._future in finished_futures:
            return True
        if pause_future in finished_futures:
            pause = pause_future.result()
            if pause is None:  # it has ended, so the result follows at once
                wait_for((self._future,), wait_seconds)
                return self._future.done()
            raise HeldError(
                f"the execution is paused (pause {pause.number}, {pause.phase}); call step(), resume() or result(wait=True)"
            )
        return False

    def __iter__(self) -> Iterator[Pause]:
        """Iterate over the pauses. The end of the loop body steps, unless the body did."""
        pause = self.next().result()
        while pause is not None:
            yield pause
            pause = self.step(number=pause.number).result()

    async def __aiter__(self) -> AsyncIterator[Pause]:
        pause = await self.next()
        while pause is not None:
            yield pause
            pause = await self.step(number=pause.number)

    # Methods that import from higher layers.

    def _ipython_display_(self) -> None:
        from ..widgets import show

        show(self)

    def _repr_html_(self) -> str:
        return self.turn._repr_html_()

    def __repr__(self) -> str:
        snapshot_count = len(self.snapshots)
        return f"<Execution {self.status}: {snapshot_count} snapshot{'s' * (snapshot_count != 1)}, {len(self.turn)} blocks>"


def _calls_tool(tool: str) -> Breakpoint:
    def about_to_run(snapshot: Snapshot) -> bool:
        return snapshot.phase is Phase.POST_INFERENCE and any(call.name == tool for call in snapshot.turn.pending)

    return about_to_run
