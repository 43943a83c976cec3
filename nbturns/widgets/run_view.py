"""The live view of a Run or a Session: a timeline of its Turns with their phases and blocks.

The page has each block once, and Turns as ranges of blocks, so it can switch between Turns and phases without the
kernel. The view of a Session grows with the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from ..events import Delta, Ended, Event, InferenceFinished, InferenceStarted, Paused, Resumed, Snapshot
from ..render.block_rows import block_body, model_call_cells_by_key
from ..render.es_modules import packed_module
from ..render.html import run_html
from ..render.text import shorten, visible
from ..render.timeline import Timeline, pool_row, report_entry
from ..runtime.background_loop import call_soon
from ..runtime.execution import Execution
from ..session import EXECUTION_ID, Session
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run, Turn
from .block_formats import format_block
from .static_fallback import StaticFallback
from .streaming_rows import StreamingRows
from .throttle import TEXT_FRAMES_PER_SECOND, Throttle

INITIAL_SIZE = 40_000  # characters of rows sent with the view; the page requests the others
MAX_PAGE_ROWS = 400  # rows of an answer


class RunView(StaticFallback, anywidget.AnyWidget):
    """The live view of a Run, or of a Session, which it follows.

    `turn` is the index of the displayed Turn (-1: always the last), `phase` the index of its displayed phase (-1: the
    whole Turn), and `selected` the indices of selected blocks. All three can be observed, set and linked.
    `displayed_turn` is the Turn at that phase, and `selection` a Turn of the selected blocks.
    """

    _esm = packed_module("run_view.js", "table.css", "block_table.css", "compare.css", "views.css")
    turn = traitlets.Int(-1, help="index of the displayed Turn; -1 is the last").tag(sync=True)
    phase = traitlets.Int(-1, help="index of the displayed phase; -1 is the whole Turn").tag(sync=True)
    selected = traitlets.List(traitlets.Int(), help="indices of the selected blocks, ascending").tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    update = traitlets.Dict().tag(sync=True)

    def __init__(self, source: Run | Session, **settings: Any) -> None:
        self._source = source
        self._timeline = Timeline()
        self._number = 0
        self._activity = ""
        self._followed_execution: Execution | None = None
        self._streaming_rows = StreamingRows()  # follow the blocks of the last Turn
        self._only_text_changed = True  # since the last update
        self._sent_counts = (0, 0, 0)  # Turns, phases of the last Turn, blocks
        self._send_throttled = Throttle(self._send_changes, TEXT_FRAMES_PER_SECOND)
        for index, turn in enumerate(source.turns):
            self._update_turn(index, turn, self._snapshots_of(turn))
        self._init_static_fallback()
        super().__init__(start=self._full_state(), **settings)
        self.on_msg(self._on_page_message)
        if isinstance(source, Session):
            call_soon(self._follow, source)

    def __repr__(self) -> str:
        return f"<RunView of {self._source!r}>"

    def _repr_html_(self) -> str:
        return run_html(self._run)

    def _static_bundle(self) -> dict[str, str]:
        return {"text/plain": repr(self._source), "text/html": self._repr_html_()}

    @property
    def _run(self) -> Run:
        return self._source if isinstance(self._source, Run) else self._source.run

    @property
    def displayed_turn(self) -> Turn:
        """The displayed Turn, with the blocks it had at the displayed phase."""
        turns = self._timeline.turns
        if not turns:
            return Turn()
        index = range(len(turns))[max(-len(turns), min(self.turn, len(turns) - 1))]
        entry = self._timeline.entries[index]
        if not 0 <= self.phase < len(entry["phases"]):
            return turns[index]
        phase = entry["phases"][self.phase]
        blocks = [
            self._timeline.pool.blocks[place]
            for start, end in phase.get("stretches", entry["stretches"])
            for place in range(start, end)
        ]
        return turns[index]._with(blocks=PersistentList(blocks[: phase["blocks"]]))

    @property
    def selection(self) -> Turn:
        """The selected blocks as a Turn with the metadata and data of the whole Turn."""
        displayed_turn = self.displayed_turn
        return displayed_turn._with(
            blocks=PersistentList(displayed_turn[i] for i in self.selected if i < len(displayed_turn))
        )

    # Events of a session, on the background event loop.

    def _follow(self, session: Session) -> None:
        """Show the current state of the session and subscribe to its executions."""
        for execution in session.executions[-1:]:
            if not execution.done:
                self._on_execution_start(execution)
        session.watch(lambda execution: call_soon(self._on_execution_start, execution))

    def _on_execution_start(self, execution: Execution) -> None:
        """Follow an execution of the session, from its first event."""
        if self._followed_execution is execution:
            return
        self._followed_execution = execution
        index = next(
            (n for n, turn in enumerate(self._timeline.turns) if turn.metadata.get(EXECUTION_ID) == execution.id),
            len(self._timeline.turns),
        )
        snapshots: list[Snapshot] = []

        def on_event(event: Event) -> None:
            match event:
                case Delta():
                    self._streaming_rows.add(event)
                    self._send_throttled()
                    return
                case Snapshot():
                    snapshots.append(event)
                    self._streaming_rows.clear()
                case InferenceStarted():
                    self._activity = "the model is answering"
                case InferenceFinished():
                    self._streaming_rows.inference_finished(event)
                    self._activity = ""
                case Resumed():
                    self._activity = ""
                case Paused(pause=pause):
                    self._activity = f"paused at {pause.phase}"
                case Ended():
                    self._streaming_rows.clear()
                    self._activity = ""
                case _:
                    return
            self._only_text_changed = False
            if isinstance(event, Ended):
                self._update_turn(index, event.turn, snapshots)
            else:
                self._update_turn(index, execution.turn, snapshots, execution.status)
            self._send_throttled()

        execution.listen(on_event)

    def _update_turn(self, index: int, turn: Turn, snapshots: list[Snapshot] | None, state: str = "") -> None:
        self._timeline.put(index, turn, snapshots, state)

    def _snapshots_of(self, turn: Turn) -> list[Snapshot] | None:
        """Return the snapshots of the execution that produced a Turn, if the session still has them."""
        if not isinstance(self._source, Session):
            return None
        execution_id = turn.metadata.get(EXECUTION_ID)
        return next(
            (
                execution.snapshots
                for execution in self._source.executions
                if execution.id == execution_id and execution.done
            ),
            None,
        )

    # Sent without a request.

    def _full_state(self) -> dict[str, Any]:
        """Return the state that is sent to a page that attaches."""
        timeline = self._timeline
        name = self._run.name
        self._sent_counts = (
            len(timeline.entries),
            len(timeline.entries[-1]["phases"]) if timeline.entries else 0,
            len(timeline.pool.blocks),
        )
        self._streaming_rows.mark_all_sent()
        return {
            "number": self._number,
            "name": f"Run {shorten(name, 80)}" if name else type(self._source).__name__,
            "report": report_entry(self._run),
            "turns": timeline.entries,
            "open": self._streaming_rows.rows(),
            **self._totals(),
            **self._rows_between(max(0, self._first_row_to_send()), len(timeline.pool.blocks), INITIAL_SIZE),
        }

    def _first_row_to_send(self) -> int:
        """Return the index of the first new block of the last Turn, minus some context; readers look there first."""
        entries = self._timeline.entries
        new_count = sum(end - start for start, end in entries[-1]["fresh"]) if entries else 0
        return len(self._timeline.pool.blocks) - new_count - 20

    def _totals(self) -> dict[str, Any]:
        return {"head": self._timeline.head, "activity": self._activity, "length": len(self._timeline.pool.blocks)}

    def _rows_between(self, start: int, end: int, size: int | None = None) -> dict[str, Any]:
        blocks = self._timeline.pool.blocks[start:end]
        rows: list[dict[str, Any]] = []
        for block in blocks:
            rows.append(pool_row(block))
            if size is not None and (size := size - len(str(rows[-1]))) < 0:
                break
        return {"at": start, "rows": rows, "calls": model_call_cells_by_key(blocks[: len(rows)])}

    def _send_changes(self) -> None:
        if self._only_text_changed and self._streaming_rows.page_has_same_blocks:
            self._send_text()
        else:
            self._send_update()
        self._only_text_changed = True

    def _send_text(self) -> None:
        if texts := self._streaming_rows.take_unsent_texts():
            self._number += 1
            self._run_in_cell(self.send, {"n": self._number, "t": texts})

    def _send_update(self) -> None:
        """Send new Turn entries, blocks and streaming rows since the last update."""
        timeline = self._timeline
        sent_turns, sent_phases, sent_blocks = self._sent_counts
        start = max(0, min(sent_turns, len(timeline.entries)) - 1)
        self._number += 1
        entries = [dict(entry) for entry in timeline.entries[start:]]
        update: dict[str, Any] = {"number": self._number, "from": start, "turns": entries, **self._totals()}
        if sent_turns and entries and len(entries[0]["phases"]) > sent_phases:
            update["phases_from"] = sent_phases
            entries[0]["phases"] = entries[0]["phases"][sent_phases:]
        blocks = timeline.pool.blocks[sent_blocks:]
        update |= {
            "at": sent_blocks,
            "rows": list(self._streaming_rows.finished_rows(blocks)),
            "calls": model_call_cells_by_key(blocks),
        }
        update["open"] = self._streaming_rows.rows()
        self._streaming_rows.mark_all_sent()
        self._sent_counts = (len(timeline.entries), len(timeline.entries[-1]["phases"]), len(timeline.pool.blocks))
        self._run_in_cell(self.set_trait, "update", update)

    # Requests of the page, which may arrive on any thread.

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        call_soon(self._handle_message, message if isinstance(message, dict) else {})

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        """Answer a request of the page; invalid messages are ignored."""
        blocks = self._timeline.pool.blocks
        match message:
            case {"request": "start"}:
                self._number += 1
                self._run_in_cell(self.set_trait, "start", self._full_state())
            case {"request": "rows", "from": int(start), "to": int(end)} if 0 <= start < end:
                self._run_in_cell(self.send, self._rows_between(start, min(end, start + MAX_PAGE_ROWS)))
            case {"request": "body", "place": int(place)} if 0 <= place < len(blocks):
                self._run_in_cell(self.send, {"place": place, "body": block_body(blocks[place])})
            case {"request": "format", "place": int(place), "format": str(name), "id": int(id)} if (
                0 <= place < len(blocks)
            ):
                self._run_in_cell(self.send, {"id": id, **_format_or_error(blocks[place], name)})


def _format_or_error(block: Block, format_name: str) -> dict[str, str]:
    """Return a message with the block in a format, or with the error that prevented it."""
    try:
        return {"text": format_block(block, format_name)}
    except Exception as error:  # the page displays any error and continues
        return {"error": visible(f"{type(error).__name__}: {error}")}
