"""Pinocchio's turn store, a SQLite database: `turns`, `blocks`, and which block stands where in which snapshot.

A session is a Run. A turn was kept at several phases; its Turn is the one of the phase `final`, else the last one there
is. Blocks that other snapshots of it had are kept beside the Turn. Blocks are kept once per id and content there, and are
the same objects here. Source: pinocchio's `pkg/persistence/chatstore`.
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
TURN = ("conv_id", "session_id", "turn_id", "turn_metadata_json", "turn_data_json")
Rows = list[dict[str, Any]]


def is_store(head: bytes) -> bool:
    """Whether the head of a SQLite file tells of these tables; its schema is on its first page."""
    return all(name.encode() in head for name in TABLES)


def read(source: Source) -> Iterator[Run]:
    """Every session of a store, oldest first."""
    import sqlite3

    try:
        with closing(_opened(source)) as store:
            store.row_factory = sqlite3.Row
            yield from _Store(store, source).runs()
    except sqlite3.Error as error:
        raise LoadError(f"the database cannot be read: {error}", file=source.file) from None


def _opened(source: Source) -> sqlite3.Connection:
    """The database of a file, which is not written to; of bytes, in memory."""
    import sqlite3

    if source.path is None:
        content = bytearray(source.read_bytes())
        content[18:20] = b"\x01\x01"  # no journal: in memory there is no place for one
        memory = sqlite3.connect(":memory:")
        memory.deserialize(bytes(content))
        return memory
    path = source.path.absolute()
    journal = path.with_name(f"{path.name}-wal")
    how = "mode=ro" if journal.exists() else "immutable=1"  # else SQLite would make a journal to read
    return sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)


class _Store:
    def __init__(self, connection: sqlite3.Connection, source: Source) -> None:
        self.connection = connection
        self.source = source
        self.blocks: dict[tuple[str, str], Block] = {}

    def runs(self) -> Iterator[Run]:
        missing = TABLES - {row[0] for row in self.connection.execute("SELECT name FROM sqlite_master")}
        if missing:
            raise LoadError(f"the database has no table {', '.join(sorted(missing))}", file=self.source.file)
        sessions: dict[tuple[str, str], Rows] = {}
        for row in self.rows("SELECT * FROM turns ORDER BY turn_created_at_ms, rowid"):
            sessions.setdefault((_text(row.get("conv_id")), _text(row.get("session_id"))), []).append(row)
        known = "SELECT DISTINCT conv_id, session_id FROM turn_block_membership"
        for row in self.rows(known):
            sessions.setdefault((_text(row["conv_id"]), _text(row["session_id"])), [])
        names = Counter(session or conversation for conversation, session in sessions)
        for (conversation, session), turns in sessions.items():
            own = session or conversation
            name = own if names[own] == 1 else f"{conversation}/{session}"
            yield self.run(name, conversation, session, turns)

    def rows(self, query: str, *values: str) -> Iterator[dict[str, Any]]:
        """The rows of a query. What a damaged database no longer gives is a problem of its file."""
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
        listed = {_text(row.get("turn_id")) for row in turns}
        for turn_id in snapshots:
            if turn_id not in listed:
                notes.add_guess(f"turn {turn_id}", "the turn has blocks, but no row of its own")
                turns.append({"turn_id": turn_id})
        made = [self.turn(row, snapshots.get(_text(row.get("turn_id")), {}), notes) for row in turns]
        other_fields = omit_empty(conv_id=conversation, session_id=session)
        blocks = len({id(block) for turn in made for block in turn.blocks})
        bag = metadata_from_dict({FIELDS.name: other_fields}) if other_fields else NO_METADATA
        return Run(made, id=name, metadata=bag, import_report=notes.report(blocks))

    def snapshots(self, conversation: str, session: str, notes: Notes) -> dict[str, dict[tuple[Any, str], list[Block]]]:
        """The blocks of each snapshot of each turn, by time and phase."""
        query = (
            "SELECT m.*, b.block_id AS found, b.kind, b.role, b.payload_json, b.block_metadata_json"
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
            self.blocks[key] = self._block(row, key[0], notes)
        return self.blocks[key]

    def _block(self, row: Mapping[str, Any], id: str, notes: Notes) -> Block:
        place = f"block {id}"
        if row["found"] is None:
            notes.add_unknown(place, "the block does not exist; a snapshot refers to it")
            return other_block({"block_id": id, "content_hash": row["content_hash"]})
        kind = row["kind"] if isinstance(row["kind"], str) and row["kind"].strip() else str(Kind.OTHER)
        try:
            return block_from_dict(
                {
                    "id": id,
                    "kind": kind,
                    "role": _text(row["role"]) or None,
                    "payload": _json(row["payload_json"]),
                    "metadata": _json(row["block_metadata_json"]),
                }
            )
        except (ValueError, RecursionError, LoadError) as error:
            notes.add_unknown(place, f"the block cannot be read: {error}")
            return other_block({name: _plain(value) for name, value in row.items() if value is not None})

    def turn(self, row: Mapping[str, Any], snapshots: dict[tuple[Any, str], list[Block]], notes: Notes) -> Turn:
        best = max(snapshots, key=_late, default=None)
        blocks = snapshots[best] if best is not None else []
        about: dict[str, Any] = {name: _plain(value) for name, value in row.items() if name not in TURN}
        if best is not None:
            about |= {"phase": best[1], "snapshot_created_at_ms": _plain(best[0])}
        about["snapshots"] = [_of_another(key, held, blocks) for key, held in snapshots.items() if key != best]
        metadata = self.bag(row, "turn_metadata_json", about, notes)
        data = self.bag(row, "turn_data_json", about, notes)
        kept = {FIELDS.name: freeze_or_json(omit_empty(about))}
        return Turn(blocks, id=_text(row.get("turn_id")), metadata=metadata.with_raw(**kept), data=data)

    def bag(self, row: Mapping[str, Any], name: str, about: dict[str, Any], notes: Notes) -> Metadata:
        """A Turn's metadata or data; what cannot be read of it goes to what is kept beside."""
        try:
            return metadata_from_dict(expect(_json(row.get(name)) or {}, dict, name))
        except (ValueError, RecursionError, TypeError, ShapeError) as error:
            notes.add_unknown(f"turn {_text(row.get('turn_id'))}", f"{name} cannot be read: {error}")
            about[name] = _plain(row.get(name))
            return NO_METADATA


def _late(snapshot: tuple[Any, str]) -> tuple[bool, float, int]:
    """Which of a turn's snapshots counts: the final one, else the last."""
    created, phase = snapshot
    when = created if isinstance(created, (int, float)) else 0
    return phase == "final", when, PHASES.index(phase) if phase in PHASES else 1


def _of_another(key: tuple[Any, str], held: list[Block], kept: list[Block]) -> dict[str, Any]:
    """A snapshot that is not shown: when and how long it was, and its blocks that the one that is does not have."""
    shown = set(map(id, kept))
    more = [block.to_dict() for block in held if id(block) not in shown]
    return omit_empty(phase=key[1], created_at_ms=_plain(key[0]), count=len(held), blocks=more)


def _json(written: Any) -> Any:
    if isinstance(written, bytes):
        written = written.decode("utf-8", "replace")
    return json.loads(written) if isinstance(written, str) and written.strip() else None


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _text(value: Any) -> str:
    return "" if value is None else str(_plain(value))


def score(sample: Sample) -> int:
    if sample.container != "sqlite":
        return 0
    return SURE if is_store(sample.head) else MAYBE


IMPORTER = Importer(FORMAT, score, read)
