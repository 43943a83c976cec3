"""The frames on a Dask cluster: a partition for each file, made by the same pass where it is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LoadError
from .backends import as_pandas
from .passes import COLUMNS, Made, Pass, Wanted
from .reading import How, made_of, read_file, unheard
from .sources import File, are_paths, parts

if TYPE_CHECKING:
    import pandas as pd


def dask_frames(given: Any, wanted: Wanted) -> dict[str, Any]:
    """Each frame that is wanted, lazily. Frames that are computed together share one pass over each file.

    The files must have the same paths on every worker. Values have one partition, made here.
    Raises LoadError for a path with nothing behind it, MisuseError for `repeat`.
    """
    import dask.dataframe as dd
    from dask.delayed import delayed

    one_partition: Any = dd.from_pandas
    empty = {name: _growing(_frame(table)) for name, table in Pass(wanted).made().tables.items()}
    names = [*wanted.columns]
    if not (isinstance(given, (str, os.PathLike)) or are_paths(given)):
        made = made_of(given, wanted, How())
        return {name: one_partition(_frame(made.tables[name]), npartitions=1, sort=False) for name in names}
    files = []
    for part in parts(given):
        if isinstance(part, LoadError):
            raise part
        files.append(part)
    one_pass = delayed(_tables, pure=True)
    made_of_files = [one_pass(file, wanted) for file in files if isinstance(file, File)]
    pick = delayed(_pick, pure=True)
    return {
        name: dd.from_delayed([pick(made, name) for made in made_of_files], meta=empty[name], verify_meta=False)
        if made_of_files
        else one_partition(empty[name], npartitions=1)
        for name in names
    }


def dask_parquet(folder: Path) -> dict[str, Any]:
    """Each frame of a folder that `to_parquet` wrote, lazily."""
    import dask.dataframe as dd

    found = {name: dd.read_parquet(folder / name) for name in COLUMNS if (folder / name).is_dir()}
    if not found:
        raise LoadError("there are no frames in this folder", file=str(folder))
    return found


def _tables(file: File, wanted: Wanted) -> Made:
    """On a worker: the frames of one file."""
    pass_ = Pass(wanted)
    read_file(pass_, file, unheard)
    return pass_.made()


def _pick(made: Made, name: str) -> pd.DataFrame:
    return _frame(made.tables[name])


def _growing(empty: pd.DataFrame) -> pd.DataFrame:
    """Columns whose categories only the data tell, like the files, said to be so: each partition has its own."""
    from dask.dataframe import utils

    clear_known_categories: Any = utils.clear_known_categories
    open_ended: Any = [
        name for name in empty if str(empty[name].dtype) == "category" and not len(empty[name].cat.categories)
    ]
    told: pd.DataFrame = clear_known_categories(empty, cols=open_ended) if open_ended else empty
    return told


def _frame(table: Any) -> pd.DataFrame:
    """As pandas, with JSON as text: Dask takes a column of objects for one of texts."""
    return as_pandas(table, parsed=False)
