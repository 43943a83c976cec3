"""An engine that asks one model of one provider: a codec, and who carries its bytes.

What a call is really asked is settled here: the engine's parameters, over them what the
Turn says of its next call, without what this model would refuse. What was left out or
put differently is told as a Notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..contract import Middleware, Scope
from ..errors import EngineError
from ..events import Notice
from ..frozen import FrozenDict, freeze
from ..host import Waiting
from ..models import ModelInfo, priced
from ..settings import STRUCTURED_OUTPUT_CONFIG
from ..toolbox import TOOL_CONFIG, Toolbox, ToolConfig
from ..turns import Turn, user
from .portable import merged, settled
from .provider import Provider, Receiver, Reply, Transport, answered, ended, without_secrets
from .recording import without as without_words
from .sanitised import sanitised
from .structured import formatted, instructed, told
from .token_count import TokenCount, counted
from .transplant import told as told_of

GRACE = 0.2  # seconds
SILENCE = 600.0  # seconds; models that think may say nothing for minutes
LIMITS = (
    "max_tokens",
    "max_output_tokens",
    "max_completion_tokens",
    "maxOutputTokens",
)  # what providers call the limit of an answer


class ProviderEngine:
    """Asks one model of one provider. Made by `nt.engine("provider:model", …)`.

    `silence` is the longest time in seconds without a byte, before the answer and inside
    it; an answer as a whole may take as long as it likes. `raw` is how many characters of
    each wire request and response are kept in the result. `layers` are middlewares that a
    session stands closest around it.
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
        """Add what the model answers. An error, or a stop, carries what had come until then."""
        reply = self.provider.reply(scope.emit, scope.inference_id)
        call = _Asked(turn, self, reply)
        try:
            body, notices = self.prepared(turn, scope)
            if scope.iteration == 0:
                self._tell(scope, [*notices, told_of(turn, self.provider.name, body)])
            await call.answer(body)
        except asyncio.CancelledError as stop:
            stop.turn = call.so_far("interrupted")  # type: ignore[attr-defined]  # what was said travels with the stop
            raise
        except EngineError as error:
            error.__context__ = None  # a client's own error holds the whole request, the key too
            error.turn = call.so_far(error.kind or "error", error.request_id)
            raise
        return call.so_far()

    @staticmethod
    def _tell(scope: Scope, notices: list[str]) -> None:
        """Say once what of this Turn is not sent, or not as it was asked."""
        for notice in filter(None, notices):
            scope.emit(Notice(notice))

    def request(self, turn: Turn, scope: Scope) -> dict[str, Any]:
        """The JSON body that is sent for this Turn."""
        return self.prepared(turn, scope)[0]

    def prepared(self, turn: Turn, scope: Scope) -> tuple[dict[str, Any], list[str]]:
        """The JSON body that is sent for this Turn, and what is to be said of it."""
        name = self.provider.name
        params, unsaid = settled(name, self.params, turn)
        notices = [f"not sent: {', '.join(unsaid)}, for which {name} has no parameter"] if unsaid else []
        shape = turn.data.get(STRUCTURED_OUTPUT_CONFIG)
        if shape is not None and shape.mode != "off":
            if told(name, self.model, self.provider.server, shape):
                turn = instructed(turn, shape)
                notices.append(f"the shape of the answer is told in words, because {self.model} takes no schema")
            else:
                params = merged(params, formatted(name, shape))
        if (chosen := turn.data.get(TOOL_CONFIG)) is not None and chosen.tool_choice != scope.tool_config.tool_choice:
            scope = scope.replace(tool_config=scope.tool_config.replace(tool_choice=chosen.tool_choice))
        reasons = self.model_info.reasoning if self.model_info is not None else None
        params, changed = sanitised(name, self.model, params, reasons=reasons)
        body = self.provider.request(turn, scope, self.model, params)
        for field, value in merged(body, self.extra_body).items():
            body[field] = value
        return body, [*notices, *changed]

    def count_tokens(
        self, turn: Turn | str, tools: Iterable[Any] = (), tool_config: ToolConfig | None = None
    ) -> Waiting[TokenCount]:
        """How many input tokens this Turn would be, with these tools; `await` it, or take its `result()`.

        Asks the provider's own endpoint where there is one, else estimates and says so
        (`.source`). Nothing is answered, and nothing is paid for. Raises EngineError.
        """
        turn = Turn((user(turn),)) if isinstance(turn, str) else turn
        scope = Scope(tools=Toolbox(tools), tool_config=tool_config or ToolConfig())
        params, _ = settled(self.provider.name, self.params, turn)
        return Waiting(counted(self, self.provider, turn, scope, params, self.request(turn, scope)))

    def secrets(self) -> tuple[str, ...]:
        """The keys that must be seen nowhere."""
        found = getattr(self.transport, "secrets", None)
        return tuple(found()) if found is not None else ()

    def describe(self) -> dict[str, Any]:
        """What decides an answer, without what is secret: provider, server, model, parameters."""
        server = {"server": self.provider.server} if self.provider.server else {}
        extra = {"extra_body": without_secrets(self.extra_body)} if self.extra_body else {}
        params = {"params": without_secrets(self.params)}
        return {"provider": self.provider.name, **server, "model": self.model, **params, **extra}

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
        self.body: dict[str, Any] = {}
        self.came: list[bytes] = []
        self.patient_at = 0.0  # when the time for silence was last set, on the loop's clock

    async def answer(self, body: dict[str, Any]) -> None:
        settings = {**body, **(body.get("generationConfig") or {})}  # Gemini's stand one level deeper
        self.max_tokens = next((settings[name] for name in LIMITS if name in settings), None)
        self.body = body
        receiver = Receiver(self.reply)
        began = False
        if (ready := getattr(self.engine.transport, "ready", None)) is not None:
            await ready()  # the import of an SDK takes seconds on a busy machine, and is no silence of the server's
        try:
            async with asyncio.timeout(self.engine.silence) as patience:
                async with self.engine.transport.open(body) as answer:
                    began = True
                    self.request_id, receiver.content_type = answer.request_id, answer.content_type
                    async for chunk in answer.chunks:
                        self._heard(patience, chunk)
                        receiver.feed(chunk)
                        if self.reply.complete:
                            patience.reschedule(None)
                            return await _drained(answer.chunks)
                    receiver.end()
        except TimeoutError:
            error = self._silent(began=began)
            receiver.locate(error)
            raise error from None
        except EngineError as error:
            receiver.locate(error)
            raise

    def _heard(self, patience: asyncio.Timeout, chunk: bytes) -> None:
        """Something came: wait as long again for the next.

        A timer is set anew for each sixtieth of that time and not for each chunk, which cost 4 % of a short answer.
        """
        if self.engine.raw:
            self.came.append(chunk)
        if (silence := self.engine.silence) is not None:
            now, slack = asyncio.get_running_loop().time(), silence / 60
            if now > self.patient_at + slack:
                self.patient_at = now
                patience.reschedule(now + silence + slack)

    def _silent(self, *, began: bool) -> EngineError:
        where = "the answer stood still" if began else "no answer began"
        said = f"{self.engine.provider.name}: {where} for {self.engine.silence:g} s; nt.engine(…, timeout=seconds) waits longer"
        return EngineError(said, kind="timeout")

    def so_far(self, failed: str = "", request_id: str = "") -> Turn:
        """The Turn with what has come; `failed` says what ended it."""
        known = self.reply.result()
        result = known.replace(
            provider=known.provider or self.engine.provider.name,
            model=known.model or self.engine.model,
            request_id=known.request_id or request_id or self.request_id,
            max_tokens=self.max_tokens,
            extra=self._with_raw(known.extra),
        )
        info = self.engine.model_info
        result = priced(result, (replace(info, id=result.model),) if info else ())
        return answered(self.turn, self.reply.blocks(), ended(result, failed))

    def _with_raw(self, extra: FrozenDict) -> FrozenDict:
        """What went over the wire beside what is known, without keys, as far as it was to be kept."""
        if not self.engine.raw:
            return extra
        most = self.engine.raw
        request = without_secrets(self.body)
        sent = json.dumps(request, ensure_ascii=False)
        came = without_words(b"".join(self.came).decode("utf-8", "replace"), self.engine.secrets())
        cut = max(len(sent) - most, 0) + max(len(came) - most, 0)
        kept = {"request": request if len(sent) <= most else sent[:most], "response": came[:most]}
        return FrozenDict(freeze({**extra, "raw": {**kept, **({"cut": cut} if cut else {})}}))


async def _drained(chunks: AsyncIterator[bytes]) -> None:
    """Read what is left behind the last word, so the connection can be used again; some servers never hang up."""
    with contextlib.suppress(Exception):  # the answer is there; nothing that comes now can change it
        async with asyncio.timeout(GRACE):
            async for _ in chunks:
                pass
