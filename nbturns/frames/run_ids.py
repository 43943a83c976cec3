"""The ids of the Runs of a pass, each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, count


class RunIds:
    """The ids of all Runs of a pass; two Runs of one id would be joined as if they were one."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self._owners: dict[str, tuple[str, int]] = dict.fromkeys(reserved, ("", -1))
        self.renamed: int = 0  # the number of Runs whose id was changed
        self.changed: dict[tuple[str, str], str] = {}  # by file and id: the changed id
        self.roots: dict[str, str] = {}  # of the Runs that another Run started

    def assign(self, run_id: str, file: str, label: str, position: int) -> str:
        """Return `run_id`, or where another Run has it an id with the name of the file, or with a number."""
        owner = file, position
        if self._owners.setdefault(run_id, owner) == owner:
            return run_id
        self.renamed += 1
        first = f"{label}/{run_id}" if label else f"{run_id}~2"
        numbered = (f"{label}/{run_id}~{number}" if label else f"{run_id}~{number}" for number in count(2))
        return next(name for name in chain((first,), numbered) if self._owners.setdefault(name, owner) == owner)

    def conflict(self, run_ids: Iterable[str], file: str) -> bool:
        """Return whether another file has one of these ids; if not, they are assigned to this file."""
        if any(run_id in self._owners and self._owners[run_id][0] != file for run_id in run_ids):
            return True
        for run_id in run_ids:
            self._owners[run_id] = file, -1
        return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)
