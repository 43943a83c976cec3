"""The functions for users: a frame of one kind, or all of them in one pass."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from ..safety.visible_text import printable
from ..values.failure_rules import FailureRule
from .backends import as_backend, as_pandas, checked_backend
from .columns import Column, checked_columns
from .frame_pass import COLUMNS, FrameRequest, FrameTables, RowRules, concatenated
from .origin import Origin
from .parquet import write_tables
from .scheduler import CachePath, ReadOptions, read_all, read_parts

if TYPE_CHECKING:
    import pandas as pd

Failed = str | re.Pattern[str] | FailureRule | None  # a rule for failed tool calls


def read(
    x: Any,
    strict: bool = False,
    *,
    columns: Mapping[str, Iterable[Column]] | None = None,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
    failed: Failed = None,
) -> Frames:
    """Return all frames of `x` from one pass: `.blocks`, `.turns`, `.inferences`, `.tool_calls`, `.snapshots`.

    Problems are rows of `.errors` (file, position, reason), and reading goes on after them;
    an interrupt is such a row too, and the rows before it are kept. `strict` raises LoadError or
    DecodeError for the first problem. `.reports` has the notes of the importers. `columns`
    replaces the columns of some of the frames. Other arguments and errors are those of `blocks`.
    """
    replaced = {name: checked_columns(frame_columns) for name, frame_columns in _columns_by_frame(columns).items()}
    request = FrameRequest({**COLUMNS, **replaced}, strict=strict, rules=RowRules(prices, failed))
    if checked_backend(backend) == "dask":
        from .dask_frames import dask_frames

        return Frames(FrameTables({}), backend, frames=dask_frames(x, request))
    return Frames(read_all(x, request, ReadOptions(processes, cache, progress)), backend, Origin.of(x))


def to_parquet(
    x: Any,
    folder: str | os.PathLike[str],
    strict: bool = False,
    *,
    processes: int | None = None,
    cache: CachePath = None,
    rows: int = 1_000_000,
    prices: bool = True,
    failed: Failed = None,
) -> pd.DataFrame:
    """Write all frames of `x` to `folder`, about `rows` rows at a time, and return the frame of errors.

    Each frame is a folder of Parquet files (`blocks/part-00000.parquet`, …), which DuckDB,
    Spark, Polars and pandas can read; the memory for this does not grow with `x`.
    Raises MisuseError for a folder that is not empty, and the errors of `read`.
    """
    errors = []
    checked_backend("pandas")
    request = FrameRequest(COLUMNS, strict=strict, rules=RowRules(prices, failed))
    target = _empty_folder(folder)
    for number, result in enumerate(read_parts(x, request, ReadOptions(processes, cache), rows)):
        write_tables(result.tables, target, number)
        errors.append(FrameTables({"errors": result.tables["errors"]}))
    return as_pandas(concatenated(errors).tables["errors"])


def _empty_folder(folder: str | os.PathLike[str]) -> Path:
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise MisuseError(f"{target} is not empty; pass a new or an empty folder")
    return target


class Frames:
    """All frames of one pass: `.blocks .turns .inferences .tool_calls .snapshots .reports .errors`.

    Each is converted for its backend at the first access. `.tables` are the Arrow tables.
    """

    def __init__(
        self, result: FrameTables, backend: str, origin: Origin | None = None, frames: Mapping[str, Any] | None = None
    ) -> None:
        self.tables: dict[str, Any] = result.tables
        self._objects = result.objects
        self._backend = backend
        self._origin = origin
        self._frames = dict(frames or {})

    def _frame(self, name: str) -> Any:
        if name not in self._frames:
            objects = self._objects.get(name, {})
            self._frames[name] = as_backend(self.tables[name], self._backend, objects, self._origin)
        return self._frames[name]

    @property
    def blocks(self) -> Any:
        """A row per block, where it first appears."""
        return self._frame("blocks")

    @property
    def turns(self) -> Any:
        """A row per Turn."""
        return self._frame("turns")

    @property
    def inferences(self) -> Any:
        """A row per model call."""
        return self._frame("inferences")

    @property
    def tool_calls(self) -> Any:
        """A row per tool call, with its result."""
        return self._frame("tool_calls")

    @property
    def snapshots(self) -> Any:
        """A row per snapshot, with its changes."""
        return self._frame("snapshots")

    @property
    def reports(self) -> Any:
        """The notes of the importers on guessed, unknown and dropped values."""
        return self._frame("reports")

    @property
    def errors(self) -> Any:
        """The problems while reading: file, position, reason."""
        return self._frame("errors")

    def to_parquet(self, folder: str | os.PathLike[str]) -> Path:
        """Write all frames to a new or empty folder, as `nt.frames.to_parquet` does."""
        target = _empty_folder(folder)
        write_tables(self.tables, target, 0)
        return target

    @printable
    def __repr__(self) -> str:
        if not self.tables:
            return f"<Frames {', '.join(self._frames)}: {self._backend}>"
        return f"<Frames {', '.join(f'{len(table):,} {name}' for name, table in self.tables.items())}>"


def from_parquet(folder: str | os.PathLike[str], *, backend: str = "pandas") -> Frames:
    """Return all frames of a folder that `to_parquet` wrote. Raises LoadError for any other folder."""
    from .parquet import read_tables

    if checked_backend(backend) == "dask":
        from .dask_frames import dask_parquet

        return Frames(FrameTables({}), backend, frames=dask_parquet(Path(folder).expanduser()))
    return Frames(FrameTables(read_tables(Path(folder).expanduser())), backend)


def _columns_by_frame(columns: Mapping[str, Iterable[Column]] | None) -> Mapping[str, Iterable[Column]]:
    names = [name for name in COLUMNS if name != "errors"]
    for name in columns or ():
        if name not in names:
            raise MisuseError(f"columns cannot be set for {name!r}; use one of {', '.join(names)}")
    return columns or {}


def one_frame(
    name: str,
    x: Any,
    columns: Iterable[Column],
    backend: str,
    options: ReadOptions,
    rules: RowRules,
    *,
    repeat: bool = False,
    spread: bool = False,
) -> Any:
    """Return one frame of `x`, raising at the first problem."""
    request = FrameRequest({name: checked_columns(columns)}, repeat=repeat, rules=rules)
    if checked_backend(backend) == "dask":
        from .dask_frames import dask_frames

        return dask_frames(x, request)[name]
    result = read_all(x, request, options)
    table = result.tables[name]
    if spread:
        from .argument_columns import spread_table

        table = spread_table(table)
    return as_backend(table, backend, result.objects.get(name, {}), Origin.of(x))
