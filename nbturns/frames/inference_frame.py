"""The frame of inferences: a row for each model call, failed attempts and empty replies too."""

from __future__ import annotations

from dataclasses import dataclass

from ..results import InferenceResult, Usage
from ..turns import Block
from .columns import Column
from .joined import FILE, RECORDED, RUN_ID, RUNTIME, SESSION_ID, TOKENS, TURN_KEYS
from .maker import Maker
from .walk import Place, Row, said


@dataclass(slots=True, eq=False)
class InferenceRow(Row):
    """What a column of `inferences` reads. `blocks` are those the call made, as they stand in its Turn."""

    inference: InferenceResult
    inference_id: str
    index: int
    blocks: tuple[Block, ...]

    @property
    def usage(self) -> Usage | None:
        """Tokens; None where nobody counted them."""
        return self.inference.usage

    def count(self, kind: str) -> int:
        """How many blocks of `kind` it made."""
        return sum(block.kind == kind for block in self.blocks)

    def characters(self, kind: str) -> int:
        """How much it said in blocks of `kind`."""
        return sum(len(said(block)) for block in self.blocks if block.kind == kind)

    def __str__(self) -> str:
        return f"{self.place}, inference {self.index}"


def _kind(name: str, kind: str, what: str) -> tuple[Column, Column]:
    """How many blocks of `kind` a call made, and how long they are together."""
    blocks, characters = f"{name}_blocks", f"{name}_characters"
    return (
        Column(blocks, lambda row: row.count(kind), "Int64", unit="blocks", doc=f"how many of them are {what}"),
        Column(
            characters, lambda row: row.characters(kind), "Int64", unit="characters", doc=f"the length of its {what}"
        ),
    )


INFERENCE: tuple[Column, ...] = (
    RUN_ID,
    SESSION_ID,
    *TURN_KEYS,
    Column("inference_id", lambda row: row.inference_id, "string", doc="the call's id; without one, made of its place"),
    Column("inference_index", lambda row: row.index, "Int64", doc="its place among those of its Turn, from 0"),
    *RECORDED,
    Column("truncated", lambda row: row.inference.truncated, "boolean", doc="whether the reply was cut"),
    Column(
        "attempts",
        lambda row: row.inference.attempts,
        "Int64",
        unit="attempts",
        doc="which try it was; 2 follows a failed one",
    ),
    *TOKENS,
    Column("max_tokens", lambda row: row.inference.max_tokens, "Int64", unit="tokens", doc="the most it might say"),
    Column("duration_ms", lambda row: row.inference.duration_ms, "Int64", unit="ms", doc="from request to last token"),
    Column(
        "time_to_first_token_ms",
        lambda row: row.inference.time_to_first_token_ms,
        "Int64",
        unit="ms",
        doc="from request to first token",
    ),
    Column("cost", lambda row: row.inference.cost, "Float64", unit="USD", doc="its price, where that is known"),
    Column(
        "request_id", lambda row: row.inference.request_id or None, "string", doc="the provider's id of the request"
    ),
    Column(
        "response_id", lambda row: row.inference.response_id or None, "string", doc="the provider's id of the reply"
    ),
    Column("blocks", lambda row: len(row.blocks), "Int64", unit="blocks", doc="how many it made, of any kind"),
    *_kind("text", "llm_text", "texts"),
    *_kind("reasoning", "reasoning", "thoughts"),
    *_kind("tool_call", "tool_call", "calls"),
    *RUNTIME,
    FILE,
)


class InferenceMaker(Maker):
    """A row for each model call of each Run, when all it made is known."""

    def place(self, place: Place) -> None:
        for index, made in enumerate(place.inferences):
            self.sheet.add(InferenceRow(place, made.result or InferenceResult(), made.id, index, tuple(made.blocks)))
