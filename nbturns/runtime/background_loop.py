"""The event loop of all executions, on one background thread.

A cell may block, await or end, and a click may arrive on any thread. An execution does
not notice, because it never leaves its own loop. Values cross freely, since they
cannot change; everything else crosses here, and nowhere else.
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
    """Something on its way. `await` it, or ask for its `result()`.

    Any number may wait, in any cell, on any thread. Giving up the wait (a time-out, a
    cancelled awaiter, a keyboard interrupt) ends that wait and nothing else.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> None:
        self._future: Future[T] = Future()
        self._task: asyncio.Task[T] | None = None
        call_soon(self._begin, coroutine, context)

    def _begin(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None) -> None:
        self._task = background_loop().create_task(coroutine, context=context)
        self._task.add_done_callback(self._finish)
        _tasks.add(self._task)

    def _finish(self, task: asyncio.Task[T]) -> None:
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
        """Wait here, without `await`. Raises TimeoutError after `timeout` seconds."""
        refuse_on_loop_thread("result()")
        return wait_for_future(self._future, timeout)

    if not TYPE_CHECKING:  # to which nothing is there but what is written above

        def __getattr__(self, name: str) -> NoReturn:
            hint = "" if name.startswith("_") else "; this is pending: await it or call .result() first"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    def __await__(self) -> Generator[Any, None, T]:
        coming = asyncio.wrap_future(self._future)
        coming.add_done_callback(_retrieve_exception)  # the shield forgets it when its awaiter gives up
        return asyncio.shield(coming).__await__()


def _retrieve_exception(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()  # asyncio complains of an error that was never asked for


def wait_for_future(future: Future[T], timeout: float | None = None) -> T:
    """Wait for `future` in slices, so that Ctrl-C and the stop button are heard."""
    seconds_left = timeout
    while True:
        slice_ = WAIT_SLICE if seconds_left is None else min(WAIT_SLICE, seconds_left)
        try:
            return future.result(slice_)
        except WaitedTooLong:
            if future.done():  # it came just now, or the work itself raised a TimeoutError
                return future.result()
            if seconds_left is not None:
                seconds_left -= slice_
                if seconds_left <= 0:
                    raise TimeoutError(f"nothing came within {timeout} s; it goes on, ask again") from None


def refuse_on_loop_thread(caller: str) -> None:
    """Waiting on the host's own thread would wait for itself, for ever."""
    if on_loop_thread():
        raise RuntimeError(
            f"{caller} was called on the thread that would have to answer it (from a sink or an async tool); use await"
        )


def call_soon(function: Callable[..., object], *args: object) -> None:
    """Call `function` on the loop, soon, from any thread."""
    background_loop().call_soon_threadsafe(function, *args)


def background_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process; started when first asked for."""
    return _loop_and_thread()[0]


def on_loop_thread() -> bool:
    """Return True on the thread of the event loop."""
    return threading.current_thread() is _thread()


def _thread() -> threading.Thread:
    return _loop_and_thread()[1]


_tasks: set[asyncio.Task[Any]] = set()  # a loop alone forgets those that wait for a click


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
        except (SystemExit, KeyboardInterrupt):  # of somebody's callback; the others who live here go on
            continue


async def run_in_worker(function: Callable[[], T]) -> T:
    """Run a blocking `function` on a worker thread, in a copy of this context.

    The copy is what makes a tool's prints reach the cell that asked. Workers are daemon
    threads, made as needed and used again: one that hangs holds up neither the next
    call nor the end of the process.
    """
    calling_loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = calling_loop.create_future()
    jobs = _idle_workers.pop() if _idle_workers else _start_worker()
    jobs.put((contextvars.copy_context(), function, future, calling_loop))
    return await future


_Jobs = SimpleQueue[Any]
_idle_workers: deque[_Jobs] = deque()


def _start_worker() -> _Jobs:
    jobs: _Jobs = SimpleQueue()
    threading.Thread(target=_run_jobs, args=(jobs,), name="nbturns-tool", daemon=True).start()
    return jobs


def _run_jobs(jobs: _Jobs) -> None:
    while True:
        context, function, future, calling_loop = jobs.get()
        try:
            outcome, error = context.run(function), None
        except BaseException as raised:  # a tool may even raise SystemExit; that is its result, not our end
            outcome, error = None, raised
        calling_loop.call_soon_threadsafe(_deliver_outcome, jobs, future, outcome, error)
        del context, function, future, outcome, error


def _deliver_outcome(jobs: _Jobs, future: asyncio.Future[Any], outcome: Any, error: BaseException | None) -> None:
    _idle_workers.append(jobs)
    if future.done():  # nobody waits any more: timed out, or stopped
        return
    if error is None:
        future.set_result(outcome)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # no future takes a StopIteration, and a SystemExit would end the loop
        future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
