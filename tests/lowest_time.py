"""The processor time of a function, without what a busy machine or the garbage collector adds to it."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

TRIES = 3


def lowest_seconds(function: Callable[[], Any], *, limit: float = 0.0) -> float:
    """Return the lowest processor time of a few calls, in seconds; the first one below the limit is enough.

    The threads of the function count as well. One collection takes half a second after some thousand tests,
    and would be charged to whichever call comes next.
    """
    lowest = float("inf")
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(TRIES):
            start = time.process_time()
            function()
            lowest = min(lowest, time.process_time() - start)
            if lowest < limit:
                break
    finally:
        if was_enabled:
            gc.enable()
    return lowest
