"""Records that name the record before them: the paths from the first record to each of the last ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Entry = tuple[str, Mapping[str, Any]]  # a position and a record


def entry_paths(entries: Sequence[Entry], id_name: str, parent_name: str) -> Iterator[list[Entry]]:
    """Yield the records on the path to each leaf, the last one first; records without ids follow each other."""
    parents: list[int] = []
    index_by_id: dict[str, int] = {}
    for index, (_, record) in enumerate(entries):
        parent_id, entry_id = record.get(parent_name), record.get(id_name)
        parents.append(index_by_id.get(parent_id, index - 1) if isinstance(parent_id, str) else index - 1)
        if isinstance(entry_id, str):
            index_by_id[entry_id] = index
    leaves = sorted(set(range(len(entries))) - set(parents), reverse=True)
    for leaf in leaves:
        path: list[Entry] = []
        while leaf >= 0:
            path.append(entries[leaf])
            leaf = parents[leaf]
        yield path[::-1]
