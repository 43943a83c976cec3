"""The frames on a Dask cluster: a partition for each file, which the worker reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LoadError
from .backends import as_pandas
from .copies import DuplicateMarks
from .frame_pass import COLUMNS, FramePass, FrameRequest, FrameTables
from .scheduler import ReadOptions, no_progress, read_all, read_file
from .sources import SourceFile, expand, is_path_input

if TYPE_CHECKING:
    import pandas as pd


def dask_frames(x: Any, request: FrameRequest) -> dict[str, Any]:
    """Return each requested frame, lazily. Frames that are computed together share one pass over each file.

    The files must have the same paths on every worker. Values have one partition, which this process builds.
    Raises LoadError for a path without a file.
    """
    import dask.dataframe as dd
    from dask.delayed import delayed

    from_pandas: Any = dd.from_pandas
    names = [*request.columns]
    if not is_path_input(x):
        result = read_all(x, request, ReadOptions())
        return {name: from_pandas(_frame(result.tables[name]), npartitions=1, sort=False) for name in names}
    files = []
    for part in expand(x):
        if isinstance(part, LoadError):
            raise part
        files.append(part)
    empty_frames = {name: _with_open_categories(_frame(t)) for name, t in _finished(FramePass(request)).tables.items()}
    read_tables, frame_of = delayed(_read_tables, pure=True), delayed(_frame_of, pure=True)
    results = [read_tables(file, request) for file in files]
    return {
        name: dd.from_delayed([frame_of(r, name) for r in results], meta=empty_frames[name], verify_meta=False)
        if results
        else from_pandas(empty_frames[name], npartitions=1)
        for name in names
    }


def dask_parquet(folder: Path) -> dict[str, Any]:
    """Return each frame of a folder that `to_parquet` wrote, lazily."""
    import dask.dataframe as dd

    frames = {name: dd.read_parquet(folder / name) for name in COLUMNS if (folder / name).is_dir()}
    if not frames:
        raise LoadError("no frames in this folder; write some with nt.frames.to_parquet(x, folder)", file=str(folder))
    return frames


def _read_tables(file: SourceFile, request: FrameRequest) -> FrameTables:
    """Return the frames of one file, on a worker."""
    frame_pass = FramePass(request)
    read_file(frame_pass, file, no_progress)
    return _finished(frame_pass)


def _finished(frame_pass: FramePass) -> FrameTables:
    return frame_pass.request.finish(frame_pass.result(), DuplicateMarks(), spread=False)


def _frame_of(result: FrameTables, name: str) -> pd.DataFrame:
    return _frame(result.tables[name])


def _with_open_categories(empty: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with unknown categories where only the data have them, like `file`: partitions differ."""
    from dask.dataframe import utils

    clear_known_categories: Any = utils.clear_known_categories
    open_columns: Any = [
        name for name in empty if str(empty[name].dtype) == "category" and not len(empty[name].cat.categories)
    ]
    frame: pd.DataFrame = clear_known_categories(empty, cols=open_columns) if open_columns else empty
    return frame


def _frame(table: Any) -> pd.DataFrame:
    """Return the table as pandas, with JSON as text: Dask takes a column of objects for one of texts."""
    return as_pandas(table, parsed=False)
