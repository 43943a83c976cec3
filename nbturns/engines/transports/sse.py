"""Server-sent events: bytes in, in pieces of any size, and (event, data) pairs out.

The rules are those of the WHATWG's HTML standard, section 9.2: lines end in LF, CRLF or
CR, a blank line ends an event, and an incomplete event at the end of the stream is dropped. There
is no length limit, and a long event costs no more in small pieces than in one.
"""

from __future__ import annotations

from typing import TypeAlias

Event: TypeAlias = tuple[str, str]
BOM = "\ufeff"


class EventStream:
    """One stream: `feed` returns the text of the events that its argument completed."""

    def __init__(self) -> None:
        self._incomplete: list[bytes] = []  # pieces of an incomplete event; a list, so that they are joined once
        self._ends_line = False
        self._after_cr = False
        self._is_first = True

    def feed(self, chunk: bytes) -> str:
        """Take the next bytes; return the complete events, without the last blank line.

        Lines end in LF there. Bytes that are not UTF-8 become U+FFFD.
        """
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return ""
        if b"\r" in chunk:
            self._after_cr = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        else:
            self._after_cr = False
        end = chunk.rfind(b"\n\n")
        if end >= 0:
            head, tail = chunk[:end], chunk[end + 2 :]
        elif self._ends_line and chunk.startswith(b"\n"):  # one LF at the end of a piece, one at the start of the next
            head, tail = b"", chunk[1:]
        else:
            self._incomplete.append(chunk)
            self._ends_line = chunk.endswith(b"\n")
            return ""
        if self._incomplete:
            head = b"".join((*self._incomplete, head))
        self._incomplete = [tail] if tail else []
        self._ends_line = tail.endswith(b"\n")
        text = head.decode("utf-8", "replace")
        if self._is_first:
            text = text.removeprefix(BOM)
            self._is_first = False
        return text


def events(text: str) -> list[Event]:
    """Return the events of a text from `feed` as (event, data); `event` is "" for one without a name."""
    return [pair for lines in text.split("\n\n") for pair in event(lines)]


def event(lines: str) -> list[Event]:
    """Return one event, read as the standard says; an empty list without data."""
    name, data = "", list[str]()
    for line in lines.split("\n"):
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
        elif not line and not data:  # the end of an event without data
            name = ""
    return [(name, "\n".join(data))] if data else []
