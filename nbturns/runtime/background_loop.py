"""The event loop of all executions, on one background thread.

Cells may block, await or end, and clicks may arrive on any thread, without an effect on an
execution, because it runs on its own loop. Values are frozen and may be used on any thread;
this module is the only one that passes anything else between threads.

A forked process gets a loop of its own, because the threads of its parent do not exist there.
Where no thread can be started (Pyodide), the running event loop of the caller is used.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from ..errors import StoreError, describe_error

T = TypeVar("T")
WAIT_SLICE = 0.25  # seconds; a wait without end cannot be interrupted on every platform


class _ProcessState:
    """The event loop, the threads and the lock of one process."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.event_loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None
        self.borrowed_loop: asyncio.AbstractEventLoop | None = None  # where no thread can be started
        self.idle_workers: deque[_JobQueue] = deque()
        self.tasks: set[asyncio.Task[Any]] = set()  # asyncio keeps only weak references to tasks


_JobQueue = SimpleQueue[Any]
_state = _ProcessState()


def _replace_state() -> None:
    global _state  # noqa: PLW0603  # a forked process has nothing of its parent
    _state = _ProcessState()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_replace_state)


def start_lock() -> threading.RLock:
    """Return the lock to hold while an execution is created; a forked process has its own."""
    return _state.lock


class Waiting(Generic[T]):
    """The future result of a coroutine on the loop: `await` it, or call `result()`.

    Any number of cells and threads may wait for it. Ending one wait (by a time-out, a
    cancelled awaiter, a keyboard interrupt) does not end the others or the coroutine.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> None:
        self._prepare()
        call_soon(self._start_task, coroutine, context)

    def _prepare(self) -> None:
        self._future: Future[T] = Future()
        self._task: asyncio.Task[T] | None = None
        self._process = _state

    def _start_task(self, coroutine: Coroutine[Any, Any, T], context: contextvars.Context | None) -> None:
        self._task = background_loop().create_task(coroutine, context=context)
        self._task.add_done_callback(self._set_outcome)
        self._process.tasks.add(self._task)

    @property
    def is_of_this_process(self) -> bool:
        """True unless this process was forked later, so that the result arrives in its parent alone."""
        return self._process is _state

    def _refuse_in_fork(self) -> None:
        if not self.is_of_this_process:
            raise RuntimeError(
                "this was started before the process was forked and runs in the parent process; "
                "start another one here, with session.fork().ask(...)"
            )

    def _refuse_endless_wait(self) -> None:
        if not self._future.done():
            self._refuse_in_fork()
            refuse_on_loop_thread("result()")

    def _set_outcome(self, task: asyncio.Task[T]) -> None:
        self._process.tasks.discard(task)
        if task.cancelled():
            self._future.cancel()
            self._future.set_running_or_notify_cancel()
        elif error := task.exception():
            self._future.set_exception(error)
        else:
            self._future.set_result(task.result())

    @property
    def done(self) -> bool:
        """True when the result, or an error, is there."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> T:
        """Block until the result is there and return it. Raises TimeoutError after `timeout` seconds."""
        self._refuse_endless_wait()
        return wait_for_future(self._future, timeout)

    if not TYPE_CHECKING:  # type checkers report unknown attributes themselves

        def __getattr__(self, name: str) -> NoReturn:
            hint = "" if name.startswith("_") else "; this is pending: await it or call .result() first"
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{hint}", name=name, obj=self)

    def __await__(self) -> Generator[Any, None, T]:
        if not self._future.done():
            self._refuse_in_fork()
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
        reason = "it was called from a sink or an async tool" if _state.thread else "no thread can be started here"
        raise RuntimeError(f"{caller} would block the event loop ({reason}); use await")


def call_soon(function: Callable[..., object], *args: object) -> None:
    """Call `function` on the loop, soon, from any thread."""
    background_loop().call_soon_threadsafe(function, *args)


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of this process; the first call starts it."""
    event_loop = _state.event_loop
    return _start_loop() if event_loop is None else event_loop


def on_loop_thread() -> bool:
    """Return True on the thread of the event loop."""
    if _state.thread is not None:
        return threading.current_thread() is _state.thread
    return _state.borrowed_loop is not None


def _start_loop() -> asyncio.AbstractEventLoop:
    state = _state
    with state.lock:
        if state.event_loop is not None:
            return state.event_loop
        if state.borrowed_loop is None:
            loop_queue: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()
            thread = threading.Thread(target=_run_loop_forever, args=(loop_queue,), name="nbturns", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return _borrow_running_loop(state)
            event_loop = asyncio.new_event_loop()
            loop_queue.put(event_loop)
            state.thread, state.event_loop = thread, event_loop
            return event_loop
        return _borrow_running_loop(state)


def _borrow_running_loop(state: _ProcessState) -> asyncio.AbstractEventLoop:
    try:
        state.borrowed_loop = asyncio.get_running_loop()
    except RuntimeError:
        if state.borrowed_loop is None or state.borrowed_loop.is_closed():
            raise RuntimeError(
                "no thread can be started here, so an execution needs a running event loop; call ask() in async code"
            ) from None
    return state.borrowed_loop


def _run_loop_forever(loop_queue: SimpleQueue[asyncio.AbstractEventLoop]) -> None:
    event_loop = loop_queue.get()
    while True:
        try:
            event_loop.run_forever()
        except (SystemExit, KeyboardInterrupt):  # raised by a callback; the other executions continue
            continue


def is_closing_coroutine(error: BaseException) -> bool:
    """Return True for the GeneratorExit of a coroutine that Python closes, at the end of the process; else it was raised."""
    return isinstance(error, GeneratorExit) and asyncio._get_running_loop() is None


async def until_written(write: object) -> None:
    """Wait for the future that a store returned for an event. Raises StoreError if it failed; ignores other values."""
    if isinstance(write, Future):
        try:
            await asyncio.wrap_future(write)
        except StoreError:
            raise
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a store may raise anything
            if is_closing_coroutine(error):
                raise
            raise StoreError(f"the store failed: {describe_error(error)}") from error


class BatchQueue(Generic[T]):
    """A queue whose items are handled in order on a worker thread, all waiting ones at once.

    `handle` gets one or more items, and must handle all of them or none. The future of an item has a result when it
    is handled, or the error of `handle`. Where no thread can be started, `put` handles the item itself.
    """

    def __init__(self, handle: Callable[[Sequence[T]], object]) -> None:
        self._handle = handle
        self._reset()

    def _reset(self) -> None:
        self._process = _state
        self._lock = threading.Lock()
        self._waiting_items: list[tuple[T, Future[None]]] = []
        self._is_running = False
        self._has_timer = False

    def put(self, item: T, *, delay: float = 0) -> Future[None]:
        """Add an item, to be handled at once, or after `delay` seconds if no other item is handled before."""
        if self._process is not _state:  # the process was forked; the items of the parent are handled there
            self._reset()
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # so that a cancelled waiter does not cancel the work
        with self._lock:
            self._waiting_items.append((item, future))
            if self._is_running or (delay and self._has_timer):
                return future
            self._is_running, self._has_timer = not delay, bool(delay)
        if not delay:
            _run_on_worker(self._handle_waiting_items)
        elif on_loop_thread():
            background_loop().call_later(delay, self._handle_delayed_items)
        else:
            call_soon(self._handle_delayed_items)
        return future

    def put_and_wait(self, item: T, caller: str) -> None:
        """Add an item and wait until it is handled. Raises RuntimeError on the loop's thread, and what `handle` raises."""
        if _state.thread is not None:  # else `put` handles the item itself
            refuse_on_loop_thread(caller)
        wait_for_future(self.put(item))

    def _handle_delayed_items(self) -> None:
        with self._lock:
            self._has_timer = False
            if self._is_running or not self._waiting_items:
                return
            self._is_running = True
        _run_on_worker(self._handle_waiting_items)

    def _handle_waiting_items(self) -> None:
        while True:
            with self._lock:
                batch, self._waiting_items = self._waiting_items, []
                if not batch:
                    self._is_running = False
                    return
            error = self._handle_batch([item for item, _ in batch])
            for item, future in batch:
                item_error = error and self._handle_batch([item]) if len(batch) > 1 else error
                if item_error is None:
                    future.set_result(None)
                else:
                    future.set_exception(item_error)
            del batch

    def _handle_batch(self, items: Sequence[T]) -> BaseException | None:
        """Handle `items` and return the error. After an error of several items, each is handled again by itself."""
        try:
            self._handle(items)
        except BaseException as error:  # whatever it is, those who wait must get it
            return error
        return None


def _run_on_worker(function: Callable[[], None]) -> None:
    """Run a blocking `function`, which raises nothing, on a worker thread; here where no thread can be started."""
    try:
        event_loop = background_loop()
        try:
            job_queue = _state.idle_workers.pop()
        except IndexError:
            job_queue = _start_worker()
    except RuntimeError:
        function()
        return
    job_queue.put((contextvars.Context(), function, event_loop.create_future(), event_loop))


async def run_in_worker(function: Callable[[], T], *, keep_result: bool = False) -> T:
    """Run a blocking `function` on a worker thread, in a copy of this context.

    The copied context sends the output of a tool to the cell that started it. Workers are
    reusable daemon threads: one that hangs blocks neither the next call nor the end of the
    process. Where no thread can be started, the function runs here and blocks the loop. With
    `keep_result` a cancellation that comes after the end of the function does not discard its result.
    """
    calling_loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = calling_loop.create_future()
    idle_workers = _state.idle_workers
    try:
        job_queue = idle_workers.pop() if idle_workers else _start_worker()
    except RuntimeError:
        return contextvars.copy_context().run(function)
    job_queue.put((contextvars.copy_context(), function, future, calling_loop))
    try:
        return await future
    except asyncio.CancelledError:
        if keep_result and future.done() and not future.cancelled():
            return future.result()
        raise


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
    _state.idle_workers.append(job_queue)
    if future.done():  # timed out or stopped
        return
    if error is None:
        future.set_result(outcome)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future rejects StopIteration, and SystemExit would end the loop
        future.set_exception(RuntimeError(describe_error(error)))
