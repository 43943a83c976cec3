"""Columns of categories for pandas whose single missing values are NA, as those of all other columns are."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def categorical(codes: Any, dtype: pd.CategoricalDtype) -> pd.Categorical:
    """Return a column of categories from their numbers; -1 is NA, also where a single value is taken."""
    values: pd.Categorical = _categorical_type().from_codes(codes, dtype=dtype)
    return values


@cache
def _categorical_type() -> type[pd.Categorical]:
    import pandas as pd

    class Categorical(pd.Categorical):
        def _box_func(self, code: Any) -> Any:
            return pd.NA if code == -1 else super()._box_func(code)  # type: ignore[misc]  # not in the stubs

        def __reduce__(self) -> tuple[Any, ...]:
            return categorical, (self.codes, self.dtype)

    return Categorical
