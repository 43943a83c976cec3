"""The errors of nbturns as a tree. Each message names the place and the next step.

NbturnsError
├── LoadError        a file or text cannot be read: `.file`, `.position`
├── DecodeError      the value of a typed key does not fit its type: `.key`
├── EngineError      a model call failed: `.status`, `.retry_after`, `.request_id`, `.turn`
│   ├── ScriptExhausted   a scripted engine was asked more often than it has answers
│   └── DriftError        a replayed conversation differs from its recording: `.difference`
├── ToolError        a tool failed and the policy says to end the run: `.turn`
├── LimitReached     the loop was still calling tools at its limit: `.turn`
├── ProfileError     a profile cannot be read, found, resolved or built: `.key`, `.file`, `.position`
├── StoreError       a store cannot be opened, read or written: `.file`
├── BusyError        this session has an execution in progress
├── EndedError       an execution is over, so a decision for it has no effect
├── MissingPackageError   a required package is not installed: `.package`, `.command`; also an ImportError
├── MisuseError      an argument has a wrong type or value; also a TypeError and a ValueError
└── HeldError        the execution is paused and `result()` would wait for ever

An error that ends an execution has the Turn up to the error in `.turn`.
"""

from __future__ import annotations

from typing import Any


class NbturnsError(Exception):
    """The base of all errors. `turn` is the Turn up to the error, or None."""

    turn: Any = None

    def __str__(self) -> str:
        """Return the message, in which no text of a model or a file controls the terminal."""
        return printable_message(super().__str__())

    def __repr__(self) -> str:
        return printable_message(super().__repr__())

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: the user's lines and the message, without frames of this package."""
        from .safety.short_traceback import short_traceback

        return short_traceback(self)


def printable_message(text: str) -> str:
    """Return a text that is safe to print and has no key that was passed in a wrong place."""
    from .safety.secret_texts import without_known_keys
    from .safety.visible_text import visible

    return visible(without_known_keys(text))


class LoadError(NbturnsError):
    """A file or text cannot be read. `file` is its name, `position` the place of the error in it.

    `run` is the conversation before that place, or None.
    """

    run: Any = None

    def __init__(self, message: str, *, file: str = "", position: str = "") -> None:
        self.file = file
        self.position = position
        self.reason: str = printable_message(message)
        super().__init__(": ".join(part for part in (file, position, message) if part))


class DecodeError(NbturnsError):
    """The value of a typed key does not fit its type."""

    def __init__(self, message: str, *, key: str = "") -> None:
        self.key = key
        super().__init__(message)


class EngineError(NbturnsError):
    """A model call failed. `status` is the HTTP status, `retry_after` is in seconds.

    `body` is the provider's error as it came, without keys: its `param`, `innererror`, `failed_generation`, ….
    """

    body: Any = None
    should_retry: bool | None = None  # from the server; None if it does not say

    def __init__(
        self,
        message: str,
        *,
        turn: Any = None,
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str = "",
        kind: str = "",
    ) -> None:
        super().__init__(message)
        self.turn = turn
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id
        self.kind = kind  # the provider's name of the error: "overloaded_error", "stream_cut", …


class ScriptExhausted(EngineError):
    """A scripted engine was asked more often than it has answers."""


class DriftError(EngineError):
    """A replayed conversation left the recorded one. `difference` shows both sides."""

    def __init__(self, message: str, *, difference: str = "", turn: Any = None) -> None:
        super().__init__(message, turn=turn)
        self.difference: str = printable_message(difference)


class ToolError(NbturnsError):
    """A tool failed, and `ToolConfig.tool_error_handling` says to end the run."""

    def __init__(self, message: str, *, turn: Any = None) -> None:
        super().__init__(message)
        self.turn = turn


class LimitReached(NbturnsError):
    """The loop was still calling tools when it reached its limit of model calls."""

    def __init__(self, message: str, *, turn: Any = None) -> None:
        super().__init__(message)
        self.turn = turn


class ProfileError(NbturnsError):
    """A profile cannot be read, found, resolved or built.

    `key` is the name of a profile, a field like "loop.limit", or a tool. `valid_names` are those
    that would be accepted. `file` and `position` are the place of the error, if it was read from a file.
    """

    def __init__(
        self, message: str, *, key: str = "", valid_names: tuple[str, ...] = (), file: str = "", position: str = ""
    ) -> None:
        self.key = key
        self.valid_names = valid_names
        self.file = file
        self.position = position
        self.reason: str = printable_message(message)
        super().__init__(": ".join(part for part in (file, position, message) if part))


class BusyError(NbturnsError):
    """The session has an execution in progress, and runs one at a time."""


class EndedError(NbturnsError):
    """The execution is over, so there is no further pause for a decision."""


class StoreError(NbturnsError):
    """A store cannot be opened, read or written. `file` is its path."""

    def __init__(self, message: str, *, file: str = "") -> None:
        self.file = file
        self.reason: str = printable_message(message)
        super().__init__(f"{file}: {message}" if file else message)


class HeldError(NbturnsError):
    """The execution is paused; only `step()`, `resume()` or a button continues it."""


class MissingPackageError(NbturnsError, ModuleNotFoundError):
    """A required package is not installed. `command` installs `package`.

    It is an ImportError as well. Engines and profiles raise an EngineError or ProfileError with its message.
    """

    def __init__(self, message: str, *, package: str, command: str) -> None:
        super().__init__(message, name=package)
        self.package = package
        self.command = command


class MisuseError(NbturnsError, TypeError, ValueError):
    """An argument has a wrong type or value; the message names the accepted ones.

    It is also a TypeError and a ValueError, for code that catches the errors of Python.
    """


def message_of(error: BaseException) -> str:
    """Return the message of any exception; its str() is code of others and may raise, too."""
    try:
        return str(error)
    except BaseException:  # the message of an error cannot be an error again
        return "its message cannot be shown"


def describe_error(error: BaseException) -> str:
    """Return the type and the message of any exception."""
    return f"{type(error).__name__}: {message_of(error)}"


def attach_turn(error: BaseException, turn: Any) -> None:
    """Put a Turn on an error as `turn`; an error of others may refuse it."""
    try:
        error.turn = turn  # type: ignore[attr-defined]  # the error carries the Turn
    except Exception:  # the attributes of an error are code of others and may raise
        return


def attached_turn(error: BaseException | None) -> Any:
    """Return the Turn that an error carries, or None."""
    try:
        return getattr(error, "turn", None)
    except Exception:  # the attributes of an error are code of others and may raise
        return None


__all__ = [
    "BusyError",
    "DecodeError",
    "DriftError",
    "EndedError",
    "EngineError",
    "HeldError",
    "LimitReached",
    "LoadError",
    "MissingPackageError",
    "MisuseError",
    "NbturnsError",
    "ProfileError",
    "ScriptExhausted",
    "StoreError",
    "ToolError",
]


def __dir__() -> list[str]:
    return sorted(__all__)
