"""Remove parameters that a model would refuse, and describe each removal."""

from __future__ import annotations

from collections.abc import Iterable

from ..provider import Parameters


def remove(params: Parameters, names: Iterable[str]) -> list[str]:
    """Remove `names` from the parameters; return "name=value" for each that had a value."""
    removed = []
    for name in names:
        value = params.pop(name, None)
        if value is not None:
            removed.append(f"{name}={value!r:.20}")
    return removed
