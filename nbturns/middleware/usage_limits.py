"""End a run that costs too much, before the next model call."""

from __future__ import annotations

from ..errors import LimitReached, MisuseError
from ..runtime.engine_protocol import Engine, Middleware, Scope
from ..values.turns import Turn


def limits(
    *, tokens: int | None = None, cost: float | None = None, calls: int | None = None, seconds: float | None = None
) -> Middleware:
    """Return a middleware that raises LimitReached when the calls since the prompt have used up a limit.

    `tokens` counts input and output, `cost` is in USD, `calls` counts model calls, `seconds` is the
    time of the model; a pause costs nothing. Calls without a known price are not in `cost`.
    """
    for name, limit in (("tokens", tokens), ("cost", cost), ("calls", calls), ("seconds", seconds)):
        if limit is not None and (not isinstance(limit, (int, float)) or isinstance(limit, bool) or limit < 0):
            raise MisuseError(f"expected a limit of {name} from 0 up, got {limit!r:.60}")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        results = turn.inferences
        used = {
            "tokens": (turn.usage.total_tokens, tokens),
            "USD": (sum(result.cost or 0.0 for result in results), cost),
            "model calls": (len(results), calls),
            "seconds": (sum(result.duration_ms or 0 for result in results) / 1000, seconds),
        }
        for unit, (spent, limit) in used.items():
            if limit is not None and spent >= limit:
                raise LimitReached(
                    f"this run used {spent:g} {unit} of {limit:g}; to continue, use session.ask(error.turn)",
                    turn=turn,
                )
        return await engine(turn, scope)

    return layer
