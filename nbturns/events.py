"""Events of an execution, as one stream of frozen values.

A sink is any callable that takes an event: a view, a store, a log, a test. Each event has
its time (`at`, seconds since the epoch) and its number in the stream of its execution
(`seq`, from 0), and names its execution (`execution_id`, and `execution`, the object itself).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from .safety.visible_text import printable, visible
from .values.frozen_json import unchecked_constructor
from .values.inference_results import InferenceResult
from .values.turns import Block, Turn


class Phase(StrEnum):
    """The boundaries of the loop, where it takes a snapshot and can pause."""

    PRE_INFERENCE = "pre_inference"
    POST_INFERENCE = "post_inference"
    POST_TOOLS = "post_tools"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class Event:
    seq: int = field(default=0, init=False, compare=False)
    at: float = field(default=0.0, init=False, compare=False)
    execution_id: str = field(default="", init=False, compare=False, repr=False)

    @property
    def execution(self) -> Any:
        """The Execution that emitted this event; None when it no longer exists, or is in another process."""
        return live_executions.get(self.execution_id)


put_seq: Callable[[Event, int], None] = vars(Event)["seq"].__set__  # bypasses the guard of the frozen class
put_at: Callable[[Event, float], None] = vars(Event)["at"].__set__
put_execution_id: Callable[[Event, str], None] = vars(Event)["execution_id"].__set__
live_executions: WeakValueDictionary[str, Any] = WeakValueDictionary()  # by id; an event does not keep its execution


def stamp(event: Event, seq: int, at: float, execution_id: str = "") -> None:
    """Set the number, time and execution of an event; once, before any sink receives it."""
    put_seq(event, seq)
    put_at(event, at)
    put_execution_id(event, execution_id)


@dataclass(frozen=True, slots=True)
class Started(Event):
    """An execution started with this Turn."""

    turn: Turn


@dataclass(frozen=True, slots=True)
class Snapshot(Event):
    """The Turn at `phase`, as a reference and not a copy."""

    phase: Phase
    turn: Turn
    iteration: int = 0


@dataclass(frozen=True, slots=True)
class InferenceStarted(Event):
    """A model call started. `turn` is the Turn after all middlewares."""

    inference_id: str
    turn: Turn


@dataclass(frozen=True, slots=True)
class Delta(Event):
    """A piece of text of a streaming block; `index` counts the blocks of this model call.

    `kind` is that of the block: llm_text, reasoning, or tool_call. The text of a tool_call is
    its arguments as they arrive; its first piece has the `name` of the tool.
    """

    inference_id: str
    index: int
    kind: str
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class InferenceFinished(Event):
    """A model call ended, see its `result`. `blocks` are those it made."""

    result: InferenceResult
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolStarted(Event):
    call: Block


@dataclass(frozen=True, slots=True)
class ToolFinished(Event):
    """A tool call was answered with the block `answer`, after `duration_ms` milliseconds."""

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
        """The tool calls that wait at this pause."""
        return self.turn.pending

    @printable
    def __repr__(self) -> str:
        pending_names = ", ".join(call.name for call in self.pending)
        return f"<Pause {self.number} at {self.phase}{': ' + pending_names if pending_names else ''}>"


@dataclass(frozen=True, slots=True)
class Paused(Event):
    pause: Pause


@dataclass(frozen=True, slots=True)
class Resumed(Event):
    """A pause ended; `by` is the cause (step, resume, timeout, or a name from the caller).

    The execution continues with `turn`; `answers` replace the results of tools. `only` are the ids of the calls that
    run now; None is all.
    """

    pause: Pause
    turn: Turn
    by: str
    answers: tuple[Block, ...] = ()
    only: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """A message for the user about an automatic change or decision. It is safe to print."""

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """An execution ended. `status` is done, stopped or failed; `error` is its message, or ""."""

    status: str
    turn: Turn
    error: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "error", visible(self.error))


# Each iteration makes seven events, so these are made without checks.
snapshot: Callable[..., Snapshot] = unchecked_constructor(Snapshot)
inference_started: Callable[..., InferenceStarted] = unchecked_constructor(InferenceStarted)
inference_finished: Callable[..., InferenceFinished] = unchecked_constructor(InferenceFinished)
tool_started: Callable[..., ToolStarted] = unchecked_constructor(ToolStarted)
tool_finished: Callable[..., ToolFinished] = unchecked_constructor(ToolFinished)

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
