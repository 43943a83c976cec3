"""Repeat a model call when the provider could not be reached or was overloaded.

Every attempt has its own result in the ledger of the Turn, and every wait is a Notice, so that
a slow answer can be distinguished from a busy provider.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import ClassVar

from ..errors import EngineError
from ..events import Notice
from ..runtime.engine_protocol import Engine, Scope
from ..values.turns import Turn

STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
KINDS = frozenset(
    {
        "connection",
        "stream_cut",
        "overloaded_error",
        "rate_limit_error",
        "rate_limit_exceeded",
        "api_error",
        "server_error",
    }
)
FINAL = frozenset(
    {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
)  # a 429 that waiting does not solve
LONGEST_WAIT = 60.0  # seconds; a longer wait is an error instead
LONGEST_BACKOFF = 8.0  # seconds, the limit of our own waits


@dataclass(frozen=True, slots=True)
class Retry:
    """Repeats a failed call up to `times`, after the provider's wait or `backoff` seconds, then longer.

    A call with output is never repeated, because its text was shown. `longest` is the longest
    single wait and `total_wait` the limit of all waits, in seconds.
    """

    name: ClassVar[str] = "retry"
    times: int = 3
    backoff: float = 0.5
    factor: float = 2.0
    longest: float = LONGEST_WAIT
    total_wait: float | None = None

    async def __call__(self, turn: Turn, scope: Scope, engine: Engine) -> Turn:
        total_wait = 0.0
        for attempt in range(self.times + 1):
            try:
                return await engine(turn, scope if attempt == 0 else scope.replace(attempt=attempt + 1))
            except EngineError as error:
                wait = self._wait(error, attempt)
                total_wait += wait
                is_over_limit = self.total_wait is not None and total_wait > self.total_wait
                if attempt == self.times or wait > self.longest or is_over_limit or not _can_succeed(error, turn):
                    raise
                scope.emit(Notice(f"{error}; retrying in {wait:.3g} s ({attempt + 1} of {self.times})"))
                await asyncio.sleep(wait)
        raise AssertionError  # the last attempt returned or raised

    def _wait(self, error: EngineError, attempt: int) -> float:
        """Return the seconds to wait: the provider's, else longer each time, with jitter."""
        if error.retry_after is not None:
            return error.retry_after
        return min(self.backoff * self.factor**attempt, LONGEST_BACKOFF) * (1 - 0.25 * random.random())  # noqa: S311  # no secret


def retry(times: int = 3, *, backoff: float = 0.5, factor: float = 2.0, longest: float = LONGEST_WAIT) -> Retry:
    """Return a `Retry` of up to `times` for the list of middlewares; it replaces the engine's own."""
    return Retry(times, backoff, factor, longest)


def _can_succeed(error: EngineError, turn: Turn) -> bool:
    has_output = isinstance(error.turn, Turn) and len(error.turn) > len(turn)
    if has_output or error.kind in FINAL:
        return False
    if error.should_retry is not None:
        return error.should_retry
    return error.status in STATUSES or (error.status is None and error.kind in KINDS)
