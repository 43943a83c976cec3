"""Entry points of installed packages: importers, engines, middleware, sinks and profiles of others.

A package that cannot be loaded is reported once, with a RuntimeWarning that names the package and
its entry point, and is left out. Nothing else is affected.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import printable_message

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

_reported_failures: set[tuple[str, str, str]] = set()  # group, name and package of what was warned of in this process


def entry_points(group: str) -> dict[str, EntryPoint]:
    """Return the entry points of a group by name, sorted; none of them is loaded."""
    from importlib.metadata import entry_points as installed

    return {point.name: point for point in sorted(installed(group=group), key=lambda point: point.name)}


def package_of(point: EntryPoint) -> str:
    """Return the name of the distribution that declares an entry point."""
    return point.dist.name if point.dist is not None else "unknown"


def load_plugins(group: str, prepare: Callable[[Any], T]) -> dict[str, T]:
    """Load every entry point of a group and pass it to `prepare`; leave out, with a warning, what fails."""
    plugins: dict[str, T] = {}
    for name, point in entry_points(group).items():
        try:
            plugins[name] = prepare(point.load())
        except Exception as error:  # anybody's package, which may raise anything
            report_failure(point, error)
    return plugins


def report_failure(point: EntryPoint, error: Exception) -> None:
    """Warn of a plugin that failed: once in a process for each entry point."""
    key = (point.group, point.name, package_of(point))
    if key not in _reported_failures:
        _reported_failures.add(key)
        message = printable_message(failure_text(point, error))
        warnings.warn(f"{message}; it is left out", RuntimeWarning, stacklevel=3)


def failure_text(point: EntryPoint, error: Exception) -> str:
    """Return a sentence that names the package, the entry point, and the error."""
    return (
        f"the package {package_of(point)!r} failed "
        f"(entry point {point.name} = {point.value!r} in {point.group}): {type(error).__name__}: {error}"
    )
