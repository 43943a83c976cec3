"""A batch of blocks as Arrow arrays, one for each column of `BLOCK`.

What a Run, a Turn or a model call has once is spread over its blocks by Arrow, and what only
some blocks have is put at their rows; no cell is made one by one but those that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .arrays import array, arrow_type, recoded
from .block_batch import BlockBatch
from .columns import Column
from .sheet import read

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

PROVIDER, MODEL, STOP_REASON, FINISH_CLASS = range(4)  # what is told of a model call


def arrays_of(
    batch: BlockBatch,
    columns: tuple[Column, ...],
    ours: frozenset[Column],
    codes: Callable[[int], dict[str, int]],
    before: int,
) -> list[Any]:
    """An array for each column, made at once; `before` is the number of rows there are already."""
    cells = _Cells(batch)
    made: list[Any] = []
    for place, column in enumerate(columns):
        if column in ours:
            values = VECTORS[column.name](cells)
        else:
            values = read(column, batch.rows, before)
            if column.dtype not in ("", "object"):
                values = array(column.name, values, column.dtype, before)
        made.append(recoded(values, codes(place)) if column.dtype == "category" else values)
    return made


class _Cells:
    """What the columns of a batch are made of, each piece once."""

    def __init__(self, batch: BlockBatch) -> None:
        import numpy as np

        self.batch = batch
        self.rows = len(batch)
        runs, self.turn_ids, turn_indexes, firsts, starts = map(list, zip(*batch.stretches, strict=True))
        self.turn_runs = runs
        self.turn_indexes = turn_indexes
        begun = np.array(starts, np.int64)
        self._lengths = np.diff(begun, append=self.rows)
        self.index = np.arange(self.rows) + np.repeat(np.array(firsts, np.int64) - begun, self._lengths)

    # Where what stands once belongs.

    @cached_property
    def run(self) -> pa.Array:
        """The Run of each row, as a number."""
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
        """The model call of each row, null where none made it."""
        import pyarrow as pa

        numbers, there = self._placed(self.batch.made_by)
        return pa.array(numbers, pa.int32(), mask=~there)

    @cached_property
    def told(self) -> pa.Array:
        """What is told of the model call of each row, as a number."""
        import pyarrow as pa

        return pa.array(self.batch.call_told, pa.int32()).take(self.call)

    @cached_property
    def made_turn_id(self) -> pa.Array:
        """The id of the Turn of each row, as its Run and place make it."""
        runs = [run_id for run_id, _ in self.batch.runs]
        made = [f"{runs[run]}/{index}" for run, index in zip(self.turn_runs, self.turn_indexes, strict=True)]
        return array("turn_id", made, "string").take(self.turn)

    @cached_property
    def voice(self) -> pa.Array:
        """Kind and role of each row, as a number."""
        import pyarrow as pa

        return pa.array(self.batch.voices, pa.int32())

    def _placed(self, values: Mapping[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Numbers at their rows, and where there are any."""
        import numpy as np

        at = np.fromiter(values, np.int64, len(values))
        placed, there = np.zeros(self.rows, np.int64), np.zeros(self.rows, np.bool_)
        placed[at] = np.fromiter(values.values(), np.int64, len(values))
        there[at] = True
        return placed, there

    # Columns.

    def some(self, column: str, known: Mapping[int, Any], dtype: str = "string") -> pa.Array:
        """What some rows have."""
        import numpy as np
        import pyarrow as pa

        if not known:  # as times and errors often are
            return pa.nulls(self.rows, arrow_type(dtype))
        values = array(column, list(known.values()), dtype)
        if len(known) == self.rows:
            return values
        at = np.full(self.rows, -1)
        at[np.fromiter(known, np.int64, len(known))] = np.arange(len(known))
        return values.take(pa.array(at, mask=at < 0))

    def told_in(self, column: str, place: int) -> pa.Array:
        """What is told of model calls, over their blocks."""
        import pyarrow as pa

        values = [one[place] or None for one in self.batch.told]
        if not any(values):
            return pa.nulls(self.rows, pa.large_string())
        return array(column, values, "string").take(self.told)

    def class_of(self, column: str, values: list[str | None], at: pa.Array) -> pa.Array:
        """One of few texts for each row: as numbers in a dictionary."""
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(at, array(column, values, "string"))

    def kind(self) -> pa.Array:
        return self.class_of("kind", [kind for kind, _ in self.batch.pairs], self.voice)

    def role(self) -> pa.Array:
        return self.class_of("role", [role for _, role in self.batch.pairs], self.voice)

    def turn_id(self) -> pa.Array:
        import pyarrow.compute as pc

        if not any(self.turn_ids):
            return self.made_turn_id
        ids = array("turn_id", [id or None for id in self.turn_ids], "string").take(self.turn)
        return pc.coalesce(ids, self.made_turn_id) if ids.null_count else ids

    def block_id(self) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = self.some("block_id", self.batch.ids)
        if not ids.null_count:
            return ids
        index = pc.cast(pa.array(self.index), pa.large_string())
        made = pc.binary_join_element_wise(self.made_turn_id, index, pa.scalar("/", pa.large_string()))
        return made if ids.null_count == len(ids) else pc.coalesce(ids, made)

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

        return pa.array(self._placed(self.batch.images)[0])

    def inference_id(self) -> pa.Array:
        import pyarrow as pa

        if not self.batch.made_by:
            return pa.nulls(self.rows, pa.large_string())
        ids: list[Any] = self.batch.call_ids
        if "" in ids:
            ids = [id or None for id in ids]
        return array("inference_id", ids, "string").take(self.call)


# How each column of BLOCK is made of a batch, by its name.
VECTORS: dict[str, Callable[[_Cells], Any]] = {
    "run_id": lambda cells: array("run_id", [run for run, _ in cells.batch.runs], "string").take(cells.run),
    "turn_id": _Cells.turn_id,
    "turn_index": _Cells.turn_index,
    "block_id": _Cells.block_id,
    "block_index": _Cells.block_index,
    "kind": _Cells.kind,
    "role": _Cells.role,
    "text": lambda cells: array("text", cells.batch.texts, "string"),
    "characters": _Cells.characters,
    "images": _Cells.images,
    "tool_call_id": lambda cells: cells.some("tool_call_id", cells.batch.tool_call_ids),
    "name": lambda cells: cells.some("name", cells.batch.names),
    "error": lambda cells: cells.some("error", cells.batch.errors),
    "inference_id": _Cells.inference_id,
    "provider": lambda cells: cells.told_in("provider", PROVIDER),
    "model": lambda cells: cells.told_in("model", MODEL),
    "stop_reason": lambda cells: cells.told_in("stop_reason", STOP_REASON),
    "finish_class": lambda cells: cells.class_of(
        "finish_class", [one[FINISH_CLASS] or None for one in cells.batch.told], cells.told
    ),
    "at": lambda cells: cells.some("at", cells.batch.times, "time"),
    "extra": lambda cells: cells.some("extra", cells.batch.extras),
    "file": lambda cells: cells.class_of("file", [file or None for _, file in cells.batch.runs], cells.run),
}
