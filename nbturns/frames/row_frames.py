"""The frames of blocks, Turns, model calls, tool calls and snapshots, each by itself.

The overloads give type checkers the class of a frame by its backend.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack, overload

from ..errors import MisuseError
from .api import Failed, one_frame
from .block_frame import BLOCK
from .columns import Column
from .frame_pass import RowRules
from .inference_frame import INFERENCE
from .label_file import LabelFile, label_file_of
from .read_arguments import (
    Arrow,
    ArrowTable,
    BlockArguments,
    CallArguments,
    Dask,
    Pandas,
    Polars,
    PriceArguments,
)
from .scheduler import CachePath, ReadOptions
from .snapshot_frame import SNAPSHOT
from .tool_call_frame import TOOL_CALL
from .turn_frame import TURN

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    import polars as pl


@overload
def blocks(
    x: Any,
    columns: Iterable[Column] = ...,
    repeat: bool = ...,
    *,
    backend: Pandas = ...,
    **options: Unpack[BlockArguments],
) -> pd.DataFrame: ...
@overload
def blocks(
    x: Any, columns: Iterable[Column] = ..., repeat: bool = ..., *, backend: Arrow, **options: Unpack[BlockArguments]
) -> ArrowTable: ...
@overload
def blocks(
    x: Any, columns: Iterable[Column] = ..., repeat: bool = ..., *, backend: Polars, **options: Unpack[BlockArguments]
) -> pl.DataFrame: ...
@overload
def blocks(
    x: Any, columns: Iterable[Column] = ..., repeat: bool = ..., *, backend: Dask, **options: Unpack[BlockArguments]
) -> dd.DataFrame: ...
@overload
def blocks(
    x: Any, columns: Iterable[Column] = ..., repeat: bool = ..., *, backend: str, **options: Unpack[BlockArguments]
) -> Any: ...
def blocks(
    x: Any,
    columns: Iterable[Column] = BLOCK,
    repeat: bool = False,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
    labels: LabelFile = None,
) -> Any:
    """Return a frame with a row for each block of `x`; `nt.frames` lists the columns.

    A block is one row of each Run, in the first Turn that has it; `repeat=True` gives every
    Turn in full. Tokens and cost are in `inferences` and `turns`, because several blocks
    share one model call. `backend` is "pandas", "arrow", "polars" or "dask"; `processes` is the number of
    files that are read at once; with `cache` (a folder, or True; the default for a library) only changed files
    are read again; `labels` are those of `nt.labels(path)`. Raises
    MisuseError for an `x` without Turns, LoadError for a file that cannot be read, DecodeError
    for metadata of a wrong type, and MisuseError for a column that fails, naming column and row.
    """
    rules = RowRules(prices, labels=label_file_of(labels))
    return one_frame("blocks", x, columns, backend, ReadOptions(processes, cache, progress), rules, repeat=repeat)


@overload
def turns(
    x: Any, columns: Iterable[Column] = ..., *, backend: Pandas = ..., **options: Unpack[CallArguments]
) -> pd.DataFrame: ...
@overload
def turns(
    x: Any, columns: Iterable[Column] = ..., *, backend: Arrow, **options: Unpack[CallArguments]
) -> ArrowTable: ...
@overload
def turns(
    x: Any, columns: Iterable[Column] = ..., *, backend: Polars, **options: Unpack[CallArguments]
) -> pl.DataFrame: ...
@overload
def turns(
    x: Any, columns: Iterable[Column] = ..., *, backend: Dask, **options: Unpack[CallArguments]
) -> dd.DataFrame: ...
@overload
def turns(x: Any, columns: Iterable[Column] = ..., *, backend: str, **options: Unpack[CallArguments]) -> Any: ...
def turns(
    x: Any,
    columns: Iterable[Column] = TURN,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
    failed: Failed = None,
) -> Any:
    """Return a frame with a row for each Turn of `x`; `nt.frames` lists the columns.

    Counts, tokens and cost are those of the new blocks and model calls of a Turn, so they may be summed; only
    `blocks` and `pending` are those of the whole Turn. `failed` as in `tool_calls`; other arguments and errors are those
    of `blocks`.
    """
    return one_frame("turns", x, columns, backend, ReadOptions(processes, cache, progress), RowRules(prices, failed))


@overload
def inferences(
    x: Any, columns: Iterable[Column] = ..., *, backend: Pandas = ..., **options: Unpack[PriceArguments]
) -> pd.DataFrame: ...
@overload
def inferences(
    x: Any, columns: Iterable[Column] = ..., *, backend: Arrow, **options: Unpack[PriceArguments]
) -> ArrowTable: ...
@overload
def inferences(
    x: Any, columns: Iterable[Column] = ..., *, backend: Polars, **options: Unpack[PriceArguments]
) -> pl.DataFrame: ...
@overload
def inferences(
    x: Any, columns: Iterable[Column] = ..., *, backend: Dask, **options: Unpack[PriceArguments]
) -> dd.DataFrame: ...
@overload
def inferences(x: Any, columns: Iterable[Column] = ..., *, backend: str, **options: Unpack[PriceArguments]) -> Any: ...
def inferences(
    x: Any,
    columns: Iterable[Column] = INFERENCE,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
) -> Any:
    """Return a frame with a row for each model call of `x`; `nt.frames` lists the columns.

    A call is one row, in the first Turn that lists it, so tokens and cost may be
    summed: they add up to `run.usage`. Tokens that were not counted are NA, never 0. A cost that the source does not
    have is computed by the price table that `price_table` names; `prices=False` leaves these NA. The characters
    of reasoning are those the provider shows, those of a tool call its arguments as JSON.
    Arguments and errors are those of `blocks`.
    """
    return one_frame("inferences", x, columns, backend, ReadOptions(processes, cache, progress), RowRules(prices))


@overload
def tool_calls(
    x: Any,
    columns: Iterable[Column] = ...,
    spread: bool = ...,
    *,
    backend: Pandas = ...,
    **options: Unpack[CallArguments],
) -> pd.DataFrame: ...
@overload
def tool_calls(
    x: Any, columns: Iterable[Column] = ..., spread: bool = ..., *, backend: Arrow, **options: Unpack[CallArguments]
) -> ArrowTable: ...
@overload
def tool_calls(
    x: Any, columns: Iterable[Column] = ..., spread: bool = ..., *, backend: Polars, **options: Unpack[CallArguments]
) -> pl.DataFrame: ...
@overload
def tool_calls(
    x: Any, columns: Iterable[Column] = ..., spread: bool = ..., *, backend: Dask, **options: Unpack[CallArguments]
) -> dd.DataFrame: ...
@overload
def tool_calls(
    x: Any, columns: Iterable[Column] = ..., spread: bool = ..., *, backend: str, **options: Unpack[CallArguments]
) -> Any: ...
def tool_calls(
    x: Any,
    columns: Iterable[Column] = TOOL_CALL,
    spread: bool = False,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
    failed: Failed = None,
) -> Any:
    """Return a frame with a row for each tool call of `x` and its result; `nt.frames` lists the columns.

    A result belongs to the oldest call before it that has its id and no result yet, because
    transcripts use an id more than once. With `spread` each argument has a column of its own,
    `args.city`; see `nt.frames.spread`. `failed` is the rule of the column `failed` for results that tell it in words: a
    regular expression, or a function of the row; the default is `nt.frames.FAILED`. Other arguments and errors are
    those of `blocks`.
    """
    if spread and backend == "dask":
        raise MisuseError(
            "spread=True cannot be combined with dask, because the argument columns depend on all rows; "
            "use map_partitions(nt.frames.spread, …)"
        )
    return one_frame(
        "tool_calls",
        x,
        columns,
        backend,
        ReadOptions(processes, cache, progress),
        RowRules(prices, failed),
        spread=spread,
    )


@overload
def snapshots(
    x: Any, columns: Iterable[Column] = ..., *, backend: Pandas = ..., **options: Unpack[PriceArguments]
) -> pd.DataFrame: ...
@overload
def snapshots(
    x: Any, columns: Iterable[Column] = ..., *, backend: Arrow, **options: Unpack[PriceArguments]
) -> ArrowTable: ...
@overload
def snapshots(
    x: Any, columns: Iterable[Column] = ..., *, backend: Polars, **options: Unpack[PriceArguments]
) -> pl.DataFrame: ...
@overload
def snapshots(
    x: Any, columns: Iterable[Column] = ..., *, backend: Dask, **options: Unpack[PriceArguments]
) -> dd.DataFrame: ...
@overload
def snapshots(x: Any, columns: Iterable[Column] = ..., *, backend: str, **options: Unpack[PriceArguments]) -> Any: ...
def snapshots(
    x: Any,
    columns: Iterable[Column] = SNAPSHOT,
    *,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
) -> Any:
    """Return a frame with a row for each snapshot of `x` and its changes; `nt.frames` lists the columns.

    An Execution has the snapshots of its loop, a Session those of its executions, a list of
    Snapshots these. Any other Turn has one row, for its end. Arguments and errors are those of `blocks`.
    """
    return one_frame("snapshots", x, columns, backend, ReadOptions(processes, cache, progress), RowRules(prices))
