"""Events of an execution, as one stream of frozen values.

A sink is any callable that takes an event: a view, a store, a print-out, a test. Each
event says when it happened (`at`, seconds since the epoch) and in which place of its
execution's stream (`seq`, from 0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from .values.frozen_json import unchecked_constructor
from .values.inference_results import InferenceResult
from .values.turns import Block, Turn


class Phase(StrEnum):
    """The boundaries of the loop, at which it takes a snapshot and can be held."""

    PRE_INFERENCE = "pre_inference"
    POST_INFERENCE = "post_inference"
    POST_TOOLS = "post_tools"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Event:
    seq: int = field(default=0, init=False, compare=False)
    at: float = field(default=0.0, init=False, compare=False)


put_seq: Callable[[Event, int], None] = vars(Event)["seq"].__set__  # past the refusal of a frozen class
put_at: Callable[[Event, float], None] = vars(Event)["at"].__set__


def stamp(event: Event, seq: int, at: float) -> None:
    """Give an event its place and time; done once, before anyone has seen it."""
    put_seq(event, seq)
    put_at(event, at)


@dataclass(frozen=True, slots=True)
class Started(Event):
    """An execution begins with this Turn."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """The Turn as it was at `phase`. Costs one reference."""

    phase: Phase
    turn: Turn
    iteration: int = 0


@dataclass(frozen=True, slots=True)
class InferenceStarted(Event):
    """A model is called. `turn` is what it is really sent, behind all middlewares."""

    inference_id: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class Delta(Event):
    """Some more text of a block on its way: `index` counts the blocks of this call.

    `kind` is the block's: llm_text, reasoning, or tool_call, whose text is its
    arguments as they arrive and whose `name` comes with the first.
    """

    inference_id: str
    index: int
    kind: str
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class InferenceFinished(Event):
    """A model call is over, well or not: its result says which. `blocks` are those it made."""

    result: InferenceResult
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    call: Block


@dataclass(frozen=True, slots=True)
class ToolFinished(Event):
    """A call has its answer, a `tool_use` block, after `duration_ms`."""

    call: Block
    answer: Block
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of an execution: its number, the boundary, the Turn, the pending calls."""

    number: int
    phase: Phase
    turn: Turn
    iteration: int
    reason: str

    @property
    def pending(self) -> tuple[Block, ...]:
        return self.turn.pending

    def __repr__(self) -> str:
        waiting = ", ".join(call.name for call in self.pending)
        return f"<Pause {self.number} at {self.phase}{': ' + waiting if waiting else ''}>"


@dataclass(frozen=True, slots=True)
class Paused(Event):
    pause: Pause


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """A pause is over: `by` says who ended it (step, resume, timeout, or a name that was given).

    `turn` is what goes on; `answers` are those given by hand, in place of a tool's.
    """

    pause: Pause
    turn: Turn
    by: str
    answers: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something was done that the user would want to know of, in words."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """An execution is over. `status` is done, stopped or failed; `error` is in words."""

    status: str
    turn: Turn
    error: str = ""


# The events of every iteration are made without checks: there are seven in each.
snapshot = unchecked_constructor(Snapshot)
inference_started = unchecked_constructor(InferenceStarted)
inference_finished = unchecked_constructor(InferenceFinished)
tool_started = unchecked_constructor(ToolStarted)
tool_finished = unchecked_constructor(ToolFinished)

Sink: TypeAlias = Callable[[Event], object]


__all__ = [
    "Delta",
    "Ended",
    "Event",
    "InferenceFinished",
    "InferenceStarted",
    "Notice",
    "Pause",
    "Paused",
    "Phase",
    "Resumed",
    "Sink",
    "Snapshot",
    "Started",
    "ToolFinished",
    "ToolStarted",
]


def __dir__() -> list[str]:
    return sorted(__all__)
