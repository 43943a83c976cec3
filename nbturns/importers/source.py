"""Where a transcript is read from: a file or a text, by pieces, and the head of it to look at."""

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

from ..errors import LoadError
from . import json_text
from .json_text import BLANK
from .report import Note, Notes

if TYPE_CHECKING:
    from .archive import Archive

HEAD = 1 << 16  # bytes that are looked at to name a format
LOOKED_AT = 32  # values at the head of a list or of JSON Lines
LONGEST_LINE = 1 << 28  # bytes; a longer one is no record of a conversation
LONG = 1 << 22  # bytes; longer lists are streamed
BUFFER = 1 << 18  # bytes read at once: most lines are longer than the 8 KB that Python would read
MARKS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))  # fmt: skip
NOTHING_GIVEN: Any = object()


@dataclass(frozen=True, slots=True)
class Sample:
    """The head of a source: what an importer looks at. All of it is the file's own: ask before you trust.

    `container` is "json" (a document or JSON Lines), "text" (YAML too), "zip" or "sqlite". `values` are
    the first JSON values; a document that is longer than the head is cut somewhere. `names` are the
    members of a zip, whose `values` are those of its `conversations.json`. `head` is the first 64 KB. `lines`: the values are those of lines, not of one document.
    """

    container: str
    head: bytes = b""
    values: tuple[Any, ...] = ()
    names: tuple[str, ...] = ()
    lines: bool = False

    @property
    def value(self) -> Any:
        """The first JSON value: the document, or the first line's; None without one."""
        return self.values[0] if self.values else None

    @property
    def records(self) -> list[Mapping[str, Any]]:
        """The JSON objects at the head: of the lines, or of the list that is the document, or the document itself."""
        listed = self.value if isinstance(self.value, list) else self.values
        return [one for one in listed[:LOOKED_AT] if isinstance(one, Mapping)]

    @property
    def record(self) -> Mapping[str, Any]:
        """The first of `records`; an empty one without any."""
        return next(iter(self.records), {})

    @property
    def text(self) -> str:
        return self.head.decode("utf-8-sig", "replace")

    def described(self) -> str:
        """What it is, in a few words for people."""
        match self.value:
            case None:
                return (
                    f"a {self.container}" if self.container != "text" else f"it begins with {self.text.strip()!r:.60}"
                )
            case Mapping() as first:
                return f"an object with {', '.join(map(str, list(first)[:6])) or 'nothing'}"
            case first:
                return f"a {type(first).__name__}"


class Source:
    """One file, or one text: read as often as it is asked, from the beginning each time."""

    def __init__(self, opened: Callable[[], BinaryIO], file: str = "", *, strict: bool = False, path: Path | None = None, data: Any = NOTHING_GIVEN) -> None:  # fmt: skip
        self._opened = opened
        self.file = file
        self.strict = strict
        self.path = path
        self.problems: list[Note] = []
        self._data = data

    @classmethod
    def of_file(cls, path: Path, *, strict: bool = False) -> Source:
        return cls(lambda: path.open("rb", BUFFER), str(path), strict=strict, path=path)

    @classmethod
    def of_bytes(cls, content: bytes, file: str = "", *, strict: bool = False) -> Source:
        return cls(lambda: io.BytesIO(content), file, strict=strict)

    @classmethod
    def of_data(cls, data: Any, file: str = "", *, strict: bool = False) -> Source:
        """Data that were parsed already."""
        return cls(io.BytesIO, file, strict=strict, data=data)

    # What is told of it.

    def notes(self, format: str, position: str = "") -> Notes:
        return Notes(format, self.file, position, strict=self.strict)

    def problem(self, position: str, reason: str) -> None:
        """What cannot be read and belongs to no Run. Raises LoadError when strict."""
        if self.strict:
            raise LoadError(reason, file=self.file, position=position)
        self.problems.append(Note(reason, position, self.file))

    def noted(self) -> list[Note]:
        """The problems since it was asked last."""
        problems, self.problems = self.problems, []
        return problems

    # As bytes and as text.

    def open(self) -> BinaryIO:
        """A binary file at its beginning, unpacked (gzip), UTF-8 (from UTF-16 and 32)."""
        try:
            stream = self._opened()
        except OSError as error:
            raise LoadError(f"it cannot be opened: {error.strerror or error}", file=self.file) from None
        try:
            head = stream.read(4)
            stream.seek(0)
            if head[:2] == b"\x1f\x8b":
                unpacked = gzip.GzipFile(fileobj=stream)
                unpacked.myfileobj = stream  # type: ignore[assignment]  # closed with it
                stream = io.BufferedReader(unpacked, BUFFER)
                head = stream.peek(4)[:4]
            encoding = next((name for mark, name in MARKS if head.startswith(mark)), "")
            if encoding:
                with stream:
                    return io.BytesIO(stream.read().decode(encoding, "replace").encode())
        except (OSError, EOFError) as error:
            stream.close()
            raise LoadError(f"it cannot be read: {error}", file=self.file) from None
        return stream

    def content(self) -> bytes:
        """All of it."""
        with self.open() as stream:
            return stream.read()

    def text(self) -> str:
        """All of it as text; bytes that are not UTF-8 are replaced, which is a problem of its own."""
        return self._as_text(self.content())

    def zip(self) -> Archive:
        """It, opened as an archive."""
        from .archive import Archive

        return Archive(self)

    def _as_text(self, content: bytes, position: str = "") -> str:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            at = ", ".join(part for part in (position, f"byte {error.start}") if part)
            self.problem(at, "bytes that are not UTF-8 were replaced by �")
            return content.decode("utf-8-sig", "replace")

    # As JSON.

    @cached_property
    def sample(self) -> Sample:
        """Its head, to be looked at."""
        if self._data is not NOTHING_GIVEN:
            return Sample("json", values=(self._data,))
        with self.open() as stream:
            head = stream.read(HEAD)
        if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            with self.zip() as archive:
                listed = next((name for name in archive.names if name.endswith("conversations.json")), None)
                values = _values_of(archive.head(listed, HEAD), whole=False)[0] if listed else ()
                return Sample("zip", head, values, names=tuple(archive.names))
        if head.startswith(b"SQLite format 3\x00"):
            return Sample("sqlite", head)
        values, lines = _values_of(_replaced(head), whole=len(head) < HEAD)
        return Sample("json" if values else "text", head, values, lines=lines)

    def longer_sample(self) -> Sample:
        """The first value in full, where what tells its format stands far behind."""
        with self.open() as stream:
            text = stream.readline() if self.sample.lines else stream.read()
        return replace(self.sample, values=(json_text.begun(_replaced(text.strip(BLANK))) or self.sample.value,))

    def yaml_sample(self) -> Sample:
        """A text that may be YAML, as data."""
        try:
            data = self._from_yaml()
        except LoadError:
            return self.sample
        return Sample("json", values=(data,)) if isinstance(data, (dict, list)) else self.sample

    def refuse_broken_json(self) -> None:
        """Raise LoadError that says what is wrong with a text that begins like JSON and is none."""
        if self.sample.container == "text" and self.sample.head.lstrip(BLANK)[:1] in (b"{", b"["):
            content = self.content()
            try:
                json_text.parse(content)
            except (ValueError, RecursionError) as error:
                raise json_text.refusal(error, "this", self.file) from None

    def values(self) -> Iterator[tuple[str, Any]]:
        """The JSON values with their positions: a document (""), or the lines of JSON Lines ("line 3"). YAML too."""
        if self._data is not NOTHING_GIVEN:
            yield "", self._data
        elif self.sample.container == "text":
            yield "", self._from_yaml()
        else:
            yield from self._from_json()

    def records(self) -> Iterator[tuple[str, Any]]:
        """`values()`, with a list that is the document opened: its items with their places ("[2]")."""
        if self._data is NOTHING_GIVEN and isinstance(self.sample.value, list) and self._is_long_document():
            yield from self._streamed()
            return
        for position, value in self.values():
            if isinstance(value, list) and not position:
                yield from ((f"[{place}]", item) for place, item in enumerate(value))
            else:
                yield position, value

    def _is_long_document(self) -> bool:
        """Whether a document is longer than its head: not lines of lists."""
        if self.sample.lines or len(self.sample.head) < HEAD:
            return False
        if b"\n" in self.sample.head.strip():
            return True
        end = b""
        with self.open() as stream:
            while (text := stream.readline(json_text.PIECE)) and text[-1:] != b"\n":
                end = text[-HEAD:]
            return not (end + text).rstrip().endswith(b"]") or not stream.read(HEAD).strip(BLANK)

    def _streamed(self) -> Iterator[tuple[str, Any]]:
        place = -1
        with self.open() as stream:
            try:
                for place, item in enumerate(json_text.Items(stream)):
                    yield f"[{place}]", item
            except (ValueError, RecursionError) as error:
                self.problem(f"[{place + 1}]", f"the list is broken here: {error}")

    def _from_yaml(self) -> Any:
        from ..yaml_text import load

        return load(self.content(), self.file)

    def _from_json(self) -> Iterator[tuple[str, Any]]:
        with self.open() as stream:
            lines = _Lines(stream, self)
            first = lines.next()
            more = lines.next() if first is not None else None
            if first is None:
                return
            if more is None or not self._is_lines(first[1]):
                yield self._document(b"".join((first[1], more[1] if more else b"", stream.read())))
                return
            for number, text in itertools.chain((first, more), lines):
                value = self._line(number, text)
                if value is not NOTHING_GIVEN:
                    yield f"line {number}", value

    def _is_lines(self, first: bytes) -> bool:
        """Whether a text of several lines has a value in each: the first, or where that is junk, others."""
        try:
            json_text.parse(first.strip(BLANK))
        except (ValueError, RecursionError):
            return self.sample.lines
        return True

    def _line(self, number: int, text: bytes) -> Any:
        try:
            return json_text.quickly(text)
        except ValueError:  # it need not be wrong
            pass
        try:
            return json_text.parse(text.rstrip())
        except UnicodeDecodeError:
            replaced = self._as_text(text, f"line {number}").encode()
            return self._line(number, replaced)
        except (ValueError, RecursionError) as error:
            message, position = json_text.explained(error, "this line", number)
            self.problem(position, message)
            return NOTHING_GIVEN

    def _document(self, content: bytes) -> tuple[str, Any]:
        content = content.strip(BLANK)
        try:
            return "", json_text.parse(content)
        except UnicodeDecodeError:
            return self._document(self._as_text(content).encode())
        except (ValueError, RecursionError) as error:
            value = json_text.saved(content, error)
            if self.strict or value is None:
                raise json_text.refusal(error, "this", self.file) from None
            message, position = json_text.explained(error, "this")
            self.problem(position, message)
            return "", value


class _Lines:
    """The lines of a stream that have something in them, with their numbers from 1."""

    def __init__(self, stream: BinaryIO, source: Source) -> None:
        self.stream = stream
        self.source = source
        self.number = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        while (line := self.next()) is not None:
            yield line

    def next(self) -> tuple[int, bytes] | None:
        while text := self.stream.readline(HEAD):
            self.number += 1
            if len(text) == HEAD and text[-1:] != b"\n":
                text = self._long(text)
            if text and (text[0] not in BLANK or text.strip(BLANK)):
                return self.number, text
        return None

    def _long(self, begin: bytes) -> bytes:
        """A line of more than 64 KB. One that is no JSON, or longer than any record, is passed by unread."""
        if self.number > 1 and begin.lstrip(BLANK)[:1] not in (b"{", b"["):
            length = len(begin) + self._pass_by()
            self.source.problem(f"line {self.number}", f"a line of {length:,} bytes that is no JSON was left out")
            return b""
        rest = self.stream.readline(LONGEST_LINE if self.number > 1 else -1)
        if len(rest) == LONGEST_LINE and rest[-1:] != b"\n":
            length = len(begin) + len(rest) + self._pass_by()
            self.source.problem(f"line {self.number}", f"a line of {length:,} bytes was left out: it is too long")
            return b""
        return begin + rest

    def _pass_by(self) -> int:
        length = 0
        while text := self.stream.readline(json_text.PIECE):
            length += len(text)
            if text[-1:] == b"\n":
                break
        return length


def _replaced(text: bytes) -> bytes:
    """`text`; bytes that are not UTF-8 do not hide what else is in it."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("utf-8", "replace").encode()
    return text


def _values_of(head: bytes, *, whole: bool) -> tuple[tuple[Any, ...], bool]:
    """The JSON values at the head, and whether they are those of lines; none in a text that is no JSON."""
    text = head.lstrip(BLANK)
    lines = [line for line in text.split(b"\n", LOOKED_AT)[:LOOKED_AT] if line.strip(BLANK)]
    first = _value_or_none(lines[0]) if lines else None
    if isinstance(first, (dict, list)):
        others = [one for line in lines[1:] if (one := _value_or_none(line)) is not None]
        return (first, *others), len(lines) > 1
    if text[:1] in (b"{", b"["):
        document = (_value_or_none(text) if whole else None) or json_text.begun(text)
        if isinstance(document, (dict, list)) and document:
            return (document,), False
    objects = [one for line in lines if line[:1] == b"{" and isinstance(one := _value_or_none(line), dict)]
    return (tuple(objects), True) if len(objects) * 2 >= len(lines) else ((), False)


def _value_or_none(text: bytes) -> Any:
    try:
        return json_text.parse(text)
    except (ValueError, RecursionError):
        return None
