"""Conversations in which every value that a view reads can be read.

A file may have values of other types under known keys. A view leaves these out, shows all else, and marks
the block; the value itself is unchanged, and reading it by its key still raises DecodeError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from ..errors import DecodeError
from ..runtime.marks import ANSWERED_BY, DECISIONS, EDITED, ERROR, STATUS
from ..runtime.toolbox import ATTEMPTS
from ..values.inference_results import DURATION_MS, INFERENCE_ID, INFERENCE_RESULT, INFERENCES, OUTPUT, STDOUT
from ..values.label_values import LABELS
from ..values.metadata import Key, Metadata
from ..values.outcome import OUTCOME
from ..values.persistent_list import PersistentList
from ..values.provenance import CHILD_RUN, CHILD_RUNS, PARENT_RUN, PARENT_TOOL_CALL, ROOT_RUN, TIMESTAMP
from ..values.turns import Block, Run, Turn

UNREADABLE: Key[list[str]] = Key("nbturns.unreadable@v1", list[str])  # on a block of a view: the names left out
EXECUTION_ID: Key[str] = Key("geppetto.inference_id@v1", str)
SESSION_ID: Key[str] = Key("geppetto.session_id@v1", str)
BLOCK_KEYS: tuple[Key[Any], ...] = (
    *(INFERENCE_RESULT, INFERENCE_ID, STDOUT, DURATION_MS, ATTEMPTS, ANSWERED_BY, EDITED),
    *(LABELS, TIMESTAMP, CHILD_RUN),
)
TURN_KEYS: tuple[Key[Any], ...] = (
    *(INFERENCE_RESULT, INFERENCES, EXECUTION_ID, SESSION_ID, STATUS, ERROR, DECISIONS),
    *(OUTPUT, TIMESTAMP),
)
RUN_KEYS: tuple[Key[Any], ...] = (OUTCOME, LABELS, PARENT_RUN, PARENT_TOOL_CALL, ROOT_RUN, CHILD_RUNS)


ALL_KEYS: Mapping[str, Key[Any]] = {key.name: key for key in (*BLOCK_KEYS, *TURN_KEYS, *RUN_KEYS)}


def all_are_readable(metadata: Mapping[str, Any]) -> bool:
    """Return whether each value under a known key, as it stands in a file, can be read."""
    for name in ALL_KEYS.keys() & metadata.keys():
        key, value = ALL_KEYS[name], metadata[name]
        if key.type is str:
            if type(value) is not str:
                return False
        elif not _is_readable(key.decode, value):
            return False
    return True


def readable_turn(turn: Turn) -> Turn:
    """Return the Turn without the values that cannot be read; itself if all can be."""
    return ReadableTurns().turn(turn)


def readable_run(run: Run) -> Run:
    """Return the Run without the values that cannot be read; itself if all can be."""
    return without_unreadable_values(run)[0]


def without_unreadable_values(run: Run) -> tuple[Run, list[str]]:
    """Return the Run without the values that cannot be read, and their names; itself if all can be."""
    reader = ReadableTurns()
    turns = tuple(map(reader.turn, run.turns))
    run_names = _unreadable_names(run.metadata, RUN_KEYS)
    if not reader.names and not run_names:
        return run, []
    metadata = _without(run.metadata, RUN_KEYS, run_names) if run_names else run.metadata
    return replace(run, turns=turns, metadata=metadata), [*dict.fromkeys([*reader.names, *run_names])]


class ReadableTurns:
    """Turns one after the other without the values that cannot be read.

    Each block is read once; Turns that share blocks with the previous one share the readable ones, too.
    """

    def __init__(self) -> None:
        self._previous_blocks: PersistentList[Block] = PersistentList()
        self._readable_blocks: dict[int, tuple[Block, Block]] = {}  # by the id of the unreadable block, which is kept
        self.names: list[str] = []  # of the values that were left out

    def turn(self, turn: Turn) -> Turn:
        """Return a Turn without the values that cannot be read; itself if all can be."""
        for block in turn.blocks.since(turn.blocks.shared_length(self._previous_blocks)):
            if names := _unreadable_names(block.metadata, BLOCK_KEYS):
                metadata = _without(block.metadata, BLOCK_KEYS, names).with_(UNREADABLE, names)
                self._readable_blocks[id(block)] = (block, block._with(metadata=metadata))
                self.names += names
        self._previous_blocks = turn.blocks
        if names := _unreadable_names(turn.metadata, TURN_KEYS):
            turn = turn._with(metadata=_without(turn.metadata, TURN_KEYS, names))
            self.names += names
        if not any(id(block) in self._readable_blocks for block in turn.blocks if self._readable_blocks):
            return turn
        return turn._with(
            blocks=PersistentList(self._readable_blocks.get(id(block), (block, block))[1] for block in turn.blocks)
        )


def _unreadable_names(metadata: Metadata, keys: Iterable[Key[Any]]) -> list[str]:
    values = metadata._values  # most keys are in no metadata, and most values are texts or were made of their type
    return [
        key.name
        for key in keys
        if key.name in values and not _has_type(values[key.name], key) and not _is_readable(metadata.get, key)
    ]


def _has_type(stored_value: Any, key: Key[Any]) -> bool:
    """Return True for a text under a key of texts, and for a value that was stored with the type of its key."""
    if type(stored_value) is tuple:
        return stored_value[0] is key.type
    return type(stored_value) is str and key.type is str


def _is_readable(read: Callable[[Any], Any], argument: Any) -> bool:
    try:
        value = read(argument)
    except DecodeError:
        return False
    return not isinstance(value, float) or isfinite(value)


def _without(metadata: Metadata, keys: Iterable[Key[Any]], names: list[str]) -> Metadata:
    return metadata.without(*(key for key in keys if key.name in names))
