"""Decode plain data, as YAML and JSON have it, as Blocks, Turns and Runs."""

from __future__ import annotations

import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from ..errors import LoadError, MisuseError
from ..safety.limits import current_limits, too_large
from ..values.frozen_json import Changes, FrozenDict, FrozenList, describe_changes, freeze, key_name
from ..values.metadata import Metadata, metadata_from_dict
from ..values.persistent_list import PersistentList
from ..values.portable import NAMES_OF_FLOATS
from ..values.provenance import with_current_names
from ..values.turns import Block, Run, Turn
from .file_format import (
    BYTES_KEY,
    DEFAULT_ROLES,
    FLOATS_KEY,
    FORMAT_VERSION,
    KNOWN_KINDS,
    MISPLACED_FIELDS,
    SHARED_BLOCKS_KEYS,
)

NO_BLOCKS: PersistentList[Block] = PersistentList()

GuessReporter: TypeAlias = Callable[[str, str], object]  # called with a position and an assumption about it


def discard_guess(_position: str, _guess: str) -> None:
    """Ignore a guess; for callers without a report."""


class Decoder:
    """Convert plain data to values; an error names the file and the path in it. Equal blocks become one object."""

    def __init__(self, file: str = "", strict: bool = False, guess: GuessReporter = discard_guess) -> None:
        self.file = file
        self.strict = strict
        self.guess = guess
        self.earlier_blocks: dict[str, Block] = {}
        self.shared_budget: int = current_limits().shared_blocks

    def load_error(self, position: str, message: str) -> LoadError:
        return LoadError(message, file=self.file, position=position)

    def mapping(self, raw: Any, position: str, description: str) -> dict[str, Any]:
        if not isinstance(raw, Mapping):
            raise self.load_error(position, f"{description} must be a mapping, got {_describe(raw)}")
        try:
            return _with_string_keys(raw)
        except TypeError as error:
            raise self.load_error(position, str(error)) from None

    def record(self, raw: Any, position: str, description: str) -> dict[str, Any]:
        """Return the fields of a block, a Turn or a Run."""
        fields = self.mapping(raw, position, description)
        return _with_floats(fields) if FLOATS_KEY in fields else fields

    def frozen(self, raw: Any, position: str) -> FrozenDict:
        changes: Changes = {}
        try:
            value: FrozenDict = freeze(from_jsonable(raw), changes)
        except TypeError as error:
            raise self.load_error(position, str(error)) from None
        except RecursionError:
            raise self.load_error(position, "the value is nested too deeply") from None
        if not isinstance(value, FrozenDict):  # {"!!binary": …} is converted to a text
            raise self.load_error(position, f"expected a mapping, got {type(value).__name__}")
        if changes:
            self.guess(position, f"changed: {describe_changes(changes)}")
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
        block_fields = self.record(block_data, position, "a block")
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
        """Return the role: a blank one is the default of the kind, as in geppetto; null is not a role."""
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
        self.shared_budget -= raw[1] - raw[0]
        if self.shared_budget < 0:
            raise too_large("the turns share too many blocks", "shared_blocks", file=self.file, position=position)
        return previous_blocks[raw[0] : raw[1]]

    def turn(self, turn_data: Any, position: str = "", previous_blocks: PersistentList[Block] = NO_BLOCKS) -> Turn:
        turn_fields = self.record(turn_data, position, "a turn")
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
        run_fields = self.record(run_data, "", "a run")
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


def from_jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        if len(value) == 1 and isinstance(value.get(BYTES_KEY), str):
            try:
                return binascii.a2b_base64(value[BYTES_KEY], strict_mode=True)
            except ValueError:  # another mapping with the same key
                return value
        fields = _with_string_keys(value)
        return {k[:-1] if k.rstrip("!") == BYTES_KEY != k else k: from_jsonable(v) for k, v in fields.items()}
    if isinstance(value, (list, tuple)):
        return [from_jsonable(v) for v in value]
    return value


def _with_string_keys(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the mapping with string keys. Raises MisuseError when two keys become equal."""
    by_name = {key_name(k): v for k, v in raw.items()}
    if len(by_name) != len(raw):
        raise MisuseError(f"keys of this mapping collide once converted to strings: {', '.join(by_name)}")
    return by_name


def _with_floats(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields of JSON with NaN and infinity at the places that FLOATS_KEY lists, without that list.

    A field of this name that is something else is kept.
    """
    places = fields[FLOATS_KEY]
    if not isinstance(places, (list, tuple)):
        return fields
    restored: Any = {name: value for name, value in fields.items() if name != FLOATS_KEY}
    copied_ids: set[int] = set()
    for place in places:
        restored = _with_float_at(restored, tuple(place), copied_ids) if isinstance(place, (list, tuple)) else None
        if restored is None:
            return fields
    return cast("dict[str, Any]", restored)


def _with_float_at(value: Any, place: tuple[Any, ...], copied_ids: set[int]) -> Any:
    """Return `value` with the text at `place` as a float; None when there is no such text. Containers are copied once."""
    if not place:
        return NAMES_OF_FLOATS.get(value) if isinstance(value, str) else None
    step, *deeper_steps = place
    is_list = isinstance(value, (list, tuple)) and type(step) is int and 0 <= step < len(value)
    if not is_list and not (isinstance(value, Mapping) and isinstance(step, str) and step in value):
        return None
    item = _with_float_at(value[step], tuple(deeper_steps), copied_ids)
    if item is None:
        return None
    if id(value) not in copied_ids:
        value = list(value) if is_list else dict(value)
        copied_ids.add(id(value))
    value[step] = item
    return value
