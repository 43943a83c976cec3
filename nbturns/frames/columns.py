"""A column is a value: a name, and how to read it off a row.

So a frame is a tuple of columns, and a tuple with one more is another frame. Nothing is
registered anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

BATCH = 4096  # rows that are alive at once, whatever the length of the frame


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a frame: `of(row)` gives its value, None where there is none.

    `dtype` is pandas' name of a type that keeps NA ("string", "Int64", "Float64",
    "boolean", "category", "object"); "" finds one that fits the values. `unit` and `doc`
    say what is in it, `known` which categories it has even where no row is of them.
    Raises TypeError for a name that is no text and for an `of` that cannot be called.
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
            raise TypeError(
                f'a column is a name and a function of a row, like Column("length", lambda row: …), not {said}'
            )


def table(columns: Iterable[Column], rows: Iterable[Any]) -> pd.DataFrame:
    """A pandas DataFrame of `rows`, a column for each of `columns`.

    Raises TypeError for what is no Column, and ValueError for two of one name, for a
    column that fails and for a value that does not fit it, naming column and row.
    """
    import pandas as pd

    chosen = _checked(columns)
    values: list[list[Any]] = [[] for _ in chosen]
    left = iter(rows)
    while batch := list(islice(left, BATCH)):
        for column, filled in zip(chosen, values, strict=True):
            _fill(column, filled, batch)
    return pd.DataFrame(
        {column.name: _array(column, filled) for column, filled in zip(chosen, values, strict=True)}, copy=False
    )


def _checked(columns: Iterable[Column]) -> tuple[Column, ...]:
    if isinstance(columns, (Column, str)) or not isinstance(columns, Iterable):
        raise TypeError(f"columns are several, like nt.frames.BLOCK + (nt.frames.Column(…),), not {columns!r:.60}")
    chosen = tuple(columns)
    names: set[str] = set()
    for column in chosen:
        if not isinstance(column, Column):
            raise TypeError(f'a column is like nt.frames.Column("length", lambda row: …), not {column!r:.60}')
        if column.name in names:
            raise ValueError(f"two columns are named {column.name!r}; leave one out, or name one differently")
        names.add(column.name)
    return chosen


def _fill(column: Column, values: list[Any], rows: list[Any]) -> None:
    """Read one column off a batch of rows; what fails says which column, and at which row."""
    before, of = len(values), column.of
    try:
        for row in rows:
            values.append(of(row))  # noqa: PERF401 - the error below counts those before it
    except Exception as error:  # a column is any function, and may raise anything
        at = len(values)
        raise ValueError(
            f"column {column.name!r}, row {at} ({rows[at - before]}): {type(error).__name__}: {error}"
        ) from error


def _array(column: Column, values: list[Any]) -> Any:
    """The values in the column's dtype."""
    dtype = column.dtype or _fitting(values)
    try:
        return _typed(values, dtype, column.known)
    except (TypeError, ValueError, OverflowError) as error:
        at = _misfit(values, dtype)
        where = f", row {at}: {values[at]!r:.60} is no {dtype}" if at is not None else f": {error}"
        raise ValueError(f"column {column.name!r}{where}") from error


def _typed(values: list[Any], dtype: str, known: tuple[str, ...] = ()) -> Any:
    import pandas as pd

    if dtype == "category":
        return _categories(values, known)
    if dtype == "object":
        return pd.Series(values, dtype="object")
    if dtype == "string":
        try:
            return pd.array(values, dtype="string")
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold and Arrow cannot
            return pd.array(values, dtype=pd.StringDtype("python"))
    array: Any = pd.array  # its overloads take literal dtypes alone
    return array(values, dtype=dtype) if dtype else pd.Series(values)


def _categories(values: list[Any], known: tuple[str, ...]) -> Any:
    """Categories in one order for every frame: those known beforehand, then the others as they come."""
    import numpy as np
    import pandas as pd

    codes: dict[Any, int] = {name: code for code, name in enumerate(dict.fromkeys(map(str, known)))}
    for value in values:
        if value is not None and value not in codes:
            codes[value] = len(codes)
    at = np.fromiter((-1 if value is None else codes[value] for value in values), dtype="int32", count=len(values))
    return pd.Categorical.from_codes(at, categories=pd.Index(list(codes), dtype="object"))


def _fitting(values: Iterable[Any]) -> str:
    """A dtype for values whose column names none; "" leaves it to pandas."""
    import pandas as pd

    types = {type(value) for value in values if value is not None and value is not pd.NA}
    if not types:
        return "object"
    if all(issubclass(one, str) for one in types):
        return "string"
    if types == {bool}:
        return "boolean"
    if types == {int}:
        return "Int64"
    return "Float64" if types <= {int, float} else ""


def _misfit(values: list[Any], dtype: str) -> int | None:
    """The first value that does not fit by itself."""
    for at, value in enumerate(values):
        try:
            _typed([value], dtype)
        except (TypeError, ValueError, OverflowError):
            return at
    return None
