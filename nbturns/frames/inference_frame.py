"""The frame of inferences: a row for each model call, failed attempts and empty replies too."""

from __future__ import annotations

from dataclasses import dataclass

from ..safety.visible_text import printable
from ..values.inference_results import InferenceResult, Usage
from ..values.turns import Block
from .builder import FrameBuilder
from .columns import Column, NamedColumns, in_reading_order
from .shared_columns import (
    COST_SOURCES,
    FILE,
    LINK_COLUMNS,
    MAYBE_DUPLICATE,
    PROFILE_COLUMNS,
    RESULT_COLUMNS,
    RUN_ID,
    SESSION_ID,
    TOKEN_COLUMNS,
    TURN_KEYS,
    error_text,
)
from .traversal import NewBlock, Row, TurnVisit


@dataclass(slots=True, eq=False)
class InferenceRow(Row):
    """The row of a column of `inferences`. `blocks` are those of the call, in its Turn."""

    inference: InferenceResult
    inference_id: str
    index: int
    new_blocks: tuple[NewBlock, ...]
    copy_key: int | None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks that the model call made."""
        return tuple(new.block for new in self.new_blocks)

    @property
    def usage(self) -> Usage | None:
        """The tokens; None where they were not counted."""
        return self.inference.usage

    def count(self, kind: str) -> int:
        """Return the number of its blocks of `kind`."""
        return sum(new.block.kind == kind for new in self.new_blocks)

    def characters(self, kind: str) -> int:
        """Return the length of its blocks of `kind` in characters."""
        return sum(len(new.text) for new in self.new_blocks if new.block.kind == kind)

    @printable
    def __str__(self) -> str:
        return f"{self.visit}, inference {self.index}"


def _kind_columns(name: str, kind: str, plural: str) -> tuple[Column, Column]:
    """Return the columns of number and length of the blocks of `kind` of a call."""
    blocks, characters = f"{name}_blocks", f"{name}_characters"
    return (
        Column(blocks, lambda row: row.count(kind), "Int64", unit="blocks", doc=f"number of {plural}"),
        Column(characters, lambda row: row.characters(kind), "Int64", unit="characters", doc=f"length of the {plural}"),
    )


INFERENCE: tuple[Column, ...] = NamedColumns(
    "INFERENCE",
    in_reading_order(
        (
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
            Column(
                "error", lambda row: error_text(row.inference.error), "string", doc="why the call failed or was stopped"
            ),
            Column("truncated", lambda row: row.inference.truncated, "boolean", doc="true if the reply was cut"),
            Column(
                "attempts",
                lambda row: row.inference.attempts,
                "Int64",
                unit="attempts",
                doc="number of the attempt; 2 follows a failed one",
            ),
            *TOKEN_COLUMNS,
            Column(
                "max_tokens", lambda row: row.inference.max_tokens, "Int64", unit="tokens", doc="limit of output tokens"
            ),
            Column(
                "duration_ms",
                lambda row: row.inference.duration_ms,
                "Int64",
                unit="ms",
                doc="from request to last token",
            ),
            Column(
                "time_to_first_token_ms",
                lambda row: row.inference.time_to_first_token_ms,
                "Int64",
                unit="ms",
                doc="from request to first token",
            ),
            Column("cost", lambda row: row.inference.cost, "Float64", unit="USD", doc="price, if it is known"),
            Column(
                "cost_source",
                lambda row: row.inference.cost_source,
                "category",
                categories=COST_SOURCES,
                doc="provider: reported with the call; table: estimated from its tokens",
            ),
            Column("price_table", lambda row: row.inference.price_table, "category", doc="table of an estimated price"),
            Column(
                "request_id",
                lambda row: row.inference.request_id or None,
                "string",
                doc="id of the request at the provider",
            ),
            Column(
                "response_id",
                lambda row: row.inference.response_id or None,
                "string",
                doc="id of the reply at the provider",
            ),
            Column(
                "blocks", lambda row: len(row.new_blocks), "Int64", unit="blocks", doc="number of blocks, of any kind"
            ),
            *_kind_columns("text", "llm_text", "texts"),
            *_kind_columns("reasoning", "reasoning", "reasoning blocks"),
            *_kind_columns("tool_call", "tool_call", "tool calls"),
            *PROFILE_COLUMNS,
            *LINK_COLUMNS,
            MAYBE_DUPLICATE,
            FILE,
        ),
        "model",
        "stop_reason",
        "finish_class",
        "error",
    ),
)


class InferenceBuilder(FrameBuilder):
    """A row for each model call of each Run, in the Turn that lists it."""

    def visit(self, visit: TurnVisit) -> None:
        for call in visit.model_calls:
            result, index = call.result or InferenceResult(), call.index or 0
            self.buffer.add(InferenceRow(visit, result, call.id, index, tuple(call.blocks), call.copy_key))
