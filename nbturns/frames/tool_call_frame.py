"""The frame of tool calls: a row for each call, with what came of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..keys import ATTEMPTS, DURATION_MS
from ..text import shown_value
from ..turns import Block
from .block_frame import BlockRow
from .columns import Column, table
from .joined import RUN_ID, TURN_KEYS
from .sources import Source, sources
from .walk import Place, Walk

if TYPE_CHECKING:
    import pandas as pd


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
    def id(self) -> str | None:
        return self.block.id or None


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
    Column("args", lambda row: row.args, "object", doc="its arguments: a dict, or text where they are no object"),
    Column("answered", lambda row: row.answer is not None, "boolean", doc="whether anything came of it"),
    Column("result", lambda row: row.result, "string", doc="the result: a string as it is, anything else as JSON"),
    Column("error", lambda row: row.error, "string", doc="what went wrong"),
    Column("duration_ms", lambda row: row.duration_ms, "Float64", unit="ms", doc="its run time, all attempts together"),
    Column("attempts", lambda row: row.attempts, "Int64", unit="attempts", doc="how often it was run"),
    Column("result_block_id", lambda row: row.answer and row.answer.id, "string", doc="the id of the result's block"),
    Column(
        "result_turn_index",
        lambda row: row.answer and row.answer.turn_index,
        "Int64",
        doc="the Turn that block is first in",
    ),
    Column(
        "result_block_index", lambda row: row.answer and row.answer.block_index, "Int64", doc="its place there, from 0"
    ),
)


def tool_calls(x: Any, columns: Iterable[Column] = TOOL_CALL) -> pd.DataFrame:
    """A row for each tool call of `x`, its result beside it; the columns are listed in `nt.frames`.

    A result belongs to the oldest call before it that has its id and no result yet, because
    ids come back in real transcripts. Raises as `blocks` does.
    """
    return table(columns, (row for source in sources(x) for row in tool_call_rows(source)))


def tool_call_rows(source: Source) -> Iterator[ToolCallRow]:
    """A row for each call of one Run."""
    rows: list[ToolCallRow] = []
    waiting: dict[str, deque[ToolCallRow]] = {}
    answers: dict[int, Answer] = {}  # by the block's identity, where it first stands
    for place in Walk(source):
        new = {id(block): made_by for _, block, made_by in place.blocks}
        for index, block in enumerate(place.turn.blocks.since(place.shared), place.shared):
            if block.kind == "tool_call" and id(block) in new:
                made_by = new.pop(id(block))
                name = made_by.id if made_by else ""
                row = ToolCallRow(place, block, index, made_by.result if made_by else None, name, block.name)
                rows.append(row)
                waiting.setdefault(block.tool_call_id, deque()).append(row)
            elif block.kind == "tool_use":
                again = id(block) in answers  # behind an edit: it answers what was edited, and nothing else
                answer = answers.setdefault(id(block), Answer(place, block, index))
                calls = waiting.get(block.tool_call_id) if block.tool_call_id else None
                if calls and (not again or calls[0].place is place):
                    calls.popleft().answer = answer
    yield from rows
