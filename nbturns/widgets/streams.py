"""Blocks on their way: what has been said of them so far, and how much of that a page knows.

A text goes to a page once, piece by piece. When its block is complete, the page is told to keep what it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from ..events import Delta, InferenceFinished
from ..rows import body_of
from ..text import visible
from ..timeline import pool_row
from ..turns import Block


class Streamed:
    """A block on its way: its text so far, of which `fresh` has not gone to the page."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self.gone: list[str] = []
        self.fresh: list[str] = []

    @property
    def text(self) -> str:
        return visible("".join((*self.gone, *self.fresh)))

    def row(self) -> dict[str, Any]:
        made: dict[str, Any] = {"kind": visible(self.kind), "body": self.text, "size": 0, "open": True}
        return {**made, "name": visible(self.name), "head": visible(self.name)} if self.name else made

    def news(self) -> str:
        """What came since the last time it was asked."""
        news = "".join(self.fresh)
        if not news:
            return ""
        last = self.gone[-1][-1] if self.gone else ""
        before = last if visible(last) == last else ""  # by what stands before it, a joiner is seen or written out
        self.gone.append(news)
        self.fresh.clear()
        return visible(before + news)[len(before) :]


class Streams:
    """The blocks on their way of one execution, in the order in which they began."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], Streamed] = {}
        self._on_page: list[Streamed] = []

    def add(self, delta: Delta) -> None:
        key = (delta.inference_id, delta.index)
        one = self._open.get(key)
        if one is None:
            one = self._open[key] = Streamed(delta.kind, delta.name)
        one.fresh.append(delta.text)

    def finished(self, event: InferenceFinished) -> None:
        """Of a call that failed nothing stays; the blocks of another come with the next snapshot."""
        if event.result.finish_class == "error":
            self._open = {key: one for key, one in self._open.items() if key[0] != event.result.inference_id}

    def all_came(self) -> None:
        """The blocks on their way are complete: they are in the Turn now, or nowhere."""
        self._open = {}

    @property
    def known(self) -> bool:
        """Whether the page has a row for each, and for no other."""
        return self._on_page == list(self._open.values())

    def rows(self) -> list[dict[str, Any]]:
        return [one.row() for one in self._open.values()]

    def news(self) -> list[tuple[int, str]]:
        """What the page has not: the number of a block on its way, and its text since the last time."""
        return [(number, text) for number, one in enumerate(self._open.values()) if (text := one.news())]

    def completed(self, blocks: Sequence[Block]) -> Iterator[dict[str, Any]]:
        """Rows of blocks that came instead of those on the page; of the same text only what is missing there."""
        on_page: Iterable[Streamed] = self._on_page[: len(blocks)]
        for block, streamed in zip_longest(blocks, on_page):
            made = pool_row(block)
            if streamed is not None and streamed.kind == block.kind and body_of(block) == streamed.text:
                made.pop("cut", None)
                del made["body"]
                made["kept"] = streamed.news()
            yield made

    def remember(self) -> None:
        """The page has all there is now."""
        self._on_page = list(self._open.values())
        for one in self._on_page:
            one.news()
