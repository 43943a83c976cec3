"""From lines of JSON to the frame of blocks, without a Block for each.

A Block costs as much as all cells of its row together. So `blocks` reads the records that
are plain, which nearly all are, straight into its lists; any other goes by way of values,
which decide what is right. Both give the same frame.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import LoadError
from ..importers import OURS, Sample, attempt, no_collections, openai_chat, own, recognised
from ..importers import Source as Text
from .block_frame import BlockMaker
from .direct_chat import ChatRecords
from .direct_ours import add_ours
from .passes import Pass
from .sources import File

AT_ONCE = 256  # records between two words on how far it is


def blocks_of_lines(pass_: Pass, file: File, seen: Callable[[int], object]) -> bool:
    """Read a file of JSON Lines into `blocks`, if nothing else is wanted and it is one; say whether."""
    maker = pass_.makers.get("blocks")
    if len(pass_.makers) != 1 or not isinstance(maker, BlockMaker) or not maker.is_plain:
        return False
    text = Text.of_file(file.path)
    try:
        format = _format(text.sample)
    except LoadError:  # said by those who read it by way of values
        return False
    if format not in READERS:
        return False
    _Records(pass_, maker, file, text, format).read(seen)
    return True


def _format(sample: Sample) -> str:
    """What lines are read as; "" for what are no lines, or each but a message of one conversation."""
    if not sample.lines or sample.container != "json" or "role" in sample.record:
        return ""
    found = recognised(sample)
    return found.name if found else ""


class _Records:
    def __init__(self, pass_: Pass, maker: BlockMaker, file: File, text: Text, format: str) -> None:
        self.pass_ = pass_
        self.maker = maker
        self.file = file
        self.text = text
        self.format = format
        self.chat = ChatRecords(file)
        self.place = 0

    def read(self, seen: Callable[[int], object]) -> None:
        size = self.file.size
        each = size // max(size // self._typical(), 1)
        with no_collections():
            for number, (position, value) in enumerate(self.text.values(), 1):
                self._noted()
                self._record(position, value)
                if number % AT_ONCE == 0:
                    size -= each * AT_ONCE
                    if size > 0:
                        seen(each * AT_ONCE)
        self._noted()

    def _typical(self) -> int:
        """The bytes of a line, as far as the first ones tell."""
        head = self.text.sample.head
        return max(len(head) // max(head.count(b"\n"), 1), 1)

    def _noted(self) -> None:
        for note in self.text.noted():
            self.pass_.failed(LoadError(note.what, file=note.file, position=note.position))

    def _record(self, position: str, value: Any) -> None:
        self.maker.mark()
        try:
            if self._plain(position, value):
                self.place += 1
                return
            self.maker.take_back()
            run = attempt(self.text, position, READERS[self.format], self.text, position, value)
        except BaseException:  # an interrupt too: half a conversation is none
            self.maker.take_back()
            raise
        if run is not None:
            self.pass_.read(self.file.source(run, self.place))
            self.place += 1

    def _plain(self, position: str, value: Any) -> bool:
        if type(value) is not dict:
            return False
        if self.format == OURS:
            return add_ours(self.maker.batch, value, self.file, self.place, self._claimed)
        return self.chat.add(self.maker.batch, value, position, self._claimed)

    def _claimed(self, id: str) -> str:
        return self.pass_.claims.claim(id, str(self.file.path), self.file.label, self.place)


def _chat(text: Text, position: str, value: Any) -> Any:
    return openai_chat.read_one(value, text.notes(openai_chat.FORMAT, position))


READERS: dict[str, Callable[[Text, str, Any], Any]] = {OURS: own.run_of, openai_chat.FORMAT: _chat}
