"""The rows of a frame of Runs as plain data, and the way back from a row to its Run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from ..errors import LoadError
from ..values.turns import Run
from .columns import Column
from .origin import _candidate_runs, _columns
from .problem_frame import find_problems
from .run_frame import RUN, RunRow
from .single_frames import runs as runs_frame
from .traversal import text_of

PLAIN_TYPES = (str, int, bool)
MAX_LAST_WORDS = 400  # characters of the last text of a Run


def _last_words(row: RunRow) -> str | None:
    """Return the text of the last block that has one."""
    for block in reversed(row.run.latest):
        if block.kind in ("llm_text", "user") and (text := text_of(block).strip()):
            return text[:MAX_LAST_WORDS]
    return None


PROBLEMS = Column(
    "problems",
    lambda row: len(find_problems(row.run, row.visits, row.tool_calls)),
    "Int64",
    doc="number of its problems, as in `problems`",
)
LAST_WORDS = Column("last_words", _last_words, "string", doc="text of its last message")


def rows_of_runs(runs: Sequence[Run], labels: Any = None) -> list[dict[str, Any]]:
    """Return a row for each of these Runs, with the values that are known."""
    return _plain_rows(runs_frame(runs, columns=(*RUN, PROBLEMS, LAST_WORDS), backend="arrow", labels=labels))


def rows_of_frame(frame: Any) -> list[dict[str, Any]] | None:
    """Return the rows of a frame of Runs, of any backend, or of a row of one; None for anything else."""
    names = _column_names(frame)
    if "run_id" not in names or "file" not in names or "turn_index" in names:
        return None
    return _plain_rows(frame)


def run_of_row(row: Mapping[str, Any], frame: Any) -> Run:
    """Return the Run of a row, from the input of its frame, or from the file that the row names.

    Raises LoadError when it is no longer there.
    """
    origin = getattr(frame, "attrs", {}).get("nbturns")
    run_id, file = str(row.get("run_id", "")), str(row.get("file", ""))
    for run_ids, run_file, run in _candidate_runs(getattr(origin, "input", None), [(run_id, 0, file)]):
        if run_id in run_ids and file in (run_file, ""):
            return run
    raise LoadError(f"run {run_id!r} is not in the input of this frame", file=file)


def _column_names(frame: Any) -> tuple[str, ...]:
    names: Any = getattr(frame, "column_names", None)  # Arrow
    if names is None:
        names = getattr(frame, "_fields", None)  # a row of itertuples
    if names is None:
        names = getattr(frame, "columns", None)
    if names is None:
        names = getattr(frame, "index", ())  # a row of pandas
    return () if callable(names) else tuple(name for name in names if isinstance(name, str))


def _plain_rows(frame: Any) -> list[dict[str, Any]]:
    columns = _columns(frame, _column_names(frame))
    rows: list[dict[str, Any]] = [{} for _ in next(iter(columns.values()), ())]
    for name, values in columns.items():
        if set(map(type, values)) <= _unknown_types():
            continue
        for row, value in zip(rows, values, strict=True):  # most values need no call
            if type(value) in PLAIN_TYPES or (not isnan(value) if type(value) is float else _is_known(value)):
                row[name] = value
    return rows


def _unknown_types() -> set[type]:
    import pandas as pd

    return {type(None), type(pd.NA)}


def _is_known(value: Any) -> bool:
    import pandas as pd

    return value is not None and value is not pd.NA and (not pd.api.types.is_scalar(value) or not pd.isna(value))
