"""Files and connections that are closed when they cannot be used.

From Python 3.13 on, a connection to SQLite that nobody closed warns when it is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar


class Closable(Protocol):
    """A file, a connection, or anything else with a method `close`."""

    def close(self) -> object:
        """Free what is held open."""


T = TypeVar("T", bound=Closable)


@contextmanager
def closed_on_error(opened: T) -> Iterator[T]:
    """Close what was just opened if an error is raised before it is handed on."""
    try:
        yield opened
    except BaseException:
        opened.close()
        raise
