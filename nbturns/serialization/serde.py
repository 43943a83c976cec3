"""Run and Turn ⇄ plain data ⇄ YAML and JSON, in the names geppetto has on disk.

Unknown kinds and keys are kept, dates stay text, bytes stay bytes. Errors name the position in the file.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from ..errors import LoadError, MisuseError
from ..values.frozen_json import FrozenDict, FrozenList, freeze, key_name
from ..values.metadata import Metadata, metadata_from_dict
from ..values.persistent_list import PersistentList
from ..values.provenance import with_current_names
from ..values.turns import Block, Kind, Run, Turn

FORMAT_VERSION = 1
BYTES_KEY = "!!binary"
KNOWN_KINDS = frozenset(Kind)
DEFAULT_ROLES = {"llm_text": "assistant"}  # what a block without a role is given when it is read, as in geppetto
NO_BLOCKS: PersistentList[Block] = PersistentList()
SHARED_BLOCKS_KEYS = {"shared_blocks"}  # the keys of what stands for blocks of the Turn before
MISPLACED_FIELDS = {  # by kind: what belongs in the payload, and is seen beside it in files written by hand
    "tool_call": ("name", "args"),
    "tool_use": ("result", "error"),
    "user": ("text", "images"),
}
V = TypeVar("V")
PlainConverter: TypeAlias = Callable[[Any], Any]


# A value → plain data.


def jsonable(value: Any) -> Any:
    """Plain data that JSON can hold: bytes as `{"!!binary": base64}`."""
    if isinstance(value, bytes):
        return {BYTES_KEY: base64.b64encode(value).decode("ascii")}
    return _plain(value, jsonable)


def yamlable(value: Any) -> Any:
    """Plain data that YAML can hold, which has bytes of its own."""
    return _plain(value, yamlable)


def _plain(value: Any, inside: PlainConverter) -> Any:
    if isinstance(value, Mapping):  # a key that looks like our mark of bytes gets an exclamation mark more
        return {f"{k}!" if k.rstrip("!") == BYTES_KEY else k: inside(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, PersistentList)):
        return [inside(v) for v in value]
    return value


def block_to_dict(block: Block, *, plain: PlainConverter = jsonable) -> dict[str, Any]:
    written: dict[str, Any] = {"id": block.id} if block.id else {}
    written["kind"] = block.kind
    if block.role or block.kind in DEFAULT_ROLES:
        written["role"] = block.role or None
    if block.payload or block.extra:  # without one, a text beside the kind is taken for what belongs in it
        written["payload"] = plain(block.payload)
    if len(block.metadata):
        written["metadata"] = _metadata_to_dict(block.metadata, plain)
    return {**written, **plain(block.extra)}


def turn_to_dict(
    turn: Turn,
    *,
    omit_data: bool = False,
    previous_blocks: PersistentList[Block] = NO_BLOCKS,
    plain: PlainConverter = jsonable,
) -> dict[str, Any]:
    """The shape on disk, without the blocks that the Turn `before` has as well: they are named by their place there."""
    written: dict[str, Any] = {"id": turn.id} if turn.id else {}
    shared_count = turn.blocks.shared_length(previous_blocks)
    if shared_count:
        written["shared_blocks"] = shared_count
    written["blocks"] = _blocks_to_list(turn.blocks.since(shared_count), previous_blocks, shared_count, plain)
    if len(turn.metadata):
        written["metadata"] = _metadata_to_dict(turn.metadata, plain)
    if len(turn.data) and not omit_data:
        written["data"] = _metadata_to_dict(turn.data, plain)
    return {**written, **plain(turn.extra)}


def _blocks_to_list(
    blocks: Iterable[Block], previous_blocks: PersistentList[Block], shared: int, plain: PlainConverter
) -> list[dict[str, Any]]:
    places = {id(block): place for place, block in enumerate(previous_blocks)} if shared < len(previous_blocks) else {}
    written: list[dict[str, Any]] = []
    for block in blocks:
        place = places.get(id(block))
        if place is None:
            written.append(block_to_dict(block, plain=plain))
        elif written and written[-1].keys() == SHARED_BLOCKS_KEYS and written[-1]["shared_blocks"][1] == place:
            written[-1]["shared_blocks"][1] += 1
        else:
            written.append({"shared_blocks": [place, place + 1]})
    return written


def run_to_dict(run: Run, *, plain: PlainConverter = jsonable) -> dict[str, Any]:
    """A Run with each block once: a Turn says which it shares with the one before.

    `shared_blocks` of a Turn is how many at its head; among its blocks, from where to where (exclusive).
    """
    written: dict[str, Any] = {"version": FORMAT_VERSION}
    if run.id:
        written["id"] = run.id
    if run.name:
        written["name"] = run.name
    written["turns"] = turns = []
    previous_blocks: PersistentList[Block] = PersistentList()
    for turn in run.turns:
        turns.append(turn_to_dict(turn, previous_blocks=previous_blocks, plain=plain))
        previous_blocks = turn.blocks
    if len(run.metadata):
        written["metadata"] = _metadata_to_dict(run.metadata, plain)
    return {**written, **plain(run.extra)}


def _metadata_to_dict(bag: Metadata, plain: PlainConverter) -> dict[str, Any]:
    return {name: plain(value) for name, value in sorted(bag.items())}


# Plain data → a value.


GuessReporter: TypeAlias = Callable[[str, str], object]  # is told a place, and what was assumed there


def discard_guess(_position: str, _guess: str) -> None:
    """For guesses nobody keeps a report of."""


class _Reader:
    """Convert plain data to values; an error names the file and the path in it. Equal blocks become one object."""

    def __init__(self, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess) -> None:
        self.file = file
        self.strict = strict
        self.guess = guess
        self.known: dict[str, Block] = {}

    def refuse(self, position: str, message: str) -> LoadError:
        return LoadError(message, file=self.file, position=position)

    def mapping(self, raw: Any, position: str, description: str) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise self.refuse(position, f"{description} is a mapping, not {_describe(raw)}")
        try:
            return _with_string_keys(raw)
        except TypeError as error:
            raise self.refuse(position, str(error)) from None

    def frozen(self, raw: Any, position: str) -> FrozenDict:
        try:
            value: FrozenDict = freeze(_from_jsonable(raw))
        except TypeError as error:
            raise self.refuse(position, str(error)) from None
        except RecursionError:
            raise self.refuse(position, "this value is nested too deeply") from None
        if not isinstance(value, FrozenDict):  # {"!!binary": …} alone stands for bytes
            raise self.refuse(position, f"a mapping stands here, not {type(value).__name__}")
        return value

    def text(self, raw: Any, position: str, description: str) -> str:
        if raw is None:
            return ""
        try:
            return key_name(raw)
        except TypeError:
            raise self.refuse(position, f"{description} is a text, not {_describe(raw)}") from None

    def bag(self, raw: Any, position: str, description: str) -> Metadata:
        values = self.frozen(self.mapping({} if raw is None else raw, position, description), position)
        return metadata_from_dict(with_current_names(values))

    def block(self, raw: Any, position: str) -> Block:
        fields = self.mapping(raw, position, "a block")
        kind = self.kind(fields.pop("kind", None), fields, position)
        payload = fields.pop("payload", None) if "payload" in fields else self.misplaced(fields, kind, position)
        payload = self.mapping({} if payload is None else payload, f"{position}.payload", "a payload")
        block = Block(
            kind,
            self.frozen(payload, f"{position}.payload"),
            self.role(fields.pop("role", ""), kind, f"{position}.role"),
            self.text(fields.pop("id", None), f"{position}.id", "an id"),
            self.bag(fields.pop("metadata", None), f"{position}.metadata", "metadata"),
            extra=self.frozen(fields, position),
        )
        earlier_block = self.known.setdefault(block.id, block) if block.id else block
        return earlier_block if earlier_block == block else block

    def misplaced(self, fields: dict[str, Any], kind: str, position: str) -> dict[str, Any]:
        """Remove payload fields from the top level of a block without payload, and return them."""
        names = [name for name in MISPLACED_FIELDS.get(kind, ("text",)) if name in fields]
        if names:
            verb = "belongs" if len(names) == 1 else "belong"
            complaint = f"{' and '.join(names)} {verb} in the payload: payload: {{{names[0]}: …}}"
            if self.strict:
                raise self.refuse(position, complaint)
            self.guess(position, complaint)
        return {name: fields.pop(name) for name in names}

    def kind(self, raw: Any, fields: Mapping[str, Any], position: str) -> str:
        if raw is None:
            raise self.refuse(position, f"a block has a kind; this one has {', '.join(fields) or 'nothing'}")
        kind = self.text(raw, f"{position}.kind", "a kind")
        normal_kind = kind.strip().lower()
        if normal_kind in KNOWN_KINDS:
            return normal_kind
        if self.strict:
            raise self.refuse(f"{position}.kind", f"{kind!r} is no kind; there are: {', '.join(sorted(KNOWN_KINDS))}")
        return kind or "other"

    def role(self, raw: Any, kind: str, position: str) -> str:
        """Blank is left to the kind, as in geppetto; null says that there is none."""
        role = self.text(raw, position, "a role")
        return role if raw is None or role.strip() else DEFAULT_ROLES.get(kind, role)

    def blocks(self, raw: Any, position: str, previous_blocks: PersistentList[Block]) -> Iterator[Block]:
        if not isinstance(raw, (list, tuple, type(None))):
            raise self.refuse(position, f"blocks are a list, not {_describe(raw)}")
        for index, item in enumerate(raw or ()):
            if isinstance(item, Mapping) and item.keys() == SHARED_BLOCKS_KEYS:
                yield from self.shared(item["shared_blocks"], f"{position}[{index}].shared_blocks", previous_blocks)
            else:
                yield self.block(item, f"{position}[{index}]")

    def shared(self, raw: Any, position: str, previous_blocks: PersistentList[Block]) -> tuple[Block, ...]:
        """From where to where in the Turn before."""
        is_range = isinstance(raw, (list, tuple)) and len(raw) == 2 and all(type(place) is int for place in raw)
        if not is_range or not 0 <= raw[0] < raw[1] <= len(previous_blocks):
            raise self.refuse(
                position, f"the turn before has {len(previous_blocks)} blocks; it cannot share {raw!r:.60}"
            )
        return previous_blocks[raw[0] : raw[1]]

    def turn(self, raw: Any, position: str = "", previous_blocks: PersistentList[Block] = NO_BLOCKS) -> Turn:
        fields = self.mapping(raw, position, "a turn")
        self.version(fields, position)
        prefix = f"{position}." if position else ""
        shared_count = fields.pop("shared_blocks", 0)
        if type(shared_count) is not int or not 0 <= shared_count <= len(previous_blocks):
            raise self.refuse(
                f"{prefix}shared_blocks",
                f"the turn before has {len(previous_blocks)} blocks; it cannot share {shared_count!r}",
            )
        blocks = self.blocks(fields.pop("blocks", None), f"{prefix}blocks", previous_blocks)
        return Turn(
            previous_blocks.head(shared_count) + blocks,
            self.text(fields.pop("id", None), f"{prefix}id", "an id"),
            self.bag(fields.pop("metadata", None), f"{prefix}metadata", "metadata"),
            self.bag(fields.pop("data", None), f"{prefix}data", "data"),
            extra=self.frozen(fields, position),
        )

    def run(self, raw: Any) -> Run:
        fields = self.mapping(raw, "", "a run")
        self.version(fields, "")
        raw_turns = fields.pop("turns", None)
        raw_turns = [] if raw_turns is None else raw_turns
        if not isinstance(raw_turns, (list, tuple)):
            raise self.refuse("turns", f"turns are a list, not {_describe(raw_turns)}")
        turns: list[Turn] = []
        for index, raw_turn in enumerate(raw_turns):
            turns.append(self.turn(raw_turn, f"turns[{index}]", turns[-1].blocks if turns else PersistentList()))
        return Run(
            tuple(turns),
            self.text(fields.pop("id", None), "id", "an id"),
            self.text(fields.pop("name", None), "name", "a name"),
            self.bag(fields.pop("metadata", None), "metadata", "metadata"),
            extra=self.frozen(fields, ""),
        )

    def version(self, fields: dict[str, Any], position: str) -> None:
        version = fields.pop("version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            raise self.refuse(
                f"{position}.version".lstrip("."),
                f"version {version!r} is not one this nbturns reads; it reads {FORMAT_VERSION}",
            )


def _describe(raw: Any) -> str:
    names = {
        dict: "a mapping",
        list: "a list",
        tuple: "a list",
        str: "a text",
        type(None): "nothing",
        FrozenDict: "a mapping",
        FrozenList: "a list",
    }
    return f"{names.get(type(raw), type(raw).__name__)}: {raw!r:.60}" if raw is not None else "nothing"


def _from_jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(value.get(BYTES_KEY), str):
            try:
                return base64.b64decode(value[BYTES_KEY], validate=True)
            except ValueError:  # somebody else's mapping, which happens to have that key
                return value
        return {
            k[:-1] if k.rstrip("!") == BYTES_KEY != k else k: _from_jsonable(v)
            for k, v in _with_string_keys(value).items()
        }
    if isinstance(value, (list, tuple)):
        return [_from_jsonable(v) for v in value]
    return value


def _with_string_keys(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """The same mapping with texts as keys. Raises TypeError when two become one."""
    by_name = {key_name(k): v for k, v in raw.items()}
    if len(by_name) != len(raw):
        raise MisuseError(f"keys of this mapping collide once converted to strings: {', '.join(by_name)}")
    return by_name


def block_from_dict(data: Mapping[str, Any], *, file: str = "", strict: bool = False) -> Block:
    """Raises LoadError that names the place."""
    return _Reader(file, strict).block(data, "")


def turn_from_dict(
    data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Turn:
    """Raises LoadError that names the place."""
    return _Reader(file, strict, guess).turn(data)


def run_from_dict(
    data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Run:
    """A Run, or a Turn as a Run of one. Raises LoadError that names the place."""
    reader = _Reader(file, strict, guess)
    if isinstance(data, Mapping) and "turns" not in data and "blocks" in data:
        return Run((reader.turn(data),))
    return reader.run(data)


def is_nbturns_data(data: Any) -> bool:
    """Return True when plain data looks like a Turn or a Run of nbturns or geppetto."""
    if not isinstance(data, Mapping):
        return False
    if isinstance(data.get("turns"), (list, tuple)) and all(
        isinstance(t, Mapping) and "blocks" in t for t in data["turns"]
    ):
        return True
    return "blocks" in data and not ({"messages", "role", "content", "mapping"} & data.keys())


# YAML, by way of yaml_text.


def turn_to_yaml(turn: Turn, *, omit_data: bool = False) -> str:
    from .yaml_text import dump_yaml

    return dump_yaml({"version": FORMAT_VERSION, **turn_to_dict(turn, omit_data=omit_data, plain=yamlable)})


def run_to_yaml(run: Run) -> str:
    from .yaml_text import dump_yaml

    return dump_yaml(run_to_dict(run, plain=yamlable))


def turn_from_yaml(text: str | bytes) -> Turn:
    """Raises LoadError with line and block for what is not a Turn, or several."""
    (turn,) = _read_yaml(text, "", turn_from_dict, single=True)
    return turn


def run_from_yaml(text: str | bytes) -> Run:
    """Raises LoadError with line and block for what is not a Run, or several."""
    (run,) = _read_yaml(text, "", _run_from_data, single=True)
    return run


def runs_from_yaml(
    text: str | bytes, *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Iterator[Run]:
    """The Runs and Turns of a stream of documents. Raises LoadError with line and block for what is neither."""
    return _read_yaml(text, file, lambda data: run_from_dict(data, file=file, strict=strict, guess=guess))


def _run_from_data(data: Any) -> Run:
    return _Reader().run(data)


def _read_yaml(text: str | bytes, file: str, convert: Callable[[Any], V], *, single: bool = False) -> Iterator[V]:
    """Read YAML; a complaint about a block gets the line it stands on."""
    from .yaml_text import line_of_path, yaml_documents

    if not isinstance(text, (str, bytes)):
        raise MisuseError(
            f"this reads the text of a file, not {type(text).__name__}: {text!r:.60}; nt.load(path) opens one"
        )
    numbered_documents = yaml_documents(text, file, single=single)
    for number, data in numbered_documents if numbered_documents or not single else ((0, None),):
        try:
            yield convert({} if data is None else data)
        except LoadError as error:
            line = line_of_path(text, error.position, number)
            raise LoadError(error.reason, file=file, position=f"line {line}, {error.position}".rstrip(", ")) from None
