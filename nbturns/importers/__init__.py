"""Foreign transcripts. A module a format: `sniff(data)` says whether it is one, `read(data)` makes Runs.

They are found among the entry points `nbturns.importers`; ours are declared the same
way as anybody else's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

from ..frozen import FrozenDict
from ..turns import Run


class Importer(Protocol):
    """What a format's module offers. `data` is parsed JSON: an object or a list."""

    def sniff(self, data: Any) -> bool: ...
    def read(self, data: Any, *, file: str, position: str, strict: bool) -> Run: ...


@cache
def importers() -> Mapping[str, Importer]:
    """Every format there is, by name."""
    from importlib.metadata import entry_points

    return FrozenDict({point.name: point.load() for point in entry_points(group="nbturns.importers")})
