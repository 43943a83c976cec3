"""Typed dicts of the standard library in the form that pydantic takes before Python 3.12."""

from __future__ import annotations

import functools
import operator
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any


def is_typed_dict(hint: Any) -> bool:
    return isinstance(hint, type) and hasattr(hint, "__required_keys__") and hasattr(hint, "__total__")


def typed_dict_fields(typed_dict: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield the name and the type of each field, and whether it is required."""
    for name, hint in typing.get_type_hints(typed_dict, include_extras=True).items():
        is_required = name in typed_dict.__required_keys__  # wrong for qualifiers in annotations that were texts
        while (qualifier := getattr(typing.get_origin(hint), "_name", "")) in ("Required", "NotRequired", "ReadOnly"):
            is_required = is_required if qualifier == "ReadOnly" else qualifier == "Required"
            hint = typing.get_args(hint)[0]
        yield name, hint, is_required


def with_extended_typed_dicts(hint: Any, _replaced: dict[Any, Any] | None = None) -> Any:
    """Return a type in which each `typing.TypedDict` is one of typing_extensions; from Python 3.12 on, the type itself."""
    if sys.version_info >= (3, 12):
        return hint
    replaced = {} if _replaced is None else _replaced
    if is_typed_dict(hint) and type(hint).__module__ == "typing":
        if hint not in replaced:
            replaced[hint] = _empty_copy(hint)
            fields = list(typed_dict_fields(hint))
            replaced[hint].__annotations__ = {
                name: with_extended_typed_dicts(field_hint, replaced) for name, field_hint, _ in fields
            }
            replaced[hint].__required_keys__ = frozenset(name for name, _, is_required in fields if is_required)
            replaced[hint].__optional_keys__ = frozenset(name for name, _, is_required in fields if not is_required)
        return replaced[hint]
    if not (arguments := typing.get_args(hint)) or typing.get_origin(hint) is typing.Literal:
        return hint
    new_arguments = tuple(
        argument if isinstance(argument, list) else with_extended_typed_dicts(argument, replaced)
        for argument in arguments
    )
    if new_arguments == arguments:
        return hint
    if typing.get_origin(hint) is typing.Annotated:
        return typing.Annotated[(new_arguments[0], *hint.__metadata__)]
    if isinstance(hint, types.UnionType):
        return functools.reduce(operator.or_, new_arguments)
    if hasattr(hint, "copy_with"):
        return hint.copy_with(new_arguments)
    return types.GenericAlias(typing.get_origin(hint), new_arguments) if isinstance(hint, types.GenericAlias) else hint


def _empty_copy(typed_dict: Any) -> Any:
    """Return a typed dict of typing_extensions with the name of another one, without its fields."""
    import typing_extensions

    make_typed_dict: Any = typing_extensions.TypedDict
    copy = make_typed_dict(typed_dict.__name__, {}, total=typed_dict.__total__)
    copy.__doc__ = typed_dict.__doc__
    copy.__module__ = typed_dict.__module__
    if config := getattr(typed_dict, "__pydantic_config__", None):
        copy.__pydantic_config__ = config
    return copy


__all__ = ["is_typed_dict", "typed_dict_fields", "with_extended_typed_dicts"]
