"""The branches of a session: which session was forked from which, where, and what was changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..session import Session
from ..values.turns import Turn


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One session in the tree of its branches.

    `at` is the place in the parent that it was forked from: (index of the Turn, number of its blocks that both
    share); None for the root.
    """

    session: Session
    parent: Node | None
    at: tuple[int, int] | None

    @property
    def name(self) -> str:
        """The name that `session.fork(name=...)` gave, else "main" for the root and "fork-1", "fork-2", … for forks."""
        if self.parent is None:
            return self.session._lineage.name or "main"
        return self.session._lineage.name or f"fork-{self.session._lineage.number}"

    @property
    def children(self) -> tuple[Node, ...]:
        """The sessions that were forked from this one, in order."""
        return tuple(Node(fork, self, _place(self.session, fork)) for fork in self.session._lineage.forks)

    @property
    def changes(self) -> Any:
        """The changes between the Turn of the parent and the one this session began with: see `nt.compare(a, b).changes`."""
        return tuple(row for row in self._comparison_rows if row.what != "same")

    @property
    def _changes_before_it_began(self) -> Any:
        """The changes without the blocks that the parent added after the place of the fork."""
        rows = list(self._comparison_rows)
        while rows and rows[-1].what == "removed":
            rows.pop()
        return tuple(row for row in rows if row.what != "same")

    @property
    def _comparison_rows(self) -> Any:
        first_turn = self.session._lineage.first_turn
        if self.parent is None or self.at is None or first_turn is None:
            return ()
        from ..render.comparison import compare

        return compare(all_turns(self.parent.session)[self.at[0]], first_turn).rows

    def __iter__(self) -> Iterator[Node]:
        """Iterate over this node and all below it."""
        yield self
        for child in self.children:
            yield from child

    def __repr__(self) -> str:
        return "\n".join(self._lines("", ""))

    def _repr_html_(self) -> str:
        from .branch_summaries import tree_html

        return tree_html(self)

    def _lines(self, first_indent: str, indent: str) -> Iterator[str]:
        place = "" if self.at is None else f" from Turn {self.at[0]}, {self.at[1]} blocks shared"
        yield f"{first_indent}{self.session!r}{place}"
        children = self.children
        for child in children:
            is_last = child is children[-1]
            yield from child._lines(f"{indent}{'└─ ' if is_last else '├─ '}", f"{indent}{'   ' if is_last else '│  '}")


def tree_of(session: Session) -> Node:
    """Return the root of the tree that a session belongs to."""
    root = session
    while root._lineage.parent is not None:
        root = root._lineage.parent
    return Node(root, None, None)


def all_turns(session: Session) -> tuple[Turn, ...]:
    """Return the Turns of a session, that of an execution in progress included."""
    execution = session.execution
    if execution is None or execution.turn in session.turns:
        return session.turns
    return (*session.turns, execution.turn)


def _place(parent: Session, fork: Session) -> tuple[int, int] | None:
    """Return the Turn of the parent that shares most blocks with the first of the fork, and their number."""
    start, turns = fork._lineage.first_turn, all_turns(parent)
    if start is None or not turns:
        return None
    shared_counts = [turn.blocks.shared_length(start.blocks) for turn in turns]
    best = max(shared_counts)
    candidates = [index for index, count in enumerate(shared_counts) if count == best]
    is_edited = best < len(start)  # of the newest Turn, as a rule
    return candidates[-1 if is_edited else 0], best


__all__ = ["Node", "tree_of"]
