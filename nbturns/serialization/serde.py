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
DEFAULT_ROLES = {"llm_text": "assistant"}  # the roles of blocks without one, as in geppetto
NO_BLOCKS: PersistentList[Block] = PersistentList()
SHARED_BLOCKS_KEYS = {"shared_blocks"}  # the keys of a reference to blocks of the previous Turn
MISPLACED_FIELDS = {  # payload fields by kind that hand-written files have at the top level of a block
    "tool_call": ("name", "args"),
    "tool_use": ("result", "error"),
    "user": ("text", "images"),
}
V = TypeVar("V")
PlainConverter: TypeAlias = Callable[[Any], Any]


# A value → plain data.


def jsonable(value: Any) -> Any:
    """Return plain data for JSON, with bytes as `{"!!binary": base64}`."""
    if isinstance(value, bytes):
        return {BYTES_KEY: base64.b64encode(value).decode("ascii")}
    return _plain(value, jsonable)


def yamlable(value: Any) -> Any:
    """Return plain data for YAML, with bytes unchanged."""
    return _plain(value, yamlable)


def _plain(value: Any, inside: PlainConverter) -> Any:
    if isinstance(value, Mapping):  # escapes keys that look like BYTES_KEY
        return {f"{k}!" if k.rstrip("!") == BYTES_KEY else k: inside(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, PersistentList)):
        return [inside(v) for v in value]
    return value


def block_to_dict(block: Block, *, plain: PlainConverter = jsonable) -> dict[str, Any]:
    block_fields: dict[str, Any] = {"id": block.id} if block.id else {}
    block_fields["kind"] = block.kind
    if block.role or block.kind in DEFAULT_ROLES:
        block_fields["role"] = block.role or None
    if block.payload or block.extra:  # without a payload, a `text` field would be read as its text
        block_fields["payload"] = plain(block.payload)
    if len(block.metadata):
        block_fields["metadata"] = _metadata_to_dict(block.metadata, plain)
    return {**block_fields, **plain(block.extra)}


def turn_to_dict(
    turn: Turn,
    *,
    omit_data: bool = False,
    previous_blocks: PersistentList[Block] = NO_BLOCKS,
    plain: PlainConverter = jsonable,
) -> dict[str, Any]:
    """Return a Turn as on disk, with references to the blocks that it shares with the previous Turn."""
    turn_fields: dict[str, Any] = {"id": turn.id} if turn.id else {}
    shared_count = turn.blocks.shared_length(previous_blocks)
    if shared_count:
        turn_fields["shared_blocks"] = shared_count
    turn_fields["blocks"] = _blocks_to_list(turn.blocks.since(shared_count), previous_blocks, shared_count, plain)
    if len(turn.metadata):
        turn_fields["metadata"] = _metadata_to_dict(turn.metadata, plain)
    if len(turn.data) and not omit_data:
        turn_fields["data"] = _metadata_to_dict(turn.data, plain)
    return {**turn_fields, **plain(turn.extra)}


def _blocks_to_list(
    blocks: Iterable[Block], previous_blocks: PersistentList[Block], shared_count: int, plain: PlainConverter
) -> list[dict[str, Any]]:
    is_edited = shared_count < len(previous_blocks)
    previous_positions = {id(block): index for index, block in enumerate(previous_blocks)} if is_edited else {}
    block_dicts: list[dict[str, Any]] = []
    for block in blocks:
        position = previous_positions.get(id(block))
        last_dict = block_dicts[-1] if block_dicts else {}
        if position is None:
            block_dicts.append(block_to_dict(block, plain=plain))
        elif last_dict.keys() == SHARED_BLOCKS_KEYS and last_dict["shared_blocks"][1] == position:
            last_dict["shared_blocks"][1] += 1
        else:
            block_dicts.append({"shared_blocks": [position, position + 1]})
    return block_dicts


def run_to_dict(run: Run, *, plain: PlainConverter = jsonable) -> dict[str, Any]:
    """Return a Run as on disk, with each block once and references to blocks of the previous Turn.

    `shared_blocks` of a Turn is the number of shared leading blocks; among its blocks, a range [start, end).
    """
    run_fields: dict[str, Any] = {"version": FORMAT_VERSION}
    if run.id:
        run_fields["id"] = run.id
    if run.name:
        run_fields["name"] = run.name
    run_fields["turns"] = turn_dicts = []
    previous_blocks: PersistentList[Block] = PersistentList()
    for turn in run.turns:
        turn_dicts.append(turn_to_dict(turn, previous_blocks=previous_blocks, plain=plain))
        previous_blocks = turn.blocks
    if len(run.metadata):
        run_fields["metadata"] = _metadata_to_dict(run.metadata, plain)
    return {**run_fields, **plain(run.extra)}


def _metadata_to_dict(metadata: Metadata, plain: PlainConverter) -> dict[str, Any]:
    return {name: plain(value) for name, value in sorted(metadata.items())}


# Plain data → a value.


GuessReporter: TypeAlias = Callable[[str, str], object]  # called with a position and an assumption about it


def discard_guess(_position: str, _guess: str) -> None:
    """Ignore a guess; for callers without a report."""


class _Reader:
    """Convert plain data to values; an error names the file and the path in it. Equal blocks become one object."""

    def __init__(self, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess) -> None:
        self.file = file
        self.strict = strict
        self.guess = guess
        self.earlier_blocks: dict[str, Block] = {}

    def load_error(self, position: str, message: str) -> LoadError:
        return LoadError(message, file=self.file, position=position)

    def mapping(self, raw: Any, position: str, description: str) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise self.load_error(position, f"{description} must be a mapping, got {_describe(raw)}")
        try:
            return _with_string_keys(raw)
        except TypeError as error:
            raise self.load_error(position, str(error)) from None

    def frozen(self, raw: Any, position: str) -> FrozenDict:
        try:
            value: FrozenDict = freeze(_from_jsonable(raw))
        except TypeError as error:
            raise self.load_error(position, str(error)) from None
        except RecursionError:
            raise self.load_error(position, "the value is nested too deeply") from None
        if not isinstance(value, FrozenDict):  # {"!!binary": …} is converted to bytes
            raise self.load_error(position, f"expected a mapping, got {type(value).__name__}")
        return value

    def text(self, raw: Any, position: str, description: str) -> str:
        if raw is None:
            return ""
        try:
            return key_name(raw)
        except TypeError:
            raise self.load_error(position, f"{description} must be a string, got {_describe(raw)}") from None

    def bag(self, raw: Any, position: str, description: str) -> Metadata:
        values = self.frozen(self.mapping({} if raw is None else raw, position, description), position)
        return metadata_from_dict(with_current_names(values))

    def block(self, block_data: Any, position: str) -> Block:
        block_fields = self.mapping(block_data, position, "a block")
        kind = self.kind(block_fields.pop("kind", None), block_fields, position)
        has_payload = "payload" in block_fields
        payload = block_fields.pop("payload") if has_payload else self.misplaced(block_fields, kind, position)
        payload = self.mapping({} if payload is None else payload, f"{position}.payload", "a payload")
        block = Block(
            kind,
            self.frozen(payload, f"{position}.payload"),
            self.role(block_fields.pop("role", ""), kind, f"{position}.role"),
            self.text(block_fields.pop("id", None), f"{position}.id", "an id"),
            self.bag(block_fields.pop("metadata", None), f"{position}.metadata", "metadata"),
            extra=self.frozen(block_fields, position),
        )
        earlier_block = self.earlier_blocks.setdefault(block.id, block) if block.id else block
        return earlier_block if earlier_block == block else block

    def misplaced(self, fields: dict[str, Any], kind: str, position: str) -> dict[str, Any]:
        """Remove payload fields from the top level of a block without payload, and return them."""
        field_names = [name for name in MISPLACED_FIELDS.get(kind, ("text",)) if name in fields]
        if field_names:
            verb = "belongs" if len(field_names) == 1 else "belong"
            complaint = f"{' and '.join(field_names)} {verb} in the payload: payload: {{{field_names[0]}: …}}"
            if self.strict:
                raise self.load_error(position, complaint)
            self.guess(position, complaint)
        return {name: fields.pop(name) for name in field_names}

    def kind(self, raw: Any, fields: Mapping[str, Any], position: str) -> str:
        if raw is None:
            raise self.load_error(position, f"a block needs a kind; this one has {', '.join(fields) or 'no fields'}")
        kind = self.text(raw, f"{position}.kind", "a kind")
        normal_kind = kind.strip().lower()
        if normal_kind in KNOWN_KINDS:
            return normal_kind
        if self.strict:
            valid_kinds = ", ".join(sorted(KNOWN_KINDS))
            raise self.load_error(f"{position}.kind", f"unknown kind {kind!r}; use one of {valid_kinds}")
        return kind or "other"

    def role(self, raw: Any, kind: str, position: str) -> str:
        """Return the role: a blank one is the default of the kind, as in geppetto; null is no role."""
        role = self.text(raw, position, "a role")
        return role if raw is None or role.strip() else DEFAULT_ROLES.get(kind, role)

    def blocks(self, raw: Any, position: str, previous_blocks: PersistentList[Block]) -> Iterator[Block]:
        if not isinstance(raw, (list, tuple, type(None))):
            raise self.load_error(position, f"blocks must be a list, got {_describe(raw)}")
        for index, item in enumerate(raw or ()):
            if isinstance(item, Mapping) and item.keys() == SHARED_BLOCKS_KEYS:
                yield from self.shared(item["shared_blocks"], f"{position}[{index}].shared_blocks", previous_blocks)
            else:
                yield self.block(item, f"{position}[{index}]")

    def shared(self, raw: Any, position: str, previous_blocks: PersistentList[Block]) -> tuple[Block, ...]:
        """Return the blocks of the range [start, end) of the previous Turn."""
        is_range = isinstance(raw, (list, tuple)) and len(raw) == 2 and all(type(place) is int for place in raw)
        if not is_range or not 0 <= raw[0] < raw[1] <= len(previous_blocks):
            message = f"the previous turn has {len(previous_blocks)} blocks; {raw!r:.60} cannot be shared"
            raise self.load_error(position, message)
        return previous_blocks[raw[0] : raw[1]]

    def turn(self, turn_data: Any, position: str = "", previous_blocks: PersistentList[Block] = NO_BLOCKS) -> Turn:
        turn_fields = self.mapping(turn_data, position, "a turn")
        self.version(turn_fields, position)
        prefix = f"{position}." if position else ""
        shared_count = turn_fields.pop("shared_blocks", 0)
        if type(shared_count) is not int or not 0 <= shared_count <= len(previous_blocks):
            message = f"the previous turn has {len(previous_blocks)} blocks; {shared_count!r} cannot be shared"
            raise self.load_error(f"{prefix}shared_blocks", message)
        blocks = self.blocks(turn_fields.pop("blocks", None), f"{prefix}blocks", previous_blocks)
        return Turn(
            previous_blocks.head(shared_count) + blocks,
            self.text(turn_fields.pop("id", None), f"{prefix}id", "an id"),
            self.bag(turn_fields.pop("metadata", None), f"{prefix}metadata", "metadata"),
            self.bag(turn_fields.pop("data", None), f"{prefix}data", "data"),
            extra=self.frozen(turn_fields, position),
        )

    def run(self, run_data: Any) -> Run:
        run_fields = self.mapping(run_data, "", "a run")
        self.version(run_fields, "")
        raw_turns = run_fields.pop("turns", None)
        raw_turns = [] if raw_turns is None else raw_turns
        if not isinstance(raw_turns, (list, tuple)):
            raise self.load_error("turns", f"turns must be a list, got {_describe(raw_turns)}")
        turns: list[Turn] = []
        for index, raw_turn in enumerate(raw_turns):
            turns.append(self.turn(raw_turn, f"turns[{index}]", turns[-1].blocks if turns else PersistentList()))
        return Run(
            tuple(turns),
            self.text(run_fields.pop("id", None), "id", "an id"),
            self.text(run_fields.pop("name", None), "name", "a name"),
            self.bag(run_fields.pop("metadata", None), "metadata", "metadata"),
            extra=self.frozen(run_fields, ""),
        )

    def version(self, fields: dict[str, Any], position: str) -> None:
        version = fields.pop("version", FORMAT_VERSION)
        if version != FORMAT_VERSION:
            message = f"unsupported version {version!r}; this nbturns reads version {FORMAT_VERSION}"
            raise self.load_error(f"{position}.version".lstrip("."), message)


def _describe(raw: Any) -> str:
    type_names = {
        dict: "a mapping",
        list: "a list",
        tuple: "a list",
        str: "a text",
        type(None): "nothing",
        FrozenDict: "a mapping",
        FrozenList: "a list",
    }
    return f"{type_names.get(type(raw), type(raw).__name__)}: {raw!r:.60}" if raw is not None else "nothing"


def _from_jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(value.get(BYTES_KEY), str):
            try:
                return base64.b64decode(value[BYTES_KEY], validate=True)
            except ValueError:  # another mapping with the same key
                return value
        fields = _with_string_keys(value)
        return {k[:-1] if k.rstrip("!") == BYTES_KEY != k else k: _from_jsonable(v) for k, v in fields.items()}
    if isinstance(value, (list, tuple)):
        return [_from_jsonable(v) for v in value]
    return value


def _with_string_keys(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the mapping with string keys. Raises MisuseError when two keys become equal."""
    by_name = {key_name(k): v for k, v in raw.items()}
    if len(by_name) != len(raw):
        raise MisuseError(f"keys of this mapping collide once converted to strings: {', '.join(by_name)}")
    return by_name


def block_from_dict(data: Mapping[str, Any], *, file: str = "", strict: bool = False) -> Block:
    """Return the Block of plain data. Raises LoadError with the position."""
    return _Reader(file, strict).block(data, "")


def turn_from_dict(
    data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Turn:
    """Return the Turn of plain data. Raises LoadError with the position."""
    return _Reader(file, strict, guess).turn(data)


def run_from_dict(
    data: Mapping[str, Any], *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Run:
    """Return the Run of plain data; a Turn becomes a Run of one Turn. Raises LoadError with the position."""
    reader = _Reader(file, strict, guess)
    if isinstance(data, Mapping) and "turns" not in data and "blocks" in data:
        return Run((reader.turn(data),))
    return reader.run(data)


def is_nbturns_data(data: Any) -> bool:
    """Return True when plain data looks like a Turn or a Run of nbturns or geppetto."""
    if not isinstance(data, Mapping):
        return False
    turns = data.get("turns")
    if isinstance(turns, (list, tuple)) and all(isinstance(turn, Mapping) and "blocks" in turn for turn in turns):
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
    """Return the Turn in a YAML text. Raises LoadError, with line and block, for anything else and for several."""
    return next(_read_yaml(text, "", turn_from_dict, single=True))


def run_from_yaml(text: str | bytes) -> Run:
    """Return the Run in a YAML text. Raises LoadError, with line and block, for anything else and for several."""
    return next(_read_yaml(text, "", lambda run_data: _Reader().run(run_data), single=True))


def runs_from_yaml(
    text: str | bytes, *, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess
) -> Iterator[Run]:
    """Yield the Runs of a YAML stream; a Turn is a Run of one. Raises LoadError with line and block."""
    return _read_yaml(text, file, lambda data: run_from_dict(data, file=file, strict=strict, guess=guess))


def _read_yaml(text: str | bytes, file: str, convert: Callable[[Any], V], *, single: bool = False) -> Iterator[V]:
    """Convert each YAML document; an error about a block gets its line."""
    from .yaml_text import line_of_path, yaml_documents

    if not isinstance(text, (str, bytes)):
        raise MisuseError(f"expected YAML text, got {type(text).__name__}: {text!r:.60}; use nt.load(path) for a file")
    numbered_documents = yaml_documents(text, file, single=single)
    for number, data in numbered_documents if numbered_documents or not single else ((0, None),):
        try:
            yield convert({} if data is None else data)
        except LoadError as error:
            line = line_of_path(text, error.position, number)
            raise LoadError(error.reason, file=file, position=f"line {line}, {error.position}".rstrip(", ")) from None
