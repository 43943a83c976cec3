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

    __slots__ = ("_characters_left", "_context_token", "_recorded_pieces", "_tee")
    _context_token: Token[CapturedOutput | None]
    _install_tee: _Tee

    def __init__(self) -> None:
        self._recorded_pieces: list[str] = []
        self._characters_left = MAX_CHARACTERS

    @property
    def text(self) -> str:
        return "".join(self._recorded_pieces) if self._recorded_pieces else ""

    def record(self, text: str) -> None:
        if self._characters_left > 0:
            self._recorded_pieces.append(text[: self._characters_left])
            self._characters_left -= len(text)

    def __enter__(self) -> Self:
        self._context_token = _active_capture.set(self)
        self._tee = tee = _install_tee()
        tee.user_count += 1
        sys.stdout = cast(TextIO, tee)
        return self

    def __exit__(self, *_: object) -> None:
        _active_capture.reset(self._context_token)
        tee = self._tee
        tee.user_count -= 1
        if not tee.user_count and sys.stdout is tee:
            sys.stdout = tee.real_stdout


class _Tee:
    """Stands in for `sys.stdout` while a tool runs, and passes everything on.

    No `io.TextIOBase`: its finalizer would close the stand-in, and with that flush a stream that may be gone by then.
    """

    def __init__(self, real: TextIO) -> None:
        self.real_stdout = real
        self.user_count = 0

    def write(self, text: str) -> int:
        said = _active_capture.get()
        if said is not None:
            said.record(text)
        return self.real_stdout.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Flush; the real stream is for others to print to."""
        self.real_stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real_stdout, name)


_active_capture: ContextVar[CapturedOutput | None] = ContextVar("listening", default=None)
_reusable_tees: list[_Tee] = []  # used again as long as `sys.stdout` is the same


def _install_tee() -> _Tee:
    now: Any = sys.stdout
    if isinstance(now, _Tee):
        return now
    if not _reusable_tees or _reusable_tees[0].real_stdout is not now:
        _reusable_tees[:] = (_Tee(now),)
    return _reusable_tees[0]
