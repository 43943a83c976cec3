"""The tables of a store, their versions, and connections to them.

A store is a SQLite database in WAL mode. `PRAGMA user_version` is the version of its tables: an older one is migrated
when it is opened, a newer one is refused and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..safety.closing import closed_on_error
from ..search.index import TABLES as SEARCH_TABLES

if TYPE_CHECKING:
    import sqlite3

VERSION = 2  # of the tables below and those of the search
APPLICATION_ID = 0x6E627473  # "nbts"
JOURNAL_PAGES = 250  # about 1 MB; a longer journal is moved to the database
LOCK_TIMEOUT = 30.0  # seconds to wait for another process that writes

# Blocks and items (inference results, and other large values of metadata) are kept once for each content. A state is
# the Turn of an event: what changed since the state `base`, as JSON (see `patches.py`).
TABLES = """
CREATE TABLE sessions (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL DEFAULT '', created_at REAL NOT NULL,
  metadata TEXT, extra TEXT);
CREATE TABLE executions (
  number INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions, id TEXT NOT NULL, started_at REAL NOT NULL,
  ended_at REAL, status TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', settings TEXT, process TEXT,
  UNIQUE (session, id));
CREATE TABLE items (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content TEXT NOT NULL);
CREATE TABLE blocks (
  number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content_hash TEXT NOT NULL, kind TEXT NOT NULL,
  role TEXT NOT NULL, id TEXT NOT NULL, payload TEXT NOT NULL, metadata TEXT, result INTEGER REFERENCES items,
  extra TEXT, first_seen_at REAL NOT NULL);
CREATE TABLE states (
  number INTEGER PRIMARY KEY, execution INTEGER NOT NULL REFERENCES executions, seq INTEGER NOT NULL, at REAL NOT NULL,
  phase TEXT NOT NULL, iteration INTEGER NOT NULL, base INTEGER REFERENCES states, depth INTEGER NOT NULL,
  length INTEGER NOT NULL, patch TEXT, UNIQUE (execution, seq));
CREATE TABLE inferences (
  execution INTEGER NOT NULL REFERENCES executions, id TEXT NOT NULL, seq INTEGER NOT NULL, started_at REAL NOT NULL,
  finished_at REAL, result INTEGER REFERENCES items, PRIMARY KEY (execution, id, seq)) WITHOUT ROWID;
CREATE TABLE tool_executions (
  execution INTEGER NOT NULL REFERENCES executions, call_id TEXT NOT NULL, seq INTEGER NOT NULL, name TEXT NOT NULL,
  started_at REAL NOT NULL, finished_at REAL, duration_ms REAL, answer INTEGER REFERENCES blocks,
  PRIMARY KEY (execution, call_id, seq)) WITHOUT ROWID;
CREATE TABLE pauses (
  execution INTEGER NOT NULL REFERENCES executions, seq INTEGER NOT NULL, number INTEGER NOT NULL, phase TEXT NOT NULL,
  iteration INTEGER NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL, ended_at REAL, ended_by TEXT,
  state INTEGER REFERENCES states, answers TEXT, chosen TEXT, PRIMARY KEY (execution, seq)) WITHOUT ROWID;
CREATE TABLE notices (
  execution INTEGER NOT NULL REFERENCES executions, seq INTEGER NOT NULL, at REAL NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (execution, seq)) WITHOUT ROWID;
CREATE TABLE summaries (
  session INTEGER PRIMARY KEY REFERENCES sessions, last_state INTEGER NOT NULL, summary TEXT NOT NULL);
"""
ALL_TABLES = TABLES + "CREATE TABLE search_progress (last_state INTEGER NOT NULL);\n" + SEARCH_TABLES
MIGRATIONS: dict[int, str] = {
    1: "ALTER TABLE pauses ADD COLUMN chosen TEXT;\n",  # the ids of the calls that a decision chose, as JSON
}  # by version: the statements that make the tables of the next version


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Raise the errors of SQLite as StoreError, with the path of the store and the next step."""
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        reason = "readonly" if "unable to open" in str(error) and path.exists() else ""
        raise StoreError(_explain(error, reason), file=str(path)) from error
    except OSError as error:
        raise StoreError(f"the store cannot be used: {error.strerror or error}", file=str(path)) from error


def _explain(error: sqlite3.Error, reason: str = "") -> str:
    """Return the message of an error with the next step; `reason` is part of a message that says more."""
    message = str(error)
    for part, explanation in (
        ("locked", f"another process has locked the store for more than {LOCK_TIMEOUT:g} s; try again when it is done"),
        ("disk is full", "the disk is full; free some space and ask again"),
        ("readonly", "the store is read-only; open another one, or change the permissions of the file and its folder"),
        ("malformed", "the store is damaged; store.verify() lists the damage, and what is not damaged can be loaded"),
        ("not a database", "this is not an SQLite database; pass another path"),
        ("unable to open", "the file cannot be opened; check the folder and its permissions"),
        ("disk I/O error", "the disk reports an error; copy what can be read with store.export(path)"),
    ):
        if part in (reason or message):
            return f"{explanation} ({message})"
    return f"the store cannot be used: {message}"


def connect(path: Path, *, read_only: bool = False, timeout: float = LOCK_TIMEOUT) -> sqlite3.Connection:
    """Return a connection to a store in autocommit mode; `timeout` is in seconds."""
    import sqlite3

    location = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    connection = sqlite3.connect(location, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)
    with closed_on_error(connection):
        if not read_only:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {JOURNAL_PAGES}")
    return connection


def open_for_writing(path: Path, timeout: float = LOCK_TIMEOUT) -> sqlite3.Connection:
    """Return a connection to a store whose tables have the current version; create or migrate them."""
    with closed_on_error(connect(path, timeout=timeout)) as connection:
        version = _check_version(connection, path)
        if version < VERSION:
            if version == 0:
                connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection, path)
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Return a read-only connection. A file that nothing can write to, with or without a journal, can be read, too."""
    import sqlite3

    try:
        with closed_on_error(connect(path, read_only=True)) as connection:
            try:
                _check_version(connection, path)
            except sqlite3.DatabaseError as error:
                if "malformed" not in str(error):
                    raise
                connection.execute("PRAGMA writable_schema = ON")  # reads a file whose end is missing; writes nothing
                _check_version(connection, path)
    except sqlite3.OperationalError:  # a read-only folder, in which SQLite cannot create the index of its journal
        if path.with_name(f"{path.name}-wal").exists() or not path.exists():
            raise
        location = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(location, uri=True, isolation_level=None, check_same_thread=False)
        with closed_on_error(connection):
            _check_version(connection, path)
    return connection


def is_store(path: Path) -> bool:
    """Return True for the file of a store; its journal may have its tables."""
    import sqlite3

    try:
        with path.open("rb") as file:
            is_database = file.read(16) == b"SQLite format 3\0"
        if is_database:
            open_for_reading(path).close()
    except (OSError, StoreError, sqlite3.Error):
        return False
    return is_database


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables; 0 for an empty database. Raises StoreError for a database of something else."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    is_empty = not version and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not is_empty and application_id != APPLICATION_ID:
        raise StoreError("this database is not a store of nbturns; pass another path", file=str(path))
    if version > VERSION:
        raise StoreError(
            f"the store has version {version}; this nbturns reads up to version {VERSION}, so install a newer one",
            file=str(path),
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of the current version, in one transaction, unless another process has done it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _check_version(connection, path)
        for old_version in range(version, VERSION):
            for statement in (ALL_TABLES if old_version == 0 else MIGRATIONS[old_version]).split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            if old_version == 0:
                break
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
