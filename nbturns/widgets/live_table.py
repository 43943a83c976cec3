"""The shared base of live views of an execution: a table of blocks that grows.

Two traits transport it: `start` is the full table when a page attached, and `update` holds the changes since then,
one small update after another. Streamed text is sent as messages with nothing but text. All are numbered. A page
that misses one (because it was reloaded or not ready) notices the gap and requests `start` again. An update
therefore costs what changed, not what the table holds.
"""

from __future__ import annotations

from typing import Any, ClassVar

import anywidget
import traitlets

from ..render.block_rows import model_call_cells_by_key
from ..render.readable_values import ReadableTurns
from ..render.text import visible
from ..render.timeline import pool_row
from ..render.totals import count_phrase
from ..runtime.background_loop import call_soon
from ..safety.visible_text import printable
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn
from .block_formats import format_block
from .page_state import MarkdownState, PageState
from .static_fallback import StaticFallback
from .streaming_rows import StreamingRows
from .throttle import TEXT_FRAMES_PER_SECOND, Throttle

FULL_TABLES_PER_SECOND = 2  # for a long table while no page is attached
LONG_TABLE = 300  # rows
BATCH_SECONDS = 0.015  # changes within this time are sent as one message


class LiveTable(MarkdownState, PageState, StaticFallback, anywidget.AnyWidget):
    """A table of blocks. All methods except `__init__` run on the background event loop."""

    page_writes: ClassVar[frozenset[str]] = frozenset({"markdown"})
    start: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    update: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)

    def __init__(self, turn: Turn, *, markdown: bool = False) -> None:
        self._readable_turns = ReadableTurns()
        self._turn = turn
        self._streaming_rows = StreamingRows()
        self._sent_blocks: PersistentList[Block] = self._turn.blocks
        self._sent_status: dict[str, Any] = {}
        self._number = 0
        self._page_attached = False  # a page has the table, so updates suffice
        self._send_throttled = Throttle(self._send_changes, wait=BATCH_SECONDS)
        self._send_text_throttled = Throttle(self._send_changes, TEXT_FRAMES_PER_SECOND)
        self._send_start_throttled = Throttle(self._send_start, FULL_TABLES_PER_SECOND)
        self._init_static_fallback()
        super().__init__(start=self._full_table(), markdown=markdown)
        self.on_msg(self._on_page_message)

    @property
    def _turn(self) -> Turn:
        """The Turn in the table, without values that cannot be read."""
        return self._readable_turn

    @_turn.setter
    def _turn(self, turn: Turn) -> None:
        self._readable_turn = self._readable_turns.turn(turn)

    @printable
    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {count_phrase(len(self._turn), 'block')}>"

    def _full_table(self) -> dict[str, Any]:
        """Return the whole table with its status, as sent to a page that attaches."""
        rows = [*map(pool_row, self._turn.blocks), *self._streaming_rows.rows()]
        self._sent_status = self._status()
        return {
            "number": self._number,
            "rows": rows,
            "calls": model_call_cells_by_key(self._turn.blocks),
            "status": {**self._sent_status, **self._elapsed()},
        }

    def _status(self) -> dict[str, Any]:
        """Return the status that is displayed around the table. Called when the table is drawn, not for every event."""
        return {}

    def _elapsed(self) -> dict[str, Any]:
        """Return the part of the status that changes with time and is sent only together with other changes."""
        return {}

    def _schedule_send(self, *, text: bool = False) -> None:
        """Schedule an update of the page; `text` means that only streamed text was added."""
        if not self._page_attached and len(self._turn) > LONG_TABLE:
            self._send_start_throttled()
        elif text:
            self._send_text_throttled()
        else:
            self._send_throttled()

    def _send_changes(self) -> None:
        """Send what changed since the last message."""
        if not self._page_attached:
            self._number += 1
            self._send_start()
        elif self._blocks_were_sent() and self._streaming_rows.page_has_same_blocks:
            self._send_text()
            self._send_update({})
        else:
            start = self._sent_blocks.shared_length(self._turn.blocks)
            unsent_blocks = list(self._turn.blocks.since(start))
            only_added = start == len(self._sent_blocks)
            finished_rows = (
                self._streaming_rows.finished_rows(unsent_blocks) if only_added else map(pool_row, unsent_blocks)
            )
            rows = [*finished_rows, *self._streaming_rows.rows()]
            self._mark_all_sent()
            self._send_update({"from": start, "rows": rows, "calls": model_call_cells_by_key(unsent_blocks)})

    def _send_text(self) -> None:
        texts = [[len(self._turn) + position, text] for position, text in self._streaming_rows.take_unsent_texts()]
        if texts:
            self._number += 1
            self._run_in_cell(self.send, {"n": self._number, "t": texts})

    def _send_update(self, update: dict[str, Any]) -> None:
        """Send changed rows, and the status if it changed."""
        status = self._status()
        if status != self._sent_status:
            self._sent_status = status
            update["status"] = {**status, **self._elapsed()}
        if update:
            self._number += 1
            self._run_in_cell(self.set_trait, "update", {"number": self._number, **update})

    def _blocks_were_sent(self) -> bool:
        blocks, sent_blocks = self._turn.blocks, self._sent_blocks
        return sent_blocks is blocks or len(sent_blocks) == len(blocks) == sent_blocks.shared_length(blocks)

    def _send_start(self) -> None:
        start = self._full_table()
        self._mark_all_sent()
        self._run_in_cell(self.set_trait, "start", start)

    def _mark_all_sent(self) -> None:
        self._sent_blocks = self._turn.blocks
        self._streaming_rows.mark_all_sent()

    def _finish_streaming(self, turn: Turn) -> None:
        """Replace the streaming blocks with the Turn that now contains them."""
        self._streaming_rows.clear()
        self._turn = turn

    # Messages from the page, which may arrive on any thread.

    def _on_page_message(self, _: Any, message: Any, __: Any) -> None:
        call_soon(self._handle_message, message if isinstance(message, dict) else {})

    def _handle_message(self, message: dict[str, Any]) -> None:
        """Answer a request of the page; invalid messages are ignored."""
        match message:
            case {"request": "start"}:
                self._page_attached = True
                self._number += 1
                self._send_start()
            case {"request": "format", "row": int(index), "format": str(name), "id": int(id)} if (
                0 <= index < len(self._turn)
            ):
                self._run_in_cell(self.send, {"id": id, **format_or_error(self._turn[index], name)})


def format_or_error(block: Block, format_name: str) -> dict[str, str]:
    """Return a message with the block in a format, or with the error that prevented it."""
    try:
        return {"text": format_block(block, format_name)}
    except Exception as error:  # the page displays any error and continues
        return {"error": visible(f"{type(error).__name__}: {error}")}
