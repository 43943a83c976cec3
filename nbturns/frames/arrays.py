"""The values of a column as Arrow arrays: typed as the column says, with nulls where there is none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .columns import Column

if TYPE_CHECKING:
    import pyarrow as pa

SLOW = json.JSONEncoder(ensure_ascii=False, default=repr)


def _quick() -> Callable[[Any], str]:
    """`SLOW.encode`, without making its encoder in C anew for each value: half the time."""
    make = getattr(json.encoder, "c_make_encoder", None)
    try:
        encode = make(None, repr, json.encoder.encode_basestring, None, ": ", ", ", False, False, True)  # type: ignore[misc]
        "".join(encode({"a": [1]}, 0))
    except TypeError:  # another Python, with another signature or without it
        return SLOW.encode
    return lambda value: "".join(encode(value, 0))


to_json = _quick()  # any value as JSON, with all characters as they are; what JSON has no word for as its repr


def arrow_type(dtype: str) -> pa.DataType:
    """The Arrow type of one of our dtypes. Texts are large from the start: a frame may hold more than 2 GB."""
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
    """The Arrow field of a column; its metadata hold our dtype, the unit and the doc."""
    import pyarrow as pa

    told = {"dtype": dtype, "unit": column.unit, "doc": column.doc}
    return pa.field(column.name, arrow_type(dtype), metadata={name: said for name, said in told.items() if said})


def array(name: str, values: list[Any], dtype: str, row: int = 0) -> pa.Array:
    """`values` as an array; categories as plain texts. Raises MisuseError that names column and row.

    `row` is the place of the first in its frame.
    """
    import pyarrow as pa

    kind = pa.large_string() if dtype == "category" else arrow_type(dtype)
    if dtype in ("json", "object"):
        values = [None if value is None else to_json(value) for value in values]
    elif dtype == "time":
        values = [_time(value) for value in values]
    try:
        return pa.array(values, kind, from_pandas=True)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and Arrow cannot
        return pa.array([_whole(value) for value in values], kind, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        at = _misfit(values, kind)
        where = f", row {row + at}: {values[at]!r:.60} is no {dtype}" if at is not None else f": {error}"
        raise MisuseError(f"column {name!r}{where}") from error


def recoded(texts: pa.Array, codes: dict[str, int]) -> pa.Array:
    """Texts as their numbers in `codes`, which grows by those it did not know."""
    import pyarrow as pa

    if not pa.types.is_dictionary(texts.type):
        texts = texts.dictionary_encode()
    numbers = [None if text is None else codes.setdefault(text, len(codes)) for text in texts.dictionary.to_pylist()]
    return pa.array(numbers, pa.int32()).take(texts.indices)


def fitting(values: Iterable[Any]) -> str:
    """A dtype for values whose column names none."""
    types = {type(value) for value in values if value is not None and type(value).__name__ != "NAType"}
    if not types:
        return "object"
    if all(issubclass(one, str) for one in types):
        return "string"
    if types == {bool}:
        return "boolean"
    if types == {int}:
        return "Int64"
    if types <= {int, float}:
        return "Float64"
    return "time" if types == {datetime} else "object"


def _whole(value: Any) -> Any:
    """Half an emoji as the escape that stands for it in JSON."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _time(value: Any) -> Any:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    return round(value * 1_000_000) if isinstance(value, (int, float)) else value


def _misfit(values: list[Any], kind: pa.DataType) -> int | None:
    """The first value that does not fit by itself."""
    import pyarrow as pa

    for at, value in enumerate(values):
        try:
            pa.array([_whole(value)], kind, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            return at
    return None
