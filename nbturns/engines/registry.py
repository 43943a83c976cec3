"""Find providers among the entry points `nbturns.engines`; ours are declared like those of other packages."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from ..errors import EngineError
from .params import nearest_name
from .provider import Provider


@cache
def provider_entry_points() -> Mapping[str, EntryPoint]:
    """Return the entry points by name, without importing any provider."""
    return {point.name: point for point in entry_points(group="nbturns.engines")}


@cache
def find(name: str) -> Provider:
    """Return the provider of this name.

    Raises EngineError for an unknown name and for a package that cannot be imported.
    """
    points = provider_entry_points()
    if name not in points:
        raise EngineError(
            f"unknown provider {name!r}{nearest_name(name, points)}; "
            f"installed providers: {', '.join(sorted(points)) or 'none'}",
            kind="unknown_provider",
        )
    try:
        provider = points[name].load()
    except Exception as error:  # the code of another package
        reason = f"{type(error).__name__}: {error}"
        raise EngineError(
            f"cannot load provider {name!r} of package {_package(points[name])}: {reason}", kind="unknown_provider"
        ) from error
    if not isinstance(provider, Provider):
        raise EngineError(
            f"provider {name!r} of package {_package(points[name])} is a {type(provider).__name__}, "
            "not an nbturns.engines.Provider",
            kind="unknown_provider",
        )
    return provider


@cache
def installed_providers() -> tuple[Provider, ...]:
    """Return every provider once; one that cannot be loaded is left out with a warning."""
    providers: dict[str, Provider] = {}
    for name in provider_entry_points():
        try:
            provider = find(name)
        except EngineError as error:
            warnings.warn(str(error), stacklevel=2)
        else:
            providers.setdefault(provider.name, provider)
    return tuple(providers.values())


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
