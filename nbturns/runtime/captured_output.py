"""Output of tools: it is stored with the result of the tool, and shown as usual by a terminal.

A notebook shows it once, in the block of the result.

All threads share `sys.stdout`, so output is assigned to a tool call by its context: each call
has its own, and output of other cells passes through.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from contextvars import ContextVar, Token
from typing import Any, Self, TextIO, cast

MAX_CHARACTERS = 100_000  # characters stored per call; further output is only shown, in a notebook too


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

    @property
    def has_all(self) -> bool:
        """True while all output is recorded."""
        return self._characters_left >= 0

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
            sys.stdout = cast(TextIO, tee.replaced_stdout)


class _Tee:
    """A replacement of `sys.stdout` while tools run, which also writes to the real one.

    It is an `io.TextIOBase` for `isinstance` and does not derive from it, because a finalizer of that class would
    flush a stream that may be gone by then.
    """

    def __init__(self, real_stdout: TextIO | None) -> None:
        self.real_stdout: TextIO = cast(TextIO, _NoOutput()) if real_stdout is None else real_stdout
        self.replaced_stdout = real_stdout
        self.user_count = 0
        self._is_of_notebook = type(real_stdout).__module__.partition(".")[0] == "ipykernel"

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        capture = _active_capture.get()
        if capture is not None:
            capture.record(text)
            if self._is_of_notebook and capture.has_all:
                return len(text)
        return self.real_stdout.write(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Flush only; the real stream stays open for others."""
        self.real_stdout.flush()

    @property
    def buffer(self) -> _BinaryTee:
        return _BinaryTee(self.real_stdout)

    def detach(self) -> _BinaryTee:
        """Return the stream of bytes; the real stream keeps its own, because others print to it."""
        return self.buffer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real_stdout, name)


class _BinaryTee:
    """The bytes below a `_Tee`, as libraries write them that encode text themselves."""

    def __init__(self, real_stdout: TextIO) -> None:
        self._buffer = real_stdout.buffer
        self._encoding = real_stdout.encoding or "utf-8"

    def write(self, content: bytes) -> int:
        written_count = self._buffer.write(content)
        if (capture := _active_capture.get()) is not None:
            capture.record(bytes(content).decode(self._encoding, "replace"))
        return written_count

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def close(self) -> None:
        """Flush only; the real stream stays open for others."""
        self._buffer.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._buffer, name)


class _NoOutput:
    """The stream of a process that has none (`sys.stdout` is None), where printing does nothing."""

    encoding = "utf-8"
    closed = False

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Do nothing."""

    def isatty(self) -> bool:
        return False


io.TextIOBase.register(_Tee)
io.BufferedIOBase.register(_BinaryTee)
_active_capture: ContextVar[CapturedOutput | None] = ContextVar("listening", default=None)
_reusable_tees: list[_Tee] = []  # at most one, reused while `sys.stdout` is the same


def _install_tee() -> _Tee:
    current_stdout: Any = sys.stdout
    if isinstance(current_stdout, _Tee):
        return current_stdout
    if not _reusable_tees or _reusable_tees[0].replaced_stdout is not current_stdout:
        _reusable_tees[:] = (_Tee(current_stdout),)
    return _reusable_tees[0]
