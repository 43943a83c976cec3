"""A column is a value: a name, and a function of a row.

So a frame is a tuple of columns, and a tuple with one more is another frame. Nothing is
registered anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

from ..errors import MisuseError


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame: `of(row)` returns its value, or None for a missing one.

    `dtype` is pandas' name of a type that keeps NA ("string", "Int64", "Float64",
    "boolean", "category", "object"), "time" (seconds since the epoch or a datetime; UTC) or
    "json" (any JSON value: parsed in pandas, text elsewhere); "" chooses one that fits the
    values. `unit` and `doc` describe the values, `categories` lists the categories that a frame has even
    without a row of them. Raises MisuseError for a name that is not a string and for an `of` that is not callable.
    """

    name: str
    of: Callable[[Any], Any]
    dtype: str = ""
    _: KW_ONLY
    unit: str = ""
    doc: str = ""
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not callable(self.of):
            raise MisuseError(
                f"Column({self.name!r:.40}, {self.of!r:.40}) is not a column; "
                'pass a name and a function of a row, like Column("length", lambda row: …)'
            )
        if self.dtype not in DTYPES:
            raise MisuseError(f"column {self.name!r}: unknown dtype {self.dtype!r}; use one of {', '.join(DTYPES)}")


class NamedColumns(tuple[Column, ...]):  # noqa: SLOT001  # a tuple cannot have slots
    """The columns of a frame. A signature shows them as `nt.frames.BLOCK`, and a cell with their names."""

    name: str

    def __new__(cls, name: str, columns: Iterable[Column]) -> Self:
        """Return these columns under the name that `nt.frames` has them by."""
        named_columns = super().__new__(cls, columns)
        named_columns.name = name
        return named_columns

    def __getnewargs__(self) -> tuple[str, tuple[Column, ...]]:  # for pickle
        return self.name, tuple(self)

    def __repr__(self) -> str:
        return f"nt.frames.{self.name}"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(f"{self!r}: {', '.join(column.name for column in self)}")


DTYPES = ("", "string", "Int64", "Float64", "boolean", "category", "time", "json", "object")


def checked_columns(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return `columns` as a tuple. Raises MisuseError for an item that is not a Column and for two of one name."""
    if isinstance(columns, (Column, str)) or not isinstance(columns, Iterable):
        raise MisuseError(
            f"expected several columns, got {columns!r:.60}; pass a tuple like nt.frames.BLOCK + (nt.frames.Column(…),)"
        )
    column_tuple = tuple(columns)
    names: set[str] = set()
    for column in column_tuple:
        if not isinstance(column, Column):
            raise MisuseError(
                f'expected a Column, got {column!r:.60}; pass one like nt.frames.Column("length", lambda row: …)'
            )
        if column.name in names:
            raise MisuseError(f"two columns are named {column.name!r}; remove or rename one of them")
        names.add(column.name)
    return column_tuple


NUMBERS = ("Int64", "Float64", "time")


def in_reading_order(columns: Iterable[Column], *first: str) -> tuple[Column, ...]:
    """Return columns in the order in which one reads them: those named first, other values, numbers, then ids."""

    def place(column: Column) -> int:
        if column.name in first:
            return first.index(column.name) - len(first)
        if column.name.endswith(("_id", "_index")) or column.name in ("file", "signature", "price_table"):
            return 2
        return 1 if column.dtype in NUMBERS else 0

    return tuple(sorted(columns, key=place))
