"""Search in a store: its index is brought up to date before each search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..safety.closing import closed_on_error
from ..search.hits import Hit, Hits
from ..search.index import Entry, add_entry, find_entries
from ..search.query import SearchQuery
from ..search.words import block_facets, block_time, model_of, searchable_text
from ..values.turns import Block, Run
from .reader import StoreReader
from .writer import SENT

if TYPE_CHECKING:
    import sqlite3


def update_index(reader: StoreReader) -> int:
    """Add the blocks of all states since the last update; return the number of added blocks."""
    connection = reader.connection
    (last_state,) = connection.execute("SELECT ifnull(max(last_state), 0) FROM search_progress").fetchone()
    changed_executions = reader.rows(
        "SELECT s.execution, max(s.number), e.session FROM states AS s JOIN executions AS e ON e.number = s.execution"
        " WHERE s.number > ? AND s.phase <> ? GROUP BY s.execution ORDER BY s.execution", last_state, SENT,
    )  # fmt: skip
    added_count = 0
    for execution, newest_state, session in changed_executions:
        added_count += _add_execution(reader, execution, session)
        last_state = max(last_state, newest_state)
        reader.forget_cache()
    connection.execute("DELETE FROM search_progress")
    connection.execute("INSERT INTO search_progress VALUES (?)", (last_state,))
    return added_count


def needs_update(reader: StoreReader) -> bool:
    row = reader.rows(
        "SELECT ifnull((SELECT max(last_state) FROM search_progress), 0) < ifnull(max(number), 0) FROM states WHERE phase <> ?",
        SENT,
    )
    return bool(row[0][0])


def _add_execution(reader: StoreReader, execution: int, session: int) -> int:
    known_blocks = {block for (block,) in reader.rows("SELECT block FROM entries WHERE run = ?", session)}
    turn_index = reader.execution_numbers(session).index(execution)
    tool_names: dict[str, str] = {}
    added_count = 0
    for block_index, (number, block, first_seen_at) in enumerate(_numbered_blocks(reader, execution)):
        if block.kind == "tool_call":
            tool_names[block.tool_call_id] = block.name
        if number in known_blocks:
            continue
        known_blocks.add(number)
        tool = tool_names.get(block.tool_call_id, "")
        entry = Entry(
            session, turn_index, block_index, number, block.id, block.kind, tool, model_of(block),
            block_time(block) or first_seen_at, block_facets(block, tool), None,
        )  # fmt: skip
        add_entry(reader.connection, entry, searchable_text(block))
        added_count += 1
    return added_count


def _numbered_blocks(reader: StoreReader, execution: int) -> Iterator[tuple[int, Block, float]]:
    """Yield the blocks of the latest state of an execution, with their numbers and the times of their first snapshot."""
    state = reader.latest_state(execution)
    if state is None:
        return
    numbers = list(reader.parts(state).blocks)
    reader.blocks(numbers)
    times = dict(reader.rows(
        "SELECT b.number, b.first_seen_at FROM json_each(?) JOIN blocks AS b ON b.number = value", reader.json(numbers)
    ))  # fmt: skip
    for number in numbers:
        yield number, reader.block(number), times[number]


def find_hits(reader: StoreReader, query: SearchQuery, limit: int, load: Callable[[str], Run]) -> Hits:
    """Return the newest hits."""
    runs = _matching_sessions(reader, query)
    found = find_entries(reader.connection, query, runs, limit + 1)
    session_ids = dict(reader.rows(
        "SELECT number, id FROM sessions WHERE number IN (SELECT value FROM json_each(?))",
        reader.json([entry.run for _, entry in found]),
    ))  # fmt: skip
    reader.blocks([entry.block for _, entry in found if entry.block is not None])
    hits = [
        Hit(
            session_ids[entry.run], entry.turn_index, entry.block_index, entry.kind,
            searchable_text(reader.block(entry.block or 0)), entry.block_id, entry.tool, entry.model, entry.at,
            pattern=query.pattern, load=load,
        )
        for _, entry in found[:limit]
    ]  # fmt: skip
    return Hits(query.text, hits, has_more=len(found) > limit)


def _matching_sessions(reader: StoreReader, query: SearchQuery) -> list[int] | None:
    """Return the numbers of the sessions that the filters allow; None for all."""
    if not query.places:
        return None
    sessions = reader.rows("SELECT number, id, name FROM sessions")
    return [number for number, id, name in sessions if query.allows(f"{id}\n{name}", str(reader.path))]


def indexed_text_of(reader: StoreReader) -> Callable[[int | None], str]:
    """Return a function that gives the text of a block that its entry was added with."""
    return lambda number: searchable_text(reader.block(number or 0))


def search_in_memory(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy in memory of a store that cannot be written, whose index can be brought up to date."""
    import sqlite3

    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    with closed_on_error(copy):
        connection.backup(copy)
    return copy
