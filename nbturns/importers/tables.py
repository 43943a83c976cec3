"""Tables of conversations: a conversation in each row, whose messages are in one or two columns.

Read are tables of pandas, Polars, Arrow and Hugging Face, files of Parquet and CSV, and JSON Lines with such columns. The
column of the messages is found by its name, or named with `messages=`; its value is a list of messages of any format, or
JSON text of one. All other columns become `run.fields`. A table with a role in each row is one conversation with a message
in each row. `prompt` and `completion` are one conversation; `chosen` and `rejected` are two, and the field `preference`
names each. The names are those of huggingface/trl at f2cd57710ae3, docs/source/dataset_formats.md, and of OpenAI's
fine-tuning files; `trajectory`, `traj`, `history`, `chat`, `dialog`, `message_log` and `turns` are names that people use
for such a column, and are only taken for one if its values are messages.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import LoadError
from ..values.frozen_json import freeze
from ..values.provenance import FIELDS
from ..values.turns import Run
from .kit import lenient_json
from .kit.import_report import join_positions
from .kit.importer import LIKELY, MAYBE, SURE, Importer
from .kit.parquet_file import parquet_rows
from .kit.sample import Sample
from .kit.shapes import shape_of
from .kit.source import Source
from .kit.table_rows import csv_rows

FORMAT = "table"
MESSAGE_COLUMNS = (
    "messages", "conversations", "conversation", "trajectory", "traj", "history", "chat", "dialog", "dialogue",
    "message_log", "chat_history", "turns",
)  # fmt: skip
PREFERENCES = ("chosen", "rejected")
COMPLETION_COLUMNS = ("completion", "response", "output", "answer")
PREFERENCE_FIELD = "preference"  # of `run.fields`: "chosen" or "rejected"
MESSAGE_FIELDS = frozenset({"role", "from", "sender"})  # a column of such a name has messages in its rows
MAX_CSV_HEADER = 1 << 14  # bytes of a first line that may name columns
MAX_SHOWN_COLUMNS = 12
MAX_KNOWN_FORMATS = 1_000
KNOWN_FORMATS: dict[Any, str] = {}  # by the shape of messages
DELIMITERS = {",": ",", "\t": "\t", ";": ";"}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table that hold a conversation; `messages`, or a prompt and its completions."""

    messages: str = ""
    prompt: str = ""
    completions: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of the columns that do not become fields."""
        return frozenset(filter(None, (self.messages, self.prompt, *self.completions)))


def find_columns(
    names: Iterable[str], named: str | None = None, row: Mapping[str, Any] | None = None
) -> Columns | None:
    """Return the columns of the messages among column names; None without any.

    `named` is the user's choice. A column of another name is found by the value it has in `row`.
    """
    names = list(names)
    if named is not None:
        return Columns(named) if named in names else None
    by_lower_name = {name.lower(): name for name in reversed(names)}
    if all(preference in by_lower_name for preference in PREFERENCES):
        completions = tuple(by_lower_name[preference] for preference in PREFERENCES)
        return Columns(prompt=by_lower_name.get("prompt", ""), completions=completions)
    for column in MESSAGE_COLUMNS:
        if column in by_lower_name:
            return Columns(by_lower_name[column])
    if "prompt" in by_lower_name:
        completion = next((by_lower_name[name] for name in COMPLETION_COLUMNS if name in by_lower_name), None)
        if completion is not None:
            return Columns(prompt=by_lower_name["prompt"], completions=(completion,))
    message_lists = [name for name in names if _is_message_list(_parsed((row or {}).get(name)))]
    return Columns(message_lists[0]) if len(message_lists) == 1 else None


def _is_message_list(value: Any) -> bool:
    """Return True for a list of objects that have a role, a sender or a type."""
    items = value if isinstance(value, list) and value else [None]
    return all(isinstance(item, Mapping) and not {"role", "from", "type", "kind"}.isdisjoint(item) for item in items)


# Detection.


def score_table(sample: Sample) -> int:
    """Return SURE for tables, LIKELY for CSV with a column of messages, MAYBE for such objects of JSON."""
    if sample.container in ("table", "parquet"):
        return SURE
    if sample.container == "text":
        names = _csv_header(sample.head)[0]
        if find_columns(names) is not None:
            return LIKELY
        return MAYBE if {"role", "content"}.issubset(map(str.lower, names)) else 0
    if sample.container != "json" or not sample.record:
        return 0
    columns = find_columns(sample.record)
    if columns is None or (not columns.completions and columns.messages == "messages"):
        return 0
    first_column = columns.messages or columns.completions[0]
    cell = _parsed(sample.record.get(first_column))
    if columns.messages:
        return MAYBE if _is_message_list(cell) else 0
    are_texts = all(isinstance(sample.record.get(name), (str, list)) for name in columns.names)
    is_preference = columns.completions == PREFERENCES
    return (LIKELY if is_preference else MAYBE) if are_texts and "messages" not in sample.record else 0


def _csv_header(head: bytes) -> tuple[list[str], str]:
    """Return the names in the first line of a CSV file and its delimiter; no names for a long or damaged line."""
    first_line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0][:MAX_CSV_HEADER].decode("utf-8", "replace")
    delimiter = max(DELIMITERS, key=first_line.count)
    try:
        names = next(csv.reader([first_line.strip("\r\0")], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return [], ","
    return names, delimiter


# Reading.


def read_tables(source: Source) -> Iterator[Run]:
    """Yield the Runs of the rows of a table; a row without a conversation is a problem of the source."""
    columns: Columns | None = None
    rows = _rows(source)
    for position, row in rows:
        if not isinstance(row, Mapping):
            source.add_problem(position, f"a row is expected to be an object, got {type(row).__name__}")
            continue
        columns = find_columns(row, source.message_column, row) if columns is None else columns
        if columns is None and source.message_column is None and not MESSAGE_FIELDS.isdisjoint(map(str.lower, row)):
            yield from _run_of_message_rows(source, [row, *(row for _, row in rows)])
            return
        if columns is None:
            raise LoadError(_no_column_message(row, source.message_column), file=source.file, position=position)
        yield from _runs_of_row(source, position, row, columns)


def _rows(source: Source) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a source with their positions: of a table, of Parquet or CSV, or records of JSON."""
    if source.open_rows is None and source.sample.container == "json":
        yield from source.records()
        return
    if source.open_rows is not None:
        rows = source.open_rows()
    elif source.sample.container == "parquet":
        rows = parquet_rows(source.open(), source.file)
    else:
        rows = csv_rows(source.open(), _csv_header(source.sample.head)[1])
    yield from ((f"row {number}", row) for number, row in enumerate(rows, 1))


def _no_column_message(row: Mapping[str, Any], named: str | None) -> str:
    names = ", ".join(map(str, list(row)[:MAX_SHOWN_COLUMNS])) or "none"
    if named is not None:
        return f"no column {named!r}; the columns are {names}"
    return f"no column holds messages; the columns are {names}; name it with messages="


def _run_of_message_rows(source: Source, rows: list[Any]) -> Iterator[Run]:
    """Yield the Runs of a table with a message in each row."""
    messages = [{name if name.lower() in row else name.lower(): cell for name, cell in row.items()} for row in rows]
    yield from _runs_of_cell(source, "", messages, "role", {})


def _runs_of_row(source: Source, position: str, row: Mapping[str, Any], columns: Columns) -> Iterator[Run]:
    fields = {name: value for name, value in row.items() if name not in columns.names}
    if columns.messages:
        yield from _runs_of_cell(source, position, row.get(columns.messages), columns.messages, fields)
        return
    prompt = _parsed(row.get(columns.prompt)) if columns.prompt else []
    for column in columns.completions:
        completion = _parsed(row.get(column))
        if completion is None:
            source.add_problem(position, f"column {column!r} is empty")
            continue
        messages = [*_as_messages(prompt, "user"), *_as_messages(completion, "assistant")]
        preference = {PREFERENCE_FIELD: column.lower()} if columns.completions[1:] else {}
        yield from _runs_of_cell(source, position, messages, column, fields | preference)


def _runs_of_cell(source: Source, position: str, cell: Any, column: str, fields: dict[str, Any]) -> Iterator[Run]:
    """Yield the Runs of the messages in a cell, of any format, with the other columns as fields."""
    from . import read_runs

    data = _without_nulls(_parsed(cell))
    if not isinstance(data, (list, Mapping)) or not data:
        source.add_problem(position, f"column {column!r} has no messages, got {type(cell).__name__}: {cell!r:.60}")
        return
    if isinstance(data, list):
        data = [_as_message(message) for message in data]
    cell_source = Source.of_data(data, source.file, strict=source.strict).with_prices(source.prices)
    cell_source.numbering.names_runs = False
    try:
        for item in read_runs(cell_source, _format_of(cell_source)):
            if isinstance(item, Run):
                yield _with_fields(item, fields)
            else:
                source.add_problem(join_positions(position, item.position), item.what)
    except LoadError as error:
        if source.strict:
            raise LoadError(error.reason, file=source.file, position=join_positions(position, error.position)) from None
        source.add_problem(join_positions(position, error.position), error.reason)


def _format_of(source: Source) -> str | None:
    """Return the format of the messages in a cell; rows of one shape have one format, which is detected once."""
    from . import detect_importer, importers

    sample = source.sample
    shape = shape_of(sample.value)
    format = KNOWN_FORMATS.get(shape)
    if format is not None and importers()[format].score(sample) > 0:
        return format
    importer = detect_importer(sample)
    if importer is None or importer.name not in importers():
        return None
    if len(KNOWN_FORMATS) >= MAX_KNOWN_FORMATS:
        KNOWN_FORMATS.clear()
    KNOWN_FORMATS[shape] = importer.name
    return importer.name


def _with_fields(run: Run, fields: dict[str, Any]) -> Run:
    own_fields = run.metadata.get(FIELDS) or {}
    return replace(run, metadata=run.metadata.with_frozen(FIELDS, freeze({**own_fields, **fields})))


def _parsed(cell: Any) -> Any:
    """Return a cell, parsed when it is JSON text of a list or an object."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("[", "{"):
        try:
            value = lenient_json.parse(cell.strip().encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return cell
        return value if isinstance(value, (list, dict)) else cell
    return cell


def _as_messages(cell: Any, role: str) -> list[Any]:
    if isinstance(cell, list):
        return cell
    return [] if cell is None else [cell if isinstance(cell, Mapping) else {"role": role, "content": str(cell)}]


def _as_message(message: Any) -> Any:
    return {"role": "user", "content": message} if isinstance(message, str) else message


def _without_nulls(value: Any) -> Any:
    """Return messages without fields that are None: a column of one type has all fields in each of its messages."""
    if isinstance(value, Mapping):
        fields = {name: _without_nulls(item) for name, item in value.items() if item is not None}
        is_reply = "role" in value and "content" in value and value["content"] is None
        return fields | {"content": None} if is_reply else fields
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


IMPORTER = Importer(FORMAT, score_table, read_tables)
