"""SQLite databases of others, read without running what they contain.

A database may hold views, triggers, computed columns and recursive queries. Only plain tables are read, by their
stored columns, and the bytes of the values have a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import LoadError
from ...safety.closing import closed_on_error
from ...safety.limits import current_limits, too_large
from ...safety.regular_files import open_regular

if TYPE_CHECKING:
    import sqlite3

    from .source import Source

HEADER = b"SQLite format 3\x00"
STEPS = 50_000  # instructions of SQLite's machine between two looks for an interrupt; less than 10 ms
LONGEST_VALUE = 512 << 20  # bytes
MAX_TABLES = 200  # whose columns detection looks at
COMPUTED_COLUMNS = (2, 3)  # values of `hidden` of virtual and stored computed columns
MEMORY_HEADER = b"\x01\x01"  # no journal, which a database in memory cannot have
ROW_COST = 400  # bytes of a row in memory


class Database:
    """A database that is open for reading; use `open_database`."""

    def __init__(self, connection: sqlite3.Connection, file: str, size: int) -> None:
        import sqlite3

        self._connection = connection
        self._file = file
        self._budget = current_limits().of_database(size)
        connection.row_factory = sqlite3.Row
        connection.set_progress_handler(_continue, STEPS)
        for setting in ("query_only=1", "trusted_schema=0", "cell_size_check=1", "mmap_size=0"):
            connection.execute(f"PRAGMA {setting}")
        for name, value in (("LENGTH", LONGEST_VALUE), ("ATTACHED", 0), ("TRIGGER_DEPTH", 0), ("WORKER_THREADS", 0)):
            connection.setlimit(getattr(sqlite3, f"SQLITE_LIMIT_{name}"), value)

    @property
    def tables(self) -> dict[str, str]:
        """The types of all names in the schema: table, view, or virtual table."""
        types = {}
        for name, kind, sql in self._connection.execute("SELECT name, type, sql FROM sqlite_master"):
            is_virtual = kind == "table" and isinstance(sql, str) and sql.lstrip().upper().startswith("CREATE VIRTUAL")
            types[str(name).lower()] = "virtual table" if is_virtual else str(kind)
        return types

    def require_tables(self, names: Iterable[str]) -> None:
        """Raise LoadError if a table is missing, or is a view or a virtual table."""
        tables = self.tables
        missing_names = sorted(name for name in names if name not in tables)
        if missing_names:
            raise LoadError(f"the database has no table {', '.join(missing_names)}", file=self._file)
        for name in names:
            if tables[name] != "table":
                raise LoadError(f"{name} is a {tables[name]}; only tables are read", file=self._file)

    def columns(self, table: str) -> list[str]:
        """Return the names of the stored columns of a table. Raises LoadError for computed ones."""
        rows = self._connection.execute(f"PRAGMA table_xinfo({_quoted(table)})").fetchall()
        if computed := [str(row["name"]) for row in rows if row["hidden"] in COMPUTED_COLUMNS]:
            raise LoadError(f"{table}.{computed[0]} is a computed column; only stored values are read", file=self._file)
        return [str(row["name"]) for row in rows if not row["hidden"]]

    def rows(self, query: str, values: Iterable[Any] = ()) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query. Raises LoadError beyond the limit, and KeyboardInterrupt for an interrupt."""
        import sqlite3

        try:
            for row in self._connection.execute(query, tuple(values)):
                fields = dict(row)
                self._budget -= ROW_COST + sum(
                    len(value) for value in fields.values() if isinstance(value, (str, bytes))
                )
                if self._budget < 0:
                    raise too_large("the values are larger than the database", "database_bytes", file=self._file)
                yield fields
        except sqlite3.OperationalError as error:
            if str(error) == "interrupted":  # SQLite replaces an error in the handler by its own
                raise KeyboardInterrupt from None
            raise

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)


def _continue() -> int:
    """Let Python look for an interrupt, which ends the query."""
    return 0


@contextmanager
def open_database(source: Path | bytes, file: str = "") -> Iterator[Database]:
    """Open the database of a file or of bytes for reading. Raises LoadError."""
    import sqlite3

    connection = _memory_connection(source) if isinstance(source, bytes) else _file_connection(source)
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    try:
        yield Database(connection, file or ("" if isinstance(source, bytes) else str(source)), size)
    except sqlite3.Error as error:
        raise LoadError(f"the database cannot be read: {error}", file=file) from None
    finally:
        connection.close()


def open_source(source: Source) -> AbstractContextManager[Database]:
    """Open the database in a source: that of its file, or of its bytes when these are in memory or compressed."""
    is_file = source.path is not None and has_header(source.path)
    return open_database(source.path if is_file and source.path is not None else source.read_bytes(), source.file)


def has_header(path: Path) -> bool:
    """Return True for a file that begins like a SQLite database."""
    with open_regular(path) as stream:
        return stream.read(len(HEADER)) == HEADER


def schema_names(source: Source) -> tuple[str, ...]:
    """Return the names of the tables of a source, and of their columns as "table.column".

    None for a database that cannot be read.
    """
    import sqlite3

    try:
        with open_source(source) as database:
            tables = [name for name, kind in database.tables.items() if kind == "table"]
            return (*tables, *(column for name in tables[:MAX_TABLES] for column in _column_names(database, name)))
    except (LoadError, OSError, sqlite3.Error, ValueError):
        return ()


def _column_names(database: Database, table: str) -> list[str]:
    try:
        return [f"{table}.{column}".lower() for column in database.columns(table)]
    except LoadError:  # of a computed column
        return []


def _memory_connection(content: bytes) -> sqlite3.Connection:
    import sqlite3

    database_bytes = bytearray(content)
    database_bytes[18:20] = MEMORY_HEADER
    with closed_on_error(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(bytes(database_bytes))
    return connection


def _file_connection(path: Path) -> sqlite3.Connection:
    import sqlite3

    database_path = path.absolute()
    journal_path = database_path.with_name(f"{database_path.name}-wal")
    open_mode = "mode=ro" if journal_path.exists() else "immutable=1"  # without it SQLite creates a journal
    return sqlite3.connect(f"{database_path.as_uri()}?{open_mode}", uri=True)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
