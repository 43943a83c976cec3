"""The values of a column as Arrow arrays of its dtype, with nulls for missing values."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..values.portable import with_escaped_surrogates
from .columns import Column

if TYPE_CHECKING:
    import pyarrow as pa

MAX_INTEGER = 2**63 - 1
SLOW = json.JSONEncoder(ensure_ascii=False, default=repr)


def _fast_encoder() -> Callable[[Any], str]:
    """Return `SLOW.encode` with one encoder in C for all values, which takes half the time."""
    make = getattr(json.encoder, "c_make_encoder", None)
    try:
        encode = make(None, repr, json.encoder.encode_basestring, None, ": ", ", ", False, False, True)  # type: ignore[misc]
        "".join(encode({"a": [1]}, 0))
    except TypeError:  # another Python, with another signature or without it
        return SLOW.encode
    return lambda value: "".join(encode(value, 0))


to_json: Callable[[Any], str] = (
    _fast_encoder()
)  # any value as JSON, with all characters as they are; values without JSON as their repr


def arrow_type(dtype: str) -> pa.DataType:
    """Return the Arrow type of one of our dtypes. Texts are large, because a frame may hold more than 2 GB."""
    import pyarrow as pa

    match dtype:
        case "Int64":
            return pa.int64()
        case "Float64":
            return pa.float64()
        case "boolean":
            return pa.bool_()
        case "time":
            return pa.timestamp("us", tz="UTC")
        case "category":
            return pa.dictionary(pa.int32(), pa.large_string())
    return pa.large_string()


def field(column: Column, dtype: str) -> pa.Field:
    """Return the Arrow field of a column; its metadata hold our dtype, the unit and the doc."""
    import pyarrow as pa

    metadata = {"dtype": dtype, "unit": column.unit, "doc": column.doc}
    return pa.field(column.name, arrow_type(dtype), metadata={name: text for name, text in metadata.items() if text})


def array(name: str, values: list[Any], dtype: str, row: int = 0) -> pa.Array:
    """Return `values` as an array; categories as plain texts. Raises MisuseError that names column and row.

    `row` is the index of the first value in its frame.
    """
    import pyarrow as pa

    kind = pa.large_string() if dtype == "category" else arrow_type(dtype)
    if dtype in ("json", "object"):
        values = [None if value is None else to_json(value) for value in values]
    elif dtype == "time":
        values = [_time(value) for value in values]
    elif dtype == "Int64":
        values = _without_overflow(values)
    try:
        return pa.array(values, kind, from_pandas=True)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and Arrow cannot
        return pa.array(with_escaped_surrogates(values), kind, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        index = _first_invalid(values, kind)
        if index is None:
            raise MisuseError(f"column {name!r}: {error}") from error
        raise MisuseError(f"column {name!r}, row {row + index}: expected {dtype}, got {values[index]!r:.60}") from error


def category_codes(texts: pa.Array, codes: dict[str, int]) -> pa.Array:
    """Return texts as their numbers in `codes` (int32); new texts are added to `codes`."""
    import pyarrow as pa

    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    categories = texts.dictionary.to_pylist()
    numbers: list[int | None] = [None] * len(categories)
    for index in texts.indices.unique().to_pylist():  # in the order of the rows; a batch may have others, too
        if index is not None and (text := categories[index]) is not None:
            numbers[index] = codes.setdefault(text, len(codes))
    return pa.array(numbers, pa.int32()).take(texts.indices)


def inferred_dtype(values: Iterable[Any]) -> str:
    """Return a dtype for the values of a column without one."""
    types = {type(value) for value in values if value is not None and type(value).__name__ != "NAType"}
    if not types:
        return "object"
    if all(issubclass(kind, str) for kind in types):
        return "string"
    if types == {bool}:
        return "boolean"
    if types == {int}:
        return "Int64"
    if types <= {int, float}:
        return "Float64"
    return "time" if types == {datetime} else "object"


def _without_overflow(values: list[Any]) -> list[Any]:
    """Return values without the numbers that 64 bits cannot hold: these are damage, and are missing."""
    try:
        numbers = [value for value in values if value is not None]
        if not numbers or (min(numbers) >= -MAX_INTEGER and max(numbers) <= MAX_INTEGER):
            return values
        return [value if value is None or -MAX_INTEGER <= value <= MAX_INTEGER else None for value in values]
    except TypeError:  # not a number: reported with its row
        return values


def _time(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return round(value * 1_000_000) if isinstance(value, (int, float)) else value


def _first_invalid(values: list[Any], kind: pa.DataType) -> int | None:
    """Return the index of the first value that is not of this type."""
    import pyarrow as pa

    for index, value in enumerate(values):
        try:
            pa.array(with_escaped_surrogates([value]), kind, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return index
    return None
