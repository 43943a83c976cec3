"""The signature, the types, the name and the description of anything that can be called."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import MisuseError


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function, of the one in a partial, or of the class of an object."""
    target = _innermost(function)
    return str(getattr(target, "__name__", type(target).__name__))


def description_of(function: Callable[..., Any]) -> str:
    """Return what the author wrote about a function; "" for texts that Python or pydantic generated."""
    target = _innermost(function)
    if not isinstance(target, type) and _is_instance_of_own_class(target):
        return _class_docstring(type(target)) or _docstring(type(target).__call__)
    return _class_docstring(target) if isinstance(target, type) else _docstring(target)


def signature_of(function: Callable[..., Any], tool_name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters that a call still has to fill: without those that a partial binds by name.

    Raises MisuseError for a function of another language without a signature.
    """
    try:
        parameters = dict(inspect.signature(function).parameters)
    except (ValueError, TypeError) as error:
        raise MisuseError(f"{tool_name} has no signature for a schema; wrap it in a typed function") from error
    for layer in _layers(function):
        for name in layer.keywords if isinstance(layer, functools.partial) else ():
            if name in parameters and parameters[name].kind is not inspect.Parameter.VAR_KEYWORD:
                del parameters[name]
    return parameters


def type_hints_of(function: Callable[..., Any], tool_name: str) -> dict[str, Any]:
    """Return the types of the parameters, names in annotations resolved. Raises MisuseError for an undefined name."""
    try:
        return _type_hints(_innermost(function))
    except NameError as error:
        raise MisuseError(f"{tool_name} has an annotation that is not defined: {error}") from error
    except TypeError as error:
        raise MisuseError(f"{tool_name} has an annotation that is not a type: {error}") from error


def _type_hints(target: Any) -> dict[str, Any]:
    if isinstance(target, type):
        hints = typing.get_type_hints(target, include_extras=True)
        for method_name in ("__new__", "__init__"):
            method = getattr(target, method_name)
            if isinstance(method, types.FunctionType) and not _is_generic_initializer(method):
                hints |= typing.get_type_hints(inspect.unwrap(method), include_extras=True)
        return hints
    if _is_instance_of_own_class(target):
        target = type(target).__call__
    return typing.get_type_hints(_unwrapped(target), include_extras=True)


def _is_generic_initializer(method: types.FunctionType) -> bool:
    """Return True for the `__init__(self, **data)` of pydantic models, whose fields are annotations of the class."""
    return method.__module__.startswith("pydantic.")


def _layers(function: Any) -> Iterator[Any]:
    """Yield a function, and what its partials and caches wrap, from the outermost on."""
    yield function
    while isinstance(function, (functools.partial, functools._lru_cache_wrapper)):
        function = function.func if isinstance(function, functools.partial) else function.__wrapped__
        yield function


def _innermost(function: Any) -> Any:
    return list(_layers(function))[-1]


def _unwrapped(function: Any) -> Any:
    """Return the function in caches, methods and decorators, up to one with a signature of its own."""
    return inspect.unwrap(function, stop=lambda wrapper: hasattr(wrapper, "__signature__"))


def _is_instance_of_own_class(target: Any) -> bool:
    """Return True for an object with `__call__`; False for functions, methods and what wraps one, like a cache."""
    return not inspect.isroutine(target) and not hasattr(target, "__wrapped__")


def _docstring(function: Any) -> str:
    return inspect.getdoc(function) or ""


def _class_docstring(target: type) -> str:
    """Return the docstring that a class was written with, else that of its `__init__`."""
    text = target.__dict__.get("__doc__")
    if isinstance(text, str) and not _is_generated(target, text):
        return inspect.cleandoc(text)
    initializer = target.__dict__.get("__init__")
    return _docstring(initializer) if isinstance(initializer, types.FunctionType) and initializer.__doc__ else ""


def _is_generated(target: type, text: str) -> bool:
    """Return True for the docstrings "Point(x: int)" of dataclasses and "Point(x, y)" of named tuples."""
    return text.startswith(f"{target.__name__}(") and text.endswith(")") and "\n" not in text.strip()


__all__ = ["description_of", "name_of", "signature_of", "type_hints_of"]
