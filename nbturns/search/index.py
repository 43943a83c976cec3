"""The index of a search: an entry for each block, and the words of all entries in an FTS5 table.

The newest entry has the highest number, so the first hits of any query are found without reading the others. The table
of words has no copy of the texts; an entry is deleted with the same texts that it was added with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..values.portable import escape_surrogates, with_escaped_surrogates
from .query import SearchQuery
from .words import name_parts

if TYPE_CHECKING:
    import sqlite3

TABLES = """
CREATE TABLE entries (
  number INTEGER PRIMARY KEY, run INTEGER NOT NULL, turn_index INTEGER NOT NULL, block_index INTEGER NOT NULL,
  block INTEGER, block_id TEXT NOT NULL, kind TEXT NOT NULL, tool TEXT NOT NULL, model TEXT NOT NULL, at REAL,
  facets TEXT NOT NULL, text TEXT);
CREATE INDEX entries_of_runs ON entries (run, block);
CREATE VIRTUAL TABLE words USING fts5 (text, parts, facets, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2');
"""
HASH_SIZE = 64 * 2**20  # bytes of words that are collected in memory before they are written


class Entry(NamedTuple):
    """A block in the index. `text` is None in a store, which has the blocks themselves."""

    run: int
    turn_index: int
    block_index: int
    block: int | None
    block_id: str
    kind: str
    tool: str
    model: str
    at: float | None
    facets: str
    text: str | None


class FoundEntry(NamedTuple):
    """An entry that matches a query, with its number."""

    number: int
    entry: Entry


INSERT_ENTRY = f"INSERT INTO entries ({', '.join(Entry._fields)}) VALUES ({', '.join('?' * len(Entry._fields))})"  # noqa: S608
AT = Entry._fields.index("at") - 1  # in a row without the number of the Run
PLACES = ["?", *("ifnull(?, ?)" if name == "at" else "?" for name in Entry._fields)]
INSERT_DATED_ENTRY = f"INSERT INTO entries VALUES ({', '.join(PLACES)})"  # noqa: S608
INSERT_WORDS = "INSERT INTO words (rowid, text, parts, facets) VALUES (?, ?, ?, ?)"
DELETE_WORDS = "INSERT INTO words (words, rowid, text, parts, facets) VALUES ('delete', ?, ?, ?, ?)"


def prepare_for_many_entries(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO words (words, rank) VALUES ('hashsize', ?)", (HASH_SIZE,))


def add_entries(connection: sqlite3.Connection, run: int, rows: Sequence[tuple[Any, ...]], time: float) -> None:
    """Add many entries of a Run. A row has the fields of an entry after `run`, and the parts of the names in its text.

    `time` is that of entries without one.
    """
    rows = [tuple(with_escaped_surrogates(row)) for row in rows]
    (last,) = connection.execute("SELECT ifnull(max(number), 0) FROM entries").fetchone()
    connection.executemany(
        INSERT_DATED_ENTRY,
        [(number, run, *row[:AT], row[AT], time, *row[AT + 1 : -1]) for number, row in enumerate(rows, last + 1)],
    )
    connection.executemany(
        INSERT_WORDS, [(number, row[-2], row[-1], row[-3]) for number, row in enumerate(rows, last + 1)]
    )


def add_entry(connection: sqlite3.Connection, entry: Entry, text: str) -> None:
    """Add an entry with the text that is searched."""
    number = connection.execute(INSERT_ENTRY, with_escaped_surrogates(entry)).lastrowid
    connection.execute(
        INSERT_WORDS, (number, escape_surrogates(text), name_parts(escape_surrogates(text)), entry.facets)
    )


def delete_entries(
    connection: sqlite3.Connection, run: int, text_of: Callable[[int | None], str] | None = None
) -> None:
    """Delete the entries of a Run. `text_of` returns the text of a block, for entries without one."""
    rows = connection.execute("SELECT number, block, facets, text FROM entries WHERE run = ?", (run,)).fetchall()
    for number, block, facets, stored_text in rows:
        text = escape_surrogates(stored_text if text_of is None else text_of(block))
        connection.execute(DELETE_WORDS, (number, text, name_parts(text), facets))
    connection.execute("DELETE FROM entries WHERE run = ?", (run,))


def find_entries(
    connection: sqlite3.Connection, query: SearchQuery, runs: Sequence[int] | None, limit: int
) -> list[FoundEntry]:
    """Return up to `limit` entries that match, the newest first; `runs` are those allowed, None for all."""
    conditions: list[str] = []
    values: list[Any] = []
    source, number = "entries AS e", "e.number"
    if query.expression:
        source, number = "words JOIN entries AS e ON e.number = words.rowid", "words.rowid"
        conditions.append("words MATCH ?")
        values.append(query.expression)
    if runs is not None:
        first, last = _entry_range(connection, runs)
        conditions += [f"{number} BETWEEN ? AND ?", "e.run IN (SELECT value FROM json_each(?))"]
        values += [first, last, json.dumps(list(runs))]
    for name, sign in (("before", "<"), ("after", ">=")):
        if (time := getattr(query, name)) is not None:
            conditions.append(f"e.at {sign} ?")
            values.append(time)
    columns = ", ".join(f"e.{name}" for name in Entry._fields)
    rows = connection.execute(
        f"SELECT {number}, {columns} FROM {source} WHERE {' AND '.join(conditions)} ORDER BY {number} DESC LIMIT ?",  # noqa: S608
        (*values, limit),
    )
    return [FoundEntry(row[0], Entry(*row[1:])) for row in rows]


def _entry_range(connection: sqlite3.Connection, runs: Iterable[int]) -> tuple[int, int]:
    row = connection.execute(
        "SELECT min(number), max(number) FROM entries WHERE run IN (SELECT value FROM json_each(?))",
        (json.dumps(list(runs)),),
    ).fetchone()
    return (0, -1) if row[0] is None else (row[0], row[1])
