"""Parse JSON of files: fast, with explained errors, and up to the damage in a damaged file.

pydantic's parser needs two fifths of the time of Python's. What it refuses (half a surrogate pair,
deep nesting) goes to Python's parser, which decides.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, BinaryIO

from ...errors import LoadError
from ...packages import require

RECORD_SEPARATOR = b"\x1e"  # before each record of a JSON text sequence (RFC 7464)
BLANK_BYTES = b"\xef\xbb\xbf \t\r\n\x00" + RECORD_SEPARATOR  # a crash while a file is written leaves NUL bytes
CHUNK_SIZE = 1 << 20  # bytes of a long list that are read at once
JSON_SPACES = re.compile(r"[ \t\r\n\x00]*")
JSON_START = re.compile(r"[{\[]")
FIRST_FIELD = re.compile(r'\{"[^"]*"')
SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<lone>\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
CUT_TEXT_ERRORS = ("Unterminated string", "Invalid \\u", "Invalid \\escape", "Invalid \\x")


def _integer(digits: str) -> int | str:
    """Return an integer; the text of one that has more digits than Python converts."""
    try:
        return int(digits)
    except ValueError:
        return digits


LENIENT_DECODER = json.JSONDecoder(parse_int=_integer)


@cache
def fast_parser() -> Callable[..., Any]:
    """Return the fast parser. It raises ValueError for invalid JSON, and for some valid JSON."""
    require("pydantic_core")
    from pydantic_core import from_json

    return from_json


def parse_fast(text: bytes | str) -> Any:
    """Return the value of a JSON text by the fast parser. Raises ValueError as `fast_parser` does.

    Names are cached, because they repeat, and texts are not: that saves a fifth of the time.
    """
    return fast_parser()(text, cache_strings="keys")


def parse(text: bytes | str) -> Any:
    """Return the value of a JSON text. Raises ValueError or RecursionError for text that is not JSON."""
    try:
        return parse_fast(text)
    except (ValueError, TypeError):  # TypeError: half a surrogate pair
        json_text = text if isinstance(text, str) else bytes(text).decode("utf-8-sig", "surrogatepass")
        return LENIENT_DECODER.decode(json_text)


def parse_beginning(text: bytes) -> Any:
    """Return the value of a JSON text that may end anywhere; None for text that does not begin like JSON.

    In a text with lone surrogates these are replaced.
    """
    for beginning in (text, *((ESCAPES.sub(_without_lone_surrogate, text),) if SURROGATE_ESCAPE.search(text) else ())):
        try:
            return fast_parser()(beginning, allow_partial="trailing-strings")
        except (ValueError, TypeError):  # TypeError: half a surrogate pair
            continue
    return None


def _without_lone_surrogate(match: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if match["lone"] else match[0]


def parse_before_error(json_text: bytes, error: Exception) -> Any:
    """Return the value before the position of the error in a JSON text; None when it is empty."""
    if not isinstance(error, json.JSONDecodeError):
        return None
    if error.msg.startswith(CUT_TEXT_ERRORS) and (whole_value := parse_beginning(json_text)):
        return whole_value
    partial_value = parse_beginning(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
    return (
        partial_value
        if isinstance(partial_value, (dict, list)) and partial_value
        else parse_beginning(json_text) or None
    )


def is_cut_in_value(error: Exception) -> bool:
    """Return whether a text ends inside a value, and not inside the name of a field, of which nothing can be kept."""
    if not isinstance(error, json.JSONDecodeError) or not error.msg.startswith("Unterminated string"):
        return isinstance(error, json.JSONDecodeError)
    return error.doc[: error.pos].rstrip()[-1:] in (":", "[")


def parse_damaged_line(line: bytes) -> tuple[tuple[Any, ...], str]:
    """Return the objects and lists in a line that is not JSON, and a sentence about the text left out around them.

    NUL bytes, commas and other text around records are skipped, and so is the beginning of a record that
    the next record was written over. A record with damage inside it is left out.
    """
    whole_value, damage = parse_without_nuls(line)
    if damage:
        return (whole_value,), damage
    text = line.decode("utf-8", "replace").rstrip()
    values: list[Any] = []
    offset, value_length = 0, 0
    while (match := JSON_START.search(text, offset)) is not None:
        start = match.start()
        try:
            value, offset = LENIENT_DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = _start_of_last_record(text, start)
            if start < 0:
                break
            value, offset = LENIENT_DECODER.raw_decode(text, start)
        values.append(value)
        value_length += offset - start
    if not values:
        return (), ""
    return tuple(values), f"{len(text) - value_length:,} characters around the record are not JSON and are left out"


def parse_damaged_document(text: bytes, error: Exception) -> tuple[list[tuple[str, Any]], str, str]:
    """Return what can be read of a text that is not JSON: values with positions, a sentence on the damage, its position.

    Several documents that follow each other are all read. `error` is that of the parser.
    """
    whole_value, damage = parse_without_nuls(text)
    if damage:
        return [("", whole_value)], damage, ""
    message, position = explain_error(error, "text")
    if isinstance(error, json.JSONDecodeError) and error.msg.startswith("Extra data"):
        values, _ = parse_damaged_line(text)
        if len(values) > 1:
            positioned = [(f"document {number}", value) for number, value in enumerate(values, 1)]
            return positioned, f"{len(values)} JSON documents follow each other in this text", position
    partial_value = parse_before_error(text, error)
    return [] if partial_value is None else [("", partial_value)], message, position


def parse_without_nuls(text: bytes) -> tuple[Any, str]:
    """Return the object or list of a text with NUL bytes inside it, and a sentence about them; "" for any other text."""
    nul_count = text.strip(BLANK_BYTES).count(b"\0")
    if not nul_count:
        return None, ""
    try:
        value = parse(text.replace(b"\0", b"").strip(BLANK_BYTES))
    except (ValueError, RecursionError):
        return None, ""
    is_record = isinstance(value, (dict, list))
    return (value, f"{nul_count:,} NUL bytes inside the record are left out") if is_record else (None, "")


def _start_of_last_record(text: str, start: int) -> int:
    """Return where a record begins that has the first field of the cut record at `start` and ends with the line; -1 without one."""
    first_field = FIRST_FIELD.match(text, start)
    if first_field is None:
        return -1
    record_start = text.rfind(first_field.group(), start + 1)
    try:
        return (
            record_start if record_start > 0 and LENIENT_DECODER.raw_decode(text, record_start)[1] == len(text) else -1
        )
    except (ValueError, RecursionError):
        return -1


def explain_error(error: Exception, subject: str, line_number: int | None = None) -> tuple[str, str]:
    """Return a sentence on an error of the parser, and the position.

    A plain ValueError is a number that is too long, or bytes that are not UTF-8.
    """
    if not isinstance(error, json.JSONDecodeError):
        return f"invalid JSON in this {subject}: {error}", f"line {line_number}" if line_number else ""
    is_at_end = error.pos >= len(error.doc.rstrip()) - 1 or "Unterminated" in error.msg
    cut_hint = "; the file seems to be cut here" if is_at_end else ""
    return (
        f"invalid JSON in this {subject}: {error.msg.lower()}{cut_hint}",
        f"line {line_number or error.lineno}, column {error.colno}",
    )


def load_error(error: Exception, subject: str, file: str, line_number: int | None = None) -> LoadError:
    """Return the error to raise for a text that is not JSON."""
    message, position = explain_error(error, subject, line_number)
    return LoadError(message, file=file, position=position)


class ListItems:
    """The items of a JSON list in a stream, one after the other, without the whole list in memory.

    Raises ValueError where the list is not valid JSON, after the items before that place; `cut_item` is
    then the item that is cut there, as far as it can be read, or None.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = LENIENT_DECODER.raw_decode
        self._buffer = ""
        self._offset = 0
        self._at_end = False
        self.cut_item: Any = None
        self._read_size = CHUNK_SIZE

    def __iter__(self) -> Iterator[Any]:
        if self._next_character() != "[":
            raise json.JSONDecodeError("expected a list", self._buffer, self._offset)
        self._offset += 1
        if self._next_character() == "]":
            return
        while True:
            value, self._offset = self._next_value()
            yield value
            character = self._next_character()
            if character not in (",", "]"):
                raise json.JSONDecodeError("expected ',' or ']'", self._buffer, self._offset)
            self._offset += 1
            if character == "]":
                return

    def _next_character(self) -> str:
        """Return the next character that is not a space; "" at the end."""
        while True:
            spaces_match = JSON_SPACES.match(self._buffer, self._offset)
            self._offset = spaces_match.end() if spaces_match else self._offset
            if self._offset < len(self._buffer) or self._at_end:
                return self._buffer[self._offset : self._offset + 1]
            self._read_chunk()

    def _next_value(self) -> tuple[Any, int]:
        self._next_character()
        while True:
            try:
                value, value_end = self._scan(self._buffer, self._offset)
                if value_end < len(self._buffer) or self._at_end:  # a number may continue
                    self._read_size = CHUNK_SIZE
                    return value, value_end
            except ValueError as error:
                if self._at_end:
                    self.cut_item = parse_before_error(self._buffer[self._offset :].encode("utf-8", "replace"), error)
                    raise
            self._read_chunk()

    def _read_chunk(self) -> None:
        """Read more; twice as much for each time one value needs more, so that it is not scanned too often."""
        chunk_bytes = self._stream.read(self._read_size)
        self._at_end = len(chunk_bytes) < self._read_size
        self._read_size *= 2
        self._buffer, self._offset = (
            self._buffer[self._offset :] + self._decoder.decode(chunk_bytes, final=self._at_end),
            0,
        )
