"""The arguments of a session: their checks and their description."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import iscoroutinefunction
from typing import Any

from ..errors import MisuseError
from ..values.turns import Run
from .engine_protocol import Middleware
from .tool_config import ToolConfig


def require_callables(functions: Any, name: str) -> tuple[Any, ...]:
    if callable(functions) or isinstance(functions, str) or not isinstance(functions, Iterable):
        raise MisuseError(f"{name} must be a list of functions, like {name}=[...], got {functions!r:.60}")
    checked_functions = tuple(functions)
    if not_callable := [function for function in checked_functions if not callable(function)]:
        raise MisuseError(f"{name} must be a list of functions; {not_callable[0]!r:.60} is not callable")
    if name != "middleware" and (
        async_functions := [function for function in checked_functions if iscoroutinefunction(function)]
    ):
        raise MisuseError(
            f"{name} must be plain functions, because they are not awaited; {async_functions[0]!r:.60} is async"
        )
    return checked_functions


def layer_name(layer: Middleware) -> str:
    """Return the name of a middleware; one of nbturns has the name of the function that made it."""
    name: str = getattr(layer, "name", "") or getattr(layer, "__qualname__", type(layer).__qualname__)
    return name.partition(".<locals>")[0]


def refuse_misuse(engine: Any, system: Any, tool_config: Any, run: Any) -> None:
    """Raise MisuseError for arguments of a session that have another type."""
    if not callable(engine):
        hint = "; use session.as_engine()" if hasattr(engine, "as_engine") else ""
        raise MisuseError(
            f'expected an engine, like nt.engine("anthropic:…") or nt.scripted(…), got {engine!r:.60}{hint}'
        )
    if not isinstance(system, str):
        raise MisuseError(f"system must be a str, got {type(system).__name__}: {system!r:.60}")
    if not isinstance(tool_config, ToolConfig):
        raise MisuseError(f"tool_config must be an nt.ToolConfig(...), got {tool_config!r:.60}")
    if run is not None and not isinstance(run, Run):
        raise MisuseError(f"run must be an nt.Run, like nt.load(path), got {type(run).__name__}: {run!r:.60}")


def describe_session(session: Any) -> str:
    """Return the layers of an `ask` of a session as lines, outermost first."""
    layers = [layer_name(layer) for layer in session.middleware] + (["system prompt"] if session.system else [])
    turn_count = len(session.turns)
    lines = {
        "session": f"{session.id}, {turn_count} turn{'s' * (turn_count != 1)}",
        "asks": " → ".join([*layers, repr(session.engine)]),
        "tools": ", ".join(f"{tool.name} ({tool.effect})" for tool in session.tools) or "none",
        "limit": f"{session.tool_config.max_iterations} model calls",
        "steps": "pauses at its boundaries" if session.step else "no pauses",
    }
    return "\n".join(f"{name:8}{description}" for name, description in lines.items())


class IdSource:
    """A source of short ids with a prefix that no other session has."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}-{self._count}"
