"""The backends of a frame: an Arrow table as pandas, Polars, or Arrow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..packages import require
from .categorical import categorical

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ARROW_PACKAGES = ("pyarrow", "numpy")  # all frames are built with these
BACKENDS: dict[str, Any] = {
    "pandas": ("pandas",),
    "arrow": (),
    "polars": ("polars",),
    "dask": ("dask", "pandas"),
}  # required packages


def checked_backend(name: str) -> str:
    """Return `name`. Raises MisuseError for an unknown backend, MissingPackageError if a package of it is missing."""
    if name not in BACKENDS:
        raise MisuseError(f"unknown backend {name!r}; use one of {', '.join(BACKENDS)}")
    require(*BACKENDS[name], *ARROW_PACKAGES)
    return name


def as_backend(table: pa.Table, backend: str, objects: Mapping[str, list[Any]], origin: Any = None) -> Any:
    """Return the table as a frame of `backend`; pandas frames keep the origin of their rows in `attrs`."""
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
    """Return the table as a DataFrame of dtypes that keep NA; texts are not copied.

    `objects` replace columns that Arrow holds as text only; without `parsed`, JSON stays text.
    """
    import pandas as pd

    columns: dict[str, Any] = {}
    for name, field in zip(table.column_names, table.schema, strict=True):
        dtype = (field.metadata or {}).get(b"dtype", b"").decode() or _dtype(field.type)
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
            return pd.Series(
                [None if text is None else json.loads(text) for text in values.to_pylist()], dtype="object"
            )
        case "Int64" | "Float64" | "boolean" | "string":
            extension: Any = pd.StringDtype("pyarrow") if dtype == "string" else pd.api.types.pandas_dtype(dtype)
            return extension.__from_arrow__(values)
    return values.to_pandas()


def _categorical(values: pa.ChunkedArray) -> pd.Categorical:
    import numpy as np
    import pandas as pd

    values = values.unify_dictionaries()
    names = values.chunk(0).dictionary.to_pylist() if values.num_chunks else []
    chunk_codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in values.chunks]
    codes = np.concatenate(chunk_codes) if chunk_codes else np.empty(0, "int32")
    return categorical(codes, pd.CategoricalDtype(pd.Index(names, dtype="string")))  # of objects, Arrow makes nulls


def _dtype(kind: pa.DataType) -> str:
    """Return our dtype for an Arrow type, for a table without our metadata."""
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
