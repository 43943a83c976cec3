"""Objects of other packages as plain data: mappings, lists, texts, numbers.

No package is imported: an object is asked for its data by the methods that such objects have. The names are those of
pydantic (`model_dump`), of the SDKs of OpenAI and Google (`to_dict`), of older pydantic (`dict`) and of dataclasses.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

MAX_DEPTH = 200  # levels of objects in objects; a longer chain refers to itself
PLAIN_TYPES = (str, int, float, bool, type(None))
CONVERTERS = ("model_dump", "to_dict", "dict")  # methods that return the data of an object, in the order they are tried
HISTORY_METHODS = ("all_messages", "get_turns", "get_full_steps", "to_json")
WIRE_PACKAGES = frozenset({"openai", "anthropic"})  # whose models know which fields a reply had


def plain_data(value: Any, depth: int = 0) -> Any:
    """Return a value as plain data; what has no data of its own (a function, a client) as its `repr`.

    Bytes become base64 text, dates and times ISO 8601, sets and tuples lists. Raises RecursionError for an
    object that contains itself.
    """
    if isinstance(value, PLAIN_TYPES) and not isinstance(value, enum.Enum):
        return value
    if depth > MAX_DEPTH:
        raise RecursionError("the object contains itself, or objects are nested too deeply")
    if isinstance(value, Mapping):
        return {_key(key): plain_data(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (Sequence, AbstractSet)) and not isinstance(value, (bytes, bytearray, memoryview)):
        return [plain_data(item, depth + 1) for item in value]
    if (scalar := _scalar(value)) is not None:
        return scalar
    for read_data in data_readers(value):
        return plain_data(read_data(), depth + 1)
    return repr(value)[:1000]


def data_readers(value: Any) -> Iterator[Callable[[], Any]]:
    """Yield the functions that return the data of an object, the most telling first; none for a class."""
    if isinstance(value, type):
        return
    if history := conversation_method(value):
        yield history
    for method_name in CONVERTERS:
        if callable(method := _attribute(value, method_name)):
            yield partial(_dump, value, method, method_name)
    if dataclasses.is_dataclass(value):
        yield lambda: _fields(value)


def conversation_method(value: Any) -> Callable[[], Any] | None:
    """Return the method that gives the conversation of an object which holds more than that; None without one.

    `all_messages` is of results of pydantic-ai, `get_turns` of chats of chatlas, `get_full_steps` of the memory of
    smolagents, `to_json` of the RunState of openai-agents. A result of openai-agents has `to_input_list` and
    `raw_responses`; an agent of smolagents has its `memory`.
    """
    if callable(to_input_list := _attribute(value, "to_input_list")):
        return lambda: {
            "agents_input": to_input_list(),
            "raw_responses": _attribute(value, "raw_responses") or [],
            "final_output": _attribute(value, "final_output"),
        }
    for method_name in HISTORY_METHODS:
        method = _attribute(value, method_name)
        if callable(method) and (method_name != "to_json" or callable(_attribute(value, "get_interruptions"))):
            return _history_call(value, method, method_name)
    memory = _attribute(value, "memory")
    return conversation_method(memory) if callable(_attribute(memory, "get_full_steps")) else None


def _history_call(value: Any, method: Callable[[], Any], method_name: str) -> Callable[[], Any]:
    if method_name != "get_full_steps":
        return method
    return lambda: {"system_prompt": _attribute(value, "system_prompt"), "steps": method()}


def _attribute(value: Any, name: str) -> Any:
    """Return an attribute that the class of a value defines or the value holds; None without one.

    A proxy that answers to any name is not asked.
    """
    try:
        has_method = hasattr(type(value), name) or name in getattr(value, "__dict__", ())
        return getattr(value, name) if has_method else None
    except Exception:  # a property of a foreign object may raise anything
        return None


def _dump(value: Any, method: Callable[..., Any], method_name: str) -> Any:
    """Return what a method of an object returns; pydantic's as JSON, under the names that a provider uses."""
    if method_name != "model_dump":
        return method()
    package = type(value).__module__.partition(".")[0]
    options: dict[str, Any] = {"mode": "json", "by_alias": True, "warnings": False}
    options |= {"exclude_unset": True} if package in WIRE_PACKAGES else {}
    options |= {"exclude_none": True} if package == "google" else {}
    try:
        return method(**options)
    except Exception:  # an argument the method does not take, or a field that JSON cannot hold
        return method()


def _fields(value: Any) -> dict[str, Any]:
    return {
        field.name: getattr(value, field.name, None)
        for field in dataclasses.fields(value)
        if not field.name.startswith("_")
    }


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(plain_data(key, MAX_DEPTH - 1))


def _scalar(value: Any) -> Any:
    """Return a value that is one text or number as such; None for any other value."""
    if isinstance(value, enum.Enum):
        return plain_data(value.value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, os.PathLike) or type(value).__module__ == "uuid":
        return str(value)
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if type(value).__module__ == "numpy" and callable(to_list := _attribute(value, "tolist")):
        return plain_data(to_list())
    return None
