"""Sources of transcripts: a file or a text, read piece by piece."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import LoadError
from ...safety.limits import MAX_EXPANSION, check_document, current_limits, too_large
from ...safety.regular_files import open_regular
from . import lenient_json
from .decompression import BUFFER_SIZE, decompress, detect_encoding, size_of
from .faults import INVALID_UTF_8
from .import_report import Note, Notes, join_positions
from .lenient_json import BLANK_BYTES, RECORD_SEPARATOR
from .run_ids import RunNumbering
from .sample import HEAD_SIZE, Sample, parse_head, replace_invalid_utf8

if TYPE_CHECKING:
    from .zip_archive import ZipArchive

MAX_LINE_SIZE = 1 << 28  # bytes; a longer line is not a record of a conversation
NO_DATA: Any = object()


class Source:
    """A file or a text, which each method reads from its beginning."""

    packed_size: int = 0  # bytes of the file, known when it has been opened
    _small_line = 0  # bytes of a line that is within the limits even if it has nothing but brackets
    prices: bool = True  # imported calls get a cost by the price table
    has_priced_calls = False  # the importer prices each call when it reads it
    texts_only: bool = False  # what the index of a library does not need may be left out

    def __init__(self, open_file: Callable[[], BinaryIO], file: str = "", *, strict: bool = False, path: Path | None = None, data: Any = NO_DATA) -> None:  # fmt: skip
        self._open_file = open_file
        self.file = file
        self.strict = strict
        self.path = path
        self.numbering: RunNumbering = RunNumbering(PurePath(file).name or "memory", names_runs=bool(file))
        self.problems: list[Note] = []
        self.message_column: str | None = None  # of a table, named by the user
        self._data = data
        self.open_rows: Callable[[], Iterator[Any]] | None = None  # of a table in memory
        self._is_damaged = False

    @classmethod
    def of_file(cls, path: Path, *, strict: bool = False) -> Source:
        """Return the source of a file."""
        return cls(lambda: open_regular(path, BUFFER_SIZE), str(path), strict=strict, path=path)

    @classmethod
    def of_bytes(cls, content: bytes, file: str = "", *, strict: bool = False) -> Source:
        """Return the source of a text or an archive in memory."""
        return cls(lambda: io.BytesIO(content), file, strict=strict)

    @classmethod
    def of_rows(cls, open_rows: Callable[[], Iterator[Any]], file: str = "", *, strict: bool = False) -> Source:
        """Return the source of a table in memory; `open_rows` returns its rows from the first."""
        source = cls(io.BytesIO, file, strict=strict)
        source.open_rows = open_rows
        return source

    @classmethod
    def of_data(cls, data: Any, file: str = "", *, strict: bool = False) -> Source:
        """Return the source of data that was parsed before."""
        return cls(io.BytesIO, file, strict=strict, data=data)

    def with_prices(self, prices: bool) -> Source:
        """Return the source; without `prices` its calls get no cost by the price table."""
        self.prices = prices
        return self

    def placed(self, place: str, index: int = 0) -> Source:
        """Return the source; its Runs without an id have this place in theirs, and are numbered from `index`."""
        self.numbering = RunNumbering(place or self.numbering.place, index, names_runs=self.numbering.names_runs)
        return self

    # Notes and problems.

    def notes(self, format: str, position: str = "") -> Notes:
        """Return the notes for one conversation of this source."""
        notes = Notes(format, self.file, position, strict=self.strict)
        notes.prices = self.prices
        notes.owns_values = self._data is NO_DATA and self.open_rows is None
        notes.texts_only = self.texts_only
        return notes

    def add_problem(self, position: str, reason: str) -> None:
        """Report unreadable content that belongs to no conversation. Raises LoadError when strict."""
        if self.strict:
            raise LoadError(reason, file=self.file, position=position)
        self.problems.append(Note(reason, position, self.file))

    def take_problems(self) -> list[Note]:
        """Return the problems since the last call."""
        problems, self.problems = self.problems, []
        return problems

    # As bytes and as text.

    def open(self) -> BinaryIO:
        """Return a binary file: unpacked if it was compressed, in UTF-8 if it was UTF-16 or UTF-32."""
        try:
            stream = self._open_file()
        except (OSError, ValueError) as error:  # ValueError: a name with NUL
            raise LoadError(
                f"the file cannot be opened: {getattr(error, 'strerror', None) or error}", file=self.file
            ) from None
        try:
            self.packed_size = size_of(stream)
            stream = decompress(stream, self._report_damage)
            if encoding := detect_encoding(stream):
                with stream:
                    return io.BytesIO(self._read_all(stream).decode(encoding, "replace").encode())
        except LoadError as error:
            stream.close()
            raise LoadError(error.reason, file=self.file) from None
        except (OSError, EOFError) as error:
            stream.close()
            raise LoadError(f"the file cannot be read: {error}", file=self.file) from None
        return stream

    def _report_damage(self, reason: str) -> None:
        """Report a damaged archive once, however often it is opened."""
        if not self._is_damaged:
            self._is_damaged = True
            self.add_problem("", reason)

    def read_bytes(self) -> bytes:
        """Return all bytes."""
        with self.open() as stream:
            return self._read_all(stream)

    def _read_all(self, stream: BinaryIO) -> bytes:
        """Return the bytes of a stream. Raises LoadError for a small archive of a large document."""
        limit = max(self.packed_size, current_limits().of_document(self.packed_size) // 2)
        content = stream.read(limit + 1)
        if len(content) > limit:
            raise too_large(
                f"the document in this file of {self.packed_size:,} bytes has more than {limit:,} bytes",
                "document_bytes",
                file=self.file,
            )
        return content

    def read_yaml(self) -> bytes:
        """Return all bytes but NUL bytes, which no YAML has; those inside the text are reported once."""
        yaml_bytes = self.read_bytes()
        if nul_count := yaml_bytes.strip(BLANK_BYTES).count(b"\0"):
            self._report_damage(f"{nul_count:,} NUL bytes inside the text are left out")
        return yaml_bytes.replace(b"\0", b"")

    def read_text(self) -> str:
        """Return all text; bytes that are not UTF-8 are replaced and reported as a problem."""
        return self._decode_text(self.read_bytes())

    def open_zip(self) -> ZipArchive:
        """Return the zip archive; close it, or use it in a `with`."""
        from .zip_archive import ZipArchive

        return ZipArchive(self)

    def _decode_text(self, undecoded_bytes: bytes, position: str = "") -> str:
        try:
            return undecoded_bytes.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.add_problem(join_positions(position, f"byte {error.start}"), INVALID_UTF_8)
            return undecoded_bytes.decode("utf-8-sig", "replace")

    def _read_line(self, stream: BinaryIO) -> bytes:
        return stream.readline(max(self.packed_size, current_limits().of_document(self.packed_size) // 2))

    # As JSON.

    @cached_property
    def sample(self) -> Sample:
        """The sample that format detection looks at."""
        if self._data is not NO_DATA:
            return Sample("json", values=(self._data,))
        if self.open_rows is not None:
            return Sample("table")
        with self.open() as stream:
            head_bytes = stream.read(HEAD_SIZE)
            while head_bytes and not head_bytes.strip(BLANK_BYTES):  # a long gap before the first record
                head_bytes = stream.read(HEAD_SIZE)
        if head_bytes[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            with self.open_zip() as archive:
                return Sample("zip", head_bytes, archive.first_records(), names=tuple(archive.names))
        if head_bytes.startswith(b"SQLite format 3\x00"):
            from .sqlite_database import schema_names

            return Sample("sqlite", head_bytes, names=schema_names(self))
        if head_bytes.startswith(b"PAR1"):
            return Sample("parquet", head_bytes)
        head_text, is_complete = replace_invalid_utf8(head_bytes), len(head_bytes) < HEAD_SIZE
        first_values, is_json_lines = parse_head(head_text, is_complete=is_complete)
        if not first_values and b"\0" in head_text:
            first_values, is_json_lines = parse_head(head_text.replace(b"\0", b""), is_complete=is_complete)
        return Sample("json" if first_values else "text", head_bytes, first_values, is_json_lines=is_json_lines)

    def longer_sample(self) -> Sample:
        """Return a sample with all of the first value, for a document whose head does not show its format."""
        with self.open() as stream:
            head_text = self._read_line(stream) if self.sample.is_json_lines else self._read_all(stream)
        return replace(
            self.sample,
            values=(
                lenient_json.parse_beginning(replace_invalid_utf8(head_text.strip(BLANK_BYTES))) or self.sample.value,
            ),
        )

    def yaml_sample(self) -> Sample:
        """Return a sample of the data of a text that may be YAML."""
        try:
            yaml_document = self._parse_yaml()
        except LoadError:
            return self.sample
        return Sample("json", values=(yaml_document,)) if isinstance(yaml_document, (dict, list)) else self.sample

    def refuse_broken_json(self) -> None:
        """Raise LoadError for a text that begins like JSON and is not JSON."""
        if self.sample.container == "text" and self.sample.head.lstrip(BLANK_BYTES)[:1] in (b"{", b"["):
            all_bytes = self.read_bytes()
            try:
                lenient_json.parse(all_bytes)
            except (ValueError, RecursionError) as error:
                raise lenient_json.load_error(error, "text", self.file) from None

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield each JSON value with its position: a document (""), or the lines of JSON Lines ("line 3"). YAML too."""
        if self._data is not NO_DATA:
            yield "", self._data
        elif self.sample.container == "text":
            yield "", self._parse_yaml()
        else:
            yield from self._parse_json()

    def records(self) -> Iterator[tuple[str, Any]]:
        """Yield `values()`, but the items of a list that is the document one by one ("[2]")."""
        if self._data is NO_DATA and isinstance(self.sample.value, list) and self._is_long_document():
            yield from self._stream_items()
            return
        for position, value in self.values():
            if isinstance(value, list) and not position:
                yield from ((f"[{index}]", item) for index, item in enumerate(value))
            else:
                yield position, value

    def _is_long_document(self) -> bool:
        """Return True for a document that is longer than the sample, False for lines of lists."""
        if self.sample.is_json_lines or len(self.sample.head) < HEAD_SIZE:
            return False
        if b"\n" in self.sample.head.strip():
            return True
        last_bytes = b""
        with self.open() as stream:
            while (line_part := stream.readline(lenient_json.CHUNK_SIZE)) and line_part[-1:] != b"\n":
                last_bytes = line_part[-HEAD_SIZE:]
            return not (last_bytes + line_part).rstrip().endswith(b"]") or not stream.read(HEAD_SIZE).strip(BLANK_BYTES)

    def _stream_items(self) -> Iterator[tuple[str, Any]]:
        index = -1
        with self.open() as stream:
            list_items = lenient_json.ListItems(stream)
            try:
                for index, item in enumerate(list_items):
                    yield f"[{index}]", item
            except (ValueError, RecursionError) as error:
                self.add_problem(f"[{index + 1}]", f"the list is not valid JSON here: {error}")
                if list_items.cut_item:
                    yield f"[{index + 1}]", list_items.cut_item

    def _parse_yaml(self) -> Any:
        from ...serialization.yaml_text import load_yaml

        return load_yaml(self.read_yaml(), self.file)

    def _parse_json(self) -> Iterator[tuple[str, Any]]:
        with self.open() as stream:
            line_reader = _LineReader(stream, self)
            self._small_line = current_limits().of_document(self.packed_size) // MAX_EXPANSION
            first_line = line_reader.next_line()
            second_line = line_reader.next_line() if first_line is not None else None
            if first_line is None:
                return
            if not self.sample.is_json_lines and (second_line is None or not self._has_record(first_line[1])):
                yield from self._parse_document(
                    b"".join((first_line[1], second_line[1] if second_line else b"", self._read_all(stream)))
                )
                return
            for line_number, line_bytes in itertools.chain(
                (first_line, second_line) if second_line else (first_line,), line_reader
            ):
                for line_value in self._parse_line(line_number, line_bytes):
                    yield f"line {line_number}", line_value

    def _has_record(self, line: bytes) -> bool:
        """Return True for a line that is JSON, and for one with whole records among damage."""
        try:
            lenient_json.parse(line.strip(BLANK_BYTES))
        except (ValueError, RecursionError):
            return bool(lenient_json.parse_damaged_line(line)[0])
        return True

    def _parse_line(self, line_number: int, line_bytes: bytes) -> tuple[Any, ...]:
        """Return the value of a line; of a damaged line, all values that can be read."""
        if len(line_bytes) > self._small_line:
            check_document(line_bytes, self.packed_size, self.file, f"line {line_number}")
        try:
            return (lenient_json.parse_fast(line_bytes),)
        except ValueError:  # the fast parser refuses some valid JSON
            pass
        try:
            return (lenient_json.parse(line_bytes.rstrip(BLANK_BYTES).lstrip(RECORD_SEPARATOR)),)
        except UnicodeDecodeError:
            return self._parse_line(line_number, self._decode_text(line_bytes, f"line {line_number}").encode())
        except (ValueError, RecursionError) as error:
            line_values, damage = lenient_json.parse_damaged_line(line_bytes)
            error_message, position = lenient_json.explain_error(error, "line", line_number)
            self.add_problem(position, damage or error_message)
            if not line_values and line_bytes[-1:] != b"\n" and lenient_json.is_cut_in_value(error):
                cut_value = lenient_json.parse_before_error(line_bytes, error)
                return (cut_value,) if isinstance(cut_value, dict) else ()
            return line_values

    def _parse_document(self, document_bytes: bytes) -> Iterator[tuple[str, Any]]:
        document_bytes = document_bytes.strip(BLANK_BYTES)
        check_document(document_bytes, self.packed_size, self.file)
        try:
            value = lenient_json.parse(document_bytes)
        except UnicodeDecodeError:
            yield from self._parse_document(self._decode_text(document_bytes).encode())
        except (ValueError, RecursionError) as error:
            values, reason, position = lenient_json.parse_damaged_document(document_bytes, error)
            if not values:
                raise lenient_json.load_error(error, "text", self.file) from None
            self.add_problem(position, reason)
            yield from values
        else:
            yield "", value


class _LineReader:
    """The lines of a stream that are not blank, with their numbers from 1."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        self.stream = stream
        self.source = source
        self.number = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while (numbered_line := self.next_line()) is not None:
            yield numbered_line

    def next_line(self) -> tuple[int, bytes] | None:
        """Return the number and the text of the next line; None at the end."""
        while line_bytes := self.stream.readline(HEAD_SIZE):
            self.number += 1
            if len(line_bytes) == HEAD_SIZE and line_bytes[-1:] != b"\n":
                line_bytes = self._read_long_line(line_bytes)
            if line_bytes and (line_bytes[0] not in BLANK_BYTES or line_bytes.strip(BLANK_BYTES)):
                return self.number, line_bytes
        return None

    def _read_long_line(self, line_start: bytes) -> bytes:
        """Return a line of more than 64 KB; skip one that is not JSON, or longer than any record."""
        if self.number > 1 and line_start.lstrip(BLANK_BYTES)[:1] not in (b"{", b"[", b""):
            line_length = len(line_start) + self._skip_line()
            self.source.add_problem(
                f"line {self.number}", f"a line of {line_length:,} bytes is left out; it is not JSON"
            )
            return b""
        source = self.source
        document_limit = max(source.packed_size, current_limits().of_document(source.packed_size) // 2)
        limit = min(MAX_LINE_SIZE, document_limit) if self.number > 1 else document_limit
        line_remainder = self.stream.readline(limit)
        if len(line_remainder) == limit and line_remainder[-1:] != b"\n":
            line_length = len(line_start) + len(line_remainder) + self._skip_line()
            self.source.add_problem(
                f"line {self.number}", f"a line of {line_length:,} bytes is left out; it is too long"
            )
            return b""
        return line_start + line_remainder

    def _skip_line(self) -> int:
        """Skip the remainder of a line and return its length in bytes."""
        skipped_bytes = 0
        while line_part := self.stream.readline(lenient_json.CHUNK_SIZE):
            skipped_bytes += len(line_part)
            if line_part[-1:] == b"\n":
                break
        return skipped_bytes
