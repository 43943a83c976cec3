"""Prices and limits of models.

The table has the prices of the day `AS_OF` from the providers' pages (`SOURCES`). `find_model` prefers entries of
your own. `price_tables.py` computes costs from it, for models that the package genai-prices does not have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from .inference_results import Usage

AS_OF = "2026-11-20"
SOURCES = {
    "anthropic": "https://platform.claude.com/docs/en/about-claude/pricing",
    "openai": "https://developers.openai.com/api/docs/pricing",
    "gemini": "https://ai.google.dev/gemini-api/docs/pricing",
}
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Prices:
    """USD for a million tokens of each sort; a sort without a price costs the same as input."""

    input: float
    output: float
    cache_read: float | None = None
    cache_write: float | None = None
    cache_write_hour: float | None = None  # for an hour in the cache; `cache_write` is for five minutes
    reasoning: float | None = None  # None: as other output
    request: float = 0.0  # USD for a million requests

    def cost(self, usage: Usage, hour_tokens: int = 0) -> float:
        """Return the USD for `usage`, whose `input_tokens` include cache reads and writes.

        `hour_tokens` is the number of tokens that were cached for an hour. Reasoning is part of the output.
        """
        cache_reads, cache_writes = usage.cached_tokens, usage.cache_creation_input_tokens
        uncached_tokens, hour_tokens = (
            max(usage.input_tokens - cache_reads - cache_writes, 0),
            min(hour_tokens, cache_writes),
        )
        write_price = self.input if self.cache_write is None else self.cache_write
        reasoning_tokens = 0 if self.reasoning is None else min(usage.reasoning_tokens, usage.output_tokens)
        costs = (
            uncached_tokens * self.input,
            cache_reads * (self.input if self.cache_read is None else self.cache_read),
            (cache_writes - hour_tokens) * write_price,
            hour_tokens * (write_price if self.cache_write_hour is None else self.cache_write_hour),
            (usage.output_tokens - reasoning_tokens) * self.output,
            reasoning_tokens * (self.reasoning or 0.0),
            self.request,
        )
        return sum(costs) / MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """One model. Limits are in tokens, None where unknown; `long_prices` apply above `long_from` input tokens."""

    id: str
    provider: str = ""
    prices: Prices | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    input: tuple[str, ...] = ("text", "image")
    reasoning: bool = False
    long_from: int | None = None
    long_prices: Prices | None = None

    def cost(self, usage: Usage | None, hour_tokens: int = 0) -> float | None:
        """Return the USD for one call; None when tokens or prices are unknown. `hour_tokens` as in `Prices.cost`."""
        if usage is None or self.prices is None:
            return None
        if self.long_from is not None and self.long_prices is not None and usage.input_tokens > self.long_from:
            return self.long_prices.cost(usage, hour_tokens)
        return self.prices.cost(usage, hour_tokens)


# The end of a name that does not make it another model: a date, a revision, "latest".
REVISION_SUFFIX = re.compile(r"(?:[-@:](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{3,4}|latest|v\d+(?::\d+)?))+")
VENDOR_PREFIX = re.compile(r"^(?:[a-z]{2}\.)?(?:[\w-]+[/.])?(?=(?:claude|gpt|o[134]|chatgpt|gemini)[-\d])")


def find_model(model: str, own_models: Iterable[ModelInfo] = ()) -> ModelInfo | None:
    """Return the entry of `model`, named with or without a date and a vendor's prefix; None without one."""
    own_by_id = {info.id: info for info in own_models}
    return _find_in(model, {**MODELS, **own_by_id}) if own_by_id else _find_shipped(model)


@lru_cache(maxsize=1000)
def _find_shipped(model: str) -> ModelInfo | None:
    return _find_in(model, MODELS)


def _find_in(model: str, models: Mapping[str, ModelInfo]) -> ModelInfo | None:
    for name in (model, VENDOR_PREFIX.sub("", model.lower()).replace("4.5", "4-5").replace("4.6", "4-6")):
        if name in models:
            return models[name]
        for id in sorted(models, key=len, reverse=True):
            if name.startswith(id) and REVISION_SUFFIX.fullmatch(name[len(id) :]):
                return models[id]
    return None


def _claude(
    id: str,
    input: float,
    output: float,
    context_window: int,
    max_output_tokens: int,
    *,
    read: float = 0.1,
    write: float = 1.25,
    reasoning: bool = True,
) -> ModelInfo:
    """Return a Claude model; a cache write costs a quarter more than input, one for an hour twice as much."""
    prices = Prices(input, output, round(input * read, 4), round(input * write, 4), round(input * 2, 4))
    return ModelInfo(
        id=id,
        provider="anthropic",
        prices=prices,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        reasoning=reasoning,
    )


def _gpt(
    id: str,
    input: float,
    output: float,
    cache_read_price: float,
    context_window: int,
    max_output_tokens: int,
    *,
    reasoning: bool = False,
) -> ModelInfo:
    prices = Prices(input, output, cache_read_price)
    return ModelInfo(
        id=id,
        provider="openai",
        prices=prices,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        reasoning=reasoning,
    )


def _gemini(
    id: str,
    input: float,
    output: float,
    cache_read_price: float,
    *,
    long_prices: Prices | None = None,
    reasoning: bool = True,
) -> ModelInfo:
    return ModelInfo(
        id=id,
        provider="gemini",
        prices=Prices(input, output, cache_read_price),
        context_window=1_048_576,
        max_output_tokens=65_536 if reasoning else 8_192,
        input=("text", "image", "audio", "video"),
        reasoning=reasoning,
        long_from=200_000 if long_prices else None,
        long_prices=long_prices,
    )


MODELS: dict[str, ModelInfo] = {
    info.id: info
    for info in (
        _claude("claude-fable-5-1", 10, 50, 1_000_000, 128_000, read=0.025),
        _claude("claude-fable-5", 10, 50, 1_000_000, 128_000),
        _claude("claude-opus-5-5", 4, 20, 1_000_000, 128_000, read=0.05),
        _claude("claude-opus-5", 5, 25, 1_000_000, 128_000),
        _claude("claude-sonnet-5-5", 2, 10, 1_000_000, 128_000, read=0.05),
        _claude("claude-sonnet-5", 2, 10, 1_000_000, 128_000),
        _claude("claude-opus-4-8", 5, 25, 1_000_000, 128_000),
        _claude("claude-opus-4-7", 5, 25, 1_000_000, 128_000),
        _claude("claude-opus-4-6", 5, 25, 1_000_000, 128_000),
        _claude("claude-opus-4-5", 5, 25, 200_000, 64_000),
        _claude("claude-opus-4-1", 15, 75, 200_000, 32_000),
        _claude("claude-opus-4-0", 15, 75, 200_000, 32_000),
        _claude("claude-opus-4", 15, 75, 200_000, 32_000),
        _claude("claude-sonnet-4-6", 3, 15, 1_000_000, 64_000),
        _claude("claude-sonnet-4-5", 3, 15, 200_000, 64_000),
        _claude("claude-sonnet-4-0", 3, 15, 200_000, 64_000),
        _claude("claude-sonnet-4", 3, 15, 200_000, 64_000),
        _claude("claude-haiku-4-5", 1, 5, 200_000, 64_000),
        _claude("claude-3-7-sonnet", 3, 15, 200_000, 64_000),
        _claude("claude-3-5-sonnet", 3, 15, 200_000, 8_192, reasoning=False),
        _claude("claude-3-5-haiku", 0.8, 4, 200_000, 8_192, reasoning=False),
        _claude("claude-3-opus", 15, 75, 200_000, 4_096, reasoning=False),
        _claude("claude-3-haiku", 0.25, 1.25, 200_000, 4_096, read=0.12, write=1.2, reasoning=False),
        _gpt("gpt-5.4", 2.5, 15, 0.25, 400_000, 128_000, reasoning=True),
        _gpt("gpt-5.4-mini", 0.75, 4.5, 0.075, 400_000, 128_000, reasoning=True),
        _gpt("gpt-5.2", 1.75, 14, 0.175, 400_000, 128_000, reasoning=True),
        _gpt("gpt-5.1", 1.25, 10, 0.125, 400_000, 128_000, reasoning=True),
        _gpt("gpt-5", 1.25, 10, 0.125, 400_000, 128_000, reasoning=True),
        _gpt("gpt-5-mini", 0.25, 2, 0.025, 400_000, 128_000, reasoning=True),
        _gpt("gpt-5-nano", 0.05, 0.4, 0.005, 400_000, 128_000, reasoning=True),
        _gpt("gpt-4.1", 2, 8, 0.5, 1_047_576, 32_768),
        _gpt("gpt-4.1-mini", 0.4, 1.6, 0.1, 1_047_576, 32_768),
        _gpt("gpt-4.1-nano", 0.1, 0.4, 0.025, 1_047_576, 32_768),
        _gpt("gpt-4o", 2.5, 10, 1.25, 128_000, 16_384),
        _gpt("gpt-4o-mini", 0.15, 0.6, 0.075, 128_000, 16_384),
        _gpt("o3", 2, 8, 0.5, 200_000, 100_000, reasoning=True),
        _gpt("o3-mini", 1.1, 4.4, 0.55, 200_000, 100_000, reasoning=True),
        _gpt("o4-mini", 1.1, 4.4, 0.275, 200_000, 100_000, reasoning=True),
        _gpt("o1", 15, 60, 7.5, 200_000, 100_000, reasoning=True),
        _gemini("gemini-2.5-pro", 1.25, 10, 0.125, long_prices=Prices(2.5, 15, 0.25)),
        _gemini("gemini-2.5-flash", 0.3, 2.5, 0.03),
        _gemini("gemini-2.5-flash-lite", 0.1, 0.4, 0.01),
        _gemini("gemini-2.0-flash", 0.1, 0.4, 0.025, reasoning=False),
        _gemini("gemini-3-flash-preview", 0.5, 3, 0.05),
        _gemini("gemini-3-pro-preview", 2, 12, 0.2, long_prices=Prices(4, 18, 0.4)),
    )
}
