"""The texts that a model call has streamed so far, and the tails that its final blocks have in addition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..events import Delta
from ..values.blocks import Block

TEXT_KINDS = frozenset({"llm_text", "reasoning"})


class StreamedTexts:
    """The pieces of each block of one model call.

    The end of a stream may have more text than its pieces. Listeners get the tail as a Delta, so that the
    pieces of a block are its text.
    """

    __slots__ = ("_pieces_by_index",)

    def __init__(self) -> None:
        self._pieces_by_index: dict[int, list[str]] = {}

    def add(self, delta: Delta) -> None:
        if delta.kind in TEXT_KINDS:
            pieces = self._pieces_by_index.get(delta.index)
            if pieces is None:
                self._pieces_by_index[delta.index] = [delta.text]
            else:
                pieces.append(delta.text)

    def missing_tails(self, inference_id: str, blocks: Iterable[Block]) -> Iterator[Delta]:
        """Yield a Delta for each block that begins with its streamed text and has more."""
        if not self._pieces_by_index:
            return
        for index, block in enumerate(blocks):
            pieces = self._pieces_by_index.get(index)
            if pieces is None or block.kind not in TEXT_KINDS:
                continue
            streamed_text, final_text = "".join(pieces), block.text
            if len(final_text) > len(streamed_text) and final_text.startswith(streamed_text):
                yield Delta(inference_id, index, block.kind, final_text[len(streamed_text) :])
