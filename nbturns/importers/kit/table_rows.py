"""Rows of tables: of pandas, Polars, Arrow and Hugging Face in memory, and of CSV files.

No package is imported to recognise a table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from .plain_data import plain_data

BATCH_SIZE = 256  # rows of an Arrow table that are converted at a time
OTHER_CELLS = "other_cells"  # the column of the cells of a row behind the last column
MAX_CSV_FIELD = 1 << 28  # characters
TABLE_CLASSES: dict[str, Any] = {
    "pandas": ("DataFrame", "Series"),
    "polars": ("DataFrame", "LazyFrame"),
    "pyarrow": ("Table", "RecordBatch", "RecordBatchReader"),
    "datasets": ("Dataset", "IterableDataset"),
}


def is_table(value: Any) -> bool:
    """Return True for a table of pandas, Polars, Arrow or Hugging Face, by the names of its classes."""
    return any(
        base.__name__ in TABLE_CLASSES.get(base.__module__.partition(".")[0], ()) for base in type(value).__mro__
    )


def table_rows(table: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a table as plain data; missing values are None."""
    for row in _foreign_rows(table):
        yield {str(name): _without_missing(plain_data(value)) for name, value in row.items()}


def _foreign_rows(table: Any) -> Iterator[Mapping[str, Any]]:
    package = next(
        base.__module__.partition(".")[0]
        for base in type(table).__mro__
        if base.__name__ in TABLE_CLASSES.get(base.__module__.partition(".")[0], ())
    )
    if package == "pandas":
        if not hasattr(table, "columns"):
            table = table.to_frame()
        names = list(table.columns)
        for values in table.itertuples(index=False, name=None):
            yield dict(zip(names, values, strict=True))
    elif package == "polars":
        yield from (table.collect() if hasattr(table, "collect") else table).iter_rows(named=True)
    elif package == "pyarrow":
        batches = table.to_batches() if hasattr(table, "to_batches") else [table] if hasattr(table, "slice") else table
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_SIZE):
                yield from batch.slice(start, BATCH_SIZE).to_pylist()
    else:
        yield from table


def _without_missing(value: Any) -> Any:
    """Return a cell, with None in place of NaN and NaT."""
    is_missing = (isinstance(value, float) and value != value) or value == "NaT"  # noqa: PLR0124
    return None if is_missing else value


def csv_rows(stream: BinaryIO, delimiter: str = ",") -> Iterator[Mapping[str, Any]]:
    """Yield the rows of a CSV file by the names in its first line; empty cells are None."""
    csv.field_size_limit(MAX_CSV_FIELD)
    with io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="") as text:
        rows = csv.DictReader((line.replace("\0", "") for line in text), delimiter=delimiter, restkey=OTHER_CELLS)
        rows.fieldnames = _distinct(rows.fieldnames or ())
        for row in rows:
            yield {str(name): (value or None) for name, value in row.items()}


def _distinct(names: Sequence[str]) -> list[str]:
    """Return the names of columns, with a number behind each that an earlier column has."""
    distinct_names: dict[str, None] = {}
    for name in names:
        number = 0
        while (new_name := f"{name}.{number}" if number else name) in distinct_names:
            number += 1
        distinct_names[new_name] = None
    return list(distinct_names)
