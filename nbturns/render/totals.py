"""Totals of model calls in words; unknown values are left out."""

from __future__ import annotations

from collections.abc import Sequence

from ..values.inference_results import InferenceResult, total_cost, total_usage
from .block_rows import duration_text


def count_phrase(count: int, name: str) -> str:
    """A number of things: "1 block", "2,000 blocks"."""
    return f"{count:,} {name}{'s' * (count != 1)}"


def usage_phrases(results: Sequence[InferenceResult]) -> list[str]:
    """Return the number of calls, tokens, cost and time as phrases, without unknown ones."""
    if not results:
        return []
    parts = [count_phrase(len(results), "model call")]
    usage = total_usage(results)
    if usage.total_tokens:
        parts.append(f"{usage.input_tokens:,} → {usage.output_tokens:,} tokens")
    if (cost := total_cost(results)) is not None:
        parts.append(f"${cost:.4f}")
    if duration_ms := sum(result.duration_ms or 0 for result in results):
        parts.append(duration_text(duration_ms))
    return parts
