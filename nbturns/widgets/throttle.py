"""Limit how often a function is called, with a guaranteed call after the last request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..runtime.background_loop import background_loop

FRAMES_PER_SECOND = 30  # without this limit a burst of changes overloads the kernel
TEXT_FRAMES_PER_SECOND = 25  # for changes that only append text, whose messages are mostly overhead


class Throttle:
    """Call `function` on the event loop at most `per_second` times a second, each time at least `wait` seconds late.

    Requests during the wait are merged into one call, so a step of a few milliseconds is drawn once.
    """

    def __init__(self, function: Callable[[], None], per_second: float = FRAMES_PER_SECOND, wait: float = 0.0) -> None:
        self._function = function
        self._min_interval = 1 / per_second
        self._wait = wait
        self._last_call_time = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self._timer is not None:
            return
        delay = max(self._last_call_time + self._min_interval - time.monotonic(), self._wait)
        if delay <= 0:
            self.now()
        else:
            self._timer = background_loop().call_later(delay, self.now)

    def now(self) -> None:
        """Call the function immediately and cancel the pending call."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._last_call_time = time.monotonic()
        self._function()
