"""Log what goes into each model call and what comes out."""

from __future__ import annotations

import logging
from collections import Counter

from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..values.turns import Turn


def log_calls(logger: logging.Logger | None = None, level: int = logging.INFO) -> Middleware:
    """Return a middleware that logs the blocks by kind and the duration of each call, but no content."""
    log = logger or logging.getLogger("nbturns")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        log.log(level, "asking: %s", _block_counts(turn))
        try:
            answer = await engine(turn, scope)
        except Exception as error:
            log.log(level, "failed: %s", type(error).__name__)
            raise
        result = answer.inferences[-1] if answer.inferences else None
        log.log(
            level,
            "answered: %s; %s",
            _block_counts(answer),
            f"{result.finish_class}, {result.duration_ms} ms" if result else "no result",
        )
        return answer

    return layer


def _block_counts(turn: Turn) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(block.kind for block in turn).items())
