"""The index of a library: which files there are, their Runs, and the words in them.

A file is read again when its size or its time has changed, and its content with them. The index is in the platform's
cache folder, never in a folder of transcripts, and may be deleted at any time.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import StoreError
from ..frames.progress import Progress
from ..frames.scheduler import _pool
from ..importers import pause_gc
from ..safety.closing import closed_on_error
from ..search.index import TABLES as SEARCH_TABLES
from ..search.index import add_entries, delete_entries, prepare_for_many_entries
from ..values.portable import escape_surrogates
from .file_reading import IndexedFile, file_digest
from .file_reading import index_file as index_file

if TYPE_CHECKING:
    import sqlite3

VERSION = 2
TABLES = """
CREATE TABLE files (
  number INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL, modified INTEGER NOT NULL,
  digest BLOB NOT NULL, is_transcript INTEGER NOT NULL, problems TEXT NOT NULL);
CREATE TABLE runs (
  number INTEGER PRIMARY KEY, file INTEGER NOT NULL REFERENCES files, position INTEGER NOT NULL, id TEXT NOT NULL UNIQUE,
  summary TEXT NOT NULL);
CREATE INDEX runs_of_files ON runs (file);
"""
LOCK_TIMEOUT = 60.0  # seconds to wait for another process that updates the index
PARALLEL_SIZE = 16 * 2**20  # bytes of changed files, from which on other processes read them, too
PARALLEL_LENGTH = 2000  # changed files, from which on other processes read them, however short they are
MAX_READ_AHEAD = 4 * PARALLEL_SIZE  # bytes of files that are read before they are written
MAX_BATCH_LENGTH = 500  # files of one transaction
PAGE_SIZE = 16_384  # bytes; long texts need fewer pages
MAX_PROCESSES = 4


class FoundFile(NamedTuple):
    """A file on disk. `modified` is in nanoseconds since the epoch."""

    path: str
    size: int
    modified: int


class UpdateResult(NamedTuple):
    """The result of an update of the index: numbers of files."""

    read: int
    unchanged: int
    removed: int


def default_index_path(roots: Iterable[Path]) -> Path:
    """Return the path of the index of these folders in the platform's cache folder."""
    from platformdirs import user_cache_path

    name = blake2b(
        "\0".join(sorted(str(root.absolute()) for root in roots)).encode("utf-8", "surrogateescape"), digest_size=12
    )
    return user_cache_path("nbturns", appauthor=False) / "libraries" / f"{name.hexdigest()}.db"


def stored_path(path: str) -> str | bytes:
    """Return a path as the index holds it: as bytes where its name is not UTF-8."""
    return path if path == escape_surrogates(path) else os.fsencode(path)


def path_of(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else os.fsdecode(stored)


class Catalog:
    """The database of one index."""

    def __init__(self, path: Path, roots: tuple[Path, ...]) -> None:
        self.path = path
        self.roots = roots

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """Open the index; an index of another version, or a damaged one, is made anew."""
        import sqlite3

        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._open()
            yield connection
        except (sqlite3.Error, OSError) as error:
            hint = "delete it, or pass another path with index="
            raise StoreError(
                f"the index of the library cannot be used: {error}; {hint}", file=str(self.path)
            ) from error
        finally:
            if connection is not None:
                connection.close()

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version == VERSION:
                return connection
            (table_count,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            connection.close()
            if "not a database" not in str(error) and "malformed" not in str(error):
                raise
            return self._start_anew()
        if table_count:  # of another version
            connection.close()
            return self._start_anew()
        with closed_on_error(connection):
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in (TABLES + SEARCH_TABLES).split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        return connection

    def _start_anew(self) -> sqlite3.Connection:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        return self._open()

    def update(self, files: Iterable[FoundFile], *, progress: bool | None = None) -> UpdateResult:
        """Bring the index up to date with the files on disk."""
        found = {file.path: file for file in files}
        with self.connect() as connection:
            indexed_files = {
                path_of(path): (number, size, modified, digest)
                for number, path, size, modified, digest in connection.execute(
                    "SELECT number, path, size, modified, digest FROM files"
                )
            }
            changed = [file for file in found.values() if indexed_files.get(file.path, (0, -1, -1))[1:3] != file[1:]]
            removed = [path for path in indexed_files if path not in found]
            if not changed and not removed:
                return UpdateResult(0, len(found), 0)
            connection.execute("PRAGMA synchronous = NORMAL")
            prepare_for_many_entries(connection)
            for path in removed:
                with _transaction(connection):
                    _delete_file(connection, indexed_files[path][0])
            read_count = self._read_changed(connection, changed, indexed_files, progress)
        return UpdateResult(read_count, len(found) - read_count, len(removed))

    def _read_changed(
        self,
        connection: sqlite3.Connection,
        changed: list[FoundFile],
        indexed_files: dict[str, Any],
        progress: bool | None,
    ) -> int:
        changed.sort(key=lambda file: (file.modified, file.path))  # so that the newest have the highest numbers
        touched = [
            file
            for file in changed
            if file.path in indexed_files and _has_digest(file.path, indexed_files[file.path][3])
        ]
        with _transaction(connection):
            connection.executemany(
                "UPDATE files SET size = ?, modified = ? WHERE path = ?",
                [(file.size, file.modified, stored_path(file.path)) for file in touched],
            )
        touched_paths = {file.path for file in touched}
        to_read = [file for file in changed if file.path not in touched_paths]
        size = sum(file.size for file in to_read)
        with ExitStack() as stack:
            bar = stack.enter_context(Progress(size, progress))
            is_parallel = (size >= PARALLEL_SIZE and len(to_read) > 1) or len(to_read) >= PARALLEL_LENGTH
            processes = min(MAX_PROCESSES, os.cpu_count() or 1) if is_parallel else 1
            pool = stack.enter_context(_pool(processes)) if processes > 1 else None
            for batch in _batches(_read_files(to_read, pool)):
                with pause_gc(), _transaction(connection):
                    for file, indexed_file in batch:
                        if file.path in indexed_files:
                            _delete_file(connection, indexed_files[file.path][0])
                        self._add_file(connection, file, indexed_file)
                bar.advance(sum(file.size for file, _ in batch))
        return len(to_read)

    def _add_file(self, connection: sqlite3.Connection, file: FoundFile, indexed_file: IndexedFile) -> None:
        problems = json.dumps(indexed_file.problems[:100])
        number = connection.execute(
            "INSERT INTO files (path, size, modified, digest, is_transcript, problems) VALUES (?, ?, ?, ?, ?, ?)",
            (
                stored_path(file.path),
                file.size,
                file.modified,
                indexed_file.digest,
                indexed_file.is_transcript,
                problems,
            ),
        ).lastrowid
        for position, run in enumerate(indexed_file.runs):
            run_id = self._run_id(connection, escape_surrogates(run.own_id), escape_surrogates(file.path), position)
            summary = {**run.summary, "file": escape_surrogates(file.path), "format": run.format}
            run_number = connection.execute(
                "INSERT INTO runs (file, position, id, summary) VALUES (?, ?, ?, ?)",
                (number, position, run_id, json.dumps(summary)),
            ).lastrowid
            add_entries(connection, run_number or 0, run.entries, file.modified / 1e9)

    def _run_id(self, connection: sqlite3.Connection, own_id: str, path: str, position: int) -> str:
        """Return the id of a Run: its own, or the path below the folder and its index where it has none of its own."""
        file_id = f"{self.relative_name(path)}#{position}"
        stem = Path(path).stem
        if own_id == stem or own_id.startswith(
            (f"{stem}:", f"{Path(path).name}#")
        ):  # an importer made it of the name of the file
            return file_id
        is_taken = own_id and connection.execute("SELECT 1 FROM runs WHERE id = ?", (own_id,)).fetchone()
        return file_id if not own_id or is_taken else own_id

    def relative_name(self, path: str) -> str:
        for root in self.roots:
            if Path(path).is_relative_to(root):
                relative = Path(path).relative_to(root)
                return str(relative) if relative.parts else Path(path).name
        return path


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _delete_file(connection: sqlite3.Connection, number: int) -> None:
    for (run,) in connection.execute("SELECT number FROM runs WHERE file = ?", (number,)).fetchall():
        delete_entries(connection, run)
    connection.execute("DELETE FROM runs WHERE file = ?", (number,))
    connection.execute("DELETE FROM files WHERE number = ?", (number,))


def _has_digest(path: str, digest: bytes) -> bool:
    try:
        return file_digest(Path(path)) == digest
    except OSError:
        return False


def _read_files(files: list[FoundFile], pool: ProcessPoolExecutor | None) -> Iterator[tuple[FoundFile, IndexedFile]]:
    """Yield each file as it is read, in order; other processes read ahead while the caller writes."""
    if pool is None:
        yield from ((file, index_file(Path(file.path))) for file in files)
        return
    pending: deque[tuple[FoundFile, Future[IndexedFile]]] = deque()
    size = 0
    try:
        for file in files:
            pending.append((file, pool.submit(index_file, Path(file.path))))
            size += file.size
            while size > MAX_READ_AHEAD or len(pending) > MAX_BATCH_LENGTH:
                first, result = pending.popleft()
                yield first, result.result()
                size -= first.size
        yield from ((file, result.result()) for file, result in pending)
    except BrokenExecutor as error:
        reason = "a process that read files was killed, most likely for its memory; what was read before is kept"
        raise StoreError(reason, file=pending[0][0].path if pending else "") from error


def _batches(files: Iterable[tuple[FoundFile, IndexedFile]]) -> Iterator[list[tuple[FoundFile, IndexedFile]]]:
    """Yield files in groups of about 16 MB, which are written in one transaction each."""
    batch: list[tuple[FoundFile, IndexedFile]] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file[0].size
        if size >= PARALLEL_SIZE or len(batch) >= MAX_BATCH_LENGTH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
