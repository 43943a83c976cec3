"""The frame of contexts: the blocks that each model call was sent, and what they cost again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..values.inference_results import InferenceResult, UnknownCount
from ..values.turns import Block
from .builder import FrameBuilder
from .columns import Column, NamedColumns
from .shared_columns import FILE, RUN_ID, block_id_column
from .traversal import ModelCall, Row, Traversal, TurnVisit, text_of

CHARACTERS_PER_TOKEN = 4


@dataclass(slots=True, eq=False)
class ContextRow(Row):
    """The row of a column of `context`: a block in the request of a model call.

    `tokens` is an estimate: the input of the call in proportion to the lengths of its blocks, or a quarter of the
    characters where the input is unknown.
    """

    inference_index: int
    inference_id: str
    block: Block
    block_index: int
    tokens: int
    share: float
    changed: bool
    rebilled_tokens: int | None


CONTEXT: tuple[Column, ...] = NamedColumns(
    "CONTEXT",
    (
        RUN_ID,
        Column(
            "inference_index",
            lambda row: row.inference_index,
            "Int64",
            doc="index of the model call in its Run, from 0",
        ),
        Column("inference_id", lambda row: row.inference_id or None, "string", doc="id of the model call"),
        Column("block_index", lambda row: row.block_index, "Int64", doc="index of the block in the Turn that was sent"),
        block_id_column("id of the block"),
        Column("kind", lambda row: row.block.kind, "category", doc="user, llm_text, tool_call, …"),
        Column("tokens", lambda row: row.tokens, "Int64", unit="tokens", doc="estimated tokens of the block"),
        Column("share", lambda row: row.share, "Float64", doc="its share of the request, from 0 to 1"),
        Column(
            "changed",
            lambda row: row.changed,
            "boolean",
            doc="true from the first block the request before does not have",
        ),
        Column(
            "rebilled_tokens",
            lambda row: row.rebilled_tokens,
            "Int64",
            unit="tokens",
            doc="estimated tokens that were sent before and not read from the cache; NA if the cache is not counted",
        ),
        Column("turn_index", lambda row: row.turn_index, "Int64", doc="index of the Turn in its Run, from 0"),
        FILE,
    ),
)


class ContextBuilder(FrameBuilder):
    """A row for each block in the request of each model call: the blocks before its own in the Turn."""

    def begin(self, traversal: Traversal) -> None:  # noqa: ARG002  # the signature of all builders
        self._requests = RequestRows()

    def visit(self, visit: TurnVisit) -> None:
        for call in visit.model_calls:
            if call.blocks:
                for row in self._requests.add(visit, call):
                    self.buffer.add(row)


class RequestRows:
    """The rows of the requests of a Run, one request after another; each is compared with the one before."""

    def __init__(self) -> None:
        self.previous: tuple[Block, ...] | None = None
        self._lengths: dict[int, int] = {}  # characters of a block, by its identity
        self._index = 0

    def skip(self, visit: TurnVisit, call: ModelCall) -> None:
        """Take a request as the one before, without its rows."""
        self.previous, self._index = tuple(visit.turn.blocks.head(call.blocks[0].index)), self._index + 1

    def add(self, visit: TurnVisit, call: ModelCall) -> Iterator[ContextRow]:
        """Yield the rows of a request."""
        previous = self.previous
        blocks = tuple(visit.turn.blocks.head(call.blocks[0].index))
        tokens = _estimated_tokens([self._length(block) for block in blocks], call.result)
        total, shared_length = sum(tokens) or 1, common_length(blocks, previous)
        is_other_history = previous is not None and shared_length < len(previous)
        resent_ids = {id(block) for block in previous[shared_length:]} if previous and is_other_history else set()
        cached = _cached_tokens(call.result)
        position = 0
        for index, block in enumerate(blocks):
            rebilled = None
            if cached is not None:
                was_sent = index < shared_length or id(block) in resent_ids
                rebilled = max(0, min(tokens[index], position + tokens[index] - cached)) if was_sent else 0
            position += tokens[index]
            share = tokens[index] / total
            changed = is_other_history and index >= shared_length
            yield ContextRow(visit, self._index, call.id, block, index, tokens[index], share, changed, rebilled)
        self.previous, self._index = blocks, self._index + 1

    def _length(self, block: Block) -> int:
        length = self._lengths.get(id(block))
        if length is None:
            length = self._lengths[id(block)] = len(text_of(block))
        return length


def _estimated_tokens(lengths: list[int], result: InferenceResult | None) -> list[int]:
    """Return the tokens of blocks of these lengths: in proportion to the counted input, else by their characters."""
    usage = result.usage if result is not None else None
    total = sum(lengths)
    if usage is None or isinstance(usage.input_tokens, UnknownCount) or not usage.input_tokens or not total:
        return [max(round(length / CHARACTERS_PER_TOKEN), 1) for length in lengths]
    return [round(length * usage.input_tokens / total) for length in lengths]


def _cached_tokens(result: InferenceResult | None) -> int | None:
    usage = result.usage if result is not None else None
    return None if usage is None or isinstance(usage.cached_tokens, UnknownCount) else usage.cached_tokens


def common_length(blocks: tuple[Block, ...], previous: tuple[Block, ...] | None) -> int:
    """Return the number of leading blocks that the previous request had, too."""
    for index, (block, other) in enumerate(zip(blocks, previous or (), strict=False)):
        if block is not other and (block.kind, block.payload) != (other.kind, other.payload):
            return index
    return min(len(blocks), len(previous or ()))
