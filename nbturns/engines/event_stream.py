"""Server-sent events: bytes in, in pieces of any size, and (event, data) pairs out.

The rules are those of the WHATWG's HTML standard, section 9.2: lines end in LF, CRLF or
CR, a blank line ends an event, and an event the stream broke off in is dropped. Lines
have no length limit, and a long one in small pieces costs no more than in one.
"""

from __future__ import annotations

from typing import TypeAlias

Event: TypeAlias = tuple[str, str]
BOM = b"\xef\xbb\xbf"


class EventStream:
    """Reads one stream. `feed` returns the events that a piece of it completed."""

    def __init__(self) -> None:
        self._begun: list[
            bytes
        ] = []  # pieces of a line that has no end yet; a list, so that a long line is joined once
        self._after_cr = False
        self._first = True
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return what is complete, as (event, data), in order.

        `event` is "" where the stream named none. Bytes that are no UTF-8 become U+FFFD.
        """
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        elif not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first, *others = chunk.split(b"\n")
        self._begun.append(first)
        if not others:
            return []
        lines = [b"".join(self._begun), *others]
        self._begun = [lines.pop()]
        if self._first:
            lines[0] = lines[0].removeprefix(BOM)
            self._first = False
        return self._ended(lines)

    def _ended(self, lines: list[bytes]) -> list[Event]:
        """Take whole lines; return the events they end."""
        ended: list[Event] = []
        for line in lines:
            if not line:
                if self._data:
                    ended.append((self._event, "\n".join(self._data)))
                    self._data = []
                self._event = ""
                continue
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
            elif field == b"event":
                self._event = value.removeprefix(b" ").decode("utf-8", "replace")
        return ended
