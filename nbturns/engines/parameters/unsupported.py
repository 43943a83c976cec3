"""Remove parameters that a model would refuse, and describe each removal."""

from __future__ import annotations

from collections.abc import Iterable

from ..provider import Parameters


def remove(params: Parameters, param_names: Iterable[str]) -> list[str]:
    """Remove `names` from the parameters; return "name=value" for each that had a value."""
    removed_params = []
    for param_name in param_names:
        value = params.pop(param_name, None)
        if value is not None:
            removed_params.append(f"{param_name}={value!r:.20}")
    return removed_params
