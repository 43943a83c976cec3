"""Arguments of tools, each in a column of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .arrays import array, arrow_type, fitting, to_json
from .backends import as_pandas, known_backend

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def spread(frame: pd.DataFrame, column: str = "args") -> pd.DataFrame:
    """The frame with a column for each argument behind its own: `args.city`, in the order they come.

    Best of the calls of one tool, as in `spread(calls[calls.name == "weather"])`. An argument
    that a call does not have is NA; lists and objects are JSON. Raises MisuseError for a frame
    without that column.
    """
    known_backend("pandas")
    import pandas as pd

    if column not in frame:
        raise MisuseError(f"there is no column {column!r} in this frame; it has {', '.join(map(str, frame.columns))}")
    values = [json.loads(one) if isinstance(one, str) and one[:1] == "{" else one for one in frame[column]]
    made = as_pandas(_spread(values, column))
    made.index = frame.index
    return pd.concat([frame, made], axis=1)


def spread_table(table: pa.Table, column: str = "args") -> pa.Table:
    """The same of an Arrow table, whose arguments are JSON."""
    if column not in table.column_names:
        return table
    values = [None if one is None else json.loads(one) for one in table.column(column).to_pylist()]
    made = _spread(values, column)
    for place, name in enumerate(made.column_names):
        table = table.append_column(made.schema.field(place), made.column(name))
    return table


def _spread(values: list[Any], column: str) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for one in values if isinstance(one, dict) for name in one)
    made, fields = [], []
    for name in names:
        cells = [one.get(name) if isinstance(one, dict) else None for one in values]
        dtype = fitting(cells)
        if dtype in ("object", "time"):  # of several types, or lists and objects
            dtype = "string"
            cells = [one if isinstance(one, str) or one is None else to_json(one) for one in cells]
        title = f"{column}.{name}"
        made.append(_array(title, cells, dtype))
        fields.append(
            pa.field(title, arrow_type(made_type(made[-1], dtype)), metadata={"dtype": made_type(made[-1], dtype)})
        )
    return pa.table(made, schema=pa.schema(fields))


def made_type(values: pa.Array, dtype: str) -> str:
    """Whole numbers beyond 64 bits are kept as texts."""
    import pyarrow as pa

    return "string" if pa.types.is_large_string(values.type) else dtype


def _array(title: str, cells: list[Any], dtype: str) -> pa.Array:
    try:
        return array(title, cells, dtype)
    except ValueError:  # a whole number beyond 64 bits
        return array(title, [None if one is None else str(one) for one in cells], "string")
