"""Arguments that the signature of a function describes: their schema, and values as the function takes them."""

from __future__ import annotations

import inspect
import json
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from ..errors import MisuseError
from ..packages import require
from ..values.frozen_json import FrozenDict, freeze, thaw
from .arguments import Misfit, fitted_arguments
from .callables import description_of, signature_of, type_hints_of
from .docstrings import split_docstring
from .json_schema import offered_schema
from .typed_dicts import is_typed_dict, typed_dict_fields, with_extended_typed_dicts

SCALAR_TYPES = frozenset({str, int, float, bool, type(None)})
LIST_ERRORS = frozenset({"list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"})
OBJECT_ERRORS = frozenset({"dict_type", "model_type", "model_attributes_type", "dataclass_type", "mapping_type", "dataclass_exact_type"})  # fmt: skip
MISSING: Any = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its type, and its default (MISSING without one). `new_default` makes a default for each call."""

    name: str
    hint: Any
    default: Any = MISSING
    new_default: Callable[[], Any] | None = None
    is_required: bool = False


class FunctionArguments:
    """The arguments of a function, by its signature.

    Raises MisuseError for a signature that cannot become a schema, when `parameters` is read.
    """

    def __init__(self, function: Callable[..., Any], tool_name: str) -> None:
        self._function = function
        self._tool_name = tool_name

    @cached_property
    def argument_names(self) -> tuple[str, ...]:
        return tuple(self._arguments)

    @cached_property
    def description(self) -> str:
        """The docstring without its section of arguments."""
        return self._docstring[0]

    @cached_property
    def _docstring(self) -> tuple[str, dict[str, str]]:
        text = description_of(self._function)
        try:
            return split_docstring(text, self.argument_names)
        except MisuseError:  # reported by `parameters`
            return text, {}

    @cached_property
    def parameters(self) -> FrozenDict:
        """The arguments as a JSON Schema."""
        require("pydantic")
        from pydantic.errors import PydanticUserError

        try:
            schema = self._type_adapter.json_schema(schema_generator=_schema_generator())
        except PydanticUserError as error:
            raise self._unusable(error) from error
        offered = offered_schema(schema, keep_titles=False)
        offered = {"type": "object", "properties": {}, "additionalProperties": False, **offered}
        descriptions = self._docstring[1]
        for name, argument in self._arguments.items():
            if isinstance(property_schema := offered["properties"].get(name), dict):
                if name in descriptions:
                    property_schema.setdefault("description", descriptions[name])
                if _is_plain_default(argument.default):
                    property_schema.setdefault("default", argument.default)
        frozen: FrozenDict = freeze(offered)
        return frozen

    @cached_property
    def defaults(self) -> FrozenDict:
        """The defaults of the arguments, as JSON has them; without those that a function makes for each call."""
        arguments = self._arguments.values()
        frozen: FrozenDict = freeze(
            {
                argument.name: _json_default(argument.default)
                for argument in arguments
                if argument.default is not MISSING
            }
        )
        return frozen

    def fit(self, args: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return `args` as the function takes them, and notices of repairs. Raises MisuseError for other arguments."""
        arguments = dict(args) if SCALAR_TYPES.issuperset(map(type, args.values())) else thaw(args)
        return fitted_arguments(arguments, self._validate)

    def _validate(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Misfit]]:
        validate, validate_json, refusal, defaults = self._validation
        try:
            validated: dict[str, Any] = validate(arguments)
        except refusal as error:
            try:
                validated = validate_json(
                    json.dumps(arguments)
                )  # strict types accept JSON's texts for dates and others
            except (refusal, TypeError, ValueError):
                return {}, [self._misfit(value) for value in error.errors(include_url=False)]
        for name, new_default in defaults:
            if name not in validated:
                validated[name] = new_default()
        return validated, ()

    def _misfit(self, error: Mapping[str, Any]) -> Misfit:
        path, kind = tuple(error["loc"]), error["type"]
        where = ".".join(map(str, path)) or "the arguments"
        if kind == "missing":
            message = f"{where} is missing"
        elif kind == "extra_forbidden":
            message = f"{where} is unknown; {self._tool_name} takes {', '.join(self.argument_names) or 'nothing'}"
        else:
            message = f"{where}: {error['msg'].lower()}, not {error['input']!r:.60}"
        wants = ("list",) if kind in LIST_ERRORS else ("object",) if kind in OBJECT_ERRORS else ()
        return Misfit(path, error["input"], message, wants)

    @cached_property
    def _signature(self) -> dict[str, inspect.Parameter]:
        return signature_of(self._function, self._tool_name)

    @cached_property
    def _arguments(self) -> dict[str, Argument]:
        hints = type_hints_of(self._function, self._tool_name)
        arguments: dict[str, Argument] = {}
        for name, parameter in self._signature.items():
            hint = hints.get(name, Any)
            if parameter.kind is parameter.VAR_KEYWORD:
                arguments |= _unpacked_arguments(hint)
            elif parameter.kind is parameter.POSITIONAL_ONLY:
                raise MisuseError(
                    f"{self._tool_name}: {name} is positional-only, but models pass arguments by name; remove the / from the signature"
                )
            elif parameter.kind is not parameter.VAR_POSITIONAL:
                arguments[name] = _argument(name, hint, parameter.default)
        return arguments

    @cached_property
    def _extra_hint(self) -> Any:
        """The type of further arguments, those of `**options: int`; MISSING where none are accepted."""
        keyword_parameters = [name for name, p in self._signature.items() if p.kind is p.VAR_KEYWORD]
        if not keyword_parameters:
            return MISSING
        hint = type_hints_of(self._function, self._tool_name).get(keyword_parameters[0], Any)
        return MISSING if _unpacked_type(hint) is not None else hint

    @cached_property
    def _validation(self) -> tuple[Any, Any, type[Any], tuple[tuple[str, Callable[[], Any]], ...]]:
        """The functions that validate arguments, and the error they raise; cached, because pydantic is slow."""
        from pydantic import ValidationError

        validator = self._type_adapter.validator
        defaults = tuple((a.name, a.new_default) for a in self._arguments.values() if a.new_default is not None)
        return validator.validate_python, validator.validate_json, ValidationError, defaults

    @cached_property
    def _type_adapter(self) -> Any:
        require("pydantic")
        from pydantic import ConfigDict, TypeAdapter
        from typing_extensions import TypedDict

        fields: dict[str, Any] = {
            argument.name: argument.hint if argument.is_required else typing.NotRequired[argument.hint]
            for argument in self._arguments.values()
        }
        extra_hint = self._extra_hint
        make_typed_dict: Any = TypedDict  # at run time, with one field an argument
        extra_items = {} if extra_hint in (MISSING, Any) else {"extra_items": extra_hint}
        arguments_type = make_typed_dict("Arguments", fields, **extra_items)
        extra: Any = "forbid" if extra_hint is MISSING else "allow"
        arguments_type.__pydantic_config__ = ConfigDict(
            extra=extra, arbitrary_types_allowed=False
        )  # where pydantic looks
        try:
            return TypeAdapter(arguments_type)
        except Exception as error:  # types of the user, and of other packages, may raise anything
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> MisuseError:
        return MisuseError(f"{self._tool_name} has an argument that JSON cannot hold: {str(error).splitlines()[0]}")


def _argument(name: str, hint: Any, default: Any) -> Argument:
    """Return an argument, with the default and the constraints of a pydantic Field taken apart."""
    require("pydantic")
    from pydantic import Field
    from pydantic.fields import FieldInfo

    notes: list[Any] = []
    if typing.get_origin(hint) is typing.Annotated:
        notes = [Field(description=note) if isinstance(note, str) else note for note in hint.__metadata__]
        hint = hint.__origin__
    if isinstance(default, FieldInfo):
        notes.append(default)
    new_default: Callable[[], Any] | None = None
    for index, note in enumerate(notes):
        if isinstance(note, FieldInfo):
            notes[index], field_default, factory = _without_default(note)
            if factory is not None:
                new_default = factory
            elif field_default is not MISSING:
                default, new_default = field_default, (lambda value=field_default: value)
    if isinstance(default, FieldInfo):
        default = MISSING
    hint = with_extended_typed_dicts(hint)
    return Argument(
        name,
        typing.Annotated[(hint, *notes)] if notes else hint,
        default,
        new_default,
        is_required=default is MISSING and new_default is None,
    )


def _without_default(field: Any) -> tuple[Any, Any, Callable[[], Any] | None]:
    """Return a pydantic Field without its default, the default, and the function that makes it."""
    import copy

    from pydantic_core import PydanticUndefined

    default = MISSING if field.default in (PydanticUndefined, ...) else field.default
    plain_field = copy.copy(field)
    plain_field.default, plain_field.default_factory = PydanticUndefined, None
    plain_field._attributes_set = {
        name: value for name, value in field._attributes_set.items() if name not in ("default", "default_factory")
    }
    return plain_field, default, field.default_factory


def _unpacked_type(hint: Any) -> Any:
    """Return the typed dict of `**options: Unpack[Options]`, or None."""
    arguments = typing.get_args(hint)
    is_unpacked = getattr(typing.get_origin(hint), "__name__", "") == "Unpack" or str(typing.get_origin(hint)).endswith(
        ".Unpack"
    )
    return arguments[0] if is_unpacked and arguments and is_typed_dict(arguments[0]) else None


def _unpacked_arguments(hint: Any) -> dict[str, Argument]:
    typed_dict = _unpacked_type(hint)
    if typed_dict is None:
        return {}
    return {
        name: Argument(name, _argument(name, field_hint, MISSING).hint, is_required=is_required)
        for name, field_hint, is_required in typed_dict_fields(typed_dict)
    }


def _json_default(default: Any) -> Any:
    """Return a default as a call would state it; the name of its type where JSON cannot hold it."""
    from pydantic_core import to_jsonable_python

    try:
        return to_jsonable_python(default, bytes_mode="base64", fallback=str)
    except Exception:  # a cycle, or an error of the value's own
        return f"<{type(default).__name__}>"


def _is_plain_default(default: Any) -> bool:
    return isinstance(default, (str, int, float, bool)) and not (
        isinstance(default, float) and not math.isfinite(default)
    )


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


__all__ = ["FunctionArguments"]
