"""Close the connection of a store that writes, as the end of its process does."""

from __future__ import annotations

import nbturns as nt
from nbturns.store.writer import Maintenance


def close_writer(store: nt.TurnStore) -> None:
    """Close it on the thread that writes: SQLite crashes when another one still uses the connection."""
    store._queue.put_and_wait(Maintenance(lambda _connection: store._writer.close()), "a test")
