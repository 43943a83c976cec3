"""The shape of data: its field names and types, by which values of one format are told from those of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARKS = frozenset({"role", "type", "kind", "object", "from", "format", "event", "version"})  # fields that name a format
MAX_ITEMS = 128  # items of a list that are looked at; no score looks at more
MAX_DEPTH = 8
MAX_MARK = 40  # characters


def shape_of(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the shape of some data, which can be a key: equal for values that differ in their texts and numbers only."""
    if isinstance(value, Mapping):
        if not depth:
            return dict
        return tuple(
            (name, item[:MAX_MARK] if name in MARKS and isinstance(item, str) else shape_of(item, depth - 1))
            for name, item in value.items()
        )
    if isinstance(value, (list, tuple)):
        return tuple(dict.fromkeys(shape_of(item, depth - 1) for item in value[:MAX_ITEMS])) if depth else list
    return "" if value == "" else type(value)
