"""Values of metadata that are computed when they are first asked for.

A session of an agent has thousands of blocks, and each keeps the fields of its record and the original of its item.
Few readers ask for them, so a reader of files may defer their computation, if it cannot fail and nobody can change
what it is computed from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .frozen_json import FrozenDict, freeze
from .metadata import Key, Metadata, unchecked_metadata


class Deferred:
    """A frozen value that `compute` returns for its arguments: once, when it is first asked for."""

    __slots__ = ("_arguments", "_compute", "_value")

    def __init__(self, compute: Callable[..., Any], *arguments: Any) -> None:
        self._compute = compute
        self._arguments = arguments
        self._value: Any = None

    def disk_shape(self) -> Any:
        """Return the value."""
        arguments, value = self._arguments, self._value  # in this order: another thread may compute it, too
        if value is None:
            value = self._value = self._compute(*arguments)
            self._arguments = ()
        return value


def stored_metadata(values: Mapping[str, Any]) -> Metadata:
    """Return metadata of values as on disk and of deferred ones, by name."""
    return unchecked_metadata(
        FrozenDict({name: value if _is_deferred(value) else freeze(value) for name, value in values.items()})
    )


def _is_deferred(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and value[0] is Deferred


def is_deferred(metadata: Metadata, key: Key[Any]) -> bool:
    """Return True for a value that was not computed when the metadata was made."""
    return _is_deferred(metadata._values.get(key.name))


def deferred(compute: Callable[..., Any], *arguments: Any) -> tuple[type[Deferred], Deferred]:
    """Return a deferred value as metadata stores it."""
    return Deferred, Deferred(compute, *arguments)
