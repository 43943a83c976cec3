"""Fields of a record that another program wrote: their types are checked when they are read.

A field of another type than its format documents raises ShapeError. `Transcript.read_record`
then keeps the record as it is, so one odd record does not cost the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any, TypeVar

from ...values.frozen_json import EMPTY_DICT
from ...values.inference_results import UNKNOWN_COUNT, Usage
from . import lenient_json
from .faults import unknown_value, wrong_type
from .import_report import Notes

T = TypeVar("T")
EMPTY_VALUES: tuple[Any, ...] = (None, "", [], {})


class ShapeError(Exception):
    """A record has another shape than its format documents."""


def expect(value: Any, expected_type: type[T] | tuple[type[T], ...], field_name: str) -> T:
    """Return `value` when it is an `expected_type`. Raises ShapeError when it is not."""
    if isinstance(value, expected_type) and (expected_type is bool or not isinstance(value, bool)):
        return value
    raise ShapeError(
        wrong_type(field_name, value, *(expected_type if isinstance(expected_type, tuple) else (expected_type,)))
    )


def unexpected(field_name: str, value: Any) -> ShapeError:
    """Return the error for a value that the format does not document, such as an unknown role."""
    return ShapeError(unknown_value(field_name, value))


def optional_text(value: Any, field_name: str) -> str | None:
    """Return a string or None. Raises ShapeError for anything else."""
    return None if value is None else expect(value, str, field_name)


def object_or_empty(value: Any, field_name: str) -> dict[str, Any]:
    """Return an object, an empty one for None. Raises ShapeError for anything else."""
    return {} if value is None else expect(value, dict, field_name)


def list_or_empty(value: Any, field_name: str) -> list[Any]:
    """Return a list, an empty one for None. Raises ShapeError for anything else."""
    return [] if value is None else expect(value, list, field_name)


def objects(value: Any, field_name: str) -> list[dict[str, Any]]:
    """Return a list of objects, an empty one for None. Raises ShapeError for anything else."""
    return [expect(item, dict, f"{field_name}[{index}]") for index, item in enumerate(list_or_empty(value, field_name))]


def text_or_empty(value: Any) -> str:
    """Return a string; "" for anything else."""
    return value if isinstance(value, str) else ""


def to_number(value: Any) -> int | float | None:
    """Return a finite number, also one written as text; None for anything else."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    return value if is_number else None


def first_number(fields: Mapping[str, Any], names: Iterable[str]) -> int | float | None:
    """Return the value of the first of these fields that has a number; None without one."""
    return next((number for name in names if (number := to_number(fields.get(name))) is not None), None)


def to_float(value: Any) -> float | None:
    """Return a finite number as a float, also one written as text; None for anything else."""
    number = to_number(value)
    return None if number is None else float(number)


def token_count(value: Any) -> int:
    """Return a number of tokens; UNKNOWN_COUNT for anything that is not a number."""
    number = value if type(value) is int else to_number(value)
    return UNKNOWN_COUNT if number is None else int(number)


def token_usage(
    input_tokens: Any = None,
    output_tokens: Any = None,
    *,
    cache_read_tokens: Any = None,
    cache_write_tokens: Any = None,
    reasoning_tokens: Any = None,
    cache_in_input: bool = True,
) -> Usage | None:
    """Return the tokens of a model call; None without any. A count that is not a number is unknown.

    `input_tokens` includes the tokens of the cache; without `cache_in_input` these are added to it.
    """
    if not cache_in_input and (count := to_number(input_tokens)) is not None:
        input_tokens = count + (to_number(cache_read_tokens) or 0) + (to_number(cache_write_tokens) or 0)
    if to_number(input_tokens) is None and to_number(output_tokens) is None:
        return None
    return Usage(
        *map(token_count, (input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens))
    )


# Fields of a whole document: one of another type is reported, because an error would cost all its records.


def object_of_document(value: Any, field_name: str, notes: Notes) -> dict[str, Any]:
    """Return an object; an empty one for anything else, which is reported unless it is None."""
    return _of_type(dict, value, field_name, notes)


def list_of_document(value: Any, field_name: str, notes: Notes) -> list[Any]:
    """Return a list; an empty one for anything else, which is reported unless it is None."""
    return _of_type(list, value, field_name, notes)


def without_lists(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the fields of a document without these lists; one that is no list stays."""
    return {name: value for name, value in document.items() if name not in names or not isinstance(value, list)}


def _of_type(expected_type: type[T], value: Any, field_name: str, notes: Notes) -> T:
    if isinstance(value, expected_type):
        return value
    if value is not None:
        notes.add_unknown(field_name, wrong_type("", value, expected_type))
    return expected_type()


# Remaining fields of a record.


def omit(record: Mapping[str, Any], *field_names: str) -> dict[str, Any]:
    """Return the fields of a record without `field_names`."""
    return {field_name: value for field_name, value in record.items() if field_name not in field_names}


def omit_empty(record: Mapping[str, Any] = EMPTY_DICT, **fields: Any) -> dict[str, Any]:
    """Return the fields of a record, and `fields`, without those that are null or empty."""
    return {field_name: value for field_name, value in (*record.items(), *fields.items()) if value not in EMPTY_VALUES}


def pop_text(record: dict[str, Any], *field_names: str) -> str:
    """Remove the first of `field_names` that has a non-empty text and return the text; "" without one."""
    for field_name in field_names:
        if isinstance(record.get(field_name), str) and record[field_name]:
            return str(record.pop(field_name))
    return ""


def split_document(value: Any, notes: Notes, list_name: str = "messages") -> tuple[list[Any], dict[str, Any]]:
    """Return the records of a document, which is a list or an object with a list `list_name`, and its other fields.

    Raises LoadError for a document without such a list.
    """
    if isinstance(value, (list, tuple)):
        return list(value), {}
    return list(field_of_document(value, notes, list_name, (list, tuple))), omit(value, list_name)


def field_of_document(value: Any, notes: Notes, field_name: str, expected_type: Any = list) -> Any:
    """Return a field that every document of a format has. Raises LoadError where it is missing or of another type."""
    if not isinstance(value, Mapping):
        raise notes.load_error("", wrong_type("conversation", value, dict))
    if not isinstance(value.get(field_name), expected_type):
        raise notes.load_error(
            "",
            wrong_type(
                field_name,
                value.get(field_name),
                expected_type[0] if isinstance(expected_type, tuple) else expected_type,
            ),
        )
    return value[field_name]


def parse_arguments(arguments: Any) -> tuple[Any, bool]:
    """Return the arguments of a tool call as an object, and whether JSON would write them in the same way.

    The object is None for arguments that are not a JSON object.
    """
    if isinstance(arguments, Mapping):
        return arguments, True
    if not arguments:
        return {}, arguments is None or arguments == ""
    if not isinstance(arguments, str):
        return None, False
    parsed_arguments = json_or_none(arguments)
    return (parsed_arguments, arguments == "{}") if type(parsed_arguments) is dict else (None, False)


def json_or_none(text: str) -> Any:
    """Return the value of a JSON text; None for a text that is not JSON."""
    try:
        return lenient_json.parse(text)
    except (ValueError, RecursionError):
        return None
