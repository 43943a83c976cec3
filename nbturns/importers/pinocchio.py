"""Pinocchio's turn store, a SQLite database: `turns`, `blocks`, and the membership of blocks in snapshots.

A session is a Run. A turn has a snapshot for each of several phases; its Turn is the one of the phase `final`,
else the last one. Blocks of other snapshots are kept in the Turn's metadata. The store has a block once for each
id and content, and so does a Run. Source: pinocchio's `pkg/persistence/chatstore`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ..errors import LoadError
from ..serialization.serde import block_from_dict
from ..values.metadata import NO_METADATA, Metadata, metadata_from_dict
from ..values.provenance import FIELDS
from ..values.turns import Block, Kind, Run, Turn
from .kit.import_report import Notes
from .kit.importer import MAYBE, SURE, Importer
from .kit.record_fields import ShapeError, expect, omit_empty
from .kit.source import Sample, Source
from .kit.transcript import freeze_or_json, other_block

if TYPE_CHECKING:
    import sqlite3


FORMAT = "pinocchio"
TABLES = frozenset({"turns", "blocks", "turn_block_membership"})
PHASES = ("draft", "snapshot", "pre_inference", "post_inference", "post_tools", "failed", "final")
TURN_FIELDS = ("conv_id", "session_id", "turn_id", "turn_metadata_json", "turn_data_json")
Rows = list[dict[str, Any]]


def is_store(head: bytes) -> bool:
    """Return True for a SQLite file with the tables of a store; the schema is on its first page."""
    return all(name.encode() in head for name in TABLES)


def read(source: Source) -> Iterator[Run]:
    """Yield every session of a store, the oldest first."""
    import sqlite3

    try:
        with closing(_connect(source)) as store:
            store.row_factory = sqlite3.Row
            yield from _Store(store, source).runs()
    except sqlite3.Error as error:
        raise LoadError(f"the database cannot be read: {error}", file=source.file) from None


def _connect(source: Source) -> sqlite3.Connection:
    """Open the database of a file for reading, or that of bytes in memory."""
    import sqlite3

    if source.path is None:
        content = bytearray(source.read_bytes())
        content[18:20] = b"\x01\x01"  # no journal, which a database in memory cannot have
        memory = sqlite3.connect(":memory:")
        memory.deserialize(bytes(content))
        return memory
    path = source.path.absolute()
    journal = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if journal.exists() else "immutable=1"  # without it SQLite creates a journal
    return sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True)


class _Store:
    def __init__(self, connection: sqlite3.Connection, source: Source) -> None:
        self.connection = connection
        self.source = source
        self.blocks: dict[tuple[str, str], Block] = {}

    def runs(self) -> Iterator[Run]:
        """Yield a Run for each session."""
        missing = TABLES - {row[0] for row in self.connection.execute("SELECT name FROM sqlite_master")}
        if missing:
            raise LoadError(f"the database has no table {', '.join(sorted(missing))}", file=self.source.file)
        sessions: dict[tuple[str, str], Rows] = {}
        for row in self.rows("SELECT * FROM turns ORDER BY turn_created_at_ms, rowid"):
            sessions.setdefault((_text(row.get("conv_id")), _text(row.get("session_id"))), []).append(row)
        for row in self.rows("SELECT DISTINCT conv_id, session_id FROM turn_block_membership"):
            sessions.setdefault((_text(row["conv_id"]), _text(row["session_id"])), [])
        names = Counter(session or conversation for conversation, session in sessions)
        for (conversation, session), turns in sessions.items():
            name = session or conversation
            if names[name] > 1:
                name = f"{conversation}/{session}"
            yield self.run(name, conversation, session, turns)

    def rows(self, query: str, *values: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query; a damaged database is reported as a problem of the source."""
        import sqlite3

        try:
            for row in self.connection.execute(query, values):
                yield dict(row)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "no such column" in str(error):
                raise
            self.source.add_problem("", f"the database is damaged: {error}")

    def run(self, name: str, conversation: str, session: str, turns: Rows) -> Run:
        notes = self.source.notes(FORMAT, name)
        snapshots = self.snapshots(conversation, session, notes)
        turn_ids = {_text(row.get("turn_id")) for row in turns}
        for turn_id in snapshots:
            if turn_id not in turn_ids:
                notes.add_guess(f"turn {turn_id}", "the turn has blocks, but no row of its own")
                turns.append({"turn_id": turn_id})
        session_turns = [self.turn(row, snapshots.get(_text(row.get("turn_id")), {}), notes) for row in turns]
        extra_fields = omit_empty(conv_id=conversation, session_id=session)
        block_count = len({id(block) for turn in session_turns for block in turn.blocks})
        metadata = metadata_from_dict({FIELDS.name: extra_fields}) if extra_fields else NO_METADATA
        return Run(session_turns, id=name, metadata=metadata, import_report=notes.report(block_count))

    def snapshots(self, conversation: str, session: str, notes: Notes) -> dict[str, dict[tuple[Any, str], list[Block]]]:
        """Return the blocks of each snapshot of each turn, by time and phase."""
        query = (
            "SELECT m.*, b.block_id AS stored_id, b.kind, b.role, b.payload_json, b.block_metadata_json"
            " FROM turn_block_membership m LEFT JOIN blocks b ON b.block_id = m.block_id AND b.content_hash = m.content_hash"
            " WHERE m.conv_id = ? AND m.session_id = ? ORDER BY m.snapshot_created_at_ms, m.phase, m.ordinal"
        )
        turns: dict[str, dict[tuple[Any, str], list[Block]]] = {}
        for row in self.rows(query, conversation, session):
            turn = turns.setdefault(_text(row["turn_id"]), {})
            turn.setdefault((row["snapshot_created_at_ms"], _text(row["phase"])), []).append(self.block(row, notes))
        return turns

    def block(self, row: Mapping[str, Any], notes: Notes) -> Block:
        key = (_text(row["block_id"]), _text(row["content_hash"]))
        if key not in self.blocks:
            notes.record_count += 1
            self.blocks[key] = self._read_block(row, key[0], notes)
        return self.blocks[key]

    def _read_block(self, row: Mapping[str, Any], id: str, notes: Notes) -> Block:
        position = f"block {id}"
        if row["stored_id"] is None:
            notes.add_unknown(position, "the block does not exist; a snapshot refers to it")
            return other_block({"block_id": id, "content_hash": row["content_hash"]})
        kind = row["kind"] if isinstance(row["kind"], str) and row["kind"].strip() else str(Kind.OTHER)
        try:
            return block_from_dict(
                {
                    "id": id,
                    "kind": kind,
                    "role": _text(row["role"]) or None,
                    "payload": _parse_json(row["payload_json"]),
                    "metadata": _parse_json(row["block_metadata_json"]),
                }
            )
        except (ValueError, RecursionError, LoadError) as error:
            notes.add_unknown(position, f"the block cannot be read: {error}")
            return other_block({name: _plain(value) for name, value in row.items() if value is not None})

    def turn(self, row: Mapping[str, Any], snapshots: dict[tuple[Any, str], list[Block]], notes: Notes) -> Turn:
        best = max(snapshots, key=_rank, default=None)
        blocks = snapshots[best] if best is not None else []
        extra_fields: dict[str, Any] = {name: _plain(value) for name, value in row.items() if name not in TURN_FIELDS}
        if best is not None:
            extra_fields |= {"phase": best[1], "snapshot_created_at_ms": _plain(best[0])}
        extra_fields["snapshots"] = [_summary(key, others, blocks) for key, others in snapshots.items() if key != best]
        metadata = self.bag(row, "turn_metadata_json", extra_fields, notes)
        data = self.bag(row, "turn_data_json", extra_fields, notes)
        entries = {FIELDS.name: freeze_or_json(omit_empty(extra_fields))}
        return Turn(blocks, id=_text(row.get("turn_id")), metadata=metadata.with_raw(**entries), data=data)

    def bag(self, row: Mapping[str, Any], name: str, extra_fields: dict[str, Any], notes: Notes) -> Metadata:
        """Return the metadata or the data of a Turn; what cannot be read of it goes to `extra_fields`."""
        try:
            return metadata_from_dict(expect(_parse_json(row.get(name)) or {}, dict, name))
        except (ValueError, RecursionError, TypeError, ShapeError) as error:
            notes.add_unknown(f"turn {_text(row.get('turn_id'))}", f"{name} cannot be read: {error}")
            extra_fields[name] = _plain(row.get(name))
            return NO_METADATA


def _rank(snapshot: tuple[Any, str]) -> tuple[bool, float, int]:
    """Return the rank of a snapshot of a turn: the final one is highest, then the last."""
    created, phase = snapshot
    time = created if isinstance(created, (int, float)) else 0
    return phase == "final", time, PHASES.index(phase) if phase in PHASES else 1


def _summary(key: tuple[Any, str], blocks: list[Block], final_blocks: list[Block]) -> dict[str, Any]:
    """Return a summary of another snapshot of a turn, with the blocks that the final one does not have."""
    final_ids = set(map(id, final_blocks))
    other_blocks = [block.to_dict() for block in blocks if id(block) not in final_ids]
    return omit_empty(phase=key[1], created_at_ms=_plain(key[0]), count=len(blocks), blocks=other_blocks)


def _parse_json(value: Any) -> Any:
    text = _plain(value)
    return json.loads(text) if isinstance(text, str) and text.strip() else None


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _text(value: Any) -> str:
    return "" if value is None else str(_plain(value))


def score(sample: Sample) -> int:
    """Return SURE for a store, and MAYBE for any other SQLite database, whose error then says what is missing."""
    if sample.container != "sqlite":
        return 0
    return SURE if is_store(sample.head) else MAYBE


IMPORTER = Importer(FORMAT, score, read)
