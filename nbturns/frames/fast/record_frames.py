"""The frames of Turns, model calls, tool calls, snapshots and reports from batches of chat records, without Runs.

Each column is either a function of the batch, in the tables here, or has one value for all such records (no tokens, no
times); that value is computed from a row without content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ...importers import ImportReport, openai_chat
from ...values.failure_rules import failure_pattern
from ...values.inference_results import InferenceResult
from ...values.recorded_turns import RecordedRun, RecordedTurn, as_turn
from ...values.turns import Block
from ..builder import FrameBuilder
from ..columns import Column
from ..inference_frame import INFERENCE, InferenceRow
from ..report_frame import REPORT, ReportRow
from ..shared_columns import with_copy_keys
from ..snapshot_frame import SNAPSHOT, Change, SnapshotRow
from ..sources import RunSource
from ..tool_call_frame import TOOL_CALL, ToolCallRow
from ..traversal import TurnVisit
from ..turn_frame import TURN, TurnRow
from .batch_vectors import FINISH_CLASS, MODEL, PROVIDER, STOP_REASON, BatchVectors, add_arrays
from .block_arrays import VectorBlockBuilder
from .block_batch import CALL, REASONING, REPLY, USER, BlockBatch
from .record_vectors import COUNTED_KINDS, RecordVectors, constant, integers

if TYPE_CHECKING:
    import pyarrow as pa

ArrayOf = Callable[[RecordVectors], Any]
TURN_RECORD = as_turn(RecordedTurn())
VISIT = TurnVisit(RunSource(RecordedRun((TURN_RECORD,)), ""), TURN_RECORD, 0, "", 0, extends_previous=True)


class RecordFrame(NamedTuple):
    """The recipe of a frame of records: functions for its columns, names of the others, and a row with their values."""

    columns: tuple[Column, ...]
    functions: Mapping[str, ArrayOf]
    constants: frozenset[str]
    row: Any
    length: Callable[[BlockBatch], int]

    def column_functions(self, builder: FrameBuilder) -> dict[str, ArrayOf] | None:
        """Return a function for each column of a builder; None where one of them needs rows."""
        functions = dict(self.functions)
        standard_columns = with_copy_keys(self.columns)
        for column in builder.buffer.columns:
            if column not in standard_columns:
                return None
            if column.name in functions:
                continue
            if column.name not in self.constants:
                return None
            functions[column.name] = _constant_function(column.name, column.of(self.row), column.dtype, self.length)
        return functions


def _constant_function(name: str, value: Any, dtype: str, length: Callable[[BlockBatch], int]) -> ArrayOf:
    return lambda vectors: constant(name, value, dtype, length(vectors.batch))


def _count(name: str) -> ArrayOf:
    kind_role = COUNTED_KINDS[name]
    return lambda vectors: integers(vectors.count_by_turn(vectors.rows_of(kind_role)))


def _failed_by_turn(vectors: RecordVectors) -> pa.Array:
    return integers(vectors.count_by_turn(vectors.tool_call_rows[vectors.failures]))


def _last_row_ids(vectors: RecordVectors) -> pa.Array:
    """Return the id of the last model call of each Turn."""
    import pyarrow as pa

    rows = vectors.last_by_turn(vectors.call_rows)
    return vectors.inference_id().take(pa.array(rows, mask=rows < 0))


def _category_of_runs(vectors: RecordVectors, runs: Any) -> pa.Array:
    import pyarrow as pa

    return vectors.category("file", vectors.files, pa.array(runs))


TURN_KEYS: dict[str, ArrayOf] = {
    "run_id": lambda v: v.at_run(v.run_ids, v.run_of_turn),
    "root_run_id": lambda v: v.at_run(v.run_ids, v.run_of_turn),
    "turn_id": lambda v: v.default_turn_ids,
    "turn_index": lambda v: integers(v.turn_indexes),
    "file": lambda v: _category_of_runs(v, v.run_of_turn),
    "blocks": lambda v: integers(v.turn_first_indexes + v.turn_lengths),
    "pending": lambda v: integers(v.pending_counts),
}
TURN_FUNCTIONS: dict[str, ArrayOf] = {
    **TURN_KEYS,
    "run_name": lambda v: v.at_run([name or None for _, name, _ in v.batch.records], v.run_of_turn),
    "new_blocks": lambda v: integers(v.turn_lengths),
    **{name: _count(name) for name in COUNTED_KINDS},
    "failed": _failed_by_turn,
    "inferences": lambda v: integers(v.count_by_turn(v.last_call_rows)),
    "prompt": lambda v: v.texts_at(v.last_by_turn(v.rows_of(USER))),
    "text": lambda v: v.texts_at(v.last_replies),
}
SNAPSHOT_FUNCTIONS: dict[str, ArrayOf] = {
    **TURN_KEYS,
    "snapshot_index": lambda v: integers(v.turn_indexes),
    "added": lambda v: integers(v.turn_lengths),
    "changed_from": lambda v: integers(v.turn_first_indexes),
    "added_kinds": lambda v: v.texts_of(v.added_kinds),
    "text": lambda v: v.texts_at(v.turn_starts + v.turn_lengths - 1),
    "inference_id": _last_row_ids,
}


def _at_turn(function: ArrayOf) -> ArrayOf:
    """Return a function of the Turn of each model call."""

    def of_calls(vectors: RecordVectors) -> pa.Array:
        import pyarrow as pa

        return function(vectors).take(pa.array(vectors.turn_of_calls))

    return of_calls


def _call_indexes(vectors: RecordVectors) -> pa.Array:
    """Return the index of each model call among those of its Turn."""
    import numpy as np

    counts = vectors.count_by_turn(vectors.last_call_rows)
    first_calls = np.cumsum(counts) - counts
    return integers(np.arange(len(vectors.batch.call_ids)) - first_calls[vectors.turn_of_calls])


def _kind_functions(name: str, kind_role: int) -> dict[str, ArrayOf]:
    return {
        f"{name}_blocks": lambda v: integers(v.per_call(kind_role)),
        f"{name}_characters": lambda v: integers(v.per_call(kind_role, v.characters.to_numpy())),
    }


INFERENCE_FUNCTIONS: dict[str, ArrayOf] = {
    **{name: _at_turn(TURN_KEYS[name]) for name in ("run_id", "root_run_id", "turn_id", "turn_index", "file")},
    "inference_id": lambda v: v.texts_of(v.batch.call_ids),
    "inference_index": _call_indexes,
    "provider": lambda v: v.at_summary("provider", PROVIDER),
    "model": lambda v: v.at_summary("model", MODEL),
    "stop_reason": lambda v: v.at_summary("stop_reason", STOP_REASON),
    "finish_class": lambda v: v.at_summary("finish_class", FINISH_CLASS),
    "blocks": lambda v: integers(v.per_call()),
    **_kind_functions("text", REPLY),
    **_kind_functions("reasoning", REASONING),
    **_kind_functions("tool_call", CALL),
    "maybe_duplicate": lambda v: v.copy_keys_at(v.last_call_rows),
}


def _at_call(function: Callable[[RecordVectors], Any]) -> ArrayOf:
    """Return a function of the row of each tool call."""

    def of_tool_calls(vectors: RecordVectors) -> pa.Array:
        import pyarrow as pa

        return function(vectors).take(pa.array(vectors.tool_call_rows))

    return of_tool_calls


def _at_answer(function: Callable[[RecordVectors], Any]) -> ArrayOf:
    """Return a function of the row of the result of each tool call; null for a call without one."""

    def of_answers(vectors: RecordVectors) -> pa.Array:
        import pyarrow as pa

        rows = vectors.answer_rows
        return function(vectors).take(pa.array(rows, mask=rows < 0))

    return of_answers


def _answered(vectors: RecordVectors) -> pa.Array:
    import pyarrow as pa

    return pa.array(vectors.answer_rows >= 0)


def _failed(vectors: RecordVectors) -> pa.Array:
    import pyarrow as pa

    return pa.array(vectors.failures)


TOOL_CALL_FUNCTIONS: dict[str, ArrayOf] = {
    "run_id": _at_call(BatchVectors.run_id),
    "root_run_id": _at_call(BatchVectors.run_id),
    "turn_id": _at_call(BatchVectors.turn_id),
    "turn_index": _at_call(BatchVectors.turn_index),
    "block_id": _at_call(BatchVectors.block_id),
    "block_index": _at_call(BatchVectors.block_index),
    "tool_call_id": _at_call(lambda v: v.sparse("tool_call_id", v.batch.tool_call_ids)),
    "inference_id": _at_call(BatchVectors.inference_id),
    "name": _at_call(lambda v: v.sparse("name", v.batch.names)),
    "args": _at_call(lambda v: v.text),
    "answered": _answered,
    "result": _at_answer(lambda v: v.text),
    "failed": _failed,
    "result_block_id": _at_answer(BatchVectors.block_id),
    "result_turn_index": _at_answer(BatchVectors.turn_index),
    "result_block_index": _at_answer(BatchVectors.block_index),
    "maybe_duplicate": _at_call(BatchVectors.copy_keys),
    "file": _at_call(BatchVectors.file),
}
REPORT_FUNCTIONS: dict[str, ArrayOf] = {
    "run_id": lambda v: v.texts_of(v.run_ids),
    "format": lambda v: v.texts_of([v.format] * len(v.run_ids)),
    "read": lambda v: integers([count for _, _, count in v.batch.records]),
    "blocks": lambda v: integers(v.run_ends - v.run_starts),
    "guessed": lambda v: integers([count for count, _ in v.notes]),
    "notes": lambda v: v.texts_of([text for _, text in v.notes]),
    "file": lambda v: v.texts_of(v.files),
}

NO_LINKS = frozenset({"parent_run_id", "parent_tool_call_id", "session_id"})
NO_PROFILE = frozenset({"profile", "signature"})
NO_USAGE = frozenset(
    {"input_tokens", "output_tokens", "cached_tokens", "cache_creation_input_tokens", "reasoning_tokens"}
    | {"total_tokens", "cost", "cost_source", "duration_ms"}
)
RECORD_FRAMES: dict[str, RecordFrame] = {
    "turns": RecordFrame(
        TURN,
        TURN_FUNCTIONS,
        NO_LINKS | NO_PROFILE | NO_USAGE | {"status", "error", "tool_errors"},
        TurnRow(VISIT, (), (), 0, None),
        lambda batch: len(batch.turn_segments),
    ),
    "inferences": RecordFrame(
        INFERENCE,
        INFERENCE_FUNCTIONS,
        NO_LINKS
        | NO_PROFILE
        | NO_USAGE
        | {"error", "truncated", "attempts", "max_tokens", "time_to_first_token_ms", "price_table"}
        | {"request_id", "response_id"},
        InferenceRow(VISIT, InferenceResult(), "", 0, (), None),
        lambda batch: len(batch.call_ids),
    ),
    "tool_calls": RecordFrame(
        TOOL_CALL,
        TOOL_CALL_FUNCTIONS,
        NO_LINKS | {"error", "answered_by", "edited", "duration_ms", "attempts", "child_run_id"},
        ToolCallRow(VISIT, Block("tool_call", {}), 0, None, "", "", "", None),
        lambda batch: batch.kind_roles.count(CALL),
    ),
    "snapshots": RecordFrame(
        SNAPSHOT,
        SNAPSHOT_FUNCTIONS,
        NO_LINKS | {"execution_id", "phase", "iteration", "at", "elapsed_ms", "removed", "edited"},
        SnapshotRow(VISIT, None, TURN_RECORD, 0, Change(None), 0, None),
        lambda batch: len(batch.turn_segments),
    ),
    "reports": RecordFrame(
        REPORT,
        REPORT_FUNCTIONS,
        frozenset({"unknown", "dropped"}),
        ReportRow(VISIT, ImportReport(openai_chat.FORMAT)),
        lambda batch: len(batch.runs),
    ),
}


class RecordFrames:
    """The frames of a pass that are filled from records: `blocks`, and those that are made of the same batches.

    Without `blocks` in the pass, its batches are filled and dropped.
    """

    def __init__(self, block_builder: VectorBlockBuilder, failed: str | re.Pattern[str] | None) -> None:
        self.block_builder = block_builder
        self._finds_failure = failure_pattern(failed)
        self._followers: dict[str, tuple[FrameBuilder, dict[str, ArrayOf]]] = {}

    def follow(self, name: str, builder: FrameBuilder) -> bool:
        """Fill another frame from the batches; False for one that needs Runs."""
        frame = RECORD_FRAMES.get(name)
        functions = frame.column_functions(builder) if frame is not None else None
        if functions is None:
            return False
        self._followers[name] = builder, functions
        self.block_builder.on_flush = self._add_batch
        return True

    @property
    def formats(self) -> frozenset[str] | None:
        """The formats whose records have all that these frames need; None for any that has blocks."""
        return frozenset({openai_chat.FORMAT}) if self._followers else None

    def waiting_rows(self, name: str) -> int:
        """Return the number of rows of a frame that are in the batch and not yet in its builder."""
        if name not in self._followers or self.block_builder.has_values:
            return 0
        return RECORD_FRAMES[name].length(self.block_builder.batch)

    def flush(self) -> None:
        """Add the batch to the other frames before anything else is added to them."""
        if self._followers and not self.block_builder.has_values:
            self.block_builder.flush()

    def _add_batch(self, batch: BlockBatch) -> RecordVectors:
        vectors = RecordVectors(batch, self._finds_failure, openai_chat.FORMAT)
        for name, (builder, functions) in self._followers.items():
            add_arrays(builder.buffer, functions, vectors, RECORD_FRAMES[name].length(batch))
        return vectors
