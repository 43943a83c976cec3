"""Turn and Run, the frozen values of this package.

They never change: a snapshot is a reference, and an edit returns a new value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from ..errors import MisuseError
from ..safety.visible_text import printable
from .blocks import Block as Block
from .blocks import Kind as Kind
from .blocks import assistant as assistant
from .blocks import comparable_content, extra_fields, require_blocks, require_str, results_of_turn
from .blocks import reasoning as reasoning
from .blocks import results_of_blocks as results_of_blocks
from .blocks import system as _system
from .blocks import system as system
from .blocks import tool_call as tool_call
from .blocks import tool_use as tool_use
from .blocks import user as user
from .conversions import RunConversions, TurnConversions, plain_output
from .frozen_json import EMPTY_DICT, FrozenDict, refuse_assignment, unchecked_constructor
from .inference_results import INFERENCES, OUTPUT, InferenceResult, Usage, ledger_results, total_cost, total_usage
from .metadata import NO_METADATA, Key, Metadata, MetadataLike, metadata_of
from .outcome import OUTCOME, Outcome
from .pending_calls import PendingCalls
from .persistent_list import PersistentList
from .provenance import CHILD_RUNS, FIELDS, OPENAI_CHAT_FIELDS, PARENT_RUN

T = TypeVar("T")
# The calls of some blocks, and the blocks added since.
CallsAndAddedBlocks: TypeAlias = tuple[PendingCalls, tuple[Block, ...]]
MAX_UNSCANNED_BLOCKS = 64  # added blocks before the calls are updated


@dataclass(frozen=True, slots=True, repr=False)
class Turn(TurnConversions):
    """The input and the output of a model as a list of blocks.

    `metadata` describes the Turn (ids, results), `data` has settings of the next call. Both
    are read by `nt.Key`.
    """

    blocks: PersistentList[Block] = PersistentList()  # noqa: RUF009  # a value, which never changes
    id: str = ""
    metadata: Metadata = NO_METADATA
    data: Metadata = NO_METADATA
    extra: Mapping[str, Any] = field(default=EMPTY_DICT, kw_only=True)
    _calls: PendingCalls | CallsAndAddedBlocks | None = field(default=None, init=False, compare=False)

    if TYPE_CHECKING:  # the accepted types; `__post_init__` converts them to those of the fields

        def __init__(
            self,
            blocks: Iterable[Block] = (),
            id: str = "",
            metadata: MetadataLike = NO_METADATA,
            data: MetadataLike = NO_METADATA,
            *,
            extra: Mapping[str, Any] = EMPTY_DICT,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.blocks) is not PersistentList:
            put(self, "blocks", PersistentList(require_blocks(self.blocks)))
        if type(self.metadata) is not Metadata:
            put(self, "metadata", metadata_of("turn", self.metadata))
        if type(self.data) is not Metadata:
            put(self, "data", metadata_of("data", self.data))
        if type(self.id) is not str:
            put(self, "id", require_str(self.id, "id"))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", extra_fields(self.extra, "version blocks shared_blocks id metadata data"))

    # Growing and editing. Each returns a new Turn.

    def __add__(self, added_blocks: Block | Iterable[Block]) -> Turn:
        block_tuple = (added_blocks,) if isinstance(added_blocks, Block) else tuple(require_blocks(added_blocks))
        return self._with_appended(block_tuple, self, self.metadata)

    def __radd__(self, leading_blocks: Iterable[Block]) -> Turn:
        return self._with(blocks=PersistentList((*require_blocks(leading_blocks), *self.blocks)))

    def edit(self, index: int, **payload: Any) -> Turn:
        """Return the Turn with some fields of the payload of one block replaced."""
        return self.replace(index, self.blocks[index].edit(**payload))

    def replace(self, index: int, block: Block) -> Turn:
        """Return a Turn with another block at `index`. Raises IndexError out of range."""
        return self._with(blocks=self.blocks.replace(index, *require_blocks((block,))))

    def insert(self, index: int, block: Block | Iterable[Block]) -> Turn:
        """Return a Turn with a block, or several, before `index`."""
        added_blocks = (block,) if isinstance(block, Block) else tuple(require_blocks(block))
        return self._with(blocks=self.blocks.insert(index, added_blocks))

    def drop(self, index: int) -> Turn:
        """Return a Turn without the block at `index`. Raises IndexError out of range."""
        return self._with(blocks=self.blocks.drop(index))

    def with_metadata(self, key: Key[T], value: T) -> Turn:
        """Return a Turn with a metadata value. Raises MisuseError for a value or a key that does not fit."""
        return self._with(metadata=self.metadata.with_(key, value, "turn"))

    def with_data(self, key: Key[T], value: T) -> Turn:
        """Return a Turn with a setting for the next model call. Raises MisuseError if it does not fit."""
        return self._with(data=self.data.with_(key, value, "data"))

    def without_metadata(self, *keys: Key[Any]) -> Turn:
        """Return the Turn without the values of these keys in its metadata."""
        return self._with(metadata=self.metadata.without(*keys))

    def without_data(self, *keys: Key[Any]) -> Turn:
        """Return the Turn without the values of these keys in its data."""
        return self._with(data=self.data.without(*keys))

    def with_id(self, id: str) -> Turn:
        """Return a Turn with another id. Raises MisuseError unless it is a str."""
        return self._with(id=require_str(id, "id"))

    def _with(
        self, *, blocks: Any = None, id: str | None = None, metadata: Any = None, data: Any = None, extra: Any = None
    ) -> Turn:
        """Return a copy with some fields replaced; the call state is kept if the blocks are."""
        return _make_turn(
            self.blocks if blocks is None else blocks,
            self.id if id is None else id,
            self.metadata if metadata is None else metadata,
            self.data if data is None else data,
            self.extra if extra is None else extra,
            self._calls if blocks is None else None,
        )

    def _with_appended(self, added_blocks: tuple[Block, ...], template_turn: Turn, metadata: Metadata) -> Turn:
        """Return this Turn with `added_blocks` and the id, data and extra of `template_turn`."""
        call_state: Any = self._calls
        if type(call_state) is PendingCalls:
            call_state = (call_state, added_blocks)
        elif call_state is not None:
            earlier_calls, unscanned = call_state
            is_short = len(unscanned) < MAX_UNSCANNED_BLOCKS
            call_state = (earlier_calls, unscanned + added_blocks) if is_short else (self.calls, added_blocks)
        return _make_turn(
            self.blocks + added_blocks, template_turn.id, metadata, template_turn.data, template_turn.extra, call_state
        )

    def _blocks_added_to(self, shorter_turn: Turn) -> tuple[Block, ...] | None:
        """Return the blocks that were added to `shorter_turn` to make this Turn; None when that is not known."""
        call_state: Any = self._calls
        return call_state[1] if type(call_state) is tuple and call_state[0] is shorter_turn._calls else None

    # Reading.

    @property
    def calls(self) -> PendingCalls:
        """The pending and the answered calls; updated as the Turn grows."""
        call_state: Any = self._calls
        if type(call_state) is not PendingCalls:
            earlier_calls, added_blocks = (PendingCalls(), self.blocks) if call_state is None else call_state
            call_state = earlier_calls.after_blocks(added_blocks)
            object.__setattr__(self, "_calls", call_state)
        return call_state  # type: ignore[no-any-return]

    @property
    def pending(self) -> tuple[Block, ...]:
        """The tool calls without an answer. A Turn with pending calls is a paused Turn.

        In a Turn that no session has made, calls may have no id, or the id of another call.
        """
        pending, irregular_calls = self.calls.pending, self.calls.irregular
        if not irregular_calls:
            return tuple(pending.values())
        open_calls = {id(call) for call in (*pending.values(), *irregular_calls)}
        return tuple(block for block in self.blocks if id(block) in open_calls)

    @property
    def text(self) -> str:
        """The text of the last llm_text block; "" without one."""
        return next((block.text for block in reversed(self.blocks) if block.kind == "llm_text"), "")

    def of_kind(self, *kinds: str) -> tuple[Block, ...]:
        """Return the blocks of these kinds, in order: `turn.of_kind("tool_call", "tool_use")`."""
        return tuple(block for block in self.blocks if block.kind in kinds)

    @property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """The results of all model calls, once each, in order; with a ledger (always in sessions) also of failed calls."""
        return results_of_turn(self.metadata, self.blocks)

    @property
    def usage(self) -> Usage:
        """Tokens, summed over `inferences`."""
        return total_usage(self.inferences)

    @property
    def cost(self) -> float | None:
        """USD, summed over `inferences`; None when the cost of one is unknown."""
        return total_cost(self.inferences)

    @property
    def output(self) -> Any:
        """The validated answer of `session.ask(…, output=…)`: an object of that type, its JSON after loading, or None."""
        return deepcopy(self.metadata.get(OUTPUT))

    def part(self, blocks: PersistentList[Block]) -> Turn:
        """Return a Turn of some of its blocks; its ledger lists the model calls that made these."""
        ledger = ledger_results(self.metadata)
        if ledger is None or len(blocks) == len(self):
            return self._with(blocks=blocks)
        ids = {block.inference_id for block in blocks}
        own_results = PersistentList(result for result in ledger if result.inference_id in ids)
        return self._with(blocks=blocks, metadata=self.metadata.with_frozen(INFERENCES, own_results))

    def same_content(self, other_turn: Turn) -> bool:
        """Return True when kinds, roles and payloads are equal; ids may differ."""
        same_length = isinstance(other_turn, Turn) and len(self) == len(other_turn)
        return same_length and comparable_content(self) == comparable_content(other_turn)

    def __contains__(self, item: object) -> bool:
        """Return True when an equal Block is in this Turn. Raises MisuseError for a str, which no Turn contains."""
        if isinstance(item, str):
            raise MisuseError(
                f"a Turn contains Blocks, not str; to search its text: [b for b in turn if {item[:60]!r} in b.text]"
            )
        return item in self.blocks

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
        return self.part(PersistentList(self.blocks[at])) if isinstance(at, slice) else self.blocks[at]

    @printable
    def __repr__(self) -> str:
        pending_part = f", {pending_count} pending" if (pending_count := len(self.calls.pending)) else ""
        return f"<Turn {len(self)} block{'s' * (len(self) != 1)}{pending_part}>"

    _repr_pretty_ = plain_output


refuse_assignment(Turn)
_make_turn = unchecked_constructor(Turn)


def turn(prompt: str | Block | Iterable[Block] = (), *, system: str = "") -> Turn:
    """Return a Turn with a prompt, like `nt.turn("What's 2+2?", system="Be brief.")`."""
    blocks = (user(prompt),) if isinstance(prompt, str) else (prompt,) if isinstance(prompt, Block) else prompt
    system_blocks = (_system(system),) if system else ()
    return Turn(PersistentList((*system_blocks, *require_blocks(blocks))))


@dataclass(frozen=True, slots=True, repr=False)
class Run(RunConversions):
    """A multi-turn record: one Turn per prompt, each holding all that came before it."""

    turns: tuple[Turn, ...] = ()
    id: str = ""
    name: str = ""
    metadata: Metadata = NO_METADATA
    extra: Mapping[str, Any] = field(default=EMPTY_DICT, kw_only=True)
    import_report: Any = field(default=None, kw_only=True, compare=False)

    if TYPE_CHECKING:  # the accepted types

        def __init__(
            self,
            turns: Iterable[Turn] = (),
            id: str = "",
            name: str = "",
            metadata: MetadataLike = NO_METADATA,
            *,
            extra: Mapping[str, Any] = EMPTY_DICT,
            import_report: Any = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        if type(self.turns) is not tuple:
            if isinstance(self.turns, (Turn, Block)) or not isinstance(self.turns, Iterable):
                raise MisuseError(f"a Run needs a list of Turns, like nt.Run([turn]), got {self.turns!r:.60}")
            put(self, "turns", tuple(self.turns))
        for turn in self.turns:
            if not isinstance(turn, Turn):
                raise MisuseError(f"expected Turns, got {type(turn).__name__}: {turn!r:.60}")
        if type(self.metadata) is not Metadata:
            put(self, "metadata", metadata_of("run", self.metadata))
        if type(self.extra) is not FrozenDict:
            put(self, "extra", extra_fields(self.extra, "version turns id name metadata"))

    @property
    def latest(self) -> Turn:
        """The last Turn; an empty one in a Run without Turns."""
        return self.turns[-1] if self.turns else Turn()

    @property
    def outcome(self) -> Outcome | None:
        """The scores, the reward and the end of the Run, as its source writes them; None without any."""
        return self.metadata.get(OUTCOME)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The other values that the source of an imported Run has: task, sample, columns of a table."""
        own_fields, chat_fields = (self.metadata.raw(key) for key in (FIELDS, OPENAI_CHAT_FIELDS))
        fields = [values for values in (chat_fields, own_fields) if isinstance(values, FrozenDict)]
        return fields[0] if len(fields) == 1 else FrozenDict({**fields[0], **fields[1]}) if fields else EMPTY_DICT

    @property
    def parent_id(self) -> str:
        """The id of the Run whose tool call started this one; "" when none did."""
        return self.metadata.get(PARENT_RUN) or ""

    @property
    def child_ids(self) -> tuple[str, ...]:
        """The ids of the Runs that tool calls of this Run started, in order."""
        child_ids = list(self.metadata.get(CHILD_RUNS) or ())
        previous_blocks: PersistentList[Block] = PersistentList()
        for turn in self.turns:
            new_blocks = turn.blocks.since(turn.blocks.shared_length(previous_blocks))
            child_ids += [block.child_run_id for block in new_blocks if block.kind == "tool_call"]
            previous_blocks = turn.blocks
        return tuple(dict.fromkeys(filter(None, child_ids)))

    @property
    def inferences(self) -> tuple[InferenceResult, ...]:
        """Every model call of all Turns, once each, in order."""
        results_by_id: dict[Any, InferenceResult] = {}
        previous_blocks: PersistentList[Block] = PersistentList()
        for turn in self.turns:
            results = ledger_results(turn.metadata)
            if results is None:
                results = results_of_blocks(turn.blocks.since(turn.blocks.shared_length(previous_blocks)))
            for result in results:
                results_by_id.setdefault(result.inference_id or result, result)
            previous_blocks = turn.blocks
        return tuple(results_by_id.values())

    @property
    def usage(self) -> Usage:
        """Tokens of all model calls, each counted once."""
        return total_usage(self.inferences)

    @property
    def cost(self) -> float | None:
        """USD of all model calls, or None when the cost of one is unknown."""
        return total_cost(self.inferences)

    def __contains__(self, item: object) -> bool:
        """Return True when an equal Turn is in this Run. Raises MisuseError for a str, which no Run contains."""
        if isinstance(item, str):
            raise MisuseError(
                f"a Run contains Turns, not str; to search its text: [b for b in run.latest if {item[:60]!r} in b.text]"
            )
        return item in self.turns

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
            raise MisuseError(
                f"the index of a Run must be an integer or a slice, like run[0] or run[-1], got {at!r:.60}"
            )
        return self.turns[at]

    @printable
    def __repr__(self) -> str:
        name_part = f" {self.name!r}" if self.name else ""
        return f"<Run{name_part} {len(self)} turn{'s' * (len(self) != 1)}, {len(self.latest)} block{'s' * (len(self.latest) != 1)}>"

    _repr_pretty_ = plain_output
