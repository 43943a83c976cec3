"""Which tool calls stand unanswered, kept up to date as a Turn grows.

A call is pending when it has an id and no `tool_use` anywhere in the Turn has the
same one. To know that for an appended call without walking the whole Turn, the ids
answered so far are kept in sets that double in size: O(log n) look-ups a call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

Pending = tuple[tuple[str, Any], ...]  # (call id, block), in the order of the blocks
RECENT = 16


class Calls(NamedTuple):
    pending: Pending = ()
    recent: tuple[str, ...] = ()
    answered: tuple[frozenset[str], ...] = ()

    def after(self, blocks: Iterable[Any]) -> Calls:
        """The calls that stand unanswered once `blocks` are appended."""
        pending, recent, answered = self
        waiting: dict[str, Any] | None = None  # the pending ones by id, once there is something to do
        for block in blocks:
            if block.kind not in ("tool_call", "tool_use"):
                continue
            id = block.payload.get("id")
            if not isinstance(id, str) or not id:
                continue
            if waiting is None:
                waiting = dict(pending)
            if block.kind == "tool_use":
                waiting.pop(id, None)
                recent = (*recent, id)
                if len(recent) >= RECENT:
                    answered = _sealed(answered, frozenset(recent))
                    recent = ()
            elif id not in waiting and not _answered(recent, answered, id):
                waiting[id] = block
        return self if waiting is None else Calls(tuple(waiting.items()), recent, answered)

    def knows(self, id: str) -> bool:
        """Whether a call with this id was answered, or is pending."""
        return _answered(self.recent, self.answered, id) or any(id == known for known, _ in self.pending)


def _answered(recent: tuple[str, ...], answered: tuple[frozenset[str], ...], id: str) -> bool:
    return id in recent or any(id in ids for ids in answered)


def _sealed(answered: tuple[frozenset[str], ...], ids: frozenset[str]) -> tuple[frozenset[str], ...]:
    while answered and len(answered[-1]) <= len(ids):
        ids |= answered[-1]
        answered = answered[:-1]
    return (*answered, ids)
