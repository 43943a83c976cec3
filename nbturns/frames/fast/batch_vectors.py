"""A batch of blocks as Arrow arrays: its columns, and the values that several of them share, each computed once.

Arrow repeats the values of a Run, a Turn or a model call for its blocks, and puts those of few
blocks at their rows; only distinct cells are computed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..arrow_arrays import array, arrow_type, category_codes
from ..column_buffer import ColumnBuffer
from .block_batch import BlockBatch

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PROVIDER, MODEL, STOP_REASON, FINISH_CLASS = range(4)  # the items of a CallSummary
PARENT, TOOL_CALL, ROOT = range(3)  # the items of RunLinks


class BatchVectors:
    """The columns of a batch as Arrow arrays, and the values they share, each computed once."""

    def __init__(self, batch: BlockBatch) -> None:
        import numpy as np

        self.batch = batch
        self.rows: int = len(batch)
        runs, turn_ids, turn_indexes, first_indexes, first_rows = map(list, zip(*batch.turn_segments, strict=True))
        self.turn_ids: list[Any] = turn_ids
        self.turn_runs = runs
        self.turn_indexes = turn_indexes
        starts = np.array(first_rows, np.int64)
        self.turn_starts: np.ndarray = starts
        self.turn_first_indexes: np.ndarray = np.array(first_indexes, np.int64)
        self.turn_lengths: np.ndarray = np.diff(starts, append=self.rows)
        self.index: np.ndarray = np.arange(self.rows) + np.repeat(self.turn_first_indexes - starts, self.turn_lengths)

    # For each row, the number of its Run, Turn, model call.

    @cached_property
    def run(self) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        return pa.array(np.repeat(np.array(self.turn_runs, np.int32), self.turn_lengths))

    @cached_property
    def turn_numbers(self) -> np.ndarray:
        import numpy as np

        return np.repeat(np.arange(len(self.turn_runs), dtype=np.int32), self.turn_lengths)

    @cached_property
    def turn(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self.turn_numbers)

    @cached_property
    def call_numbers(self) -> tuple[np.ndarray, np.ndarray]:
        """The number of the model call of each row, and which rows have one."""
        return self._dense(self.batch.calls)

    @cached_property
    def call(self) -> pa.Array:
        """The number of the model call of each row; null without one."""
        import pyarrow as pa

        numbers, has_number = self.call_numbers
        return pa.array(numbers, pa.int32(), mask=~has_number)

    @cached_property
    def summary(self) -> pa.Array:
        """The number of the summary of the model call of each row; null without one."""
        import pyarrow as pa

        return pa.array(self.batch.call_summaries, pa.int32()).take(self.call)

    @cached_property
    def default_turn_ids(self) -> pa.Array:
        """The id of each Turn, made of run id and turn index."""
        run_ids = [run_id for run_id, _ in self.batch.runs]
        turn_ids = [f"{run_ids[run]}/{index}" for run, index in zip(self.turn_runs, self.turn_indexes, strict=True)]
        return array("turn_id", turn_ids, "string")

    @cached_property
    def default_turn_id(self) -> pa.Array:
        """The id of the Turn of each row."""
        return self.default_turn_ids.take(self.turn)

    @cached_property
    def text(self) -> pa.Array:
        return array("text", self.batch.texts, "string")

    @cached_property
    def kind_role(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self.batch.kind_roles, pa.int32())

    def _dense(self, column: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of a sparse column for all rows (int64), and which rows have one (bool)."""
        import numpy as np

        rows = np.fromiter(column, np.int64, len(column))
        numbers, has_number = np.zeros(self.rows, np.int64), np.zeros(self.rows, np.bool_)
        numbers[rows] = np.fromiter(column.values(), np.int64, len(column))
        has_number[rows] = True
        return numbers, has_number

    # The columns.

    def sparse(self, name: str, column: Mapping[int, Any], dtype: str = "string") -> pa.Array:
        """Return a sparse column for all rows, with nulls."""
        import numpy as np
        import pyarrow as pa

        if not column:  # common for times and errors
            return pa.nulls(self.rows, arrow_type(dtype))
        values = array(name, list(column.values()), dtype)
        if len(column) == self.rows:
            return values
        positions = np.full(self.rows, -1)
        positions[np.fromiter(column, np.int64, len(column))] = np.arange(len(column))
        return values.take(pa.array(positions, mask=positions < 0))

    def from_summary(self, name: str, item: int) -> pa.Array:
        """Return one item of the summaries of model calls, for all rows."""
        import pyarrow as pa

        values = [summary[item] or None for summary in self.batch.summaries]
        if not any(values):
            return pa.nulls(self.rows, pa.large_string())
        return array(name, values, "string").take(self.summary)

    def category(self, name: str, values: list[str | None], numbers: pa.Array) -> pa.Array:
        """Return a category for each row, by its number in `values`."""
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(numbers, array(name, values, "string"))

    def kind(self) -> pa.Array:
        return self.category("kind", [kind for kind, _ in self.batch.kind_role_pairs], self.kind_role)

    def role(self) -> pa.Array:
        return self.category("role", [role for _, role in self.batch.kind_role_pairs], self.kind_role)

    def finish_class(self) -> pa.Array:
        values = [summary[FINISH_CLASS] or None for summary in self.batch.summaries]
        return self.category("finish_class", values, self.summary)

    def run_id(self) -> pa.Array:
        return array("run_id", [run_id for run_id, _ in self.batch.runs], "string").take(self.run)

    def link(self, name: str, item: int) -> pa.Array:
        """Return an item of the links of each row's Run; the root of a Run without links is the Run itself."""
        import pyarrow as pa

        links, is_root = self.batch.links, item == ROOT
        if not links:
            return self.run_id() if is_root else pa.nulls(self.rows, pa.large_string())
        run_ids = [run_id for run_id, _ in self.batch.runs]
        values = [
            (links[n][item] if n in links else run_id if is_root else "") or None for n, run_id in enumerate(run_ids)
        ]
        return array(name, values, "string").take(self.run)

    def file(self) -> pa.Array:
        return self.category("file", [file or None for _, file in self.batch.runs], self.run)

    def turn_id(self) -> pa.Array:
        import pyarrow.compute as pc

        if not any(self.turn_ids):
            return self.default_turn_id
        ids = array("turn_id", [id or None for id in self.turn_ids], "string").take(self.turn)
        return pc.coalesce(ids, self.default_turn_id) if ids.null_count else ids

    def block_id(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = self.sparse("block_id", self.batch.ids)
        if not ids.null_count:
            return ids
        index = pc.cast(pa.array(self.index), pa.large_string())
        default_ids = pc.binary_join_element_wise(self.default_turn_id, index, pa.scalar("/", pa.large_string()))
        return default_ids if ids.null_count == len(ids) else pc.coalesce(ids, default_ids)

    def turn_index(self) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        return pa.array(np.repeat(np.array(self.turn_indexes, np.int64), self.turn_lengths))

    def block_index(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self.index)

    @cached_property
    def characters(self) -> pa.Array:
        """The length of the text of each row."""
        import numpy as np
        import pyarrow as pa

        return pa.array(np.fromiter(map(len, self.batch.texts), np.int64, self.rows))

    def images(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self._dense(self.batch.images)[0])

    def edited(self) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        is_edited = np.zeros(self.rows, np.bool_)
        is_edited[np.fromiter(self.batch.edits, np.int64, len(self.batch.edits))] = True
        return pa.array(is_edited)

    def copy_keys(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self.batch.copy_keys, pa.int64())

    def inference_id(self) -> pa.Array:
        import pyarrow as pa

        if not self.batch.calls:
            return pa.nulls(self.rows, pa.large_string())
        ids: list[Any] = self.batch.call_ids
        if "" in ids:
            ids = [id or None for id in ids]
        return array("inference_id", ids, "string").take(self.call)


def add_arrays(
    buffer: ColumnBuffer, functions: Mapping[str, Callable[[Any], Any]], vectors: BatchVectors, rows: int
) -> None:
    """Add the columns of a buffer for a batch, each by its function."""
    buffer.flush()
    arrays = []
    for index, column in enumerate(buffer.columns):
        values = functions[column.name](vectors)
        arrays.append(category_codes(values, buffer.codes(index)) if column.dtype == "category" else values)
    buffer.add_batch(arrays, rows)
