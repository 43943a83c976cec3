"""What all importers make in the same way: Runs of blocks, calls, model calls, what is not understood."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..blocks import block
from ..chunks import PersistentList
from ..frozen import EMPTY, FrozenDict, freeze
from ..keyed import NOTHING, Metadata, keyed
from ..provenance import ARGUMENTS, FIELDS, MESSAGE, TIMESTAMP
from ..results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult
from ..turns import Block, Run, Turn, _turn
from . import json_text
from .report import Notes

SAID_TO_IT = frozenset({"system", "user"})


def conversation(
    blocks: Sequence[Block], notes: Notes, *, id: str = "", name: str = "", metadata: Metadata = NOTHING
) -> Run:
    """A Run of these blocks: a Turn a user prompt. Without an `id` it is known by its place in its file."""
    tell_of_calls(blocks, notes)
    return Run(
        turns_of(blocks),
        id=id or place_of(notes),
        name=name,
        metadata=metadata,
        import_report=notes.report(len(blocks)),
    )


def tell_of_calls(blocks: Iterable[Block], notes: Notes) -> None:
    """Note what is amiss with calls: an id that two of them have, a result of none, a conversation that left one behind."""
    waiting: dict[str, int] = {}
    left: dict[str, int] = {}
    known: set[str] = set()
    for place, one in enumerate(blocks):
        kind = one.kind
        if kind == "tool_call":
            id = one.payload.get("id")
            if type(id) is not str:
                continue
            if id in known:
                notes.guess(f"block {place}", f"the id {id!r:.60} was used for a call before; taken for another call")
            known.add(id)
            waiting[id] = place
        elif kind == "tool_use":
            id = one.payload.get("id")
            if type(id) is not str:
                continue
            if id not in known:
                notes.guess(f"block {place}", f"a result of {id!r:.60}, which no call here has for an id")
            waiting.pop(id, None)
            left.pop(id, None)
        elif kind == "user" and waiting:
            left |= waiting
            waiting = {}
    for id, place in left.items():
        notes.guess(f"block {place}", f"the call {id!r:.60} has no result, and the conversation went on")


def turns_of(blocks: Iterable[Block]) -> tuple[Turn, ...]:
    """Cut before each prompt; every Turn holds all that came before, sharing its blocks."""
    turns: list[Turn] = []
    so_far: PersistentList[Block] = PersistentList()
    said: list[Block] = []
    answered = False
    for one in blocks:
        if one.kind == "user" and answered:
            so_far += said
            turns.append(_turn(so_far, "", NOTHING, NOTHING, EMPTY, None))
            said, answered = [], False
        answered = answered or one.kind not in SAID_TO_IT
        said.append(one)
    if said or not turns:
        turns.append(_turn(so_far + said, "", NOTHING, NOTHING, EMPTY, None))
    return tuple(turns)


def place_of(notes: Notes) -> str:
    """A name for a conversation without one: its file and line. Two of them must not share ids of model calls."""
    return ":".join(part for part in (Path(notes.file).stem, notes.position.removeprefix("line ")) if part)


def signed(blocks: Iterable[Block], result: InferenceResult) -> list[Block]:
    """The blocks of one model call, each with its record; `result.inference_id` tells it from others."""
    beside = {INFERENCE_ID.name: result.inference_id}
    return [one._with(metadata=one.metadata.holding(INFERENCE_RESULT, result, **beside)) for one in blocks]


def placed(one: Block, message: int, beside: Mapping[str, Any] | None = None, time: Any = None) -> Block:
    """`one` with the index of its message, what stood beside it there, and when it was said, as the file writes it."""
    told = {TIMESTAMP.name: time} if isinstance(time, str) and time else {}
    known: dict[str, Any] = {MESSAGE.name: message} | ({FIELDS.name: beside} if beside else {}) | told
    return one._with(metadata=one.metadata.with_raw(**known))


def other(value: Any, role: str = "") -> Block:
    """What is not understood, as it is: an object as the payload, anything else as its `value`.

    What is nested deeper than a block can hold is kept as the text of its JSON, in `json`.
    """
    try:
        payload = freeze(value if isinstance(value, Mapping) else {"value": value})
    except TypeError:
        payload = freeze({"json": json.dumps(value, ensure_ascii=False, default=repr)})
    return block("other", payload, role)


def call(id: str, name: str, arguments: Any) -> Block:
    """A call of a tool. `arguments`: an object, or JSON text; what is no object is kept in `args_raw`."""
    args, exact = parsed_arguments(arguments)
    if args is None:
        return block("tool_call", freeze({"id": id, "name": name, "args": {}, "args_raw": arguments}))
    payload = freeze({"id": id, "name": name, "args": args})
    return block("tool_call", payload, metadata=NOTHING if exact else keyed({ARGUMENTS.name: arguments}))


def parsed_arguments(written: Any) -> tuple[Any, bool]:
    """The arguments as an object (None when they are none), and whether JSON would write them as they were."""
    if isinstance(written, Mapping):
        return written, True
    if not written:
        return {}, written is None or written == ""
    if not isinstance(written, str):
        return None, False
    try:
        args = json_text.parse(written)
    except (ValueError, RecursionError):
        return None, False
    return (args, written == "{}") if type(args) is dict else (None, False)


def beside(message: Mapping[str, Any], *taken: str) -> FrozenDict:
    """What a message holds besides the names that were `taken` from it."""
    frozen: FrozenDict = freeze({name: value for name, value in message.items() if name not in taken})
    return frozen
