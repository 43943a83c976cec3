"""Interrupts, as by Ctrl-C, that are sent when the main thread is where a test wants them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interrupt_in(*functions: Callable[..., Any], after: float = 0.0) -> Iterator[list[float]]:
    """Interrupt this process `after` seconds after its main thread was seen in one of these functions.

    A timer alone fires too early on a busy machine. The list gets the time of the interrupt (`time.monotonic()`).
    """
    codes = {function.__code__ for function in functions}
    sent: list[float] = []
    ended = threading.Event()

    def interrupt() -> None:
        while not _is_main_thread_in(codes) and not ended.wait(0.001):
            pass
        if not ended.wait(after):
            sent.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def _is_main_thread_in(codes: set[Any]) -> bool:
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False
