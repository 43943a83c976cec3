"""The frame of tool calls: a row for each call, with what came of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ..keys import ATTEMPTS, DURATION_MS
from ..text import shown_value
from ..turns import Block
from .block_frame import BlockRow
from .columns import Column
from .joined import FILE, RUN_ID, TURN_KEYS
from .maker import Maker
from .walk import Inference, Place, Walk


@dataclass(slots=True, eq=False)
class Answer:
    """The `tool_use` block that answers a call, and where it stands."""

    place: Place
    block: Block
    block_index: int

    @property
    def turn_index(self) -> int:
        return self.place.turn_index

    @property
    def id(self) -> str:
        """As `blocks` names it."""
        return self.block.id or f"{self.place.source.id}/{self.turn_index}/{self.block_index}"


@dataclass(slots=True, eq=False)
class ToolCallRow(BlockRow):
    """What a column of `tool_calls` reads: `block` is the call, `answer` what came of it."""

    answer: Answer | None = None

    @property
    def args(self) -> Any:
        """The arguments: a dict, or the text the model wrote where that is no object."""
        raw = self.block.payload.get("args_raw") or self.block.payload.get("args")
        return self.block.args or (raw if isinstance(raw, str) and raw else self.block.args)

    @property
    def result(self) -> str | None:
        """The result as text: a string as it is, anything else as JSON."""
        return (
            None if self.answer is None or self.answer.block.result is None else shown_value(self.answer.block.result)
        )

    @property
    def error(self) -> str | None:
        return self.answer.block.error or None if self.answer is not None else None

    @property
    def duration_ms(self) -> float | None:
        return self.answer.block.metadata.get(DURATION_MS) if self.answer is not None else None

    @property
    def attempts(self) -> int | None:
        """How often it was run; known of the calls that ran here."""
        if self.answer is None:
            return None
        return self.answer.block.metadata.get(ATTEMPTS) or (1 if DURATION_MS in self.answer.block.metadata else None)


TOOL_CALL: tuple[Column, ...] = (
    RUN_ID,
    *TURN_KEYS,
    Column(
        "block_id",
        lambda row: row.block.id or f"{row.run_id}/{row.turn_index}/{row.block_index}",
        "string",
        doc="the id of the call's block, else its run, Turn and place",
    ),
    Column("block_index", lambda row: row.block_index, "Int64", doc="the place of that block in its Turn, from 0"),
    Column("tool_call_id", lambda row: row.block.tool_call_id or None, "string", doc="the provider's id of the call"),
    Column("inference_id", lambda row: row.inference_id or None, "string", doc="the model call that asked for it"),
    Column("name", lambda row: row.name or None, "string", doc="the tool that is called"),
    Column("args", lambda row: row.args, "json", doc="its arguments: a dict, or text where they are no object"),
    Column("answered", lambda row: row.answer is not None, "boolean", doc="whether anything came of it"),
    Column("result", lambda row: row.result, "string", doc="the result: a string as it is, anything else as JSON"),
    Column("error", lambda row: row.error, "string", doc="what went wrong"),
    Column("duration_ms", lambda row: row.duration_ms, "Float64", unit="ms", doc="its run time, all attempts together"),
    Column("attempts", lambda row: row.attempts, "Int64", unit="attempts", doc="how often it was run"),
    Column(
        "result_block_id",
        lambda row: row.answer and row.answer.id,
        "string",
        doc="the id of the result's block, else its run, Turn and place",
    ),
    Column(
        "result_turn_index",
        lambda row: row.answer and row.answer.turn_index,
        "Int64",
        doc="the Turn that block is first in",
    ),
    Column(
        "result_block_index", lambda row: row.answer and row.answer.block_index, "Int64", doc="its place there, from 0"
    ),
    FILE,
)


class ToolCallMaker(Maker):
    """A row for each call of each Run.

    A result belongs to the oldest call before it that has its id and no result yet, because
    ids come back in real transcripts.
    """

    def begin(self, walk: Walk) -> None:  # noqa: ARG002  # what every maker is told
        self._rows: list[ToolCallRow] = []
        self._waiting: dict[str, deque[ToolCallRow]] = {}
        self._answers: dict[int, Answer] = {}  # by the block's identity, where it first stands

    def place(self, place: Place) -> None:
        new = {id(block): made_by for _, block, made_by in place.blocks if block.kind == "tool_call"}
        for index, block in enumerate(place.turn.blocks.since(place.shared), place.shared):
            if block.kind == "tool_call" and id(block) in new:
                self._called(place, index, block, new.pop(id(block)))
            elif block.kind == "tool_use":
                self._answered(place, index, block)

    def _called(self, place: Place, index: int, block: Block, made_by: Inference | None) -> None:
        name = made_by.id if made_by else ""
        row = ToolCallRow(place, block, index, made_by.result if made_by else None, name, block.name)
        self._rows.append(row)
        self._waiting.setdefault(block.tool_call_id, deque()).append(row)

    def _answered(self, place: Place, index: int, block: Block) -> None:
        again = id(block) in self._answers  # behind an edit: it answers what was edited, and nothing else
        answer = self._answers.setdefault(id(block), Answer(place, block, index))
        calls = self._waiting.get(block.tool_call_id) if block.tool_call_id else None
        if calls and (not again or calls[0].place is place):
            calls.popleft().answer = answer

    def end(self) -> None:
        for row in self._rows:
            self.sheet.add(row)
