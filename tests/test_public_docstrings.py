"""Every public name, method and property is documented, and names the errors that it raises itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
import types
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import nbturns as nt

MODULES = "errors events frames engines middleware profiles tools widgets testing".split()
# Wrong arguments raise it everywhere; the page docs/errors.md says so.
EVERYWHERE = {"MisuseError"}


def public_values() -> Iterator[tuple[str, Any]]:
    modules = [("nt", nt), *((name, importlib.import_module(f"nbturns.{name}")) for name in MODULES)]
    for prefix, module in modules:
        for name in module.__all__:
            value = getattr(module, name)
            if not isinstance(value, types.ModuleType):
                yield f"{prefix}.{name}", value


def methods(cls: type) -> Iterator[tuple[str, types.FunctionType]]:
    """Yield the public methods and properties of a class, and of those of its parents that are ours."""
    for parent in cls.__mro__:
        if not parent.__module__.startswith("nbturns."):
            continue
        for name, member in vars(parent).items():
            function: Any = member
            if isinstance(member, classmethod | staticmethod):
                function = member.__func__
            elif isinstance(member, property):
                function = member.fget
            elif isinstance(member, cached_property):
                function = member.func
            if not name.startswith("_") and isinstance(function, types.FunctionType):
                yield name, function


def functions() -> dict[str, types.FunctionType]:
    found: dict[str, types.FunctionType] = {}
    for name, value in public_values():
        if isinstance(value, types.FunctionType):
            found[name] = value
        elif isinstance(value, type):
            found |= {f"{name}.{method}": function for method, function in methods(value)}
    return found


def raised(function: types.FunctionType) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node.exc.func for node in ast.walk(tree) if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)]
    return {call.id for call in calls if isinstance(call, ast.Name) and call.id.endswith(("Error", "Reached"))}


def test_every_public_name_method_and_property_has_a_docstring() -> None:
    classes = {name: value for name, value in public_values() if isinstance(value, type)}

    assert [name for name, value in {**classes, **functions()}.items() if not (value.__doc__ or "").strip()] == []
    assert len(functions()) > 350


def test_a_docstring_names_the_errors_that_its_function_raises() -> None:
    missing = {
        name: errors
        for name, function in functions().items()
        if (errors := {error for error in raised(function) - EVERYWHERE if error not in (function.__doc__ or "")})
    }

    assert missing == {}
