"""What a tool prints: it reaches the user as ever, and is kept with the tool's result.

`sys.stdout` is shared by all threads, so what is printed is told apart by context: each
call of a tool listens in a context of its own, and prints of other cells pass untouched.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

MOST = 100_000  # characters kept of one call; what is printed beyond is shown and not kept

_listening: ContextVar[io.StringIO | None] = ContextVar("listening", default=None)


class _Tee(io.TextIOBase):
    """Stands in for `sys.stdout` while a tool runs, and passes everything on."""

    def __init__(self, real: TextIO) -> None:
        self.real = real
        self.users = 0

    def write(self, text: str) -> int:
        said = _listening.get()
        if said is not None and said.tell() < MOST:
            said.write(text[: MOST - said.tell()])
        return self.real.write(text)

    def flush(self) -> None:
        self.real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@contextmanager
def kept_prints() -> Iterator[io.StringIO]:
    """Keep what is printed in this context, threads that run in copies of it included.

    Entered and left on the host's loop alone, so nobody counts the users at the same time.
    """
    said = io.StringIO()
    token = _listening.set(said)
    tee = sys.stdout if isinstance(sys.stdout, _Tee) else _Tee(sys.stdout)
    tee.users += 1
    sys.stdout = tee
    try:
        yield said
    finally:
        _listening.reset(token)
        tee.users -= 1
        if not tee.users and sys.stdout is tee:
            sys.stdout = tee.real
