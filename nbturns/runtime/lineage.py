"""The relation of a session to the sessions that were forked from it."""

from __future__ import annotations

from typing import Any

from ..values.turns import Turn


class Lineage:
    """The parent of a session, its forks, and the Turn that it began with."""

    def __init__(self, first_turn: Turn | None) -> None:
        self.first_turn = first_turn
        self.parent: Any = None  # a Session
        self.forks: list[Any] = []
        self.name = ""
        self.number = 0  # of a fork, among all forks of its root
        self._fork_count = 0  # of a root

    def add(self, session: Any, fork: Any) -> None:
        """Make `fork` a branch of `session`, whose lineage this is."""
        fork._lineage.parent = session
        root = self
        while root.parent is not None:
            root = root.parent._lineage
        root._fork_count += 1
        fork._lineage.number = root._fork_count
        self.forks.append(fork)

    def without(self, fork: Any) -> Any:
        """Return a fork that is no longer one of the branches."""
        self.forks.remove(fork)
        fork._lineage.parent = None
        return fork


def is_beginning_of(earlier: Turn, turn: Turn) -> bool:
    """Return True when `turn` begins with all blocks of `earlier`, and has more."""
    return len(earlier) < len(turn) and earlier.blocks.shared_length(turn.blocks) == len(earlier)
