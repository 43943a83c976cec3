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
            name, data = self._last_event
            name = name or str(data.get("type") or "" if isinstance(data, Mapping) else "")
            error.args = (f"{error} (at event {self._event_count} of the stream, {name or 'without a name'})",)

    def _pass_events(self, text: str) -> None:
        """Pass the events of a text that ends where one of them does.

        The data of an event in the usual notation is decoded in place; any other event is
        read line by line.
        """
        reply, pass_event, start = self.reply, self.reply.event, 0
        while start < len(text) and not reply.complete:
            data_start = text.find("{", start, start + LONGEST_HEAD)
            name = _event_name(text[start:data_start]) if data_start > start else None
            end = -1
            if name is not None:
                try:
                    data, end = _decode_at(text, data_start)
                except (ValueError, RecursionError):
                    end = -1
            if name is not None and end > 0 and (text.startswith("\n\n", end) or end == len(text)):
                self._event_count += 1
                self._last_event = name, data
                pass_event(name, data)
            else:
                end = text.find("\n\n", start)
                end = len(text) if end < 0 else end
                self._pass_lines(text[start:end])
            start = end + 2

    def _pass_lines(self, lines: str) -> None:
        """Pass one event in any notation; nothing when it has no data."""
        for name, text in event(lines):
            self._event_count += 1
            self._last_event = name, None
            if text == DONE:
                self.reply.event(DONE, None)
            else:
                data = _parse_json(text, "an event")
                self._last_event = name, data
                self.reply.event(name, data)


@lru_cache(maxsize=500)
def _event_name(head: str) -> str | None:
    """Return the name in front of an event's data, "" without one; None for an unusual notation."""
    match = re.fullmatch(r"(?:event: ([^\n]*)\n)?data: ", head)
    return match and (match[1] or "")


def _parse_json(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{source} is not JSON ({error}): {text!r:.80}", kind="bad_response") from None
