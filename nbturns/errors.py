"""What can go wrong, as a tree. Each error says where, and what to do next.

NbturnsError
├── LoadError        a file or text that is not what it should be: `.file`, `.position`
├── DecodeError      a typed key holds something else: `.key`
├── EngineError      a model call failed: `.status`, `.retry_after`, `.request_id`, `.turn`
│   ├── ScriptExhausted   a scripted engine was asked more often than it has answers
│   └── DriftError        a replayed conversation went another way: `.difference`
├── ToolError        a tool failed and the policy says to end the run: `.turn`
├── LimitReached     the loop was still calling tools at its limit: `.turn`
├── ProfileError     a profile cannot be read, found, resolved or built: `.key`, `.file`, `.position`
├── BusyError        this session has an execution in progress
├── EndedError       an execution is over, and what was decided for it comes too late
├── MissingPackageError   a package that this needs is not installed: `.package`, `.command`; an ImportError, too
├── MisuseError      something was called with what it cannot take; a TypeError and a ValueError, too
└── HeldError        the execution stands at a pause and nobody was to wait for it

An error that ends an execution carries the Turn as far as it came, in `.turn`.
"""

from __future__ import annotations

from typing import Any


class NbturnsError(Exception):
    """Any error of ours. `turn` is the Turn as far as it came, where there was one."""

    turn: Any = None


class LoadError(NbturnsError):
    """A file or text could not be read. `file` names it, `position` says where in it.

    `run` is what stood before that place, where it makes a conversation.
    """

    run: Any = None

    def __init__(self, message: str, *, file: str = "", position: str = "") -> None:
        self.file = file
        self.position = position
        self.reason = message
        super().__init__(": ".join(part for part in (file, position, message) if part))


class DecodeError(NbturnsError):
    """A typed key is there, and what it holds does not fit its type."""

    def __init__(self, message: str, *, key: str = "") -> None:
        self.key = key
        super().__init__(message)


class EngineError(NbturnsError):
    """A model call failed. `status` is the HTTP status, `retry_after` is in seconds."""

    should_retry: bool | None = None  # what the server itself says, where it does

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
        self.kind = kind  # the provider's own word: "overloaded_error", "stream_cut", …


class ScriptExhausted(EngineError):
    """A scripted engine was asked more often than it has answers."""


class DriftError(EngineError):
    """A replayed conversation left the recorded one. `difference` shows both sides."""

    def __init__(self, message: str, *, difference: str = "", turn: Any = None) -> None:
        super().__init__(message, turn=turn)
        self.difference = difference


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

    `key` names what is meant: a profile, a field like "loop.limit", a tool. `known` are the
    names that would have done. `file` and `position` say where it was read, if it was.
    """

    def __init__(
        self, message: str, *, key: str = "", known: tuple[str, ...] = (), file: str = "", position: str = ""
    ) -> None:
        self.key = key
        self.known = known
        self.file = file
        self.position = position
        self.reason = message
        super().__init__(": ".join(part for part in (file, position, message) if part))


class BusyError(NbturnsError):
    """A session runs one execution at a time, and this one is not over."""


class EndedError(NbturnsError):
    """The execution is over: no pause will come at which this could be done."""


class HeldError(NbturnsError):
    """The execution stands at a pause: only `step()`, `resume()` or a button moves it."""


class MissingPackageError(NbturnsError, ModuleNotFoundError):
    """A package that is needed here is not installed. `command` installs `package`.

    It is an ImportError as well. Engines and profiles raise an EngineError or ProfileError with its message.
    """

    def __init__(self, message: str, *, package: str, command: str) -> None:
        super().__init__(message, name=package)
        self.package = package
        self.command = command


class MisuseError(NbturnsError, TypeError, ValueError):
    """Something was called with what it cannot take, and says what it takes.

    It is a TypeError and a ValueError as well, for those who catch what Python itself would raise.
    """


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
    "ToolError",
]


def __dir__() -> list[str]:
    return sorted(__all__)
