"""Claude Code's sessions: `~/.claude/projects/…/<session>.jsonl`, and the web's `{"loglines": […]}`.

A line is a record; a record of the user or the model has a message of Anthropic's API, usually with
one content block: records with the same message id are of one model call. Records form a tree by
`parentUuid`. The conversation is the path to the last record. Each path that was abandoned (a prompt
edited, a session rewound) is a Run of its own, with the records before it, and so is each sidechain,
the conversation of a subagent.

Records of Claude Code's bookkeeping (file snapshots, queues, summaries) are kept in the Run's metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values.provenance import BRANCH_OF, FIELDS
from ..values.turns import Run
from .claude_code_records import BOOKKEEPING, Record, read_records
from .kit import faults
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.source import Sample, Source
from .kit.transcript import Transcript

FORMAT = "claude-code"
MESSAGE_TYPES = frozenset({"user", "assistant"})
OWN_FIELDS = frozenset({"sessionId", "uuid", "parentUuid", "isSidechain", "leafUuid", "loglines"})
NO_PARENT, UNKNOWN_PARENT = -1, -2
Path = tuple[str, list[Record], int]  # a name, the records, and how many of them no other path has


def score(sample: Sample) -> int:
    """Return SURE for records with a type and a session, an id, or a summary."""
    if sample.container != "json":
        return 0
    if isinstance(sample.record.get("loglines"), list):
        return SURE
    return SURE + 5 if any(map(_is_record, sample.records)) else 0


def _is_record(value: Mapping[str, Any]) -> bool:
    type = value.get("type")
    if not isinstance(type, str) or OWN_FIELDS.isdisjoint(value):
        return False
    return isinstance(value.get("message"), Mapping) or type in BOOKKEEPING or "sessionId" in value


def read(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session, then its abandoned paths and its sidechains."""
    records = list(_records(source))
    summaries = (record.raw.get("summary") for record in records)
    summary = next((text for text in summaries if isinstance(text, str)), "")
    bookkeeping = [record.raw for record in records if record.type in BOOKKEEPING]
    talk = [record for record in records if record.type not in BOOKKEEPING]
    tree_notes = source.notes(FORMAT)
    main_paths = _paths([record for record in talk if not record.is_side], tree_notes)
    root_id = ""
    for number, (name, path, own_count) in enumerate((*main_paths, *_sidechains(talk))):
        notes = source.notes(FORMAT, name)
        extra_fields: dict[str, Any] = {}
        if number == 0:
            notes.guessed += tree_notes.guessed
            name, own_count = summary, own_count + len(bookkeeping)
            extra_fields = {"records": bookkeeping} if bookkeeping else {}
        notes.record_count = own_count
        for run in try_read(source, notes.position, _run_of, path, notes, name, extra_fields):
            yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root_id)) if root_id else run
            root_id = root_id or run.id


def _records(source: Source) -> Iterator[Record]:
    number = 0
    for position, value in source.records():
        lines = value.get("loglines") if isinstance(value, Mapping) else None
        records = [(position, value)]
        if isinstance(lines, list):
            records = [(join_positions(position, f"loglines[{index}]"), line) for index, line in enumerate(lines)]
        for record_position, record in records:
            if isinstance(record, Mapping):
                yield Record(record, record_position, number)
                number += 1
            else:
                source.add_problem(record_position, faults.wrong_type("", record, dict))


def _run_of(path: Sequence[Record], notes: Notes, name: str, extra_fields: Mapping[str, Any]) -> Run:
    transcript = Transcript(notes)
    read_records(transcript, path)
    sessions = (record.raw.get("sessionId") for record in path)
    session_id = next((id for id in sessions if isinstance(id, str)), "")
    id = "/".join(part for part in (session_id, notes.position) if part)
    return transcript.to_run(id=id, name=name, metadata={FIELDS.name: extra_fields})


def _paths(records: Sequence[Record], notes: Notes) -> Iterator[Path]:
    """Yield the conversation, then each path that branches off it."""
    parents = _parents(records, notes)
    last = max((index for index, record in enumerate(records) if record.type in MESSAGE_TYPES), default=NO_PARENT)
    main = _path_to(last, parents)
    main_calls = {records[index].message_id for index in main if records[index].message_id}
    branch_starts: dict[int, int] = {}  # of each record that is not on the main path: where it left that path
    for index, record in enumerate(records):
        if index in main:
            continue
        parent = parents[index]
        if parent in branch_starts:
            branch_starts[index] = branch_starts[parent]
        elif record.type not in MESSAGE_TYPES or record.has_result or record.message_id in main_calls or parent < 0:
            main.add(index)  # parallel calls, their results, and records that are no messages do not begin a branch
        else:
            branch_starts[index] = index
    if main:
        yield "", [records[index] for index in sorted(main)], len(main)
    for number, start in enumerate(dict.fromkeys(branch_starts.values()), 1):
        own_records = [records[index] for index, branch_start in branch_starts.items() if branch_start == start]
        records_before = [records[index] for index in sorted(main) if index <= parents[start]]
        yield f"branch {number}", [*records_before, *own_records], len(own_records)


def _parents(records: Sequence[Record], notes: Notes) -> list[int]:
    """Return the index of the record before each; always an earlier one, so there is no circle."""
    indexes: dict[str, int] = {}
    parents: list[int] = []
    for index, record in enumerate(records):
        parent_id = record.raw.get("parentUuid") or record.raw.get("logicalParentUuid")
        parent = indexes.get(parent_id, UNKNOWN_PARENT) if isinstance(parent_id, str) else NO_PARENT
        if parent == UNKNOWN_PARENT and index:
            notes.add_guess(record.position, faults.unknown_parent(parent_id, "the record before it is used"))
        parents.append(parent if parent >= 0 else index - 1)
        uuid = record.raw.get("uuid")
        if isinstance(uuid, str):
            if uuid in indexes:
                notes.add_guess(record.position, f"record id {uuid!r:.60} is used twice; both records are kept")
            indexes[uuid] = index
    return parents


def _path_to(index: int, parents: Sequence[int]) -> set[int]:
    path: set[int] = set()
    while index >= 0:
        path.add(index)
        index = parents[index]
    return path


def _sidechains(records: Sequence[Record]) -> Iterator[Path]:
    """Yield the records of each subagent: by the id of the agent, or by the first record of their tree."""
    roots: dict[str, str] = {}
    groups: dict[str, list[Record]] = {}
    for record in records:
        if not record.is_side:
            continue
        uuid, parent, agent_id = (record.raw.get(name) for name in ("uuid", "parentUuid", "agentId"))
        default_root = str(uuid or record.number)
        root = agent_id if isinstance(agent_id, str) else roots.get(str(parent), default_root)
        roots[str(uuid)] = root
        groups.setdefault(root, []).append(record)
    for root, group in groups.items():
        yield f"sidechain {root}", group, len(group)


IMPORTER = Importer(FORMAT, score, read)
