"""Feed the bytes of a response to a Reply as they arrive, JSON or event stream."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..errors import EngineError
from .provider import Reply
from .transports.sse import EventStream, event

DONE = "[DONE]"  # the last event of OpenAI's chat streams, the only one that is not JSON
LONGEST_HEAD = 100  # characters before the data of an event
_decode_at = json.JSONDecoder().raw_decode


class Receiver:
    """Takes the bytes of one response and passes its body or its events to a Reply."""

    def __init__(self, reply: Reply, content_type: str = "") -> None:
        self.reply = reply
        self.content_type = content_type
        self._head: list[bytes] = []
        self._is_json = False
        self._stream: EventStream | None = None
        self._event_count = 0
        self._last_event: tuple[str, Any] = ("", None)

    @property
    def last_event(self) -> tuple[str, Any]:
        """The name and the data of the last event."""
        return self._last_event

    def feed(self, chunk: bytes) -> None:
        """Take some bytes. Raises EngineError for an error in the stream and for invalid JSON."""
        if self._stream is not None:
            if text := self._stream.feed(chunk):
                self._pass_events(text)
            return
        self._head.append(chunk)
        if self._is_json or not (start := b"".join(self._head).lstrip(b"\xef\xbb\xbf \t\r\n")):
            return
        self._is_json = start[:1] in (b"{", b"[") or "json" in self.content_type  # no event stream starts like that
        if not self._is_json:
            self._stream = EventStream()
            self._pass_events(self._stream.feed(b"".join(self._head)))

    def end(self) -> None:
        """Finish after the last byte. Raises EngineError when the reply is not complete."""
        if self._is_json:
            self.reply.body(_parse_json(b"".join(self._head).decode("utf-8-sig", "replace"), "the response"))
        elif not self._event_count:
            start = b"".join(self._head)[:200].decode("utf-8", "replace").strip()
            content_type = f" ({self.content_type})" if self.content_type else ""
            raise EngineError(
                f"the response{content_type} is neither JSON nor an event stream; it starts with {start!r:.90}",
                kind="bad_response",
            )
        elif not self.reply.complete:
            self.reply.end()

    def locate(self, error: EngineError) -> None:
        """Add the position in the stream to the text of an error."""
        if self._event_count:
            event_name, event_data = self._last_event
            event_name = event_name or str(event_data.get("type") or "" if isinstance(event_data, Mapping) else "")
            name = f", {event_name}" if event_name else ""
            error.args = (f"{error} (at event {self._event_count} of the stream{name})",)

    def _pass_events(self, events_text: str) -> None:
        """Pass the events of a text that ends where one of them does.

        The data of an event in the usual notation is decoded in place; any other event is
        read line by line.
        """
        reply, pass_event, event_start = self.reply, self.reply.event, 0
        while event_start < len(events_text) and not reply.complete:
            data_start = events_text.find("{", event_start, event_start + LONGEST_HEAD)
            event_name = _event_name(events_text[event_start:data_start]) if data_start > event_start else None
            event_end = -1
            if event_name is not None:
                try:
                    event_data, event_end = _decode_at(events_text, data_start)
                except (ValueError, RecursionError):
                    event_end = -1
            if (
                event_name is not None
                and event_end > 0
                and (events_text.startswith("\n\n", event_end) or event_end == len(events_text))
            ):
                self._event_count += 1
                self._last_event = event_name, event_data
                pass_event(event_name, event_data)
            else:
                event_end = events_text.find("\n\n", event_start)
                event_end = len(events_text) if event_end < 0 else event_end
                self._pass_lines(events_text[event_start:event_end])
            event_start = event_end + 2

    def _pass_lines(self, event_lines: str) -> None:
        """Pass one event in any notation; nothing when it has no data."""
        for event_name, data_text in event(event_lines):
            self._event_count += 1
            self._last_event = event_name, None
            if data_text == DONE:
                self.reply.event(DONE, None)
            else:
                event_data = _parse_json(data_text, "an event")
                self._last_event = event_name, event_data
                self.reply.event(event_name, event_data)


@lru_cache(maxsize=500)
def _event_name(event_head: str) -> str | None:
    """Return the name in front of an event's data, "" without one; None for an unusual notation."""
    match = re.fullmatch(r"(?:event: ([^\n]*)\n)?data: ", event_head)
    return match and (match[1] or "")


def _parse_json(json_text: str, source: str) -> Any:
    try:
        return json.loads(json_text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{source} is not JSON ({error}): {json_text!r:.80}", kind="bad_response") from None
