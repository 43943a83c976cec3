"""A Run or a Session in a cell: its Turns along a line, what each added, its phases, its blocks.

The page has each block once and the Turns as stretches of them, so it goes from Turn to Turn
and from phase to phase by itself. A Session's view grows while the session asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from ..chunks import PersistentList
from ..events import Delta, Ended, Event, InferenceFinished, InferenceStarted, Paused, Resumed, Snapshot
from ..execution import Execution
from ..host import call
from ..html import run_html
from ..modules import packed
from ..rows import body_of, model_calls
from ..session import EXECUTION_ID, Session
from ..text import shortened, visible
from ..timeline import Timeline, pool_row, report_entry
from ..turns import Block, Run, Turn
from .block_forms import form
from .still import Still
from .streams import Streams
from .throttle import TEXT_FRAMES, Throttle

FIRST_SIZE = 40_000  # characters of rows that go with the view; the page asks for the others
PAGE = 400  # rows of an answer


class RunView(Still, anywidget.AnyWidget):
    """The live view of a Run, or of a Session, which it follows.

    `turn` is the Turn that is shown (-1: the last, and the next when it comes), `phase` which
    of its phases (-1: the whole), `selected` the indices of selected blocks there. All three can
    be observed, set and linked. `shown` is the Turn as it is shown, `selection` the Turn of those blocks.
    """

    _esm = packed("run_view.js", "table.css", "block_table.css", "compare.css", "views.css")
    turn = traitlets.Int(-1, help="index of the Turn that is shown; -1 is the last").tag(sync=True)
    phase = traitlets.Int(-1, help="index of the phase that is shown; -1 is the whole Turn").tag(sync=True)
    selected = traitlets.List(traitlets.Int(), help="indices of the selected blocks, ascending").tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    tail = traitlets.Dict().tag(sync=True)

    def __init__(self, of: Run | Session, **settings: Any) -> None:
        self._of = of
        self._line = Timeline()
        self._marks: list[list[Snapshot] | None] = []
        self._number = 0
        self._doing = ""
        self._running: Execution | None = None
        self._streams = Streams()  # what the model is saying, behind the blocks of the last Turn
        self._only_text = True  # nothing else came since the last time
        self._sent = (0, 0, 0)  # Turns, phases of the last, blocks that went to the page
        self._draw = Throttle(self._tell, TEXT_FRAMES)
        for index, turn in enumerate(of.turns):
            self._put(index, turn, self._marks_of(turn))
        self._begin_still()
        super().__init__(start=self._whole(), **settings)
        self.on_msg(self._hear_page)
        if isinstance(of, Session):
            call(self._follow, of)

    def __repr__(self) -> str:
        return f"<RunView of {self._of!r}>"

    def _repr_html_(self) -> str:
        return run_html(self._run)

    def _still(self) -> dict[str, str]:
        return {"text/plain": repr(self._of), "text/html": self._repr_html_()}

    @property
    def _run(self) -> Run:
        return self._of if isinstance(self._of, Run) else self._of.run

    @property
    def shown(self) -> Turn:
        """The Turn that is shown, as it was at the phase that is shown."""
        turns = self._line.turns
        if not turns:
            return Turn()
        index = range(len(turns))[max(-len(turns), min(self.turn, len(turns) - 1))]
        entry = self._line.entries[index]
        if not 0 <= self.phase < len(entry["phases"]):
            return turns[index]
        at = entry["phases"][self.phase]
        blocks = [
            self._line.pool.blocks[place] for a, b in at.get("stretches", entry["stretches"]) for place in range(a, b)
        ]
        return turns[index]._with(blocks=PersistentList(blocks[: at["blocks"]]))

    @property
    def selection(self) -> Turn:
        """The selected blocks as a Turn; its metadata and data are those of the whole."""
        shown = self.shown
        return shown._with(blocks=PersistentList(shown[i] for i in self.selected if i < len(shown)))

    # What a session does, on the host's loop.

    def _follow(self, session: Session) -> None:
        """Take it as it stands, and listen from there."""
        for execution in session.executions[-1:]:
            if not execution.done:
                self._begun(execution)
        session.watch(lambda execution: call(self._begun, execution))

    def _begun(self, execution: Execution) -> None:
        if self._running is execution:
            return
        self._running = execution
        index = next(
            (n for n, turn in enumerate(self._line.turns) if turn.metadata.get(EXECUTION_ID) == execution.id),
            len(self._line.turns),
        )
        marks: list[Snapshot] = []

        def hear(event: Event) -> None:
            match event:
                case Delta():
                    self._streams.add(event)
                    self._draw()
                    return
                case Snapshot():
                    marks.append(event)
                    self._streams.all_came()
                case InferenceStarted():
                    self._doing = "the model is answering"
                case InferenceFinished():
                    self._streams.finished(event)
                    self._doing = ""
                case Resumed():
                    self._doing = ""
                case Paused(pause=pause):
                    self._doing = f"paused at {pause.phase}"
                case Ended():
                    self._streams.all_came()
                    self._doing = ""
                case _:
                    return
            self._only_text = False
            if isinstance(event, Ended):
                self._put(index, event.turn, marks)
            else:
                self._put(index, execution.turn, marks, execution.status)
            self._draw()

        execution.listen(hear)

    def _put(self, index: int, turn: Turn, marks: list[Snapshot] | None, state: str = "") -> None:
        self._line.put(index, turn, marks, state)

    def _marks_of(self, turn: Turn) -> list[Snapshot] | None:
        """The snapshots of the execution a Turn came of, where the session still has it."""
        if not isinstance(self._of, Session):
            return None
        id = turn.metadata.get(EXECUTION_ID)
        return next((one.snapshots for one in self._of.executions if one.id == id and one.done), None)

    # What the page gets unasked.

    def _whole(self) -> dict[str, Any]:
        line = self._line
        name = self._run.name
        self._sent = (len(line.entries), len(line.entries[-1]["phases"]) if line.entries else 0, len(line.pool.blocks))
        self._streams.remember()
        return {
            "number": self._number,
            "name": f"Run {shortened(name, 80)}" if name else type(self._of).__name__,
            "report": report_entry(self._run),
            "turns": line.entries,
            "open": self._streams.rows(),
            **self._sums(),
            **self._rows(max(0, self._first_row()), len(line.pool.blocks), FIRST_SIZE),
        }

    def _first_row(self) -> int:
        """Where in the pool what is new in the last Turn begins: that is looked at first."""
        entries = self._line.entries
        fresh = entries[-1]["fresh"] if entries else []
        return len(self._line.pool.blocks) - (sum(b - a for a, b in fresh) if fresh else 0) - 20

    def _sums(self) -> dict[str, Any]:
        return {"head": self._line.head, "doing": self._doing, "length": len(self._line.pool.blocks)}

    def _rows(self, start: int, end: int, size: int | None = None) -> dict[str, Any]:
        blocks = self._line.pool.blocks[start:end]
        rows: list[dict[str, Any]] = []
        for block in blocks:
            rows.append(pool_row(block))
            if size is not None and (size := size - len(str(rows[-1]))) < 0:
                break
        return {"at": start, "rows": rows, "calls": model_calls(blocks[: len(rows)])}

    def _tell(self) -> None:
        if self._only_text and self._streams.known:
            self._tell_text()
        else:
            self._tell_more()
        self._only_text = True

    def _tell_text(self) -> None:
        if news := self._streams.news():
            self._number += 1
            self._shown_here(self.send, {"n": self._number, "t": news})

    def _tell_more(self) -> None:
        """What is new since the last time: entries from some Turn on, blocks, and those on their way."""
        line = self._line
        turns, phases, known = self._sent
        start = max(0, min(turns, len(line.entries)) - 1)
        self._number += 1
        fresh = [dict(entry) for entry in line.entries[start:]]
        update: dict[str, Any] = {"number": self._number, "from": start, "turns": fresh, **self._sums()}
        if turns and fresh and len(fresh[0]["phases"]) > phases:
            update["phases_from"] = phases
            fresh[0]["phases"] = fresh[0]["phases"][phases:]
        blocks = line.pool.blocks[known:]
        update |= {"at": known, "rows": list(self._streams.completed(blocks)), "calls": model_calls(blocks)}
        update["open"] = self._streams.rows()
        self._streams.remember()
        self._sent = (len(line.entries), len(line.entries[-1]["phases"]), len(line.pool.blocks))
        self._shown_here(self.set_trait, "tail", update)

    # What the page asks. A message may come on any thread.

    def _hear_page(self, _: Any, message: Any, __: Any) -> None:
        call(self._heard, message if isinstance(message, dict) else {})

    def _heard(self, message: Mapping[str, Any]) -> None:
        blocks = self._line.pool.blocks
        match message:
            case {"want": "start"}:
                self._number += 1
                self._shown_here(self.set_trait, "start", self._whole())
            case {"want": "rows", "from": int(start), "to": int(end)} if 0 <= start < end:
                self._shown_here(self.send, self._rows(start, min(end, start + PAGE)))
            case {"want": "body", "place": int(place)} if 0 <= place < len(blocks):
                self._shown_here(self.send, {"place": place, "body": body_of(blocks[place])})
            case {"want": "form", "place": int(place), "form": str(name), "id": int(id)} if 0 <= place < len(blocks):
                self._shown_here(self.send, {"id": id, **_form(blocks[place], name)})


def _form(block: Block, name: str) -> dict[str, str]:
    try:
        return {"text": form(block, name)}
    except Exception as error:  # whatever it is, the page says it and goes on
        return {"error": visible(f"{type(error).__name__}: {error}")}
