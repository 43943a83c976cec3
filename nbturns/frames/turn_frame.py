"""The frame of Turns: a row for each prompt and everything that followed it."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from functools import cached_property

from ..keys import ERROR, STATUS
from ..runtime.execution import Status
from ..values.inference_results import InferenceResult, Usage, total_cost
from ..values.pending_calls import PendingCalls
from ..values.turns import Block
from .builder import FrameBuilder
from .columns import Column, NamedColumns, in_reading_order
from .shared_columns import (
    COST_SOURCES,
    FILE,
    LINK_COLUMNS,
    PROFILE_COLUMNS,
    RUN_ID,
    SESSION_ID,
    TOKEN_COLUMNS,
    TURN_KEYS,
    cost_source_of,
    duration_of,
    error_text,
    usage_of,
)
from .tool_call_frame import tool_call_rows
from .traversal import Row, Traversal, TurnVisit


@dataclass(eq=False)
class TurnRow(Row):
    """The row of a column of `turns`. `blocks` and `inferences` are those that are new in this Turn."""

    blocks: tuple[Block, ...]
    inferences: tuple[InferenceResult, ...]
    pending: int
    text: str | None
    failed: int = 0

    @cached_property
    def usage(self) -> Usage | None:
        """The tokens of the Turn's own model calls; None where they were not counted."""
        return usage_of(self.inferences)

    @property
    def cost(self) -> float | None:
        """USD of the model calls of the Turn, or None when the cost of one is unknown."""
        return total_cost(self.inferences)

    @property
    def cost_source(self) -> str | None:
        """Source of the cost: "provider" or "table"; None when the cost is unknown."""
        return None if self.cost is None else cost_source_of(self.inferences)

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds of the model calls of the Turn, or None."""
        return duration_of(self.inferences)

    @property
    def prompt(self) -> str | None:
        """Text of the last user block, or None."""
        return next((block.text for block in reversed(self.blocks) if block.kind == "user"), None)

    @property
    def tool_errors(self) -> int:
        """Number of tool calls whose result is an error."""
        return sum(block.kind == "tool_use" and block.error != "" for block in self.blocks)

    def count(self, kind: str) -> int:
        """Return the number of new blocks of `kind`."""
        return sum(block.kind == kind for block in self.blocks)


TURN: tuple[Column, ...] = NamedColumns(
    "TURN",
    in_reading_order(
        (
            RUN_ID,
            SESSION_ID,
            *TURN_KEYS,
            *LINK_COLUMNS,
            Column("run_name", lambda row: row.run.name or None, "string", doc="name of the Run"),
            FILE,
            Column(
                "status",
                lambda row: row.turn.metadata.get(STATUS),
                "category",
                categories=typing.get_args(Status),
                doc="status of its execution",
            ),
            Column(
                "error",
                lambda row: error_text(row.turn.metadata.raw(ERROR)),
                "string",
                doc="why its execution failed, was stopped or reached its limit",
            ),
            Column(
                "blocks",
                lambda row: len(row.turn),
                "Int64",
                unit="blocks",
                doc="all blocks, those of previous Turns included",
            ),
            Column(
                "new_blocks",
                lambda row: len(row.blocks),
                "Int64",
                unit="blocks",
                doc="blocks that no previous Turn has",
            ),
            Column("texts", lambda row: row.count("llm_text"), "Int64", unit="blocks", doc="new texts of the model"),
            Column("thoughts", lambda row: row.count("reasoning"), "Int64", unit="blocks", doc="new reasoning blocks"),
            Column("tool_calls", lambda row: row.count("tool_call"), "Int64", unit="calls", doc="new tool calls"),
            Column(
                "tool_results",
                lambda row: row.count("tool_use"),
                "Int64",
                unit="results",
                doc="new tool results, errors included",
            ),
            Column(
                "tool_errors",
                lambda row: row.tool_errors,
                "Int64",
                unit="results",
                doc="new tool results that are errors",
            ),
            Column(
                "failed",
                lambda row: row.failed,
                "Int64",
                unit="calls",
                doc="new tool calls that failed, as in `tool_calls`",
            ),
            Column("pending", lambda row: row.pending, "Int64", unit="calls", doc="tool calls without a result"),
            Column(
                "inferences",
                lambda row: len(row.inferences),
                "Int64",
                unit="model calls",
                doc="model calls of this Turn",
            ),
            *TOKEN_COLUMNS,
            Column("duration_ms", lambda row: row.duration_ms, "Int64", unit="ms", doc="time of its model calls"),
            Column(
                "cost",
                lambda row: row.cost,
                "Float64",
                unit="USD",
                doc="price of its model calls, if all prices are known",
            ),
            Column(
                "cost_source",
                lambda row: row.cost_source,
                "category",
                categories=COST_SOURCES,
                doc="provider: reported with the calls; table: one of the prices is estimated",
            ),
            *PROFILE_COLUMNS,
            Column("prompt", lambda row: row.prompt, "string", doc="last new message of the user"),
            Column("text", lambda row: row.text, "string", doc="last text of the model, as `turn.text`"),
        ),
        "prompt",
        "text",
        "status",
        "error",
    ),
)


class TurnBuilder(FrameBuilder):
    """A row for each Turn of each Run."""

    def begin(self, traversal: Traversal) -> None:
        self._traversal = traversal
        self._rows: dict[int, TurnRow] = {}  # by index of the Turn
        self._calls = PendingCalls()
        self._text: str | None = None

    def visit(self, visit: TurnVisit) -> None:
        start = visit.shared if visit.extends_previous else 0
        if start == 0:
            self._calls, self._text = PendingCalls(), None
        added_blocks = tuple(visit.turn.blocks.since(start))
        self._calls = self._calls.after_blocks(added_blocks)
        self._text = next((block.text for block in reversed(added_blocks) if block.kind == "llm_text"), self._text)
        new_blocks = tuple(new.block for new in visit.blocks)
        results = tuple(call.result for call in visit.model_calls if call.result is not None)
        self._rows[visit.turn_index] = TurnRow(visit, new_blocks, results, self._calls.open_count, self._text)

    def end(self) -> None:
        for call in tool_call_rows(self._traversal):
            self._rows[call.turn_index].failed += call.failed
        for row in self._rows.values():
            self.buffer.add(row)
