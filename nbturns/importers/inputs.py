"""Everything that `load`, `loads`, `load_all`, `view` and frames accept, as sources for the importers.

A path is read by `files`; this module takes the rest: bytes, file objects, plain data, tables, objects of other
packages, and lists and iterators of all of these.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..errors import LoadError, MisuseError
from ..values.turns import Block, Run, Turn
from . import detect_importer
from .kit.plain_data import data_readers, plain_data
from .kit.sample import Sample
from .kit.source import Source
from .kit.table_rows import is_table, table_rows

MAX_SHOWN_FIELDS = 6  # of an object, in an error message
EXPECTED = (
    "expected a conversation: a path, bytes, a file object, messages, a table, or an object of an SDK or framework"
)


def inputs_of(
    value: Any, *, strict: bool = False, messages: str | None = None, paths: bool = True
) -> Iterator[Source | Run | os.PathLike[str] | str]:
    """Yield the Sources and Runs in a value, and each path in a list as it is.

    A list of messages is one source; a list of Runs, paths, tables, files or lists is one for each item. `messages`
    names the column of a table. `paths` is False for data in which texts are not the names of files. Raises
    MisuseError for a value that is not a conversation.
    """
    if isinstance(value, (str, os.PathLike)):
        if not paths:
            raise LoadError(f"{EXPECTED}; got {value!r:.60}")
        yield value
    elif isinstance(value, (Run, Turn, Block)):
        yield _run_of(value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        yield _with_column(Source.of_bytes(bytes(value), strict=strict), messages)
    elif isinstance(value, type):
        raise MisuseError(f"{EXPECTED}; got the class {value.__name__}, not an instance of it")
    elif is_table(value):
        yield _with_column(Source.of_rows(lambda: table_rows(value), strict=strict), messages)
    elif _is_stream(value):
        yield _source_of_stream(value, strict, messages)
    elif isinstance(value, Mapping):
        yield _source_of_data(to_plain_data(value), strict, messages)
    elif isinstance(value, Iterable) and not list(itertools.islice(data_readers(value), 1)):
        yield from _inputs_of_items(value, strict, messages, paths)
    else:
        yield from _inputs_of_object(value, strict, messages)


def to_plain_data(value: Any) -> Any:
    """Return a value as plain data. Raises MisuseError for one that contains itself."""
    try:
        return plain_data(value)
    except RecursionError as error:
        raise MisuseError(f"{EXPECTED}; {error}") from None


def _run_of(value: Run | Turn | Block) -> Run:
    if isinstance(value, Run):
        return value
    return Run((value if isinstance(value, Turn) else Turn((value,)),))


def _source_of_stream(stream: Any, strict: bool, messages: str | None) -> Source:
    """Return the source of an open file, text or binary, from where it stands."""
    content = stream.read()
    if isinstance(content, str):
        content = content.encode("utf-8", "surrogatepass")
    if not isinstance(content, (bytes, bytearray)):
        raise MisuseError(f"{EXPECTED}; read() of {type(stream).__name__} returned {type(content).__name__}")
    name = getattr(stream, "name", "")
    return _with_column(Source.of_bytes(bytes(content), name if isinstance(name, str) else "", strict=strict), messages)


def _with_column(source: Source, messages: str | None) -> Source:
    source.message_column = messages
    return source


def _source_of_data(data: Any, strict: bool, messages: str | None) -> Source:
    if messages is not None:
        rows = data if isinstance(data, list) else [data]
        return _with_column(Source.of_rows(lambda: iter(rows), strict=strict), messages)
    return Source.of_data(data, strict=strict)


def _inputs_of_items(items: Iterable[Any], strict: bool, messages: str | None, paths: bool) -> Iterator[Any]:
    """Yield the inputs in several values; values that are not conversations alone are the messages of one."""
    iterator = iter(items)
    first_item = next(iterator, None)
    if first_item is None:
        raise LoadError(f"{EXPECTED}; got an empty {type(items).__name__}")
    if _is_conversation(first_item):
        for item in itertools.chain((first_item,), iterator):
            yield from inputs_of(item, strict=strict, messages=messages, paths=paths)
        return
    data = [to_plain_data(item) for item in (first_item, *iterator)]
    if all(isinstance(item, list) for item in data):
        for item in data:
            yield from inputs_of(item, strict=strict, messages=messages, paths=False)
        return
    _refuse_other_values(data)
    yield _source_of_data(data, strict, messages)


def _is_conversation(item: Any) -> bool:
    """Return True for an item that is a conversation by its type."""
    is_bytes_or_path = isinstance(item, (str, bytes, bytearray, memoryview, os.PathLike))
    return is_bytes_or_path or isinstance(item, (Run, Turn)) or is_table(item) or _is_stream(item)


def _is_stream(value: Any) -> bool:
    """Return True for an open file; wrappers of files answer to `read` only when they are asked."""
    try:
        return callable(getattr(value, "read", None))
    except Exception:  # an object that raises for names it does not know
        return False


def _refuse_other_values(data: list[Any]) -> None:
    """Raise LoadError for a list without any message; one odd item among messages is reported by the importer."""
    if not any(isinstance(item, (Mapping, list)) for item in data):
        raise LoadError(f"{EXPECTED}; item 0 of the list is {type(data[0]).__name__}: {data[0]!r:.60}")


def _inputs_of_object(value: Any, strict: bool, messages: str | None) -> Iterator[Any]:
    """Yield the inputs of an object: the first of its data that a format recognises."""
    descriptions = []
    for read_data in data_readers(value):
        try:
            data = to_plain_data(read_data())
        except Exception as error:  # a method of a foreign object may raise anything
            descriptions.append(f"{type(error).__name__}: {error!s:.80}")
            continue
        if isinstance(data, (Mapping, list)) and detect_importer(Sample("json", values=(data,))) is not None:
            yield _source_of_data(data, strict, messages)
            return
        descriptions.append(_describe_data(data))
    if not descriptions:
        raise MisuseError(f"{EXPECTED}; got {type(value).__name__}: {value!r:.60}")
    raise LoadError(
        f"no format matches this {type(value).__name__} ({descriptions[0]}); pass its list of messages instead"
    )


def _describe_data(data: Any) -> str:
    if isinstance(data, Mapping):
        return f"an object with the fields {', '.join(list(data)[:MAX_SHOWN_FIELDS])}"
    return f"{type(data).__name__}: {data!r:.60}"
