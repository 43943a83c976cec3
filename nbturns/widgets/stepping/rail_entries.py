"""The snapshots of an execution as short entries for a slider: phase, iteration, and what happened there."""

from __future__ import annotations

from typing import Any

from ...events import Ended, Event, Paused, Phase, Resumed, Snapshot
from ...runtime.marks import ANSWERED_BY, BY_MOCK, DENIED, SKIPPED
from ...values.blocks import Block

PHASES = tuple(Phase)
EDITED_SIGN, FAILED_SIGN, BREAKPOINT_SIGN = "✎", "✗", "◆"
ANSWER_SIGNS = {BY_MOCK: "◇", DENIED: "⊘", SKIPPED: "↷"}


class RailEntries:
    """The entries so far. `take_unsent` returns those that were added or changed since the last time."""

    def __init__(self) -> None:
        self.entries: list[list[Any]] = []  # [number of the phase, iteration, signs]
        self._unsent_from = 0
        self._known_blocks = 0

    def add_event(self, event: Event) -> None:
        match event:
            case Snapshot(phase=phase, turn=turn, iteration=iteration):
                self.entries.append([PHASES.index(phase), iteration, ""])
                self._known_blocks = min(self._known_blocks, len(turn))
                new_blocks = turn.blocks.since(self._known_blocks)
                if any(_is_failed_result(block) for block in new_blocks):
                    self._mark(FAILED_SIGN)
                self._known_blocks = len(turn)
            case Paused(pause=pause) if pause.reason.startswith("breakpoint"):
                self._mark(BREAKPOINT_SIGN)
            case Resumed(pause=pause, turn=turn, answers=answers):
                if turn is not pause.turn:
                    self._mark(EDITED_SIGN)
                for answer in answers:
                    self._mark(ANSWER_SIGNS.get(answer.metadata.get(ANSWERED_BY) or "", ""))
            case Ended(status="failed"):
                self._mark(FAILED_SIGN)

    def _mark(self, sign: str) -> None:
        if not self.entries or not sign or sign in self.entries[-1][2]:
            return
        self.entries[-1][2] += sign
        self._unsent_from = min(self._unsent_from, len(self.entries) - 1)

    def take_unsent(self) -> tuple[int, list[list[Any]]]:
        """Return the index of the first entry that the page does not have, and the entries from there."""
        start, self._unsent_from = self._unsent_from, len(self.entries)
        return start, self.entries[start:]

    def send_all(self) -> None:
        """Make the next `take_unsent` return every entry."""
        self._unsent_from = 0


def _is_failed_result(block: Block) -> bool:
    """Return True for the error of a tool; what a person denied or skipped has a sign of its own."""
    answerer = block.metadata.get(ANSWERED_BY) or ""
    return block.kind == "tool_use" and bool(block.error) and answerer not in ANSWER_SIGNS


__all__ = ["PHASES", "RailEntries"]
