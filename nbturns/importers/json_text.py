"""JSON as files have it: read fast, explained where it is broken, and saved as far as it goes.

pydantic's parser takes two fifths of the time of Python's; what it refuses (half an emoji, deep
nesting) is given to Python's, whose word is final.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, BinaryIO

from ..errors import LoadError
from ..packages import require

BLANK = b"\xef\xbb\xbf \t\r\n"
PIECE = 1 << 20  # bytes of a long list that are looked at together
SPACE = re.compile(r"[ \t\r\n]*")


@cache
def parser() -> Callable[..., Any]:
    """The fast one. Raises ValueError for what it does not take, which need not be wrong."""
    require("pydantic_core")
    from pydantic_core import from_json

    return from_json


def quickly(text: bytes | str) -> Any:
    """The value of a JSON text by the fast parser. Raises ValueError as `parser` does.

    Names come again and again and are remembered, texts are not: that saves a fifth of its time.
    """
    return parser()(text, cache_strings="keys")


def parse(text: bytes | str) -> Any:
    """The value of a JSON text. Raises ValueError or RecursionError for what is none."""
    try:
        return quickly(text)
    except ValueError:
        return json.loads(text)


def begun(text: bytes) -> Any:
    """The value of a JSON text that may be cut anywhere; None for what does not begin like one."""
    try:
        return parser()(text, allow_partial="trailing-strings")
    except ValueError:
        return None


def saved(text: bytes, error: Exception) -> Any:
    """What stands before the place where a JSON text is broken; None when that is nothing."""
    if not isinstance(error, json.JSONDecodeError):
        return None
    value = begun(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
    return value if isinstance(value, (dict, list)) and value else begun(text) or None


def explained(error: Exception, what: str, line: int | None = None) -> tuple[str, str]:
    """What is wrong with a text, and where: ValueError is a number too long, or bytes that are not UTF-8."""
    if not isinstance(error, json.JSONDecodeError):
        return f"{what} is not JSON: {error}", f"line {line}" if line else ""
    at_the_end = error.pos >= len(error.doc.rstrip()) - 1 or "Unterminated" in error.msg
    cut = "; the file seems to be cut here" if at_the_end else ""
    return f"{what} is not JSON: {error.msg.lower()}{cut}", f"line {line or error.lineno}, column {error.colno}"


def refusal(error: Exception, what: str, file: str, line: int | None = None) -> LoadError:
    message, position = explained(error, what, line)
    return LoadError(message, file=file, position=position)


class Items:
    """The items of a JSON list, one after the other, without holding all of them.

    Raises ValueError where the list is broken; the items before were given.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoded = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder().raw_decode
        self._held = ""
        self._at = 0
        self._ended = False
        self._wanted = PIECE

    def __iter__(self) -> Iterator[Any]:
        if self._sign() != "[":
            raise json.JSONDecodeError("a list was expected", self._held, self._at)
        self._at += 1
        if self._sign() == "]":
            return
        while True:
            value, self._at = self._value()
            yield value
            sign = self._sign()
            if sign not in (",", "]"):
                raise json.JSONDecodeError("',' or ']' was expected", self._held, self._at)
            self._at += 1
            if sign == "]":
                return

    def _sign(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            space = SPACE.match(self._held, self._at)
            self._at = space.end() if space else self._at
            if self._at < len(self._held) or self._ended:
                return self._held[self._at : self._at + 1]
            self._more()

    def _value(self) -> tuple[Any, int]:
        self._sign()
        while True:
            try:
                value, end = self._scan(self._held, self._at)
                if end < len(self._held) or self._ended:  # a number may go on
                    self._wanted = PIECE
                    return value, end
            except ValueError:
                if self._ended:
                    raise
            self._more()

    def _more(self) -> None:
        """Hold some more; twice as much each time one value needs more, or it would be scanned too often."""
        chunk = self._stream.read(self._wanted)
        self._ended = len(chunk) < self._wanted
        self._wanted *= 2
        self._held, self._at = self._held[self._at :] + self._decoded.decode(chunk, final=self._ended), 0
