"""The functions of the frames that `read` leaves out: `runs`, `problems`, `labels`, `decisions` and `context`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack, overload

from .api import Failed, one_frame
from .columns import Column
from .context_frame import CONTEXT
from .decision_frame import DECISION
from .frame_pass import RowRules
from .label_file import LabelFile, Labels, label_file_of
from .label_frame import LABEL
from .problem_frame import PROBLEM
from .read_arguments import Arrow, ArrowTable, Dask, Pandas, Polars, ReadArguments, RunArguments
from .run_frame import RUN, field_columns
from .scheduler import CachePath, ReadOptions

if TYPE_CHECKING:
    import dask.dataframe as dd
    import pandas as pd
    import polars as pl


@overload
def runs(
    x: Any,
    fields: Iterable[str] = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Pandas = ...,
    **options: Unpack[RunArguments],
) -> pd.DataFrame: ...
@overload
def runs(
    x: Any,
    fields: Iterable[str] = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Arrow,
    **options: Unpack[RunArguments],
) -> ArrowTable: ...
@overload
def runs(
    x: Any,
    fields: Iterable[str] = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Polars,
    **options: Unpack[RunArguments],
) -> pl.DataFrame: ...
@overload
def runs(
    x: Any,
    fields: Iterable[str] = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Dask,
    **options: Unpack[RunArguments],
) -> dd.DataFrame: ...
@overload
def runs(
    x: Any,
    fields: Iterable[str] = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: str,
    **options: Unpack[RunArguments],
) -> Any: ...
def runs(
    x: Any,
    fields: Iterable[str] = (),
    *,
    columns: Iterable[Column] = RUN,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
    prices: bool = True,
    failed: Failed = None,
    labels: LabelFile = None,
    summary: bool = False,
) -> Any:
    """Return a frame with a row for each Run of `x`: its source, totals and outcome; `nt.frames` lists the columns.

    Each score has a column `score.<name>`, with the value of the source. `fields` names fields of the source
    (`run.fields`) that get a column `fields.<name>`; "a.b" is the field b of a. Totals are those of the blocks and model
    calls that no earlier Run has, so they may be summed. `labels` are those of `nt.labels(path)`, `failed` as in
    `tool_calls`; other arguments and errors are those of `blocks`.

    With `summary`, Inspect logs are not read beyond the summaries that they have of their samples, which is many times as
    fast: there are the scores, the outcome, the times and the tokens as Inspect counted them; the numbers of Turns, blocks
    and calls are NA, and subagents have no row. It needs the standard columns; other files are read as without it.
    """
    all_columns = (*columns, *field_columns(fields))
    rules = RowRules(prices, failed, label_file_of(labels), summary)
    return one_frame("runs", x, all_columns, backend, ReadOptions(processes, cache, progress), rules)


@overload
def problems(
    x: Any,
    failed: Failed = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Pandas = ...,
    **options: Unpack[ReadArguments],
) -> pd.DataFrame: ...
@overload
def problems(
    x: Any, failed: Failed = ..., *, columns: Iterable[Column] = ..., backend: Arrow, **options: Unpack[ReadArguments]
) -> ArrowTable: ...
@overload
def problems(
    x: Any, failed: Failed = ..., *, columns: Iterable[Column] = ..., backend: Polars, **options: Unpack[ReadArguments]
) -> pl.DataFrame: ...
@overload
def problems(
    x: Any, failed: Failed = ..., *, columns: Iterable[Column] = ..., backend: Dask, **options: Unpack[ReadArguments]
) -> dd.DataFrame: ...
@overload
def problems(
    x: Any, failed: Failed = ..., *, columns: Iterable[Column] = ..., backend: str, **options: Unpack[ReadArguments]
) -> Any: ...
def problems(
    x: Any,
    failed: Failed = None,
    *,
    columns: Iterable[Column] = PROBLEM,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each problem in `x`; `nt.frames` lists the columns.

    Its kinds are `tool_error`, `failed_result` (a result that says so, by the rule `failed`), `unanswered_call`,
    `repeated_call` (the third with equal arguments and result), `invalid_arguments`, `model_error`, `truncated`,
    `refused`, `context_near_limit`, `long_gap` and `run_error`. Arguments and errors are those of `tool_calls`.
    """
    return one_frame("problems", x, columns, backend, ReadOptions(processes, cache, progress), RowRules(failed=failed))


@overload
def labels(
    x: Any,
    labels: LabelFile = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Pandas = ...,
    **options: Unpack[ReadArguments],
) -> pd.DataFrame: ...
@overload
def labels(
    x: Any,
    labels: LabelFile = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Arrow,
    **options: Unpack[ReadArguments],
) -> ArrowTable: ...
@overload
def labels(
    x: Any,
    labels: LabelFile = ...,
    *,
    columns: Iterable[Column] = ...,
    backend: Polars,
    **options: Unpack[ReadArguments],
) -> pl.DataFrame: ...
@overload
def labels(
    x: Any, labels: LabelFile = ..., *, columns: Iterable[Column] = ..., backend: Dask, **options: Unpack[ReadArguments]
) -> dd.DataFrame: ...
@overload
def labels(
    x: Any, labels: LabelFile = ..., *, columns: Iterable[Column] = ..., backend: str, **options: Unpack[ReadArguments]
) -> Any: ...
def labels(
    x: Any,
    labels: LabelFile = None,
    *,
    columns: Iterable[Column] = LABEL,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each label in `x`: of Runs and of blocks; `nt.frames` lists the columns.

    These are the labels in the metadata of values (`nt.label`), and those of a file (`nt.labels(path)`) that belong to
    `x`. Of a file alone, `nt.labels(path).to_df()` returns all. Other arguments and errors are those of `blocks`.
    """
    if isinstance(x, Labels):
        return x.to_df(backend=backend)
    rules = RowRules(labels=label_file_of(labels))
    return one_frame("labels", x, columns, backend, ReadOptions(processes, cache, progress), rules)


@overload
def decisions(
    x: Any, *, columns: Iterable[Column] = ..., backend: Pandas = ..., **options: Unpack[ReadArguments]
) -> pd.DataFrame: ...
@overload
def decisions(
    x: Any, *, columns: Iterable[Column] = ..., backend: Arrow, **options: Unpack[ReadArguments]
) -> ArrowTable: ...
@overload
def decisions(
    x: Any, *, columns: Iterable[Column] = ..., backend: Polars, **options: Unpack[ReadArguments]
) -> pl.DataFrame: ...
@overload
def decisions(
    x: Any, *, columns: Iterable[Column] = ..., backend: Dask, **options: Unpack[ReadArguments]
) -> dd.DataFrame: ...
@overload
def decisions(x: Any, *, columns: Iterable[Column] = ..., backend: str, **options: Unpack[ReadArguments]) -> Any: ...
def decisions(
    x: Any,
    *,
    columns: Iterable[Column] = DECISION,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each decision in `x`; `nt.frames` lists the columns.

    These are what people and policies decided at pauses: `decisions(x).query("action == 'denied'")`. A decision that
    several Turns of a Run list has one row. Arguments and errors are those of `blocks`.
    """
    return one_frame("decisions", x, columns, backend, ReadOptions(processes, cache, progress), RowRules())


@overload
def context(
    x: Any, *, columns: Iterable[Column] = ..., backend: Pandas = ..., **options: Unpack[ReadArguments]
) -> pd.DataFrame: ...
@overload
def context(
    x: Any, *, columns: Iterable[Column] = ..., backend: Arrow, **options: Unpack[ReadArguments]
) -> ArrowTable: ...
@overload
def context(
    x: Any, *, columns: Iterable[Column] = ..., backend: Polars, **options: Unpack[ReadArguments]
) -> pl.DataFrame: ...
@overload
def context(
    x: Any, *, columns: Iterable[Column] = ..., backend: Dask, **options: Unpack[ReadArguments]
) -> dd.DataFrame: ...
@overload
def context(x: Any, *, columns: Iterable[Column] = ..., backend: str, **options: Unpack[ReadArguments]) -> Any: ...
def context(
    x: Any,
    *,
    columns: Iterable[Column] = CONTEXT,
    backend: str = "pandas",
    processes: int | None = None,
    cache: CachePath = None,
    progress: bool | None = None,
) -> Any:
    """Return a frame with a row for each block in the request of each model call; `nt.frames` lists the columns.

    `tokens` and `share` are estimated from the lengths of the blocks and the counted input. `changed` is true from the
    first block that breaks with the request before; `rebilled_tokens` were sent before and not read from the cache.
    It grows with the square of a conversation. Arguments and errors are those of `blocks`.
    """
    return one_frame("context", x, columns, backend, ReadOptions(processes, cache, progress), RowRules())
