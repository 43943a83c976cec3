"""The parts of both kinds of capture: the records that wait to be read, their Runs, errors, and the listeners.

The agent only puts what came on a list. It is read when the Runs are asked for, or on a worker thread when much waits.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from ..importers.kit.span_conversations import SpanReader
from ..importers.kit.spans import Span
from ..runtime.background_loop import Waiting, run_in_worker
from .growing_runs import GrowingRun, GrowingRuns, ReadSpan

MAX_ERRORS = 100
MAX_WAITING_SIZE = 8 << 20  # bytes that wait before a worker reads them

T = TypeVar("T")


class CaptureSource(ABC, Generic[T]):
    """The calls that were captured; `version` changes with each of them."""

    def __init__(self, reader: SpanReader, format_of: Callable[[Span], str]) -> None:
        self.errors: list[Exception] = []
        self.version: int = 0
        self.is_active = True
        self.id: str = f"capture-{time.time_ns():x}"
        self.growing_runs: GrowingRuns = GrowingRuns(self.id, reader, format_of)
        self._lock = threading.RLock()
        self._waiting: list[T] = []
        self._waiting_size = 0
        self._listeners: tuple[Callable[[], object], ...] = ()

    # For the agent's threads.

    def keep_error(self, error: Exception) -> None:
        """Keep an exception of the capture; nothing in a capture disturbs the agent."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(error)

    def put(self, item: T, size: int) -> None:
        """Add what is to be read; `size` is in bytes."""
        self._waiting.append(item)
        self._waiting_size += size
        self.changed()
        if self._waiting_size > MAX_WAITING_SIZE:
            self._waiting_size = 0
            Waiting(run_in_worker(self._read_waiting))

    def changed(self) -> None:
        """Tell the listeners that there is more."""
        self.version += 1
        for listener in self._listeners:
            try:
                listener()
            except Exception as error:  # nothing in a capture disturbs the agent
                self.keep_error(error)

    # For readers.

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener`, which must return at once, on any thread at each change; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def end() -> None:
            self._listeners = tuple(other for other in self._listeners if other is not listener)

        return end

    def read_runs(self) -> list[GrowingRun]:
        """Return the Runs of all calls until now."""
        with self._lock:
            self._read_waiting()
            runs = self.growing_runs.runs(self._open_spans())
            for error in self.growing_runs.errors:
                self.keep_error(error)
            return runs

    def clear(self) -> None:
        """Forget what was captured; calls that are open are kept."""
        with self._lock:
            self._waiting.clear()
            self.growing_runs.clear()
            self.errors.clear()
        self.changed()

    def _read_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting, self._waiting_size = self._waiting, [], 0
            for item in self._prepared(waiting):
                try:
                    self._read(item)
                except Exception as error:  # nothing in a capture disturbs the agent
                    self.keep_error(error)

    def _prepared(self, items: list[T]) -> Iterable[T]:
        """Return what came since the last time, in the order in which it is read."""
        return items

    @abstractmethod
    def _read(self, item: T) -> None:
        """Read one item."""

    @abstractmethod
    def _open_spans(self) -> list[ReadSpan]:
        """Return the calls that have not ended, with what has come of them."""

    @property
    @abstractmethod
    def has_open_calls(self) -> bool:
        """True while a call has not ended."""

    @abstractmethod
    def stop(self) -> None:
        """Capture no further calls."""

    @abstractmethod
    def explain_nothing(self) -> str:
        """Return why there may be no Run, and what to do."""
