"""The check of a whole store: pages, digests and hashes of blocks, and every state rebuilt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import StoreError
from ..safety.visible_text import printable
from .block_hash import content_hash
from .patches import NO_PARTS, StateParts, apply_patch
from .reader import StoreReader
from .writer import block_digest, item_digest

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `store.verify()`: true when nothing is damaged. `problems` are sentences, the first 100."""

    blocks: int
    snapshots: int
    problems: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.problems

    @property
    def ok(self) -> bool:
        return not self.problems

    @printable
    def __repr__(self) -> str:
        counts = f"{self.blocks:,} blocks, {self.snapshots:,} snapshots"
        if not self.problems:
            return f"<Verification ok: {counts}>"
        return f"<Verification: {len(self.problems)} problems in {counts}: {'; '.join(self.problems[:3])}>"


class StoreCheck:
    """One check of a store, table by table, so that damage in one does not hide that in another."""

    def __init__(self, reader: StoreReader) -> None:
        self.reader = reader
        self.problems: list[str] = []
        self.counts: dict[str, int] = {"blocks": 0, "states": 0}
        self._block_numbers: set[int] = set()
        self._item_numbers: set[int] = set()

    def run(self) -> Verification:
        for check in (self._check_pages, self._check_items, self._check_blocks, self._check_states):
            try:
                for problem in check():
                    if len(self.problems) < MAX_PROBLEMS:
                        self.problems.append(problem)
            except (StoreError, _sqlite_error()) as error:
                self.problems.append(f"{check.__name__.removeprefix('_check_')}: {error}")
        return Verification(self.counts["blocks"], self.counts["states"], tuple(self.problems))

    def _check_pages(self) -> Iterator[str]:
        for (message,) in self.reader.connection.execute("PRAGMA integrity_check"):
            if message != "ok":
                yield f"pages: {message}"

    def _check_items(self) -> Iterator[str]:
        for number, digest, content in self.reader.connection.execute("SELECT number, digest, content FROM items"):
            self._item_numbers.add(number)
            if item_digest(content) != digest:
                yield f"item {number}: its content does not have its digest"

    def _check_blocks(self) -> Iterator[str]:
        columns = "kind, role, id, payload, metadata, result, extra"
        for number, digest, stored_hash, *values in self.reader.connection.execute(
            f"SELECT number, digest, content_hash, {columns} FROM blocks"  # noqa: S608
        ):
            self.counts["blocks"] += 1
            self._block_numbers.add(number)
            if block_digest(*values) != digest:
                yield f"block {number}: its content does not have its digest"
            else:
                try:
                    if content_hash(self.reader.block(number)) != stored_hash:
                        yield f"block {number}: its content does not have its hash {stored_hash}"
                except (ValueError, KeyError, StoreError) as error:
                    yield f"block {number}: {error}"
            if self.counts["blocks"] % 10_000 == 0:
                self.reader.forget_cache()

    def _check_states(self) -> Iterator[str]:
        """Rebuild every state of every execution; each is a short step from the one it is based on."""
        for (execution,) in self.reader.rows("SELECT number FROM executions"):
            parts_by_number: dict[int, StateParts] = {}
            for number, base, length, patch in self.reader.connection.execute(
                "SELECT number, base, length, patch FROM states WHERE execution = ? ORDER BY seq", (execution,)
            ):
                self.counts["states"] += 1
                try:
                    if base is not None and base not in parts_by_number:
                        parts_by_number[base] = self.reader.parts(base)
                    parts = NO_PARTS if base is None else parts_by_number[base]
                    parts = apply_patch(parts, json.loads(patch)) if patch else parts
                except (ValueError, KeyError, TypeError, StoreError) as error:
                    yield f"state {number}: {error}"
                    continue
                parts_by_number[number] = parts
                if len(parts.blocks) != length:
                    yield f"state {number}: it has {len(parts.blocks)} blocks, and should have {length}"
                if missing := [block for block in _added_blocks(patch) if block not in self._block_numbers]:
                    yield f"state {number}: block {missing[0]} is missing"
                if missing := [item for item in _added_items(patch) if item not in self._item_numbers]:
                    yield f"state {number}: item {missing[0]} is missing"


def _sqlite_error() -> type[Exception]:
    import sqlite3

    return sqlite3.Error


def _added_blocks(patch: str | None) -> list[int]:
    splice: list[Any] = json.loads(patch).get("blocks") or [0, 0, []] if patch else [0, 0, []]
    return list(splice[2])


def _added_items(patch: str | None) -> list[int]:
    if not patch:
        return []
    parsed_patch = json.loads(patch)
    list_items = [item for splice in parsed_patch.get("lists", {}).values() for item in splice[2]]
    return [*parsed_patch.get("items", {}).values(), *(item for item in list_items if isinstance(item, int))]
