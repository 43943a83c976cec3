"""The events that an execution gives to its store, and the store's error."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from functools import partial
from typing import Any

from ..errors import StoreError
from ..events import Delta, Event, Sink
from .background_loop import until_written


class StoreWrites:
    """The writes of one execution to its store.

    A store is a sink that returns a `concurrent.futures.Future`, which has a result when its event and all before it
    are written. Deltas are not written: the finished blocks contain their text.
    """

    def __init__(self, store: Sink | None) -> None:
        self._store = store
        self._last_write: Future[None] | None = None
        self._first_error: BaseException | None = None

    def write(self, event: Event) -> Future[None] | None:
        """Pass `event` to the store and return the future of this and all earlier writes; the first error is its error."""
        if self._store is None or isinstance(event, Delta):
            return None
        try:
            write = self._store(event) if self._first_error is None else None
        except BaseException as error:  # a store may raise anything
            self._first_error = error
            write = None
        if isinstance(write, Future) or self._first_error is not None:
            self._last_write = Future()
            self._last_write.set_running_or_notify_cancel()  # so that a cancelled waiter does not cancel it
            if isinstance(write, Future):
                write.add_done_callback(partial(self._settle, self._last_write))
            else:
                self._settle(self._last_write)
        return self._last_write

    def _settle(self, future: Future[None], write: Future[Any] | None = None) -> None:
        if self._first_error is None and write is not None:
            self._first_error = write.exception()
        if self._first_error is None:
            future.set_result(None)
        else:
            future.set_exception(self._first_error)

    async def error(self) -> StoreError | None:
        """Wait until the store has written all events; return its error, or None."""
        while self._last_write is not None:
            try:
                await until_written(self._last_write)
            except asyncio.CancelledError:  # stop(), after the end; the write takes only a moment
                continue
            except StoreError as error:
                return error
            return None
        return None
