"""Pairs of tool calls and results by id; with a repeated id, the n-th result answers the n-th call.

Some servers restart the numbering of call ids with each answer.
"""

from __future__ import annotations

from collections.abc import Hashable

PARTNER_KINDS = {"tool_call": "tool_use", "tool_use": "tool_call"}


class CallPairs:
    """The positions of calls and results. A token identifies each call or result within a Turn."""

    def __init__(self) -> None:
        self._first_positions: dict[tuple[str, str], int] = {}
        self._repeated_positions: dict[tuple[str, str], list[int]] = {}  # all positions of a repeated id
        self._occurrence_numbers: dict[Hashable, int] = {}  # the number of a token among those of its id, if not 0

    def add(self, kind: str, id: str, position: int, token: Hashable) -> None:
        key = (kind, id)
        if self._first_positions.setdefault(key, position) != position:
            id_positions = self._repeated_positions.setdefault(key, [self._first_positions[key]])
            self._occurrence_numbers[token] = len(id_positions)
            id_positions.append(position)

    def partner(self, kind: str, id: str, token: Hashable) -> int | None:
        """Return the position of the result of a call, or of the call of a result; None without one."""
        key = (PARTNER_KINDS[kind], id)
        occurrence_number = self._occurrence_numbers.get(token, 0) if self._occurrence_numbers else 0
        if occurrence_number and (id_positions := self._repeated_positions.get(key)):
            return id_positions[min(occurrence_number, len(id_positions) - 1)]
        return self._first_positions.get(key)
