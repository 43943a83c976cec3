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
    """A value that `compute` returns for its arguments and `freeze_value` freezes: once, when it is first asked for."""

    __slots__ = ("_arguments", "_compute", "_freeze_value", "_unfrozen", "_value")

    def __init__(
        self, compute: Callable[..., Any], arguments: tuple[Any, ...], freeze_value: Callable[[Any], Any]
    ) -> None:
        self._compute = compute
        self._arguments = arguments
        self._freeze_value = freeze_value
        self._unfrozen: Any = None
        self._value: Any = None

    def unfrozen(self) -> Any:
        """Return the value before it is frozen, for a reader that neither changes nor keeps it."""
        arguments, unfrozen, value = self._arguments, self._unfrozen, self._value  # in this order, because of threads
        if value is not None:
            return value
        if unfrozen is None:
            unfrozen = self._unfrozen = self._compute(*arguments)
        return unfrozen

    def disk_shape(self) -> Any:
        """Return the value."""
        if self._value is None:
            self._value = self._freeze_value(self.unfrozen())
            self._unfrozen, self._arguments = None, ()
        return self._value


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


def unfrozen_value(metadata: Metadata, key: Key[Any]) -> Any:
    """Return the value of a key as on disk, for a reader that neither changes nor keeps it; None when absent."""
    stored_value: Any = metadata._values.get(key.name)
    return stored_value[1].unfrozen() if _is_deferred(stored_value) else metadata.raw(key)


def deferred(
    compute: Callable[..., Any], *arguments: Any, freeze_value: Callable[[Any], Any] = freeze
) -> tuple[type[Deferred], Deferred]:
    """Return a deferred value as metadata stores it."""
    return Deferred, Deferred(compute, arguments, freeze_value)
