"""Many blocks at once, as lists: what `blocks` is made of where its columns are ours.

A row object for each block, and a function call for each of its cells, would take four
times as long. What belongs to a Turn or to a model call stands here once, and is spread
over its blocks by Arrow.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..provenance import TIMESTAMP
from ..results import InferenceResult
from ..turns import Block
from .arrays import array, arrow_type, recoded, to_json
from .columns import Column
from .sheet import read

if TYPE_CHECKING:
    import pyarrow as pa

BESIDE = ".beside@v1"  # how importers name what a message had beside what they know

Told = tuple[str, str, str, str, str]  # of a model call: id, provider, model, stop reason, finish class


# A block: its Turn's number here, its place, id, kind, role, text, images, call id, tool, error, the number
# of its model call here, what its source had beside, and when it was said.
Cells = tuple[
    int, int, str | None, str, str | None, str, int, str | None, str | None, str | None, int | None, str | None, Any
]
NAMES = ("turn", "index", "id", "kind", "role", "text", "images", "call", "name", "error", "made_by", "extra", "at")


class BlockBatch:
    """Blocks as tuples of cells; and the Turns and model calls that their numbers mean."""

    def __init__(self) -> None:
        self.turns: list[tuple[str, str, int, str]] = []  # run id, turn id, place in the Run, file
        self.calls: list[Told] = []
        self.blocks: list[Cells] = []
        self.rows: list[Any] = []  # a row object for each block, where a column of somebody else's reads them

    def __len__(self) -> int:
        return len(self.blocks)

    def lengths(self) -> tuple[int, int, int, int]:
        return len(self.turns), len(self.calls), len(self.blocks), len(self.rows)

    def shorten(self, lengths: tuple[int, int, int, int]) -> None:
        """Forget all beyond these lengths, which `lengths` gave before."""
        kept: tuple[list[Any], ...] = (self.turns, self.calls, self.blocks, self.rows)
        for values, length in zip(kept, lengths, strict=True):
            del values[length:]

    def begin_turn(self, run_id: str, turn_id: str, turn_index: int, file: str) -> int:
        """Say which Turn the blocks that follow are in; gives its number here."""
        self.turns.append((run_id, turn_id, turn_index, file))
        return len(self.turns) - 1

    def add(self, turn: int, index: int, block: Block, name: str, text: str, made_by: int | None) -> None:
        """One block, as a value."""
        payload = block.payload
        call = payload.get("id")
        told = len(block.metadata) or block.extra
        self.blocks.append(
            (
                turn,
                index,
                block.id or None,
                block.kind,
                block.role or None,
                text,
                len(block.images) if "images" in payload else 0,
                call if call and type(call) is str else None,
                name or None,
                str(payload.get("error") or "") or None,
                made_by,
                extra_of(block) if told else None,
                at_of(block) if told else None,
            )
        )

    def part(
        self,
        columns: tuple[Column, ...],
        ours: frozenset[Column],
        codes: Callable[[int], dict[str, int]],
        before: int,
    ) -> list[Any]:
        """An array for each column, made at once; `before` is the number of rows there are already."""
        cells = _Cells(self, before)
        made: list[Any] = []
        for place, column in enumerate(columns):
            if column in ours:
                values = VECTORS[column.name](cells)
            else:
                values = read(column, self.rows, before)
                if column.dtype not in ("", "object"):
                    values = array(column.name, values, column.dtype, before)
            made.append(recoded(values, codes(place)) if column.dtype == "category" else values)
        return made


def told(id: str, result: InferenceResult | None) -> Told:
    if result is None:
        return id, "", "", "", ""
    return id, result.provider, result.model, result.stop_reason, str(result.finish_class)


def extra_of(block: Block) -> str | None:
    """What the source has beside all that a block knows, as JSON."""
    beside: dict[str, Any] = dict(block.extra) if block.extra else {}
    held = block.metadata._held
    for name in held:
        if name.endswith(BESIDE) and isinstance(value := held[name], dict):
            beside.update(value)
    if not beside:
        return None
    if None in beside.values():
        beside = {name: value for name, value in beside.items() if value is not None}
    return to_json(beside) if beside else None


def at_of(block: Block) -> datetime | None:
    """When it was said, where its source tells that."""
    return said_at(block.metadata._held.get(TIMESTAMP.name))


def said_at(written: Any) -> datetime | None:
    """A time as files write it; None for what is none. Without a zone it is taken for UTC."""
    if not isinstance(written, str):
        return None
    try:
        at = datetime.fromisoformat(written)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


class _Cells:
    """The cells of a batch by name, and the columns that several share."""

    def __init__(self, batch: BlockBatch, before: int) -> None:
        import pyarrow as pa

        self.of: dict[str, Any] = dict(zip(NAMES, zip(*batch.blocks, strict=True), strict=True))
        self.batch = batch
        self.before = before
        self.turn = pa.array(self.of["turn"], pa.int32())
        self.made_by = pa.array(self.of["made_by"], pa.int32())

    def typed(self, column: str, name: str, dtype: str = "string") -> pa.Array:
        values = self.of[name]
        if values.count(None) == len(values):  # as times and errors often are
            return _nulls(len(values), dtype)
        return array(column, values, dtype, self.before)

    def of_turn(self, column: str, values: list[Any], dtype: str = "string") -> pa.Array:
        return array(column, values, dtype).take(self.turn)

    def of_call(self, column: str, place: int) -> pa.Array:
        import pyarrow as pa

        values = [one[place] or None for one in self.batch.calls]
        if not any(values):
            return pa.nulls(len(self.made_by), pa.large_string())
        return array(column, values, "string").take(self.made_by)

    def class_of_call(self, column: str, place: int) -> pa.Array:
        """Of few different texts, as numbers in a dictionary."""
        return (
            array(column, [one[place] or None for one in self.batch.calls], "string")
            .dictionary_encode()
            .take(self.made_by)
        )


def _nulls(length: int, dtype: str) -> pa.Array:
    import pyarrow as pa

    return pa.nulls(length, arrow_type(dtype))


Vector = Callable[[_Cells], Any]


def _block_id(cells: _Cells) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    ids = cells.typed("block_id", "id")
    if not ids.null_count:
        return ids
    heads = cells.of_turn("block_id", [f"{run}/{index}" for run, _, index, _ in cells.batch.turns])
    index = pc.cast(pa.array(cells.of["index"], pa.int64()), pa.large_string())
    made = pc.binary_join_element_wise(heads, index, pa.scalar("/", pa.large_string()))
    return made if ids.null_count == len(ids) else pc.coalesce(ids, made)


# How each column of BLOCK is made of a batch, by its name.
VECTORS: dict[str, Vector] = {
    "run_id": lambda cells: cells.of_turn("run_id", [run for run, _, _, _ in cells.batch.turns]),
    "turn_id": lambda cells: cells.of_turn(
        "turn_id", [id or f"{run}/{index}" for run, id, index, _ in cells.batch.turns]
    ),
    "turn_index": lambda cells: cells.of_turn("turn_index", [index for _, _, index, _ in cells.batch.turns], "Int64"),
    "block_id": _block_id,
    "block_index": lambda cells: cells.typed("block_index", "index", "Int64"),
    "kind": lambda cells: cells.typed("kind", "kind"),
    "role": lambda cells: cells.typed("role", "role"),
    "text": lambda cells: cells.typed("text", "text"),
    "characters": lambda cells: array("characters", list(map(len, cells.of["text"])), "Int64", cells.before),
    "images": lambda cells: cells.typed("images", "images", "Int64"),
    "tool_call_id": lambda cells: cells.typed("tool_call_id", "call"),
    "name": lambda cells: cells.typed("name", "name"),
    "error": lambda cells: cells.typed("error", "error"),
    "inference_id": lambda cells: cells.of_call("inference_id", 0),
    "provider": lambda cells: cells.of_call("provider", 1),
    "model": lambda cells: cells.of_call("model", 2),
    "stop_reason": lambda cells: cells.of_call("stop_reason", 3),
    "finish_class": lambda cells: cells.class_of_call("finish_class", 4),
    "at": lambda cells: cells.typed("at", "at", "time"),
    "extra": lambda cells: cells.typed("extra", "extra"),
    "file": lambda cells: (
        array("file", [file or None for _, _, _, file in cells.batch.turns], "string")
        .dictionary_encode()
        .take(cells.turn)
    ),
}
