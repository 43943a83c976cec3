"""The Runs of a capture, and what went wrong in it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from ..errors import MisuseError
from ..render.totals import count_phrase
from ..values.turns import Run
from .capture_source import CaptureSource
from .growing_runs import GrowingRun


class Captured:
    """The model calls of an agent as Runs: `.runs`, or `.run` when there is one.

    As the last expression of a cell, or in `nt.view(captured)`, the Runs grow while the agent is running. `.errors` has
    the exceptions of the capture itself; none of them reaches the agent. `.stop()` ends the capture, as the end of a
    `with` does; the Runs stay. `.clear()` forgets them.
    """

    def __init__(self, source: CaptureSource[Any]) -> None:
        self._source = source
        self._version = -1
        self._runs: list[GrowingRun] = []
        weakref.finalize(self, _stop_and_forget, source).atexit = False  # nobody can read it any more

    @property
    def runs(self) -> list[Run]:
        """The Runs until now, in the order in which they began; a call that has not ended is in the import report."""
        return [growing_run.run for growing_run in self._growing_runs()]

    def _growing_runs(self) -> list[GrowingRun]:
        version = self._source.version
        if version != self._version:
            self._runs = self._source.read_runs()
            self._version = version
        return self._runs

    @property
    def run(self) -> Run:
        """The only Run. Raises MisuseError for no Run, or more than one."""
        runs = self.runs
        if not runs:
            raise MisuseError(f"captured.run: no model call was captured; {self._source.explain_nothing()}")
        if len(runs) > 1:
            raise MisuseError(f"captured.run: there are {len(runs):,} runs; choose one of captured.runs")
        return runs[0]

    @property
    def errors(self) -> tuple[Exception, ...]:
        """The exceptions of the capture itself."""
        self._growing_runs()  # what waits is read now
        return tuple(self._source.errors)

    def stop(self) -> None:
        """End the capture. Calls that are in progress are captured to their end."""
        self._source.stop()
        self._source.changed()

    def clear(self) -> None:
        """Forget the Runs and the errors until now; the capture goes on."""
        self._source.clear()

    def _listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        return self._source.listen(listener)

    @property
    def _is_over(self) -> bool:
        """True when nothing more will come."""
        return not self._source.is_active and not self._source.has_open_calls

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def _ipython_display_(self) -> None:
        from ..widgets import view

        view(self)._ipython_display_()

    def _display_(self) -> Any:
        """Return the live view for marimo, which does not call `_ipython_display_`."""
        from ..widgets import view

        return view(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exception_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        run_count, error_count = len(self.runs), len(self.errors)
        errors = f", {count_phrase(error_count, 'error')}" if error_count else ""
        return f"<Captured: {count_phrase(run_count, 'run')}{errors}>"


def _stop_and_forget(source: CaptureSource[Any]) -> None:
    source.stop()
    source.clear()
