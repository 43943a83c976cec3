"""Try a model call again when the provider could not be reached or had no time.

Every attempt is in the Turn's ledger with its own result, and every wait is a Notice,
so that a slow answer can be told from a busy provider.
"""

from __future__ import annotations

import asyncio

from ..contract import Engine, Middleware, Scope
from ..errors import EngineError
from ..events import Notice
from ..turns import Turn

STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
KINDS = frozenset({"connection", "timeout", "overloaded_error", "rate_limit_error", "api_error", "server_error"})
FINAL = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})  # a 429 that no wait will mend
LONGEST = 60.0  # seconds; a provider that asks for more is told to the user instead


def retry(times: int = 3, *, backoff: float = 0.5, factor: float = 2.0) -> Middleware:
    """Ask again up to `times`, after what the provider says or `backoff` seconds, then longer.

    A call that had already said something is never repeated: its text was shown.
    """

    async def layer(turn: Turn, scope: Scope, engine: Engine) -> Turn:
        for attempt in range(times + 1):
            try:
                return await engine(turn, scope)
            except EngineError as error:
                wait = error.retry_after if error.retry_after is not None else backoff * factor**attempt
                if attempt == times or wait > LONGEST or not _worth_another(error, turn):
                    raise
                scope.emit(Notice(f"{error}; asking again in {wait:g} s ({attempt + 1} of {times})"))
                await asyncio.sleep(wait)
        raise AssertionError  # the last attempt returned or raised

    return layer


def _worth_another(error: EngineError, turn: Turn) -> bool:
    said = isinstance(error.turn, Turn) and len(error.turn) > len(turn)
    return not said and error.kind not in FINAL and (error.status in STATUSES or error.kind in KINDS)
