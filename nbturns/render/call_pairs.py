"""Pairs of calls and results by id; of several with one id the n-th result answers the n-th call.

Some servers begin to count the ids of their calls anew with each answer.
"""

from __future__ import annotations

from collections.abc import Hashable

PARTNER_KINDS = {"tool_call": "tool_use", "tool_use": "tool_call"}


class CallPairs:
    """Places of calls and results. Each is known by a token, which is its own among those of one Turn."""

    def __init__(self) -> None:
        self._first_positions: dict[tuple[str, str], int] = {}
        self._repeated_positions: dict[tuple[str, str], list[int]] = {}  # all of an id, where there are several
        self._occurrence_numbers: dict[Hashable, int] = {}  # which of them one is, where it is not the first

    def add(self, kind: str, id: str, place: int, token: Hashable) -> None:
        key = (kind, id)
        if self._first_positions.setdefault(key, place) != place:
            places = self._repeated_positions.setdefault(key, [self._first_positions[key]])
            self._occurrence_numbers[token] = len(places)
            places.append(place)

    def partner(self, kind: str, id: str, token: Hashable) -> int | None:
        """The place of the result of a call, or of the call a result answers."""
        key = (PARTNER_KINDS[kind], id)
        order = self._occurrence_numbers.get(token, 0) if self._occurrence_numbers else 0
        if order and (places := self._repeated_positions.get(key)):
            return places[min(order, len(places) - 1)]
        return self._first_positions.get(key)
