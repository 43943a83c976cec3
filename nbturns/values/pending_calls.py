"""Pending tool calls, updated as a Turn grows.

A call is pending when it has an id and no `tool_use` anywhere in the Turn has the
same one. To know that for an appended call without walking the whole Turn, the ids
answered so far are kept in sets that double in size: O(log n) look-ups a call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

NO_CALLS: Mapping[str, Any] = {}  # never written to
RECENT_LIMIT = 16
CALL_KINDS = frozenset({"tool_call", "tool_use"})


class PendingCalls(NamedTuple):
    """The pending and answered calls of one sequence of blocks. Each sequence has an object of its own."""

    pending: Mapping[str, Any] = NO_CALLS  # block by call id, in the order of the blocks
    recent_ids: tuple[str, ...] = ()
    answered_id_sets: tuple[frozenset[str], ...] = ()

    def after_blocks(self, blocks: Iterable[Any]) -> PendingCalls:
        """Return the state after `blocks` are appended."""
        pending, recent, answered = self
        for block in blocks:
            kind = block.kind
            if kind not in CALL_KINDS:
                continue
            id = block.payload.get("id")
            if not id or not isinstance(id, str):
                continue
            if kind == "tool_use":
                if id in pending:
                    pending = {pending_id: call for pending_id, call in pending.items() if pending_id != id}
                recent = (*recent, id)
                if len(recent) >= RECENT_LIMIT:
                    answered = _merge_id_sets(answered, frozenset(recent))
                    recent = ()
            elif id not in pending and not _is_answered(recent, answered, id):
                pending = {**pending, id: block}
        return PendingCalls(pending, recent, answered)

    def contains_id(self, id: str) -> bool:
        """Return True when a call with this id is pending or answered."""
        return id in self.pending or _is_answered(self.recent_ids, self.answered_id_sets, id)


def _is_answered(recent: tuple[str, ...], answered: tuple[frozenset[str], ...], id: str) -> bool:
    if id in recent:
        return True
    for ids in answered:  # noqa: SIM110  # asked for each call of a loop, and any() takes as long again
        if id in ids:
            return True
    return False


def _merge_id_sets(answered: tuple[frozenset[str], ...], ids: frozenset[str]) -> tuple[frozenset[str], ...]:
    while answered and len(answered[-1]) <= len(ids):
        ids |= answered[-1]
        answered = answered[:-1]
    return (*answered, ids)
