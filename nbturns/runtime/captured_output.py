"""What a tool prints: it reaches the user as ever, and is kept with the tool's result.

`sys.stdout` is shared by all threads, so what is printed is told apart by context: each
call of a tool listens in a context of its own, and prints of other cells pass untouched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Any, Self, TextIO, cast

MAX_CHARACTERS = 100_000  # characters kept of one call; what is printed beyond is shown and not kept


class CapturedOutput:
    """Keeps what is printed in this context, threads that run in copies of it included.

    Entered and left on the host's loop alone, so nobody counts the users at the same time.
    """

    __slots__ = ("_before", "_pieces", "_room", "_tee")
    _before: Token[CapturedOutput | None]
    _install_tee: _Tee

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = MAX_CHARACTERS

    @property
    def text(self) -> str:
        return "".join(self._pieces) if self._pieces else ""

    def keep(self, text: str) -> None:
        if self._room > 0:
            self._pieces.append(text[: self._room])
            self._room -= len(text)

    def __enter__(self) -> Self:
        self._before = _active_capture.set(self)
        self._tee = tee = _install_tee()
        tee.users += 1
        sys.stdout = cast(TextIO, tee)
        return self

    def __exit__(self, *_: object) -> None:
        _active_capture.reset(self._before)
        tee = self._tee
        tee.users -= 1
        if not tee.users and sys.stdout is tee:
            sys.stdout = tee.real


class _Tee:
    """Stands in for `sys.stdout` while a tool runs, and passes everything on.

    No `io.TextIOBase`: its finalizer would close the stand-in, and with that flush a stream that may be gone by then.
    """

    def __init__(self, real: TextIO) -> None:
        self.real = real
        self.users = 0

    def write(self, text: str) -> int:
        said = _active_capture.get()
        if said is not None:
            said.keep(text)
        return self.real.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Flush; the real stream is for others to print to."""
        self.real.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


_active_capture: ContextVar[CapturedOutput | None] = ContextVar("listening", default=None)
_reusable_tees: list[_Tee] = []  # used again as long as `sys.stdout` is the same


def _install_tee() -> _Tee:
    now: Any = sys.stdout
    if isinstance(now, _Tee):
        return now
    if not _reusable_tees or _reusable_tees[0].real is not now:
        _reusable_tees[:] = (_Tee(now),)
    return _reusable_tees[0]
