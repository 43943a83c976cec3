"""One frame in the making: rows come in, and go into Arrow arrays some thousands at a time.

So a pass over any number of conversations holds the rows of a few at once, and can take back
what it has of the one it is in: when that one fails, or somebody interrupts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .arrays import array, arrow_type, field, fitting, recoded
from .columns import Column, checked

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 4_096  # rows: few enough to stay in a processor's cache while they are turned into arrays


class Sheet:
    """The rows of one frame, and the columns that are read off them.

    `objects` are the values of columns of dtype "object", which Arrow has no type for.
    """

    def __init__(self, columns: Iterable[Column]) -> None:
        self.columns = checked(columns)
        self._rows: list[Any] = []
        self._parts: list[list[Any]] = []  # a list of arrays a batch, in the order of the columns
        self._done = 0  # rows in the parts
        self._mark = (0, 0)
        self._codes: list[dict[str, int]] = [
            {name: code for code, name in enumerate(dict.fromkeys(map(str, column.known)))} for column in self.columns
        ]

    def __len__(self) -> int:
        return self._done + len(self._rows)

    def add(self, row: Any) -> None:
        self._rows.append(row)
        if len(self._rows) - self._mark[1] >= BATCH:
            self._flush(self._mark[1])
            self._flush()

    def mark(self) -> None:
        """All so far is to stay: a new conversation begins."""
        if len(self._rows) >= BATCH:
            self._flush()
        self._mark = len(self._parts), len(self._rows)

    def take_back(self) -> None:
        """Forget what came since the mark."""
        parts, rows = self._mark
        self._done -= sum(len(part[0]) for part in self._parts[parts:] if part)
        del self._parts[parts:]
        del self._rows[rows:]

    def put(self, part: list[Any], rows: int) -> None:
        """A batch of `rows` rows whose arrays are made already, those of categories by `recoded`."""
        self._flush()
        self._parts, self._done = [*self._parts, part], self._done + rows

    def codes(self, place: int) -> dict[str, int]:
        """The number of each category of a column; grows as new ones come."""
        return self._codes[place]

    def _flush(self, most: int | None = None) -> None:
        rows = self._rows[:most]
        if not rows:
            return
        part = [self._read(place, column, rows) for place, column in enumerate(self.columns)]
        left = self._rows[len(rows) :]
        if most is not None:
            self._mark = len(self._parts) + 1, 0
        self._parts, self._rows, self._done = [*self._parts, part], left, self._done + len(rows)

    def _read(self, place: int, column: Column, rows: list[Any]) -> Any:
        values = read(column, rows, self._done)
        if column.dtype in ("", "object"):  # what fits is seen when all are there; objects stay as they are
            return values
        made = array(column.name, values, column.dtype, self._done)
        return recoded(made, self._codes[place]) if column.dtype == "category" else made

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        """All rows as a table, and the values of the object columns as they are."""
        import pyarrow as pa

        self._flush()
        parts, self._parts, self._done = self._parts, [], 0
        made, fields, objects = [], [], {}
        for place, column in enumerate(self.columns):
            pieces = [part[place] for part in parts]
            dtype = column.dtype
            if dtype in ("", "object"):
                values = [value for piece in pieces for value in piece]
                dtype = dtype or fitting(values)
                if dtype == "object":
                    objects[column.name] = values
                pieces = [array(column.name, values, dtype)]
            elif dtype == "category":
                names = pa.array(list(self._codes[place]), pa.large_string())
                pieces = [
                    pa.DictionaryArray.from_arrays(piece, names) for piece in pieces or [pa.array([], pa.int32())]
                ]
            made.append(pa.chunked_array(pieces, arrow_type(dtype)))
            fields.append(field(column, dtype))
        return pa.table(made, schema=pa.schema(fields)), objects


def read(column: Column, rows: list[Any], before: int) -> list[Any]:
    """Read one column off a batch of rows; what fails says which column, and at which row."""
    values: list[Any] = []
    of = column.of
    try:
        for row in rows:
            values.append(of(row))  # noqa: PERF401 - the error below counts those before it
    except Exception as error:  # a column is any function, and may raise anything
        at = len(values)
        raise MisuseError(
            f"column {column.name!r}, row {before + at} ({rows[at]}): {type(error).__name__}: {error}"
        ) from error
    return values
