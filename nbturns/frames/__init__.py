"""Conversations as DataFrames: `blocks`, `turns`, `inferences`, `tool_calls`, `snapshots`.

Each takes a Turn, a Run, a Session, an Execution, a path, glob or folder, a store, or several
of these, and reads it once; `read` returns all five from one pass, with the problems in
`errors`. A Turn of a Run repeats the Turns before it, and several blocks share one model call;
in a frame each is one row, so that sums are right.

The frames join on `run_id` with `turn_index`, `block_index`, `inference_id` or `tool_call_id`.
Unknown is NA, never 0; durations are in milliseconds, times are in UTC, money is in
USD. Each of several values is a Run by itself, but consecutive Turns of one session, or with the
same first block, are one Run. `to_turns` returns the Turns of rows, `at` the Turn of one row.

Frames are built as Arrow; `backend` is the type that is returned: "pandas", "arrow", "polars",
or "dask", which reads each file where its partition is. `to_parquet` writes all of them as
folders of Parquet files, in constant memory; `from_parquet` reads these.

Columns are values: `BLOCK + (Column("length", lambda row: len(row.block.text)),)`. A row has
`run`, `run_id`, `turn`, `turn_index`, `session_id`, `file`; in `blocks` and `tool_calls`
`block`, `block_index`, `inference` and `inference_id`, and `answer` in `tool_calls`; in
`inferences` `inference`, `inference_id`, `index` and `blocks`; in `turns` `blocks`, `inferences`;
in `snapshots` `snapshot`, `snapshot_index` and `change`; in `reports` `report`.
"""

from __future__ import annotations

from ..values.failure_rules import FAILED as FAILED
from .api import Frames as Frames
from .api import from_parquet as from_parquet
from .api import read as read
from .api import to_parquet as to_parquet
from .argument_columns import spread as spread
from .block_frame import BLOCK as BLOCK
from .block_frame import BlockRow as BlockRow
from .columns import Column as Column
from .context_frame import CONTEXT as CONTEXT
from .context_frame import ContextRow as ContextRow
from .decision_frame import DECISION as DECISION
from .decision_frame import DecisionRow as DecisionRow
from .frame_pass import ALL_COLUMNS as _COLUMNS
from .frame_pass import ERROR as ERROR
from .inference_frame import INFERENCE as INFERENCE
from .inference_frame import InferenceRow as InferenceRow
from .label_frame import LABEL as LABEL
from .label_frame import LabelRow as LabelRow
from .origin import at as at
from .origin import to_turns as to_turns
from .problem_frame import PROBLEM as PROBLEM
from .problem_frame import ProblemRow as ProblemRow
from .report_frame import REPORT as REPORT
from .report_frame import ReportRow as ReportRow
from .row_frames import blocks as blocks
from .row_frames import inferences as inferences
from .row_frames import snapshots as snapshots
from .row_frames import tool_calls as tool_calls
from .row_frames import turns as turns
from .run_frame import RUN as RUN
from .run_frame import RunRow as RunRow
from .single_frames import context as context
from .single_frames import decisions as decisions
from .single_frames import labels as labels
from .single_frames import problems as problems
from .single_frames import runs as runs
from .snapshot_frame import SNAPSHOT as SNAPSHOT
from .snapshot_frame import Change as Change
from .snapshot_frame import SnapshotRow as SnapshotRow
from .tool_call_frame import TOOL_CALL as TOOL_CALL
from .tool_call_frame import ToolCallRow as ToolCallRow
from .turn_frame import TURN as TURN
from .turn_frame import TurnRow as TurnRow

__all__ = [
    "BLOCK",
    "CONTEXT",
    "DECISION",
    "ERROR",
    "FAILED",
    "INFERENCE",
    "LABEL",
    "PROBLEM",
    "REPORT",
    "RUN",
    "SNAPSHOT",
    "TOOL_CALL",
    "TURN",
    "BlockRow",
    "Change",
    "Column",
    "ContextRow",
    "DecisionRow",
    "Frames",
    "InferenceRow",
    "LabelRow",
    "ProblemRow",
    "ReportRow",
    "RunRow",
    "SnapshotRow",
    "ToolCallRow",
    "TurnRow",
    "at",
    "blocks",
    "context",
    "decisions",
    "from_parquet",
    "inferences",
    "labels",
    "problems",
    "read",
    "runs",
    "snapshots",
    "spread",
    "to_parquet",
    "to_turns",
    "tool_calls",
    "turns",
]

_ROWS = {
    "blocks": "a row for each block, where it first appears",
    "turns": "a row for each Turn; counts, tokens and cost are those of its new blocks and model calls",
    "inferences": "a row for each model call, failed attempts and empty replies too",
    "tool_calls": "a row for each tool call, with its result",
    "snapshots": "a row for each boundary of the loop that was passed",
    "runs": "a row for each Run, with its outcome; each score has a column score.<name>",
    "labels": "a row for each label of a Run or a block",
    "decisions": "a row for each decision at a pause: denied, mocked, skipped, edited, added or dropped",
    "context": "a row for each block in the request of each model call",
    "problems": "a row for each thing that is suspicious",
    "reports": "a row for each conversation of another program, of `read` alone",
    "errors": "a row for each problem while reading, of `read` alone",
}


def _column_tables() -> str:
    """Return a table of the columns of each frame, for the documentation of this module."""
    lines = []
    for name, columns in _COLUMNS.items():
        lines += ["", f"`{name}`: {_ROWS[name]}", ""]
        lines += [f"    {c.name:<28}{c.dtype:<10}{c.unit:<12}{c.doc}".rstrip() for c in columns]
    return "\n".join(lines) + "\n"


__doc__ = f"{__doc__}{_column_tables()}"


def __dir__() -> list[str]:
    return sorted(__all__)
