"""Log what goes into each model call and what comes out."""

from __future__ import annotations

import logging
from collections import Counter

from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..safety.visible_text import visible
from ..values.turns import Turn


def log_calls(logger: logging.Logger | None = None, level: int = logging.INFO) -> Middleware:
    """Return a middleware that logs the blocks by kind and the duration of each call, but no content."""
    call_logger = logger or logging.getLogger("nbturns")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        call_logger.log(level, "asking: %s", _block_counts(turn))
        try:
            answered_turn = await engine(turn, scope)
        except Exception as error:
            call_logger.log(level, "failed: %s", type(error).__name__)
            raise
        last_result = answered_turn.inferences[-1] if answered_turn.inferences else None
        call_logger.log(
            level,
            "answered: %s; %s",
            _block_counts(answered_turn),
            f"{last_result.finish_class}, {last_result.duration_ms} ms" if last_result else "no result",
        )
        return answered_turn

    return layer


def _block_counts(turn: Turn) -> str:
    return ", ".join(f"{count} {visible(kind)}" for kind, count in Counter(block.kind for block in turn).items())
