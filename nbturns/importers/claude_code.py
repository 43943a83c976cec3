"""Claude Code's sessions: `~/.claude/projects/…/<session>.jsonl`, and the web's `{"loglines": […]}`.

A line is a record; those of users and the model hold a message of Anthropic's API, one content block each as
a rule: what has the same message id is of one model call. Records form a tree by `parentUuid`. The
conversation is the way to the last record; each way that was left (a prompt edited, a session rewound) is a Run
of its own, with what came before it, and so is each sidechain, a subagent's conversation.

What keeps Claude Code's own books (file snapshots, queues, summaries) stands in the Run's metadata as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..keyed import keyed
from ..provenance import BRANCH_OF, FIELDS
from ..turns import Block, Run
from . import SURE, Importer, Notes, Sample, Source, attempt
from .claude_code_records import BOOKS, Record, blocks_of
from .conversation import conversation, place_of

FORMAT = "claude-code"
TALK = frozenset({"user", "assistant"})
OWN_NAMES = frozenset({"sessionId", "uuid", "parentUuid", "isSidechain", "leafUuid", "loglines"})


def score(sample: Sample) -> int:
    """Some line is a record: a type, and a session, an id, a summary."""
    if sample.container != "json":
        return 0
    if isinstance(sample.record.get("loglines"), list):
        return SURE
    return SURE + 5 if any(map(_is_record, sample.records)) else 0


def _is_record(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    if not isinstance(kind, str) or OWN_NAMES.isdisjoint(value):
        return False
    return isinstance(value.get("message"), Mapping) or kind in BOOKS or "sessionId" in value


def read(source: Source) -> Iterator[Run]:
    records = list(_records(source))
    summary = next((one.raw["summary"] for one in records if isinstance(one.raw.get("summary"), str)), "")
    books = [one.raw for one in records if one.kind in BOOKS]
    talk = [one for one in records if one.kind not in BOOKS]
    main = [one for one in talk if not one.is_side]
    first = True
    root = ""
    tree = source.notes(FORMAT)
    for name, way, own in (*_ways(main, tree), *_sides([one for one in talk if one.is_side])):
        notes = source.notes(FORMAT, name)
        if first:
            notes.guessed += tree.guessed
        beside = {"records": books} if first and books else {}
        run = attempt(source, name, _run, way, notes, summary if first else name, beside, own + len(books) * first)
        if run is not None:
            yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root)) if root else run
            root = root or run.id
        first = False


def _records(source: Source) -> Iterator[Record]:
    number = 0
    for position, value in source.records():
        lines = value.get("loglines") if isinstance(value, Mapping) else None
        for line in lines if isinstance(lines, list) else (value,):
            if isinstance(line, Mapping):
                yield Record(line, number)
                number += 1
            else:
                source.problem(position, f"a record is an object, not {line!r:.40}")


def _run(way: Sequence[Record], notes: Notes, name: str, beside: Mapping[str, Any], own: int) -> Run:
    place = place_of(notes)
    blocks: list[Block] = blocks_of(way, f"{place}/" if place else "", notes)
    notes.read += own
    session = next((one.raw["sessionId"] for one in way if isinstance(one.raw.get("sessionId"), str)), "")
    id = "/".join(part for part in (session, notes.position) if part)
    return conversation(blocks, notes, id=id, name=name, metadata=keyed({FIELDS.name: beside} if beside else {}))


def _ways(records: Sequence[Record], notes: Notes) -> Iterator[tuple[str, list[Record], int]]:
    """The conversation, then each that branches off it: a name, its records, how many are its own."""
    before = _parents(records, notes)
    last = max((place for place, one in enumerate(records) if one.kind in TALK), default=-1)
    taken = _way(last, before)
    calls = {one.message_id for place, one in enumerate(records) if place in taken and one.message_id}
    begins: dict[int, int] = {}  # of each record beside the way, where it left it
    for place, one in enumerate(records):
        if place in taken:
            continue
        parent = before[place]
        if parent in begins:
            begins[place] = begins[parent]
        elif one.kind not in TALK or one.answers or one.message_id in calls or parent < 0:
            taken.add(place)  # calls made together, their results, and what is no talk leave no way
        else:
            begins[place] = place
    if taken:
        yield "", [one for place, one in enumerate(records) if place in taken], len(taken)
    for number, begin in enumerate(dict.fromkeys(begins.values()), 1):
        own = [records[place] for place, start in begins.items() if start == begin]
        led = (one for place, one in enumerate(records) if place in taken and place <= before[begin])
        yield f"branch {number}", [*led, *own], len(own)


def _parents(records: Sequence[Record], notes: Notes) -> list[int]:
    """The place of the record each follows: always an earlier one, so there is no circle. -1 for the first."""
    places: dict[str, int] = {}
    before: list[int] = []
    for place, one in enumerate(records):
        named = one.raw.get("parentUuid") or one.raw.get("logicalParentUuid")
        parent = places.get(named, -2) if isinstance(named, str) else -1
        if parent == -2 and place:
            notes.guess(f"record {one.number}", f"its parent {named!r:.40} is not before it; it follows the last one")
        before.append(parent if parent >= 0 else place - 1)
        uuid = one.raw.get("uuid")
        if isinstance(uuid, str):
            if uuid in places:
                notes.guess(f"record {one.number}", f"the id {uuid!r:.40} was there before; both records are kept")
            places[uuid] = place
    return before


def _way(place: int, before: Sequence[int]) -> set[int]:
    way: set[int] = set()
    while place >= 0:
        way.add(place)
        place = before[place]
    return way


def _sides(records: Sequence[Record]) -> Iterator[tuple[str, list[Record], int]]:
    """Each subagent's records: by the agent's id, or by the one they all go back to."""
    roots: dict[str, str] = {}
    groups: dict[str, list[Record]] = {}
    for one in records:
        uuid, parent = one.raw.get("uuid"), one.raw.get("parentUuid")
        agent = one.raw.get("agentId")
        root = agent if isinstance(agent, str) else roots.get(str(parent), str(uuid or one.number))
        roots[str(uuid)] = root
        groups.setdefault(root, []).append(one)
    for root, group in groups.items():
        yield f"sidechain {root}", group, len(group)


IMPORTER = Importer(FORMAT, score, read)
