"""Block, Turn and Run: the values everything else reads, wraps, draws or stores.

None of them ever changes. Every operation returns another value that shares what it
kept, so a snapshot is a reference and an edit cannot rewrite history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar, overload

from .calls import Calls
from .chunks import Chunks
from .frozen import EMPTY, FrozenDict, FrozenList, freeze
from .images import image, normal_image
from .keyed import NOTHING, Key, Keyed
from .results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage, ledger, total_cost, total_usage

T = TypeVar("T")


class Kind(StrEnum):
    """The kinds we know. A Block of another kind keeps the name it came with."""

    SYSTEM = "system"
    USER = "user"
    LLM_TEXT = "llm_text"
    TOOL_CALL = "tool_call"
    TOOL_USE = "tool_use"
    REASONING = "reasoning"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of a Turn: a message, a call, its result, a thought.

    `payload` holds what the kind holds (`text`; `id name args`; `id result error`;
    `images`), in geppetto's names. `extra` keeps what a file had beside these.
    """

    kind: str
    payload: Mapping[str, Any] = EMPTY
    role: str = ""
    id: str = ""
    metadata: Keyed = NOTHING
    extra: Mapping[str, Any] = field(default=EMPTY, kw_only=True)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.kind) is not str:
            put(self, "kind", freeze(self.kind))
        if type(self.payload) is not FrozenDict:
            put(self, "payload", freeze(self.payload))
        if type(self.metadata) is not Keyed:
            put(self, "metadata", Keyed(self.metadata))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", freeze(self.extra))

    @property
    def text(self) -> str:
        """The text of a message or a thought; "" where there is none."""
        text = self.payload.get("text")
        return text if isinstance(text, str) else ""

    @property
    def name(self) -> str:
        """The name of the tool that is called."""
        return str(self.payload.get("name") or "")

    @property
    def args(self) -> FrozenDict:
        """The arguments of a call; empty when they are not an object (see `payload`)."""
        args = self.payload.get("args")
        if isinstance(args, str):
            try:
                args = freeze(json.loads(args))
            except (ValueError, RecursionError):
                return EMPTY
        return args if isinstance(args, FrozenDict) else EMPTY

    @property
    def result(self) -> Any:
        return self.payload.get("result")

    @property
    def error(self) -> str:
        """What went wrong in a tool; "" when nothing did."""
        return str(self.payload.get("error") or "")

    @property
    def images(self) -> FrozenList:
        images = self.payload.get("images")
        return images if isinstance(images, FrozenList) else FrozenList()

    @property
    def tool_call_id(self) -> str:
        """The provider's id of the call this block makes or answers."""
        id = self.payload.get("id")
        return id if isinstance(id, str) else ""

    @property
    def inference(self) -> InferenceResult | None:
        """The record of the model call that made this block."""
        return self.metadata.get(INFERENCE_RESULT)

    @property
    def inference_id(self) -> str:
        return self.metadata.get(INFERENCE_ID) or ""

    def edit(self, **payload: Any) -> Block:
        """The same block with some of its payload changed."""
        return self._with(payload=freeze({**self.payload, **payload}))

    def replace(
        self, *, kind: str | None = None, id: str | None = None, role: str | None = None, payload: Mapping[str, Any] | None = None
    ) -> Block:
        """The same block with another kind, id, role or whole payload."""
        given = {"kind": kind, "id": id, "role": role, "payload": payload}
        return self._with(**{name: value for name, value in given.items() if value is not None})

    def with_metadata(self, key: Key[T], value: T) -> Block:
        return self._with(metadata=self.metadata.with_(key, value))

    def _with(self, **changes: Any) -> Block:
        now = {"kind": self.kind, "payload": self.payload, "role": self.role, "id": self.id, "metadata": self.metadata}
        return Block(**{**now, "extra": self.extra, **changes})

    def __add__(self, more: Block | Iterable[Block]) -> Turn:
        if isinstance(more, Turn):
            return more.insert(0, self)
        return Turn((self,)) + more

    def to_dict(self) -> dict[str, Any]:
        from .serde import block_to_dict

        return block_to_dict(self)

    def __repr__(self) -> str:
        from .text import block_line

        return f"<Block {block_line(self)}>"

    def _repr_html_(self) -> str:
        return Turn((self,))._repr_html_()


def system(text: str) -> Block:
    return Block(Kind.SYSTEM, {"text": text}, "system")


def user(text: str = "", images: Iterable[Any] = ()) -> Block:
    """What the user says. `images`: of `image(...)`, or paths, URLs, bytes, image maps."""
    seen = [normal_image(one) if isinstance(one, Mapping) else image(one) for one in images]
    return Block(Kind.USER, {"text": text, "images": seen} if seen else {"text": text}, "user")


def assistant(text: str) -> Block:
    return Block(Kind.LLM_TEXT, {"text": text}, "assistant")


def reasoning(text: str = "", **payload: Any) -> Block:
    """A thought; `payload` may hold `summary`, `encrypted_content`, `item_id`, `signature`."""
    return Block(Kind.REASONING, {"text": text, **payload})


def tool_call(id: str, name: str, args: Mapping[str, Any] | str | None = None) -> Block:
    """The model asks for a tool. `id` is the provider's id of the call."""
    return Block(Kind.TOOL_CALL, {"id": id, "name": name, "args": {} if args is None else args})


def tool_use(id: str, result: Any = None, error: str = "") -> Block:
    """The answer to the call with this `id`: a result, or an error in words."""
    return Block(Kind.TOOL_USE, {"id": id, "result": result, "error": error})


@dataclass(frozen=True, slots=True, repr=False)
class Turn:
    """All that the model sees and all that it says, in order.

    `metadata` is about the Turn (ids, results), `data` goes along with it (settings of
    the next call). Both are read by `nt.Key`.
    """

    blocks: Chunks[Block] = Chunks()
    id: str = ""
    metadata: Keyed = NOTHING
    data: Keyed = NOTHING
    extra: Mapping[str, Any] = field(default=EMPTY, kw_only=True)
    _calls: Calls | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.blocks) is not Chunks:
            put(self, "blocks", Chunks(_blocks(self.blocks)))
        if type(self.metadata) is not Keyed:
            put(self, "metadata", Keyed(self.metadata))
        if type(self.data) is not Keyed:
            put(self, "data", Keyed(self.data))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", freeze(self.extra))

    # Growing and editing. Each returns a new Turn.

    def __add__(self, more: Block | Iterable[Block]) -> Turn:
        added = (more,) if isinstance(more, Block) else tuple(_blocks(more))
        grown = self._with(blocks=self.blocks + added)
        if self._calls is not None:
            object.__setattr__(grown, "_calls", self._calls.after(added))
        return grown

    def __radd__(self, before: Iterable[Block]) -> Turn:
        return self._with(blocks=Chunks((*_blocks(before), *self.blocks)))

    def edit(self, index: int, **payload: Any) -> Turn:
        """The same Turn with some of one block's payload changed."""
        return self.replace(index, self.blocks[index].edit(**payload))

    def replace(self, index: int, block: Block) -> Turn:
        return self._with(blocks=self.blocks.replace(index, *_blocks((block,))))

    def insert(self, index: int, block: Block | Iterable[Block]) -> Turn:
        added = (block,) if isinstance(block, Block) else tuple(_blocks(block))
        return self._with(blocks=self.blocks.insert(index, added))

    def drop(self, index: int) -> Turn:
        return self._with(blocks=self.blocks.drop(index))

    def with_metadata(self, key: Key[T], value: T) -> Turn:
        return self._beside(metadata=self.metadata.with_(key, value))

    def with_data(self, key: Key[T], value: T) -> Turn:
        return self._beside(data=self.data.with_(key, value))

    def with_id(self, id: str) -> Turn:
        return self._beside(id=id)

    def _beside(self, **changes: Any) -> Turn:
        """Change what stands beside the blocks; what is known of the calls stays known."""
        made = self._with(**changes)
        object.__setattr__(made, "_calls", self._calls)
        return made

    def _with(self, **changes: Any) -> Turn:
        now = {"blocks": self.blocks, "id": self.id, "metadata": self.metadata, "data": self.data, "extra": self.extra}
        return Turn(**{**now, **changes})

    # Reading.

    @property
    def calls(self) -> Calls:
        """What is answered and what is not; kept along as the Turn grows."""
        if self._calls is None:
            object.__setattr__(self, "_calls", Calls().after(self.blocks))
        assert self._calls is not None
        return self._calls

    @property
    def pending(self) -> tuple[Block, ...]:
        """The tool calls nobody has answered. A Turn with some is a paused Turn."""
        return tuple(block for _, block in self.calls.pending)

    @property
    def text(self) -> str:
        """The last thing the model said."""
        return next((b.text for b in reversed(self.blocks) if b.kind == "llm_text"), "")

    def of_kind(self, *kinds: str) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.kind in kinds)

    @property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """The result of each model call of this Turn, once each, in order.

        Failed attempts and empty replies are among them where the Turn keeps a ledger
        (those that ran here do); else these are the distinct results on its blocks.
        """
        listed = ledger(self.metadata)
        return results_on(self.blocks) if listed is None else listed

    @property
    def usage(self) -> Usage:
        """Tokens, summed over `inferences`."""
        return total_usage(self.inferences)

    @property
    def cost(self) -> float | None:
        """USD, summed over `inferences`; None when it is not known of all."""
        return total_cost(self.inferences)

    def same_content(self, other: Turn) -> bool:
        """Whether both say the same: kinds, roles and payloads, whatever their ids."""
        return isinstance(other, Turn) and len(self) == len(other) and _content(self) == _content(other)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def __reversed__(self) -> Iterator[Block]:
        return reversed(self.blocks)

    def __len__(self) -> int:
        return len(self.blocks)

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, at: int) -> Block: ...
    @overload
    def __getitem__(self, at: slice) -> Turn: ...
    def __getitem__(self, at: int | slice) -> Block | Turn:
        return self._with(blocks=Chunks(self.blocks[at])) if isinstance(at, slice) else self.blocks[at]

    def __repr__(self) -> str:
        waiting = f", {n} pending" if (n := len(self.calls.pending)) else ""
        return f"<Turn {len(self)} block{'s' * (len(self) != 1)}{waiting}>"

    # Doors to the floor above.

    def __str__(self) -> str:
        from .text import transcript

        return transcript(self)

    def _repr_html_(self) -> str:
        from .html import turn_html

        return turn_html(self)

    def to_yaml(self, omit_data: bool = False) -> str:
        from .serde import turn_to_yaml

        return turn_to_yaml(self, omit_data=omit_data)

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Turn:
        from .serde import turn_from_yaml

        return turn_from_yaml(text)

    def to_dict(self) -> dict[str, Any]:
        from .serde import turn_to_dict

        return turn_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Turn:
        from .serde import turn_from_dict

        return turn_from_dict(data)


def turn(prompt: str | Block | Iterable[Block] = (), *, system: str = "") -> Turn:
    """A Turn the short way: `nt.turn("What's 2+2?", system="Be brief.")`."""
    said = (user(prompt),) if isinstance(prompt, str) else (prompt,) if isinstance(prompt, Block) else tuple(prompt)
    head = (Block(Kind.SYSTEM, {"text": system}, "system"),) if system else ()
    return Turn(Chunks((*head, *_blocks(said))))


@dataclass(frozen=True, slots=True, repr=False)
class Run:
    """A multi-turn record: one Turn per prompt, each holding all that came before it."""

    turns: tuple[Turn, ...] = ()
    id: str = ""
    name: str = ""
    metadata: Keyed = NOTHING
    extra: Mapping[str, Any] = field(default=EMPTY, kw_only=True)
    import_report: Any = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.turns) is not tuple:
            put(self, "turns", tuple(self.turns))
        if type(self.metadata) is not Keyed:
            put(self, "metadata", Keyed(self.metadata))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", freeze(self.extra))

    @property
    def latest(self) -> Turn:
        """The last Turn; an empty one when there is none."""
        return self.turns[-1] if self.turns else Turn()

    @property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """Every model call of all Turns, once each, in order."""
        made: dict[Any, InferenceResult] = {}
        before: Chunks[Block] = Chunks()
        for turn in self.turns:
            listed = ledger(turn.metadata)
            if listed is None:
                listed = results_on(turn.blocks.since(turn.blocks.shared(before)))
            for result in listed:
                made.setdefault(result.inference_id or object(), result)
            before = turn.blocks
        return tuple(made.values())

    @property
    def usage(self) -> Usage:
        return total_usage(self.inferences)

    @property
    def cost(self) -> float | None:
        return total_cost(self.inferences)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)

    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, at: int) -> Turn: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Turn, ...]: ...
    def __getitem__(self, at: int | slice) -> Turn | tuple[Turn, ...]:
        return self.turns[at]

    def __repr__(self) -> str:
        named = f" {self.name!r}" if self.name else ""
        return f"<Run{named} {len(self)} turn{'s' * (len(self) != 1)}, {len(self.latest)} blocks>"

    # Doors to the floor above.

    def __str__(self) -> str:
        from .text import transcript

        return transcript(self.latest)

    def _repr_html_(self) -> str:
        from .html import run_html

        return run_html(self)

    def to_yaml(self) -> str:
        from .serde import run_to_yaml

        return run_to_yaml(self)

    @classmethod
    def from_yaml(cls, text: str | bytes) -> Run:
        from .serde import run_from_yaml

        return run_from_yaml(text)

    def to_dict(self) -> dict[str, Any]:
        from .serde import run_to_dict

        return run_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        from .serde import run_from_dict

        return run_from_dict(data)


def results_on(blocks: Iterable[Block]) -> tuple[InferenceResult, ...]:
    """The distinct results these blocks carry, in order.

    Blocks of one call say so by its id; without ids (geppetto's files) neighbours with
    an equal result are one call.
    """
    found: dict[Any, InferenceResult] = {}
    last: Any = None
    for block in blocks:
        result = block.inference
        if result is None:
            last = None if block.kind in ("user", "tool_use") else last
            continue
        id = block.inference_id or result.inference_id
        if id:
            found.setdefault(id, result)
        elif result != last:
            found[object()] = result
        last = result
    return tuple(found.values())


def _blocks(given: Iterable[Any]) -> Iterable[Block]:
    """Refuse what is no Block here, where the mistake is, and not where it is drawn."""
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise TypeError(f"a Turn is made of Blocks, like nt.user(...), not of {type(given).__name__}: {given!r:.60}")
    if not isinstance(given, Sequence):
        given = tuple(given)
    for one in given:
        if not isinstance(one, Block):
            raise TypeError(f"a Turn is made of Blocks, like nt.user(...), not of {type(one).__name__}: {one!r:.60}")
    return given


def _content(turn: Turn) -> list[tuple[str, str, Mapping[str, Any]]]:
    names: dict[str, str] = {}

    def payload(block: Block) -> Mapping[str, Any]:
        if block.kind in ("tool_call", "tool_use") and block.tool_call_id:
            name = names.setdefault(block.tool_call_id, f"call {len(names)}")
            return {**block.payload, "id": name}
        return block.payload

    return [(block.kind, block.role, payload(block)) for block in turn]
