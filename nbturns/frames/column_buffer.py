"""The rows of one frame on their way into Arrow arrays, some thousands at a time.

So a pass over any number of conversations holds the rows of a few at once, and can remove
those of the current one again: when it fails, or when the user interrupts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .arrow_arrays import array, arrow_type, category_codes, field, inferred_dtype
from .columns import Column, checked_columns

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 4_096  # rows: few enough to stay in a processor's cache while they are turned into arrays


class ColumnBuffer:
    """The rows of one frame, and the columns that are computed from them."""

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns: tuple[Column, ...] = checked_columns(columns)
        self._rows: list[Any] = []
        self._batches: list[list[Any]] = []  # a list of arrays per batch, in the order of the columns
        self._batch_rows = 0  # rows in all batches
        self._mark = (0, 0)  # batches and rows before the current conversation
        self._codes: list[dict[str, int]] = [
            {name: code for code, name in enumerate(dict.fromkeys(map(str, column.categories)))}
            for column in self.columns
        ]

    def __len__(self) -> int:
        return self._batch_rows + len(self._rows)

    def add(self, row: Any) -> None:
        self._rows.append(row)
        if len(self._rows) - self._mark[1] >= BATCH:
            self.flush(self._mark[1])
            self.flush()

    def mark(self) -> None:
        """Keep all rows so far; those that follow are of a new conversation."""
        if len(self._rows) >= BATCH:
            self.flush()
        self._mark = len(self._batches), len(self._rows)

    def roll_back(self) -> None:
        """Remove the rows since the mark."""
        batches, rows = self._mark
        self._batch_rows -= sum(len(batch[0]) for batch in self._batches[batches:] if batch)
        del self._batches[batches:]
        del self._rows[rows:]

    def add_batch(self, arrays: list[Any], rows: int) -> None:
        """Add a batch of `rows` rows as arrays, those of categories by `category_codes`, after `flush`."""
        self._batches, self._batch_rows = [*self._batches, arrays], self._batch_rows + rows

    def codes(self, column_index: int) -> dict[str, int]:
        """Return the number of each category of a column; new categories are added to it."""
        return self._codes[column_index]

    def flush(self, limit: int | None = None) -> None:
        """Turn the rows, or the first of them, into arrays."""
        rows = self._rows[:limit]
        if not rows:
            return
        batch = [self._column_values(index, column, rows) for index, column in enumerate(self.columns)]
        remaining_rows = self._rows[len(rows) :]
        if limit is not None:
            self._mark = len(self._batches) + 1, 0
        self._batches, self._rows = [*self._batches, batch], remaining_rows
        self._batch_rows += len(rows)

    def _column_values(self, index: int, column: Column, rows: list[Any]) -> Any:
        values = evaluate(column, rows, self._batch_rows)
        if column.dtype in ("", "object"):  # the dtype depends on all rows; objects stay as they are
            return values
        values_array = array(column.name, values, column.dtype, self._batch_rows)
        return category_codes(values_array, self._codes[index]) if column.dtype == "category" else values_array

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        """Return all rows as a table, and the values of the object columns as they are."""
        import pyarrow as pa

        self.flush()
        batches, self._batches, self._batch_rows = self._batches, [], 0
        arrays, fields, objects = [], [], {}
        for index, column in enumerate(self.columns):
            chunks = [batch[index] for batch in batches]
            dtype = column.dtype
            if dtype in ("", "object"):
                values = [value for chunk in chunks for value in chunk]
                dtype = dtype or inferred_dtype(values)
                if dtype == "object":
                    objects[column.name] = values
                chunks = [array(column.name, values, dtype)]
            elif dtype == "category":
                names = pa.array(list(self._codes[index]), pa.large_string())
                chunks = chunks or [pa.array([], pa.int32())]
                chunks = [pa.DictionaryArray.from_arrays(chunk, names) for chunk in chunks]
            arrays.append(pa.chunked_array(chunks, arrow_type(dtype)))
            fields.append(field(column, dtype))
        return pa.table(arrays, schema=pa.schema(fields)), objects


def evaluate(column: Column, rows: list[Any], first_row: int) -> list[Any]:
    """Return the values of one column for a batch of rows. Raises MisuseError that names the column and the row.

    `first_row` is the index of the first of these rows in its frame.
    """
    values: list[Any] = []
    of = column.of
    try:
        for row in rows:
            values.append(of(row))  # noqa: PERF401 - the error below counts the values before it
    except Exception as error:  # a column is any function, and may raise anything
        at = len(values)
        raise MisuseError(
            f"column {column.name!r}, row {first_row + at} ({rows[at]}): {type(error).__name__}: {error}"
        ) from error
    return values
