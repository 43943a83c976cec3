"""The result of a tool as a value that JSON can hold, of limited size.

Objects without a shape in JSON become their text, endless or large values are cut, and the model reads that they were.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, KeysView, Mapping, ValuesView
from math import isfinite
from typing import Any

from ..errors import MisuseError, describe_error
from ..packages import require
from ..values.frozen_json import (
    MAX_DEPTH,
    Changes,
    FrozenDict,
    FrozenList,
    ImageMap,
    count_change,
    describe_changes,
    encode_base64,
    frozen_integer,
    key_name,
    sorted_if_possible,
)
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run, Turn

ITEM_SIZE = 8  # bytes that each item of a list or mapping counts for, in addition to its text
SIMPLE_TYPES = frozenset({str, int, float, bool, type(None)})
LIST_TYPES = (list, tuple, set, frozenset, deque, range, Iterator, KeysView, ValuesView, PersistentList)
NONFINITE = "NaN or infinity to a text in requests"


class ToolResultConversion:
    """One conversion of a result to a frozen value of at most `max_size` bytes; None means no limit.

    `changes` counts what was changed. `abandon` ends a conversion that nobody waits for any more.
    """

    is_cut: bool

    def __init__(self, max_size: int | None) -> None:
        self.max_size = max_size
        self.changes: Changes = {}
        self.is_cut = False
        self._bytes_left = float("inf") if max_size is None else float(max_size)
        self._is_abandoned = False

    def abandon(self) -> None:
        self._is_abandoned = True

    def convert(self, result: Any) -> Any:
        """Return the result as a frozen value; a cut one ends with a sentence about it."""
        value = self._convert(result, MAX_DEPTH - 1)
        return self._with_mark(value) if self.is_cut else value

    def notice(self) -> str:
        """Return a sentence about the changes of the result; "" without changes."""
        parts = [f"changed: {describe_changes(self.changes)}"] if self.changes else []
        parts += [self._cut_sentence()] if self.is_cut else []
        return "; ".join(parts)

    def _cut_sentence(self) -> str:
        return f"cut: the result is larger than max_result={self.max_size:,} bytes"

    def _with_mark(self, value: Any) -> Any:
        mark = f"[{self._cut_sentence()}]"
        if isinstance(value, str):
            return f"{value}… {mark}" if value else mark
        if isinstance(value, FrozenList):
            return FrozenList([*value, mark])
        return FrozenDict({**value, "…": mark}) if isinstance(value, FrozenDict) else mark

    def _convert(self, value: Any, levels: int) -> Any:
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind in SIMPLE_TYPES:
            return self._number(value)
        if kind is ImageMap and self._fits(len(str(value.get("content") or ""))):
            return value
        if levels <= 0:
            raise MisuseError(f"the result is nested more than {MAX_DEPTH} levels deep, or contains itself")
        try:
            return self._container_or_object(value, levels - 1)
        except (_AbandonedError, MisuseError):
            raise
        except Exception:  # properties and methods of a result are code of others and may raise anything
            count_change(self.changes, f"{kind.__name__}, which could not be converted, to text")
            return self._text(_text_of(value))

    def _container_or_object(self, value: Any, levels: int) -> Any:
        if isinstance(value, (Block, Turn, Run)):
            value = value.to_dict()
        if hasattr(value, "dtype") and hasattr(value, "tolist") and not isinstance(value, type):
            return self._array(value, levels)
        if isinstance(value, str):  # str() of an enum may give its name
            return self._text(str.__str__(value))
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._text(encode_base64(value, self.changes))
        if isinstance(value, int):
            return self._number(int(value))
        if isinstance(value, float):
            return self._number(float(value))
        if isinstance(value, Mapping):
            return self._mapping(value, levels)
        if isinstance(value, LIST_TYPES) and not isinstance(value, type):
            return self._list(value, levels)
        return self._object(value, levels)

    def _mapping(self, value: Mapping[Any, Any], levels: int) -> FrozenDict:
        items: dict[str, Any] = {}
        for key, item in value.items():
            name = self._key(key)
            if not self._fits(len(name) + ITEM_SIZE):
                break
            if name in items:
                count_change(self.changes, f"keys that are both {name!r:.40} as text to one")
            items[name] = self._convert(item, levels)
        return FrozenDict(items)

    def _key(self, key: Any) -> str:
        try:
            return key_name(key)
        except MisuseError:
            count_change(self.changes, f"keys of the type {type(key).__name__} to text")
            return _text_of(key)

    def _list(self, value: Iterable[Any], levels: int) -> FrozenList:
        if isinstance(value, (tuple, set, frozenset)):
            count_change(self.changes, "tuple to list" if isinstance(value, tuple) else "set to list")
        items: list[Any] = []
        for item in sorted_if_possible(value) if isinstance(value, (set, frozenset)) else value:
            if self._is_abandoned:
                raise _AbandonedError
            if not self._fits(ITEM_SIZE):
                break
            items.append(self._convert(item, levels))
        return FrozenList(items)

    def _array(self, value: Any, levels: int) -> Any:
        dimensions = getattr(value, "ndim", 0)
        count_change(self.changes, "numpy array to list" if dimensions else "numpy scalar to Python value")
        if dimensions and value.size * ITEM_SIZE > self._bytes_left:
            self.is_cut = True
            row_size = max(1, value.size // max(1, len(value)))
            value = value[: int(self._bytes_left // (row_size * ITEM_SIZE)) + 1]
        return self._convert(value.tolist(), levels)

    def _object(self, value: Any, levels: int) -> Any:
        """Return a model, a dataclass, a date or another object as plain data, else as text."""
        if not isinstance(value, type):
            if hasattr(value, "model_dump"):
                plain_model = value.model_dump()
                return self._convert(plain_model if _has_bytes(plain_model) else value.model_dump(mode="json"), levels)
            if dataclasses.is_dataclass(value):
                fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
                return self._mapping(fields, levels)
        require("pydantic_core")
        from pydantic_core import to_jsonable_python

        return self._convert(to_jsonable_python(value, fallback=self._fallback, inf_nan_mode="constants"), levels)

    def _fallback(self, value: Any) -> str:
        count_change(self.changes, f"{type(value).__name__} to text")
        return _text_of(value)

    def _number(self, value: Any) -> Any:
        self._bytes_left -= ITEM_SIZE
        if type(value) is int:
            number = frozen_integer(value, self.changes)
            return self._text(number) if isinstance(number, str) else number
        if type(value) is float and not isfinite(value):
            count_change(self.changes, NONFINITE)
        return value

    def _text(self, text: str) -> str:
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > self._bytes_left:
            self.is_cut = True
            text = text.encode("utf-8", "surrogatepass")[: max(0, int(self._bytes_left))].decode("utf-8", "ignore")
        self._bytes_left -= size
        return text

    def _fits(self, size: int) -> bool:
        """Count `size` bytes; return False, and mark the result as cut, when they do not fit."""
        self._bytes_left -= size
        if self._bytes_left < 0:
            self.is_cut = True
        return self._bytes_left >= 0


class _AbandonedError(Exception):
    """The call has timed out or was stopped, so nobody waits for its result."""


def _has_bytes(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_bytes, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_has_bytes, value))
    return isinstance(value, (bytes, bytearray, memoryview))


def _text_of(value: Any) -> str:
    """Return an object as text. Raises MisuseError when that fails."""
    try:
        return str(value)
    except Exception as error:  # str() of an object is code of others and may raise anything
        raise MisuseError(f"a {type(value).__name__} that has no text: {describe_error(error)}") from None
