"""The outcome of a Run: its scores, its reward, and why it ended, as its source writes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ..errors import MisuseError
from .frozen_json import EMPTY_DICT, FrozenDict, freeze
from .metadata import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a Run, each value as its source writes it; None where the source does not say.

    `success` is never worked out from a score. `scores` has the value of each scorer by its name, `error` is the
    message of the error that ended the Run, and `limit` the name of the limit.
    """

    success: bool | None = None
    reward: float | None = None
    scores: Mapping[str, Any] = EMPTY_DICT
    answer: Any = None
    target: Any = None
    error: str | None = None
    limit: str | None = None

    def __post_init__(self) -> None:
        for name, types in _TYPES.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, types) or (name == "reward" and isinstance(value, bool))):
                raise MisuseError(f"{name} of an Outcome cannot be {value!r:.60}")
        for name in ("scores", "answer", "target"):
            object.__setattr__(self, name, freeze(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Return the values that are known, as JSON data."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value != EMPTY_DICT}

    @classmethod
    def from_dict(cls, outcome_fields: Mapping[str, Any]) -> Outcome:
        """Return the outcome of a dict from `to_dict`; unknown names are left out."""
        names = {item.name for item in fields(cls)}
        return cls(**{name: value for name, value in outcome_fields.items() if name in names and value is not None})


_TYPES: dict[str, Any] = {
    "success": bool,
    "reward": (int, float),
    "scores": (dict, FrozenDict, Mapping),
    "error": str,
    "limit": str,
}
OUTCOME: Key[Outcome] = Key("nbturns.outcome@v1", Outcome)
