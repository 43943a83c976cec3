"""The frame of inferences: a row for each model call, failed attempts and empty replies too."""

from __future__ import annotations

from dataclasses import dataclass

from ..values.inference_results import InferenceResult, Usage
from ..values.turns import Block
from .builder import FrameBuilder
from .columns import Column
from .shared_columns import FILE, PROFILE_COLUMNS, RESULT_COLUMNS, RUN_ID, SESSION_ID, TOKEN_COLUMNS, TURN_KEYS
from .traversal import Row, TurnVisit, text_of


@dataclass(slots=True, eq=False)
class InferenceRow(Row):
    """The row of a column of `inferences`. `blocks` are those of the call, in its Turn."""

    inference: InferenceResult
    inference_id: str
    index: int
    blocks: tuple[Block, ...]

    @property
    def usage(self) -> Usage | None:
        """The tokens; None where they were not counted."""
        return self.inference.usage

    def count(self, kind: str) -> int:
        """Return the number of its blocks of `kind`."""
        return sum(block.kind == kind for block in self.blocks)

    def characters(self, kind: str) -> int:
        """Return the length of its blocks of `kind` in characters."""
        return sum(len(text_of(block)) for block in self.blocks if block.kind == kind)

    def __str__(self) -> str:
        return f"{self.visit}, inference {self.index}"


def _kind_columns(name: str, kind: str, plural: str) -> tuple[Column, Column]:
    """Return the columns of number and length of the blocks of `kind` of a call."""
    blocks, characters = f"{name}_blocks", f"{name}_characters"
    return (
        Column(blocks, lambda row: row.count(kind), "Int64", unit="blocks", doc=f"number of {plural}"),
        Column(characters, lambda row: row.characters(kind), "Int64", unit="characters", doc=f"length of the {plural}"),
    )


INFERENCE: tuple[Column, ...] = (
    RUN_ID,
    SESSION_ID,
    *TURN_KEYS,
    Column(
        "inference_id",
        lambda row: row.inference_id,
        "string",
        doc="id of the call; without one, made of turn and call index",
    ),
    Column("inference_index", lambda row: row.index, "Int64", doc="index among the calls of its Turn, from 0"),
    *RESULT_COLUMNS,
    Column("truncated", lambda row: row.inference.truncated, "boolean", doc="true if the reply was cut"),
    Column(
        "attempts",
        lambda row: row.inference.attempts,
        "Int64",
        unit="attempts",
        doc="number of the attempt; 2 follows a failed one",
    ),
    *TOKEN_COLUMNS,
    Column("max_tokens", lambda row: row.inference.max_tokens, "Int64", unit="tokens", doc="limit of output tokens"),
    Column("duration_ms", lambda row: row.inference.duration_ms, "Int64", unit="ms", doc="from request to last token"),
    Column(
        "time_to_first_token_ms",
        lambda row: row.inference.time_to_first_token_ms,
        "Int64",
        unit="ms",
        doc="from request to first token",
    ),
    Column("cost", lambda row: row.inference.cost, "Float64", unit="USD", doc="price, if it is known"),
    Column(
        "request_id", lambda row: row.inference.request_id or None, "string", doc="id of the request at the provider"
    ),
    Column(
        "response_id", lambda row: row.inference.response_id or None, "string", doc="id of the reply at the provider"
    ),
    Column("blocks", lambda row: len(row.blocks), "Int64", unit="blocks", doc="number of blocks, of any kind"),
    *_kind_columns("text", "llm_text", "texts"),
    *_kind_columns("reasoning", "reasoning", "reasoning blocks"),
    *_kind_columns("tool_call", "tool_call", "tool calls"),
    *PROFILE_COLUMNS,
    FILE,
)


class InferenceBuilder(FrameBuilder):
    """A row for each model call of each Run, in the Turn that lists it."""

    def visit(self, visit: TurnVisit) -> None:
        for index, call in enumerate(visit.model_calls):
            self.buffer.add(InferenceRow(visit, call.result or InferenceResult(), call.id, index, tuple(call.blocks)))
