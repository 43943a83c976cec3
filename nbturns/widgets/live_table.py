"""The part every live view shares: a table of blocks that grows, sent as it changes.

Two traits carry it. `start` is the whole table as it was when the page took it over;
`tail` is what changed since, one small update after another, numbered. A page that
missed one (it was reloaded, or was not ready yet) sees the gap and asks for `start`.
So a change costs what changed, whatever the length, and nothing is lost for good.
"""

from __future__ import annotations

import contextvars
from importlib.resources import files
from typing import Any

import anywidget
import traitlets

from ..chunks import Chunks
from ..host import call
from ..html import style
from ..rows import ICONS, Row, body_of, model_calls, row
from ..turns import Block, Turn
from .throttle import Throttle

SLOW = 2  # full tables a second, for a long one that no page has taken over yet
LONG = 300  # rows


def source(*names: str) -> str:
    """JavaScript files of ours as one module: the last one exports."""
    return "\n".join(files("nbturns").joinpath("static", name).read_text("utf-8") for name in names)


class LiveTable(anywidget.AnyWidget):
    """A table of blocks. Everything but `__init__` happens on the host's loop."""

    _css = style()
    start = traitlets.Dict().tag(sync=True)
    tail = traitlets.Dict().tag(sync=True)

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._open: list[Row] = []  # blocks on their way: their text so far is in `body`
        self._sent_blocks: Chunks[Block] = turn.blocks
        self._sent_open: list[int] = []
        self._number = 0
        self._taken = False  # a page has drawn this: from now on updates are enough
        self._context = contextvars.copy_context()  # output from the host's thread belongs to this cell
        self._draw = Throttle(self._tell)
        self._draw_all = Throttle(self._send_start, SLOW)
        super().__init__(start=self._whole())
        self.on_msg(self._hear_page)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self._turn)} blocks>"

    def _whole(self) -> dict[str, Any]:
        rows = [*map(row, self._turn.blocks), *self._open]
        return {"number": self._number, "rows": rows, "calls": model_calls(self._turn.blocks), "status": self._where()}

    def _where(self) -> dict[str, Any]:
        """What stands around the table; asked for when it is drawn, not with every event."""
        return {}

    def _changed(self) -> None:
        """Something is to be drawn: now, or in the next frame."""
        if not self._taken and len(self._turn) > LONG:
            self._draw_all()
        else:
            self._draw()

    def _tell(self) -> None:
        self._number += 1
        if self._taken:
            self._context.copy().run(self.set_trait, "tail", self._update())
        else:
            self._send_start()

    def _send_start(self) -> None:
        self._remember()
        self._context.copy().run(self.set_trait, "start", self._whole())

    def _update(self) -> dict[str, Any]:
        """What changed since the last one: rows from some row on, or only more text of open rows."""
        blocks = self._turn.blocks
        same = self._sent_blocks is blocks or (
            len(self._sent_blocks) == len(blocks) == self._sent_blocks.shared(blocks)
        )
        update: dict[str, Any] = {"number": self._number, "status": self._where()}
        if same and self._sent_open and len(self._sent_open) == len(self._open):
            lengths = zip(self._open, self._sent_open, strict=True)
            update["more"] = [
                [len(blocks) + i, o["body"][n:]] for i, (o, n) in enumerate(lengths) if len(o["body"]) > n
            ]
        elif not same or self._sent_open or self._open:
            start = self._sent_blocks.shared(blocks)
            fresh = list(blocks.since(start))
            update |= {"from": start, "rows": [*map(row, fresh), *self._open], "calls": model_calls(fresh)}
        self._remember()
        return update

    def _remember(self) -> None:
        self._sent_blocks = self._turn.blocks
        self._sent_open = [len(one["body"]) for one in self._open]

    # What the page says. A message may come on any thread.

    def _hear_page(self, _: Any, message: Any, __: Any) -> None:
        call(self._heard, message if isinstance(message, dict) else {})

    def _heard(self, message: dict[str, Any]) -> None:
        match message:
            case {"want": "start"}:
                self._taken = True
                self._number += 1
                self._send_start()
            case {"want": "body", "row": int(index)} if 0 <= index < len(self._turn):
                self._context.copy().run(self.send, {"row": index, "body": body_of(self._turn[index])})

    # Blocks on their way.

    def _add_text(self, index: int, kind: str, text: str, name: str) -> None:
        while len(self._open) <= index:
            self._open.append(
                {
                    "kind": kind,
                    "icon": ICONS.get(kind, ""),
                    "head": "",
                    "body": "",
                    "size": 0,
                    "fold": False,
                    "open": True,
                }
            )
        one = self._open[index]
        if name:
            one["name"] = name
        one["body"] += text
