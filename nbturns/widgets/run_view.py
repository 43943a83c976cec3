"""The live view of a Run or a Session: a timeline of its Turns with their phases and blocks.

The page has each block once, and Turns as ranges of blocks, so it can switch between Turns and phases without the
kernel. The view of a Session grows with the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import anywidget
import traitlets

from ..errors import MisuseError
from ..events import Delta, Ended, Event, InferenceFinished, InferenceStarted, Paused, Resumed, Snapshot
from ..render.block_rows import block_body, model_call_cells_by_key
from ..render.es_modules import ViewModule
from ..render.html import run_html
from ..render.output_page import page_data
from ..render.readable_values import ReadableTurns
from ..render.run_heading import heading_entry
from ..render.text import conversation_outline, shorten, visible
from ..render.timeline import Timeline, pool_row, report_entry
from ..runtime.background_loop import call_soon
from ..runtime.execution import Execution
from ..runtime.snapshot_list import PHASE_WORDS
from ..safety.visible_text import printable
from ..session import EXECUTION_ID, Session
from ..values.label_values import labels_of
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run, Turn
from .child_runs import ChildRuns
from .labelling import LabelsArgument, added_label, labels_for_view
from .page_state import MarkdownState, PageState
from .row_payloads import with_blocks_of
from .run_answers import context_answer, format_or_error, initial_problems, problems_answer
from .static_fallback import StaticFallback
from .stepper import retrying_session
from .streaming_rows import StreamingRows
from .throttle import TEXT_FRAMES_PER_SECOND, Throttle

INITIAL_SIZE = 40_000  # characters of rows sent with the view; the page requests the others
MAX_PAGE_ROWS = 400  # rows of an answer


class RunView(MarkdownState, PageState, StaticFallback, anywidget.AnyWidget):
    """The live view of a Run, or of a Session, which it follows.

    `turn` is the index of the displayed Turn (0 for a Run, -1 for a session: always the last), `phase` the index of its displayed phase (-1: the
    whole Turn), and `selected` the indices of selected blocks. All three can be observed, set and linked.
    `displayed_turn` is the Turn at that phase, and `selection` a Turn of the selected blocks. With `labels` (of
    `nt.labels(path)`) the view of a Run shows these, and the key `l` adds one to a block. `failed` is the rule for results
    that look failed, as in `nt.problems`. Of `runs`, those that a call started unfold below it.
    """

    page_writes: ClassVar[frozenset[str]] = frozenset({"turn", "phase", "selected", "markdown"})
    _esm = ViewModule("run_view.js", "table.css", "block_table.css", "compare.css", "views.css", "calls_lane.css")
    turn: traitlets.Int[int, int] = traitlets.Int(-1, help="index of the displayed Turn; -1 is the last").tag(sync=True)
    phase: traitlets.Int[int, int] = traitlets.Int(-1, help="index of the phase; -1 is the whole Turn").tag(sync=True)
    selected: traitlets.List[int] = traitlets.List(
        traitlets.Int(), help="indices of the selected blocks, ascending"
    ).tag(sync=True)
    start: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    update: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        source: Run | Session,
        *,
        labels: LabelsArgument = None,
        failed: Any = None,
        runs: Iterable[Run] = (),
        **settings: Any,
    ) -> None:
        self._children = ChildRuns(runs)
        self._failed = failed  # the rule for results that look failed
        self._labels = labels_for_view(labels) if labels is not None else None
        if self._labels is not None:
            if not isinstance(source, Run):
                raise MisuseError("labels= needs a Run, such as session.run")
            source = self._labels.apply(source)
        self._source = source
        self._timeline, self._readable = Timeline(), ReadableTurns()
        self._number = 0
        self._activity = self._state = ""
        self._followed_execution: Execution | None = None
        self._unfollow: Callable[[], object] = lambda: None
        self._streaming_rows = StreamingRows()  # follow the blocks of the last Turn
        self._only_text_changed = True  # since the last update
        self._sent_counts = (0, 0, 0, 0)  # Turns, phases and model calls of the last Turn, blocks
        self._send_throttled = Throttle(self._send_changes, TEXT_FRAMES_PER_SECOND)
        for index, turn in enumerate(source.turns):
            self._update_turn(index, turn, self._snapshots_of(turn))
        self._init_static_fallback()
        settings.setdefault("turn", 0 if isinstance(source, Run) else -1)
        super().__init__(start=self._full_state(settings["turn"]), **settings)
        self.on_msg(self._on_page_message)
        if isinstance(source, Session):
            call_soon(self._follow, source)

    @printable
    def __repr__(self) -> str:
        return f"<RunView of {self._source!r}>"

    def _repr_html_(self) -> str:
        return run_html(self._run, markdown=self.markdown)

    def _static_bundle(self) -> dict[str, str]:
        return {"text/plain": self._plain_text(), "text/html": self._repr_html_()}

    def _plain_text(self) -> str:
        return conversation_outline(self._run)

    def _page_data(self) -> Mapping[str, Any] | None:
        return page_data(self._run, markdown=self.markdown)

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
        return displayed_turn.part(PersistentList(displayed_turn[i] for i in self.selected if i < len(displayed_turn)))

    # Events of a session, on the background event loop.

    def _follow(self, session: Session) -> None:
        """Show the current state of the session and subscribe to its executions."""
        if self._is_closed:
            return
        for execution in session.executions[-1:]:
            if not execution.done:
                self._on_execution_start(execution)

        def watcher(execution: Execution) -> None:
            call_soon(self._on_execution_start, execution)

        session.watch(watcher)
        self._until_closed(lambda: session.unwatch(watcher))
        self._until_closed(lambda: self._unfollow())  # noqa: PLW0108  # of the execution at that time

    def _on_execution_start(self, execution: Execution) -> None:
        """Follow an execution of the session, from its first event."""
        if self._followed_execution is execution or self._is_closed:
            return
        self._followed_execution = execution
        self._unfollow()
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
                    snapshots.append(self._readable_snapshot(event))
                    self._streaming_rows.clear()
                case InferenceStarted():
                    self._activity = "the model is answering"
                case InferenceFinished():
                    self._streaming_rows.inference_finished(event)
                    self._activity = ""
                case Resumed():
                    self._activity = ""
                case Paused(pause=pause):
                    self._activity = f"paused {PHASE_WORDS[pause.phase]}"
                case Ended():
                    self._streaming_rows.clear()
                    self._activity = ""
                case _:
                    return
            self._only_text_changed = False
            if isinstance(event, Ended):
                self._update_turn(index, event.turn, snapshots)
                self._refresh_page()
            else:
                self._update_turn(index, execution.turn, snapshots, execution.status)
            self._send_throttled()

        execution.listen(on_event)
        self._unfollow = lambda: execution.unlisten(on_event)

    def show_run(self, run: Run, *, open_blocks: Sequence[Block] = (), state: str = "", activity: str = "") -> None:
        """Show a longer or changed version of the Run, for example of a file that another program writes.

        `open_blocks` are incomplete blocks after the last one, `state` and `activity` those of the last Turn. Unchanged
        blocks are kept, so that what is selected and unfolded stays so. May be called on any thread.
        """
        call_soon(self._show_run, run, open_blocks, state, activity)

    def _show_run(self, run: Run, open_blocks: Sequence[Block], state: str, activity: str) -> None:
        shown_turns = self._timeline.turns
        new_turns = [
            with_blocks_of(
                turn, shown_turns[index] if index < len(shown_turns) else shown_turns[-1] if shown_turns else Turn()
            )
            for index, turn in enumerate(run.turns)
        ]
        is_other_status = (self._state, self._activity) != (state, activity)
        changed_turns = [
            (index, turn)
            for index, turn in enumerate(new_turns)
            if index >= len(shown_turns)
            or turn != shown_turns[index]
            or (is_other_status and index == len(new_turns) - 1)
        ]
        self._streaming_rows.show(open_blocks)
        if not changed_turns:
            if self._streaming_rows.has_changed:
                self._send_throttled()
            return
        self._source, self._state, self._activity = run, state, activity
        self._only_text_changed = False
        for index, turn in changed_turns:
            self._update_turn(index, turn, None, state if index == len(new_turns) - 1 else "")
            self._send_throttled.now()  # an update has the Turns from the last one that the page has

    def _update_turn(self, index: int, turn: Turn, snapshots: list[Snapshot] | None, state: str = "") -> None:
        self._timeline.put(index, self._readable.turn(turn), snapshots, state)

    def _readable_snapshot(self, snapshot: Snapshot) -> Snapshot:
        turn = self._readable.turn(snapshot.turn)
        return snapshot if turn is snapshot.turn else replace(snapshot, turn=turn)

    def _snapshots_of(self, turn: Turn) -> list[Snapshot] | None:
        """Return the snapshots of the execution that produced a Turn, if the session still has them."""
        if not isinstance(self._source, Session):
            return None
        execution_id = turn.metadata.get(EXECUTION_ID)
        return next(
            (
                [*map(self._readable_snapshot, execution.snapshots)]
                for execution in self._source.executions
                if execution.id == execution_id and execution.done
            ),
            None,
        )

    # Sent without a request.

    def _full_state(self, displayed_turn: int = 0) -> dict[str, Any]:
        """Return the state that is sent to a page that attaches; the rows that it shows come first."""
        timeline = self._timeline
        self._sent_counts = self._current_counts()
        self._streaming_rows.mark_all_sent()
        return {
            "number": self._number,
            **initial_problems(self._run, self._failed),
            "labels": [visible(shorten(label.label, 40)) for label in labels_of(self._run)],
            "can_label": self._labels is not None,
            "children": self._children.entries(self._run),
            "can_retry": isinstance(self._source, Session),
            "turns": timeline.entries,
            "open": self._streaming_rows.rows(),
            **self._totals(),
            **self._rows_between(self._first_row_to_send(displayed_turn), len(timeline.pool.blocks), INITIAL_SIZE),
        }

    def _current_counts(self) -> tuple[int, int, int, int]:
        entries = self._timeline.entries
        last_counts = (len(entries[-1]["phases"]), len(entries[-1]["lane"])) if entries else (0, 0)
        return len(entries), *last_counts, len(self._timeline.pool.blocks)

    def _first_row_to_send(self, displayed_turn: int) -> int:
        """Return the place of the first new block of the displayed Turn, minus some context; readers look there first."""
        entries = self._timeline.entries
        if not entries or displayed_turn == 0:
            return 0
        entry = entries[range(len(entries))[max(-len(entries), min(displayed_turn, len(entries) - 1))]]
        new_count: int = sum(end - start for start, end in entry["fresh"])
        return max(0, max((end for _, end in entry["stretches"]), default=0) - new_count - 20)

    def _totals(self) -> dict[str, Any]:
        timeline = self._timeline
        counts = {"head": timeline.head, "activity": self._activity, "length": len(timeline.pool.blocks)}
        run = self._run
        return {**counts, **heading_entry(run, type(self._source).__name__), "report": report_entry(run)}

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
        sent_turns, sent_phases, sent_calls, sent_blocks = self._sent_counts
        start = max(0, min(sent_turns, len(timeline.entries)) - 1)
        self._number += 1
        entries = [dict(entry) for entry in timeline.entries[start:]]
        update: dict[str, Any] = {"number": self._number, "from": start, "turns": entries, **self._totals()}
        if sent_turns and entries and len(entries[0]["phases"]) > sent_phases:
            update["phases_from"] = sent_phases
            entries[0]["phases"] = entries[0]["phases"][sent_phases:]
        if sent_turns and entries and len(entries[0]["lane"]) >= sent_calls > 1:
            update["calls_from"] = sent_calls - 1  # the last one may have got its figures
            entries[0]["lane"] = entries[0]["lane"][sent_calls - 1 :]
        blocks = timeline.pool.blocks[sent_blocks:]
        update |= {
            "at": sent_blocks,
            "rows": list(self._streaming_rows.finished_rows(blocks)),
            "calls": model_call_cells_by_key(blocks),
        }
        update["open"] = self._streaming_rows.rows()
        self._streaming_rows.mark_all_sent()
        self._sent_counts = self._current_counts()
        self._run_in_cell(self.set_trait, "update", update)

    # Requests of the page, which may arrive on any thread.

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        call_soon(self._handle_message, message if isinstance(message, dict) else {})

    def _handle_message(self, message: Mapping[str, Any]) -> None:
        """Answer a request of the page; invalid messages are ignored."""
        blocks = self._children.blocks(message["child"]) if "child" in message else self._timeline.pool.blocks
        match message:
            case {"request": "child", "child": str(child_id), "id": int(id)}:
                self._run_in_cell(self.send, {"id": id, **self._children.answer(child_id)})
            case {"request": "start"}:
                self._number += 1
                self._run_in_cell(self.set_trait, "start", self._full_state(self.turn))
            case {"press": "retry"} if isinstance(self._source, Session):
                if (session := retrying_session(self._source, self._source.execution)) is not None:
                    session.retry()
            case {"request": "rows", "from": int(start), "to": int(end)} if 0 <= start < end:
                self._run_in_cell(self.send, self._rows_between(start, min(end, start + MAX_PAGE_ROWS)))
            case {"request": "problems", "id": int(id)}:
                answer = problems_answer(self._run, self._failed, message.get("rules"))
                self._run_in_cell(self.send, {"id": id, **answer})
            case {"request": "context", "turn": int(turn), "first": int(first), "id": int(id)}:
                self._run_in_cell(self.send, {"id": id, **context_answer(self._run, turn, first)})
            case {"request": "body", "place": int(place)} if 0 <= place < len(blocks):
                self._run_in_cell(self.send, {"place": place, "body": block_body(blocks[place])})
            case {"request": "label", "place": int(place), "label": str(label), "id": int(id)} if (
                0 <= place < len(blocks)
            ):
                self._run_in_cell(self.send, {"id": id, **self._add_label(blocks[place], label)})
            case {"request": "format", "place": int(place), "format": str(name), "id": int(id)} if (
                0 <= place < len(blocks)
            ):
                self._run_in_cell(self.send, {"id": id, **format_or_error(blocks[place], name)})

    def _add_label(self, block: Block, label: str) -> dict[str, str]:
        """Add a label to the file and show it; the answer has an error if that failed."""
        if self._labels is None or not isinstance(self._source, Run):
            return {"error": "this view has no labels; open it with nt.view(run, labels=nt.labels(path))"}
        answer = added_label(self._labels, block, label, self._source)
        earlier_blocks = self._timeline.pool.blocks
        self._source, self._timeline = self._labels.apply(self._source), Timeline()
        for index, turn in enumerate(self._source.turns):
            self._update_turn(index, turn, None)
        for place, (earlier, new) in enumerate(zip(earlier_blocks, self._timeline.pool.blocks, strict=False)):
            if earlier is not new:
                self._run_in_cell(self.send, self._rows_between(place, place + 1))
        return answer
