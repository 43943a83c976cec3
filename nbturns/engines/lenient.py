"""Answers read without trust: what is not of the shape it should be is empty, not an exception."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Mapping
from typing import Any, NoReturn

from ..errors import EngineError
from ..frozen import EMPTY, freeze


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else EMPTY


def mappings_of(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; nothing where there is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def are_parts(value: Any, types: Container[str]) -> bool:
    """Whether this is a list of parts of these types, and not empty."""
    parts = mappings_of(value)
    return bool(parts) and len(parts) == len(value) and all(one.get("type") in types for one in parts)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""


def count_of(value: Any) -> int:
    return value if type(value) is int else 0


def cost_of(counts: Mapping[str, Any]) -> float | None:
    """USD that OpenRouter says it took: `cost`, and with a key of the user's own what its provider took beside."""
    cost, behind = counts.get("cost"), mapping_of(counts.get("cost_details")).get("upstream_inference_cost")
    if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not 0 <= cost < math.inf:
        return None
    if counts.get("is_byok") and isinstance(behind, (int, float)) and 0 <= behind < math.inf:
        return float(cost + behind)
    return float(cost)


def kept(value: Any) -> Any:
    """A part of an answer, frozen. Raises EngineError for one nobody could keep, nested without end."""
    try:
        return freeze(value)
    except TypeError as error:
        raise EngineError(str(error), kind="bad_response") from None


def json_of(text: str) -> Any:
    """What a text says in JSON, frozen; None when it is none. Numbers that JSON does not have make it none."""
    try:
        return freeze(_DECODER.decode(text))
    except (ValueError, RecursionError, TypeError):
        return None


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
