"""Keys of what imported blocks and Runs keep of their source.

They were called `….beside@v1` before version 0.1; files with those names are read, see `with_current_names`.
"""

from __future__ import annotations

from typing import Any

from .frozen_json import FrozenDict
from .metadata import Key

MESSAGE: Key[int] = Key("nbturns.message@v1", int)  # the index of the message (or record) a block was in, from 0
FIELDS: Key[dict[str, Any]] = Key("nbturns.fields@v1", dict[str, Any])  # the other fields of the record, unchanged
ARGUMENTS: Key[str] = Key("nbturns.arguments@v1", str)  # a call's arguments as written, if not spelt as we would
TIMESTAMP: Key[str] = Key("nbturns.timestamp@v1", str)  # the time of a record, as the file writes it
BRANCH_OF: Key[str] = Key("nbturns.branch_of@v1", str)  # on a Run: the id of the Run of the same file it branches off
PARENT_RUN: Key[str] = Key("nbturns.parent_run@v1", str)  # on a Run: the id of the Run whose tool call started it
PARENT_TOOL_CALL: Key[str] = Key("nbturns.parent_tool_call@v1", str)  # on a Run: the id of that tool call
ROOT_RUN: Key[str] = Key("nbturns.root_run@v1", str)  # on a Run: the id of the Run that no other Run started
CHILD_RUNS: Key[list[str]] = Key("nbturns.child_runs@v1", list[str])  # on a Run: the ids of the Runs it started
CHILD_RUN: Key[str] = Key("nbturns.child_run@v1", str)  # on a tool_call block: the id of the Run it started
OPENAI_CHAT_FIELDS: Key[dict[str, Any]] = Key("openai_chat.fields@v1", dict[str, Any])  # sent again to OpenAI's chat

FIELDS_NAMES = (FIELDS.name, OPENAI_CHAT_FIELDS.name)
FORMER_NAMES = {"nbturns.beside@v1": FIELDS.name, "openai_chat.beside@v1": OPENAI_CHAT_FIELDS.name}


def with_current_names(values: FrozenDict) -> FrozenDict:
    """Return metadata read from a file with former names replaced; one whose new name is there too is kept."""
    if FORMER_NAMES.keys().isdisjoint(values):
        return values
    new_names = {former: name for former, name in FORMER_NAMES.items() if name not in values}
    return FrozenDict({new_names.get(name, name): value for name, value in values.items()})
