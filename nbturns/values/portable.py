"""Values that JSON or UTF-8 cannot hold, in the form that each kind of output has for them.

NaN, infinity and lone surrogates (half an emoji) stay in values. JSON files, pages and requests hold NaN
and infinity as texts; pages, frames, YAML and SQLite hold a lone surrogate as its escape; requests hold U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from math import isfinite
from typing import Any

from .persistent_list import PersistentList

SURROGATE = re.compile("[\ud800-\udfff]")
NAMES_OF_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def name_of_float(value: float) -> str:
    """Return the name of NaN or an infinity, as JavaScript spells it."""
    return "Infinity" if value > 0 else "-Infinity" if value < 0 else "NaN"


def has_surrogates(text: str) -> bool:
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def escape_surrogates(text: str) -> str:
    """Return the text with each lone surrogate as its escape in JSON; two halves become one character."""
    if not has_surrogates(text):
        return text
    joined_text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", joined_text)


def with_escaped_surrogates(values: Iterable[Any]) -> list[Any]:
    """Return values with the texts among them as SQLite and Arrow can hold them; see `escape_surrogates`."""
    return [escape_surrogates(value) if isinstance(value, str) else value for value in values]


def replace_surrogates(text: str) -> str:
    """Return the text with each lone surrogate as U+FFFD; two halves become one character."""
    if not has_surrogates(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def portable(value: Any, convert_text: Callable[[str], str] = escape_surrogates) -> Any:
    """Return a value that every JSON parser reads: finite numbers, and texts without lone surrogates.

    A value that needs no change is returned as it is.
    """
    if isinstance(value, str):
        return value if value.isascii() else convert_text(value)
    if isinstance(value, float):
        return value if isfinite(value) else name_of_float(value)
    if isinstance(value, Mapping):
        items = {portable(key, convert_text): portable(item, convert_text) for key, item in value.items()}
        is_same = (
            len(items) == len(value) and all(map(_is, items.values(), value.values())) and items.keys() == value.keys()
        )
        return value if is_same else items
    if isinstance(value, (list, tuple, PersistentList)):
        converted_items = [portable(item, convert_text) for item in value]
        return value if all(map(_is, converted_items, value)) else converted_items
    return value


def _is(value: Any, other_value: Any) -> bool:
    return value is other_value
