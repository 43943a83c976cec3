"""Summaries of the Turns of a Run for timelines: new blocks, phases and totals.

The phases are the snapshots of the execution; for Turns from files they are inferred from the kinds
of blocks and their model calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..events import Phase, Snapshot
from ..runtime.execution import STATUS
from ..values.inference_results import FinishClass, InferenceResult, Usage, total_cost, total_usage
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn
from .block_rows import model_call_key
from .comparison import Comparison, compare
from .text import shorten

MODEL_BLOCK_KINDS = ("llm_text", "reasoning", "tool_call")
FAILED_CLASSES = (FinishClass.ERROR, FinishClass.INTERRUPTED)
CUT_CLASSES = (FinishClass.MAX_TOKENS, FinishClass.REFUSED, FinishClass.FILTERED)


@dataclass(frozen=True, slots=True)
class TurnSummary:
    """A Turn of a timeline; `results` are those of its own model calls, once each."""

    index: int
    turn: Turn
    previous_turn: Turn
    results: tuple[InferenceResult, ...]
    phases: tuple[Snapshot, ...]

    @property
    def shared_count(self) -> int:
        """The number of leading blocks that the previous Turn has as well."""
        return self.turn.blocks.shared_length(self.previous_turn.blocks)

    @property
    def is_extension(self) -> bool:
        """True when this is the previous Turn with blocks appended."""
        return self.shared_count == len(self.previous_turn)

    @property
    def comparison(self) -> Comparison:
        """The differences from the previous Turn."""
        return compare(self.previous_turn, self.turn)

    @property
    def title(self) -> str:
        """The last prompt of the Turn in one line."""
        new_blocks = self.turn.blocks.since(self.shared_count)
        prompts = [block.text for block in new_blocks if block.kind == "user"]
        return shorten(prompts[-1], 120) if prompts else ""

    @property
    def usage(self) -> Usage | None:
        """The sum of the tokens of its model calls; None if all are unknown."""
        results_with_usage = [result for result in self.results if result.usage is not None]
        return total_usage(results_with_usage) if results_with_usage else None

    @property
    def cost(self) -> float | None:
        return total_cost(self.results) if self.results else None

    @property
    def duration_ms(self) -> float | None:
        """The total duration of its model calls in milliseconds."""
        durations = [result.duration_ms for result in self.results if result.duration_ms is not None]
        return sum(durations) if durations else None

    @property
    def state(self) -> str:
        """The state: ok, cut (limit reached, refused), failed, stopped, or waiting for tools."""
        if ending := {"failed": "failed", "stopped": "stopped"}.get(_turn_status(self.turn)):
            return ending
        if self.turn.pending:
            return "waiting"
        last_result = self.results[-1] if self.results else None
        if last_result is not None and last_result.finish_class in FAILED_CLASSES:
            return "failed"
        return (
            "cut"
            if last_result is not None and (last_result.truncated or last_result.finish_class in CUT_CLASSES)
            else "ok"
        )


def inferred_phases(turn: Turn, previous_turn: Turn) -> Iterator[Snapshot]:
    """Yield the phases of a Turn without snapshots, inferred from the model calls of its blocks."""
    start = turn.blocks.shared_length(previous_turn.blocks)
    iteration, in_model_call, has_tool_results, key = -1, False, False, ""
    for index, block in enumerate(turn.blocks.since(start), start):
        is_model_block = block.kind in MODEL_BLOCK_KINDS
        is_other_call = bool(
            is_model_block and in_model_call and model_call_key(block) and key and model_call_key(block) != key
        )
        if in_model_call and (not is_model_block or is_other_call):
            yield Snapshot(Phase.POST_INFERENCE, _turn_head(turn, index), iteration)
            in_model_call = False
        if has_tool_results and block.kind != "tool_use":
            yield Snapshot(Phase.POST_TOOLS, _turn_head(turn, index), iteration)
            has_tool_results = False
        if is_model_block and not in_model_call:
            iteration, in_model_call = iteration + 1, True
            yield Snapshot(Phase.PRE_INFERENCE, _turn_head(turn, index), iteration)
        has_tool_results = has_tool_results or (block.kind == "tool_use" and iteration >= 0)
        key = model_call_key(block) if is_model_block else ""
    if in_model_call or has_tool_results:
        yield Snapshot(Phase.POST_INFERENCE if in_model_call else Phase.POST_TOOLS, turn, iteration)
    if in_model_call and not turn.pending and _turn_status(turn) in ("", "done"):
        yield Snapshot(Phase.FINAL, turn, iteration)


def _turn_head(turn: Turn, length: int) -> Turn:
    blocks: PersistentList[Block] = turn.blocks.head(length)
    return turn._with(blocks=blocks)


def _turn_status(turn: Turn) -> str:
    """Return the status of the execution (`nbturns.status@v1`); "" when unknown."""
    status = turn.metadata.raw(STATUS)
    return status if isinstance(status, str) else ""
