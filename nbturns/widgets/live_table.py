"""The part every live view of an execution shares: a table of blocks that grows, sent as it changes.

Two traits carry it. `start` is the whole table as it was when the page took it over;
`tail` is what changed since, one small update after another; text on its way goes as messages
of nothing but that text. All are numbered: a page that missed one (it was reloaded, or was not
ready yet) sees the gap and asks for `start`. So a change costs what changed, whatever the length,
and nothing is lost for good.
"""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from ..chunks import PersistentList
from ..host import call
from ..rows import model_calls
from ..text import visible
from ..timeline import pool_row
from ..turns import Block, Turn
from .block_forms import form
from .still import Still
from .streams import Streams
from .throttle import TEXT_FRAMES, Throttle

SLOW = 2  # full tables a second, for a long one that no page has taken over yet
LONG = 300  # rows
SOON = 0.015  # seconds that a change waits for those that come with it: they are one message


class LiveTable(Still, anywidget.AnyWidget):
    """A table of blocks. Everything but `__init__` happens on the host's loop."""

    start = traitlets.Dict().tag(sync=True)
    tail = traitlets.Dict().tag(sync=True)

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._streams = Streams()
        self._sent_blocks: PersistentList[Block] = turn.blocks
        self._sent_status: dict[str, Any] = {}
        self._number = 0
        self._taken = False  # a page has drawn this: from now on updates are enough
        self._draw = Throttle(self._tell, wait=SOON)
        self._draw_text = Throttle(self._tell, TEXT_FRAMES)
        self._draw_all = Throttle(self._send_start, SLOW)
        self._begin_still()
        super().__init__(start=self._whole())
        self.on_msg(self._hear_page)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._turn)} blocks>"

    def _whole(self) -> dict[str, Any]:
        rows = [*map(pool_row, self._turn.blocks), *self._streams.rows()]
        self._sent_status = self._where()
        return {
            "number": self._number,
            "rows": rows,
            "calls": model_calls(self._turn.blocks),
            "status": {**self._sent_status, **self._clock()},
        }

    def _where(self) -> dict[str, Any]:
        """What stands around the table; asked for when it is drawn, not with every event."""
        return {}

    def _clock(self) -> dict[str, Any]:
        """What changes by itself, and goes along when something else does."""
        return {}

    def _changed(self, *, text: bool = False) -> None:
        """Something is to be drawn, or nothing but more `text`: now, or in the next frame."""
        if not self._taken and len(self._turn) > LONG:
            self._draw_all()
        elif text:
            self._draw_text()
        else:
            self._draw()

    def _tell(self) -> None:
        if not self._taken:
            self._number += 1
            self._send_start()
        elif self._same_blocks() and self._streams.known:
            self._tell_text()
            self._tell_more({})
        else:
            start = self._sent_blocks.shared(self._turn.blocks)
            fresh = list(self._turn.blocks.since(start))
            added = start == len(self._sent_blocks)
            done = self._streams.completed(fresh) if added else map(pool_row, fresh)
            rows = [*done, *self._streams.rows()]
            self._remember()
            self._tell_more({"from": start, "rows": rows, "calls": model_calls(fresh)})

    def _tell_text(self) -> None:
        news = [[len(self._turn) + number, text] for number, text in self._streams.news()]
        if news:
            self._number += 1
            self._shown_here(self.send, {"n": self._number, "t": news})

    def _tell_more(self, update: dict[str, Any]) -> None:
        """Tell of changed rows, and where it stands if that changed, too."""
        status = self._where()
        if status != self._sent_status:
            self._sent_status = status
            update["status"] = {**status, **self._clock()}
        if update:
            self._number += 1
            self._shown_here(self.set_trait, "tail", {"number": self._number, **update})

    def _same_blocks(self) -> bool:
        blocks, sent = self._turn.blocks, self._sent_blocks
        return sent is blocks or len(sent) == len(blocks) == sent.shared(blocks)

    def _send_start(self) -> None:
        start = self._whole()
        self._remember()
        self._shown_here(self.set_trait, "start", start)

    def _remember(self) -> None:
        self._sent_blocks = self._turn.blocks
        self._streams.remember()

    def _all_came(self, turn: Turn) -> None:
        """The blocks on their way are complete: they are in `turn` now, or nowhere."""
        self._streams.all_came()
        self._turn = turn

    # What the page says. A message may come on any thread.

    def _hear_page(self, _: Any, message: Any, __: Any) -> None:
        call(self._heard, message if isinstance(message, dict) else {})

    def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"want": "start"}:
                self._taken = True
                self._number += 1
                self._send_start()
            case {"want": "form", "row": int(index), "form": str(name), "id": int(id)} if 0 <= index < len(self._turn):
                self._shown_here(self.send, {"id": id, **answered(self._turn[index], name)})


def answered(block: Block, name: str) -> dict[str, str]:
    """A block in a form, or why not."""
    try:
        return {"text": form(block, name)}
    except Exception as error:  # whatever it is, the page says it and goes on
        return {"error": visible(f"{type(error).__name__}: {error}")}
