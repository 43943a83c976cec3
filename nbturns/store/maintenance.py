"""Copies of a store, and sessions that are removed from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import MisuseError, StoreError
from ..search.index import delete_entries
from .reader import StoreReader
from .store_search import indexed_text_of

if TYPE_CHECKING:
    import sqlite3

TABLES_OF_EXECUTIONS = ("states", "inferences", "tool_executions", "pauses", "notices")


def copy_database(connection: sqlite3.Connection, source: Path, target: Path) -> None:
    """Copy a database that may be in use to a new file, which appears when it is complete."""
    import sqlite3

    if target.exists() and target.samefile(source):
        raise MisuseError(f"{target} is the store itself; pass another path")
    temporary_path = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with closing(sqlite3.connect(temporary_path)) as copy, copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        temporary_path.replace(target)
    finally:
        temporary_path.unlink(missing_ok=True)


def forget_sessions(connection: sqlite3.Connection, path: Path, session_ids: Iterable[str]) -> None:
    """Remove sessions, and the blocks and words that only they had. Raises StoreError for an unknown one."""
    reader = StoreReader(connection, path)
    for session_id in session_ids:
        session = reader.session_number(session_id)
        delete_entries(connection, session, indexed_text_of(reader))
        for table in TABLES_OF_EXECUTIONS:
            connection.execute(
                f"DELETE FROM {table} WHERE execution IN (SELECT number FROM executions WHERE session = ?)",  # noqa: S608
                (session,),
            )
        for table, column in (("summaries", "session"), ("executions", "session"), ("sessions", "number")):
            connection.execute(f"DELETE FROM {table} WHERE {column} = ?", (session,))  # noqa: S608
    _delete_unused_rows(connection)
    connection.execute(
        "UPDATE search_progress SET last_state = min(last_state, (SELECT ifnull(max(number), 0) FROM states))"
    )


def _delete_unused_rows(connection: sqlite3.Connection) -> None:
    """Delete the blocks and items that no state uses."""
    used_blocks, used_items = set[int](), set[int]()
    for (patch_text,) in connection.execute("SELECT patch FROM states WHERE patch IS NOT NULL"):
        patch = json.loads(patch_text)
        used_blocks.update((patch.get("blocks") or (0, 0, ()))[2])
        used_items.update(patch.get("items", {}).values())
        for splice in patch.get("lists", {}).values():
            used_items.update(item for item in splice[2] if isinstance(item, int))
    used_blocks.update(
        number for (number,) in connection.execute("SELECT answer FROM tool_executions WHERE answer IS NOT NULL")
    )
    for (answers,) in connection.execute("SELECT answers FROM pauses WHERE answers IS NOT NULL"):
        used_blocks.update(json.loads(answers))
    connection.execute(
        "DELETE FROM blocks WHERE number NOT IN (SELECT value FROM json_each(?))", (json.dumps(list(used_blocks)),)
    )
    for query in (
        "SELECT result FROM blocks WHERE result IS NOT NULL",
        "SELECT result FROM inferences WHERE result IS NOT NULL",
    ):
        used_items.update(number for (number,) in connection.execute(query))
    connection.execute(
        "DELETE FROM items WHERE number NOT IN (SELECT value FROM json_each(?))", (json.dumps(list(used_items)),)
    )


def compact_database(connection: sqlite3.Connection) -> None:
    """Return free space to the disk, and remove what was deleted from it."""
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def shrink_journal(connection: sqlite3.Connection) -> None:
    """Move the journal to the database and empty it, unless another connection is using it."""
    (timeout,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {timeout}")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a file, which appears when it is complete."""
    if not path.parent.is_dir():
        raise StoreError(f"the folder {path.parent} does not exist; create it first", file=str(path))
    temporary_path = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary_path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        temporary_path.replace(path)
    finally:
        temporary_path.unlink(missing_ok=True)
