"""Output of tools: it is shown as usual and stored with the result of the tool.

All threads share `sys.stdout`, so output is assigned to a tool call by its context: each call
has its own, and output of other cells passes through.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Any, Self, TextIO, cast

MAX_CHARACTERS = 100_000  # characters stored per call; further output is only shown


class CapturedOutput:
    """Record the output printed in this context and in threads that run in copies of it.

    Only the thread of the event loop enters and exits it, so `user_count` needs no lock.
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
    """A replacement of `sys.stdout` while tools run, which also writes to the real one.

    It does not derive from `io.TextIOBase`, whose finalizer would flush a stream that may be gone by then.
    """

    def __init__(self, real_stdout: TextIO) -> None:
        self.real_stdout = real_stdout
        self.user_count = 0

    def write(self, text: str) -> int:
        capture = _active_capture.get()
        if capture is not None:
            capture.record(text)
        return self.real_stdout.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Flush only; the real stream stays open for others."""
        self.real_stdout.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real_stdout, name)


_active_capture: ContextVar[CapturedOutput | None] = ContextVar("listening", default=None)
_reusable_tees: list[_Tee] = []  # at most one, reused while `sys.stdout` is the same


def _install_tee() -> _Tee:
    current_stdout: Any = sys.stdout
    if isinstance(current_stdout, _Tee):
        return current_stdout
    if not _reusable_tees or _reusable_tees[0].real_stdout is not current_stdout:
        _reusable_tees[:] = (_Tee(current_stdout),)
    return _reusable_tees[0]
