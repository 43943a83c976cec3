"""The engine of one model of one provider.

It decides the parameters of each call: the engine's, over them the settings in the data of the
Turn, without those that the model would refuse. Each omission and change is emitted as a Notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import EngineError
from ..events import Notice
from ..runtime.background_loop import Waiting
from ..runtime.engine_protocol import Middleware, Scope
from ..runtime.toolbox import Toolbox, ToolConfig
from ..values.frozen_json import FrozenDict, freeze
from ..values.inference_settings import STRUCTURED_OUTPUT_CONFIG
from ..values.model_info import ModelInfo, with_cost
from ..values.turns import Turn, user
from .cross_provider import unsent_notice
from .parameters.portable import merged, translated
from .parameters.structured_output import with_schema_in_words
from .provider import Provider, Reply, Transport, answered, ended, without_secrets
from .receiver import Receiver
from .token_count import TokenCount, count_tokens
from .transports.exchange_recorder import without_keys_in_text

DRAIN_TIME = 0.2  # seconds
SILENCE = 600.0  # seconds; models that reason may send nothing for minutes


class ProviderEngine:
    """Calls one model of one provider. Made by `nt.engine("provider:model", …)`.

    `silence` is the longest time in seconds without a byte, before the answer and inside
    it; the whole answer may take any time. `raw` is the number of characters of each wire
    request and response that the result keeps. `layers` are the middlewares that a session
    wraps closest around the engine.
    """

    def __init__(
        self,
        provider: Provider,
        model: str,
        params: Mapping[str, Any],
        transport: Transport,
        model_info: ModelInfo | None = None,
        *,
        extra_body: Mapping[str, Any] | None = None,
        silence: float | None = SILENCE,
        raw: int = 0,
        layers: Iterable[Middleware] = (),
    ) -> None:
        self.provider = provider
        self.model_info = model_info
        self.model = model
        self.params = freeze(params)
        self.extra_body = freeze(extra_body or {})
        self.silence = silence
        self.raw = raw
        self.layers = tuple(layers)
        self.transport = transport

    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        """Add the model's reply. An error or a stop carries the Turn with what had arrived in `.turn`."""
        reply = self.provider.reply(scope.emit, scope.inference_id)
        call = _EngineCall(turn, self, reply)
        try:
            body, notices = self.prepared(turn, scope)
            if scope.iteration == 0:
                for notice in filter(None, [*notices, unsent_notice(turn, self.provider, body)]):
                    scope.emit(Notice(notice))
            await call.run(body)
        except asyncio.CancelledError as stop:
            stop.turn = call.so_far("interrupted")  # type: ignore[attr-defined]  # the partial Turn travels with the stop
            raise
        except EngineError as error:
            error.__context__ = None  # a client's own error holds the whole request, the key too
            error.turn = call.so_far(error.kind or "error", error.request_id)
            raise
        return call.so_far()

    def request(self, turn: Turn, scope: Scope) -> dict[str, Any]:
        """Return the JSON body that is sent for this Turn."""
        return self.prepared(turn, scope)[0]

    def prepared(self, turn: Turn, scope: Scope) -> tuple[dict[str, Any], list[str]]:
        """Return the JSON body that is sent for this Turn, and sentences about what it leaves out."""
        provider = self.provider
        params, unsent = translated(provider, self.params, turn)
        notices = [f"not sent: {', '.join(unsent)}; {provider.name} has no such parameter"] if unsent else []
        config = turn.data.get(STRUCTURED_OUTPUT_CONFIG)
        if config is not None and config.mode != "off":
            structured_output = provider.structured_output
            if structured_output is not None and structured_output.accepts(self.model, config):
                params = merged(params, structured_output.parameters(config))
            else:
                turn = with_schema_in_words(turn, config)
                notices.append(f"the schema of the answer goes as text, because {self.model} has no parameter for it")
        scope = scope.with_allowed_tools(turn)
        reasons = self.model_info.reasoning if self.model_info is not None else None
        params, changes = provider.remove_refused(self.model, params, reasons=reasons)
        body = provider.request(turn, scope, self.model, params)
        for field, value in merged(body, self.extra_body).items():
            body[field] = value
        return body, [*notices, *changes]

    def count_tokens(
        self, turn: Turn | str, tools: Iterable[Any] = (), tool_config: ToolConfig | None = None
    ) -> Waiting[TokenCount]:
        """Count the input tokens of this Turn with these tools; `await` it, or call `.result()`.

        The provider's endpoint counts where there is one; elsewhere the count is an estimate,
        as `.source` tells. It makes no answer and costs nothing. Raises EngineError.
        """
        turn = Turn((user(turn),)) if isinstance(turn, str) else turn
        scope = Scope(tools=Toolbox(tools), tool_config=tool_config or ToolConfig()).with_allowed_tools(turn)
        params, _ = translated(self.provider, self.params, turn)
        return Waiting(count_tokens(self, turn, scope, params, self.request(turn, scope)))

    def secrets(self) -> tuple[str, ...]:
        """Return the keys that must never be shown."""
        secrets = getattr(self.transport, "secrets", None)
        return tuple(secrets()) if secrets is not None else ()

    def describe(self) -> dict[str, Any]:
        """Return what decides an answer, without secrets: provider, server, model, parameters."""
        server = {"server": self.provider.server} if self.provider.server else {}
        extra = {"extra_body": without_secrets(self.extra_body)} if self.extra_body else {}
        params = {"params": without_secrets(self.params)}
        return {"provider": self.provider.name, **server, "model": self.model, **params, **extra}

    def __repr__(self) -> str:
        params = without_secrets({name: value for name, value in self.params.items() if name != "stream"})
        scalars = (f" {name}={value!r:.40}" for name, value in params.items() if not isinstance(value, (dict, list)))
        return f"<{self.provider.name}:{self.model}{''.join(scalars)}>"


class _EngineCall:
    """One model call while it lasts."""

    def __init__(self, turn: Turn, engine: ProviderEngine, reply: Reply) -> None:
        self.turn = turn
        self.engine = engine
        self.reply = reply
        self.request_id = ""
        self.max_tokens: int | None = None
        self.body: dict[str, Any] = {}
        self.chunks: list[bytes] = []
        self.timer_set_at = 0.0  # on the loop's clock

    async def run(self, body: dict[str, Any]) -> None:
        """Send `body` and feed the response to the reply. Raises EngineError for an error and for a silence."""
        self.max_tokens = self.engine.provider.output_limit(body)
        self.body = body
        receiver = Receiver(self.reply)
        has_begun = False
        if (ready := getattr(self.engine.transport, "ready", None)) is not None:
            await (
                ready()
            )  # the import of an SDK takes seconds on a busy machine, and does not count as silence of the server
        try:
            async with asyncio.timeout(self.engine.silence) as timer:
                async with self.engine.transport.open(body) as response:
                    has_begun = True
                    self.request_id, receiver.content_type = response.request_id, response.content_type
                    async for chunk in response.chunks:
                        self._note_chunk(timer, chunk)
                        receiver.feed(chunk)
                        if self.reply.complete:
                            timer.reschedule(None)
                            return await _drain(response.chunks)
                    receiver.end()
        except TimeoutError:
            error = self._silence_error(has_begun=has_begun)
            receiver.locate(error)
            raise error from None
        except EngineError as error:
            receiver.locate(error)
            raise

    def _note_chunk(self, timer: asyncio.Timeout, chunk: bytes) -> None:
        """Restart the wait for the next chunk.

        The timer is set anew once per sixtieth of the wait and not for each chunk, which took 4 % of a short answer.
        """
        if self.engine.raw:
            self.chunks.append(chunk)
        if (silence := self.engine.silence) is not None:
            now, slack = asyncio.get_running_loop().time(), silence / 60
            if now > self.timer_set_at + slack:
                self.timer_set_at = now
                timer.reschedule(now + silence + slack)

    def _silence_error(self, *, has_begun: bool) -> EngineError:
        problem = "the answer stopped" if has_begun else "no answer"
        return EngineError(
            f"{self.engine.provider.name}: {problem} for {self.engine.silence:g} s; "
            "to wait longer, use nt.engine(…, timeout=seconds)",
            kind="timeout",
        )

    def so_far(self, failure: str = "", request_id: str = "") -> Turn:
        """Return the Turn with what has arrived; `failure` names what ended it."""
        decoded = self.reply.result()
        result = decoded.replace(
            provider=decoded.provider or self.engine.provider.name,
            model=decoded.model or self.engine.model,
            request_id=decoded.request_id or request_id or self.request_id,
            max_tokens=self.max_tokens,
            extra=self._with_raw(decoded.extra),
        )
        info = self.engine.model_info
        result = with_cost(result, (replace(info, id=result.model),) if info else ())
        return answered(self.turn, self.reply.blocks(), ended(result, failure))

    def _with_raw(self, extra: FrozenDict) -> FrozenDict:
        """Return `extra` with the wire request and response, without keys and up to the limit."""
        if not self.engine.raw:
            return extra
        limit = self.engine.raw
        request = without_secrets(self.body)
        request_text = json.dumps(request, ensure_ascii=False)
        response = without_keys_in_text(b"".join(self.chunks).decode("utf-8", "replace"), self.engine.secrets())
        cut = max(len(request_text) - limit, 0) + max(len(response) - limit, 0)
        raw = {
            "request": request if len(request_text) <= limit else request_text[:limit],
            "response": response[:limit],
            **({"cut": cut} if cut else {}),
        }
        return FrozenDict(freeze({**extra, "raw": raw}))


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the bytes after the last event, so that the connection can be reused; some servers never close it."""
    with contextlib.suppress(Exception):  # the answer is complete; nothing that comes now can change it
        async with asyncio.timeout(DRAIN_TIME):
            async for _ in chunks:
                pass
