"""One traversal of a Run: the new blocks of each Turn, and the model call that produced each.

A Turn holds all that came before it, so a frame of every Turn in full would grow with
the square of a conversation. Here each Block object is visited once, in the first Turn that has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import DecodeError
from ..render.text import TextForm, block_text
from ..safety.visible_text import printable
from ..values.blocks import make_block as block_of
from ..values.failure_rules import FailureRule
from ..values.inference_results import INFERENCE_ID, InferenceResult, ledger_results
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Run, Turn
from .arrow_arrays import to_json
from .copies import Copies
from .label_file import LabelIndex
from .sources import RunLinks, RunSource, session_id


@dataclass(slots=True, eq=False)
class ModelCall:
    """One model call, and its blocks in the Turn that lists it.

    `turn_index` is the index of that Turn, `index` that of the call among the calls there; both are
    None when no Turn of the Run lists the call. `copy_key` is that of `copies.py`, None for a call without blocks.
    """

    result: InferenceResult | None
    id: str
    turn_index: int | None = None
    index: int | None = None
    blocks: list[NewBlock] = field(default_factory=list)
    is_named: bool = True  # false when the frame makes the id
    copy_key: int | None = None


class NewBlock:
    """A block in the first Turn that has it: its index there, its model call, and its text as in the frame.

    `copy_key` is equal for blocks that may be the same; None where no reply tells.
    """

    __slots__ = ("block", "call", "copy_key", "index", "text")

    def __init__(self, index: int, block: Block, call: ModelCall | None, text: str) -> None:
        self.index: int = index
        self.block: Block = block
        self.call: ModelCall | None = call
        self.text: str = text
        self.copy_key: int | None = None


@dataclass(slots=True, eq=False)
class TurnVisit:
    """A Turn at its index in its Run, with its new blocks and model calls.

    `shared` counts the leading blocks that the previous Turn has too; `extends_previous` says
    that these are all blocks of the previous Turn.
    """

    source: RunSource
    turn: Turn
    turn_index: int
    session_id: str
    shared: int
    extends_previous: bool
    blocks: list[NewBlock] = field(default_factory=list)
    model_calls: list[ModelCall] = field(default_factory=list)

    @printable
    def __str__(self) -> str:
        return f"run {self.source.id}, turn {self.turn_index}"


@dataclass(slots=True, eq=False)
class Row:
    """The argument of a column's function: here, a Turn and its Run."""

    visit: TurnVisit

    @property
    def run(self) -> Run:
        """The Run of the row."""
        return self.visit.source.run

    @property
    def run_id(self) -> str:
        """Id of the Run, as frames name it."""
        return self.visit.source.id

    @property
    def file(self) -> str:
        """Path of the file that the Run is from; "" for a value."""
        return self.visit.source.file

    @property
    def links(self) -> RunLinks:
        """Ids of the Runs that this Run is linked with."""
        return self.visit.source.links

    @property
    def turn(self) -> Turn:
        """The Turn of the row."""
        return self.visit.turn

    @property
    def turn_index(self) -> int:
        """Index of the Turn in its Run, from 0."""
        return self.visit.turn_index

    @property
    def session_id(self) -> str:
        """Id of the session that made the Turn; "" when none did."""
        return self.visit.session_id

    @printable
    def __str__(self) -> str:
        return str(self.visit)


class Traversal:
    """The Turns of a Run in order; iterating gives their TurnVisits, without the copies of earlier Runs."""

    def __init__(
        self, source: RunSource, copies: Copies, failure_rule: FailureRule, label_index: LabelIndex | None = None
    ) -> None:
        self.source = source
        self.label_index = label_index  # of a file of labels
        self.failure_rule = failure_rule
        self.visits: list[TurnVisit] = []
        self.tool_calls: list[Any] | None = None  # the rows of `tool_calls`, when a frame has asked for them
        self._copies = copies
        self._model_calls: dict[str, ModelCall] = {}  # by inference id
        self._anonymous_calls: dict[int, ModelCall] = {}  # by block identity, for records without an id
        self._visited: set[int] = set()

    def __iter__(self) -> Iterator[TurnVisit]:
        self.visits = list(self._visits())
        self._copies.apply(self.source, self.visits)
        return iter(self.visits)

    def _visits(self) -> Iterator[TurnVisit]:
        previous_blocks: PersistentList[Block] = PersistentList()
        for turn_index, turn in enumerate(self.source.run.turns):
            shared = turn.blocks.shared_length(previous_blocks)
            extends_previous = shared == len(previous_blocks)
            visit = TurnVisit(self.source, turn, turn_index, session_id(turn), shared, extends_previous)
            try:
                self._collect(visit)
            except DecodeError as error:
                raise DecodeError(f"{visit}: {error}", key=error.key) from None
            yield visit
            previous_blocks = turn.blocks

    def model_call(self, block: Block) -> ModelCall | None:
        """Return the model call that produced `block`, as far as the Turns visited so far tell."""
        metadata = block.metadata
        if not len(metadata):
            return None
        if self._anonymous_calls and (anonymous := self._anonymous_calls.get(id(block))):
            return anonymous
        call_id = metadata.raw(INFERENCE_ID)
        if type(call_id) is not str:
            call_id = block.inference_id  # raises for a value that is not a string
        if not call_id:
            result = block.inference
            if result is None or not result.inference_id:
                return ModelCall(result, "") if result else None
            call_id = result.inference_id
        model_call = self._model_calls.get(call_id)
        if model_call is None:
            model_call = self._model_calls[call_id] = ModelCall(block.inference, call_id)
        return model_call

    def _collect(self, visit: TurnVisit) -> None:
        """Add the new blocks and model calls of the Turn to its visit."""
        results = ledger_results(visit.turn.metadata)
        for result in results or ():
            self._list_call(visit, result, result.inference_id)
        previous_call: ModelCall | None = None
        for index, block in enumerate(visit.turn.blocks.since(visit.shared), visit.shared):
            if not self._is_first_visit(block):
                continue
            model_call = self.model_call(block)
            if model_call is not None and model_call.index is None and results is None:
                model_call = self._list_unlisted(visit, block, model_call, previous_call)
            new_block = NewBlock(index, block, model_call, text_of(block))
            if model_call is not None and model_call.turn_index == visit.turn_index:
                model_call.blocks.append(new_block)
            visit.blocks.append(new_block)
            previous_call = model_call or (None if block.kind in ("user", "tool_use") else previous_call)

    def _is_first_visit(self, block: Block) -> bool:
        count = len(self._visited)
        self._visited.add(id(block))
        return len(self._visited) > count

    def _list_call(self, visit: TurnVisit, result: InferenceResult, call_id: str) -> ModelCall:
        """Return the call of `result`, listed in `visit` unless an earlier Turn lists it."""
        listed_call = self._model_calls.get(call_id) if call_id else None
        if listed_call is not None and listed_call.index is not None:
            return listed_call
        index = len(visit.model_calls)
        model_call = ModelCall(result, call_id or f"inference-{visit.turn_index}-{index}", visit.turn_index, index)
        model_call.is_named = bool(call_id)
        self._model_calls[model_call.id] = model_call
        visit.model_calls.append(model_call)
        return model_call

    def _list_unlisted(
        self, visit: TurnVisit, block: Block, model_call: ModelCall, previous_call: ModelCall | None
    ) -> ModelCall:
        """Return the listed form of a call that only a block names, by the rule of `turn.inferences`.

        Without ids (geppetto's files), neighbouring blocks with an equal result are one call.
        """
        if model_call.result is None:
            return model_call
        if model_call.id:
            return self._list_call(visit, model_call.result, model_call.id)
        if previous_call is not None and previous_call.result == model_call.result:
            listed_call = previous_call
        else:
            listed_call = self._list_call(visit, model_call.result, "")
        self._anonymous_calls[id(block)] = listed_call
        return listed_call


def arguments_text(payload: Mapping[str, Any]) -> str:
    """Return the arguments of a call as JSON, or the text of the model where that is not an object."""
    args = payload.get("args")
    if isinstance(args, str):
        args = block_of("tool_call", payload).args  # parses it
    if args and isinstance(args, dict):
        return to_json(args)
    raw = payload.get("args_raw") or payload.get("args")
    if not raw:
        return "{}"
    if isinstance(raw, str):
        return raw if raw.strip() != "{}" else "{}"
    return to_json(raw)


def value_text(value: Any) -> str:
    """Return a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else to_json(value)


COLUMN_FORM = TextForm(arguments_text, value_text, labels=False)


def text_of(block: Block) -> str:
    """Return the text of a block as the columns `text` and `characters` have it.

    The text of a message; the arguments of a call and the result of a tool as JSON, a string as it
    is; the error of a tool that failed.
    """
    return block_text(block.kind, block.payload, COLUMN_FORM)
