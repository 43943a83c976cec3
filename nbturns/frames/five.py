"""What a user calls: a frame of one sort, or all of them in one pass."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import MisuseError
from .backends import as_backend, as_pandas, known_backend
from .block_frame import BLOCK
from .columns import Column, checked
from .inference_frame import INFERENCE
from .origin import Origin
from .parquet import write_tables
from .passes import COLUMNS, Made, Wanted, together
from .reading import How, made_of, passes
from .snapshot_frame import SNAPSHOT
from .tool_call_frame import TOOL_CALL
from .turn_frame import TURN

if TYPE_CHECKING:
    import pandas as pd

Cached = str | os.PathLike[str] | bool | None


def blocks(
    x: Any,
    columns: Iterable[Column] = BLOCK,
    repeat: bool = False,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: Cached = None,
    progress: bool | None = None,
) -> Any:
    """A row for each block of `x`; the columns are listed in `nt.frames`.

    A block stands once in each Run, in the first Turn that has it; `repeat=True` gives every
    Turn in full. Tokens and cost are in `inferences` and `turns`, because several blocks
    share one model call. `backend` is "pandas", "arrow", "polars" or "dask"; `processes` reads
    so many files at once, `cache` (a folder, or True) only those that changed. Raises
    TypeError for an `x` without Turns, LoadError for a file that cannot be read, DecodeError
    for metadata that do not fit, and MisuseError for a column that fails, naming column and row.
    """
    return _one("blocks", x, columns, backend, How(processes, cache, progress), repeat=repeat)


def turns(
    x: Any,
    columns: Iterable[Column] = TURN,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: Cached = None,
    progress: bool | None = None,
) -> Any:
    """A row for each Turn of `x`; the columns are listed in `nt.frames`.

    Counts, tokens and cost are of what is new in a Turn, so they may be summed; only
    `blocks` and `pending` are of the whole of it. Takes and raises what `blocks` does.
    """
    return _one("turns", x, columns, backend, How(processes, cache, progress))


def inferences(
    x: Any,
    columns: Iterable[Column] = INFERENCE,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: Cached = None,
    progress: bool | None = None,
) -> Any:
    """A row for each model call of `x`; the columns are listed in `nt.frames`.

    A call stands once, in the first Turn that lists it, so tokens and cost may be
    summed: they add up to `run.usage`. Tokens nobody counted are NA, never 0. Thoughts
    count in characters as far as the provider shows them, calls by their arguments as JSON.
    Takes and raises what `blocks` does.
    """
    return _one("inferences", x, columns, backend, How(processes, cache, progress))


def tool_calls(
    x: Any,
    columns: Iterable[Column] = TOOL_CALL,
    spread: bool = False,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: Cached = None,
    progress: bool | None = None,
) -> Any:
    """A row for each tool call of `x`, its result beside it; the columns are listed in `nt.frames`.

    A result belongs to the oldest call before it that has its id and no result yet, because
    ids come back in real transcripts. With `spread` each argument has a column of its own,
    `args.city`; see `nt.frames.spread`. Takes and raises what `blocks` does.
    """
    if spread and backend == "dask":
        raise MisuseError(
            "which arguments there are is only known when all is read; with dask use map_partitions(nt.frames.spread, …)"
        )
    return _one("tool_calls", x, columns, backend, How(processes, cache, progress), spread=spread)


def snapshots(
    x: Any,
    columns: Iterable[Column] = SNAPSHOT,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: Cached = None,
    progress: bool | None = None,
) -> Any:
    """A row for each snapshot of `x`, with what changed since the one before; the columns are listed in `nt.frames`.

    An Execution has those of its loop, a Session those of its executions; a list of
    Snapshots is what it is. Of any other Turn its end is the one there is. Takes and raises
    what `blocks` does.
    """
    return _one("snapshots", x, columns, backend, How(processes, cache, progress))


def read(
    x: Any,
    strict: bool = False,
    *,
    columns: Mapping[str, Iterable[Column]] | None = None,
    backend: str = "pandas",
    processes: int | None = None,
    cache: Cached = None,
    progress: bool | None = None,
) -> Frames:
    """All frames of `x` in one pass: `.blocks`, `.turns`, `.inferences`, `.tool_calls`, `.snapshots`.

    What cannot be read is listed in `.errors` (file, position, reason) and the rest is there;
    an interrupt is such a row too, and what was read by then is kept. `strict` raises LoadError or
    DecodeError for the first. `.reports` says what importers did not take as it is. `columns`
    names other columns for some of the frames. Takes and raises what `blocks` does otherwise.
    """
    chosen = {**COLUMNS, **{name: checked(given) for name, given in _named(columns).items()}}
    wanted = Wanted(chosen, strict=strict)
    if known_backend(backend) == "dask":
        from .dask_frames import dask_frames

        return Frames(Made({}), backend, frames=dask_frames(x, wanted))
    return Frames(made_of(x, wanted, How(processes, cache, progress)), backend, Origin.of(x))


def to_parquet(
    x: Any,
    folder: str | os.PathLike[str],
    strict: bool = False,
    *,
    processes: int | None = None,
    cache: Cached = None,
    rows: int = 1_000_000,
) -> pd.DataFrame:
    """Write all frames of `x` to `folder`, some `rows` at a time, and give the errors as a frame.

    Each frame is a folder of Parquet files (`blocks/part-00000.parquet`, …), which DuckDB,
    Spark, Polars and pandas read as they are; the memory it takes does not grow with `x`.
    Raises MisuseError for a folder with something in it, and what `read` raises.
    """
    errors = []
    known_backend("pandas")
    wanted = Wanted(COLUMNS, strict=strict)
    target = _empty(folder)
    for number, made in enumerate(passes(x, wanted, How(processes, cache), rows)):
        write_tables(made.tables, target, number)
        errors.append(Made({"errors": made.tables["errors"]}))
    return as_pandas(together(errors).tables["errors"])


def _empty(folder: str | os.PathLike[str]) -> Path:
    target = Path(folder).expanduser()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise MisuseError(f"{target}: there is something here already; name a folder that is new or empty")
    return target


class Frames:
    """All frames of one pass: `.blocks .turns .inferences .tool_calls .snapshots .reports .errors`.

    Each is made for its backend when it is first asked for. `.tables` are the Arrow tables.
    """

    def __init__(
        self, made: Made, backend: str, origin: Origin | None = None, frames: Mapping[str, Any] | None = None
    ) -> None:
        self.tables = made.tables
        self._objects = made.objects
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
        """What importers did not take as it is: guessed, unknown, dropped."""
        return self._frame("reports")

    @property
    def errors(self) -> Any:
        """What could not be read: file, position, reason."""
        return self._frame("errors")

    def to_parquet(self, folder: str | os.PathLike[str]) -> Path:
        """Write all frames to a new or empty folder, as `nt.frames.to_parquet` does."""
        target = _empty(folder)
        write_tables(self.tables, target, 0)
        return target

    def __repr__(self) -> str:
        if not self.tables:
            return f"<Frames {', '.join(self._frames)}: {self._backend}>"
        return f"<Frames {', '.join(f'{len(table):,} {name}' for name, table in self.tables.items())}>"


def from_parquet(folder: str | os.PathLike[str], *, backend: str = "pandas") -> Frames:
    """All frames of a folder that `to_parquet` wrote. Raises LoadError for another."""
    from .parquet import read_tables

    if known_backend(backend) == "dask":
        from .dask_frames import dask_parquet

        return Frames(Made({}), backend, frames=dask_parquet(Path(folder).expanduser()))
    return Frames(Made(read_tables(Path(folder).expanduser())), backend)


def _named(columns: Mapping[str, Iterable[Column]] | None) -> Mapping[str, Iterable[Column]]:
    unknown = [name for name in columns or () if name not in COLUMNS or name == "errors"]
    if unknown:
        raise MisuseError(f"no frame is named {unknown[0]!r}; there are: {', '.join(COLUMNS)}")
    return columns or {}


def _one(
    name: str, x: Any, columns: Iterable[Column], backend: str, how: How, *, repeat: bool = False, spread: bool = False
) -> Any:
    """One frame of `x`, strictly."""
    wanted = Wanted({name: checked(columns)}, repeat=repeat)
    if known_backend(backend) == "dask":
        from .dask_frames import dask_frames

        return dask_frames(x, wanted)[name]
    made = made_of(x, wanted, how)
    table = made.tables[name]
    if spread:
        from .spreading import spread_table

        table = spread_table(table)
    return as_backend(table, backend, made.objects.get(name, {}), Origin.of(x))
