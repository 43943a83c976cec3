"""Comparisons of the fast readers with the path through Runs and rows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from nbturns import frames
from nbturns.frames import Column
from nbturns.frames.frame_pass import COLUMNS, FrameRequest
from nbturns.frames.scheduler import ReadOptions, read_all
from nbturns.frames.shared_columns import MAYBE_DUPLICATE


def by_row(of: Callable[[Any], Any], row: Any) -> Any:
    """Call the function of a column; it makes a column that no fast reader has a vector for."""
    return of(row)


# The same columns with functions of our own: these are computed from rows, and need a Block for each.
BY_ROWS = tuple(c if c is MAYBE_DUPLICATE else dataclasses.replace(c, of=partial(by_row, c.of)) for c in frames.BLOCK)


READ_BY_ROWS = {
    name: tuple(c if c is MAYBE_DUPLICATE else dataclasses.replace(c, of=partial(by_row, c.of)) for c in columns)
    for name, columns in COLUMNS.items()
    if name != "errors"
}


def assert_same_frames(x: Any, **options: Any) -> frames.Frames:
    """Compare all frames of `frames.read` by both paths, and return them."""
    fast, slow = frames.read(x, **options), frames.read(x, columns=READ_BY_ROWS)
    for name in COLUMNS:
        pd.testing.assert_frame_equal(getattr(fast, name), getattr(slow, name), obj=name)
    return fast


def assert_same_blocks(x: Any) -> pd.DataFrame:
    """Compare the blocks of `x` by both paths, and return them."""
    fast: pd.DataFrame = frames.blocks(x)
    slow: pd.DataFrame = frames.blocks(x, columns=BY_ROWS)
    pd.testing.assert_frame_equal(fast, slow)
    return fast


def read_blocks(path: Path, columns: tuple[Column, ...]) -> frames.Frames:
    """Return the blocks of a file and its errors: `frames.read` builds the other frames too, and needs Runs for these."""
    return frames.Frames(read_all(path, FrameRequest({"blocks": columns}, strict=False), ReadOptions()), "pandas")


def assert_same_rows_and_errors(path: Path) -> frames.Frames:
    """Compare blocks and errors of a file by both paths, and return them."""
    fast, slow = read_blocks(path, frames.BLOCK), read_blocks(path, BY_ROWS)
    pd.testing.assert_frame_equal(fast.blocks, slow.blocks)
    pd.testing.assert_frame_equal(fast.errors, slow.errors)
    return fast


def write_lines(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
