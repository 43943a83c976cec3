"""Claude Code's sessions: `~/.claude/projects/…/<session>.jsonl`, and the web's `{"loglines": […]}`.

A line is a record; a record of the user or the model has a message of Anthropic's API, usually with
one content block: records with the same message id are of one model call. Records form a tree by
`parentUuid`. The conversation is the path to the last record. Each path that was abandoned (a prompt
edited, a session rewound) is a Run of its own, with the records before it, and so is each sidechain,
the conversation of a subagent.

Records of Claude Code's bookkeeping (file snapshots, queues, summaries) are kept in the Run's metadata. Not read are
`sessions-index.json`, an index of the sessions in a folder, and `agent-<id>.meta.json`, the kind of a subagent.

Source: anthropics/claude-agent-sdk-python at e8bde60164f9, src/claude_agent_sdk/_internal/sessions.py (`parentUuid`,
`logicalParentUuid`, `isSidechain`, the folders), session_import.py (`.meta.json`), session_mutations.py
(`content-replacement`) and types.py (`parent_tool_use_id`); oneryalcin/agent-schemas at dfa9f8f10f1d,
claude-code/v2.1.144/session.schema.json (records and their fields, `isApiErrorMessage`, most types of bookkeeping);
simonw/claude-code-transcripts at cad133d9132a, src/claude_code_transcripts/__init__.py (`loglines`); Sinity/polylogue at
d250e578bf73, docs/providers/claude-code.md (`sessions-index.json`). Of the types `saved_hook_context`,
`speculation-accept`, `task-summary`, `attribution-snapshot` and `agent-color` no such source is known; their records are
kept like the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values.provenance import BRANCH_OF, FIELDS
from ..values.turns import Run
from .claude_code_links import SubagentLinks
from .claude_code_order import follow_compactions, in_parent_order, without_copies
from .claude_code_records import BOOKKEEPING, MESSAGE_TYPES, Record, read_records
from .kit import faults
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "claude-code"
OWN_FIELDS = frozenset({"sessionId", "uuid", "parentUuid", "isSidechain", "leafUuid", "loglines"})
NO_PARENT, UNKNOWN_PARENT = -1, -2
RecordPath = tuple[str, list[Record], int]  # a name, the records, and how many of them no other path has


def score_claude_code(sample: Sample) -> int:
    """Return SURE for records with a type and a session, an id, or a summary."""
    if sample.container != "json":
        return 0
    if isinstance(sample.record.get("loglines"), list):
        return SURE
    return SURE + 5 if any(map(_is_record, sample.records)) else 0


def _is_record(value: Mapping[str, Any]) -> bool:
    record_type = value.get("type")
    if not isinstance(record_type, str) or OWN_FIELDS.isdisjoint(value):
        return False
    return isinstance(value.get("message"), Mapping) or record_type in BOOKKEEPING or "sessionId" in value


def read_session(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session, then its abandoned paths and its sidechains."""
    yield from runs_of_records(source, list(iter_records(source)), FORMAT)


def runs_of_records(source: Source, all_records: Sequence[Record], format: str) -> Iterator[Run]:
    """Yield the conversation of the records of a session, then its abandoned paths and its sidechains."""
    source.has_priced_calls = True
    records = in_parent_order(without_copies(all_records))
    follow_compactions(records)
    summaries = (record.raw.get("summary") for record in records)
    session_summary = next((text for text in summaries if isinstance(text, str)), "")
    bookkeeping = [record.raw for record in records if record.type in BOOKKEEPING]
    conversation_records = [record for record in records if record.type not in BOOKKEEPING]
    tree_notes = source.notes(format)
    main_paths = _record_paths([record for record in records if not record.is_side], tree_notes)
    paths = [*main_paths, *_sidechains(conversation_records)]
    linked_paths = () if source.texts_only else paths
    links = SubagentLinks([(_run_id(path_records, name), path_records) for name, path_records, _ in linked_paths])
    root_id = ""
    for path_number, (run_name, path_records, own_count) in enumerate(paths):
        notes = source.notes(format, run_name)
        extra_records: list[Mapping[str, Any]] = []
        if path_number == 0:
            notes.guessed += tree_notes.guessed
            run_name, own_count = session_summary, own_count + len(bookkeeping)
            extra_records = bookkeeping
        notes.record_count = own_count
        for run in try_read(source, notes.position, _run_of, path_records, notes, run_name, extra_records, links):
            yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root_id)) if root_id else run
            root_id = root_id or run.id


def iter_records(source: Source) -> Iterator[Record]:
    """Yield the records of a source, those of the web's `loglines` one by one."""
    record_count = 0
    for position, value in source.records():
        log_lines = value.get("loglines") if isinstance(value, (dict, Mapping)) else None
        records = [(position, value)]
        if isinstance(log_lines, list):
            records = [
                (join_positions(position, f"loglines[{index}]"), log_line) for index, log_line in enumerate(log_lines)
            ]
        for record_position, raw_record in records:
            if isinstance(raw_record, (dict, Mapping)):
                yield Record(raw_record, record_position, record_count)
                record_count += 1
            else:
                source.add_problem(record_position, faults.wrong_type("", raw_record, dict))


def _run_of(
    path_records: Sequence[Record],
    notes: Notes,
    run_name: str,
    extra_records: Sequence[Mapping[str, Any]],
    links: SubagentLinks,
) -> Run:
    transcript, run_id = Transcript(notes), _run_id(path_records, notes.position)
    read_records(transcript, path_records)
    links.mark_calls(transcript.blocks)
    fields = {FIELDS.name: transcript.fields_value(_records_field, extra_records)} if extra_records else {}
    metadata = {**fields, **links.metadata_of(run_id)}
    return transcript.to_run(id=run_id, name=run_name, metadata=metadata)


def _records_field(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"records": records}


def _run_id(path_records: Sequence[Record], path_name: str) -> str:
    session_ids = (record.raw.get("sessionId", record.raw.get("session_id")) for record in path_records)
    session_id = next((session_part for session_part in session_ids if isinstance(session_part, str)), "")
    return "/".join(part for part in (session_id, path_name) if part)


def _record_paths(records: Sequence[Record], notes: Notes) -> Iterator[RecordPath]:
    """Yield the conversation, then each path that branches off it."""
    parents = _parent_indexes(records, notes)
    last_message = max(
        (index for index, record in enumerate(records) if record.type in MESSAGE_TYPES), default=NO_PARENT
    )
    main_indexes = _path_to(last_message, parents)
    main_calls = {records[index].message_id for index in main_indexes if records[index].message_id}
    branch_starts: dict[int, int] = {}  # of each record that is not on the main path: where it left that path
    for index, record in enumerate(records):
        if index in main_indexes:
            continue
        parent = parents[index]
        if parent in branch_starts:
            branch_starts[index] = branch_starts[parent]
        elif record.type not in MESSAGE_TYPES or record.has_result or record.message_id in main_calls or parent < 0:
            main_indexes.add(index)  # parallel calls, their results and bookkeeping records do not begin a branch
        else:
            branch_starts[index] = index
    if main_indexes:
        main_records = _conversation_records(records[index] for index in sorted(main_indexes))
        yield "", main_records, len(main_records)
    for branch_number, first_index in enumerate(dict.fromkeys(branch_starts.values()), 1):
        own_records = _conversation_records(
            records[index] for index, branch_start in branch_starts.items() if branch_start == first_index
        )
        records_before = _conversation_records(
            records[index] for index in sorted(main_indexes) if index <= parents[first_index]
        )
        yield f"branch {branch_number}", [*records_before, *own_records], len(own_records)


def _conversation_records(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if record.type not in BOOKKEEPING]


def _parent_indexes(records: Sequence[Record], notes: Notes) -> list[int]:
    """Return the index of the record before each; it is always an earlier one, so there are no cycles."""
    index_by_uuid: dict[str, int] = {}
    parent_indexes: list[int] = []
    for index, record in enumerate(records):
        parent_id = record.parent_uuid
        parent_index = index_by_uuid.get(parent_id, UNKNOWN_PARENT) if parent_id else NO_PARENT
        if parent_index == UNKNOWN_PARENT and (index or parent_id == record.uuid):
            notes.add_guess(record.position, faults.unknown_parent(parent_id, "the record before it is used"))
        parent_indexes.append(parent_index if parent_index >= 0 else index - 1)
        record_uuid = record.uuid
        if record_uuid is not None:
            if record_uuid in index_by_uuid:
                notes.add_guess(record.position, f"record id {record_uuid!r:.60} is used twice; both records are kept")
            index_by_uuid[record_uuid] = index
    return parent_indexes


def _path_to(index: int, parents: Sequence[int]) -> set[int]:
    path_indexes: set[int] = set()
    while index >= 0:
        path_indexes.add(index)
        index = parents[index]
    return path_indexes


def _sidechains(records: Sequence[Record]) -> Iterator[RecordPath]:
    """Yield the records of each subagent: by the id of the agent, or by the first record of their tree."""
    root_ids: dict[str, str] = {}
    sidechain_groups: dict[str, list[Record]] = {}
    for record in records:
        if not record.is_side:
            continue
        uuid, parent_uuid, agent_id = (record.raw.get(name) for name in ("uuid", "parentUuid", "agentId"))
        agent_id = agent_id or record.raw.get("parent_tool_use_id")
        default_root = str(uuid or record.number)
        root_id = agent_id if isinstance(agent_id, str) else root_ids.get(str(parent_uuid), default_root)
        root_ids[str(uuid)] = root_id
        sidechain_groups.setdefault(root_id, []).append(record)
    for root_id, sidechain_records in sidechain_groups.items():
        yield f"sidechain {root_id}", sidechain_records, len(sidechain_records)


IMPORTER = Importer(FORMAT, score_claude_code, read_session)
