"""Connections to SQLite that are closed when they cannot be used.

From Python 3.13 on, a connection that nobody closed warns when it is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close a new connection if an error is raised before it is handed on."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise
