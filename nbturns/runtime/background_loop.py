"""The event loop of all executions, on one background thread.

Cells may block, await or end, and clicks may arrive on any thread, without an effect on an
execution, because it runs on its own loop. Values are frozen and may be used on any thread;
this module is the only one that passes anything else between threads.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

T = TypeVar("T")
WAIT_SLICE = 0.25  # seconds; a wait without end cannot be interrupted on every platform


class Waiting(Generic[T]):
    """The future result of a coroutine on the loop: `await` it, or call `result()`.

    Any number of cells and threads may wait for it. Ending one wait (by a time-out, a
    cancelled awaiter, a keyboard interrupt) does not end the others or the coroutine.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> None:
        self._future: Future[T] = Future()
        self._task: asyncio.Task[T] | None = None
        call_soon(self._start_task, coroutine, context)

    def _start_task(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None) -> None:
        self._task = background_loop().create_task(coroutine, context=context)
        self._task.add_done_callback(self._set_outcome)
        _tasks.add(self._task)

    def _set_outcome(self, task: asyncio.Task[T]) -> None:
        _tasks.discard(task)
        if task.cancelled():
            self._future.cancel()
            self._future.set_running_or_notify_cancel()
        elif error := task.exception():
            self._future.set_exception(error)
        else:
            self._future.set_result(task.result())

    @property
    def done(self) -> bool:
        return self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Block until the result is there and return it. Raises TimeoutError after `timeout` seconds."""
        refuse_on_loop_thread("result()")
        return wait_for_future(self._future, timeout)

    if not TYPE_CHECKING:  # type checkers report unknown attributes themselves

        def __getattr__(self, name: str) -> NoReturn:
            hint = "" if name.startswith("_") else "; this is pending: await it or call .result() first"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    def __await__(self) -> Generator[Any, None, T]:
        asyncio_future = asyncio.wrap_future(self._future)
        asyncio_future.add_done_callback(
            _retrieve_exception
        )  # asyncio.shield does not retrieve it after a cancelled wait
        return asyncio.shield(asyncio_future).__await__()


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # else asyncio logs the error as never retrieved


def wait_for_future(future: Future[T], timeout: float | None = None) -> T:
    """Return the result of `future`; wait in slices, so that Ctrl-C and the stop button work."""
    seconds_left = timeout
    while True:
        wait_seconds = WAIT_SLICE if seconds_left is None else min(WAIT_SLICE, seconds_left)
        try:
            return future.result(wait_seconds)
        except WaitedTooLong:
            if future.done():  # finished just now, or failed with a TimeoutError of its own
                return future.result()
            if seconds_left is not None:
                seconds_left -= wait_seconds
                if seconds_left <= 0:
                    raise TimeoutError(f"no result within {timeout} s; it continues, call result() again") from None


def refuse_on_loop_thread(caller: str) -> None:
    """Raise RuntimeError on the thread of the loop, where waiting would never end."""
    if on_loop_thread():
        raise RuntimeError(
            f"{caller} would block the event loop (it was called from a sink or an async tool); use await"
        )


def call_soon(function: Callable[..., object], *args: object) -> None:
    """Call `function` on the loop, soon, from any thread."""
    background_loop().call_soon_threadsafe(function, *args)


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process; the first call starts it."""
    return _loop_and_thread()[0]


def on_loop_thread() -> bool:
    """Return True on the thread of the event loop."""
    return threading.current_thread() is _thread()


def _thread() -> threading.Thread:
    return _loop_and_thread()[1]


_tasks: set[asyncio.Task[Any]] = set()  # asyncio keeps only weak references to tasks


@cache
def _loop_and_thread() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
    event_loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run_loop_forever, args=(event_loop,), name="nbturns", daemon=True)
    thread.start()
    return event_loop, thread


def _run_loop_forever(event_loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            event_loop.run_forever()
        except (SystemExit, KeyboardInterrupt):  # raised by a callback; the other executions continue
            continue


async def run_in_worker(function: Callable[[], T]) -> T:
    """Run a blocking `function` on a worker thread, in a copy of this context.

    The copied context sends the output of a tool to the cell that started it. Workers are
    reusable daemon threads: one that hangs blocks neither the next call nor the end of the
    process.
    """
    calling_loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = calling_loop.create_future()
    job_queue = _idle_workers.pop() if _idle_workers else _start_worker()
    job_queue.put((contextvars.copy_context(), function, future, calling_loop))
    return await future


_JobQueue = SimpleQueue[Any]
_idle_workers: deque[_JobQueue] = deque()


def _start_worker() -> _JobQueue:
    job_queue: _JobQueue = SimpleQueue()
    threading.Thread(target=_run_jobs, args=(job_queue,), name="nbturns-tool", daemon=True).start()
    return job_queue


def _run_jobs(job_queue: _JobQueue) -> None:
    while True:
        context, function, future, calling_loop = job_queue.get()
        try:
            outcome, error = context.run(function), None
        except BaseException as tool_error:  # a tool may raise SystemExit; it must not end the worker
            outcome, error = None, tool_error
        calling_loop.call_soon_threadsafe(_deliver_outcome, job_queue, future, outcome, error)
        del context, function, future, outcome, error


def _deliver_outcome(
    job_queue: _JobQueue, future: asyncio.Future[Any], outcome: Any, error: BaseException | None
) -> None:
    _idle_workers.append(job_queue)
    if future.done():  # timed out or stopped
        return
    if error is None:
        future.set_result(outcome)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future rejects StopIteration, and SystemExit would end the loop
        future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
