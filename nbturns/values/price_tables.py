"""The cost of a model call: as the provider reports it, else by a table of prices.

The table is that of the package genai-prices when it is installed, which has fifty times as many models as
`model_info.MODELS`, the fallback. Nothing is fetched: the prices are those that the packages hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from ..packages import is_installed
from .inference_results import InferenceResult, UnknownCount, Usage
from .model_info import AS_OF, VENDOR_PREFIX, ModelInfo, Prices, find_model

OUR_TABLE = f"nbturns {AS_OF}"
OWN_TABLE = "nt.ModelInfo"  # the prices of an engine's own entry
SEARCH_FEES = "search_fees"  # in the extra of a result: USD for the web searches of the server, from its codec
UNKNOWN_TIME = datetime.fromisoformat(
    f"{AS_OF}T12:00:00+00:00"
)  # for calls without a time: the same cost at every load
LOCAL_PROVIDERS = frozenset(("ollama", "lmstudio", "vllm", "llama-cpp-python", "llama.cpp", "sglang", "hf", "scripted"))
STANDARD_TIERS = frozenset(("", "auto", "default", "standard", "standard_only", "on_demand"))
TIER_SHARES = {"batch": 0.5, "flex": 0.5}  # of the usual price, from the pages in `model_info.SOURCES`
TABLE_NAMES = {"gemini": "google", "bedrock": "aws"}  # our providers by their names in genai-prices


def with_cost(
    result: InferenceResult, own_models: Iterable[ModelInfo] = (), at: datetime | None = None
) -> InferenceResult:
    """Return `result` with its cost in USD, the source of that cost, and the table it was computed with.

    A reported cost is kept. Any other is that of the tokens and of the server's web searches; `at` is the time of
    the call, by which prices change. An unknown model, an unknown service tier or unknown counts have no cost.
    """
    if result.cost is not None:
        return result if result.cost_source else result.replace(cost_source="provider")
    usage = result.usage
    if usage is None or isinstance(usage.input_tokens, UnknownCount) or isinstance(usage.output_tokens, UnknownCount):
        return result
    hour_tokens, tier, speed = _billing_details(result)
    table, table_cost = OWN_TABLE, _own_cost(result.model, usage, hour_tokens, tier or speed, tuple(own_models))
    if table_cost is None:
        table, table_cost = genai_table(), _genai_cost(result, usage, hour_tokens, tier, speed, at or UNKNOWN_TIME)
    if table_cost is None:
        table, table_cost = OUR_TABLE, _our_cost(result, usage, hour_tokens, tier or speed)
    if table_cost is None:
        return result
    search_fees = result.extra.get(SEARCH_FEES)
    fees = search_fees if isinstance(search_fees, float) else 0.0
    return result.replace(cost=round(table_cost + fees, 9), cost_source="table", price_table=table)


def _billing_details(result: InferenceResult) -> tuple[int, str, str]:
    """Return the tokens cached for an hour, the service tier and the speed of a call; "" for the usual ones."""
    provider_usage = result.extra.get("usage")
    provider_usage = provider_usage if isinstance(provider_usage, Mapping) else {}
    cache_writes = provider_usage.get("cache_creation")
    hour_tokens = cache_writes.get("ephemeral_1h_input_tokens") if isinstance(cache_writes, Mapping) else 0
    tier = str(result.extra.get("service_tier") or provider_usage.get("service_tier") or "").lower()
    speed = str(result.extra.get("speed") or provider_usage.get("speed") or "").lower()
    return (
        hour_tokens if isinstance(hour_tokens, int) else 0,
        "" if tier in STANDARD_TIERS else tier,
        "" if speed in STANDARD_TIERS else speed,
    )


def _own_cost(model: str, usage: Usage, hour_tokens: int, tier: str, own_models: tuple[ModelInfo, ...]) -> float | None:
    model_info = find_model(model, own_models) if own_models else None
    return _tier_cost(model_info, usage, hour_tokens, tier) if model_info in own_models else None


def _our_cost(result: InferenceResult, usage: Usage, hour_tokens: int, tier: str) -> float | None:
    if result.provider.lower() in LOCAL_PROVIDERS:
        return None
    return _tier_cost(find_model(result.model), usage, hour_tokens, tier)


def _tier_cost(model_info: ModelInfo | None, usage: Usage, hour_tokens: int, tier: str) -> float | None:
    cost = model_info.cost(usage, hour_tokens) if model_info is not None else None
    share = TIER_SHARES.get(tier) if tier else 1.0
    return None if cost is None or share is None else cost * share


# The package genai-prices.


@cache
def genai_table() -> str:
    """Return name and version of the package genai-prices; "" when it is not installed."""
    if not is_installed("genai_prices"):
        return ""
    from importlib.metadata import version

    return f"genai-prices {version('genai_prices')}"


def _genai_cost(
    result: InferenceResult, usage: Usage, hour_tokens: int, tier: str, speed: str, at: datetime
) -> float | None:
    model = _genai_model(result.provider.lower(), result.model) if genai_table() else None
    if model is None:
        return None
    context = _price_context(tier, speed)
    variants = getattr(model, "price_variants", None) or ()  # older versions have none
    has_variant = any(variant.when.items() <= context.items() for variant in variants)
    share = 1.0 if has_variant or not context else TIER_SHARES.get(tier or speed)
    moment = at.astimezone(UTC)
    if has_variant:  # a new object for each call
        prices = _prices_of(model.get_prices(moment, context), usage.input_tokens)
    else:
        prices = _listed_prices(model.get_prices(moment), usage.input_tokens)
    return None if prices is None or share is None else prices.cost(usage, hour_tokens) * share


def _price_context(tier: str, speed: str) -> dict[str, str]:
    context = {"processing": "batch"} if tier == "batch" else {"service_tier": tier} if tier else {}
    return {**context, "speed": speed} if speed else context


@lru_cache(maxsize=4_096)
def _genai_model(provider: str, name: str) -> Any:
    """Return the entry of a model in genai-prices; None for an unknown one, and for one that runs locally."""
    from genai_prices import data_snapshot

    if not name or provider in LOCAL_PROVIDERS:
        return None
    snapshot = data_snapshot._bundled_snapshot()  # never one that was fetched
    provider_id = TABLE_NAMES.get(provider, provider)
    vendor, _, short_name = name.rpartition("/")
    candidates = [(provider_id, name), (provider_id, short_name), (vendor.rpartition("/")[2], short_name)]
    if VENDOR_PREFIX.match(name.lower()):  # the model of one vendor, wherever it runs
        candidates.append(("", VENDOR_PREFIX.sub("", name.lower())))
    elif data_snapshot.find_provider_by_id(snapshot.providers, provider_id or "-") is None:
        candidates += [("", name), ("", short_name)]
    for candidate_id, candidate_name in dict.fromkeys(candidates):
        try:
            _, model = snapshot.find_provider_model(candidate_name, None, candidate_id or None, None)
        except LookupError:
            continue
        return model
    return None


_FLAT_PRICES: dict[int, tuple[Any, Prices | None]] = {}  # with the entry of genai-prices, by its identity


def _listed_prices(model_price: Any, input_tokens: int) -> Prices | None:
    """Return the prices of an entry of genai-prices; those that do not depend on the number of tokens are kept."""
    flat_prices = _FLAT_PRICES.get(id(model_price))
    if flat_prices is not None:
        return flat_prices[1]
    prices = _prices_of(model_price, input_tokens)
    if not any(hasattr(price, "tiers") for price in vars(model_price).values()):
        _FLAT_PRICES[id(model_price)] = model_price, prices
    return prices


def _prices_of(model_price: Any, input_tokens: int) -> Prices | None:
    """Return the prices of a call with this many input tokens; None for a model that is not paid by text tokens."""
    all_prices: dict[str, Any] = vars(model_price)  # its attributes that are missing are looked up in all its units

    def price_of(name: str) -> float | None:
        price = all_prices.get(name)
        if price is None:
            return None
        for tier in reversed(getattr(price, "tiers", ())):
            if input_tokens > tier.start:
                return float(tier.price)
        return float(getattr(price, "base", price))

    input_price, output_price = price_of("input_mtok"), price_of("output_mtok")
    if input_price is None and output_price is None:
        return None
    return Prices(
        input_price or 0.0,
        output_price or 0.0,
        price_of("cache_read_mtok"),
        price_of("cache_write_mtok"),
        price_of("cache_write_1h_mtok"),
        price_of("output_reasoning_mtok"),
        1_000 * (price_of("requests_kcount") or 0.0),
    )
