"""The frame of tool calls: a row for each call, with its result."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from ..keys import ATTEMPTS, DURATION_MS
from ..render.text import result_text
from ..values.turns import Block
from .block_frame import BlockRow
from .builder import FrameBuilder
from .columns import Column
from .shared_columns import FILE, RUN_ID, TURN_KEYS
from .traversal import ModelCall, Traversal, TurnVisit


@dataclass(slots=True, eq=False)
class Answer:
    """The `tool_use` block that answers a call, and its position."""

    visit: TurnVisit
    block: Block
    block_index: int

    @property
    def turn_index(self) -> int:
        return self.visit.turn_index

    @property
    def id(self) -> str:
        """The id of the block, as in `blocks`."""
        return self.block.id or f"{self.visit.source.id}/{self.turn_index}/{self.block_index}"


@dataclass(slots=True, eq=False)
class ToolCallRow(BlockRow):
    """The row of a column of `tool_calls`: `block` is the call, `answer` its result."""

    answer: Answer | None = None

    @property
    def args(self) -> Any:
        """The arguments: a dict, or the text of the model where that is not an object."""
        raw = self.block.payload.get("args_raw") or self.block.payload.get("args")
        return self.block.args or (raw if isinstance(raw, str) and raw else self.block.args)

    @property
    def result(self) -> str | None:
        """The result as text: a string as it is, anything else as JSON."""
        result = self.answer.block.result if self.answer is not None else None
        return None if result is None else result_text(result)

    @property
    def error(self) -> str | None:
        return self.answer.block.error or None if self.answer is not None else None

    @property
    def duration_ms(self) -> float | None:
        return self.answer.block.metadata.get(DURATION_MS) if self.answer is not None else None

    @property
    def attempts(self) -> int | None:
        """The number of attempts; None for calls that did not run here."""
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
        doc="id of the call's block, else run id, turn index and block index",
    ),
    Column("block_index", lambda row: row.block_index, "Int64", doc="index of that block in its Turn, from 0"),
    Column("tool_call_id", lambda row: row.block.tool_call_id or None, "string", doc="id of the call at the provider"),
    Column("inference_id", lambda row: row.inference_id or None, "string", doc="model call that made the tool call"),
    Column("name", lambda row: row.name or None, "string", doc="name of the tool"),
    Column("args", lambda row: row.args, "json", doc="arguments: a dict, or text if they are not an object"),
    Column("answered", lambda row: row.answer is not None, "boolean", doc="true if it has a result or an error"),
    Column("result", lambda row: row.result, "string", doc="result: a string as it is, anything else as JSON"),
    Column("error", lambda row: row.error, "string", doc="error of the tool"),
    Column("duration_ms", lambda row: row.duration_ms, "Float64", unit="ms", doc="run time of all attempts together"),
    Column("attempts", lambda row: row.attempts, "Int64", unit="attempts", doc="number of attempts"),
    Column(
        "result_block_id",
        lambda row: row.answer and row.answer.id,
        "string",
        doc="id of the result's block, else run id, turn index and block index",
    ),
    Column(
        "result_turn_index",
        lambda row: row.answer and row.answer.turn_index,
        "Int64",
        doc="index of the first Turn with that block",
    ),
    Column(
        "result_block_index",
        lambda row: row.answer and row.answer.block_index,
        "Int64",
        doc="index in that Turn, from 0",
    ),
    FILE,
)


class ToolCallBuilder(FrameBuilder):
    """A row for each call of each Run.

    A result belongs to the oldest call before it that has its id and no result yet, because
    ids come back in real transcripts.
    """

    def begin(self, traversal: Traversal) -> None:  # noqa: ARG002  # the signature of all builders
        self._rows: list[ToolCallRow] = []
        self._open_calls: dict[str, deque[ToolCallRow]] = {}  # by tool call id
        self._answers: dict[int, Answer] = {}  # by identity of the block, at its first position

    def visit(self, visit: TurnVisit) -> None:
        new_calls = {id(block): model_call for _, block, model_call in visit.blocks if block.kind == "tool_call"}
        for index, block in enumerate(visit.turn.blocks.since(visit.shared), visit.shared):
            if block.kind == "tool_call" and id(block) in new_calls:
                self._add_call(visit, index, block, new_calls.pop(id(block)))
            elif block.kind == "tool_use":
                self._add_answer(visit, index, block)

    def _add_call(self, visit: TurnVisit, index: int, block: Block, model_call: ModelCall | None) -> None:
        result, inference_id = (model_call.result, model_call.id) if model_call else (None, "")
        row = ToolCallRow(visit, block, index, result, inference_id, block.name)
        self._rows.append(row)
        self._open_calls.setdefault(block.tool_call_id, deque()).append(row)

    def _add_answer(self, visit: TurnVisit, index: int, block: Block) -> None:
        is_repeated = id(block) in self._answers  # after an edit: it answers the edited call, and no other
        answer = self._answers.setdefault(id(block), Answer(visit, block, index))
        open_calls = self._open_calls.get(block.tool_call_id) if block.tool_call_id else None
        if open_calls and (not is_repeated or open_calls[0].visit is visit):
            open_calls.popleft().answer = answer

    def end(self) -> None:
        for row in self._rows:
            self.buffer.add(row)
