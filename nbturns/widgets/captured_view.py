"""The view of a capture: its Runs grow while the agent is running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from importlib import import_module
from typing import Any

import ipywidgets  # type: ignore[import-untyped]

from ..capturing import Captured
from ..capturing.growing_runs import GrowingRun
from ..importers.kit.span_conversations import NOT_ENDED
from ..render.listing import Cell, listing_html
from ..render.output_page import page_data
from ..render.readable_values import readable_run
from ..render.text import visible
from ..render.totals import count_phrase
from ..runtime.background_loop import Waiting, background_loop, call_soon, run_in_worker
from ..values.turns import Block, Run
from .page_state import PageState, ReadOnlyHTML
from .run_view import RunView
from .runs_view import MAX_STATIC_ROWS, RunRow, RunsTable, table_of
from .static_fallback import StaticFallback
from .throttle import TEXT_FRAMES_PER_SECOND

MIN_INTERVAL = 1 / TEXT_FRAMES_PER_SECOND  # seconds between two looks at the capture
MAX_INTERVAL = 2.0
IDLE_FACTOR = 9  # times as long as a look took; so the view takes at most a tenth of one core
PAGE_INTERVAL = 1.0  # seconds between two updates of the page for saved notebooks


class CapturedView(PageState, StaticFallback, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A line about the capture, a table of the Runs if there are several, and the view of the Run that is opened.

    A click on a row opens its Run; so does `open_run(index)`. `opened` is the view of the Run, which follows the agent.
    """

    def __init__(self, captured: Captured, *, markdown: bool = False) -> None:
        self._captured = captured
        self._rows: dict[int, tuple[Run, RunRow]] = {}  # of each Run, by its identity
        self._opened_id: str | None = None  # None: that of the first Run
        self._page_time = 0.0
        self._growing_runs: list[GrowingRun] = []
        self._status = ReadOnlyHTML()
        self.table: RunsTable = RunsTable(start={**table_of(()), "note": ""})
        self.opened = RunView(Run(), turn=-1, markdown=markdown)
        self._init_static_fallback()
        self._show(*self._read())
        super().__init__([self._status, self.table, self.opened])
        self._show_table()
        self.table.observe(self._on_opened, "opened")
        call_soon(self._start)

    # The capture, looked at on a worker thread and shown on the background event loop.

    def _start(self) -> None:
        self._has_changed = asyncio.Event()
        loop = background_loop()
        self._until_closed(self._captured._listen(lambda: loop.call_soon_threadsafe(self._has_changed.set)))
        self._has_changed.set()
        Waiting(self._follow())

    async def _follow(self) -> None:
        await run_in_worker(lambda: import_module("nbturns.frames.run_rows"))  # takes a moment the first time
        while not self._is_closed:
            await self._has_changed.wait()
            self._has_changed.clear()
            took = 0.0
            try:
                growing_runs, rows, took = await run_in_worker(self._timed_read)
                if self._is_closed:
                    return
                self._run_in_cell(self._show, growing_runs, rows)
                self._run_in_cell(self._show_table)
                self._refresh_pages_now_and_then()
            except Exception as error:  # nothing in a view disturbs the agent
                self._captured._source.keep_error(error)
            await asyncio.sleep(min(max(MIN_INTERVAL, took * IDLE_FACTOR), MAX_INTERVAL))

    def _timed_read(self) -> tuple[list[GrowingRun], list[RunRow], float]:
        """Return the Runs, their rows, and the seconds of processor time that this took."""
        began = time.thread_time()
        growing_runs, rows = self._read()
        return growing_runs, rows, time.thread_time() - began

    def _read(self) -> tuple[list[GrowingRun], list[RunRow]]:
        """Return the Runs and their rows; only rows of new and changed Runs are made."""
        from ..frames.run_rows import rows_of_runs

        growing_runs = self._captured._growing_runs()
        runs = [growing_run.run for growing_run in growing_runs]
        new_runs = [run for run in runs if id(run) not in self._rows]
        if len(runs) > 1 and new_runs:
            new_rows = dict(zip(map(id, new_runs), rows_of_runs(new_runs), strict=True))
            known_rows = {id(run): self._rows.get(id(run)) or (run, new_rows[id(run)]) for run in runs}
            self._rows = known_rows
        return growing_runs, [self._rows[id(run)][1] for run in runs] if len(runs) > 1 else []

    def _show(self, growing_runs: list[GrowingRun], rows: list[RunRow]) -> None:
        self._growing_runs = growing_runs
        self._status.value = escape(self._status_line())
        if rows:
            self.table.set_trait("start", {**table_of(rows), "note": ""})
        if growing_runs:
            self._show_opened(growing_runs[self._opened_index()])

    def _show_opened(self, growing_run: GrowingRun) -> None:
        self._opened_id = growing_run.run.id
        run, open_blocks = split_open_blocks(growing_run)
        run = run if self._captured._is_over else _without_open_notes(run)
        state = "running" if growing_run.is_open else ""
        activity = "the model is answering" if growing_run.open_calls else ""
        self.opened.show_run(readable_run(run), open_blocks=open_blocks, state=state, activity=activity)

    def _show_table(self) -> None:
        """Show the table while there are several Runs."""
        children = [self._status, *([self.table] if len(self._growing_runs) > 1 else []), self.opened]
        if list(self.children) != children:
            self.set_trait("children", tuple(children))

    def _status_line(self) -> str:
        runs, errors = self._growing_runs, self._captured._source.errors
        phrases = [count_phrase(len(runs), "run") if runs else "no model call yet"]
        if open_count := sum(growing_run.is_open for growing_run in runs):
            phrases.append(f"{open_count:,} running")
        if errors:
            phrases.append(f"{count_phrase(len(errors), 'error')} in captured.errors")
        return " · ".join(["Captured" if self._captured._is_over else "Capturing", *phrases])

    # Opening a Run.

    def _opened_index(self) -> int:
        ids = [growing_run.run.id for growing_run in self._growing_runs]
        return ids.index(self._opened_id) if self._opened_id in ids else 0

    def open_run(self, index: int) -> RunView:
        """Open a Run and return its view; a negative index counts from the end."""
        self._open(self._growing_runs[index])
        return self.opened

    def _on_opened(self, change: Mapping[str, Any]) -> None:
        if change["new"] >= 0:
            self._open(self._growing_runs[change["new"]])

    def _open(self, growing_run: GrowingRun) -> None:
        if growing_run.run.id == self._opened_id:
            return
        earlier, self.opened = (
            self.opened,
            RunView(split_open_blocks(growing_run)[0], turn=-1, markdown=self.opened.markdown),
        )
        self._show_opened(growing_run)
        self._show_table()
        earlier.close()

    # The page for notebooks without a kernel.

    def _refresh_pages_now_and_then(self) -> None:
        if self._captured._is_over or time.monotonic() - self._page_time > PAGE_INTERVAL:
            self._page_time = time.monotonic()
            self._refresh_page()

    def _repr_html_(self) -> str:
        runs = [growing_run.run for growing_run in self._growing_runs]
        if len(runs) == 1:
            return runs[0]._repr_html_()
        table_start = self.table.start if runs else {"columns": [], "texts": []}
        rows = ([Cell(text) for text in texts] for texts in table_start["texts"][:MAX_STATIC_ROWS])
        hidden_count = len(runs) - MAX_STATIC_ROWS
        note = f"{hidden_count:,} more Runs" if hidden_count > 0 else ""
        return listing_html(self._status_line(), [column["name"] for column in table_start["columns"]], rows, note)

    def _page_data(self) -> Mapping[str, Any] | None:
        return page_data(self._growing_runs[0].run) if len(self._growing_runs) == 1 else None

    def close(self) -> None:
        """Close the view and what it shows; the capture goes on."""
        for part in (self.table, self.opened, self._status):
            part.close()
        super().close()

    def __repr__(self) -> str:
        return f"<CapturedView of {visible(repr(self._captured))}>"


def split_open_blocks(growing_run: GrowingRun) -> tuple[Run, list[Block]]:
    """Return the Run without the incomplete reply of an open call, and the blocks of that reply."""
    run, turn = growing_run.run, growing_run.run.latest
    length = len(turn)
    while length and turn[length - 1].inference_id.rpartition("/")[2] in growing_run.open_calls:
        length -= 1
    if length == len(turn):
        return run, []
    turns = (*run.turns[:-1], turn._with(blocks=turn.blocks.head(length)))
    return replace(run, turns=turns), list(turn.blocks.since(length))


def _without_open_notes(run: Run) -> Run:
    """Return the Run without the notes about what is open, which the view of a capture that goes on says itself."""
    report = run.import_report
    dropped = tuple(note for note in report.dropped if not note.endswith(NOT_ENDED))
    return replace(run, import_report=replace(report, dropped=dropped))
