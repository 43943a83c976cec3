"""The model calls of a Turn for the lane of a page: tokens, cost and time of each, and what made its request grow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..values.inference_results import FinishClass, InferenceResult, UnknownCount
from ..values.model_info import find_model
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn
from .block_rows import model_call_key, result_key
from .text import TextForm, block_text, result_text, visible

FAILED_CLASSES = (FinishClass.ERROR, FinishClass.INTERRUPTED)
REFUSED_CLASSES = (FinishClass.REFUSED, FinishClass.FILTERED)
PLAIN_FORM = TextForm(lambda payload: result_text(payload.get("args_raw") or payload.get("args") or ""), result_text)

LaneCall = dict[str, Any]
"""A model call, without unknown values.

`first` is the index of its first block in the Turn, which is the number of blocks that were sent; a call without blocks
is `empty` and has that of the next call. `input`, `output`, `cached`, `cost` (USD), `ms` and `wait` (ms until the first
token) are those of its result, `state` is failed, cut or refused. `grew` is the growth of the input since the previous
call and the index of the largest new block; `again` the tokens that were sent before and not read from the cache;
`differs` the index of the first block that the previous request did not have there.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """The request of a model call: the first `length` blocks of a Turn, and the tokens that its provider counted."""

    blocks: PersistentList[Block]
    length: int
    input: int | None = None
    uses_cache: bool = False  # this call or an earlier one read from the cache


FIRST_REQUEST = Request(PersistentList(), 0)


class TextLengths:
    """The number of characters of blocks, by identity; the owner keeps the blocks."""

    def __init__(self) -> None:
        self._lengths: dict[int, int] = {}

    def of(self, block: Block) -> int:
        """Return the characters of a block as a model reads it."""
        length = self._lengths.get(id(block))
        if length is None:
            length = self._lengths[id(block)] = len(block_text(block.kind, block.payload, PLAIN_FORM))
        return length


def lane_calls(
    turn: Turn,
    shared_count: int,
    results: Sequence[InferenceResult],
    previous_request: Request,
    lengths: TextLengths,
    call_key: Callable[[Block], str] = model_call_key,
) -> tuple[list[LaneCall], Request]:
    """Return the model calls of a Turn for the lane, and the request of the last one.

    `shared_count` leading blocks are those of the previous Turn, and `results` are the Turn's own model calls.
    """
    if not results:
        return [], previous_request
    firsts = dict(_first_blocks(turn, shared_count, call_key))
    calls: list[LaneCall] = []
    next_first = len(turn)
    for result in reversed(results):
        first = firsts.get(result_key(result))
        next_first = next_first if first is None else first
        calls.append({"first": next_first} | ({"empty": True} if first is None else {}))
    calls.reverse()
    request = previous_request
    for call, result in zip(calls, results, strict=True):
        call |= result_figures(result)
        if not call.get("empty"):
            request = _add_growth(call, turn.blocks, request, lengths)
    return calls, request


def _first_blocks(turn: Turn, start: int, call_key: Callable[[Block], str]) -> Iterator[tuple[str, int]]:
    """Yield the key of each model call with the index of its first block."""
    seen_keys: set[str] = set()
    for index, block in enumerate(turn.blocks.since(start), start):
        key = call_key(block)
        if key and key not in seen_keys:
            seen_keys.add(key)
            yield key, index


def result_figures(result: InferenceResult) -> LaneCall:
    """Return the figures of a model call, without unknown ones."""
    figures: LaneCall = {}
    usage = result.usage
    if usage is not None:
        counts = {"input": usage.input_tokens, "output": usage.output_tokens, "cached": usage.cached_tokens}
        figures |= {name: int(count) for name, count in counts.items() if not isinstance(count, UnknownCount)}
    if result.cost is not None:
        figures["cost"] = result.cost
        if result.cost_source == "table":
            figures["estimated"] = True
    if result.duration_ms is not None:
        figures["ms"] = result.duration_ms
    if result.time_to_first_token_ms is not None:
        figures["wait"] = result.time_to_first_token_ms
    if result.finish_class in FAILED_CLASSES:
        figures["state"] = "failed"
    elif result.finish_class in REFUSED_CLASSES:
        figures["state"] = "refused"
    elif result.truncated or result.finish_class is FinishClass.MAX_TOKENS:
        figures["state"] = "cut"
    return figures


def _add_growth(call: LaneCall, blocks: PersistentList[Block], previous: Request, lengths: TextLengths) -> Request:
    """Add what changed since the previous request to a call; return its request."""
    length, input_tokens, cached_tokens = call["first"], call.get("input"), call.get("cached")
    shared_length = common_length(blocks, length, previous)
    is_extension = shared_length == previous.length
    if previous.length and not is_extension and shared_length < length:
        call["differs"] = shared_length
    if input_tokens is not None and previous.input is not None:
        if input_tokens > previous.input and shared_length < length:
            largest = max(range(shared_length, length), key=lambda index: lengths.of(blocks[index]))
            call["grew"] = [input_tokens - previous.input, largest]
        if cached_tokens is not None and previous.uses_cache:
            sent_before = (
                previous.input
                if is_extension
                else _sent_before(blocks, length, input_tokens, previous, shared_length, lengths)
            )
            if (billed_again := min(sent_before, input_tokens) - cached_tokens) > 0:
                call["again"] = billed_again
    uses_cache = previous.uses_cache or bool(cached_tokens)
    return Request(blocks, length, input_tokens, uses_cache)


def common_length(blocks: PersistentList[Block], length: int, previous: Request) -> int:
    """Return the number of leading blocks that the previous request had, too."""
    limit = min(length, previous.length)
    shared_length = min(blocks.shared_length(previous.blocks), limit)
    while shared_length < limit and _are_equal(blocks[shared_length], previous.blocks[shared_length]):
        shared_length += 1
    return shared_length


def _are_equal(block: Block, other: Block) -> bool:
    return block is other or (block.kind == other.kind and block.payload == other.payload)


def _sent_before(
    blocks: PersistentList[Block],
    length: int,
    input_tokens: int,
    previous: Request,
    shared_length: int,
    lengths: TextLengths,
) -> int:
    """Return the estimated tokens of the blocks that the previous request had anywhere."""
    earlier = {id(block) for block in previous.blocks.head(previous.length)}
    total, repeated_characters = 0, 0
    for index, block in enumerate(blocks.head(length)):
        characters = lengths.of(block)
        total += characters
        if index < shared_length or id(block) in earlier:
            repeated_characters += characters
    return round(input_tokens * repeated_characters / total) if total else 0


def context_window(results: Sequence[InferenceResult]) -> int | None:
    """Return the largest context window of the models of these calls; None if none is known."""
    models = (find_model(name) for name in {result.model for result in results if result.model})
    return max((model.context_window for model in models if model and model.context_window), default=None)


def model_names(results: Sequence[InferenceResult]) -> list[str]:
    """Return the names of the models of these calls, once each."""
    return sorted({visible(result.model) for result in results if result.model})
