"""Server-sent events: bytes in, in pieces of any size, and (event, data) pairs out.

The rules are those of the WHATWG's HTML standard, section 9.2: lines end in LF, CRLF or
CR, a blank line ends an event, and an incomplete event at the end of the stream is dropped. The
length is not limited, and a long event costs no more in small pieces than in one.
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
        last_event_end = chunk.rfind(b"\n\n")
        if last_event_end >= 0:
            complete_bytes, remaining_bytes = chunk[:last_event_end], chunk[last_event_end + 2 :]
        elif self._ends_line and chunk.startswith(b"\n"):  # one LF at the end of a piece, one at the start of the next
            complete_bytes, remaining_bytes = b"", chunk[1:]
        else:
            self._incomplete.append(chunk)
            self._ends_line = chunk.endswith(b"\n")
            return ""
        if self._incomplete:
            complete_bytes = b"".join((*self._incomplete, complete_bytes))
        self._incomplete = [remaining_bytes] if remaining_bytes else []
        self._ends_line = remaining_bytes.endswith(b"\n")
        event_text = complete_bytes.decode("utf-8", "replace")
        if self._is_first:
            event_text = event_text.removeprefix(BOM)
            self._is_first = False
        return event_text


def events(events_text: str) -> list[Event]:
    """Return the events of a text from `feed` as (event, data); `event` is "" for one without a name."""
    return [name_and_data for event_lines in events_text.split("\n\n") for name_and_data in event(event_lines)]


def event(event_text: str) -> list[Event]:
    """Return one event, read as the standard says; an empty list without data."""
    event_name, data_lines = "", list[str]()
    for line in event_text.split("\n"):
        field_name, _, value = line.partition(":")
        if field_name == "data":
            data_lines.append(value.removeprefix(" "))
        elif field_name == "event":
            event_name = value.removeprefix(" ")
        elif not line and not data_lines:  # the end of an event without data
            event_name = ""
    return [(event_name, "\n".join(data_lines))] if data_lines else []
