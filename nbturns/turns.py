"""Turn and Run: the values everything else reads, wraps, draws or stores.

None of them ever changes: a snapshot is a reference, and an edit cannot rewrite history.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from .blocks import Block as Block
from .blocks import Kind as Kind
from .blocks import all_blocks, content, extra_names, word
from .blocks import assistant as assistant
from .blocks import reasoning as reasoning
from .blocks import results_on as results_on
from .blocks import system as _system
from .blocks import system as system
from .blocks import tool_call as tool_call
from .blocks import tool_use as tool_use
from .blocks import user as user
from .calls import Calls
from .chunks import Chunks
from .errors import MisuseError
from .frozen import EMPTY, FrozenDict, draft_of, refuse_assignment
from .keyed import NOTHING, Key, Keyed, Metadata
from .results import OUTPUT, InferenceResult, Usage, ledger, total_cost, total_usage
from .spoken import ProviderMessages

T = TypeVar("T")
Later: TypeAlias = tuple[Calls, tuple[Block, ...]]  # what is known of some blocks, and those that were added to them
SOON = 64  # blocks added before one looks at them


@dataclass(frozen=True, slots=True, repr=False)
class Turn(ProviderMessages):
    """All that the model sees and all that it says, in order.

    `metadata` is about the Turn (ids, results), `data` goes along with it (settings of
    the next call). Both are read by `nt.Key`.
    """

    blocks: Chunks[Block] = Chunks()  # noqa: RUF009  # a value, which never changes
    id: str = ""
    metadata: Keyed = NOTHING
    data: Keyed = NOTHING
    extra: Mapping[str, Any] = field(default=EMPTY, kw_only=True)
    _calls: Calls | Later | None = field(default=None, init=False, compare=False)

    if TYPE_CHECKING:  # what it takes; `__post_init__` makes of it what the fields say

        def __init__(
            self,
            blocks: Iterable[Block] = (),
            id: str = "",
            metadata: Metadata = NOTHING,
            data: Metadata = NOTHING,
            *,
            extra: Mapping[str, Any] = EMPTY,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.blocks) is not Chunks:
            put(self, "blocks", Chunks(all_blocks(self.blocks)))
        if type(self.metadata) is not Keyed:
            put(self, "metadata", Keyed(self.metadata))
        if type(self.data) is not Keyed:
            put(self, "data", Keyed(self.data))
        if type(self.id) is not str:
            put(self, "id", word(self.id, "an id"))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", extra_names(self.extra, "version blocks shared_blocks id metadata data"))

    # Growing and editing. Each returns a new Turn.

    def __add__(self, more: Block | Iterable[Block]) -> Turn:
        return self._grown((more,) if isinstance(more, Block) else tuple(all_blocks(more)), self, self.metadata)

    def __radd__(self, before: Iterable[Block]) -> Turn:
        return self._with(blocks=Chunks((*all_blocks(before), *self.blocks)))

    def edit(self, index: int, **payload: Any) -> Turn:
        """The same Turn with some of one block's payload changed."""
        return self.replace(index, self.blocks[index].edit(**payload))

    def replace(self, index: int, block: Block) -> Turn:
        return self._with(blocks=self.blocks.replace(index, *all_blocks((block,))))

    def insert(self, index: int, block: Block | Iterable[Block]) -> Turn:
        added = (block,) if isinstance(block, Block) else tuple(all_blocks(block))
        return self._with(blocks=self.blocks.insert(index, added))

    def drop(self, index: int) -> Turn:
        return self._with(blocks=self.blocks.drop(index))

    def with_metadata(self, key: Key[T], value: T) -> Turn:
        return self._with(metadata=self.metadata.with_(key, value))

    def with_data(self, key: Key[T], value: T) -> Turn:
        return self._with(data=self.data.with_(key, value))

    def with_id(self, id: str) -> Turn:
        return self._with(id=word(id, "an id"))

    def _with(
        self, *, blocks: Any = None, id: str | None = None, metadata: Any = None, data: Any = None, extra: Any = None
    ) -> Turn:
        """With the same blocks, what is known of the calls stays known."""
        return _turn(
            self.blocks if blocks is None else blocks,
            self.id if id is None else id,
            self.metadata if metadata is None else metadata,
            self.data if data is None else data,
            self.extra if extra is None else extra,
            self._calls if blocks is None else None,
        )

    _beside = _with

    def _grown(self, added: tuple[Block, ...], like: Turn, metadata: Keyed) -> Turn:
        """With these blocks more; id, data and extra are those of `like`."""
        known: Any = self._calls
        if type(known) is Calls:
            known = (known, added)
        elif known is not None:
            known = (known[0], known[1] + added) if len(known[1]) < SOON else (self.calls, added)
        made = _new(_Draft)
        made.blocks = self.blocks + added
        made.id = like.id
        made.metadata = metadata
        made.data = like.data
        made.extra = like.extra
        made._calls = known
        made.__class__ = Turn
        return made  # type: ignore[no-any-return]  # a draft no longer

    def _added_to(self, before: Turn) -> tuple[Block, ...] | None:
        """The blocks this one has more than `before`, where it is known to have been made by adding them."""
        known: Any = self._calls
        return known[1] if type(known) is tuple and known[0] is before._calls else None

    # Reading.

    @property
    def calls(self) -> Calls:
        """What is answered and what is not; kept along as the Turn grows."""
        known: Any = self._calls
        if type(known) is not Calls:
            start, added = (Calls(), self.blocks) if known is None else known
            known = start.after(added)
            object.__setattr__(self, "_calls", known)
        return known  # type: ignore[no-any-return]

    @property
    def pending(self) -> tuple[Block, ...]:
        """The tool calls nobody has answered. A Turn with some is a paused Turn."""
        return tuple(self.calls.pending.values())

    @property
    def text(self) -> str:
        """The last thing the model said."""
        return next((b.text for b in reversed(self.blocks) if b.kind == "llm_text"), "")

    def of_kind(self, *kinds: str) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.kind in kinds)

    @property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """The result of each model call, once each, in order; of failed ones too, where a ledger was kept (here it is)."""
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

    @property
    def output(self) -> Any:
        """The checked answer of `session.ask(…, output=…)`: an object of that type; from a file its JSON; else None."""
        return deepcopy(self.metadata.get(OUTPUT))

    def same_content(self, other: Turn) -> bool:
        """Whether both say the same: kinds, roles and payloads, whatever their ids."""
        return isinstance(other, Turn) and len(self) == len(other) and content(self) == content(other)

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


_Draft: Any = draft_of(Turn)
refuse_assignment(Turn)
_new: Any = object.__new__


def _turn(
    blocks: Chunks[Block], id: str, metadata: Keyed, data: Keyed, extra: Mapping[str, Any], calls: Calls | Later | None
) -> Turn:
    """A Turn of parts that are frozen and in order already: not looked at again."""
    made = _new(_Draft)
    made.blocks = blocks
    made.id = id
    made.metadata = metadata
    made.data = data
    made.extra = extra
    made._calls = calls
    made.__class__ = Turn
    return made  # type: ignore[no-any-return]  # a draft no longer


def turn(prompt: str | Block | Iterable[Block] = (), *, system: str = "") -> Turn:
    """A Turn the short way: `nt.turn("What's 2+2?", system="Be brief.")`."""
    said = (user(prompt),) if isinstance(prompt, str) else (prompt,) if isinstance(prompt, Block) else prompt
    head = (_system(system),) if system else ()
    return Turn(Chunks((*head, *all_blocks(said))))


@dataclass(frozen=True, slots=True, repr=False)
class Run(ProviderMessages):
    """A multi-turn record: one Turn per prompt, each holding all that came before it."""

    turns: tuple[Turn, ...] = ()
    id: str = ""
    name: str = ""
    metadata: Keyed = NOTHING
    extra: Mapping[str, Any] = field(default=EMPTY, kw_only=True)
    import_report: Any = field(default=None, kw_only=True, compare=False)

    if TYPE_CHECKING:  # what it takes

        def __init__(
            self,
            turns: Iterable[Turn] = (),
            id: str = "",
            name: str = "",
            metadata: Metadata = NOTHING,
            *,
            extra: Mapping[str, Any] = EMPTY,
            import_report: Any = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.turns) is not tuple:
            if isinstance(self.turns, (Turn, Block)) or not isinstance(self.turns, Iterable):
                raise MisuseError(f"a Run is made of Turns, like nt.Run([turn]), not of {self.turns!r:.60}")
            put(self, "turns", tuple(self.turns))
        for turn in self.turns:
            if not isinstance(turn, Turn):
                raise MisuseError(f"a Run is made of Turns, not of {type(turn).__name__}: {turn!r:.60}")
        if type(self.metadata) is not Keyed:
            put(self, "metadata", Keyed(self.metadata))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", extra_names(self.extra, "version turns id name metadata"))

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
                made.setdefault(result.inference_id or result, result)
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
        if not isinstance(at, slice) and not hasattr(at, "__index__"):
            raise MisuseError(f"the Turns of a Run stand by number, like run[0] or run[-1]; {at!r:.60} is none")
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
