"""Breakpoints that a page adds, lists, disables and removes. Those of a session hold for its later executions, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from ...errors import MisuseError
from ...events import Pause, Snapshot
from ...render.text import shorten, visible
from ...runtime.breakpoints import Breakpoint, snapshot_test
from ...runtime.execution import Execution
from .call_fields import json_text

MAX_BREAKPOINTS = 100
MAX_PATTERN_LENGTH = 1_000
TEXT_CONDITIONS = ("tool", "phase", "model", "text")
SESSION_TEST_LIMIT = 100


class ViewBreakpoint:
    """The condition of a breakpoint that was made with the mouse, for a session and its executions."""

    def __init__(self, conditions: Mapping[str, Any]) -> None:
        self._test, description = snapshot_test(**conditions)
        self.description: str = description
        self.__name__: str = description
        self.enabled = True

    def __call__(self, snapshot: Snapshot) -> bool:
        return self.enabled and bool(self._test(snapshot))


class ArgumentGlob:
    """A test of an argument: its text matches a glob; other values match as JSON."""

    def __init__(self, glob: str) -> None:
        self._glob = glob

    def __call__(self, value: Any) -> bool:
        return fnmatchcase(value if isinstance(value, str) else json_text(value), self._glob)

    def __repr__(self) -> str:
        return self._glob


def breakpoint_rows(execution: Execution, pause: Pause | None) -> list[dict[str, Any]]:
    """Return the breakpoints of an execution as plain data; `here` marks the one that caused the pause."""
    here = pause.reason.removeprefix("breakpoint: ") if pause and pause.reason.startswith("breakpoint") else None
    return [
        {
            "key": id(breakpoint),
            "name": visible(shorten(breakpoint.name, 120)),
            "enabled": breakpoint.enabled,
            "hits": breakpoint.hits,
            "here": breakpoint.name == here,
        }
        for breakpoint in execution.breakpoints[:MAX_BREAKPOINTS]
        if not breakpoint.once
    ]


def conditions_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `break_when` from the fields of a page. Raises MisuseError for invalid ones."""
    conditions: dict[str, Any] = {}
    for name in TEXT_CONDITIONS:
        if text := message.get(name):
            if not isinstance(text, str) or len(text) > MAX_PATTERN_LENGTH:
                raise MisuseError(f"{name} must be a text of at most {MAX_PATTERN_LENGTH:,} characters")
            conditions["phase_name" if name == "phase" else name] = text
    argument, glob = message.get("argument"), message.get("value")
    if argument:
        if not isinstance(argument, str) or not isinstance(glob, str) or len(glob) > MAX_PATTERN_LENGTH:
            raise MisuseError("an argument needs a pattern, like /etc/*")
        conditions["args"] = {argument: ArgumentGlob(glob)}
    for name, read in (("tokens", int), ("cost", float)):
        if (text := message.get(name)) not in (None, ""):
            conditions[name] = _number(name, text, read)
    if message.get("error"):
        conditions["error"] = True
    return conditions


def _number(name: str, text: Any, read: Callable[[str], float]) -> float:
    try:
        value = read(str(text).replace(",", "").replace("$", "").strip())
    except ValueError:
        raise MisuseError(f"{name} must be a number, got {text!r:.40}") from None
    if not 0 <= value < 1e15:
        raise MisuseError(f"{name} must be a number from 0 up, got {text!r:.40}")
    return value


def add_breakpoint(execution: Execution, message: Mapping[str, Any]) -> Breakpoint:
    """Add a breakpoint to an execution, and to its session for the executions that follow."""
    if len(execution.breakpoints) >= MAX_BREAKPOINTS:
        raise MisuseError(f"there are {MAX_BREAKPOINTS} breakpoints; remove one")
    test = ViewBreakpoint(conditions_of(message))
    added = execution._step_controller.add_breakpoint(test, test.description)
    session = execution.session
    if session is not None and len(session.break_when) < SESSION_TEST_LIMIT:
        session.break_when = (*session.break_when, test)
    return added


def change_breakpoint(execution: Execution, message: Mapping[str, Any]) -> None:
    """Enable, disable or remove a breakpoint. Raises MisuseError for one that no longer exists."""
    found = next((breakpoint for breakpoint in execution.breakpoints if id(breakpoint) == message.get("key")), None)
    if found is None:
        raise MisuseError("this breakpoint no longer exists")
    session = execution.session
    if message.get("remove"):
        found.remove()
        if session is not None:
            session.break_when = tuple(test for test in session.break_when if test is not found.test)
        return
    found.enabled = bool(message.get("enabled"))
    if isinstance(found.test, ViewBreakpoint):
        found.test.enabled = found.enabled


__all__ = ["add_breakpoint", "breakpoint_rows", "change_breakpoint", "conditions_of"]
