"""The frame of blocks: a row for each thing that was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..results import InferenceResult
from ..turns import Block, Kind
from .block_arrays import arrays_of
from .block_batch import BlockBatch, at_of, extra_of, told
from .columns import Column
from .joined import FILE, RECORDED, RUN_ID, TURN_KEYS
from .maker import Maker
from .sheet import BATCH
from .walk import Inference, Place, Row, Walk, said

if TYPE_CHECKING:
    import pyarrow as pa

ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(slots=True, eq=False)
class BlockRow(Row):
    """What a column of `blocks` reads.

    `inference` is the record of the model call that made the block, `name` the tool's,
    on a call and on its answer.
    """

    block: Block
    block_index: int
    inference: InferenceResult | None
    inference_id: str
    name: str
    _text: str | None = field(default=None, init=False)

    @property
    def text(self) -> str:
        """What the block says, whatever its kind; `block.text` is that of messages and thoughts alone."""
        if self._text is None:
            self._text = said(self.block)
        return self._text

    def __str__(self) -> str:
        return f"{self.place}, block {self.block_index}"


BLOCK: tuple[Column, ...] = (
    RUN_ID,
    *TURN_KEYS,
    Column(
        "block_id",
        lambda row: row.block.id or f"{row.run_id}/{row.turn_index}/{row.block_index}",
        "string",
        doc="the block's id, else its run, Turn and place",
    ),
    Column("block_index", lambda row: row.block_index, "Int64", doc="the block's place in that Turn, from 0"),
    Column("kind", lambda row: row.block.kind, "category", known=tuple(Kind), doc="what it is: user, llm_text, …"),
    Column("role", lambda row: row.block.role or None, "category", known=ROLES, doc="the role it is said in, if any"),
    Column("text", lambda row: row.text, "string", doc="its text; the arguments, result or error of a tool"),
    Column("characters", lambda row: len(row.text), "Int64", unit="characters", doc="the length of `text`"),
    Column("images", lambda row: len(row.block.images), "Int64", unit="images", doc="how many go with it"),
    Column("tool_call_id", lambda row: row.block.tool_call_id or None, "string", doc="the call it makes or answers"),
    Column("name", lambda row: row.name or None, "string", doc="the tool that is called, or answers"),
    Column("error", lambda row: row.block.error or None, "string", doc="what went wrong in the tool"),
    Column("inference_id", lambda row: row.inference_id or None, "string", doc="the model call that made it"),
    *RECORDED,
    Column("at", lambda row: at_of(row.block), "time", doc="when it was said, where its source tells that"),
    Column(
        "extra",
        lambda row: extra_of(row.block),
        "string",
        doc="what its source had beside all that, as JSON",
    ),
    FILE,
)


OURS = frozenset(BLOCK)


class BlockMaker(Maker):
    """A row for each block of each Run: where it first appears, or with `repeat` in every Turn."""

    def __init__(self, columns: Iterable[Column], *, repeat: bool = False) -> None:
        super().__init__(columns)
        self.batch = BlockBatch()
        self._marked = self.batch.lengths()
        self._repeat = repeat
        self._own = not OURS.issuperset(self.sheet.columns)  # a column that reads row objects
        self._columns = OURS.intersection(self.sheet.columns)

    @property
    def is_plain(self) -> bool:
        """Whether it needs no values: each block once, in columns of ours."""
        return not self._own and not self._repeat

    def __len__(self) -> int:
        return len(self.sheet) + len(self.batch)

    def begin(self, walk: Walk) -> None:
        self._walk = walk
        self._names: dict[str, str] = {}  # of the tools, by the id of the call; an id may come back with another tool
        self._calls: dict[int, int] = {}  # the number of a model call in the batch, by its identity
        self._run: int | None = None  # the number of the Run in the batch
        if any(len(turn) > BATCH for turn in walk.source.run.turns):
            self._flush()  # it goes out in several batches, with nothing of others in them

    def place(self, place: Place) -> None:
        self._turn(place)
        for index, block, made_by in self._every(place) if self._repeat else place.blocks:
            name = block.name
            if block.kind == "tool_call":
                self._names[block.tool_call_id] = name
            elif block.kind == "tool_use":
                name = self._names.get(block.tool_call_id, "")
            self.batch.add(index, block, name, said(block), self._call(made_by))
            if self._own:
                self.batch.rows.append(
                    BlockRow(
                        place, block, index, made_by.result if made_by else None, made_by.id if made_by else "", name
                    )
                )
            if len(self.batch) >= BATCH and not self._marked[0]:
                self._flush()
                self._turn(place, index + 1)

    def _turn(self, place: Place, first: int = 0) -> None:
        if self._run is None:
            self._run = self.batch.begin_run(place.source.id, place.source.file)
        self.batch.begin_turn(self._run, place.turn.id, place.turn_index, first)

    def _call(self, made_by: Inference | None) -> int | None:
        if made_by is None:
            return None
        number = self._calls.get(id(made_by))
        if number is None:
            number = self._calls[id(made_by)] = self.batch.called(made_by.id, told(made_by.result))
        return number

    def _every(self, place: Place) -> Iterator[tuple[int, Block, Inference | None]]:
        return ((index, block, self._walk.inference(block)) for index, block in enumerate(place.turn.blocks))

    def mark(self) -> None:
        if len(self.batch) >= BATCH:
            self._flush()
        self.sheet.mark()
        self._marked = self.batch.lengths()

    def take_back(self) -> None:
        self.sheet.take_back()
        self.batch.shorten(self._marked)

    def table(self) -> tuple[pa.Table, dict[str, list[Any]]]:
        self._flush()
        return super().table()

    def _flush(self) -> None:
        if not len(self.batch):
            return
        part = arrays_of(self.batch, self.sheet.columns, self._columns, self.sheet.codes, len(self.sheet))
        self.sheet.put(part, len(self.batch))
        self.batch = BlockBatch()
        self._marked = self.batch.lengths()
        self._calls, self._run = {}, None
