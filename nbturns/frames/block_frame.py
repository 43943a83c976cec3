"""The frame of blocks: a row for each thing that was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..results import InferenceResult
from ..turns import Block, Kind
from .columns import Column, table
from .joined import RECORDED, RUN_ID, TURN_KEYS
from .sources import Source, sources
from .walk import Inference, Place, Row, Walk, said

if TYPE_CHECKING:
    import pandas as pd

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
)


def blocks(x: Any, columns: Iterable[Column] = BLOCK, repeat: bool = False) -> pd.DataFrame:
    """A row for each block of `x`; the columns are listed in `nt.frames`.

    A block stands once in each Run, in the first Turn that has it; `repeat=True` gives every
    Turn in full. Tokens and cost are in `inferences` and `turns`, because several blocks
    share one model call. Raises TypeError for an `x` without Turns, LoadError for a file
    that cannot be read, DecodeError for metadata that do not fit, and ValueError for a
    column that fails, naming column and row.
    """
    return table(columns, (row for source in sources(x) for row in block_rows(source, repeat=repeat)))


def block_rows(source: Source, *, repeat: bool = False) -> Iterator[BlockRow]:
    """A row for each block of one Run."""
    names: dict[str, str] = {}  # of the tools, by the id of the call; an id may come back with another tool
    walk = Walk(source)
    for place in walk:
        for index, block, made_by in _every(walk, place) if repeat else place.blocks:
            name = block.name
            if block.kind == "tool_call":
                names[block.tool_call_id] = name
            elif block.kind == "tool_use":
                name = names.get(block.tool_call_id, "")
            yield BlockRow(
                place, block, index, made_by.result if made_by else None, made_by.id if made_by else "", name
            )


def _every(walk: Walk, place: Place) -> Iterator[tuple[int, Block, Inference | None]]:
    return ((index, block, walk.inference(block)) for index, block in enumerate(place.turn.blocks))
