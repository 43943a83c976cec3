"""Frames as folders of Parquet files, which any engine reads as they are; and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LoadError
from .passes import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

GROUP = 131_072  # rows that a reader may skip at once


def write_tables(tables: Mapping[str, pa.Table], folder: Path, number: int) -> None:
    """Write a part of each frame. The first part is there even where it is empty: it says the columns."""
    import pyarrow.parquet as pq

    for name, table in tables.items():
        if number and not len(table):
            continue
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        part = place / f"part-{number:05}.parquet"
        half = part.with_suffix(".half")  # nobody reads half a part, whatever happens
        pq.write_table(table.unify_dictionaries(), half, compression="zstd", row_group_size=GROUP)
        half.replace(part)


def read_tables(folder: Path) -> dict[str, pa.Table]:
    """Every frame there is in a folder that `write_tables` filled, in the order of its parts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = {}
    for name in COLUMNS:
        found = sorted((folder / name).glob("part-*.parquet"))
        if not found:
            continue
        try:
            tables[name] = pa.concat_tables([pq.read_table(part) for part in found]).unify_dictionaries()
        except (pa.ArrowException, OSError) as error:
            raise LoadError(f"its Parquet files cannot be read: {error}", file=str(folder / name)) from None
    if not tables:
        raise LoadError(
            "there are no frames in this folder; nt.frames.to_parquet(x, folder) writes some", file=str(folder)
        )
    return tables
