"""Pending tool calls, updated as a Turn grows.

A call is pending when it has an id and no `tool_use` of the Turn has the same id. The
answered ids are kept in sets of doubling size, so an appended call needs O(log n) look-ups.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

NO_CALLS: Mapping[str, Any] = {}  # never changed
RECENT_LIMIT = 16
CALL_KINDS = frozenset({"tool_call", "tool_use"})


class PendingCalls(NamedTuple):
    """The pending and answered calls of one sequence of blocks. Each sequence has an object of its own."""

    pending: Mapping[str, Any] = NO_CALLS  # block by call id, in the order of the blocks
    recent_ids: tuple[str, ...] = ()
    answered_id_sets: tuple[frozenset[str], ...] = ()
    irregular: tuple[Any, ...] = ()  # calls without an id, or with one that an earlier call has

    def after_blocks(self, blocks: Iterable[Any]) -> PendingCalls:
        """Return the state after `blocks` are appended."""
        pending, recent_ids, answered_id_sets, irregular = self
        changed_pending: dict[str, Any] | None = None  # a copy, made once, because there may be many calls
        for block in blocks:
            block_kind = block.kind
            if block_kind not in CALL_KINDS:
                continue
            call_id = block.payload.get("id")
            if not call_id or not isinstance(call_id, str):
                irregular = (*irregular, block) if block_kind == "tool_call" else _without_first(irregular, call_id)
                continue
            if block_kind == "tool_use":
                if call_id in pending:
                    if changed_pending is None:
                        pending = changed_pending = dict(pending)
                    del changed_pending[call_id]
                elif irregular:
                    irregular = _without_first(irregular, call_id)
                recent_ids = (*recent_ids, call_id)
                if len(recent_ids) >= RECENT_LIMIT:
                    answered_id_sets = _merge_id_sets(answered_id_sets, frozenset(recent_ids))
                    recent_ids = ()
            elif call_id not in pending and not _is_answered(recent_ids, answered_id_sets, call_id):
                if changed_pending is None:
                    pending = changed_pending = dict(pending)
                changed_pending[call_id] = block
            else:
                irregular = (*irregular, block)
        return PendingCalls(pending, recent_ids, answered_id_sets, irregular)

    @property
    def open_count(self) -> int:
        """The number of calls without a result, those with irregular ids included."""
        return len(self.pending) + len(self.irregular)

    def contains_id(self, id: str) -> bool:
        """Return True when a call with this id is pending or answered."""
        return id in self.pending or _is_answered(self.recent_ids, self.answered_id_sets, id)


def _without_first(calls: tuple[Any, ...], call_id: Any) -> tuple[Any, ...]:
    """Return the calls without the first that has this id; one without an id answers the first without one."""
    for index, call in enumerate(calls):
        if (call.payload.get("id") or "") == (call_id or ""):
            return (*calls[:index], *calls[index + 1 :])
    return calls


def _is_answered(recent_ids: tuple[str, ...], answered_id_sets: tuple[frozenset[str], ...], call_id: str) -> bool:
    if call_id in recent_ids:
        return True
    for ids in answered_id_sets:  # noqa: SIM110  # runs for each tool call, and any() takes twice as long
        if call_id in ids:
            return True
    return False


def _merge_id_sets(answered_id_sets: tuple[frozenset[str], ...], new_ids: frozenset[str]) -> tuple[frozenset[str], ...]:
    while answered_id_sets and len(answered_id_sets[-1]) <= len(new_ids):
        new_ids |= answered_id_sets[-1]
        answered_id_sets = answered_id_sets[:-1]
    return (*answered_id_sets, new_ids)
