"""The events of one execution: their numbers, those who listen, and the store that writes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from concurrent.futures import Future
from time import time as now
from typing import Any

from ..errors import describe_error
from ..events import Delta, Event, InferenceFinished, Sink, Snapshot, put_at, put_execution_id, put_seq
from ..safety.visible_text import visible
from ..values.turns import Turn
from .background_loop import call_soon, on_loop_thread
from .snapshot_list import SnapshotList
from .store_writes import StoreWrites


class EventStream:
    """The events of an execution so far, and its listeners. The newest Turn of a snapshot becomes `turn`.

    `sink_errors` are the exceptions of listeners, which never stop an execution.
    """

    id: str
    turn: Turn

    def _prepare_events(self, sinks: Iterable[Sink], store: Sink | None) -> None:
        self.snapshots: SnapshotList = SnapshotList()
        self.sink_errors: list[BaseException] = []
        self._sinks = list(sinks)
        self._store_writes = StoreWrites(store)
        self._seq = 0
        self._events: list[Event] = []
        self._deltas: list[Delta] = []

    def _continue_events(self, snapshots: Iterable[Snapshot], next_seq: int) -> None:
        """Continue the record of an earlier process: its snapshots, and the number of the next event."""
        self.snapshots = SnapshotList(snapshots)
        self._events = [*self.snapshots]
        self._seq = next_seq

    def emit(self, event: Event) -> Future[Any] | None:
        """Set number and time of `event` and pass it to every listener. Called on the loop.

        Returns the future of the store, which has a result when this event and all before it are written.
        """
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
        return self._store_writes.write(event)

    def _deliver(self, event: Event, sink: Sink) -> None:
        try:
            sink(event)
        except BaseException as error:  # a listener may raise anything; the execution continues
            self.sink_errors.append(error)
            if len(self.sink_errors) == 1:  # outside the run, which `-W error` must not end
                call_soon(
                    warnings.warn,
                    f"a listener failed; the execution continues, see execution.sink_errors: {visible(describe_error(error))}",
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
        """Stop sending events to `sink`; events that are already on their way still reach it."""
        call_soon(lambda: self._sinks.remove(sink) if sink in self._sinks else None)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far, without the pieces of text."""
        return tuple(self._events)

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """The pieces of text of the model call in progress."""
        return tuple(self._deltas)
