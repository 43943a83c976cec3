"""A Run as plain data for a page: each block once, and each Turn and phase as stretches of them.

Turn N + 1 holds the blocks of Turn N, so a Turn costs what is new in it; and whoever has the
blocks can show any Turn at any phase without asking for more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from .chunks import Chunks
from .comparison import Change
from .events import Snapshot
from .outline import TurnOutline, phases_of
from .rows import BODY, body_of, duration, head_of, row
from .sums import counted
from .text import shortened, visible
from .turns import Block, Run, Turn

Stretch: TypeAlias = list[int]
"""Places in the pool from the first up to, not including, the second."""

REPORTED = ("guessed", "unknown", "dropped")
MOST_REPORTED = 200  # lines of an importer's report
MOST_CHANGES = 100  # of one Turn that go with it; the others are counted
MOST_TEXT = 4_000  # characters of a text in a change


class Pool:
    """The blocks of all Turns, each once, in the order they came."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._places: dict[int, int] = {}
        self._last: tuple[Chunks[Block], list[Stretch]] = (Chunks(), [])

    def stretches(self, blocks: Chunks[Block]) -> list[Stretch]:
        """Where these blocks are; those that are new come to the end."""
        before, known = self._last
        shared = blocks.shared(before)
        made = _head(known, shared)
        for block in blocks.since(shared):
            place = self._place(block)
            if made and made[-1][1] == place:
                made[-1][1] += 1
            else:
                made.append([place, place + 1])
        self._last = (blocks, made)
        return [list(one) for one in made]

    def _place(self, block: Block) -> int:
        place = self._places.get(id(block))  # the pool keeps it, so its identity stays its own
        if place is None:
            place = self._places[id(block)] = len(self.blocks)
            self.blocks.append(block)
        return place


def _head(stretches: list[Stretch], length: int) -> list[Stretch]:
    made: list[Stretch] = []
    for start, end in stretches:
        if length <= 0:
            break
        made.append([start, min(end, start + length)])
        length -= end - start
    return made


def turn_entry(one: TurnOutline, pool: Pool) -> dict[str, Any]:
    """What the timeline shows of a Turn; what is not known is left out."""
    entry: dict[str, Any] = {
        "index": one.index,
        "title": one.title,
        "state": one.state,
        "blocks": len(one.turn),
        "stretches": pool.stretches(one.turn.blocks),
        "calls": len(one.results),
        "phases": list(_phases(one, pool)),
        **_sums(one),
    }
    if one.grown:
        return {**entry, "added": len(one.turn) - one.shared, "fresh": [[one.shared, len(one.turn)]]}
    comparison = one.comparison
    counts = {what: count for what, count in comparison.counts.items() if what != "same"}
    changes = comparison.changes
    fresh = [row.b_index for row in changes if row.b_index is not None]
    return {
        **entry,
        **counts,
        "fresh": _joined(fresh),
        "changes": [change_entry(row) for row in changes[:MOST_CHANGES]],
        "more_changes": max(0, len(changes) - MOST_CHANGES),
    }


def _sums(one: TurnOutline) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if (usage := one.usage) is not None:
        made |= {"input": usage.input_tokens, "output": usage.output_tokens, "cached": usage.cached_tokens}
    if (cost := one.cost) is not None:
        made["cost"] = cost
    if (took := one.duration_ms) is not None:
        made["ms"] = took
    models = {visible(result.model) for result in one.results if result.model}
    return {**made, "models": sorted(models)} if models else made


def _phases(one: TurnOutline, pool: Pool) -> Iterable[dict[str, Any]]:
    before = one.before.blocks
    for mark in one.phases:
        blocks = mark.turn.blocks
        entry: dict[str, Any] = {"phase": str(mark.phase), "iteration": mark.iteration, "blocks": len(blocks)}
        if blocks.shared(before) < len(before):
            entry["fresh"] = _new_places(blocks, before)
        if blocks.shared(one.turn.blocks) < len(blocks):  # it was edited afterwards
            entry["stretches"] = pool.stretches(blocks)
        yield entry
        before = blocks


def _new_places(blocks: Chunks[Block], before: Chunks[Block]) -> list[Stretch]:
    known = {id(block) for block in before}
    return _joined([place for place, block in enumerate(blocks) if id(block) not in known])


def _joined(places: Iterable[int]) -> list[Stretch]:
    made: list[Stretch] = []
    for place in sorted(places):
        if made and made[-1][1] == place:
            made[-1][1] += 1
        else:
            made.append([place, place + 1])
    return made


def change_entry(row: Change, most: int | None = MOST_TEXT) -> dict[str, Any]:
    """A pair of blocks for a page, with at most `most` characters of what they say."""
    block = row.b or row.a
    entry: dict[str, Any] = {"what": row.what, "kind": visible(row.kind)}
    places = {"a": row.a_index, "b": row.b_index, "a_turn": row.a_turn, "b_turn": row.b_turn}
    entry |= {name: place for name, place in places.items() if place is not None}
    if row.what == "same":
        return {**entry, "head": head_of(block) if block else ""}
    if fields := row.fields:
        entry["fields"] = [visible(name) for name in fields]
    entry["pieces"] = list(map(list, row.pieces)) if most is None else list(_short(row, most))
    return entry


def _short(row: Change, left: int) -> Iterable[list[Any]]:
    for what, text in row.pieces:
        if left <= 0:
            yield ["cut", ""]
            return
        yield [what, text[:left], len(text) - left] if len(text) > left else [what, text]
        left -= len(text)


def pool_row(block: Block, most: int | None = BODY) -> dict[str, Any]:
    """The row of a block for a page (`static/row_source.js`), with at most `most` characters of what it says."""
    made: dict[str, Any] = dict(row(block))
    body = body_of(block)
    cut = most is not None and len(body) > most
    made["body"] = body[:most] if cut else body
    if cut:
        made["cut"] = True
    made.pop("icon", None)
    if block.kind != "tool_call":
        made.pop("head", None)
    if not made.get("fold"):
        made.pop("fold", None)
    return made


def report_entry(run: Run) -> dict[str, Any] | None:
    """What an importer guessed, did not know and dropped; None for our own files."""
    report = run.import_report
    if report is None:
        return None
    lines = [(name, visible(str(line))) for name in REPORTED for line in getattr(report, name, ())]
    counts = [f"{count:,} {name}" for name in ("read", "blocks") if (count := getattr(report, name, 0))]
    counts += [f"{len(getattr(report, name)):,} {name}" for name in REPORTED if getattr(report, name, ())]
    return {
        "head": f"read as {visible(str(getattr(report, 'format', '')))}: {', '.join(counts) or 'nothing to tell'}",
        "lines": [f"{name}: {shortened(line, 300)}" for name, line in lines[:MOST_REPORTED]],
    }


class Timeline:
    """The Turns of a Run as entries, kept up to date as it grows."""

    def __init__(self) -> None:
        self.pool = Pool()
        self.entries: list[dict[str, Any]] = []
        self.turns: list[Turn] = []
        self._known: dict[object, int] = {}  # which Turn a model call was made in

    def put(self, index: int, turn: Turn, marks: Iterable[Snapshot] | None = None, state: str = "") -> None:
        """Put a Turn at the end, or in the place of the last; `state` says what it does, if it is not over."""
        before = self.turns[index - 1] if index else Turn()
        results = tuple(
            result
            for result in turn.inferences
            if self._known.setdefault(result.inference_id or result, index) == index
        )
        phases = phases_of(turn, before) if marks is None else marks
        entry = turn_entry(TurnOutline(index, turn, before, results, tuple(phases)), self.pool)
        del self.entries[index:], self.turns[index:]
        self.entries.append({**entry, "state": state} if state else entry)
        self.turns.append(turn)

    @property
    def head(self) -> str:
        """What all of it comes to, in words."""
        entries = self.entries
        parts = [counted(len(entries), "turn"), counted(len(self.pool.blocks), "block")]
        if calls := sum(entry["calls"] for entry in entries):
            parts.append(counted(calls, "model call"))
        if any("input" in entry for entry in entries):
            told, said = (sum(entry.get(name, 0) for entry in entries) for name in ("input", "output"))
            parts.append(f"{told:,} → {said:,} tokens")
        if any("cost" in entry for entry in entries) and all("cost" in one or not one["calls"] for one in entries):
            parts.append(f"${sum(entry.get('cost', 0) for entry in entries):.4f}")
        if took := sum(entry.get("ms", 0) for entry in entries):
            parts.append(duration(took))
        return " · ".join(parts)
