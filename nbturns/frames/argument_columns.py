"""The arguments of tool calls, each in a column of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .arrow_arrays import MAX_INTEGER, array, arrow_type, inferred_dtype, to_json
from .backends import as_pandas, checked_backend

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def spread(frame: pd.DataFrame, column: str = "args") -> pd.DataFrame:
    """Return the frame with a column for each argument, like `args.city`, in the order of their first use.

    This is best for the calls of one tool, as in `spread(calls[calls.name == "weather"])`. A missing argument
    is NA; lists and objects are JSON. Raises MisuseError for a frame without that column.
    """
    checked_backend("pandas")
    import pandas as pd

    if column not in frame:
        raise MisuseError(f"unknown column {column!r}; use one of {', '.join(map(str, frame.columns))}")
    values = [json.loads(cell) if isinstance(cell, str) and cell[:1] == "{" else cell for cell in frame[column]]
    arguments = as_pandas(_argument_table(values, column))
    arguments.index = frame.index
    return pd.concat([frame, arguments], axis=1)


def spread_table(table: pa.Table, column: str = "args") -> pa.Table:
    """Return an Arrow table with a column for each argument; its arguments are JSON."""
    if column not in table.column_names:
        return table
    values = [None if text is None else json.loads(text) for text in table.column(column).to_pylist()]
    arguments = _argument_table(values, column)
    for index, name in enumerate(arguments.column_names):
        table = table.append_column(arguments.schema.field(index), arguments.column(name))
    return table


def spread_scores(table: pa.Table) -> pa.Table:
    """Return the frame of Runs with a column `score.<name>` for each score in place of its column `scores`."""
    index = table.schema.get_field_index("scores")
    if index < 0:
        return table
    values = [None if text is None else json.loads(text) for text in table.column(index).to_pylist()]
    scores = _argument_table(values, "score")
    table = table.remove_column(index)
    for offset, name in enumerate(scores.column_names):
        table = table.add_column(index + offset, scores.schema.field(offset), scores.column(name))
    return table


def _argument_table(values: list[Any], column: str) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for value in values if isinstance(value, dict) for name in value)
    arrays, fields = [], []
    for name in names:
        title = f"{column}.{name}"
        values_array, dtype = _argument_array(title, [v.get(name) if isinstance(v, dict) else None for v in values])
        arrays.append(values_array)
        fields.append(pa.field(title, arrow_type(dtype), metadata={"dtype": dtype}))
    return pa.table(arrays, schema=pa.schema(fields))


def _argument_array(title: str, cells: list[Any]) -> tuple[pa.Array, str]:
    """Return the values of one argument, and their dtype."""
    dtype = inferred_dtype(cells)
    if dtype in ("object", "time"):  # several types, or lists and objects
        dtype = "string"
        cells = [cell if isinstance(cell, str) or cell is None else to_json(cell) for cell in cells]
    if dtype == "Int64" and any(cell is not None and abs(cell) > MAX_INTEGER for cell in cells):
        dtype, cells = "string", [None if cell is None else str(cell) for cell in cells]
    return array(title, cells, dtype), dtype
