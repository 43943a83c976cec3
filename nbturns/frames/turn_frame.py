"""The frame of Turns: a row for each prompt and all that followed it."""

from __future__ import annotations

import typing
from dataclasses import dataclass

from ..calls import PendingCalls
from ..execution import Status
from ..keys import STATUS
from ..results import InferenceResult, Usage, total_cost, total_usage
from ..turns import Block
from .columns import Column
from .joined import FILE, RUN_ID, RUNTIME, SESSION_ID, TOKENS, TURN_KEYS
from .maker import Maker
from .walk import Place, Row, Walk


@dataclass(slots=True, eq=False)
class TurnRow(Row):
    """What a column of `turns` reads. `blocks` and `inferences` are those that are new in this Turn."""

    blocks: tuple[Block, ...]
    inferences: tuple[InferenceResult, ...]
    pending: int
    text: str | None

    @property
    def usage(self) -> Usage | None:
        """Tokens of the Turn's own model calls; None where nobody counted them."""
        return total_usage(self.inferences) if any(one.usage is not None for one in self.inferences) else None

    @property
    def cost(self) -> float | None:
        return total_cost(self.inferences)

    @property
    def duration_ms(self) -> int | None:
        known = [one.duration_ms for one in self.inferences if one.duration_ms is not None]
        return sum(known) if known else None

    @property
    def prompt(self) -> str | None:
        return next((block.text for block in reversed(self.blocks) if block.kind == "user"), None)

    @property
    def tool_errors(self) -> int:
        return sum(block.kind == "tool_use" and block.error != "" for block in self.blocks)

    def count(self, kind: str) -> int:
        """How many blocks of `kind` are new."""
        return sum(block.kind == kind for block in self.blocks)


TURN: tuple[Column, ...] = (
    RUN_ID,
    SESSION_ID,
    *TURN_KEYS,
    Column("run_name", lambda row: row.run.name or None, "string", doc="the Run's name"),
    FILE,
    Column(
        "status",
        lambda row: row.turn.metadata.get(STATUS),
        "category",
        known=typing.get_args(Status),
        doc="how its execution ended",
    ),
    Column("blocks", lambda row: len(row.turn), "Int64", unit="blocks", doc="all it holds, those from before too"),
    Column("new_blocks", lambda row: len(row.blocks), "Int64", unit="blocks", doc="those that no Turn before it has"),
    Column("texts", lambda row: row.count("llm_text"), "Int64", unit="blocks", doc="new texts of the model"),
    Column("thoughts", lambda row: row.count("reasoning"), "Int64", unit="blocks", doc="new thoughts of the model"),
    Column("tool_calls", lambda row: row.count("tool_call"), "Int64", unit="calls", doc="new calls of tools"),
    Column(
        "tool_results",
        lambda row: row.count("tool_use"),
        "Int64",
        unit="results",
        doc="new results of tools, errors included",
    ),
    Column("tool_errors", lambda row: row.tool_errors, "Int64", unit="results", doc="new results that are errors"),
    Column("pending", lambda row: row.pending, "Int64", unit="calls", doc="calls nobody has answered"),
    Column("inferences", lambda row: len(row.inferences), "Int64", unit="model calls", doc="its own model calls"),
    *TOKENS,
    Column("duration_ms", lambda row: row.duration_ms, "Int64", unit="ms", doc="the time of its own model calls"),
    Column("cost", lambda row: row.cost, "Float64", unit="USD", doc="their price, where that of all is known"),
    *RUNTIME,
    Column("prompt", lambda row: row.prompt, "string", doc="the last new thing the user said"),
    Column("text", lambda row: row.text, "string", doc="the last thing the model said, as `turn.text`"),
)


class TurnMaker(Maker):
    """A row for each Turn of each Run."""

    def begin(self, walk: Walk) -> None:  # noqa: ARG002  # what every maker is told
        self._calls = PendingCalls()
        self._text: str | None = None

    def place(self, place: Place) -> None:
        start = place.shared if place.grown else 0
        if start == 0:
            self._calls, self._text = PendingCalls(), None
        added = tuple(place.turn.blocks.since(start))
        self._calls = self._calls.after(added)
        self._text = next((block.text for block in reversed(added) if block.kind == "llm_text"), self._text)
        new = tuple(block for _, block, _ in place.blocks)
        made = tuple(one.result for one in place.inferences if one.result is not None)
        self.sheet.add(TurnRow(place, new, made, len(self._calls.pending), self._text))
