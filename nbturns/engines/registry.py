"""Find providers among the entry points `nbturns.engines`; ours are declared like those of other packages."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint

from ..errors import EngineError
from ..plugins import entry_points, failure_text, load_plugins
from ..safety.secret_texts import shown
from .parameters.schema import nearest_name
from .provider import Provider

GROUP = "nbturns.engines"  # of the entry points


@cache
def provider_entry_points() -> Mapping[str, EntryPoint]:
    """Return the entry points by name, without importing any provider."""
    return entry_points(GROUP)


@cache
def find(name: str) -> Provider:
    """Return the provider of this name.

    Raises EngineError for an unknown name and for a package that cannot be imported.
    """
    provider_points = provider_entry_points()
    if name not in provider_points:
        raise EngineError(
            f"unknown provider {shown(name)}{nearest_name(name, provider_points)}; "
            f"installed providers: {', '.join(sorted(provider_points)) or 'none'}",
            kind="unknown_provider",
        )
    try:
        return _provider_of(provider_points[name].load())
    except Exception as error:  # the code of another package
        raise EngineError(failure_text(provider_points[name], error), kind="unknown_provider") from error


@cache
def installed_providers() -> tuple[Provider, ...]:
    """Return every provider once; one that cannot be loaded is left out with a warning."""
    providers_by_name: dict[str, Provider] = {}
    for provider in load_plugins(GROUP, _provider_of).values():
        providers_by_name.setdefault(provider.name, provider)
    return tuple(providers_by_name.values())


def _provider_of(value: object) -> Provider:
    if not isinstance(value, Provider):
        raise TypeError(f"expected an nbturns.engines.Provider, got {type(value).__name__}")
    return value
