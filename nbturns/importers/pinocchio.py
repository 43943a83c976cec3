"""Pinocchio's turn store, a SQLite database: `turns`, `blocks`, and the membership of blocks in snapshots.

A session is a Run. A turn has a snapshot for each of several phases; its Turn is the one of the phase `final`,
else the last one. Blocks of other snapshots are kept in the Turn's metadata. The store has a block once for each
id and content, and so does a Run. Source:
go-go-golems/pinocchio at f77681978d63, pkg/persistence/chatstore/turn_store_sqlite.go (tables and columns) and
pkg/chatapp/export/minitrace.go (phases).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import LoadError
from ..serialization.serde import block_from_dict
from ..values.metadata import NO_METADATA, Metadata, metadata_from_dict
from ..values.provenance import FIELDS
from ..values.turns import Block, Kind, Run, Turn
from .kit.import_report import Notes
from .kit.importer import MAYBE, SURE, Importer
from .kit.record_fields import ShapeError, expect, omit_empty
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import freeze_or_json, other_block

if TYPE_CHECKING:
    from .kit.sqlite_database import Database


FORMAT = "pinocchio"
TABLES = frozenset({"turns", "blocks", "turn_block_membership"})
PHASES = ("draft", "snapshot", "pre_inference", "post_inference", "post_tools", "failed", "final")
TURN_FIELDS = ("conv_id", "session_id", "turn_id", "turn_metadata_json", "turn_data_json")
Rows = list[dict[str, Any]]


def is_store(head: bytes) -> bool:
    """Return True for a SQLite file with the tables of a store; the schema is on its first page."""
    return all(table_name.encode() in head for table_name in TABLES)


def read_store(source: Source) -> Iterator[Run]:
    """Yield every session of a store, the oldest first."""
    from .kit.sqlite_database import open_database

    with open_database(source.path or source.read_bytes(), source.file) as database:
        yield from _Store(database, source).read_runs()


class _Store:
    def __init__(self, database: Database, source: Source) -> None:
        self.database = database
        self.source = source
        self.blocks: dict[tuple[str, str], Block] = {}

    def read_runs(self) -> Iterator[Run]:
        """Yield a Run for each session."""
        self.database.require_tables(TABLES)
        for table in TABLES:
            self.database.columns(table)  # refuses computed ones
        turns_by_session: dict[tuple[str, str], Rows] = {}
        for row in self._query_rows("SELECT * FROM turns ORDER BY turn_created_at_ms, rowid"):
            turns_by_session.setdefault((_as_text(row.get("conv_id")), _as_text(row.get("session_id"))), []).append(row)
        for row in self._query_rows("SELECT DISTINCT conv_id, session_id FROM turn_block_membership"):
            turns_by_session.setdefault((_as_text(row["conv_id"]), _as_text(row["session_id"])), [])
        name_counts = Counter(session_id or conversation_id for conversation_id, session_id in turns_by_session)
        for (conversation_id, session_id), turn_rows in turns_by_session.items():
            session_name = session_id or conversation_id
            if name_counts[session_name] > 1:
                session_name = f"{conversation_id}/{session_id}"
            yield self._read_run(session_name, conversation_id, session_id, turn_rows)

    def _query_rows(self, query: str, *query_values: Any) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query; a damaged database is reported as a problem of the source."""
        import sqlite3

        try:
            yield from self.database.rows(query, query_values)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "no such column" in str(error):
                raise
            self.source.add_problem("", f"the database is damaged: {error}")

    def _read_run(self, session_name: str, conversation_id: str, session_id: str, turn_rows: Rows) -> Run:
        notes = self.source.notes(FORMAT, session_name)
        snapshots = self._read_snapshots(conversation_id, session_id, notes)
        turn_ids = {_as_text(row.get("turn_id")) for row in turn_rows}
        for turn_id in snapshots:
            if turn_id not in turn_ids:
                notes.add_guess(f"turn {turn_id}", "the turn has blocks, but no row of its own")
                turn_rows.append({"turn_id": turn_id})
        session_turns = [
            self._read_turn(row, snapshots.get(_as_text(row.get("turn_id")), {}), notes) for row in turn_rows
        ]
        extra_fields = omit_empty(conv_id=conversation_id, session_id=session_id)
        block_count = len({id(block) for turn in session_turns for block in turn.blocks})
        metadata = metadata_from_dict({FIELDS.name: extra_fields}) if extra_fields else NO_METADATA
        return Run(session_turns, id=session_name, metadata=metadata, import_report=notes.report(block_count))

    def _read_snapshots(
        self, conversation_id: str, session_id: str, notes: Notes
    ) -> dict[str, dict[tuple[Any, str], list[Block]]]:
        """Return the blocks of each snapshot of each turn, by time and phase."""
        membership_query = (
            "SELECT m.*, b.rowid AS stored_row FROM turn_block_membership m LEFT JOIN blocks b ON b.block_id = m.block_id AND b.content_hash = m.content_hash"
            " WHERE m.conv_id = ? AND m.session_id = ? ORDER BY m.snapshot_created_at_ms, m.phase, m.ordinal"
        )
        snapshots_by_turn: dict[str, dict[tuple[Any, str], list[Block]]] = {}
        for row in self._query_rows(membership_query, conversation_id, session_id):
            turn_snapshots = snapshots_by_turn.setdefault(_as_text(row["turn_id"]), {})
            turn_snapshots.setdefault((row["snapshot_created_at_ms"], _as_text(row["phase"])), []).append(
                self._read_block_once(row, notes)
            )
        return snapshots_by_turn

    def _read_block_once(self, row: Mapping[str, Any], notes: Notes) -> Block:
        block_key = (_as_text(row["block_id"]), _as_text(row["content_hash"]))
        if block_key not in self.blocks:
            notes.record_count += 1
            self.blocks[block_key] = self._read_block(row, block_key[0], notes)
        return self.blocks[block_key]

    def _read_block(self, row: Mapping[str, Any], block_id: str, notes: Notes) -> Block:
        position = f"block {block_id}"
        block_query = "SELECT kind, role, payload_json, block_metadata_json FROM blocks WHERE rowid = ?"
        block_row = next(self._query_rows(block_query, row["stored_row"]), None)
        if block_row is None:
            notes.add_unknown(position, "the block does not exist; a snapshot refers to it")
            return other_block({"block_id": block_id, "content_hash": row["content_hash"]})
        row = {**row, "stored_id": block_id, **block_row}
        kind = row["kind"] if isinstance(row["kind"], str) and row["kind"].strip() else str(Kind.OTHER)
        try:
            return block_from_dict(
                {
                    "id": block_id,
                    "kind": kind,
                    "role": _as_text(row["role"]) or None,
                    "payload": _parse_json(row["payload_json"]),
                    "metadata": _parse_json(row["block_metadata_json"]),
                }
            )
        except (ValueError, RecursionError, LoadError) as error:
            notes.add_unknown(position, f"the block cannot be read: {error}")
            return other_block({name: _decode_bytes(value) for name, value in row.items() if value is not None})

    def _read_turn(self, row: Mapping[str, Any], snapshots: dict[tuple[Any, str], list[Block]], notes: Notes) -> Turn:
        best_snapshot = max(snapshots, key=_snapshot_rank, default=None)
        best_blocks = snapshots[best_snapshot] if best_snapshot is not None else []
        extra_fields: dict[str, Any] = {
            column_name: _decode_bytes(value) for column_name, value in row.items() if column_name not in TURN_FIELDS
        }
        if best_snapshot is not None:
            extra_fields |= {"phase": best_snapshot[1], "snapshot_created_at_ms": _decode_bytes(best_snapshot[0])}
        extra_fields["snapshots"] = [
            _snapshot_summary(snapshot_key, snapshot_blocks, best_blocks)
            for snapshot_key, snapshot_blocks in snapshots.items()
            if snapshot_key != best_snapshot
        ]
        turn_metadata = self._read_metadata(row, "turn_metadata_json", extra_fields, notes)
        turn_data = self._read_metadata(row, "turn_data_json", extra_fields, notes)
        metadata_values = {FIELDS.name: freeze_or_json(omit_empty(extra_fields))}
        return Turn(
            best_blocks,
            id=_as_text(row.get("turn_id")),
            metadata=turn_metadata.with_raw(**metadata_values),
            data=turn_data,
        )

    def _read_metadata(
        self, row: Mapping[str, Any], column_name: str, extra_fields: dict[str, Any], notes: Notes
    ) -> Metadata:
        """Return the metadata or the data of a Turn; what cannot be read of it goes to `extra_fields`."""
        try:
            return metadata_from_dict(expect(_parse_json(row.get(column_name)) or {}, dict, column_name))
        except (ValueError, RecursionError, TypeError, ShapeError) as error:
            notes.add_unknown(f"turn {_as_text(row.get('turn_id'))}", f"{column_name} cannot be read: {error}")
            extra_fields[column_name] = _decode_bytes(row.get(column_name))
            return NO_METADATA


def _snapshot_rank(snapshot: tuple[Any, str]) -> tuple[bool, float, int]:
    """Return the rank of a snapshot of a turn: the final one is highest, then the last."""
    created_at, phase = snapshot
    created_time = created_at if isinstance(created_at, (int, float)) else 0
    return phase == "final", created_time, PHASES.index(phase) if phase in PHASES else 1


def _snapshot_summary(
    snapshot_key: tuple[Any, str], snapshot_blocks: list[Block], final_blocks: list[Block]
) -> dict[str, Any]:
    """Return a summary of another snapshot of a turn, with the blocks that the final one does not have."""
    final_ids = set(map(id, final_blocks))
    other_blocks = [block.to_dict() for block in snapshot_blocks if id(block) not in final_ids]
    return omit_empty(
        phase=snapshot_key[1],
        created_at_ms=_decode_bytes(snapshot_key[0]),
        count=len(snapshot_blocks),
        blocks=other_blocks,
    )


def _parse_json(value: Any) -> Any:
    json_text = _decode_bytes(value)
    return json.loads(json_text) if isinstance(json_text, str) and json_text.strip() else None


def _decode_bytes(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _as_text(value: Any) -> str:
    return "" if value is None else str(_decode_bytes(value))


def score_pinocchio(sample: Sample) -> int:
    """Return SURE for a store, and MAYBE for any other SQLite database, so that the error names the missing tables."""
    if sample.container != "sqlite":
        return 0
    return SURE if is_store(sample.head) else MAYBE


IMPORTER = Importer(FORMAT, score_pinocchio, read_store)
