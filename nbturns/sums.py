"""What model calls come to, in words; what is not known is left out."""

from __future__ import annotations

from collections.abc import Sequence

from .results import InferenceResult, total_cost, total_usage
from .rows import duration


def counted(count: int, name: str) -> str:
    """A number of things: "1 block", "2,000 blocks"."""
    return f"{count:,} {name}{'s' * (count != 1)}"


def sums(results: Sequence[InferenceResult]) -> list[str]:
    """How many calls, and their tokens, cost and time, each only where it is known."""
    if not results:
        return []
    parts = [counted(len(results), "model call")]
    usage = total_usage(results)
    if usage.total_tokens:
        parts.append(f"{usage.input_tokens:,} → {usage.output_tokens:,} tokens")
    if (cost := total_cost(results)) is not None:
        parts.append(f"${cost:.4f}")
    if duration_ms := sum(result.duration_ms or 0 for result in results):
        parts.append(duration(duration_ms))
    return parts
