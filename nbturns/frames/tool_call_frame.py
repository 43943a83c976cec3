"""The frame of tool calls: a row for each call, with its result."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..keys import ATTEMPTS, DURATION_MS
from ..render.text import result_text
from ..values.failure_rules import FailureRule
from ..values.turns import Block
from .block_frame import ANSWERED_BY_DOC, BlockRow, answerer_of, is_edited
from .builder import FrameBuilder
from .columns import Column, NamedColumns, in_reading_order
from .shared_columns import FILE, LINK_COLUMNS, MAYBE_DUPLICATE, RUN_ID, TURN_KEYS, block_id_column
from .traversal import NewBlock, Traversal, TurnVisit


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

    rule: FailureRule | None = None
    answer: Answer | None = None
    _failed: bool | None = field(default=None, init=False)

    @property
    def failed(self) -> bool:
        """Return whether the call failed: by its error, or by the rule for the words of its result."""
        if self._failed is None:
            self._failed = self.rule is not None and self.rule(self)
        return self._failed

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
        """Error of the result; None without one."""
        return self.answer.block.error or None if self.answer is not None else None

    @property
    def child_run_id(self) -> str | None:
        """Id of the Run that the call started, or None."""
        child_id = self.block.child_run_id
        return self.visit.source.linked_id(child_id) if child_id else None

    @property
    def duration_ms(self) -> float | None:
        """Milliseconds of the tool, or None."""
        return self.answer.block.metadata.get(DURATION_MS) if self.answer is not None else None

    @property
    def attempts(self) -> int | None:
        """The number of attempts; None for calls that did not run here."""
        if self.answer is None:
            return None
        return self.answer.block.metadata.get(ATTEMPTS) or (1 if DURATION_MS in self.answer.block.metadata else None)


TOOL_CALL: tuple[Column, ...] = NamedColumns(
    "TOOL_CALL",
    in_reading_order(
        (
            RUN_ID,
            *TURN_KEYS,
            block_id_column("id of the call's block, else run id, turn index and block index"),
            Column("block_index", lambda row: row.block_index, "Int64", doc="index of that block in its Turn, from 0"),
            Column(
                "tool_call_id",
                lambda row: row.block.tool_call_id or None,
                "string",
                doc="id of the call at the provider",
            ),
            Column(
                "inference_id", lambda row: row.inference_id or None, "string", doc="model call that made the tool call"
            ),
            Column("name", lambda row: row.name or None, "string", doc="name of the tool"),
            Column("args", lambda row: row.args, "json", doc="arguments: a dict, or text if they are not an object"),
            Column(
                "answered", lambda row: row.answer is not None, "boolean", doc="true if it has a result or an error"
            ),
            Column("result", lambda row: row.result, "string", doc="result: a string as it is, anything else as JSON"),
            Column("error", lambda row: row.error, "string", doc="error of the tool"),
            Column(
                "failed", lambda row: row.failed, "boolean", doc="true if it has an error, or a result that says so"
            ),
            Column(
                "answered_by",
                lambda row: row.answer and answerer_of(row.answer.block),
                "string",
                doc=ANSWERED_BY_DOC,
            ),
            Column(
                "edited",
                lambda row: is_edited(row.block),
                "boolean",
                doc="true if a person changed the call at a pause",
            ),
            Column(
                "duration_ms",
                lambda row: row.duration_ms,
                "Float64",
                unit="ms",
                doc="run time of all attempts together",
            ),
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
            Column("child_run_id", lambda row: row.child_run_id, "string", doc="id of the Run that the call started"),
            *LINK_COLUMNS,
            MAYBE_DUPLICATE,
            FILE,
        ),
        "name",
        "args",
        "result",
        "error",
        "failed",
    ),
)


class ToolCallBuilder(FrameBuilder):
    """A row for each call of each Run."""

    def begin(self, traversal: Traversal) -> None:
        self._traversal = traversal

    def end(self) -> None:
        for row in tool_call_rows(self._traversal):
            self.buffer.add(row)


def tool_call_rows(traversal: Traversal) -> list[ToolCallRow]:
    """Return the rows of the calls of a Run, which several frames need; they are made once.

    A result belongs to the oldest call before it that has its id and no result yet, because
    ids come back in real transcripts.
    """
    if traversal.tool_calls is None:
        traversal.tool_calls = _CallPairing(traversal.failure_rule).rows(traversal.visits)
    return traversal.tool_calls


class _CallPairing:
    def __init__(self, rule: FailureRule) -> None:
        self._rule = rule
        self._rows: list[ToolCallRow] = []
        self._open_calls: dict[str, deque[ToolCallRow]] = {}  # by tool call id
        self._answers: dict[int, Answer] = {}  # by identity of the block, at its first position

    def rows(self, visits: list[TurnVisit]) -> list[ToolCallRow]:
        for visit in visits:
            new_calls = {id(new.block): new for new in visit.blocks if new.block.kind == "tool_call"}
            for index, block in enumerate(visit.turn.blocks.since(visit.shared), visit.shared):
                if block.kind == "tool_call" and id(block) in new_calls:
                    self._add_call(visit, new_calls.pop(id(block)))
                elif block.kind == "tool_use":
                    self._add_answer(visit, index, block)
        return self._rows

    def _add_call(self, visit: TurnVisit, new: NewBlock) -> None:
        result, inference_id = (new.call.result, new.call.id) if new.call else (None, "")
        place = (visit, new.block, new.index, result, inference_id)
        row = ToolCallRow(*place, new.block.name, new.text, new.copy_key, rule=self._rule)
        self._rows.append(row)
        self._open_calls.setdefault(new.block.tool_call_id, deque()).append(row)

    def _add_answer(self, visit: TurnVisit, index: int, block: Block) -> None:
        is_repeated = id(block) in self._answers  # after an edit: it answers the edited call, and no other
        answer = self._answers.setdefault(id(block), Answer(visit, block, index))
        open_calls = self._open_calls.get(block.tool_call_id) if block.tool_call_id else None
        if open_calls and (not is_repeated or open_calls[0].visit is visit):
            open_calls.popleft().answer = answer
