"""Server-sent events: bytes in, in pieces of any size, and (event, data) pairs out.

The rules are those of the WHATWG's HTML standard, section 9.2: lines end in LF, CRLF or
CR, a blank line ends an event, and an event the stream broke off in is dropped. Nothing
has a length limit, and what is long costs no more in small pieces than in one.
"""

from __future__ import annotations

from typing import TypeAlias

Event: TypeAlias = tuple[str, str]
BOM = "\ufeff"


class EventStream:
    """Reads one stream: `feed` returns the text of the events that a piece of it completed."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []  # pieces of what has no end yet; a list, so that it is joined once
        self._ended_line = False
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> str:
        """Take the next bytes; return what is complete, without the blank line at its end.

        Lines end in LF there. Bytes that are no UTF-8 become U+FFFD.
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
        elif self._ended_line and chunk.startswith(b"\n"):  # the two are of two pieces
            head, tail = b"", chunk[1:]
        else:
            self._begun.append(chunk)
            self._ended_line = chunk.endswith(b"\n")
            return ""
        if self._begun:
            head = b"".join((*self._begun, head))
        self._begun = [tail] if tail else []
        self._ended_line = tail.endswith(b"\n")
        text = head.decode("utf-8", "replace")
        if self._first:
            text = text.removeprefix(BOM)
            self._first = False
        return text


def events(text: str) -> list[Event]:
    """The events of a text that `feed` returned, as (event, data); `event` is "" where the stream named none."""
    return [found for one in text.split("\n\n") for found in event(one)]


def event(lines: str) -> list[Event]:
    """One event, by the letter of the standard; none where it has no data."""
    name, data = "", list[str]()
    for line in lines.split("\n"):
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
        elif not line and not data:  # the end of one that had none
            name = ""
    return [(name, "\n".join(data))] if data else []
