"""The columns of `BLOCK` as Arrow arrays of a batch, and the builder that fills such batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..block_frame import BLOCK, tool_name
from ..builder import FrameBuilder
from ..column_buffer import BATCH
from ..columns import Column
from ..sources import NO_LINKS
from ..traversal import ModelCall, Traversal, TurnVisit
from .batch_vectors import MODEL, PARENT, PROVIDER, ROOT, STOP_REASON, TOOL_CALL, BatchVectors, add_arrays
from .block_batch import BlockBatch, summary_of

if TYPE_CHECKING:
    import pyarrow as pa

# By name of the column of BLOCK.
VECTORS: dict[str, Callable[[BatchVectors], Any]] = {
    "run_id": BatchVectors.run_id,
    "turn_id": BatchVectors.turn_id,
    "turn_index": BatchVectors.turn_index,
    "block_id": BatchVectors.block_id,
    "block_index": BatchVectors.block_index,
    "kind": BatchVectors.kind,
    "role": BatchVectors.role,
    "text": lambda vectors: vectors.text,
    "characters": lambda vectors: vectors.characters,
    "images": BatchVectors.images,
    "tool_call_id": lambda vectors: vectors.sparse("tool_call_id", vectors.batch.tool_call_ids),
    "name": lambda vectors: vectors.sparse("name", vectors.batch.names),
    "error": lambda vectors: vectors.sparse("error", vectors.batch.errors),
    "answered_by": lambda vectors: vectors.sparse("answered_by", vectors.batch.answerers),
    "edited": BatchVectors.edited,
    "labels": lambda vectors: vectors.sparse("labels", vectors.batch.labels),
    "parent_run_id": lambda vectors: vectors.link("parent_run_id", PARENT),
    "parent_tool_call_id": lambda vectors: vectors.link("parent_tool_call_id", TOOL_CALL),
    "root_run_id": lambda vectors: vectors.link("root_run_id", ROOT),
    "maybe_duplicate": BatchVectors.copy_keys,
    "inference_id": BatchVectors.inference_id,
    "provider": lambda vectors: vectors.from_summary("provider", PROVIDER),
    "model": lambda vectors: vectors.from_summary("model", MODEL),
    "stop_reason": lambda vectors: vectors.from_summary("stop_reason", STOP_REASON),
    "finish_class": BatchVectors.finish_class,
    "at": lambda vectors: vectors.sparse("at", vectors.batch.times, "time"),
    "extra": lambda vectors: vectors.sparse("extra", vectors.batch.extras),
    "file": BatchVectors.file,
}
WITH_VECTOR = frozenset(column for column in BLOCK if column.name in VECTORS)


class VectorBlockBuilder(FrameBuilder):
    """A row for each block of each Run, where it first appears; for columns that all have a vector."""

    batch: BlockBatch

    def __init__(self, columns: Iterable[Column]) -> None:
        super().__init__(columns)
        self.batch = BlockBatch()
        self.on_flush: Callable[[BlockBatch], BatchVectors] | None = None  # takes each batch of records first
        self._mark = self.batch.lengths()
        self.has_values: bool = False  # the batch is filled from Runs, and not from records

    def __len__(self) -> int:
        return len(self.buffer) + len(self.batch)

    def begin_records(self) -> None:
        """Begin to fill the batch from records, which other frames may be made of."""
        if self.on_flush is not None and self.has_values:
            self.flush()
        self.has_values = False

    def begin(self, traversal: Traversal) -> None:
        self.has_values = True
        self._tool_names: dict[str, str] = {}  # by tool call id; an id may come again with another tool
        self._calls: dict[int, int] = {}  # numbers of model calls in the batch, by identity
        self._run: int | None = None  # the number of the Run in the batch
        if any(len(turn) > BATCH for turn in traversal.source.run.turns):
            self.flush()  # this Run fills several batches, which hold no rows of other Runs

    def visit(self, visit: TurnVisit) -> None:
        self._begin_turn(visit)
        for new in visit.blocks:
            name = tool_name(new.block, self._tool_names)
            self.batch.add_block(new.index, new.block, name, new.text, self._call_number(new.call))
            self.batch.copy_keys.append(new.copy_key)
            if len(self.batch) >= BATCH and not self._mark[0]:
                self.flush()
                self._begin_turn(visit, new.index + 1)

    def _begin_turn(self, visit: TurnVisit, first_index: int = 0) -> None:
        if self._run is None:
            self._run = self.batch.begin_run(visit.source.id, visit.source.file)
            if visit.source.links is not NO_LINKS:
                self.batch.links[self._run] = visit.source.links
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
            self.flush()
        self.buffer.mark()
        self._mark = self.batch.lengths()

    def roll_back(self) -> None:
        self.buffer.roll_back()
        self.batch.shorten(self._mark)

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        self.flush()
        return super().table()

    def flush(self) -> None:
        """Turn the batch into arrays."""
        if len(self.batch):
            make_vectors = BatchVectors if self.on_flush is None or self.has_values else self.on_flush
            add_arrays(self.buffer, VECTORS, make_vectors(self.batch), len(self.batch))
        self.batch = BlockBatch()
        self._mark = self.batch.lengths()
        self._calls, self._run = {}, None
