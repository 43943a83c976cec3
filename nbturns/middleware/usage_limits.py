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
    for limit_name, limit_value in (("tokens", tokens), ("cost", cost), ("calls", calls), ("seconds", seconds)):
        if limit_value is not None and (
            not isinstance(limit_value, (int, float)) or isinstance(limit_value, bool) or limit_value < 0
        ):
            raise MisuseError(f"expected a limit of {limit_name} from 0 up, got {limit_value!r:.60}")

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        inference_results = turn.inferences
        usage_by_unit = {
            "tokens": (turn.usage.total_tokens, tokens),
            "USD": (sum(result.cost or 0.0 for result in inference_results), cost),
            "model calls": (len(inference_results), calls),
            "seconds": (sum(result.duration_ms or 0 for result in inference_results) / 1000, seconds),
        }
        for unit, (spent_amount, limit_value) in usage_by_unit.items():
            if limit_value is not None and spent_amount >= limit_value:
                raise LimitReached(
                    f"this run used {spent_amount:g} {unit} of {limit_value:g}; to continue, use session.ask(error.turn)",
                    turn=turn,
                )
        return await engine(turn, scope)

    return layer
