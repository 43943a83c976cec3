"""A tool is a typed function with a docstring: the schema comes from its signature."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache, cached_property
from typing import Any, Literal

from .errors import MisuseError
from .packages import require
from .values.frozen_json import FrozenDict, freeze, thaw

Effect = Literal["pure", "idempotent", "effectful"]
TOOL_NAME = re.compile(r"[\w.:/-]{1,128}", re.ASCII)  # providers allow fewer; each reports its own limits
SCALAR_TYPES = frozenset({str, int, float, bool, type(None)})


class Tool:
    """A function the model may call, sync or async.

    `effect` describes the effect of another call: pure (none), idempotent (the same again),
    effectful (a new one). `timeout` is in seconds and overrides the session's.
    Raises TypeError for a function whose signature cannot become a schema.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        description: str | None = None,
        *,
        effect: Effect = "effectful",
        timeout: float | None = None,
    ) -> None:
        if not callable(function):
            raise MisuseError(f"a tool must be a function, got {type(function).__name__}: {function!r:.60}")
        if effect not in typing.get_args(Effect):
            raise MisuseError(f"effect must be one of {', '.join(typing.get_args(Effect))}, got {effect!r:.60}")
        if timeout is not None and (isinstance(timeout, (str, bool)) or not timeout > 0):
            raise MisuseError(f"timeout must be a number of seconds above 0, got {timeout!r:.60}")
        self.function = function
        self.name = name or str(getattr(function, "__name__", type(function).__name__))
        if not TOOL_NAME.fullmatch(self.name):
            raise MisuseError(
                f'{self.name!r:.60} is not a valid tool name; set one with nt.Tool(function, name="look_up")'
            )
        self.description = description if description is not None else inspect.getdoc(function) or ""
        self.effect = effect
        self.timeout = timeout

    def __repr__(self) -> str:
        return f"<Tool {self.name}({', '.join(self._argument_names)})>"

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(type(self.function).__call__)

    @cached_property
    def parameters(self) -> FrozenDict:
        """The arguments as a JSON Schema without references."""
        schema = self._type_adapter.json_schema(schema_generator=_schema_generator())
        clean = _inline_references(schema, schema.get("$defs", {}), ())
        for name, default in self._argument_defaults.items():
            clean["properties"][name].setdefault("default", default)
        frozen: FrozenDict = freeze({"type": "object", "properties": {}, "additionalProperties": False, **clean})
        return frozen

    def arguments(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return `args` converted to the types of the function. Raises ValueError that lists invalid arguments."""
        arguments = (
            args if SCALAR_TYPES.issuperset(map(type, args.values())) else thaw(args)
        )  # the function may change its arguments
        validate, refusal = self._validation
        try:
            fitted: dict[str, Any] = validate(arguments)
        except refusal as error:
            raise MisuseError(
                "; ".join(self._error_message(value) for value in error.errors(include_url=False))
            ) from None
        return fitted

    def _error_message(self, error: Mapping[str, Any]) -> str:
        where = ".".join(map(str, error["loc"])) or "the arguments"
        if error["type"] == "missing":
            return f"{where} is missing"
        if error["type"] == "extra_forbidden":
            return f"{where} is unknown; {self.name} takes {', '.join(self._argument_names) or 'nothing'}"
        return f"{where}: {error['msg'].lower()}, not {error['input']!r:.60}"

    @cached_property
    def _signature_parameters(self) -> dict[str, inspect.Parameter]:
        try:
            return dict(inspect.signature(self.function).parameters)
        except ValueError as error:
            raise MisuseError(f"{self.name} has no signature for a schema; wrap it in a typed function") from error

    @cached_property
    def _argument_names(self) -> tuple[str, ...]:
        parameters = (p for p in self._signature_parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
        return tuple(p.name for p in parameters)

    @cached_property
    def _argument_defaults(self) -> dict[str, Any]:
        arguments = {name: self._signature_parameters[name].default for name in self._argument_names}
        return {name: default for name, default in arguments.items() if isinstance(default, (str, int, float, bool))}

    @cached_property
    def _validation(self) -> tuple[Callable[[Mapping[str, Any]], dict[str, Any]], type[Any]]:
        """The function that validates arguments, and the error it raises; cached, because pydantic is slow."""
        require("pydantic")
        from pydantic import ValidationError

        return self._type_adapter.validator.validate_python, ValidationError

    @cached_property
    def _type_adapter(self) -> Any:
        require("pydantic")
        from pydantic import ConfigDict, Field, PydanticSchemaGenerationError, TypeAdapter
        from typing_extensions import TypedDict

        hints = _type_hints(self.function, self.name)
        fields: dict[str, Any] = {}
        for name in self._argument_names:
            parameter = self._signature_parameters[name]
            if parameter.kind is parameter.POSITIONAL_ONLY:
                raise MisuseError(
                    f"{self.name}: {name} is positional-only, but models pass arguments by name; remove the / from the signature"
                )
            hint = hints.get(name, Any)
            if typing.get_origin(hint) is typing.Annotated:
                notes = (Field(description=n) if isinstance(n, str) else n for n in hint.__metadata__)
                hint = typing.Annotated[(hint.__origin__, *notes)]
            fields[name] = hint if parameter.default is parameter.empty else typing.NotRequired[hint]
        arguments_type = TypedDict("Arguments", fields)  # type: ignore[misc]  # made at run time, one field an argument
        open_ended = any(p.kind is p.VAR_KEYWORD for p in self._signature_parameters.values())
        extra: Any = "allow" if open_ended else "forbid"
        config = ConfigDict(extra=extra, arbitrary_types_allowed=False)
        arguments_type.__pydantic_config__ = config  # type: ignore[attr-defined]  # where pydantic looks
        try:
            return TypeAdapter(arguments_type)
        except PydanticSchemaGenerationError as error:
            raise MisuseError(
                f"{self.name} has an argument that JSON cannot hold: {str(error).splitlines()[0]}"
            ) from error


def _type_hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    target = function if isinstance(function, (types.FunctionType, types.MethodType)) else type(function).__call__
    try:
        return typing.get_type_hints(getattr(function, "func", target), include_extras=True)
    except NameError as error:
        raise MisuseError(f"{name} has an annotation that is not defined: {error}") from error


@cache
def _schema_generator() -> type[Any]:
    from pydantic.json_schema import GenerateJsonSchema

    class SchemaGenerator(GenerateJsonSchema):
        def dataclass_schema(self, schema: Any) -> dict[str, Any]:
            """Forbid other fields where a dataclass does, as pydantic does from 2.14 on."""
            json_schema = super().dataclass_schema(schema)
            if schema.get("config", {}).get("extra_fields_behavior") == "forbid":
                json_schema.setdefault("additionalProperties", False)
            return json_schema

    return SchemaGenerator


def _inline_references(schema: Any, defs: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """Return a schema with its references replaced and without the titles of pydantic, which repeat names."""
    if isinstance(schema, list):
        return [_inline_references(item, defs, inside) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        name = reference.rsplit("/", 1)[-1]
        if name in inside:
            raise MisuseError(f"{name} contains itself; the schema of a tool cannot be recursive")
        siblings = {k: v for k, v in schema.items() if k != "$ref"}
        return {**_inline_references(defs[name], defs, (*inside, name)), **_inline_references(siblings, defs, inside)}
    clean = {
        k: _inline_references(v, defs, inside) for k, v in schema.items() if k not in ("title", "$defs", "properties")
    }
    if "properties" in schema:
        clean["properties"] = {
            name: _inline_references(item, defs, inside) for name, item in schema["properties"].items()
        }
    return clean


__all__ = [
    "Tool",
]


def __dir__() -> list[str]:
    return sorted(__all__)
