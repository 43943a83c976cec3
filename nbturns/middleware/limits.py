"""End a run that costs too much, before the next model call."""

from __future__ import annotations

from ..contract import Engine, Middleware, Scope
from ..errors import LimitReached, MisuseError
from ..turns import Turn


def limits(
    *, tokens: int | None = None, cost: float | None = None, calls: int | None = None, seconds: float | None = None
) -> Middleware:
    """Raise LimitReached when the calls since the prompt have used up one of these.

    `tokens` in and out, `cost` in USD, `calls` to the model, `seconds` the model took; a
    pause costs nothing. What is not known (a price) cannot be limited and is not counted.
    """
    for name, most in (("tokens", tokens), ("cost", cost), ("calls", calls), ("seconds", seconds)):
        if most is not None and (not isinstance(most, (int, float)) or isinstance(most, bool) or most < 0):
            raise MisuseError(f"{name} is limited to a number from 0 up, not to {most!r:.60}")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        results = turn.inferences
        used = {
            "tokens": (turn.usage.total_tokens, tokens),
            "USD": (sum(result.cost or 0.0 for result in results), cost),
            "model calls": (len(results), calls),
            "seconds": (sum(result.duration_ms or 0 for result in results) / 1000, seconds),
        }
        for unit, (spent, most) in used.items():
            if most is not None and spent >= most:
                raise LimitReached(
                    f"this run used {spent:g} {unit}, and its limit is {most:g}; go on with session.ask(error.turn)",
                    turn=turn,
                )
        return await engine(turn, scope)

    return layer
