"""Try a model call again when the provider could not be reached or had no time.

Every attempt is in the Turn's ledger with its own result, and every wait is a Notice,
so that a slow answer can be told from a busy provider.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import ClassVar

from ..contract import Engine, Scope
from ..errors import EngineError
from ..events import Notice
from ..turns import Turn

STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
KINDS = frozenset({"connection", "stream_cut", "overloaded_error", "rate_limit_error", "api_error", "server_error"})
FINAL = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})  # a 429 that no wait will mend
LONGEST = 60.0  # seconds; a provider that asks for more is told to the user instead
GROWN = 8.0  # seconds, beyond which a wait of our own does not grow


@dataclass(frozen=True, slots=True)
class Retry:
    """Ask again up to `times`, after what the provider says or `backoff` seconds, then longer.

    A call that had already said something is never repeated: its text was shown. `longest`
    is the longest single wait, `altogether` the limit of all of them, in seconds.
    """

    name: ClassVar[str] = "retry"
    times: int = 3
    backoff: float = 0.5
    factor: float = 2.0
    longest: float = LONGEST
    altogether: float | None = None

    async def __call__(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        waited = 0.0
        for attempt in range(self.times + 1):
            try:
                return await engine(turn, scope if attempt == 0 else scope.replace(attempt=attempt + 1))
            except EngineError as error:
                wait = self._wait(error, attempt)
                waited += wait
                spent = self.altogether is not None and waited > self.altogether
                if attempt == self.times or wait > self.longest or spent or not _worth_another(error, turn):
                    raise
                scope.emit(Notice(f"{error}; asking again in {wait:.3g} s ({attempt + 1} of {self.times})"))
                await asyncio.sleep(wait)
        raise AssertionError  # the last attempt returned or raised

    def _wait(self, error: EngineError, attempt: int) -> float:
        """Seconds: what the provider asks for, else longer each time, and not the same for all who were refused at once."""
        if error.retry_after is not None:
            return error.retry_after
        return min(self.backoff * self.factor**attempt, GROWN) * (1 - 0.25 * random.random())  # noqa: S311  # no secret


def retry(times: int = 3, *, backoff: float = 0.5, factor: float = 2.0, longest: float = LONGEST) -> Retry:
    """Ask again up to `times`: a `Retry` to list as a middleware. It stands for the one an engine brings."""
    return Retry(times, backoff, factor, longest)


def _worth_another(error: EngineError, turn: Turn) -> bool:
    said = isinstance(error.turn, Turn) and len(error.turn) > len(turn)
    if said or error.kind in FINAL:
        return False
    if error.should_retry is not None:
        return error.should_retry
    return error.status in STATUSES or (error.status is None and error.kind in KINDS)
