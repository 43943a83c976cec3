"""The records of a Claude Code session in the order of their tree, each once.

Claude Code writes a record before its parent at times, and writes records again: a second compaction copies them to
the letter, a resumed session with new ids, a stream of partial messages with larger counts.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from operator import le
from typing import Any

from .claude_code_records import Record, preserved_segment

COPIED_FIELDS = ("type", "timestamp", "message", "content", "data", "parentUuid")
PART_FIELDS = ("type", "id", "tool_use_id", "text", "thinking", "content")


def without_copies(records: Iterable[Record]) -> list[Record]:
    """Return the records without copies of earlier ones; children of a copy become children of its original."""
    first_records: dict[Hashable, Record] = {}
    original_ids: dict[str, str] = {}  # of records left out: the id of the record that they are a copy of
    kept_records: list[Record] = []
    for record in records:
        record_uuid = record.uuid
        original = None
        if record_uuid is not None:
            same_id = first_records.setdefault(record_uuid, record)
            if same_id is not record and all(same_id.raw.get(name) == record.raw.get(name) for name in COPIED_FIELDS):
                original = same_id
        content_key = _content_key(record) if original is None and record.message else None
        if content_key is not None:
            same_content = first_records.setdefault(content_key, record)
            if same_content is not record and same_content.message.get("content") == record.message.get("content"):
                original = same_content
        if original is None:
            kept_records.append(record)
            continue
        original.copies.append(record)
        original_uuid = original.uuid
        if record_uuid is not None and original_uuid is not None and original_uuid != record_uuid:
            original_ids[record_uuid] = original_uuid
    for record in kept_records if original_ids else ():
        record.parent_uuid = original_ids.get(record.parent_uuid, record.parent_uuid)
    return kept_records


def _content_key(record: Record) -> Hashable:
    """Return what a copy has in common with its original; None for a record that may repeat another by itself."""
    content = record.message.get("content")
    if record.message_id:
        identity: Hashable = record.message_id
    elif record.type == "user" and isinstance(timestamp := record.raw.get("timestamp"), str):
        identity = timestamp
    else:
        return None
    if isinstance(content, str):
        return record.type, record.is_side, identity, content
    parts = content if isinstance(content, list) else ()
    return (record.type, record.is_side, identity, *[_part_key(part) for part in parts])


def _part_key(part: Any) -> Hashable:
    if not isinstance(part, (dict, Mapping)):
        return str(part)
    return tuple([value for name in PART_FIELDS if isinstance(value := part.get(name), str)])


def in_parent_order(records: Sequence[Record]) -> list[Record]:
    """Return the records so that each follows its parent; other records stay where they are."""
    positions = {record.uuid: index for index, record in enumerate(records) if record.uuid is not None}
    parents = [positions.get(record.parent_uuid, -1) for record in records]
    if all(map(le, parents, range(len(parents)))):
        return list(records)
    ordered_records: list[Record] = []
    waiting: dict[str, list[Record]] = {}  # records whose parent has not come yet, by its id
    waiting_ids: set[str] = set()
    for index, record in enumerate(records):
        if positions.get(record.parent_uuid, -1) > index or record.parent_uuid in waiting_ids:
            waiting.setdefault(record.parent_uuid, []).append(record)
            waiting_ids |= {record.uuid} if record.uuid is not None else set()
            continue
        next_records = [record]
        while next_records:
            next_record = next_records.pop()
            ordered_records.append(next_record)
            if next_record.uuid is not None:
                waiting_ids.discard(next_record.uuid)
                next_records += reversed(waiting.pop(next_record.uuid, []))
    in_a_circle = sorted((record for group in waiting.values() for record in group), key=lambda record: record.number)
    return [*ordered_records, *in_a_circle]


def follow_compactions(records: Sequence[Record]) -> None:
    """Make records that follow a preserved segment children of the record after which the model saw it, the summary."""
    new_parents: dict[str, str] = {}  # by the id of the last record of a segment
    for record in records:
        if record.raw.get("subtype") == "compact_boundary":
            _, anchor, tail = preserved_segment(record)
            if anchor and tail:
                new_parents[tail] = anchor
        elif record.parent_uuid in new_parents and new_parents[record.parent_uuid] != record.uuid:
            record.parent_uuid = new_parents[record.parent_uuid]
