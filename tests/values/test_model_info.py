"""What a call costs: by the provider's own price list, whatever way it counts its cache."""

from __future__ import annotations

import re

import pytest

import nbturns as nt
from nbturns.values.frozen_json import freeze
from nbturns.values.model_info import AS_OF, MODELS, SOURCES, ModelInfo, Prices, find_model
from nbturns.values.price_tables import with_cost


def test_cached_tokens_are_priced_as_cached_and_never_twice() -> None:
    prices = Prices(2, 10, 1, 4)
    usage = nt.Usage(input_tokens=10_000, output_tokens=2_000, cached_tokens=3_000, cache_creation_input_tokens=4_000)

    assert prices.cost(usage) == pytest.approx(0.045)


def test_tokens_without_a_price_of_their_own_cost_as_input_does() -> None:
    usage = nt.Usage(input_tokens=10_000, output_tokens=1_000, cached_tokens=6_000)

    assert Prices(2, 10, 0.5).cost(usage) == pytest.approx(0.021)
    assert Prices(2, 10).cost(usage) == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4"),
        ("claude-3-5-haiku-latest", "claude-3-5-haiku"),
        ("anthropic/claude-sonnet-4.6", "claude-sonnet-4-6"),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", "claude-opus-4-5"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openai/gpt-4o", "gpt-4o"),
        ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
        ("gemini-2.0-flash-001", "gemini-2.0-flash"),
    ],
)
def test_a_model_is_found_with_or_without_its_date_and_vendor(name: str, id: str) -> None:
    found = find_model(name)

    assert found is not None
    assert found.id == id


@pytest.mark.parametrize("name", ["gpt-5-pro", "gpt-5-mini-turbo", "claude-sonnet-9", "llama3", "", "gpt"])
def test_a_model_is_never_taken_for_another_one(name: str) -> None:
    assert find_model(name) is None


def test_your_own_entry_wins() -> None:
    mine = ModelInfo(id="gpt-4o", prices=Prices(1, 1))

    assert find_model("gpt-4o-2024-08-06", [mine]) is mine


def test_a_long_prompt_has_a_price_of_its_own() -> None:
    info = MODELS["gemini-2.5-pro"]

    assert info.cost(nt.Usage(100_000, 0)) == pytest.approx(0.125)
    assert info.cost(nt.Usage(300_000, 0)) == pytest.approx(0.75)


def test_what_is_not_known_costs_nobody_knows_what() -> None:
    assert ModelInfo(id="llama3").cost(nt.Usage(1, 1)) is None
    assert MODELS["gpt-4o"].cost(None) is None


def test_what_is_cached_for_an_hour_costs_more_than_what_is_cached_for_five_minutes() -> None:
    written = {"ephemeral_5m_input_tokens": 1_000, "ephemeral_1h_input_tokens": 3_000}
    usage = nt.Usage(input_tokens=5_000, output_tokens=0, cache_creation_input_tokens=4_000)
    result = nt.InferenceResult(
        model="claude-sonnet-4-5", usage=usage, extra=freeze({"usage": {"cache_creation": written}})
    )

    assert with_cost(result).cost == pytest.approx((1_000 * 3 + 1_000 * 3.75 + 3_000 * 6) / 1e6)


def test_reasoning_is_output_and_is_not_paid_twice() -> None:
    usage = nt.Usage(input_tokens=0, output_tokens=1_000, reasoning_tokens=900)

    assert with_cost(nt.InferenceResult(model="gpt-5", usage=usage)).cost == pytest.approx(0.01)


@pytest.mark.parametrize(("tier", "cost"), [("default", 0.01), ("flex", 0.005), ("batch", 0.005), ("reserved", None)])
def test_a_tier_has_its_share_of_the_price_or_no_cost(tier: str, cost: float | None) -> None:
    result = nt.InferenceResult(model="gpt-5", usage=nt.Usage(0, 1_000), extra=freeze({"service_tier": tier}))

    assert with_cost(result).cost == (cost if cost is None else pytest.approx(cost))


def test_a_model_of_your_own_is_priced_wherever_it_is_read() -> None:
    mine = ModelInfo(id="llama-mine", prices=Prices(1, 2))
    body = {"model": "llama-mine", "choices": [{"message": {"content": "so"}, "finish_reason": "stop"}]}
    usage = {"usage": {"prompt_tokens": 1_000_000, "completion_tokens": 500_000}}

    assert nt.engines.decode("openai-chat", body | usage).cost is None
    assert nt.engines.decode("openai-chat", body | usage, model_info=mine).cost == pytest.approx(2)


def test_every_model_of_the_table_says_what_can_be_known_of_it() -> None:
    assert all(info.context_window and info.prices and info.provider in SOURCES for info in MODELS.values())
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", AS_OF)
