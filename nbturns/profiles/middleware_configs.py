"""Check the config of middlewares when a profile is resolved, before a factory is called."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

from ..errors import ProfileError
from .middleware_uses import Use
from .schema import find_mismatch, suggest
from .secrets import Reference, Secret

PLAIN_TYPES = (str, int, float, bool, dict, list, type(None))


def check_parameter_names(use: Use, factory: Callable[..., Any], argument: str) -> None:
    """Raise ProfileError for a name in the config that the factory has no parameter for."""
    parameters = inspect.signature(factory).parameters
    takes_any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for name in map(str, use.config):
        if name not in parameters and not takes_any_name:
            raise ProfileError(
                f"{argument.removesuffix('s')} {use.key!r} has no parameter {name!r}; {suggest(name, parameters)}",
                key=f"{argument}.{use.key}.config.{name}",
                valid_names=tuple(parameters),
            )


def check_middleware_configs(uses: Iterable[Use], factories: Mapping[str, Callable[..., Any]]) -> None:
    """Raise ProfileError for a config with an unknown name or a value of a wrong type, as far as they are annotated.

    Middlewares that are not among the factories are looked up when a session is built.
    """
    for use in uses:
        factory = factories.get(use.name)
        if factory is None:
            continue
        check_parameter_names(use, factory, "middleware")
        for name, value in use.config.items():
            hint = _type_hint(factory, str(name))
            if hint is None or not _is_plain(hint) or isinstance(value, (Reference, Secret)):
                continue
            if mismatch := find_mismatch(value, hint, (str(name),)):
                raise ProfileError(
                    f"middleware {use.key!r}: {name} {mismatch.message}", key=f"middleware.{use.key}.config.{name}"
                )


def _type_hint(factory: Callable[..., Any], parameter_name: str) -> Any:
    """Return the type of one parameter, or None; the other annotations of a factory may not be evaluable."""
    annotations = getattr(factory, "__annotations__", {})
    if parameter_name not in annotations:
        return None
    annotated = types.SimpleNamespace(__annotations__={parameter_name: annotations[parameter_name]})
    try:
        return typing.get_type_hints(annotated, getattr(factory, "__globals__", {}))[parameter_name]
    except Exception:  # annotations are code of others and may raise anything
        return None


def _is_plain(hint: Any) -> bool:
    """Return True for types of plain data, which a value of a profile can be compared with."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return all(map(_is_plain, typing.get_args(hint)))
    if origin in (list, dict):
        return all(map(_is_plain, typing.get_args(hint)))
    return origin is Literal or any(hint is plain_type for plain_type in PLAIN_TYPES)
