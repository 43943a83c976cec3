"""Totals of model calls in words: unknown values are "—", estimated costs have "≈"."""

from __future__ import annotations

from collections.abc import Sequence

from ..values.inference_results import InferenceResult, total_cost, total_usage
from .block_rows import dollar_text, duration_text

FAILED_CLASSES = ("error", "interrupted")


def count_phrase(count: int, name: str) -> str:
    """A number of things: "1 block", "2,000 blocks"."""
    return f"{count:,} {name}{'s' * (count != 1)}"


def usage_phrases(results: Sequence[InferenceResult]) -> list[str]:
    """Return the number of calls, tokens, cost and time as phrases; nothing without calls.

    A sum with unknown parts says so. Calls that failed before they had tokens count nothing.
    """
    if not results:
        return []
    answered_results = [result for result in results if result.finish_class not in FAILED_CLASSES or result.usage]
    parts = [count_phrase(len(results), "model call"), _token_phrase(answered_results)]
    cost = total_cost(results)
    is_estimated = any(result.cost_source == "table" for result in results)
    parts.append("cost —" if cost is None else dollar_text(cost, estimated=is_estimated))
    durations = [result.duration_ms for result in results if result.duration_ms is not None]
    parts.append(duration_text(sum(durations)) if durations else "time —")
    return [part for part in parts if part]


def _token_phrase(results: Sequence[InferenceResult]) -> str:
    """Return the sum of the tokens; "≥" before it if some calls have no usage."""
    if not results:
        return ""
    known_count = sum(result.usage is not None for result in results)
    if not known_count:
        return "tokens —"
    usage = total_usage(results)
    bound = "" if known_count == len(results) else "≥ "
    return f"{bound}{usage.input_tokens:,} → {usage.output_tokens:,} tokens"
