"""Blocks that the model is still producing, and how much of their text each page has received.

Text is sent to a page once, in parts. When a block is complete, its row refers to the text already sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any

from ..events import Delta, InferenceFinished
from ..render.block_rows import block_body
from ..render.text import visible
from ..render.timeline import pool_row
from ..values.turns import Block


class StreamingBlock:
    """An incomplete block: its text so far, split into parts sent to the page and unsent parts."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        self.sent_parts: list[str] = []
        self.unsent_parts: list[str] = []

    @property
    def raw_text(self) -> str:
        """The text so far."""
        return "".join((*self.sent_parts, *self.unsent_parts))

    @property
    def text(self) -> str:
        """The text so far, with invisible characters escaped."""
        return visible(self.raw_text)

    def row(self) -> dict[str, Any]:
        """Return the row of the block for a page."""
        payload: dict[str, Any] = {"kind": visible(self.kind), "body": self.text, "size": 0, "open": True}
        return {**payload, "name": visible(self.name), "head": visible(self.name)} if self.name else payload

    def take_unsent_text(self) -> str:
        """Return the text received since the last call, with invisible characters escaped."""
        unsent_text = "".join(self.unsent_parts)
        if not unsent_text:
            return ""
        last_character = self.sent_parts[-1][-1] if self.sent_parts else ""
        # A joiner is escaped or not depending on the character before it.
        context = last_character if visible(last_character) == last_character else ""
        self.sent_parts.append(unsent_text)
        self.unsent_parts.clear()
        return visible(context + unsent_text)[len(context) :]


class StreamingRows:
    """The incomplete blocks of one execution, in the order in which they started."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, int], StreamingBlock] = {}
        self._page_blocks: list[StreamingBlock] = []

    def add(self, delta: Delta) -> None:
        """Append the text of a delta to its block."""
        key = (delta.inference_id, delta.index)
        block = self._blocks.get(key)
        if block is None:
            block = self._blocks[key] = StreamingBlock(delta.kind, delta.name)
        block.unsent_parts.append(delta.text)

    def show(self, blocks: Sequence[Block]) -> None:
        """Show these blocks as incomplete ones; of a text that grew, the page gets what is new."""
        earlier_blocks = list(self._blocks.values())
        self._blocks = {}
        for number, block in enumerate(blocks):
            name, text = block.name if block.kind == "tool_call" else "", block_body(block)
            streaming_block = earlier_blocks[number] if number < len(earlier_blocks) else None
            shown_text = "" if streaming_block is None else streaming_block.raw_text
            is_same = streaming_block is not None and (streaming_block.kind, streaming_block.name) == (block.kind, name)
            if streaming_block is None or not is_same or not text.startswith(shown_text):
                streaming_block, shown_text = StreamingBlock(block.kind, name), ""
            if len(text) > len(shown_text):
                streaming_block.unsent_parts.append(text[len(shown_text) :])
            self._blocks["", number] = streaming_block

    def inference_finished(self, event: InferenceFinished) -> None:
        """Drop the blocks of a failed model call; those of a successful call arrive with the next snapshot."""
        if event.result.finish_class == "error":
            self._blocks = {key: block for key, block in self._blocks.items() if key[0] != event.result.inference_id}

    def clear(self) -> None:
        """Drop all blocks: the complete ones are in the Turn now."""
        self._blocks = {}

    @property
    def page_has_same_blocks(self) -> bool:
        """True if the page has a row for each of these blocks and no other."""
        return self._page_blocks == list(self._blocks.values())

    @property
    def has_changed(self) -> bool:
        """True if a page lacks something of these blocks."""
        return not self.page_has_same_blocks or any(block.unsent_parts for block in self._blocks.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of all blocks."""
        return [block.row() for block in self._blocks.values()]

    def take_unsent_texts(self) -> list[tuple[int, str]]:
        """Return the position and the unsent text of each block that has any."""
        return [
            (position, text)
            for position, block in enumerate(self._blocks.values())
            if (text := block.take_unsent_text())
        ]

    def finished_rows(self, blocks: Sequence[Block]) -> Iterator[dict[str, Any]]:
        """Yield the rows of `blocks`, which replace the streaming rows of the page.

        A row with the same text as its streaming row carries only the text that the page lacks, as `remaining_text`.
        """
        page_blocks: Iterable[StreamingBlock] = self._page_blocks[: len(blocks)]
        for block, streaming_block in zip_longest(blocks, page_blocks):
            payload = pool_row(block)
            if (
                streaming_block is not None
                and streaming_block.kind == block.kind
                and block_body(block) == streaming_block.text
            ):
                payload.pop("cut", None)
                del payload["body"]
                payload["remaining_text"] = streaming_block.take_unsent_text()
            yield payload

    def mark_all_sent(self) -> None:
        """Record that the page has all blocks with their current text."""
        self._page_blocks = list(self._blocks.values())
        for block in self._page_blocks:
            block.take_unsent_text()
