"""At most so many calls a second, and always one more after the last request."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..host import loop

FRAMES = 30  # a second; a burst without this loses its end and leaves the kernel busy
TEXT_FRAMES = 25  # a second, where there is only more text: each is an envelope around a few words


class Throttle:
    """Calls `function` on the host's loop: at once if it may, else as soon as it may."""

    def __init__(self, function: Callable[[], None], per_second: float = FRAMES) -> None:
        self._function = function
        self._gap = 1 / per_second
        self._last = 0.0
        self._waiting = False

    def __call__(self) -> None:
        if self._waiting:
            return
        left = self._last + self._gap - time.monotonic()
        if left <= 0:
            self.now()
        else:
            self._waiting = True
            loop().call_later(left, self.now)

    def now(self) -> None:
        self._waiting = False
        self._last = time.monotonic()
        self._function()
