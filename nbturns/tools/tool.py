"""A tool: a function, the arguments that a model may pass, and what else is known about it."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

from ..errors import MisuseError
from ..safety.visible_text import printable
from ..values.frozen_json import EMPTY_DICT, FrozenDict
from .callables import description_of, name_of
from .function_arguments import FunctionArguments
from .given_schema import GivenSchema
from .provider_options import checked_options, provider_tool_name

Effect = Literal["pure", "idempotent", "effectful"]
TOOL_NAME = re.compile(r"[\w.:/-]{1,128}", re.ASCII)  # providers allow fewer; each reports its own limits


class Tool:
    """A function the model may call, sync or async.

    The schema of the arguments comes from the signature and the docstring, or is `parameters`, a
    JSON Schema. `effect` describes the effect of another call: pure (none), idempotent (the same
    again), effectful (a new one). `timeout` is in seconds and overrides the session's. `options`
    are those of single providers: `{"anthropic": {"strict": True}}`. With the `type` of one of the
    provider's own tools, the function runs the calls of that tool, and has its name.
    Raises MisuseError for a function whose signature cannot become a schema, and for unknown options.
    """

    origin = ""  # where the tool comes from, for messages: "MCP server files"
    reason_not_run = ""  # of a tool that is only known: the answer to its calls
    _closing: Callable[[], object] | None = None
    _is_trusted = True  # False for schemas of a server, whose regular expressions are not matched here

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        description: str | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        effect: Effect = "effectful",
        timeout: float | None = None,
        options: Mapping[str, Mapping[str, Any]] = EMPTY_DICT,
    ) -> None:
        if not callable(function):
            raise MisuseError(f"a tool must be a function, got {type(function).__name__}: {function!r:.60}")
        if effect not in typing.get_args(Effect):
            raise MisuseError(f"effect must be one of {', '.join(typing.get_args(Effect))}, got {effect!r:.60}")
        if timeout is not None and (isinstance(timeout, (str, bool)) or not timeout > 0):
            raise MisuseError(f"timeout must be a number of seconds above 0, got {timeout!r:.60}")
        self.function = function
        self.effect = effect
        self.timeout = timeout
        own_name = name or name_of(function)
        self.options: FrozenDict = checked_options(options, own_name) if options else EMPTY_DICT
        self.name: str = self._checked_name(own_name, is_given=bool(name))
        self._given_parameters = parameters
        self._given_description = description
        if parameters is not None:
            self._arguments  # noqa: B018 - reports an invalid schema now

    def _checked_name(self, name: str, *, is_given: bool) -> str:
        required_name = provider_tool_name(self.options)
        if required_name and is_given and name != required_name:
            raise MisuseError(f"the model calls this tool {required_name!r}, not {name!r:.60}; leave out name=")
        if not TOOL_NAME.fullmatch(name):
            raise MisuseError(f'{name!r:.60} is not a valid tool name; set one with nt.Tool(function, name="look_up")')
        return required_name or name

    @printable
    def __repr__(self) -> str:
        return f"<Tool {self.name}({', '.join(self._arguments.argument_names)})>"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _CACHED_NAMES}

    @cached_property
    def is_async(self) -> bool:
        """True if the function is a coroutine function, which runs on the event loop."""
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(type(self.function).__call__)

    @cached_property
    def _arguments(self) -> FunctionArguments | GivenSchema:
        if self._given_parameters is None:
            return FunctionArguments(self.function, self.name)
        return GivenSchema(self._given_parameters, self.name, is_trusted=self._is_trusted)

    @property
    def description(self) -> str:
        """The description for the model: the one given, else the docstring without its section of arguments."""
        if self._given_description is not None:
            return self._given_description
        arguments = self._arguments
        return arguments.description if isinstance(arguments, FunctionArguments) else description_of(self.function)

    @property
    def parameters(self) -> FrozenDict:
        """The arguments as a JSON Schema, with references only where a type contains itself."""
        return self._arguments.parameters

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The values of arguments that a call leaves out, as JSON; without those that a function makes for each call."""
        return self._arguments.defaults

    def arguments(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return `args` converted to the types of the function. Raises MisuseError that lists invalid arguments."""
        return self._arguments.fit(args)[0]

    def fit(self, args: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return `args` as in `arguments`, and a text for each value that was repaired."""
        return self._arguments.fit(args)

    def close(self) -> None:
        """End what the tool keeps open: the server of an MCP tool. Other tools keep nothing open."""
        if self._closing is not None:
            self._closing()

    def replace(self, **changes: Any) -> Tool:
        """Return a tool with other arguments of the constructor: `tool.replace(timeout=5)`."""
        current = {
            "function": self.function,
            "name": "" if provider_tool_name(self.options) else self.name,
            "description": self._given_description,
            "parameters": self._given_parameters,
            "effect": self.effect,
            "timeout": self.timeout,
            "options": self.options,
        }
        tool = type(self)(**{**current, **changes})
        tool.origin, tool._closing = self.origin, self._closing
        return tool


_CACHED_NAMES = frozenset({"is_async", "_arguments"})  # pydantic's validators cannot be pickled

__all__ = ["Effect", "Tool"]
