"""Checks that a record of ours is plain: that its values have the types in which we write them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ...render.readable_values import ALL_KEYS, all_are_readable
from ...serialization.file_format import BYTES_KEY, FLOATS_KEY
from .block_batch import NotPlainError, plain_json, require_levels

# The fields of the record of a model call, with the types that need no decoding.
CALL_FIELDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        ("inference_id", "provider", "model", "stop_reason", "finish_class", "request_id", "response_id"), (str,)
    ),
    **dict.fromkeys(("cost_source", "price_table"), (str,)),
    **dict.fromkeys(("max_tokens", "duration_ms", "time_to_first_token_ms"), (int, float)),
    "cost": (float,),
    "attempts": (int,),
    "truncated": (bool,),
    "usage": (dict,),
    "extra": (dict,),
    "error": (dict,),
}
TOKEN_COUNTS = frozenset(
    {"input_tokens", "output_tokens", "cached_tokens", "cache_creation_input_tokens"}
    | {"cache_read_input_tokens", "reasoning_tokens"}
)


def json_text(value: Any) -> str:
    """Return a value as JSON. Raises NotPlainError if bytes are in it."""
    text = plain_json(value)
    if BYTES_KEY in text:  # the JSON form of bytes, or an escaped name
        raise NotPlainError
    return text


@lru_cache(1_024)  # the records of a program have few shapes
def nested_fields(*names_and_types: Any) -> tuple[str, ...]:
    """Return the names of the dicts and lists in a record of a model call, whose names and types follow each other.

    Raises NotPlainError for a field of another type than it has in our files.
    """
    half = len(names_and_types) // 2
    types = dict(zip(names_and_types[:half], names_and_types[half:], strict=True))
    for name, kind in types.items():
        if name in CALL_FIELDS and kind not in CALL_FIELDS[name] and kind is not type(None):
            raise NotPlainError
    return tuple(name for name, kind in types.items() if kind in (dict, list))


@lru_cache(1_024)
def check_token_counts(*names_and_types: Any) -> None:
    """Raise NotPlainError for a count of tokens that is not an integer; names and types follow each other."""
    half = len(names_and_types) // 2
    for name, kind in zip(names_and_types[:half], names_and_types[half:], strict=True):
        if name in TOKEN_COUNTS and kind is not int and kind is not type(None):
            raise NotPlainError


def require_plain_extra(mapping: dict[str, Any], own_fields: frozenset[str]) -> None:
    """Raise NotPlainError for unknown fields that a Run or a Turn cannot hold as they are."""
    if own_fields.issuperset(mapping):
        return
    for name, value in mapping.items():
        if name not in own_fields:
            if name.startswith((BYTES_KEY, FLOATS_KEY)):
                raise NotPlainError
            require_levels(value)


def require_readable(metadata: dict[str, Any]) -> None:
    """Raise NotPlainError for a known key whose value is of another type, or holds the JSON form of bytes."""
    if not all_are_readable(metadata):
        raise NotPlainError
    for name in ALL_KEYS.keys() & metadata.keys():
        if type(metadata[name]) is not str:
            json_text(metadata[name])


__all__ = ["check_token_counts", "json_text", "nested_fields", "require_plain_extra", "require_readable"]
