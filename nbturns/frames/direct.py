"""From lines of JSON and from Inspect logs to the frame of blocks, without a Block for each.

A Block costs as much as all cells of its row together. So `blocks` reads the records that
are plain, which nearly all are, straight into its lists; any other goes by way of values,
which decide what is right. Both give the same frame.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import LoadError
from ..importers import OURS, Notes, Sample, detect_importer, inspect_log, openai_chat, own, pause_gc, try_read
from ..importers import Source as Text
from ..turns import Run
from .block_frame import BlockMaker
from .direct_chat import ChatRecords
from .direct_inspect import add_sample
from .direct_ours import add_ours
from .passes import Pass
from .sources import File

AT_ONCE = 256  # records between two words on how far it is


def blocks_alone(pass_: Pass, file: File, seen: Callable[[int], object]) -> bool:
    """Read a file of JSON Lines or an Inspect log into `blocks`, if nothing else is wanted and it is one; say whether."""
    maker = pass_.makers.get("blocks")
    if len(pass_.makers) != 1 or not isinstance(maker, BlockMaker) or not maker.is_plain:
        return False
    text = Text.of_file(file.path)
    try:
        format = _format(text.sample)
    except LoadError:  # said by those who read it by way of values
        return False
    if format == inspect_log.FORMAT:
        _Samples(pass_, maker, file, text).read()
    elif format in READERS:
        _Records(pass_, maker, file, text, format).read(seen)
    else:
        return False
    return True


def _format(sample: Sample) -> str:
    """What lines are read as, or a log; "" for other documents, and for lines that are each but a message."""
    if not sample.lines and inspect_log.score(sample):
        found = detect_importer(sample)
        return found.name if found else ""
    if not sample.lines or sample.container != "json" or "role" in sample.record:
        return ""
    found = detect_importer(sample)
    return found.name if found else ""


class _Conversations:
    """Those of one file, one after the other: each whole in the frame, or not at all."""

    def __init__(self, pass_: Pass, maker: BlockMaker, file: File, text: Text) -> None:
        self.pass_ = pass_
        self.maker = maker
        self.file = file
        self.path = str(file.path)
        self.text = text
        self.place = 0

    def noted(self) -> None:
        for note in self.text.take_problems() if self.text.problems else ():
            self.pass_.failed(LoadError(note.what, file=note.file, position=note.position))

    def one(self, plain: Callable[[], bool], by_values: Callable[[], Run | None]) -> None:
        """Add one straight where that is `plain`, else by way of its values."""
        self.maker.mark()
        try:
            if plain():
                self.place += 1
                return
            self.maker.take_back()
            run = by_values()
        except BaseException:  # an interrupt too: half a conversation is none
            self.maker.take_back()
            raise
        if run is not None:
            self.pass_.read(self.file.source(run, self.place))
            self.place += 1

    def claimed(self, id: str) -> str:
        return self.pass_.claims.claim(id, self.path, self.file.label, self.place)


class _Samples(_Conversations):
    def read(self) -> None:
        with pause_gc():
            for where, given, log in inspect_log.samples(self.text):
                self.noted()
                notes = self.text.notes(inspect_log.FORMAT, where)
                self.one(partial(self._plain, given, log, notes), partial(self._by_values, where, given, log))
        self.noted()

    def _plain(self, given: inspect_log.SampleLoader, log: Any, notes: Notes) -> bool:
        try:
            return add_sample(self.maker.batch, given(notes), log, notes, self.file, self.claimed)
        except Exception:  # of another shape, or no JSON: those who read it by way of values say what is wrong
            return False

    def _by_values(self, where: str, given: inspect_log.SampleLoader, log: Any) -> Run | None:
        notes = self.text.notes(inspect_log.FORMAT, where)
        return next(try_read(self.text, where, inspect_log.read_one, given, log, notes), None)


class _Records(_Conversations):
    def __init__(self, pass_: Pass, maker: BlockMaker, file: File, text: Text, format: str) -> None:
        super().__init__(pass_, maker, file, text)
        self.format = format
        self.chat = ChatRecords(file)

    def read(self, seen: Callable[[int], object]) -> None:
        size = self.file.size
        each = size // max(size // self._typical(), 1)
        with pause_gc():
            for number, (position, value) in enumerate(self.text.values(), 1):
                self.noted()
                self.one(partial(self._plain, position, value), partial(self._by_values, position, value))
                if number % AT_ONCE == 0:
                    size -= each * AT_ONCE
                    if size > 0:
                        seen(each * AT_ONCE)
        self.noted()

    def _typical(self) -> int:
        """The bytes of a line, as far as the first ones tell."""
        head = self.text.sample.head
        return max(len(head) // max(head.count(b"\n"), 1), 1)

    def _by_values(self, position: str, value: Any) -> Run | None:
        return next(try_read(self.text, position, READERS[self.format], self.text, position, value), None)

    def _plain(self, position: str, value: Any) -> bool:
        if type(value) is not dict:
            return False
        if self.format == OURS:
            return add_ours(self.maker.batch, value, self.file, self.place, self.claimed)
        return self.chat.add(self.maker.batch, value, position, self.claimed)


def _chat(text: Text, position: str, value: Any) -> Any:
    return openai_chat.read_one(value, text.notes(openai_chat.FORMAT, position))


READERS: dict[str, Callable[[Text, str, Any], Any]] = {OURS: own.run_of, openai_chat.FORMAT: _chat}
