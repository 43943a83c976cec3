"""A batch of blocks as Arrow arrays, one for each column of `BLOCK`, and the builder that fills such batches.

Arrow repeats the values of a Run, a Turn or a model call for its blocks, and puts those of few
blocks at their rows; only distinct cells are computed one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..arrow_arrays import array, arrow_type, category_codes
from ..block_frame import BLOCK, tool_name
from ..builder import FrameBuilder
from ..column_buffer import BATCH
from ..columns import Column
from ..traversal import ModelCall, Traversal, TurnVisit, text_of
from .block_batch import BlockBatch, summary_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PROVIDER, MODEL, STOP_REASON, FINISH_CLASS = range(4)  # the items of a CallSummary


class _Vectors:
    """The columns of a batch as Arrow arrays, and the values they share, each computed once."""

    def __init__(self, batch: BlockBatch) -> None:
        import numpy as np

        self.batch = batch
        self.rows = len(batch)
        runs, self.turn_ids, turn_indexes, first_indexes, first_rows = map(list, zip(*batch.turn_segments, strict=True))
        self.turn_runs = runs
        self.turn_indexes = turn_indexes
        starts = np.array(first_rows, np.int64)
        self._lengths = np.diff(starts, append=self.rows)
        self.index = np.arange(self.rows) + np.repeat(np.array(first_indexes, np.int64) - starts, self._lengths)

    # For each row, the number of its Run, Turn, model call.

    @cached_property
    def run(self) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        return pa.array(np.repeat(np.array(self.turn_runs, np.int32), self._lengths))

    @cached_property
    def turn(self) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        return pa.array(np.repeat(np.arange(len(self.turn_runs), dtype=np.int32), self._lengths))

    @cached_property
    def call(self) -> pa.Array:
        """The number of the model call of each row; null without one."""
        import pyarrow as pa

        numbers, has_number = self._dense(self.batch.calls)
        return pa.array(numbers, pa.int32(), mask=~has_number)

    @cached_property
    def summary(self) -> pa.Array:
        """The number of the summary of the model call of each row; null without one."""
        import pyarrow as pa

        return pa.array(self.batch.call_summaries, pa.int32()).take(self.call)

    @cached_property
    def default_turn_id(self) -> pa.Array:
        """The id of the Turn of each row, made of run id and turn index."""
        run_ids = [run_id for run_id, _ in self.batch.runs]
        turn_ids = [f"{run_ids[run]}/{index}" for run, index in zip(self.turn_runs, self.turn_indexes, strict=True)]
        return array("turn_id", turn_ids, "string").take(self.turn)

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

        return pa.array(np.repeat(np.array(self.turn_indexes, np.int64), self._lengths))

    def block_index(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self.index)

    def characters(self) -> pa.Array:
        import numpy as np
        import pyarrow as pa

        return pa.array(np.fromiter(map(len, self.batch.texts), np.int64, self.rows))

    def images(self) -> pa.Array:
        import pyarrow as pa

        return pa.array(self._dense(self.batch.images)[0])

    def inference_id(self) -> pa.Array:
        import pyarrow as pa

        if not self.batch.calls:
            return pa.nulls(self.rows, pa.large_string())
        ids: list[Any] = self.batch.call_ids
        if "" in ids:
            ids = [id or None for id in ids]
        return array("inference_id", ids, "string").take(self.call)


# By name of the column of BLOCK.
VECTORS: dict[str, Callable[[_Vectors], Any]] = {
    "run_id": _Vectors.run_id,
    "turn_id": _Vectors.turn_id,
    "turn_index": _Vectors.turn_index,
    "block_id": _Vectors.block_id,
    "block_index": _Vectors.block_index,
    "kind": _Vectors.kind,
    "role": _Vectors.role,
    "text": lambda vectors: array("text", vectors.batch.texts, "string"),
    "characters": _Vectors.characters,
    "images": _Vectors.images,
    "tool_call_id": lambda vectors: vectors.sparse("tool_call_id", vectors.batch.tool_call_ids),
    "name": lambda vectors: vectors.sparse("name", vectors.batch.names),
    "error": lambda vectors: vectors.sparse("error", vectors.batch.errors),
    "inference_id": _Vectors.inference_id,
    "provider": lambda vectors: vectors.from_summary("provider", PROVIDER),
    "model": lambda vectors: vectors.from_summary("model", MODEL),
    "stop_reason": lambda vectors: vectors.from_summary("stop_reason", STOP_REASON),
    "finish_class": _Vectors.finish_class,
    "at": lambda vectors: vectors.sparse("at", vectors.batch.times, "time"),
    "extra": lambda vectors: vectors.sparse("extra", vectors.batch.extras),
    "file": _Vectors.file,
}
WITH_VECTOR = frozenset(column for column in BLOCK if column.name in VECTORS)


class VectorBlockBuilder(FrameBuilder):
    """A row for each block of each Run, where it first appears; for columns that all have a vector."""

    def __init__(self, columns: Iterable[Column]) -> None:
        super().__init__(columns)
        self.batch = BlockBatch()
        self._mark = self.batch.lengths()

    def __len__(self) -> int:
        return len(self.buffer) + len(self.batch)

    def begin(self, traversal: Traversal) -> None:
        self._tool_names: dict[str, str] = {}  # by tool call id; an id may come again with another tool
        self._calls: dict[int, int] = {}  # numbers of model calls in the batch, by identity
        self._run: int | None = None  # the number of the Run in the batch
        if any(len(turn) > BATCH for turn in traversal.source.run.turns):
            self._flush()  # this Run fills several batches, which hold no rows of other Runs

    def visit(self, visit: TurnVisit) -> None:
        self._begin_turn(visit)
        for index, block, model_call in visit.blocks:
            name = tool_name(block, self._tool_names)
            self.batch.add_block(index, block, name, text_of(block), self._call_number(model_call))
            if len(self.batch) >= BATCH and not self._mark[0]:
                self._flush()
                self._begin_turn(visit, index + 1)

    def _begin_turn(self, visit: TurnVisit, first_index: int = 0) -> None:
        if self._run is None:
            self._run = self.batch.begin_run(visit.source.id, visit.source.file)
        self.batch.begin_turn(self._run, visit.turn.id, visit.turn_index, first_index)

    def _call_number(self, model_call: ModelCall | None) -> int | None:
        if model_call is None:
            return None
        number = self._calls.get(id(model_call))
        if number is None:
            number = self._calls[id(model_call)] = self.batch.add_call(
                model_call.id, self.batch.summary_number(summary_of(model_call.result))
            )
        return number

    def mark(self) -> None:
        if len(self.batch) >= BATCH:
            self._flush()
        self.buffer.mark()
        self._mark = self.batch.lengths()

    def roll_back(self) -> None:
        self.buffer.roll_back()
        self.batch.shorten(self._mark)

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        self._flush()
        return super().table()

    def _flush(self) -> None:
        if not len(self.batch):
            return
        vectors = _Vectors(self.batch)
        arrays = []
        for index, column in enumerate(self.buffer.columns):
            values = VECTORS[column.name](vectors)
            arrays.append(category_codes(values, self.buffer.codes(index)) if column.dtype == "category" else values)
        self.buffer.add_batch(arrays, len(self.batch))
        self.batch = BlockBatch()
        self._mark = self.batch.lengths()
        self._calls, self._run = {}, None
