"""The figures of compared conversations, one row each, and the first block at which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from ..packages import require
from ..values.blocks import Block
from ..values.failure_rules import failure_pattern
from ..values.inference_results import total_cost, total_usage
from ..values.outcome import Outcome
from ..values.turns import Run, Turn
from .comparison import content_key, placed_blocks
from .text import result_text
from .totals import FAILED_CLASSES

if TYPE_CHECKING:
    import pandas as pd

COUNTS = {
    "turns": "Int64", "blocks": "Int64", "model_calls": "Int64", "tool_calls": "Int64", "failed_calls": "Int64",
    "tokens": "Int64", "cost": "Float64", "duration_ms": "Int64",
}  # fmt: skip


def blocks_of(value: Turn | Run) -> list[Block]:
    """Return the blocks of a Turn, or of a Run in the order in which they appear."""
    return [placed_block.block for placed_block in placed_blocks(value)]


def first_divergence(values: Sequence[Turn | Run]) -> int | None:
    """Return the index of the first block that is not the same in all values; None if all are the same.

    Ids of blocks and calls are ignored. The index counts the blocks of a Run in the order in which they appear.
    """
    for index, blocks in enumerate(zip_longest(*map(blocks_of, values))):
        first = blocks[0]
        if any(block is not first for block in blocks) and not _same_content(blocks):
            return index
    return None


def _same_content(blocks: Sequence[Block | None]) -> bool:
    return None not in blocks and len({content_key(block) for block in blocks if block is not None}) == 1


def metrics_frame(values: Sequence[Turn | Run]) -> pd.DataFrame:
    """Return a DataFrame with a row for each value: its name, its counts, their differences to the first, its outcome."""
    require("pandas")
    import pandas as pd

    rows = [value_metrics(value) for value in values]

    def column(name: str, dtype: str) -> Any:
        return pd.Series([row[name] for row in rows], dtype=dtype, name=name)

    counts = {name: column(name, dtype) for name, dtype in COUNTS.items()}
    differences = {f"difference.{name}": counts[name] - counts[name].iloc[0] for name in COUNTS}
    texts = {name: column(name, "string") for name in ("name", "models", "outcome")}
    return pd.DataFrame(
        {
            "name": texts["name"],
            "models": texts["models"],
            **counts,
            "outcome": texts["outcome"],
            **{name: values.astype(COUNTS[name.partition(".")[2]]) for name, values in differences.items()},
        }
    )


def value_metrics(value: Turn | Run) -> dict[str, Any]:
    """Return the figures of a value; None for an unknown one, such as the tokens of calls that report none."""
    blocks = blocks_of(value)
    results = value.inferences
    answered = [result for result in results if result.finish_class not in FAILED_CLASSES or result.usage is not None]
    usage = total_usage(answered) if answered and all(result.usage is not None for result in answered) else None
    durations = [result.duration_ms for result in answered]
    known_durations = [duration for duration in durations if duration is not None]
    models = dict.fromkeys(result.model for result in results if result.model)
    return {
        "name": (value.name or None) if isinstance(value, Run) else None,
        "models": ", ".join(models) or None,
        "turns": len(value) if isinstance(value, Run) else 1,
        "blocks": len(blocks),
        "model_calls": len(results),
        "tool_calls": sum(block.kind == "tool_call" for block in blocks),
        "failed_calls": sum(map(is_failed_result, blocks)),
        "tokens": None if usage is None else int(usage.total_tokens),
        "cost": total_cost(results),
        "duration_ms": sum(known_durations) if durations and len(known_durations) == len(durations) else None,
        "outcome": outcome_phrase(value.outcome) if isinstance(value, Run) else None,
    }


def is_failed_result(block: Block) -> bool:
    """Return True for a result that is an error, or whose words say so."""
    if block.kind != "tool_use":
        return False
    return bool(block.error) or (block.result is not None and failure_pattern()(result_text(block.result)))


def outcome_phrase(outcome: Outcome | None) -> str | None:
    """Return what is known of an outcome in words; None for nothing."""
    if outcome is None:
        return None
    parts = [{True: "success", False: "failure", None: ""}[outcome.success]]
    parts += ["" if outcome.reward is None else f"reward {outcome.reward:g}"]
    parts += [f"{name} {score}" for name, score in outcome.scores.items() if isinstance(score, (str, int, float))]
    parts += [f"error: {outcome.error}" if outcome.error else "", f"limit: {outcome.limit}" if outcome.limit else ""]
    return " · ".join(filter(None, parts)) or None
