"""Frames as folders of Parquet files, which any engine can read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LoadError
from .frame_pass import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 131_072  # rows that a reader can skip at once


def write_tables(tables: Mapping[str, pa.Table], folder: Path, number: int) -> None:
    """Write a part of each frame. The first part is written even if it is empty, for its columns."""
    import pyarrow.parquet as pq

    for name, table in tables.items():
        if number and not len(table):
            continue
        frame_folder = folder / name
        frame_folder.mkdir(parents=True, exist_ok=True)
        part = frame_folder / f"part-{number:05}.parquet"
        partial_file = part.with_suffix(".half")  # so that an incomplete part is never read
        pq.write_table(table.unify_dictionaries(), partial_file, compression="zstd", row_group_size=ROW_GROUP)
        partial_file.replace(part)


def read_tables(folder: Path) -> dict[str, pa.Table]:
    """Return every frame of a folder that `write_tables` filled, in the order of its parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = {}
    for name in COLUMNS:
        parts = sorted((folder / name).glob("part-*.parquet"))
        if not parts:
            continue
        try:
            tables[name] = pa.concat_tables([pq.read_table(part) for part in parts]).unify_dictionaries()
        except (pa.ArrowException, OSError) as error:
            raise LoadError(f"the Parquet files cannot be read: {error}", file=str(folder / name)) from None
    if not tables:
        raise LoadError("no frames in this folder; write some with nt.frames.to_parquet(x, folder)", file=str(folder))
    return tables
