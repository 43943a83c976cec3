"""The middlewares of a model call, each with the blocks that it added and left out, and with the Turns into and out of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...errors import MisuseError
from ...events import Snapshot
from ...render.block_rows import block_head
from ...render.text import visible
from ...runtime.execution import Execution
from ...values.blocks import Block
from ...values.turns import Turn

MAX_BLOCKS = 20  # of one change of one layer


def layer_rows(execution: Execution, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return a row for each middleware of the model call of a snapshot's iteration."""
    return [
        {
            "name": visible(layer.name[:80]),
            "sent": [*_lines("+", layer.added), *_lines("−", layer.removed)],
            "answer": [*_lines("+", layer.added_to_answer), *_lines("−", layer.removed_from_answer)],
        }
        for layer in execution.layers(snapshot.iteration)
    ]


def layer_turns(execution: Execution, snapshot: Snapshot, index: Any, side: Any) -> tuple[Turn, Turn, str, str]:
    """Return the Turns into and out of a middleware, and a heading for each. Raises MisuseError without recorded Turns.

    `side` is "sent", the way to the model, or "answer", the way back.
    """
    layers = execution.layers(snapshot.iteration)
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(layers):
        raise MisuseError(f"there is no middleware {index!r:.20} in this model call")
    layer = layers[index]
    turns = {"sent": (layer.input_turn, layer.sent), "answer": (layer.received, layer.returned)}
    if not isinstance(side, str) or side not in turns:
        raise MisuseError(f"side must be sent or answer, got {side!r:.40}")
    before, after = turns[side]
    if before is None or after is None:
        raise MisuseError(f"{layer.name} did not get so far")
    name, prefix = visible(layer.name[:80]), "answer " if side == "answer" else ""
    return before, after, f"{prefix}into {name}", f"{prefix}out of {name}"


def _lines(sign: str, blocks: Iterable[Block]) -> list[str]:
    shown_blocks = tuple(blocks)
    lines = [f"{sign} {visible(block.kind)}: {block_head(block)}" for block in shown_blocks[:MAX_BLOCKS]]
    return lines if len(shown_blocks) <= MAX_BLOCKS else [*lines, f"… and {len(shown_blocks) - MAX_BLOCKS} more"]


__all__ = ["layer_rows", "layer_turns"]
