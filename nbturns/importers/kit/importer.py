"""The importer of a format: its name, its score for a sample, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import LoadError, MissingPackageError
from ...values.turns import Run
from .faults import unreadable
from .import_report import Notes
from .sample import Sample
from .source import Source

SURE, LIKELY, MAYBE = (
    90,
    60,
    30,
)  # scores: a mark of this format only, a shape that fits, a shape that fits other formats as well


@dataclass(frozen=True, slots=True)
class Importer:
    """A format: its name, a score from 0 to 100 for the sample of a file, and a reader that yields Runs."""

    name: str
    score: Callable[[Sample], int]
    read: Callable[[Source], Iterator[Run]]


def document_reader(format: str, read_conversation: Callable[[Any, Notes], Run]) -> Callable[[Source], Iterator[Run]]:
    """Return a reader for documents that are one conversation each: one in a file, one in a line, or a list of them."""

    def read_documents(source: Source) -> Iterator[Run]:
        for position, value in source.records():
            yield from try_read(source, position, read_conversation, value, source.notes(format, position))

    return read_documents


def try_read(source: Source, position: str, read_conversation: Callable[..., Run], *arguments: Any) -> Iterator[Run]:
    """Yield the Run that `read_conversation` returns; on an error, report a problem of the source and yield nothing.

    Raises LoadError when strict.
    """
    yield from try_read_all(source, position, lambda *values: (read_conversation(*values),), *arguments)


def try_read_all(
    source: Source, position: str, read_conversations: Callable[..., Sequence[Run]], *arguments: Any
) -> Iterator[Run]:
    """Yield the Runs that `read_conversations` returns, as `try_read` does."""
    try:
        runs = read_conversations(*arguments)
    except MissingPackageError:
        raise
    except LoadError as error:
        if source.strict:
            raise
        source.add_problem(error.position or position, error.reason)
    except Exception as error:  # importers of other packages may raise anything; one bad line must not hide the others
        source.add_problem(position, unreadable(error, "this conversation"))
    else:
        yield from runs
