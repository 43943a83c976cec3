"""Arguments of a call, repaired where the intention is certain.

Models send a JSON text where a list or an object is expected, and null for an argument that
they leave out. Both are corrected, if the arguments are valid afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..errors import MisuseError
from ..values.frozen_json import thaw

KINDS = {"list": "a list", "object": "an object", "integer": "a number", "number": "a number", "boolean": "a boolean"}
MAX_ROUNDS = 3  # a parsed text may contain another one


@dataclass(frozen=True, slots=True)
class Misfit:
    """One value that does not fit its type. `wants` are the types that fit a JSON text: list, object, number, …"""

    path: tuple[Any, ...]
    value: Any
    message: str
    wants: tuple[str, ...] = ()


Validation: TypeAlias = Callable[[dict[str, Any]], tuple[dict[str, Any], Sequence[Misfit]]]


def fitted_arguments(arguments: dict[str, Any], validate: Validation) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the validated arguments, and a notice for each repair. Raises MisuseError that lists the misfits."""
    validated, misfits = validate(arguments)
    if not misfits:
        return validated, ()
    first_misfits, notices = misfits, list[str]()
    repaired: dict[str, Any] = thaw(arguments)
    for _ in range(MAX_ROUNDS):
        repairs = [notice for misfit in misfits if (notice := _repair(repaired, misfit)) is not None]
        if not repairs:
            break
        notices += filter(None, repairs)
        validated, misfits = validate(repaired)
        if not misfits:
            return validated, tuple(dict.fromkeys(notices))
    raise MisuseError("; ".join(dict.fromkeys(misfit.message for misfit in first_misfits)))


def _repair(arguments: dict[str, Any], misfit: Misfit) -> str | None:
    """Correct one value in place; return the notice, "" for a null that was left out, or None without a repair."""
    found = _parent_of(arguments, misfit)
    if found is None:
        return None
    parent, path = found
    key = path[-1]
    if misfit.value is None and isinstance(parent, dict):
        del parent[key]
        return ""
    if isinstance(misfit.value, str) and misfit.wants:
        try:
            value = json.loads(misfit.value)
        except (ValueError, RecursionError):
            return None
        if (kind := _kind_of(value)) in misfit.wants:
            parent[key] = value
            return f"{'.'.join(map(str, path))} was sent as a JSON text and was parsed as {KINDS[kind]}"
    return None


def _kind_of(value: Any) -> str:
    """Return the name of a JSON type; "" for texts and null."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    return next(
        (kind for kind, cls in (("number", float), ("list", list), ("object", dict)) if isinstance(value, cls)), ""
    )


def _parent_of(arguments: dict[str, Any], misfit: Misfit) -> tuple[Any, list[Any]] | None:
    """Return the container of the misfit and the path to it; steps that name a type are left out."""
    parent: Any = None
    path: list[Any] = []
    value: Any = arguments
    for step in misfit.path:
        is_key = isinstance(value, dict) and step in value
        if is_key or (isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)):
            parent, value = value, value[step]
            path.append(step)
    if parent is None or (value is not misfit.value and value != misfit.value):
        return None
    return parent, path


__all__ = ["Misfit", "Validation", "fitted_arguments"]
