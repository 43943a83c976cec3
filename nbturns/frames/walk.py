"""One pass over a Run: what is new in each Turn, and which model call made it.

A Turn holds all that came before it, so a frame of every Turn in full would grow with
the square of a conversation. Here each Block object is met once, in the first Turn that has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..chunks import PersistentList
from ..errors import DecodeError
from ..results import INFERENCE_ID, InferenceResult, ledger
from ..text import shown_value
from ..turns import Block, Run, Turn
from .arrays import to_json
from .sources import Source, session_id


@dataclass(slots=True, eq=False)
class Inference:
    """One model call, and the blocks it made as they stand in the Turn that lists it.

    `turn_index` is that Turn, `index` its place among the calls there; None when no Turn of
    the Run lists it.
    """

    result: InferenceResult | None
    id: str
    turn_index: int | None = None
    index: int | None = None
    blocks: list[Block] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Place:
    """A Turn where it stands in its Run, and what is new there."""

    source: Source
    turn: Turn
    turn_index: int
    session_id: str
    shared: int  # blocks at the head that the Turn before has too
    grown: bool  # whether all of the Turn before is at its head
    blocks: list[tuple[int, Block, Inference | None]] = field(default_factory=list)
    inferences: list[Inference] = field(default_factory=list)

    def __str__(self) -> str:
        return f"run {self.source.id}, turn {self.turn_index}"


@dataclass(slots=True, eq=False)
class Row:
    """What a column reads: here, the Turn and its Run."""

    place: Place

    @property
    def run(self) -> Run:
        return self.place.source.run

    @property
    def run_id(self) -> str:
        return self.place.source.id

    @property
    def file(self) -> str:
        return self.place.source.file

    @property
    def turn(self) -> Turn:
        return self.place.turn

    @property
    def turn_index(self) -> int:
        return self.place.turn_index

    @property
    def session_id(self) -> str:
        return self.place.session_id

    def __str__(self) -> str:
        return str(self.place)


class Walk:
    """The Turns of a Run, one after the other; iterating gives their Places."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._known: dict[str, Inference] = {}  # by inference id
        self._nameless: dict[int, Inference] = {}  # by the block's identity, where the record has no id
        self._seen: set[int] = set()

    def __iter__(self) -> Iterator[Place]:
        before: PersistentList[Block] = PersistentList()
        for turn_index, turn in enumerate(self.source.run.turns):
            shared = turn.blocks.shared(before)
            place = Place(self.source, turn, turn_index, session_id(turn), shared, shared == len(before))
            try:
                self._read(place)
            except DecodeError as error:
                raise DecodeError(f"{place}: {error}", key=error.key) from None
            yield place
            before = turn.blocks

    def inference(self, block: Block) -> Inference | None:
        """The model call that made `block`, as far as the Turns read so far tell."""
        bag = block.metadata
        if not len(bag):
            return None
        if self._nameless and (nameless := self._nameless.get(id(block))):
            return nameless
        name = bag.raw(INFERENCE_ID)
        if type(name) is not str:
            name = block.inference_id  # refuses what is no text
        if not name:
            result = block.inference
            if result is None or not result.inference_id:
                return Inference(result, "") if result else None
            name = result.inference_id
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = Inference(block.inference, name)
        return known

    def _read(self, place: Place) -> None:
        listed = ledger(place.turn.metadata)
        for result in listed or ():
            self._list(place, result, result.inference_id)
        last: Inference | None = None
        for index, block in enumerate(place.turn.blocks.since(place.shared), place.shared):
            if not self._first(block):
                continue
            made_by = self.inference(block)
            if made_by is not None and made_by.index is None and listed is None:
                made_by = self._found(place, block, made_by, last)
            if made_by is not None and made_by.turn_index == place.turn_index:
                made_by.blocks.append(block)
            place.blocks.append((index, block, made_by))
            last = made_by or (None if block.kind in ("user", "tool_use") else last)

    def _first(self, block: Block) -> bool:
        before = len(self._seen)
        self._seen.add(id(block))
        return len(self._seen) > before

    def _list(self, place: Place, result: InferenceResult, name: str) -> Inference:
        """The call of this `result`, listed in `place` unless an earlier Turn lists it."""
        known = self._known.get(name) if name else None
        if known is not None and known.index is not None:
            return known
        index = len(place.inferences)
        made = Inference(result, name or f"inference-{place.turn_index}-{index}", place.turn_index, index)
        self._known[made.id] = made
        place.inferences.append(made)
        return made

    def _found(self, place: Place, block: Block, found: Inference, last: Inference | None) -> Inference:
        """A call that only a block tells of, by the rule of `turn.inferences`.

        Without ids (geppetto's files), neighbours with an equal result are one call.
        """
        if found.result is None:
            return found
        if found.id:
            return self._list(place, found.result, found.id)
        made = last if last is not None and last.result == found.result else self._list(place, found.result, "")
        self._nameless[id(block)] = made
        return made


def said(block: Block) -> str:
    """What a block says, as it counts in characters.

    Its text; the arguments of a call and the result of a tool as JSON, a string as it
    is; the error of a tool that failed.
    """
    match block.kind:
        case "tool_call":
            return arguments(block)
        case "tool_use":
            return block.error or ("" if block.result is None else shown_value(block.result))
        case "system" | "user" | "llm_text" | "reasoning":
            return block.text
    return block.text or (shown_value(block.payload) if block.payload else "")


def arguments(call: Block) -> str:
    """The arguments of a call as JSON, or as the model wrote them where that is no object."""
    args = call.args
    if not args:
        raw = call.payload.get("args_raw") or call.payload.get("args")
        if isinstance(raw, str):
            return raw if raw.strip() != "{}" else "{}"
        return "{}" if not raw else to_json(raw)
    return to_json(args)
