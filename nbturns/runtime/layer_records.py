"""The Turn into and out of each middleware of a model call, kept by reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from ..events import Event, InferenceFinished, InferenceStarted, Phase, Snapshot
from ..values.turns import Block, Turn


@dataclass(slots=True, eq=False)
class LayerCall:
    """One pass through a middleware; `returned` is None while it runs, and after an error."""

    iteration: int
    depth: int
    layer: Any
    input_turn: Turn
    returned: Turn | None = None

    @property
    def name(self) -> str:
        """The name of the middleware."""
        name: str = (
            getattr(self.layer, "name", None) or getattr(self.layer, "__name__", None) or type(self.layer).__name__
        )
        return name


@dataclass(frozen=True, slots=True)
class Layer:
    """The Turns into and out of one middleware in a model call.

    `input_turn` is the Turn that it got, `sent` the one that it passed on, `received` the answer that came back, and
    `returned` the one that it returned; None where it did not get so far.
    """

    name: str
    input_turn: Turn
    sent: Turn | None
    received: Turn | None
    returned: Turn | None

    @property
    def added(self) -> tuple[Block, ...]:
        """The blocks that it put into what was sent."""
        return () if self.sent is None else _new_blocks(self.input_turn, self.sent)

    @property
    def removed(self) -> tuple[Block, ...]:
        """The blocks that it left out of what was sent."""
        return () if self.sent is None else _new_blocks(self.sent, self.input_turn)

    @property
    def added_to_answer(self) -> tuple[Block, ...]:
        """The blocks that it put into the answer."""
        return () if self.received is None or self.returned is None else _new_blocks(self.received, self.returned)

    @property
    def removed_from_answer(self) -> tuple[Block, ...]:
        """The blocks that it took out of the answer."""
        return () if self.received is None or self.returned is None else _new_blocks(self.returned, self.received)

    def __repr__(self) -> str:
        return f"<Layer {self.name}: +{len(self.added)} −{len(self.removed)} sent, +{len(self.added_to_answer)} −{len(self.removed_from_answer)} in the answer>"


def _new_blocks(known_turn: Turn, turn: Turn) -> tuple[Block, ...]:
    """Return the blocks of a Turn that another one does not have; a block whose metadata alone changed is the same."""
    start = turn.blocks.shared_length(known_turn.blocks)
    known_blocks = list(known_turn.blocks.since(start))
    known_ids = {id(block) for block in known_blocks}
    contents = [(block.kind, block.role, block.payload) for block in known_blocks]
    return tuple(
        block
        for block in turn.blocks.since(start)
        if id(block) not in known_ids and (block.kind, block.role, block.payload) not in contents
    )


def layers_of(calls: Iterable[LayerCall], events: Iterable[Event], iteration: int) -> tuple[Layer, ...]:
    """Return what each middleware did in the model call of an iteration, the outermost first."""
    last_calls = {call.depth: call for call in calls if call.iteration == iteration}
    chain = [last_calls[depth] for depth in sorted(last_calls)]
    sent_to_engine, answer = _model_call(events, iteration)
    layers = []
    for call, inner in zip_longest(chain, chain[1:]):
        sent = sent_to_engine if inner is None else inner.input_turn
        received = answer if inner is None else inner.returned
        layers.append(Layer(call.name, call.input_turn, sent, received, call.returned))
    return tuple(layers)


def _model_call(events: Iterable[Event], iteration: int) -> tuple[Turn | None, Turn | None]:
    """Return the Turn that the engine of an iteration was sent, and that Turn with its answer."""
    is_here, sent, answer = False, None, None
    for event in events:
        if isinstance(event, Snapshot) and event.phase is Phase.PRE_INFERENCE:
            is_here = event.iteration == iteration
        elif is_here and isinstance(event, InferenceStarted):
            sent, answer = event.turn, None
        elif is_here and isinstance(event, InferenceFinished) and sent is not None:
            answer = sent + event.blocks
    return sent, answer


def function_name(function: Any) -> str:
    """Return the name of a function for an example in a message; "ask" for one without a usable name."""
    name: str = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "ask"


__all__ = ["Layer", "LayerCall", "function_name", "layers_of"]
