"""At most so many calls a second, and always one more after the last request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ..host import loop

FRAMES = 30  # a second; a burst without this loses its end and leaves the kernel busy
TEXT_FRAMES = 25  # a second, where there is only more text: each is an envelope around a few words


class Throttle:
    """Calls `function` on the host's loop: as soon as it may, and not before `wait` seconds have passed.

    What comes within that wait goes along, so a step that takes a few ms is drawn once.
    """

    def __init__(self, function: Callable[[], None], per_second: float = FRAMES, wait: float = 0.0) -> None:
        self._function = function
        self._gap = 1 / per_second
        self._wait = wait
        self._last = 0.0
        self._waiting: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        if self._waiting is not None:
            return
        left = max(self._last + self._gap - time.monotonic(), self._wait)
        if left <= 0:
            self.now()
        else:
            self._waiting = loop().call_later(left, self.now)

    def now(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        self._last = time.monotonic()
        self._function()
