"""Summaries of the sessions of a store; each is kept until the session changes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..search.summaries import summarize
from .reader import StoreReader

if TYPE_CHECKING:
    import sqlite3


def read_summaries(reader: StoreReader) -> tuple[list[dict[str, Any]], list[tuple[int, int, str]]]:
    """Return the summaries of all sessions, the newest first, and the rows of those that are not kept yet."""
    rows = reader.rows(
        "SELECT s.number, s.id, g.started_at, g.ended_at, e.status, e.error,"
        " (SELECT max(number) FROM states WHERE execution = e.number), k.last_state, k.summary"
        " FROM sessions AS s LEFT JOIN summaries AS k ON k.session = s.number LEFT JOIN ("
        "   SELECT session, min(started_at) AS started_at, max(ended_at) AS ended_at, max(number) AS last"
        "   FROM executions GROUP BY session"
        " ) AS g ON g.session = s.number LEFT JOIN executions AS e ON e.number = g.last ORDER BY s.number DESC"
    )
    summaries: list[dict[str, Any]] = []
    changed: list[tuple[int, int, str]] = []
    for number, id, started_at, ended_at, status, error, last_state, kept_state, kept_summary in rows:
        if kept_summary is not None and kept_state == (last_state or 0):
            summary = json.loads(kept_summary)
        else:
            summary = summarize(reader.load(id))
            reader.forget_cache()
            changed.append((number, last_state or 0, json.dumps(summary)))
        state = {"status": status, "error": error, "started_at": started_at, "ended_at": ended_at}
        summaries.append({"run_id": id, **summary, **{name: value for name, value in state.items() if value}})
    return summaries, changed


def write_summaries(connection: sqlite3.Connection, rows: list[tuple[int, int, str]]) -> None:
    """Keep the summaries of sessions, each with the last state that it describes."""
    connection.executemany("INSERT OR REPLACE INTO summaries (session, last_state, summary) VALUES (?, ?, ?)", rows)
