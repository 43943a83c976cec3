"""What a provider offers: a codec, and who carries the bytes.

A codec knows its provider's words and no network: it writes a request as a plain dict
and puts an answer together from plain dicts. A transport carries the bytes. So a
recorded answer is read by the very code that reads one from a socket.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from ..contract import Scope
from ..contract import unheard as unheard
from ..errors import EngineError
from ..events import Delta
from ..frozen import freeze, thaw, unchecked_constructor
from ..results import INFERENCE_RESULT, FinishClass, InferenceResult
from ..turns import Block, Turn
from .counting import Counting
from .event_stream import EventStream, event

DONE = "[DONE]"  # the last word of OpenAI's chat streams, the only one that is no JSON
Hear: TypeAlias = Callable[[Delta], object]


delta = unchecked_constructor(Delta)  # takes the fields of a Delta; there is one for each event of a stream


class Reply(Protocol):
    """One answer on its way. Raises EngineError for what the provider reports as an error."""

    complete: bool  # whether its last word has come

    def body(self, data: Any) -> None: ...
    def event(self, name: str, data: Any) -> None: ...
    def end(self) -> None: ...
    def blocks(self) -> tuple[Block, ...]: ...
    def result(self) -> InferenceResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer that has begun to come."""

    chunks: AsyncIterator[bytes]
    content_type: str = ""
    request_id: str = ""


class Transport(Protocol):
    """Carries one request. Raises EngineError for refusals and broken connections."""

    def open(self, body: Mapping[str, Any]) -> AbstractAsyncContextManager[Answer]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One API: how it is asked, how it answers, who carries the bytes.

    `request` makes the body from a Turn, its scope, the model and the other parameters;
    `history` reads one back, `counting` makes one that is only to be counted. `settings` are the parameters that are the transport's and
    not the body's. Making a transport raises EngineError when its package is missing.
    """

    name: str
    request: Callable[[Turn, Scope, str, Mapping[str, Any]], dict[str, Any]]
    reply: Callable[[Hear, str], Reply]
    transport: Callable[[Mapping[str, Any]], Transport]
    settings: frozenset[str]
    history: Callable[[Mapping[str, Any]], Turn] | None = None
    counting: Counting | None = None  # its endpoint that counts the tokens of a request, if it has one
    server: str = ""  # who is behind it, where that is not the provider of that name
    at: Callable[[Mapping[str, Any]], Provider] | None = None  # what it is where these parameters lead, if that differs


class Receiver:
    """Takes the bytes of an answer as they come, JSON or event stream, and feeds a Reply."""

    def __init__(self, reply: Reply, content_type: str = "") -> None:
        self.reply = reply
        self.content_type = content_type
        self._head: list[bytes] = []
        self._json = False
        self._stream: EventStream | None = None
        self._events = 0
        self._last: tuple[str, Any] = ("", None)

    def feed(self, chunk: bytes) -> None:
        """Take some bytes. Raises EngineError for an error in the stream, or what is no JSON."""
        if self._stream is not None:
            if text := self._stream.feed(chunk):
                self._hear(text)
            return
        self._head.append(chunk)
        if self._json or not (begun := b"".join(self._head).lstrip(b"\xef\xbb\xbf \t\r\n")):
            return
        self._json = begun[:1] in (b"{", b"[") or "json" in self.content_type  # no line of an event stream begins so
        if not self._json:
            self._stream = EventStream()
            self._hear(self._stream.feed(b"".join(self._head)))

    def end(self) -> None:
        """No more bytes will come. Raises EngineError when the answer is not complete."""
        if self._json:
            self.reply.body(_parsed(b"".join(self._head).decode("utf-8-sig", "replace"), "the answer"))
        elif not self._events:
            begins = b"".join(self._head)[:200].decode("utf-8", "replace").strip()
            what = f" ({self.content_type})" if self.content_type else ""
            raise EngineError(
                f"the answer{what} is neither JSON nor an event stream: it begins with {begins!r:.90}",
                kind="bad_response",
            )
        elif not self.reply.complete:
            self.reply.end()

    def locate(self, error: EngineError) -> None:
        """Let the error say how far the stream had come."""
        if self._events:
            name, data = self._last
            name = name or str(data.get("type") or "" if isinstance(data, Mapping) else "")
            error.args = (f"{error} (at event {self._events} of the stream, {name or 'nameless'})",)

    def _hear(self, text: str) -> None:
        """Let the reply hear the events of a text that ends where one of them does.

        The data of an event that is written as all providers write theirs is read where it
        stands; any other event line by line.
        """
        reply, hear, at = self.reply, self.reply.event, 0
        while at < len(text) and not reply.complete:
            start = text.find("{", at, at + LONGEST_HEAD)
            name = _name(text[at:start]) if start > at else None
            end = -1
            if name is not None:
                try:
                    data, end = _decode(text, start)
                except (StopIteration, ValueError, RecursionError):
                    end = -1
            if name is not None and end > 0 and (text.startswith("\n\n", end) or end == len(text)):
                self._events += 1
                self._last = name, data
                hear(name, data)
            else:
                end = text.find("\n\n", at)
                end = len(text) if end < 0 else end
                self._hear_lines(text[at:end])
            at = end + 2

    def _hear_lines(self, lines: str) -> None:
        """Let the reply hear one event, however it is written; nothing where it has no data."""
        for name, text in event(lines):
            self._events += 1
            self._last = name, None
            if text == DONE:
                self.reply.event(DONE, None)
            else:
                data = _parsed(text, "an event")
                self._last = name, data
                self.reply.event(name, data)


LONGEST_HEAD = 100  # characters before the data of an event
_decode: Callable[[str, int], tuple[Any, int]] = vars(json.JSONDecoder())[
    "scan_once"
]  # from where a value begins: it, and where it ended


@lru_cache(maxsize=500)
def _name(head: str) -> str | None:
    """The name of an event that begins so, "" for none; None where it is not written as usual."""
    found = re.fullmatch(r"(?:event: ([^\n]*)\n)?data: ", head)
    return found and (found[1] or "")


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{what} is no JSON ({error}): {text!r:.80}", kind="bad_response") from None


def ended(result: InferenceResult, failed: str) -> InferenceResult:
    """The record of a call that was ended by `failed` ("" for none) before its own end."""
    if not failed:
        return result
    if failed == "interrupted":
        return result.replace(stop_reason=failed, finish_class=FinishClass.INTERRUPTED)
    reason = failed if failed == "stream_cut" else "error"
    return result.replace(
        stop_reason=reason, finish_class=FinishClass.ERROR, extra=freeze({**result.extra, "reason": failed})
    )


def answered(turn: Turn, blocks: tuple[Block, ...], result: InferenceResult) -> Turn:
    return (turn + blocks).with_metadata(INFERENCE_RESULT, result)


def kind_at(error: EngineError, status: int) -> str:
    """The provider's own word for an error that came with an HTTP status; "http_502" where it had none."""
    return f"http_{status}" if error.kind in ("", "error", "bad_response") else error.kind


SECRET = re.compile(r"(^key|api[_-]?key|[_-]key|token|secret|password|authorization|credential)s?$", re.IGNORECASE)


def without_secrets(value: Any) -> Any:
    """A plain copy in which keys, tokens and passwords are "…"."""
    if isinstance(value, Mapping):
        return {k: "…" if isinstance(v, str) and SECRET.search(k) else without_secrets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_secrets(one) for one in value]
    return thaw(value)
