"""The frame of blocks: its columns, and the builder that computes them from one row object per block.

A new column is added to `BLOCK`, and nowhere else. The fast readers give the same frame where they
have a vector for every column; `dispatch.py` decides about that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..keys import ANSWERED_BY, EDITED
from ..safety.visible_text import printable
from ..values.deferred import unfrozen_value
from ..values.frozen_json import MAX_DEPTH
from ..values.inference_results import InferenceResult
from ..values.metadata import Key, Metadata
from ..values.provenance import FIELDS, OPENAI_CHAT_FIELDS, TIMESTAMP
from ..values.times import parsed_time
from ..values.turns import Block, Kind
from .arrow_arrays import to_json
from .builder import FrameBuilder
from .columns import Column, NamedColumns, in_reading_order
from .label_frame import block_labels
from .shared_columns import (
    FILE,
    LINK_COLUMNS,
    MAYBE_DUPLICATE,
    RESULT_COLUMNS,
    RUN_ID,
    TURN_KEYS,
    block_id_column,
    joined_labels,
)
from .traversal import NewBlock, Row, Traversal, TurnVisit, text_of

ROLES = ("system", "developer", "user", "assistant", "tool")
ANSWERED_BY_DOC = "who answered the call: tool, mock, denied, skipped, recorded, not run; NA if not recorded"
FIELDS_KEYS = (FIELDS, OPENAI_CHAT_FIELDS)


@dataclass(slots=True, eq=False)
class BlockRow(Row):
    """The row of a column of `blocks`.

    `inference` is the record of the model call that produced the block, `name` the name of the
    tool, on a call and on its result, `text` the text of the block, whatever its kind; `block.text` is that of messages
    and reasoning alone.
    """

    block: Block
    block_index: int
    inference: InferenceResult | None
    inference_id: str
    name: str
    text: str
    copy_key: int | None
    labels: str | None = None

    @printable
    def __str__(self) -> str:
        return f"{self.visit}, block {self.block_index}"


def extra_of(block: Block) -> str | None:
    """Return the fields of the source that a block has no place for, as JSON."""
    try:
        text = _extra_json(block, unfrozen_value)
    except (ValueError, RecursionError):  # an integer of too many digits, or a value that is nested too deeply
        return _extra_json(block, Metadata.raw)
    if text is not None and text.count("{") + text.count("[") > MAX_DEPTH:  # it may be kept as text
        return _extra_json(block, Metadata.raw)
    return text


def _extra_json(block: Block, read_fields: Callable[[Metadata, Key[Any]], Any]) -> str | None:
    extra_fields: dict[str, Any] = dict(block.extra) if block.extra else {}
    for key in FIELDS_KEYS:
        if isinstance(value := read_fields(block.metadata, key), dict):
            extra_fields.update(value)
    if not extra_fields:
        return None
    if None in extra_fields.values():
        extra_fields = {name: value for name, value in extra_fields.items() if value is not None}
    return to_json(extra_fields) if extra_fields else None


def answerer_of(block: Block) -> str | None:
    """Return who answered a tool call, from the mark on its result."""
    answerer = block.metadata.raw(ANSWERED_BY)
    return answerer if isinstance(answerer, str) and answerer else None


def is_edited(block: Block) -> bool:
    """Return whether a person changed the block at a pause."""
    return EDITED in block.metadata


def time_of(block: Block) -> datetime | None:
    """Return the time of a message, where its source has it."""
    return parsed_time(block.metadata.raw(TIMESTAMP))


BLOCK: tuple[Column, ...] = NamedColumns(
    "BLOCK",
    in_reading_order(
        (
            RUN_ID,
            *TURN_KEYS,
            block_id_column("the block's id, else run id, turn index and block index"),
            Column("block_index", lambda row: row.block_index, "Int64", doc="index of the block in that Turn, from 0"),
            Column(
                "kind",
                lambda row: row.block.kind,
                "category",
                categories=tuple(Kind),
                doc="user, llm_text, tool_call, …",
            ),
            Column(
                "role",
                lambda row: row.block.role or None,
                "category",
                categories=ROLES,
                doc="role of the message, if any",
            ),
            Column("text", lambda row: row.text, "string", doc="its text; the arguments, result or error of a tool"),
            Column("characters", lambda row: len(row.text), "Int64", unit="characters", doc="the length of `text`"),
            Column("images", lambda row: len(row.block.images), "Int64", unit="images", doc="number of images"),
            Column("tool_call_id", lambda row: row.block.tool_call_id or None, "string", doc="id of the tool call"),
            Column("name", lambda row: row.name or None, "string", doc="name of the tool, on a call and on its result"),
            Column("error", lambda row: row.block.error or None, "string", doc="error of the tool"),
            Column("answered_by", lambda row: answerer_of(row.block), "string", doc=ANSWERED_BY_DOC),
            Column("edited", lambda row: is_edited(row.block), "boolean", doc="true if a person changed it at a pause"),
            Column("inference_id", lambda row: row.inference_id or None, "string", doc="id of the model call"),
            *RESULT_COLUMNS,
            Column("at", lambda row: time_of(row.block), "time", doc="time of the message, if the source has it"),
            Column("extra", lambda row: extra_of(row.block), "string", doc="unknown fields of the source, as JSON"),
            Column("labels", lambda row: row.labels, "string", doc="labels of the block, separated by commas"),
            *LINK_COLUMNS,
            MAYBE_DUPLICATE,
            FILE,
        ),
        "kind",
        "name",
        "role",
        "text",
        "error",
    ),
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
        for new in self._all_blocks(visit) if self._repeat else visit.blocks:
            result, call_id = (new.call.result, new.call.id) if new.call else (None, "")
            name = tool_name(new.block, self._tool_names)
            labels = block_labels(
                new.block, (visit.source.id, visit.turn_index, new.index), self._traversal.label_index
            )
            self.buffer.add(
                BlockRow(
                    *(visit, new.block, new.index, result, call_id, name, new.text, new.copy_key), joined_labels(labels)
                )
            )

    def _all_blocks(self, visit: TurnVisit) -> Iterator[NewBlock]:
        for index, block in enumerate(visit.turn.blocks):
            yield NewBlock(index, block, self._traversal.model_call(block), text_of(block))


def tool_name(block: Block, tool_names: dict[str, str]) -> str:
    """Return the name of the tool of a call or a result; the name of a call is added to `tool_names`."""
    if block.kind == "tool_use":
        return tool_names.get(block.tool_call_id, "")
    if block.kind == "tool_call":
        tool_names[block.tool_call_id] = block.name
    return block.name
