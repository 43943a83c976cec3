"""What a provider offers, and the engine that is made of it.

A codec knows its provider's words and no network: it writes a request as a plain dict
and puts an answer together from plain dicts. A transport carries the bytes. So a
recorded answer is read by the very code that reads one from a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from ..contract import Scope
from ..errors import EngineError
from ..events import Delta
from ..frozen import freeze, thaw
from ..models import ModelInfo, priced
from ..results import INFERENCE_RESULT, FinishClass, InferenceResult
from ..turns import Block, Turn
from .counting import Counting
from .event_stream import EventStream

GRACE = 0.2  # seconds
DONE = "[DONE]"  # the last word of OpenAI's chat streams, the only one that is no JSON
LIMITS = (
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "maxOutputTokens",
)  # what providers call the limit of an answer
Hear: TypeAlias = Callable[[Delta], object]


def unheard(delta: Delta) -> None:
    """The listener of an answer nobody watches."""


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
        self._last = ""

    def feed(self, chunk: bytes) -> None:
        """Take some bytes. Raises EngineError for an error in the stream, or what is no JSON."""
        if self._stream is not None:
            self._hear(self._stream, chunk)
            return
        self._head.append(chunk)
        if self._json or not (begun := b"".join(self._head).lstrip(b"\xef\xbb\xbf \t\r\n")):
            return
        self._json = begun[:1] in (b"{", b"[") or "json" in self.content_type  # no line of an event stream begins so
        if not self._json:
            self._stream = EventStream()
            self._hear(self._stream, b"".join(self._head))

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
            error.args = (f"{error} (at event {self._events} of the stream, {self._last or 'nameless'})",)

    def _hear(self, stream: EventStream, chunk: bytes) -> None:
        reply = self.reply
        for name, text in stream.feed(chunk):
            if reply.complete:
                return
            self._events += 1
            self._last = name
            if text == DONE:
                name, data = DONE, None
            else:
                data = _parsed(text, "an event")
                self._last = name or (str(data.get("type", "")) if isinstance(data, Mapping) else "")
            reply.event(name, data)


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EngineError(f"{what} is no JSON ({error}): {text!r:.80}", kind="bad_response") from None


class ProviderEngine:
    """Asks one model of one provider. Made by `nt.engine("provider:model", …)`."""

    def __init__(
        self,
        provider: Provider,
        model: str,
        params: Mapping[str, Any],
        transport: Transport,
        model_info: ModelInfo | None = None,
    ) -> None:
        self.provider = provider
        self.model_info = model_info
        self.model = model
        self.params = freeze(params)
        self.transport = transport

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        """Add what the model answers. An error, or a stop, carries what had come until then."""
        reply = self.provider.reply(scope.emit, scope.inference_id)
        call = _Asked(turn, self, reply)
        try:
            await call.answer(self.request(turn, scope))
        except asyncio.CancelledError as stop:
            stop.turn = call.so_far("interrupted")  # type: ignore[attr-defined]  # what was said travels with the stop
            raise
        except EngineError as error:
            error.__context__ = None  # a client's own error holds the whole request, the key too
            error.turn = call.so_far(error.kind or "error", error.request_id)
            raise
        return call.so_far()

    def request(self, turn: Turn, scope: Scope) -> dict[str, Any]:
        """The JSON body that is sent for this Turn."""
        return self.provider.request(turn, scope, self.model, self.params)

    def describe(self) -> dict[str, Any]:
        """What decides an answer, without what is secret: provider, server, model, parameters."""
        server = {"server": self.provider.server} if self.provider.server else {}
        return {
            "provider": self.provider.name,
            **server,
            "model": self.model,
            "params": without_secrets(self.params),
        }

    def __repr__(self) -> str:
        short = (
            name for name, value in self.params.items() if name != "stream" and not isinstance(value, (dict, list))
        )
        told = "".join(f" {name}={without_secrets(self.params)[name]!r:.40}" for name in short)
        return f"<{self.provider.name}:{self.model}{told}>"


class _Asked:
    """One call of a model while it lasts."""

    def __init__(self, turn: Turn, engine: ProviderEngine, reply: Reply) -> None:
        self.turn = turn
        self.engine = engine
        self.reply = reply
        self.request_id = ""
        self.max_tokens: int | None = None

    async def answer(self, body: dict[str, Any]) -> None:
        settings = {**body, **(body.get("generationConfig") or {})}  # Gemini's stand one level deeper
        self.max_tokens = next((settings[name] for name in LIMITS if name in settings), None)
        receiver = Receiver(self.reply)
        try:
            async with self.engine.transport.open(body) as answer:
                self.request_id, receiver.content_type = answer.request_id, answer.content_type
                async for chunk in answer.chunks:
                    receiver.feed(chunk)
                    if self.reply.complete:
                        return await _drained(answer.chunks)
                receiver.end()
        except EngineError as error:
            receiver.locate(error)
            raise

    def so_far(self, failed: str = "", request_id: str = "") -> Turn:
        """The Turn with what has come; `failed` says what ended it."""
        known = self.reply.result()
        result = known.replace(
            provider=known.provider or self.engine.provider.name,
            model=known.model or self.engine.model,
            request_id=known.request_id or request_id or self.request_id,
            max_tokens=self.max_tokens,
        )
        info = self.engine.model_info
        result = priced(result, (replace(info, id=result.model),) if info else ())
        return answered(self.turn, self.reply.blocks(), ended(result, failed))


async def _drained(chunks: AsyncIterator[bytes]) -> None:
    """Read what is left behind the last word, so the connection can be used again; some servers never hang up."""
    with contextlib.suppress(Exception):  # the answer is there; nothing that comes now can change it
        async with asyncio.timeout(GRACE):
            async for _ in chunks:
                pass


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
