"""Sources of transcripts: a file or a text, read piece by piece, and the sample that format detection looks at."""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ...errors import LoadError
from . import lenient_json
from .faults import INVALID_UTF_8, describe_value
from .import_report import Note, Notes, join_positions
from .lenient_json import BLANK

if TYPE_CHECKING:
    from .zip_archive import Archive

HEAD = 1 << 16  # bytes of a sample
SAMPLE_VALUES = 32  # values at the head of a list or of JSON Lines
LONGEST_LINE = 1 << 28  # bytes; a longer line is not a record of a conversation
BUFFER = 1 << 18  # bytes read at once: most lines are longer than the 8 KB that Python would read
BYTE_ORDER_MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
NO_DATA: Any = object()


@dataclass(frozen=True, slots=True)
class Sample:
    """The head of a source, from which importers detect their format. Nothing in it is checked yet.

    `container` is "json" (a document or JSON Lines), "text" (YAML too), "zip" or "sqlite". `values` are
    the first JSON values; a document that is longer than the head ends anywhere. `names` are the
    members of a zip; its `values` are those of its `conversations.json`. `head` has the first 64 KB.
    `lines` says that the values are lines of JSON Lines and not one document.
    """

    container: str
    head: bytes = b""
    values: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    lines: bool = False

    @property
    def value(self) -> Any:
        """The first JSON value: the document, or that of the first line; None without one."""
        return self.values[0] if self.values else None

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """The first JSON objects: those of the lines, of the list that is the document, or the document itself."""
        values = self.value if isinstance(self.value, list) else self.values
        return [value for value in values[:SAMPLE_VALUES] if isinstance(value, Mapping)]

    @property
    def record(self) -> Mapping[str, Any]:
        """The first of `records`; an empty object without any."""
        return next(iter(self.records), {})

    @property
    def text(self) -> str:
        """The head as text."""
        return self.head.decode("utf-8-sig", "replace")

    def describe(self) -> str:
        """Return a few words for an error message: "an object with the fields id, text"."""
        value = self.value
        if value is None:
            beginning = self.text.strip()
            return (
                f"a text that begins with {beginning!r:.60}" if self.container == "text" else f"a {self.container} file"
            )
        if isinstance(value, Mapping):
            fields = ", ".join(map(str, list(value)[:6]))
            return f"an object with the fields {fields}" if fields else "an empty object"
        return describe_value(value)


class Source:
    """A file or a text, which each method reads from its beginning."""

    def __init__(self, open_file: Callable[[], BinaryIO], file: str = "", *, strict: bool = False, path: Path | None = None, data: Any = NO_DATA) -> None:  # fmt: skip
        self._open_file = open_file
        self.file = file
        self.strict = strict
        self.path = path
        self.problems: list[Note] = []
        self._data = data

    @classmethod
    def of_file(cls, path: Path, *, strict: bool = False) -> Source:
        """Return the source of a file."""
        return cls(lambda: path.open("rb", BUFFER), str(path), strict=strict, path=path)

    @classmethod
    def of_bytes(cls, content: bytes, file: str = "", *, strict: bool = False) -> Source:
        """Return the source of a text or an archive in memory."""
        return cls(lambda: io.BytesIO(content), file, strict=strict)

    @classmethod
    def of_data(cls, data: Any, file: str = "", *, strict: bool = False) -> Source:
        """Return the source of data that was parsed before."""
        return cls(io.BytesIO, file, strict=strict, data=data)

    # Notes and problems.

    def notes(self, format: str, position: str = "") -> Notes:
        """Return the notes for one conversation of this source."""
        return Notes(format, self.file, position, strict=self.strict)

    def add_problem(self, position: str, reason: str) -> None:
        """Report what cannot be read and belongs to no conversation. Raises LoadError when strict."""
        if self.strict:
            raise LoadError(reason, file=self.file, position=position)
        self.problems.append(Note(reason, position, self.file))

    def take_problems(self) -> list[Note]:
        """Return the problems since the last call."""
        problems, self.problems = self.problems, []
        return problems

    # As bytes and as text.

    def open(self) -> BinaryIO:
        """Return a binary file: unpacked if it was gzipped, in UTF-8 if it was UTF-16 or UTF-32."""
        try:
            stream = self._open_file()
        except OSError as error:
            raise LoadError(f"the file cannot be opened: {error.strerror or error}", file=self.file) from None
        try:
            head = stream.read(4)
            stream.seek(0)
            if head[:2] == b"\x1f\x8b":
                unpacked = gzip.GzipFile(fileobj=stream)
                unpacked.myfileobj = stream  # type: ignore[assignment]  # closed with it
                stream = io.BufferedReader(unpacked, BUFFER)
                head = stream.peek(4)[:4]
            encoding = next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), "")
            if encoding:
                with stream:
                    return io.BytesIO(stream.read().decode(encoding, "replace").encode())
        except (OSError, EOFError) as error:
            stream.close()
            raise LoadError(f"the file cannot be read: {error}", file=self.file) from None
        return stream

    def read_bytes(self) -> bytes:
        """Return all bytes."""
        with self.open() as stream:
            return stream.read()

    def read_text(self) -> str:
        """Return all text; bytes that are not UTF-8 are replaced and reported as a problem."""
        return self._as_text(self.read_bytes())

    def open_zip(self) -> Archive:
        """Return the zip archive; close it, or use it in a `with`."""
        from .zip_archive import Archive

        return Archive(self)

    def _as_text(self, content: bytes, position: str = "") -> str:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.add_problem(join_positions(position, f"byte {error.start}"), INVALID_UTF_8)
            return content.decode("utf-8-sig", "replace")

    # As JSON.

    @cached_property
    def sample(self) -> Sample:
        """The sample that format detection looks at."""
        if self._data is not NO_DATA:
            return Sample("json", values=(self._data,))
        with self.open() as stream:
            head = stream.read(HEAD)
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            with self.open_zip() as archive:
                member = next((name for name in archive.names if name.endswith("conversations.json")), None)
                values = _values_of(archive.head(member, HEAD), whole=False)[0] if member else ()
                return Sample("zip", head, values, names=tuple(archive.names))
        if head.startswith(b"SQLite format 3\x00"):
            return Sample("sqlite", head)
        values, lines = _values_of(_with_valid_utf8(head), whole=len(head) < HEAD)
        return Sample("json" if values else "text", head, values, lines=lines)

    def longer_sample(self) -> Sample:
        """Return a sample with all of the first value, for a document whose head does not show its format."""
        with self.open() as stream:
            text = stream.readline() if self.sample.lines else stream.read()
        return replace(
            self.sample,
            values=(lenient_json.parse_beginning(_with_valid_utf8(text.strip(BLANK))) or self.sample.value,),
        )

    def yaml_sample(self) -> Sample:
        """Return a sample of the data of a text that may be YAML."""
        try:
            data = self._from_yaml()
        except LoadError:
            return self.sample
        return Sample("json", values=(data,)) if isinstance(data, (dict, list)) else self.sample

    def refuse_broken_json(self) -> None:
        """Raise LoadError for a text that begins like JSON and is not JSON."""
        if self.sample.container == "text" and self.sample.head.lstrip(BLANK)[:1] in (b"{", b"["):
            content = self.read_bytes()
            try:
                lenient_json.parse(content)
            except (ValueError, RecursionError) as error:
                raise lenient_json.load_error(error, "text", self.file) from None

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield each JSON value with its position: a document (""), or the lines of JSON Lines ("line 3"). YAML too."""
        if self._data is not NO_DATA:
            yield "", self._data
        elif self.sample.container == "text":
            yield "", self._from_yaml()
        else:
            yield from self._from_json()

    def records(self) -> Iterator[tuple[str, Any]]:
        """Yield `values()`, but the items of a list that is the document one by one ("[2]")."""
        if self._data is NO_DATA and isinstance(self.sample.value, list) and self._is_long_document():
            yield from self._streamed()
            return
        for position, value in self.values():
            if isinstance(value, list) and not position:
                yield from ((f"[{index}]", item) for index, item in enumerate(value))
            else:
                yield position, value

    def _is_long_document(self) -> bool:
        """Return True for a document that is longer than the sample, False for lines of lists."""
        if self.sample.lines or len(self.sample.head) < HEAD:
            return False
        if b"\n" in self.sample.head.strip():
            return True
        end = b""
        with self.open() as stream:
            while (text := stream.readline(lenient_json.CHUNK_SIZE)) and text[-1:] != b"\n":
                end = text[-HEAD:]
            return not (end + text).rstrip().endswith(b"]") or not stream.read(HEAD).strip(BLANK)

    def _streamed(self) -> Iterator[tuple[str, Any]]:
        index = -1
        with self.open() as stream:
            try:
                for index, item in enumerate(lenient_json.Items(stream)):
                    yield f"[{index}]", item
            except (ValueError, RecursionError) as error:
                self.add_problem(f"[{index + 1}]", f"the list is not valid JSON here: {error}")

    def _from_yaml(self) -> Any:
        from ...serialization.yaml_text import load_yaml

        return load_yaml(self.read_bytes(), self.file)

    def _from_json(self) -> Iterator[tuple[str, Any]]:
        with self.open() as stream:
            lines = _Lines(stream, self)
            first = lines.next()
            second = lines.next() if first is not None else None
            if first is None:
                return
            if second is None or not self._is_lines(first[1]):
                yield self._document(b"".join((first[1], second[1] if second else b"", stream.read())))
                return
            for number, text in itertools.chain((first, second), lines):
                value = self._line(number, text)
                if value is not NO_DATA:
                    yield f"line {number}", value

    def _is_lines(self, first: bytes) -> bool:
        """Return True when the first line is a JSON value, or, where it is not, when the sample consists of lines."""
        try:
            lenient_json.parse(first.strip(BLANK))
        except (ValueError, RecursionError):
            return self.sample.lines
        return True

    def _line(self, number: int, text: bytes) -> Any:
        try:
            return lenient_json.parse_fast(text)
        except ValueError:  # the fast parser refuses some valid JSON
            pass
        try:
            return lenient_json.parse(text.rstrip())
        except UnicodeDecodeError:
            return self._line(number, self._as_text(text, f"line {number}").encode())
        except (ValueError, RecursionError) as error:
            message, position = lenient_json.explain(error, "line", number)
            self.add_problem(position, message)
            return NO_DATA

    def _document(self, content: bytes) -> tuple[str, Any]:
        content = content.strip(BLANK)
        try:
            return "", lenient_json.parse(content)
        except UnicodeDecodeError:
            return self._document(self._as_text(content).encode())
        except (ValueError, RecursionError) as error:
            value = lenient_json.parse_before(content, error)
            if self.strict or value is None:
                raise lenient_json.load_error(error, "text", self.file) from None
            message, position = lenient_json.explain(error, "text")
            self.add_problem(position, message)
            return "", value


class _Lines:
    """The lines of a stream that are not blank, with their numbers from 1."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        self.stream = stream
        self.source = source
        self.number = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while (line := self.next()) is not None:
            yield line

    def next(self) -> tuple[int, bytes] | None:
        """Return the number and the text of the next line; None at the end."""
        while text := self.stream.readline(HEAD):
            self.number += 1
            if len(text) == HEAD and text[-1:] != b"\n":
                text = self._long_line(text)
            if text and (text[0] not in BLANK or text.strip(BLANK)):
                return self.number, text
        return None

    def _long_line(self, beginning: bytes) -> bytes:
        """Return a line of more than 64 KB; skip one that is not JSON, or longer than any record."""
        if self.number > 1 and beginning.lstrip(BLANK)[:1] not in (b"{", b"["):
            length = len(beginning) + self._skip_line()
            self.source.add_problem(f"line {self.number}", f"a line of {length:,} bytes is left out; it is not JSON")
            return b""
        remainder = self.stream.readline(LONGEST_LINE if self.number > 1 else -1)
        if len(remainder) == LONGEST_LINE and remainder[-1:] != b"\n":
            length = len(beginning) + len(remainder) + self._skip_line()
            self.source.add_problem(f"line {self.number}", f"a line of {length:,} bytes is left out; it is too long")
            return b""
        return beginning + remainder

    def _skip_line(self) -> int:
        """Skip the remainder of a line and return its length in bytes."""
        length = 0
        while text := self.stream.readline(lenient_json.CHUNK_SIZE):
            length += len(text)
            if text[-1:] == b"\n":
                break
        return length


def _with_valid_utf8(text: bytes) -> bytes:
    """Return the text with bytes that are not UTF-8 replaced."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace").encode()
    return text


def _values_of(head: bytes, *, whole: bool) -> tuple[tuple[Any, ...], bool]:
    """Return the JSON values at the head, and whether each is a line; no values for a text that is not JSON."""
    text = head.lstrip(BLANK)
    lines = [line for line in text.split(b"\n", SAMPLE_VALUES)[:SAMPLE_VALUES] if line.strip(BLANK)]
    first = _value_or_none(lines[0]) if lines else None
    if isinstance(first, (dict, list)):
        more = [value for line in lines[1:] if (value := _value_or_none(line)) is not None]
        return (first, *more), len(lines) > 1
    if text[:1] in (b"{", b"["):
        document = (_value_or_none(text) if whole else None) or lenient_json.parse_beginning(text)
        if isinstance(document, (dict, list)) and document:
            return (document,), False
    objects = [value for line in lines if line[:1] == b"{" and isinstance(value := _value_or_none(line), dict)]
    return (tuple(objects), True) if len(objects) * 2 >= len(lines) else ((), False)


def _value_or_none(text: bytes) -> Any:
    try:
        return lenient_json.parse(text)
    except (ValueError, RecursionError):
        return None
