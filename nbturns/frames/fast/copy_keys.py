"""The Run at the end of a batch among the copies of a pass; by the keys of `frames/copies.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import repeat
from typing import Any

from ..copies import CALL_ID_LENGTH, REPLY_KINDS, Copies, is_unique, reply_keys, row_keys
from .block_batch import RESULT, BlockBatch


def add_rows(copies: Copies, batch: BlockBatch, first_row: int, *, ours: bool) -> bool:
    """Add the Run that begins at this row to the copies, and set the keys of its rows.

    False for a Run with copies of an earlier one, which is to be read as a value. `ours` tells that the ids of its calls
    are of our sessions.
    """
    digest, kind_roles = copies.digest, batch.kind_roles[first_row:]
    kinds, is_reply = _kinds(tuple(batch.kind_role_pairs))
    call_ids = map(batch.tool_call_ids.get, range(first_row, len(batch.texts)), repeat(""))
    chain_keys: list[int] = []
    result_keys: list[int] = []
    id_keys: list[int] = []
    chain = 0
    for kind_role, text, call_id in zip(kind_roles, batch.texts[first_row:], call_ids, strict=True):
        chain = digest((chain, kinds[kind_role], text, call_id))
        chain_keys.append(chain)
        if call_id:
            if kind_role == RESULT:
                result_keys.append(digest(("result", call_id, text)))
            elif is_reply[kind_role] and len(call_id) >= CALL_ID_LENGTH:
                id_keys.append(digest(("call", chain)))
    if ours or batch.ids or batch.record_ids:
        id_keys += [digest(parts) for parts in _id_parts(batch, first_row, kinds, ours=ours)]
    for row, time in items_since(batch.times, first_row) if batch.times else ():
        if is_reply[batch.kind_roles[row]]:
            id_keys += reply_keys(digest, chain_keys[row - first_row], "", time)
    if not copies.are_new(id_keys):
        return False
    batch.copy_keys += row_keys(digest, chain_keys, map(is_reply.__getitem__, kind_roles))
    copies.add(id_keys, chain_keys + result_keys)
    return True


@lru_cache(maxsize=64)
def _kinds(kind_role_pairs: tuple[tuple[str, str | None], ...]) -> tuple[list[str], list[bool]]:
    """Return the kind of each number of a batch, and whether it is a reply."""
    kinds = [kind for kind, _ in kind_role_pairs]
    return kinds, [kind in REPLY_KINDS for kind in kinds]


def _id_parts(batch: BlockBatch, first_row: int, kinds: list[str], *, ours: bool) -> Iterator[tuple[str, ...]]:
    """Return the parts of the keys by ids, for each row that has such an id."""
    texts, kind_roles = batch.texts, batch.kind_roles
    for row, block_id in items_since(batch.ids, first_row):
        if is_unique(block_id):
            yield "block", block_id, kinds[kind_roles[row]], texts[row]
    for row, record_id in items_since(batch.record_ids, first_row):
        yield "record", record_id, kinds[kind_roles[row]], texts[row]
    for row, call in items_since(batch.calls, first_row) if ours else ():
        if is_unique(inference_id := batch.call_ids[call]):
            yield "call", inference_id, kinds[kind_roles[row]], texts[row]
        if response_id := batch.response_ids.get(call):
            yield "reply", response_id, kinds[kind_roles[row]], texts[row], batch.tool_call_ids.get(row, "")


def items_since(column: Mapping[int, Any], first_row: int) -> list[tuple[int, Any]]:
    """Return the items of a sparse column from a row on; its rows are in order."""
    items = []
    for row in reversed(column):
        if row < first_row:
            break
        items.append((row, column[row]))
    return items[::-1]
