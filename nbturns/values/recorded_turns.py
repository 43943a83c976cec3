"""Turns and Runs as records: what a store has of them and frames count, without making Turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from .blocks import Block, results_of_turn
from .inference_results import InferenceResult
from .metadata import NO_METADATA, Metadata
from .pending_calls import PendingCalls
from .persistent_list import PersistentList
from .turns import Run, Turn


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """The blocks, the id and the metadata of a Turn; they are read by the names that a Turn has for them."""

    blocks: PersistentList[Block] = PersistentList()  # noqa: RUF009  # a value, which never changes
    id: str = ""
    metadata: Metadata = NO_METADATA

    @property
    def calls(self) -> PendingCalls:
        """The pending and the answered calls."""
        return PendingCalls().after_blocks(self.blocks)

    @property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """The results of all model calls, once each, in order."""
        return results_of_turn(self.metadata, self.blocks)

    def _with(self, **changes: Any) -> RecordedTurn:
        return replace(self, **changes)

    def __add__(self, added_blocks: Iterable[Block]) -> RecordedTurn:
        return replace(self, blocks=self.blocks + added_blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __reversed__(self) -> Iterator[Block]:
        return reversed(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)


@dataclass(frozen=True, slots=True, repr=False)
class RecordedRun(Run):
    """A Run whose Turns are records."""

    def __post_init__(self) -> None:
        """Take the values as they are; those of a store are frozen and have their types."""

    @property
    def latest(self) -> Turn:
        """The record of the last Turn; an empty one when there is none."""
        return self.turns[-1] if self.turns else as_turn(RecordedTurn())


def as_turn(record: RecordedTurn) -> Turn:
    """Return a record for those that read only its values, by the names of a Turn."""
    return cast(Turn, record)
