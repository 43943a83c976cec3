"""The functions for users: a frame of one kind, or all of them in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .backends import as_backend, as_pandas, checked_backend
from .block_frame import BLOCK
from .columns import Column, checked_columns
from .frame_pass import COLUMNS, FrameRequest, FrameTables, concatenated
from .inference_frame import INFERENCE
from .origin import Origin
from .parquet import write_tables
from .scheduler import CachePath, ReadOptions, read_all, read_parts
from .snapshot_frame import SNAPSHOT
from .tool_call_frame import TOOL_CALL
from .turn_frame import TURN

if TYPE_CHECKING:
    import pandas as pd


def blocks(
    x: Any,
    columns: Iterable[Column] = BLOCK,
    repeat: bool = False,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each block of `x`; `nt.frames` lists the columns.

    A block is one row of each Run, in the first Turn that has it; `repeat=True` gives every
    Turn in full. Tokens and cost are in `inferences` and `turns`, because several blocks
    share one model call. `backend` is "pandas", "arrow", "polars" or "dask"; `processes` is the number of
    files that are read at once; with `cache` (a folder, or True) only changed files are read again. Raises
    MisuseError for an `x` without Turns, LoadError for a file that cannot be read, DecodeError
    for metadata of a wrong type, and MisuseError for a column that fails, naming column and row.
    """
    return _frame("blocks", x, columns, backend, ReadOptions(processes, cache, progress), repeat=repeat)


def turns(
    x: Any,
    columns: Iterable[Column] = TURN,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each Turn of `x`; `nt.frames` lists the columns.

    Counts, tokens and cost are those of the new blocks and model calls of a Turn, so they may be summed; only
    `blocks` and `pending` are those of the whole Turn. Arguments and errors are those of `blocks`.
    """
    return _frame("turns", x, columns, backend, ReadOptions(processes, cache, progress))


def inferences(
    x: Any,
    columns: Iterable[Column] = INFERENCE,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each model call of `x`; `nt.frames` lists the columns.

    A call is one row, in the first Turn that lists it, so tokens and cost may be
    summed: they add up to `run.usage`. Tokens that were not counted are NA, never 0. The characters
    of reasoning are those the provider shows, those of a tool call its arguments as JSON.
    Arguments and errors are those of `blocks`.
    """
    return _frame("inferences", x, columns, backend, ReadOptions(processes, cache, progress))


def tool_calls(
    x: Any,
    columns: Iterable[Column] = TOOL_CALL,
    spread: bool = False,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each tool call of `x` and its result; `nt.frames` lists the columns.

    A result belongs to the oldest call before it that has its id and no result yet, because
    transcripts use an id more than once. With `spread` each argument has a column of its own,
    `args.city`; see `nt.frames.spread`. Arguments and errors are those of `blocks`.
    """
    if spread and backend == "dask":
        raise MisuseError(
            "spread=True cannot be combined with dask, because the argument columns depend on all rows; "
            "use map_partitions(nt.frames.spread, …)"
        )
    return _frame("tool_calls", x, columns, backend, ReadOptions(processes, cache, progress), spread=spread)


def snapshots(
    x: Any,
    columns: Iterable[Column] = SNAPSHOT,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each snapshot of `x` and its changes; `nt.frames` lists the columns.

    An Execution has the snapshots of its loop, a Session those of its executions, a list of
    Snapshots these. Any other Turn has one row, for its end. Arguments and errors are those of `blocks`.
    """
    return _frame("snapshots", x, columns, backend, ReadOptions(processes, cache, progress))


def read(
    x: Any,
    strict: bool = False,
    *,
    columns: Mapping[str, Iterable[Column]] | None = None,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Frames:
    """Return all frames of `x` from one pass: `.blocks`, `.turns`, `.inferences`, `.tool_calls`, `.snapshots`.

    Problems are rows of `.errors` (file, position, reason), and reading goes on after them;
    an interrupt is such a row too, and the rows before it are kept. `strict` raises LoadError or
    DecodeError for the first problem. `.reports` has the notes of the importers. `columns`
    replaces the columns of some of the frames. Other arguments and errors are those of `blocks`.
    """
    replaced = {name: checked_columns(frame_columns) for name, frame_columns in _columns_by_frame(columns).items()}
    request = FrameRequest({**COLUMNS, **replaced}, strict=strict)
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
) -> pd.DataFrame:
    """Write all frames of `x` to `folder`, about `rows` rows at a time, and return the frame of errors.

    Each frame is a folder of Parquet files (`blocks/part-00000.parquet`, …), which DuckDB,
    Spark, Polars and pandas can read; the memory for this does not grow with `x`.
    Raises MisuseError for a folder that is not empty, and the errors of `read`.
    """
    errors = []
    checked_backend("pandas")
    request = FrameRequest(COLUMNS, strict=strict)
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
        self.tables = result.tables
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
        return self._frame("blocks")

    @property
    def turns(self) -> Any:
        return self._frame("turns")

    @property
    def inferences(self) -> Any:
        return self._frame("inferences")

    @property
    def tool_calls(self) -> Any:
        return self._frame("tool_calls")

    @property
    def snapshots(self) -> Any:
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


def _frame(
    name: str,
    x: Any,
    columns: Iterable[Column],
    backend: str,
    options: ReadOptions,
    *,
    repeat: bool = False,
    spread: bool = False,
) -> Any:
    """Return one frame of `x`, raising at the first problem."""
    request = FrameRequest({name: checked_columns(columns)}, repeat=repeat)
    if checked_backend(backend) == "dask":
        from .dask_frames import dask_frames

        return dask_frames(x, request)[name]
    result = read_all(x, request, options)
    table = result.tables[name]
    if spread:
        from .argument_columns import spread_table

        table = spread_table(table)
    return as_backend(table, backend, result.objects.get(name, {}), Origin.of(x))
