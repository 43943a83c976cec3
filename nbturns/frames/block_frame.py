"""The frame of blocks: its columns, and the builder that computes them from one row object per block.

A new column is added to `BLOCK`, and nowhere else. The fast readers give the same frame where they
have a vector for every column; `dispatch.py` decides about that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import FIELDS, OPENAI_CHAT_FIELDS, TIMESTAMP
from ..values.turns import Block, Kind
from .arrow_arrays import to_json
from .builder import FrameBuilder
from .columns import Column
from .shared_columns import FILE, RESULT_COLUMNS, RUN_ID, TURN_KEYS
from .traversal import ModelCall, Row, Traversal, TurnVisit, text_of

ROLES = ("system", "developer", "user", "assistant", "tool")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_NUMBER = re.compile(r"\d{9,20}(?:\.\d*)?|\d\.\d+e\+\d\d")  # fewer digits are a date: 20260131
FIELDS_KEYS = (FIELDS, OPENAI_CHAT_FIELDS)


@dataclass(slots=True, eq=False)
class BlockRow(Row):
    """The row of a column of `blocks`.

    `inference` is the record of the model call that produced the block, `name` the name of the
    tool, on a call and on its result.
    """

    block: Block
    block_index: int
    inference: InferenceResult | None
    inference_id: str
    name: str
    _text: str | None = field(default=None, init=False)

    @property
    def text(self) -> str:
        """The text of the block, whatever its kind; `block.text` is that of messages and reasoning alone."""
        if self._text is None:
            self._text = text_of(self.block)
        return self._text

    def __str__(self) -> str:
        return f"{self.visit}, block {self.block_index}"


def extra_of(block: Block) -> str | None:
    """Return the fields of the source that a block has no place for, as JSON."""
    extra_fields: dict[str, Any] = dict(block.extra) if block.extra else {}
    for key in FIELDS_KEYS:
        if isinstance(value := block.metadata.raw(key), dict):
            extra_fields.update(value)
    if not extra_fields:
        return None
    if None in extra_fields.values():
        extra_fields = {name: value for name, value in extra_fields.items() if value is not None}
    return to_json(extra_fields) if extra_fields else None


def time_of(block: Block) -> datetime | None:
    """Return the time of a message, where its source has it."""
    return parsed_time(block.metadata.raw(TIMESTAMP))


def parsed_time(value: Any) -> datetime | None:
    """Return a time as UTC: one in ISO format, or a number since 1970; None for anything else.

    A number is of seconds, milliseconds, microseconds or nanoseconds, which differ in size for all times from
    1973 to 5138. A time without a zone is taken for UTC.
    """
    if not isinstance(value, str):
        return None
    try:
        if EPOCH_NUMBER.fullmatch(value):
            return EPOCH + timedelta(microseconds=_microseconds(value))
        time = datetime.fromisoformat(value)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _microseconds(number: str) -> int:
    """Return the microseconds since 1970 of a number whose unit is told by its size."""
    size = float(number)
    for largest, factor in ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1)):
        if size < largest:
            return int(number) * factor if number.isdigit() else round(size * factor)
    return int(number) // 1_000 if number.isdigit() else round(size / 1_000)


BLOCK: tuple[Column, ...] = (
    RUN_ID,
    *TURN_KEYS,
    Column(
        "block_id",
        lambda row: row.block.id or f"{row.run_id}/{row.turn_index}/{row.block_index}",
        "string",
        doc="the block's id, else run id, turn index and block index",
    ),
    Column("block_index", lambda row: row.block_index, "Int64", doc="index of the block in that Turn, from 0"),
    Column("kind", lambda row: row.block.kind, "category", known=tuple(Kind), doc="user, llm_text, tool_call, …"),
    Column("role", lambda row: row.block.role or None, "category", known=ROLES, doc="role of the message, if any"),
    Column("text", lambda row: row.text, "string", doc="its text; the arguments, result or error of a tool"),
    Column("characters", lambda row: len(row.text), "Int64", unit="characters", doc="the length of `text`"),
    Column("images", lambda row: len(row.block.images), "Int64", unit="images", doc="number of images"),
    Column("tool_call_id", lambda row: row.block.tool_call_id or None, "string", doc="id of the tool call"),
    Column("name", lambda row: row.name or None, "string", doc="name of the tool, on a call and on its result"),
    Column("error", lambda row: row.block.error or None, "string", doc="error of the tool"),
    Column("inference_id", lambda row: row.inference_id or None, "string", doc="id of the model call"),
    *RESULT_COLUMNS,
    Column("at", lambda row: time_of(row.block), "time", doc="time of the message, if the source has it"),
    Column("extra", lambda row: extra_of(row.block), "string", doc="unknown fields of the source, as JSON"),
    FILE,
)


class BlockBuilder(FrameBuilder):
    """A row for each block of each Run: where it first appears, or with `repeat` in every Turn."""

    def __init__(self, columns: Iterable[Column], *, repeat: bool = False) -> None:
        super().__init__(columns)
        self._repeat = repeat

    def begin(self, traversal: Traversal) -> None:
        self._traversal = traversal
        self._tool_names: dict[str, str] = {}  # by tool call id; an id may come again with another tool

    def visit(self, visit: TurnVisit) -> None:
        for index, block, model_call in self._all_blocks(visit) if self._repeat else visit.blocks:
            result, call_id = (model_call.result, model_call.id) if model_call else (None, "")
            name = tool_name(block, self._tool_names)
            self.buffer.add(BlockRow(visit, block, index, result, call_id, name))

    def _all_blocks(self, visit: TurnVisit) -> Iterator[tuple[int, Block, ModelCall | None]]:
        return ((index, block, self._traversal.model_call(block)) for index, block in enumerate(visit.turn.blocks))


def tool_name(block: Block, tool_names: dict[str, str]) -> str:
    """Return the name of the tool of a call or a result; the name of a call is added to `tool_names`."""
    if block.kind == "tool_use":
        return tool_names.get(block.tool_call_id, "")
    if block.kind == "tool_call":
        tool_names[block.tool_call_id] = block.name
    return block.name
