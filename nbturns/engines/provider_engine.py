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

from ..errors import EngineError, MisuseError, StoreError
from ..events import Notice
from ..runtime.background_loop import Waiting
from ..runtime.engine_protocol import Middleware, Scope
from ..runtime.toolbox import Toolbox, ToolConfig
from ..safety.secret_texts import Secret, data_without_texts, is_removable, secrets_in, without_texts
from ..safety.split_secrets import stream_without_texts
from ..safety.tracebacks import hides_locals
from ..safety.visible_text import printable
from ..values.frozen_json import FrozenDict, freeze
from ..values.inference_results import INFERENCE_RESULT, FinishClass
from ..values.inference_settings import STRUCTURED_OUTPUT_CONFIG
from ..values.model_info import ModelInfo
from ..values.price_tables import with_cost
from ..values.turns import Turn, user
from .cross_provider import unsent_notice
from .json_access import text_of
from .parameters.portable import merged, translated
from .parameters.structured_output import require_schema, with_schema_in_words
from .provider import Provider, Reply, Transport, answered, ended, without_secrets
from .receiver import Receiver
from .repeated_secrets import blocks_without_keys, result_without_keys
from .sendable_turn import sendable_body, sendable_turn
from .token_count import TokenCount, count_tokens
from .tool_choice import freed_after_first_call
from .transports.log_filter import hide_in_logs

DRAIN_TIME = 0.2  # seconds
CLOSE_TIME = 5.0  # seconds
FILTERED_KINDS = frozenset({"content_filter", "ResponsibleAIPolicyViolation"})  # Azure's errors of a filtered prompt
MAX_RESPONSE_BYTES = 128 << 20
SILENCE = 600.0  # seconds; models that reason may send nothing for minutes


class ProviderEngine:
    """Calls one model of one provider. Made by `nt.engine("provider:model", …)`.

    `silence` is the longest time in seconds without progress, before the answer and inside it: comments, blanks and
    repeated events are none. The whole answer may take any time, and have `max_response_bytes`. `raw` is the number of characters of each wire
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
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        raw: int = 0,
        layers: Iterable[Middleware] = (),
    ) -> None:
        self.provider = provider
        self.model_info = model_info
        self.model = model
        self._hidden_params = Secret(freeze(params))  # may hold keys of servers that the provider calls
        self._hidden_texts = Secret(())
        self._hidden_extra_body = Secret(freeze(extra_body or {}))  # may hold keys of gateways
        self.silence = silence
        self.max_response_bytes = max_response_bytes
        self.raw = raw
        self.layers: tuple[Middleware, ...] = tuple(layers)
        self.transport = transport
        self._told: frozenset[str] = frozenset()  # sentences of the current loop
        hide_in_logs(self)

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters of the body."""
        params: Mapping[str, Any] = self._hidden_params.reveal()
        return params

    @property
    def extra_body(self) -> Mapping[str, Any]:
        """The fields that go into the body as they are."""
        extra_body: Mapping[str, Any] = self._hidden_extra_body.reveal()
        return extra_body

    @hides_locals
    async def __call__(self, turn: Turn, scope: Scope) -> Turn:
        """Add the model's reply. An error or a stop carries the Turn with what had arrived in `.turn`."""
        reply = self.provider.reply(scope.emit, scope.inference_id)
        call = _EngineCall(turn, self, reply)
        try:
            body, notices = self.prepared(turn, scope)
            self._tell([*notices, unsent_notice(turn, self.provider, body)], scope)
            await call.run(body)
            call.raise_for_failure()
        except asyncio.CancelledError as stop:
            stop.turn = call.so_far("interrupted")  # type: ignore[attr-defined]  # the partial Turn travels with the stop
            raise
        except StoreError as error:  # the file of `record=` cannot be written
            error.turn = call.so_far()
            raise
        except EngineError as error:
            call.hide_secrets_of(error)
            if error.kind in FILTERED_KINDS:
                return call.filtered(error)
            error.turn = call.so_far(error.kind or "error", error.request_id)
            raise
        return call.so_far()

    def _tell(self, sentences: Iterable[str], scope: Scope) -> None:
        """Emit each sentence as a Notice, once in a loop."""
        reported = self._told if scope.iteration else frozenset[str]()
        sentences = [sentence for sentence in sentences if sentence]
        for sentence in sentences:
            if sentence not in reported:
                scope.emit(Notice(sentence))
        self._told = reported | set(sentences)

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
            require_schema(config)
            structured_output = provider.structured_output
            if structured_output is not None and structured_output.accepts(self.model, config):
                params = merged(params, structured_output.parameters(config))
            else:
                turn = with_schema_in_words(turn, config)
                notices.append(f"the schema of the answer goes as text, because {self.model} has no parameter for it")
        turn, scope, params, changes = self.fitted(turn, scope, params)
        body = provider.request(turn, scope, self.model, params)
        for field, value in merged(body, self.extra_body).items():
            body[field] = value
        return sendable_body(body), [*notices, *changes]

    def fitted(
        self, turn: Turn, scope: Scope, params: Mapping[str, Any]
    ) -> tuple[Turn, Scope, dict[str, Any], list[str]]:
        """Return Turn, scope and parameters as the model takes them, and a sentence for each change."""
        scope = scope.with_allowed_tools(turn)
        reasons = self.model_info.reasoning if self.model_info is not None else None
        accepted, changes = self.provider.remove_refused(self.model, params, reasons=reasons)
        scope = freed_after_first_call(turn, scope, accepted)
        turn, repairs = sendable_turn(turn, scope.tools, merged(accepted, self.extra_body))
        changes = [*changes, *repairs]
        if self.provider.adapt is not None:
            turn, more_changes = self.provider.adapt(turn, scope, self.model, accepted)
            changes = [*changes, *more_changes]
        return turn, scope, accepted, changes

    def count_tokens(
        self, turn: Turn | str, tools: Iterable[Any] = (), tool_config: ToolConfig | None = None
    ) -> Waiting[TokenCount]:
        """Count the input tokens of this Turn with these tools; `await` it, or call `.result()`.

        The provider's endpoint counts where there is one; elsewhere the count is an estimate,
        as `.source` tells. It makes no answer and costs nothing. Raises EngineError.
        """
        turn = Turn((user(turn),)) if isinstance(turn, str) else turn
        scope = Scope(tools=Toolbox(tools), tool_config=tool_config or ToolConfig())
        params, _ = translated(self.provider, self.params, turn)
        return Waiting(hides_locals(count_tokens)(self, turn, scope, params, self.request(turn, scope)))

    def close(self) -> None:
        """Close the connections that this engine has made; the next call opens new ones."""
        if (close := getattr(self.transport, "close", None)) is not None:
            with contextlib.suppress(Exception):  # nobody waits for what a server says to a goodbye
                Waiting(close()).result(CLOSE_TIME)

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be shown: keys, private headers, and those in the address and extra_body."""
        secrets = getattr(self.transport, "secrets", None)
        return tuple({*(secrets() if secrets is not None else ()), *self._own_secrets()})

    def _own_secrets(self) -> tuple[str, ...]:
        """Return the secrets in the parameters of the body."""
        return (*secrets_in(self.extra_body), *secrets_in(self.params), *self._hidden_texts.reveal())

    def hide(self, texts: Iterable[str]) -> None:
        """Hide further texts in all that is shown and saved: values that were looked up as secrets."""
        self._hidden_texts = Secret((*self._hidden_texts.reveal(), *filter(is_removable, texts)))

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields for another process. Raises MisuseError when one of them is a secret."""
        if secrets_in(self.extra_body):
            raise MisuseError(
                "an engine with a secret in extra_body cannot be pickled, because the pickle would hold it"
            )
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in vars(self).items()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        for name in ("_hidden_extra_body", "_hidden_params", "_hidden_texts"):
            setattr(self, name, Secret(state[name]))
        hide_in_logs(self)

    def describe(self) -> dict[str, Any]:
        """Return what decides an answer, without secrets: provider, server, model, parameters."""
        server = {"server": self.provider.server} if self.provider.server else {}
        extra = {"extra_body": without_secrets(self.extra_body)} if self.extra_body else {}
        params = {"params": without_secrets(self.params)}
        description = {"provider": self.provider.name, **server, "model": self.model, **params, **extra}
        shown_description: dict[str, Any] = data_without_texts(description, self._own_secrets())
        return shown_description

    @printable
    def __repr__(self) -> str:
        params = {name: value for name, value in self.describe()["params"].items() if name != "stream"}
        scalars = (f" {name}={value!r:.40}" for name, value in params.items() if not isinstance(value, (dict, list)))
        return f"<{self.provider.name}:{self.model}{''.join(scalars)}>"


class _EngineCall:
    """One model call while it lasts."""

    def __init__(self, turn: Turn, engine: ProviderEngine, reply: Reply) -> None:
        self.turn = turn
        self.engine = engine
        self.reply = reply
        self.request_id = ""
        self.rate_limits: Mapping[str, str] = {}
        self.max_tokens: int | None = None
        self.body: dict[str, Any] = {}
        self.chunks: list[bytes] = []
        self.received_bytes = 0
        self.timer_set_at = 0.0  # on the loop's clock

    async def run(self, body: dict[str, Any]) -> None:
        """Send `body` and feed the response to the reply. Raises EngineError for an error and for a silence."""
        self.max_tokens = self.engine.provider.output_limit(body)
        self.body = body
        receiver = Receiver(self.reply)
        has_begun = False
        if (ready := getattr(self.engine.transport, "ready", None)) is not None:
            await ready()  # the import of an SDK takes seconds, and does not count as silence of the server
        try:
            async with asyncio.timeout(self.engine.silence) as timer:
                async with self.engine.transport.open(body) as response:
                    has_begun = True
                    self.request_id, self.rate_limits = response.request_id, response.rate_limits
                    receiver.content_type = response.content_type
                    async for chunk in response.chunks:
                        self._count_bytes(chunk)
                        last_event = receiver.last_event
                        receiver.feed(chunk)
                        if not _is_keep_alive(chunk, last_event, receiver.last_event):
                            self._note_progress(timer)
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

    def _count_bytes(self, chunk: bytes) -> None:
        """Count the bytes of the response. Raises EngineError beyond the limit."""
        if self.engine.raw:
            self.chunks.append(chunk)
        self.received_bytes += len(chunk)
        if self.received_bytes > self.engine.max_response_bytes:
            raise EngineError(
                f"the response has more than {self.engine.max_response_bytes:,} bytes; "
                "to accept more, use nt.engine(…, max_response_bytes=…)",
                kind="response_too_large",
            )

    def _note_progress(self, timer: asyncio.Timeout) -> None:
        """Restart the wait for the next event.

        The timer is set anew once per sixtieth of the wait and not for each chunk, which took 4 % of a short answer.
        """
        if (silence := self.engine.silence) is not None:
            now, slack = asyncio.get_running_loop().time(), silence / 60
            if now > self.timer_set_at + slack:
                self.timer_set_at = now
                timer.reschedule(now + silence + slack)

    def hide_secrets_of(self, error: EngineError) -> None:
        """Remove the secrets of the engine from an error, which a server may have repeated."""
        secrets = self.engine.secrets()
        error.args = (without_texts(str(error), secrets),)
        if error.body is not None:
            error.body = data_without_texts(error.body, secrets)
        error.request_id = without_texts(error.request_id, secrets)

    def _silence_error(self, *, has_begun: bool) -> EngineError:
        problem = "the answer stopped" if has_begun else "no answer"
        return EngineError(
            f"{self.engine.provider.name}: {problem} for {self.engine.silence:g} s; "
            "to wait longer, use nt.engine(…, timeout=seconds)",
            kind="timeout",
        )

    def filtered(self, error: EngineError) -> Turn:
        """Return the Turn of a call that the server's content filter ended; `extra["error"]` has its reasons."""
        turn = self.so_far("", error.request_id)
        result = turn.metadata[INFERENCE_RESULT]
        result = result.replace(
            stop_reason=error.kind,
            finish_class=FinishClass.FILTERED,
            extra=freeze({**result.extra, "error": error.body or str(error)}),
        )
        return answered(self.turn, blocks_without_keys(self.reply.blocks(), self.engine.secrets()), result)

    def raise_for_failure(self) -> None:
        """Raise EngineError where the model gave up, like on a malformed call of a tool."""
        result = self.reply.result()
        if result.finish_class is FinishClass.ERROR:
            reason = text_of(result.extra.get("finishMessage"))
            raise EngineError(
                f"{self.engine.provider.name} ended the reply with {result.stop_reason}{f': {reason}' if reason else ''}",
                kind=result.stop_reason,
            )

    def so_far(self, failure: str = "", request_id: str = "") -> Turn:
        """Return the Turn with what has arrived; `failure` names what ended it."""
        secrets = self.engine.secrets()
        decoded = result_without_keys(self.reply.result(), secrets)
        result = decoded.replace(
            provider=decoded.provider or self.engine.provider.name,
            model=decoded.model or self.engine.model,
            request_id=without_texts(decoded.request_id or request_id or self.request_id, secrets),
            max_tokens=self.max_tokens,
            extra=self._with_raw(self._with_rate_limits(decoded.extra)),
        )
        info = self.engine.model_info
        result = with_cost(result, (replace(info, id=result.model),) if info else ())
        blocks, sign_blocks = blocks_without_keys(self.reply.blocks(), secrets), self.engine.provider.sign_blocks
        if sign_blocks is not None and self.body:
            blocks = sign_blocks(blocks, self.body)
        return answered(self.turn, blocks, ended(result, failure))

    def _with_rate_limits(self, extra: FrozenDict) -> FrozenDict:
        """Return `extra` with the headers that tell what is left of the account's limits."""
        return FrozenDict(freeze({**extra, "rate_limits": self.rate_limits})) if self.rate_limits else extra

    def _with_raw(self, extra: FrozenDict) -> FrozenDict:
        """Return `extra` with the wire request and response, without keys and up to the limit."""
        if not self.engine.raw:
            return extra
        limit = self.engine.raw
        secrets = self.engine.secrets()
        request = data_without_texts(without_secrets(self.body), secrets)
        request_text = json.dumps(request, ensure_ascii=False)
        response = stream_without_texts(b"".join(self.chunks).decode("utf-8", "replace"), secrets)
        cut = max(len(request_text) - limit, 0) + max(len(response) - limit, 0)
        raw = {
            "request": request if len(request_text) <= limit else request_text[:limit],
            "response": response[:limit],
            **({"cut": cut} if cut else {}),
        }
        return FrozenDict(freeze({**extra, "raw": raw}))


def _is_keep_alive(chunk: bytes, last_event: tuple[str, Any], event: tuple[str, Any]) -> bool:
    """Tell whether a chunk only keeps the connection open: blanks, comments, or the last event again."""
    if event is not last_event:
        return event[1] is not None and event == last_event
    return (
        all(not line or line.startswith(b":") for line in chunk.strip().split(b"\n"))
        if chunk[:1] in b": \r\n"
        else False
    )


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the bytes after the last event, so that the connection can be reused; some servers never close it."""
    try:
        async with asyncio.timeout(DRAIN_TIME):
            async for _ in chunks:
                pass
    except StoreError:  # of `record=`
        raise
    except Exception:  # noqa: S110  # the answer is complete; nothing that comes now can change it
        pass
