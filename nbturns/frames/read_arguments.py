"""The types of arguments that every frame takes."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

from .api import Failed
from .label_file import LabelFile
from .scheduler import CachePath

Pandas: TypeAlias = Literal["pandas"]
Arrow: TypeAlias = Literal["arrow"]
Polars: TypeAlias = Literal["polars"]
Dask: TypeAlias = Literal["dask"]
ArrowTable: TypeAlias = Any  # a pyarrow.Table; pyarrow has no types


class ReadArguments(TypedDict, total=False):
    """Arguments for reading files: the number of processes, the cache, and the progress bar."""

    processes: int | None
    cache: CachePath
    progress: bool | None


class PriceArguments(ReadArguments, total=False):
    """Arguments of frames with costs."""

    prices: bool


class BlockArguments(PriceArguments, total=False):
    """Arguments of the frame of blocks."""

    labels: LabelFile


class CallArguments(PriceArguments, total=False):
    """Arguments of frames with a column of failed tool calls."""

    failed: Failed


class RunArguments(CallArguments, total=False):
    """Arguments of the frame of Runs."""

    labels: LabelFile
    summary: bool
