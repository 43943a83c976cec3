"""Lenient access to JSON from servers: a value of an unexpected type reads as empty instead of raising."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from typing import Any, NoReturn

from ..errors import EngineError
from ..values.frozen_json import EMPTY_DICT, freeze, thaw
from ..values.inference_results import UNKNOWN_COUNT
from ..values.portable import portable, replace_surrogates


def mapping_of(value: Any) -> Mapping[str, Any]:
    """Return an object, else an empty one."""
    return value if isinstance(value, dict) else EMPTY_DICT


def mappings_of(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; none where it is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def detail_of(data: Mapping[str, Any]) -> str:
    """Return the `detail` with which servers written with FastAPI describe an error; "" without one."""
    detail = data.get("detail")
    if isinstance(detail, str):
        return detail
    messages = [text_of(item.get("msg")) for item in mappings_of(detail)]
    return "; ".join(filter(None, messages)) or text_of(mapping_of(detail).get("message"))


def are_parts(value: Any, types: Container[str]) -> bool:
    """Tell whether this is a non-empty list of parts of these types."""
    parts = mappings_of(value)
    return bool(parts) and len(parts) == len(value) and all(part.get("type") in types for part in parts)


def result_json(value: Any) -> str:
    """Return the result of a tool, or other data for a model, as JSON text; values that are not JSON as their repr()."""
    return json.dumps(thaw(portable(value, replace_surrogates)), ensure_ascii=False, default=repr)


def text_of(value: Any) -> str:
    """Return a string, else ""."""
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int:
    """Return a number without a fraction, 5.0 included, else 0."""
    count = token_count_of(value)
    return 0 if count is UNKNOWN_COUNT else count


def token_count_of(value: Any) -> int:
    """Return a number without a fraction, 5.0 included, else UNKNOWN_COUNT: 0 in sums, NA in frames."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if type(value) is int else UNKNOWN_COUNT


def cost_of(counts: Mapping[str, Any]) -> float | None:
    """Return the USD that OpenRouter reports: its `cost`, plus that of its provider for a key of the user's own."""
    cost, upstream_cost = counts.get("cost"), mapping_of(counts.get("cost_details")).get("upstream_inference_cost")
    if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not 0 <= cost < math.inf:
        return None
    if counts.get("is_byok") and isinstance(upstream_cost, (int, float)) and 0 <= upstream_cost < math.inf:
        return float(cost + upstream_cost)
    return float(cost)


def frozen_part(value: Any) -> Any:
    """Return a part of a response, frozen. Raises EngineError for one that is nested too deeply."""
    try:
        return freeze(value)
    except TypeError as error:
        raise EngineError(str(error), kind="bad_response") from None


def json_of(text: str) -> Any:
    """Return the JSON of a text, frozen; None for invalid JSON, NaN and Infinity included."""
    try:
        return freeze(_DECODER.decode(text))
    except (ValueError, RecursionError, TypeError):
        return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
