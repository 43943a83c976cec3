"""An Arrow table as what the user works with: pandas, Polars, or Arrow itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..packages import require

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ARROW = ("pyarrow", "numpy")  # all frames are built with these
BACKENDS = {"pandas": ("pandas",), "arrow": (), "polars": ("polars",), "dask": ("dask", "pandas")}  # what each needs


def known_backend(name: str) -> str:
    """`name`, if it is one and its packages are installed. Raises MisuseError and MissingPackageError."""
    if name not in BACKENDS:
        raise MisuseError(f"no backend is named {name!r}; there are: {', '.join(BACKENDS)}")
    require(*BACKENDS[name], *ARROW)
    return name


def as_backend(table: pa.Table, backend: str, objects: Mapping[str, list[Any]], origin: Any = None) -> Any:
    """The table in the shape of `backend`; pandas frames remember in `attrs` what they were made of."""
    match backend:
        case "arrow":
            return table
        case "polars":
            import polars as pl

            return pl.from_arrow(table)
    frame = as_pandas(table, objects)
    if origin is not None:
        frame.attrs["nbturns"] = origin
    return frame


def as_pandas(table: pa.Table, objects: Mapping[str, list[Any]] | None = None, *, parsed: bool = True) -> pd.DataFrame:
    """The table as a DataFrame of dtypes that keep NA; texts are not copied.

    `objects` stand for columns that Arrow holds as text only; without `parsed`, JSON stays text.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, kind in zip(table.column_names, table.schema, strict=True):
        dtype = (kind.metadata or {}).get(b"dtype", b"").decode() or _dtype(kind.type)
        if objects and name in objects:
            columns[name] = pd.Series(objects[name], dtype="object")
        else:
            columns[name] = _pandas(table.column(name), dtype if parsed or dtype != "json" else "string")
    return pd.DataFrame(columns, copy=False)


def _pandas(values: pa.ChunkedArray, dtype: str) -> Any:
    import pandas as pd

    match dtype:
        case "category":
            return _categorical(values)
        case "json" | "object":
            return pd.Series([None if one is None else json.loads(one) for one in values.to_pylist()], dtype="object")
        case "Int64" | "Float64" | "boolean" | "string":
            extension: Any = pd.StringDtype("pyarrow") if dtype == "string" else pd.api.types.pandas_dtype(dtype)
            return extension.__from_arrow__(values)
    return values.to_pandas()


def _categorical(values: pa.ChunkedArray) -> pd.Categorical:
    import numpy as np
    import pandas as pd

    values = values.unify_dictionaries()
    names = values.chunk(0).dictionary.to_pylist() if values.num_chunks else []
    codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in values.chunks]
    at = np.concatenate(codes) if codes else np.empty(0, "int32")
    return pd.Categorical.from_codes(at, categories=pd.Index(names, dtype="object"))


def _dtype(kind: pa.DataType) -> str:
    """Ours for an Arrow type, where a table does not say it."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return "category"
    if types.is_integer(kind):
        return "Int64"
    if types.is_floating(kind):
        return "Float64"
    if types.is_boolean(kind):
        return "boolean"
    return "string" if types.is_string(kind) or types.is_large_string(kind) else "time"
