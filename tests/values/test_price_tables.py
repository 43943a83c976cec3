"""Where a cost comes from: the provider, the package genai-prices, or the table of nbturns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

import nbturns as nt
from nbturns.values import price_tables
from nbturns.values.frozen_json import freeze
from nbturns.values.inference_results import UNKNOWN_COUNT
from nbturns.values.model_info import MODELS, ModelInfo, Prices
from nbturns.values.price_tables import OUR_TABLE, with_cost

genai_prices = pytest.importorskip("genai_prices")
GENAI = f"genai-prices {genai_prices.__version__}"


@pytest.fixture
def without_genai_prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    price_tables.genai_table.cache_clear()
    yield
    price_tables.genai_table.cache_clear()


def call(model: str, provider: str = "", usage: nt.Usage | None = None, **details: object) -> nt.InferenceResult:
    return nt.InferenceResult(
        model=model, provider=provider, usage=usage or nt.Usage(100_000, 10_000), extra=freeze(details)
    )


def test_a_reported_cost_is_kept_and_comes_from_the_provider() -> None:
    result = with_cost(call("gpt-4o").replace(cost=0.5))
    assert (result.cost, result.cost_source, result.price_table) == (0.5, "provider", None)
    assert with_cost(result) is result


def test_the_package_genai_prices_comes_first_and_is_named_with_its_version() -> None:
    result = with_cost(call("gpt-4o", "openai"))
    assert result.cost == pytest.approx(0.35)
    assert (result.cost_source, result.price_table) == ("table", GENAI)


@pytest.mark.usefixtures("without_genai_prices")
def test_without_the_package_the_table_of_nbturns_is_used_and_named() -> None:
    result = with_cost(call("gpt-4o", "openai"))
    assert result.cost == pytest.approx(0.35)
    assert (result.cost_source, result.price_table) == ("table", OUR_TABLE)
    assert with_cost(call("deepseek-chat", "deepseek")).cost is None


@pytest.mark.parametrize("id", MODELS)
def test_both_tables_agree_on_the_models_of_nbturns(id: str) -> None:
    usage = nt.Usage(100_000, 10_000, 50_000)
    info = MODELS[id]
    assert with_cost(call(id, info.provider, usage)).cost == pytest.approx(info.cost(usage))


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("groq", "llama-3.3-70b-versatile"),
        ("deepseek", "deepseek-reasoner"),
        ("openrouter", "openai/gpt-4o"),
        ("bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0"),
        ("gemini", "models/gemini-2.5-flash"),
        ("azure", "gpt-4o-2024-08-06"),
        ("", "anthropic/claude-sonnet-4.6"),
        ("litellm", "claude-sonnet-4-5-20250929"),
    ],
)
def test_a_model_is_found_by_the_name_of_its_provider_or_of_its_vendor(provider: str, model: str) -> None:
    result = with_cost(call(model, provider))
    assert result.cost is not None and result.price_table == GENAI


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("ollama", "gpt-oss:20b"),  # runs here, and costs nothing that a table knows
        ("vllm", "deepseek-chat"),
        ("openai", "llama-3.1-8b"),  # a compatible server: whose price?
        ("anthropic", "claude-sonnet-9"),
        ("openai", ""),
        ("claude-code", "<synthetic>"),
    ],
)
def test_a_local_or_an_unknown_model_has_no_cost(provider: str, model: str) -> None:
    result = with_cost(call(model, provider))
    assert (result.cost, result.cost_source, result.price_table) == (None, None, None)


def test_unknown_counts_have_no_cost() -> None:
    assert with_cost(call("gpt-4o", usage=nt.Usage(UNKNOWN_COUNT, 10))).cost is None
    assert with_cost(call("gpt-4o", usage=nt.Usage(10, UNKNOWN_COUNT))).cost is None
    assert with_cost(nt.InferenceResult(model="gpt-4o")).cost is None


def test_the_time_of_a_call_decides_between_old_and_new_prices() -> None:
    before, after = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)
    assert with_cost(call("o3", "openai"), at=before).cost == pytest.approx(1.4)
    assert with_cost(call("o3", "openai"), at=after).cost == pytest.approx(0.28)
    assert with_cost(call("o3", "openai")).cost == pytest.approx(0.28)


@pytest.mark.parametrize(("tokens", "price"), [(200_000, 1.25), (200_001, 2.5)])
def test_a_long_prompt_has_the_price_of_its_tier(tokens: int, price: float) -> None:
    result = with_cost(call("gemini-2.5-pro", "gemini", nt.Usage(tokens, 0)))
    assert result.cost == pytest.approx(tokens * price / 1e6)


def test_a_service_tier_or_a_speed_has_its_own_price_or_none() -> None:
    usual = with_cost(call("gpt-5", "openai")).cost or 0
    assert with_cost(call("gpt-5", "openai", service_tier="priority")).cost == pytest.approx(2 * usual)
    assert with_cost(call("gpt-5", "openai", service_tier="batch")).cost == pytest.approx(usual / 2)
    assert with_cost(call("gpt-5", "openai", service_tier="reserved")).cost is None
    opus = with_cost(call("claude-opus-5", "anthropic")).cost or 0
    assert with_cost(call("claude-opus-5", "anthropic", speed="fast")).cost == pytest.approx(2 * opus)


def test_your_own_entry_wins_and_is_named() -> None:
    result = with_cost(call("gpt-4o"), [ModelInfo(id="gpt-4o", prices=Prices(1, 1))])
    assert result.cost == pytest.approx(0.11)
    assert result.price_table == "nt.ModelInfo"


def test_a_price_of_requests_and_of_reasoning_is_added() -> None:
    prices = Prices(1, 2, reasoning=3, request=5_000)
    assert prices.cost(nt.Usage(1_000_000, 1_000_000, reasoning_tokens=400_000)) == pytest.approx(1 + 1.2 + 1.2 + 0.005)


def test_the_source_of_a_cost_is_saved_with_it() -> None:
    result = with_cost(call("gpt-4o", "openai"))
    assert nt.InferenceResult.from_dict(result.to_dict()) == result
    assert result.to_dict()["price_table"] == GENAI
