"""The costs of imported model calls: each result with tokens and a known model gets a cost by the price table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...errors import DecodeError
from ...values.frozen_json import FrozenDict
from ...values.inference_results import INFERENCE_ID, INFERENCE_RESULT, INFERENCES, InferenceResult, ledger_results
from ...values.persistent_list import PersistentList
from ...values.price_tables import with_cost
from ...values.provenance import TIMESTAMP
from ...values.times import parsed_time
from ...values.turns import Block, Run, Turn
from .import_report import Notes


def priced(result: InferenceResult, notes: Notes, time: Any) -> InferenceResult:
    """Return a result with its cost, for importers that price each call when they read it; `time` is that of the call.

    `with_costs` does the same for all calls of a Run, and has to make their blocks again.
    """
    if not notes.prices or (result.usage is None and result.cost is None):
        return result
    return with_cost(result, at=parsed_time(time))


def with_costs(run: Run) -> Run:
    """Return the Run with the costs of its model calls; a reported cost is kept, and its source is noted."""
    pricing = _RunPricing()
    turns = tuple(pricing.priced_turns(run.turns))
    return replace(run, turns=turns) if pricing.is_changed else run


class _RunPricing:
    """The priced blocks and results of one Run. Turns that share blocks share the priced blocks, too."""

    def __init__(self) -> None:
        self.is_changed = False
        self._results: dict[str, tuple[Any, InferenceResult | None]] = {}  # by call id: as stored, and with its cost
        self._blocks: dict[int, Block] = {}  # by identity of the block without costs

    def priced_turns(self, turns: tuple[Turn, ...]) -> Iterator[Turn]:
        unpriced_blocks: PersistentList[Block] = PersistentList()
        priced_blocks: PersistentList[Block] = PersistentList()
        for turn in turns:
            shared = turn.blocks.shared_length(unpriced_blocks)
            new_blocks = tuple(turn.blocks.since(shared))
            new_priced_blocks = tuple(map(self._priced_block, new_blocks))
            unpriced_blocks = turn.blocks
            if not self.is_changed:
                priced_blocks = turn.blocks
            elif shared == len(priced_blocks):
                priced_blocks = priced_blocks + new_priced_blocks
            else:
                priced_blocks = priced_blocks.head(shared) + new_priced_blocks
            yield self._priced_turn(turn, priced_blocks)

    def _priced_turn(self, turn: Turn, blocks: PersistentList[Block]) -> Turn:
        metadata, results = turn.metadata, _ledger(turn)
        priced_results = [self._priced_ledger_result(result) for result in results]
        if any(new is not old for new, old in zip(priced_results, results, strict=True)):
            self.is_changed = True
            metadata = metadata.with_frozen(INFERENCES, PersistentList(priced_results))
        if blocks is turn.blocks and metadata is turn.metadata:
            return turn
        return turn._with(blocks=blocks, metadata=metadata)

    def _priced_ledger_result(self, result: InferenceResult) -> InferenceResult:
        """Return a result of a ledger with the cost that its blocks have, which know the time of the call."""
        _, block_result = self._results.get(result.inference_id, (None, None))
        if block_result is None or result.cost is not None or result.usage != block_result.usage:
            return with_cost(result)
        return result.replace(
            cost=block_result.cost, cost_source=block_result.cost_source, price_table=block_result.price_table
        )

    def _priced_block(self, block: Block) -> Block:
        metadata = block.metadata
        if not len(metadata) or INFERENCE_RESULT not in metadata:
            return block
        stored = metadata._values[INFERENCE_RESULT.name]
        if type(stored) is FrozenDict and "usage" not in stored and "cost" not in stored:  # nothing to compute from
            return block
        priced_block = self._blocks.get(id(block))
        if priced_block is None:
            result = self._priced_result(block)
            priced_block = (
                block if result is None else block._with(metadata=metadata.with_frozen(INFERENCE_RESULT, result))
            )
            self._blocks[id(block)] = priced_block
            self.is_changed = self.is_changed or result is not None
        return priced_block

    def _priced_result(self, block: Block) -> InferenceResult | None:
        """Return the result of a block with its cost; None where nothing is to be added to it."""
        stored = block.metadata._values[INFERENCE_RESULT.name]
        call_id = block.metadata.raw(INFERENCE_ID)
        key = call_id if isinstance(call_id, str) else ""
        cached_result = self._results.get(key)
        if cached_result is not None and (cached_result[0] is stored or cached_result[0] == stored):
            return cached_result[1]
        try:
            result = block.inference
        except DecodeError:  # reported by whoever reads it
            return None
        priced_result = None
        if result is not None and (result.usage is not None or result.cost is not None):
            with_known_cost = with_cost(result, at=parsed_time(block.metadata.raw(TIMESTAMP)))
            priced_result = None if with_known_cost is result else with_known_cost
        self._results[key] = stored, priced_result
        return priced_result


def _ledger(turn: Turn) -> tuple[InferenceResult, ...]:
    if not len(turn.metadata) or INFERENCES not in turn.metadata:
        return ()
    try:
        return ledger_results(turn.metadata) or ()
    except DecodeError:  # reported by whoever reads it
        return ()
