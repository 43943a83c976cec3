"""Differences between the Turns of one execution, so that a store keeps only what changed.

A patch is a JSON object. `blocks`, and each list in `lists`, is a splice [start, dropped, added items]; an added block is
the number of its row, an added item of a list the number of its row or [value]. `values` has the other values that were
set, `items` those that are kept as rows, by number, and `removed` the names of those that were removed. Names begin with
`m:` for metadata, `d:` for data and `x:` for the other fields of a Turn; `id` is its id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from ..serialization.decoder import from_jsonable
from ..serialization.file_format import BYTES_KEY
from ..serialization.serde import yamlable
from ..values.frozen_json import FrozenDict, FrozenList, freeze
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn

Patch: TypeAlias = dict[str, Any]
LIST_TYPES = (PersistentList, FrozenList)
NO_ITEMS: PersistentList[Any] = PersistentList()


def encode_json(value: Any) -> str:
    """Return a frozen value as compact JSON."""
    try:
        text = _dumps(value)
        if BYTES_KEY in text:
            text = _dumps(yamlable(value))
    except TypeError:  # a persistent list
        text = _dumps(yamlable(value))
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates, which only escapes can hold
        text = json.dumps(json.loads(text), separators=(",", ":"))
    return text


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decode_json(text: str) -> Any:
    """Return the frozen value of JSON that `encode_json` made."""
    value = json.loads(text)
    return freeze(from_jsonable(value) if BYTES_KEY in text else value)


def decode_many(texts: Sequence[str]) -> list[Any]:
    """Return the frozen values of several JSON texts; those without lists in one pass."""
    joined_text = f"[{','.join(texts)}]"
    if "[" not in joined_text[1:] and BYTES_KEY not in joined_text:
        values: list[Any] = json.loads(joined_text, object_hook=FrozenDict)
        return values
    odd_values = {place: decode_json(text) for place, text in enumerate(texts) if "[" in text or BYTES_KEY in text}
    plain_texts = ["null" if place in odd_values else text for place, text in enumerate(texts)]
    values = json.loads(f"[{','.join(plain_texts)}]", object_hook=FrozenDict)
    for place, value in odd_values.items():
        values[place] = value
    return values


class TurnParts(NamedTuple):
    """The parts of a Turn that patches change: its blocks, and its values by prefixed name."""

    blocks: PersistentList[Block]
    values: Mapping[str, Any]


EMPTY_PARTS = TurnParts(NO_ITEMS, {})


def parts_of(turn: Turn) -> TurnParts:
    values = {f"m:{name}": value for name, value in turn.metadata.stored_values().items()}
    values |= {f"d:{name}": value for name, value in turn.data.stored_values().items()}
    values |= {f"x:{name}": value for name, value in turn.extra.items()}
    if turn.id:
        values["id"] = turn.id
    return TurnParts(turn.blocks, values)


def splice_between(base: Sequence[Any], new: Sequence[Any]) -> tuple[int, int, list[Any]] | None:
    """Return start, number of dropped items, and added items; None for lists of the same objects."""
    if isinstance(base, PersistentList) and isinstance(new, PersistentList):
        start = new.shared_length(base)
        dropped_items, added_items = list(base.since(start)), list(new.since(start))
    else:
        start = sum(1 for _ in _same_objects(base, new))
        dropped_items, added_items = list(islice(base, start, None)), list(islice(new, start, None))
    tail_length = sum(1 for _ in _same_objects(dropped_items[::-1], added_items[::-1]))
    if tail_length:
        del dropped_items[-tail_length:], added_items[-tail_length:]
    return (start, len(dropped_items), added_items) if dropped_items or added_items else None


def _same_objects(first: Sequence[Any], second: Sequence[Any]) -> Iterator[None]:
    """Yield once for each leading item that is the same object in both."""
    for item, other_item in zip(first, second, strict=False):
        if item is not other_item:
            return
        yield None


def make_patch(
    base: TurnParts,
    new: TurnParts,
    block_number: Callable[[Block], int],
    encode_value: Callable[[Any], int | list[Any]],
) -> Patch:
    """Return the patch that makes `new` of `base`; empty when they are equal.

    `encode_value` returns the number of the row of a value, or [value] in plain JSON for a short one.
    """
    patch: Patch = {}
    if splice := splice_between(base.blocks, new.blocks):
        start, dropped_count, added_blocks = splice
        patch["blocks"] = [start, dropped_count, [block_number(block) for block in added_blocks]]
    for name, value in new.values.items():
        base_value = base.values.get(name)
        if base_value is value and name in base.values:
            continue
        if isinstance(value, LIST_TYPES):
            base_list = base_value if isinstance(base_value, LIST_TYPES) else NO_ITEMS
            splice = splice_between(base_list, value)
            if splice or name not in base.values or base_list is NO_ITEMS:
                start, dropped_count, items = splice or (0, 0, [])
                added_items = list(map(encode_value, items))
                patch.setdefault("lists", {})[name] = [start, dropped_count, added_items]
        elif base_value != value or name not in base.values:
            code = encode_value(value)
            if isinstance(code, int):
                patch.setdefault("items", {})[name] = code
            else:
                patch.setdefault("values", {})[name] = code[0]
    if removed_names := [name for name in base.values if name not in new.values]:
        patch["removed"] = removed_names
    return patch


class StateParts(NamedTuple):
    """The parts of a state: the numbers of its blocks (or these blocks), and its values by prefixed name.

    A value is `Inline`, `Row` or a persistent list of these.
    """

    blocks: PersistentList[Any]
    values: dict[str, Any]


class Inline(NamedTuple):
    value: Any


class Row(NamedTuple):
    number: int


NO_PARTS = StateParts(NO_ITEMS, {})


def apply_patch(base: StateParts, patch: Patch, block_of: Callable[[int], Any] = int) -> StateParts:
    """Return the parts after a patch. Raises ValueError for a splice that does not fit.

    `block_of` returns what the list of blocks has for the number of a block: the number itself, or the block.
    """
    if not patch:
        return base
    blocks, values = base.blocks, base.values
    if "blocks" in patch:
        blocks = _apply_splice(blocks, patch["blocks"], block_of)
    if patch.keys() - {"blocks"}:
        values = dict(values)
        for name in patch.get("removed", ()):
            values.pop(name, None)
        values |= {name: Inline(value) for name, value in patch.get("values", {}).items()}
        values |= {name: Row(number) for name, number in patch.get("items", {}).items()}
        for name, splice in patch.get("lists", {}).items():
            base_list = values.get(name, NO_ITEMS)
            values[name] = _apply_splice(
                base_list if isinstance(base_list, PersistentList) else NO_ITEMS, splice, _decode_list_item
            )
    return StateParts(blocks, values)


def _decode_list_item(item: Any) -> Any:
    return Inline(item[0]) if isinstance(item, list) else Row(item)


def _apply_splice(base: PersistentList[Any], splice: list[Any], convert: Callable[[Any], Any]) -> PersistentList[Any]:
    start, dropped_count, added_items = splice
    if start + dropped_count > len(base):
        raise ValueError(f"a splice of [{start}, {start + dropped_count}) does not fit a list of {len(base)}")
    items = tuple(map(convert, added_items))
    if start == len(base):
        return base + items
    return base.head(start) + items + base.since(start + dropped_count)
