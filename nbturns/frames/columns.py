"""A column is a value: a name, and how to read it off a row.

So a frame is a tuple of columns, and a tuple with one more is another frame. Nothing is
registered anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ..errors import MisuseError


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame: `of(row)` gives its value, None where there is none.

    `dtype` is pandas' name of a type that keeps NA ("string", "Int64", "Float64",
    "boolean", "category", "object"), "time" (seconds since the epoch or a datetime; UTC) or
    "json" (any JSON value: parsed in pandas, text elsewhere); "" finds one that fits the
    values. `unit` and `doc` say what is in it, `known` which categories it has even where no
    row is of them. Raises MisuseError for a name that is no text and for an `of` that cannot be called.
    """

    name: str
    of: Callable[[Any], Any]
    dtype: str = ""
    _: KW_ONLY
    unit: str = ""
    doc: str = ""
    known: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or not callable(self.of):
            said = f"Column({self.name!r:.40}, {self.of!r:.40})"
            raise MisuseError(
                f'a column is a name and a function of a row, like Column("length", lambda row: …), not {said}'
            )
        if self.dtype not in DTYPES:
            raise MisuseError(f"column {self.name!r}: no dtype is named {self.dtype!r}; there are: {', '.join(DTYPES)}")


DTYPES = ("", "string", "Int64", "Float64", "boolean", "category", "time", "json", "object")


def checked(columns: Iterable[Column]) -> tuple[Column, ...]:
    """`columns` as a tuple. Raises MisuseError for what is no Column and for two of one name."""
    if isinstance(columns, (Column, str)) or not isinstance(columns, Iterable):
        raise MisuseError(f"columns are several, like nt.frames.BLOCK + (nt.frames.Column(…),), not {columns!r:.60}")
    chosen = tuple(columns)
    names: set[str] = set()
    for column in chosen:
        if not isinstance(column, Column):
            raise MisuseError(f'a column is like nt.frames.Column("length", lambda row: …), not {column!r:.60}')
        if column.name in names:
            raise MisuseError(f"two columns are named {column.name!r}; leave one out, or name one differently")
        names.add(column.name)
    return chosen
