"""Token counts under the names that APIs, frameworks and trackers give them.

Source: the references of Chat Completions and Responses (`prompt_tokens`, `input_tokens_details`), Anthropic's Messages
(`cache_read_input_tokens`, which `input_tokens` does not include), Gemini (`promptTokenCount`, `thoughtsTokenCount`, in
snake case in its Python SDK), LangChain's `usage_metadata` (`input_token_details`); Langfuse's usage types, of which
each token is in one (langfuse/langfuse-docs, pages/docs/observability/features/token-and-cost-tracking.mdx).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...values.inference_results import Usage
from .message_parts import first_value
from .record_fields import to_float, token_usage

USAGE_NAMES = ("usage", "usage_metadata", "usageMetadata", "token_usage", "tokenUsage")
INPUTS = (
    "input_tokens",
    "prompt_tokens",
    "inputTokens",
    "promptTokens",
    "prompt_token_count",
    "promptTokenCount",
    "input",
)
OUTPUTS = (
    "output_tokens", "completion_tokens", "outputTokens", "completionTokens", "candidates_token_count",
    "candidatesTokenCount", "output",
)  # fmt: skip
INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details", "inputTokenDetails")
OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details", "outputTokenDetails")
CACHE_READS = (
    "cached_tokens",
    "cache_read",
    "cacheReadTokens",
    "cached_content_token_count",
    "cachedContentTokenCount",
)
ANTHROPIC_CACHES = ("cache_read_input_tokens", "cache_creation_input_tokens")
THOUGHTS = ("thoughts_token_count", "thoughtsTokenCount")  # which Gemini's output does not include
DETAILS: dict[str, tuple[str, ...]] = {
    "cache_read_tokens": ("cache_read", "cached", "cacheread"),
    "cache_write_tokens": ("cache_creation", "cache_write", "cachewrite"),
    "reasoning_tokens": ("reasoning", "thoughts"),
}


def usage_of(usage: Any) -> Usage | None:
    """Return the tokens in a usage object of an API or of a framework; None without any."""
    if not isinstance(usage, Mapping):
        return None
    numbers = {name: to_float(value) for name, value in usage.items() if isinstance(name, str)}
    details = {**_object(first_value(usage, INPUT_DETAILS)), **_object(first_value(usage, OUTPUT_DETAILS))}
    details |= {name: value for name, value in usage.items() if not isinstance(value, Mapping)}
    input_tokens, output_tokens = first_value(numbers, INPUTS), first_value(numbers, OUTPUTS)
    caches = [numbers.get(name) for name in ANTHROPIC_CACHES]
    thoughts = first_value(numbers, THOUGHTS)
    if input_tokens is not None:
        input_tokens += sum(filter(None, caches))
    if output_tokens is not None:
        output_tokens += thoughts or 0
    reasoning = first_value(details, ("reasoning_tokens", "reasoning", "reasoningTokens", *THOUGHTS))
    cache_read = caches[0] if caches[0] is not None else first_value(details, CACHE_READS)
    cache_write = caches[1] if caches[1] is not None else first_value(details, ("cache_creation", "cacheWriteTokens"))
    return token_usage(
        input_tokens,
        output_tokens,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def additive_usage(counts: Mapping[str, Any], total: Any = None) -> Usage | None:
    """Return the tokens of counts by type, of which each token is in one: `input`, `input_cache_read`, `output`, ….

    A type belongs to the input or the output by its name. Where input and output are the `total`, their details are
    part of them.
    """
    numbers = {str(name): number for name, value in counts.items() if (number := to_float(value)) is not None}
    total = to_float(total) if total is not None else numbers.pop("total", None)
    sides: dict[str, dict[str, float]] = {"input": {}, "output": {}}
    for name, number in numbers.items():
        side = _side_of(name)
        if side:
            sides[side][name] = number
    plain = {
        side: next((counts[name] for name in PLAIN_NAMES[side] if name in counts), None)
        for side, counts in sides.items()
    }
    if plain["input"] is None and plain["output"] is None:
        return None
    includes_details = total is not None and total == (plain["input"] or 0) + (plain["output"] or 0)
    sums = {side: plain[side] if includes_details else _sum_of(sides[side]) for side in sides}
    details: dict[str, Any] = {kind: _detail(numbers, *words) for kind, words in DETAILS.items()}
    return token_usage(sums["input"], sums["output"], **details)


PLAIN_NAMES = {
    "input": ("input", "input_tokens", "prompt_tokens"),
    "output": ("output", "output_tokens", "completion_tokens"),
}


def _side_of(name: str) -> str:
    lower_name = name.lower()
    if lower_name.startswith(("input", "prompt", "cache")):
        return "input"
    return "output" if lower_name.startswith(("output", "completion", "reasoning", "candidates", "thoughts")) else ""


def _sum_of(counts: Mapping[str, float]) -> float | None:
    return sum(counts.values()) if counts else None


def _detail(numbers: Mapping[str, float], *words: str) -> float | None:
    found = [number for name, number in numbers.items() if any(word in name.lower() for word in words)]
    return max(found) if found else None
