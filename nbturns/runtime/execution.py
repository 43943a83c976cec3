"""Execution: one `ask`, with its Turn, snapshots and pauses.

It runs on the background loop. Its methods may be called from any cell and any thread.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from time import time as now
from typing import Any, Literal, TypeAlias

from ..errors import EndedError, MisuseError, attach_turn, attached_turn, describe_error, message_of
from ..events import (
    Ended,
    Notice,
    Pause,
    Sink,
    Snapshot,
    Started,
    live_executions,
)
from ..safety.visible_text import printable
from ..tools import Tool
from ..values.turns import Block, Turn
from .background_loop import WAIT_SLICE, Waiting, call_soon, is_closing_coroutine, on_loop_thread
from .breakpoints import Breakpoint, SnapshotTest, snapshot_test
from .event_stream import EventStream
from .layer_records import Layer, LayerCall, layers_of
from .marks import ERROR, STOPPED_ERROR, DecisionRecord, decisions_of, error_record
from .marks import STATUS as STATUS
from .step_controller import DECISION_TOO_LATE, Decision, StepController, ends_within
from .toolbox import ToolConfig

Status: TypeAlias = Literal["running", "pausing", "paused", "done", "stopped", "failed"]
Drive: TypeAlias = Callable[["Execution"], Awaitable[Turn]]


class Execution(EventStream, Waiting[Turn]):
    """The future Turn of one `ask`: `await` it, call `result()`, or iterate over its pauses.

    `snapshots` are those so far, `turn` is the newest Turn. `sink_errors` are the exceptions of
    listeners, which never stop an execution.
    """

    turn: Turn

    def __init__(
        self,
        drive: Drive,
        turn: Turn,
        *,
        id: str,
        step: bool | Iterable[str],
        break_when: Iterable[SnapshotTest] = (),
        config: ToolConfig,
        limit: int | None = None,
        sinks: Iterable[Sink],
        store: Sink | None = None,
        settle: Callable[[Turn], None],
    ) -> None:
        self.id = id
        self.limit = limit  # of model calls
        self.turn = turn
        self.session: Any = None  # the Session that started it
        self.output_checks: tuple[Any, ...] = ()  # the middlewares of `ask(output=…)`
        self.error: BaseException | None = None
        self.started_at: float = now()
        self._prepare_events(sinks, store)
        self._on_end = settle
        self._layer_calls: list[LayerCall] = []
        self.record_layer: Callable[[LayerCall], None] = self._layer_calls.append
        self._has_begun = False
        self._final_status: Status | None = None
        self._stop_requested = False
        self._step_controller = StepController(step, config, self.emit)
        for test in break_when:
            self._step_controller.add_breakpoint(test, getattr(test, "__name__", "predicate"))
        self._drive = drive
        self._pause_request_count = 0  # pause() calls that the loop has not handled yet
        self._prepare()
        live_executions[id] = self

    def continue_record(self, snapshots: Iterable[Snapshot], next_seq: int, started_at: float) -> None:
        """Continue the record of an earlier process, before the start: its snapshots, the number of the next event."""
        self._continue_events(snapshots, next_seq)
        self.started_at = started_at

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
            turn, status = self._turn_of(cancellation), "stopped"
        except BaseException as error:  # raised again from result(), whatever its type
            if is_closing_coroutine(error):
                raise
            turn, status = self._turn_of(error), "failed"
            self.error = error if isinstance(error, Exception) else RuntimeError(describe_error(error))
        if self.error is None and (write_error := await self._store_writes.error()) is not None:
            self.error, status = write_error, "failed"
        metadata = turn.metadata.with_raw(**{STATUS.name: status})
        if status != "done":
            ending = STOPPED_ERROR if self.error is None else error_record(self.error)
            metadata = metadata.with_raw(**{ERROR.name: ending})
        self.turn = turn._with(metadata=metadata)
        if self.error is not None:
            attach_turn(self.error, self.turn)
        self._on_end(self.turn)
        self._final_status = status  # from here on the session accepts another prompt
        if self._step_controller.pause_requested or self._pause_request_count:
            self.emit(Notice(f"no pause: the execution was past its last boundary, and is {status}"))
        self.emit(Ended(status, self.turn, message_of(self.error) if self.error else ""))
        write_error = await self._store_writes.error()  # after a failure, too: the end is in the store then
        if write_error is not None and write_error is not self.error:
            if self.error is None:
                self.error, self._final_status = write_error, "failed"
                write_error.turn = self.turn
            self.emit(Notice(str(write_error)))
        await self._step_controller.end()
        if self.error is not None:
            raise self.error
        return self.turn

    def _turn_of(self, error: BaseException) -> Turn:
        """Return the Turn that an error carries, else the newest one."""
        turn = attached_turn(error)
        return turn if isinstance(turn, Turn) else self.turn

    # Status.

    @property
    def status(self) -> Status:
        """State: "running", "pausing", "paused", "done", "stopped" or "failed"."""
        if self._final_status is not None:
            return self._final_status
        if self._step_controller.pause is not None:
            return "paused"
        return "pausing" if self._step_controller.pause_requested else "running"

    @property
    def decisions(self) -> tuple[DecisionRecord, ...]:
        """The decisions at its pauses so far: what was denied, mocked, skipped, edited, added or dropped.

        Each has call_id, action, by, at, before, after and reason: `execution.decisions[0].action == "denied"`.
        """
        return decisions_of(self.turn)

    def layers(self, iteration: int = -1) -> tuple[Layer, ...]:
        """Return what each middleware did in a model call, the outermost first: who put a block there, who left one out.

        `iteration` counts the model calls from 0; -1 is the last. `execution.layers()[0].added` are the blocks that the
        first middleware put into the request.
        """
        if iteration < 0:
            iterations = sorted({call.iteration for call in self._layer_calls})
            iteration = iterations[iteration] if -len(iterations) <= iteration else -1
        return layers_of(self._layer_calls, self._events, iteration)

    @property
    def paused_at(self) -> Pause | None:
        """The current pause, or None."""
        return self._step_controller.pause

    # Control.

    def next(self) -> Waiting[Pause | Any]:
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
        only: Iterable[str] | None = None,
        number: int | None = None,
        by: str = "step",
    ) -> Waiting[Pause | Any]:
        """End the current pause, or the next one, and return the pause after it; None at the end.

        The execution continues with `turn`, if there is one. Pending calls are answered by call id: `deny` gives a
        reason, `mock` a result, `skip` neither. With `only=["call_1"]` these calls run, and it pauses again with the
        rest pending; a call that was interrupted is run again. `number` is the number of the pause to end; if it has
        ended already, nothing changes. `by` is the cause in the Resumed event. Raises EndedError after the end, except
        for the `number` of an earlier pause, and MisuseError for a call that is named twice or not pending, and for
        an edited call whose arguments do not fit its tool.
        """
        decision = Decision(turn=turn, deny=deny, mock=mock, skip=skip, only=only, by=by)
        if number is None or decision.changes_anything:
            self._refuse_after_end()
        if (pause := self.paused_at) is not None and number in (None, pause.number):
            self._step_controller.refuse_misfits(decision, pause)
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
            self._step_controller.refuse_misfits(decision, pause)
            verdict = decision.verdict_for(pause)
        if on_loop_thread():  # a sink that hears of the pause; nobody may find it open in between
            self._step_controller.resume(verdict, by)
        else:
            call_soon(self._step_controller.resume, verdict, by)

    def pause(self) -> None:
        """Pause at the next boundary; a model call in progress is completed first.

        After the last boundary a Notice reports that no boundary follows; after the end nothing happens.
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
        self,
        predicate: SnapshotTest | None = None,
        *,
        tool: str | None = None,
        args: Mapping[str, Any] | None = None,
        phase: str | None = None,
        model: str | None = None,
        text: str | None = None,
        tokens: int | None = None,
        cost: float | None = None,
        error: bool | None = None,
        name: str = "",
        once: bool = False,
    ) -> Breakpoint:
        """Pause where every condition holds, and return the Breakpoint.

        `tool` (a glob) is about to run, with `args` (a mapping of argument to value or function); the boundary is `phase`;
        the last reply is of `model` (a glob) and contains `text` (a regular expression); the Turn has reached
        `tokens` or `cost` (USD); a tool or model call failed (`error=True`); `predicate(snapshot)` is true.
        With `once` the breakpoint is removed at the next pause, whatever caused it.
        """
        test, description = snapshot_test(
            predicate, phase, tool=tool, args=args, model=model, text=text, tokens=tokens, cost=cost, error=error
        )
        return self._step_controller.add_breakpoint(test, name or description, once=once)

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """The breakpoints of this execution, those of its session first."""
        return tuple(self._step_controller.breakpoints)

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
                if ends_within(self._future, pause_future, max(seconds_left, 0)):
                    return self._future.result()
                if seconds_left <= 0:
                    raise TimeoutError(
                        f"the execution is {self.status} after {timeout} s; it continues, call result() again"
                    )
        except KeyboardInterrupt:
            self.stop()
            raise

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

    def _tool_of(self, call: Block) -> Tool | None:
        """Return the tool that a pending call names, as it was offered to the model."""
        return self._step_controller.tool_of(call)

    # Methods that import from higher layers.

    def _ipython_display_(self) -> None:
        from ..widgets import show

        show(self)

    def _display_(self) -> Any:
        """Return the live view for marimo, which does not call `_ipython_display_`."""
        from ..widgets import view

        return view(self)

    def _repr_html_(self) -> str:
        return self.turn._repr_html_()

    @printable
    def __repr__(self) -> str:
        snapshot_count = len(self.snapshots)
        return f"<Execution {self.status}: {snapshot_count} snapshot{'s' * (snapshot_count != 1)}, {len(self.turn)} block{'s' * (len(self.turn) != 1)}>"
