"""Which tool calls stand unanswered, kept up to date as a Turn grows.

A call is pending when it has an id and no `tool_use` anywhere in the Turn has the
same one. To know that for an appended call without walking the whole Turn, the ids
answered so far are kept in sets that double in size: O(log n) look-ups a call.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Pending = tuple[tuple[str, Any], ...]  # (call id, block), in the order of the blocks
RECENT = 64


@dataclass(frozen=True, slots=True)
class Calls:
    pending: Pending = ()
    recent: tuple[str, ...] = ()
    answered: tuple[frozenset[str], ...] = ()

    def after(self, blocks: Iterable[Any]) -> Calls:
        """The calls that stand unanswered once `blocks` are appended."""
        pending, recent, answered = self.pending, self.recent, self.answered
        for block in blocks:
            if block.kind == "tool_call":
                id = block.payload.get("id")
                if isinstance(id, str) and id and not _knows(pending, recent, answered, id):
                    pending = (*pending, (id, block))
            elif block.kind == "tool_use":
                id = block.payload.get("id")
                if isinstance(id, str) and id:
                    pending = tuple(one for one in pending if one[0] != id)
                    recent = (*recent, id)
                    if len(recent) >= RECENT:
                        answered = _sealed(answered, frozenset(recent))
                        recent = ()
        if pending is self.pending and recent is self.recent and answered is self.answered:
            return self
        return Calls(pending, recent, answered)

    def knows(self, id: str) -> bool:
        """Whether a call with this id was answered, or is pending."""
        return _knows(self.pending, self.recent, self.answered, id)


def _knows(pending: Pending, recent: tuple[str, ...], answered: tuple[frozenset[str], ...], id: str) -> bool:
    if id in recent:
        return True
    for ids in answered:
        if id in ids:
            return True
    return any(id == known for known, _ in pending) if pending else False


def _sealed(answered: tuple[frozenset[str], ...], ids: frozenset[str]) -> tuple[frozenset[str], ...]:
    while answered and len(answered[-1]) <= len(ids):
        ids |= answered[-1]
        answered = answered[:-1]
    return (*answered, ids)
