"""Arguments that a JSON Schema describes, for tools without a typed signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from ..errors import MisuseError
from ..packages import require
from ..values.frozen_json import FrozenDict, freeze, thaw
from .arguments import Misfit, fitted_arguments
from .json_schema import offered_schema

JSON_TEXT_KINDS: dict[str, Any] = {
    "array": ("list",),
    "object": ("object",),
    "integer": ("integer",),
    "number": ("integer", "number"),
    "boolean": ("boolean",),
}


class GivenSchema:
    """The arguments of a tool by a JSON Schema, which is checked when this is made."""

    def __init__(self, schema: Any, tool_name: str, *, is_trusted: bool = True) -> None:
        if not isinstance(schema, Mapping):
            raise MisuseError(f"parameters of {tool_name} must be a JSON Schema, got {schema!r:.60}")
        self._tool_name = tool_name
        self._is_trusted = is_trusted
        try:
            self._schema: FrozenDict = freeze(schema)
            self.parameters: FrozenDict = freeze(offered_schema(self._schema))
            self._validator  # noqa: B018 - reports an invalid schema now and not at the first call
        except MisuseError as error:
            raise MisuseError(f"parameters of {tool_name}: {error}") from None
        self.argument_names: tuple[Any, ...] = tuple(self.parameters["properties"])

    @property
    def defaults(self) -> dict[str, Any]:
        """The defaults that the schema states."""
        schemas = self.parameters["properties"].items()
        return {
            name: schema["default"] for name, schema in schemas if isinstance(schema, Mapping) and "default" in schema
        }

    @cached_property
    def _validator(self) -> Any:
        require("jsonschema")
        from jsonschema import Draft202012Validator, SchemaError
        from jsonschema.validators import validator_for
        from referencing import Registry

        schema = thaw(self._schema)
        validator_class = validator_for(schema, default=Draft202012Validator)
        try:
            validator_class.check_schema(schema)
        except SchemaError as error:
            where = ".".join(map(str, error.absolute_path))
            raise MisuseError(f"this is not a JSON Schema: {where and f'{where}: '}{error.message:.200}") from None
        if not self._is_trusted:
            schema = _without_patterns(schema)
        return validator_class(schema, registry=Registry())  # an empty registry never fetches anything

    def fit(self, args: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Return `args` as plain values, and notices of repairs. Raises MisuseError for arguments that do not fit."""
        return fitted_arguments(thaw(args), self._validate)

    def _validate(self, arguments: dict[str, Any]) -> tuple[dict[str, Any], Sequence[Misfit]]:
        misfits: list[Misfit] = []
        for error in self._validator.iter_errors(arguments):
            misfits.extend(self._misfits(error))
        return arguments, misfits

    def _misfits(self, error: Any) -> list[Misfit]:
        path = tuple(error.absolute_path)
        where = ".".join(map(str, path)) or "the arguments"
        names = ", ".join(self.argument_names) or "nothing"
        if error.validator == "required":
            missing_names = [name for name in error.validator_value if name not in error.instance]
            return [
                Misfit(path, error.instance, f"{'.'.join(map(str, (*path, name)))} is missing")
                for name in missing_names
            ]
        if error.validator == "additionalProperties" and not path:
            unknown_names = [name for name in error.instance if name not in error.schema.get("properties", {})]
            return [
                Misfit(path, error.instance, f"{name} is unknown; {self._tool_name} takes {names}")
                for name in unknown_names
            ]
        message = f"{where}: {error.message:.200}"
        return [Misfit(path, error.instance, message, tuple(_wanted_kinds(error)))]


def _without_patterns(schema: Any) -> Any:
    """Return a schema without regular expressions, which could take for ever; its author checks them anyway."""
    if isinstance(schema, dict):
        return {name: _without_patterns(value) for name, value in schema.items() if not _is_pattern(name, value)}
    return [_without_patterns(item) for item in schema] if isinstance(schema, list) else schema


def _is_pattern(name: str, value: Any) -> bool:
    return (name == "pattern" and isinstance(value, str)) or (name == "patternProperties" and isinstance(value, dict))


def _wanted_kinds(error: Any) -> list[str]:
    """Return the types that the value at this place should have, as far as a JSON text may stand for them."""
    if error.validator in ("anyOf", "oneOf"):
        branches = [branch for branch in error.context if branch.absolute_path == error.absolute_path]
        return [kind for branch in branches for kind in _wanted_kinds(branch)]
    if error.validator != "type":
        return []
    names = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    return [kind for name in names for kind in JSON_TEXT_KINDS.get(name, ())]


__all__ = ["GivenSchema"]
