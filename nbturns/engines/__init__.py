"""What answers a Turn: providers by name, and engines that need no network.

A provider is found by its prefix among the entry points `nbturns.engines`; ours are
declared the same way as anybody else's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from ..chunks import PersistentList
from ..contract import Scope, unheard
from ..distinct_calls import PROVIDER_CALL_ID
from ..errors import EngineError
from ..frozen import EMPTY, freeze
from ..middleware.retry import Retry
from ..models import ModelInfo, priced
from ..results import INFERENCE_RESULT, INFERENCES, InferenceResult
from ..toolbox import Toolbox, ToolConfig
from ..tools import Tool
from ..turns import Block, Turn
from . import provider as _provider
from .cassettes import Cassette as Cassette
from .cassettes import cassette as cassette
from .params import ENGINE, checked, meant
from .params import Param as Param
from .params import params as params
from .provider import Provider as Provider
from .provider_engine import SILENCE
from .provider_engine import ProviderEngine as ProviderEngine
from .recording import recording as recording
from .replay import Replay as Replay
from .replay import replay as replay
from .scripted import Scripted as Scripted
from .scripted import scripted as scripted
from .token_count import TokenCount as TokenCount

RAW = 100_000  # characters of a request, and of a response
RETRIES = 2  # as the official clients have it
RETRY_FOR = 10.0  # seconds; a provider that asks for more patience than this says so to the user
NOT_PARAMETERS = {
    "messages": "what is said is the Turn's",
    "system": "what is said is the Turn's: nt.Session(system=…) or nt.system(…)",
    "max_retries": "retries=… is, and each can be seen",
}


def engine(name: str, *, stream: bool = True, model_info: ModelInfo | None = None, **params: Any) -> ProviderEngine:
    """An engine that asks a model, named "provider:model", like "anthropic:claude-sonnet-5-5".

    `params` are the provider's own, those that any provider is told in the same words
    (temperature, max_tokens, stop, reasoning_effort, …), its client's (api_key, base_url,
    client: an asynchronous one of yours), and the engine's (timeout: the longest silence in
    seconds, extra_body, …); `nt.engines.params("anthropic")` lists them with their types.
    Keys come from the environment where none is given. `model_info` says what the model costs where the
    shipped table (`nbturns.models`) is wrong or does not know it. Raises EngineError for an
    unknown provider or parameter and for a missing package.
    """
    provider, model = named(name, params)
    settings, asked, own = _divided(provider, params)
    return ProviderEngine(
        provider,
        model,
        {**asked, "stream": stream},
        provider.transport(settings),
        model_info,
        extra_body=own.get("extra_body"),
        silence=own.get("timeout", SILENCE),
        raw=RAW if own.get("raw") is True else int(own.get("raw") or 0),
        layers=_layers(own),
    )


def _layers(own: Mapping[str, Any]) -> tuple[Retry, ...]:
    """What a session stands closest around the engine: it asks again where an SDK would, in sight of all."""
    times, altogether = own.get("retries", RETRIES), own.get("retry_for", RETRY_FOR)
    return (Retry(times, longest=altogether, altogether=altogether),) if times else ()


def request(
    name: str,
    turn: Turn,
    tools: Iterable[Tool | Callable[..., Any] | Mapping[str, Any]] = (),
    tool_config: ToolConfig | None = None,
    *,
    stream: bool = True,
    **params: Any,
) -> dict[str, Any]:
    """The JSON body that "provider:model" would be sent for this Turn; nothing is sent.

    `tools`: functions, Tools, or the provider's own tools as it writes them.
    """
    provider, model = named(name, params)
    _, asked, own = _divided(provider, params)
    tools = tuple(tools)
    theirs = [tool for tool in tools if isinstance(tool, Mapping)]
    toolbox = Toolbox(tool for tool in tools if not isinstance(tool, Mapping))
    scope = Scope(tools=toolbox, tool_config=tool_config or ToolConfig(), emit=unheard)
    asked |= {"stream": stream, **({"tools": theirs} if theirs else {})}
    return ProviderEngine(provider, model, asked, _Unsent(), extra_body=own.get("extra_body")).request(turn, scope)


class _Unsent:
    """The transport of a request that is only looked at."""

    def open(self, body: Mapping[str, Any]) -> Any:
        raise EngineError(f"this request of {len(body)} fields is only to be looked at", kind="request")


def decode(
    name: str,
    body: bytes | str | Mapping[str, Any],
    content_type: str | None = None,
    *,
    status: int | None = None,
    model_info: ModelInfo | None = None,
) -> Turn:
    """A recorded reply of a provider (JSON or event stream) as a Turn of its blocks.

    What an endpoint that counts tokens said is a Turn without blocks, whose usage is the
    count. Raises EngineError for an error reply and for one that broke off, with what had
    come in `.turn`, and `.status` where the HTTP `status` is told. `model_info` says what the
    model costs where the shipped table does not know it.
    """
    provider = find(name.partition(":")[0])
    reply = provider.reply(unheard, "")
    receiver = _provider.Receiver(reply, content_type or "")
    try:
        if isinstance(body, Mapping):
            reply.body(freeze(body))
        else:
            receiver.feed(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body))
            receiver.end()
    except EngineError as error:
        if counted := _counted(provider, body, error):
            return counted
        if status is not None and status >= 400:
            error.status, error.kind = status, _provider.kind_at(error, status)
        error.turn = _recorded(reply.blocks(), _named(reply, provider, error.kind or "error", model_info))
        receiver.locate(error)
        raise
    return _recorded(reply.blocks(), _named(reply, provider, "", model_info))


def _counted(provider: Provider, body: Any, error: EngineError) -> Turn | None:
    """The Turn of a body that only counts; None for any other that is no answer."""
    if provider.counting is None or error.kind != "bad_response":
        return None
    with contextlib.suppress(ValueError, RecursionError):
        result = provider.counting.result(body if isinstance(body, Mapping) else json.loads(body))
        if result is not None:
            return _recorded((), result.replace(provider=provider.name))
    return None


@cache
def find(prefix: str) -> Provider:
    """The provider of this name. Raises EngineError that names those there are."""
    points = _points()
    if prefix not in points:
        raise EngineError(
            f"no provider {prefix!r}{meant(prefix, points)}; there are: {', '.join(sorted(points)) or 'none'}",
            kind="unknown_provider",
        )
    loaded: Provider = points[prefix].load()
    return loaded


def named(name: str, params: Mapping[str, Any] = EMPTY) -> tuple[Provider, str]:
    """The provider, as it is where `params` lead, and the model of a name like "anthropic:claude-sonnet-5-5"."""
    if not isinstance(name, str) or ":" not in name:
        raise EngineError(
            f'an engine is named "provider:model", like "anthropic:claude-sonnet-5-5", not {name!r:.60}',
            kind="unknown_model",
        )
    prefix, colon, model = name.partition(":")
    provider = find(prefix.strip().lower())
    if not colon or not model.strip():
        raise EngineError(f'an engine is named "provider:model"; {name!r} names no model', kind="unknown_model")
    return provider.at(params) if provider.at else provider, model.strip()


@cache
def _points() -> Mapping[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group="nbturns.engines")}


def _divided(provider: Provider, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What is the transport's, what goes into the body, and what is the engine's own."""
    for refused, why in NOT_PARAMETERS.items():
        if refused in params:
            raise EngineError(f"{refused} is no parameter of an engine: {why}", kind="bad_parameter")
    for name in params:
        if (
            name not in provider.settings
            and _provider.SECRET.search(name)
            and not name.endswith(("_tokens", "cache_key", "credit_token"))
            and not meant(name, _counts(provider.name))
        ):
            raise EngineError(
                f"{name} is no parameter of {provider.name}; a key is api_key=…, and goes into no body",
                kind="bad_parameter",
            )
    checked(provider.name, params, provider.settings)
    given = dict(params)
    own = {name: given.pop(name) for name in ENGINE if name in given}
    settings = {name: given.pop(name) for name in tuple(given) if name in provider.settings}
    settings |= {name: own[name] for name in ("connect_timeout", "record") if own.get(name) is not None}
    return settings, given, own


def _counts(provider: str) -> list[str]:
    """The parameters that are a number of tokens: whose names look secret, and are not."""
    return [name for name in params(provider) if name.endswith("_tokens")]


def _named(reply: _provider.Reply, provider: Provider, failed: str, info: ModelInfo | None) -> InferenceResult:
    known = reply.result()
    own = (replace(info, id=known.model),) if info else ()
    known = known if known.provider else known.replace(provider=provider.name)
    return _provider.ended(priced(known, own), failed)


def _recorded(blocks: Iterable[Any], result: InferenceResult) -> Turn:
    """A Turn of a reply's blocks, signed with its result as if it had been asked for here."""
    named = (_named_call(block, f"{result.response_id}/{place}") for place, block in enumerate(blocks))
    signed = (block._with(metadata=block.metadata.holding(INFERENCE_RESULT, result)) for block in named)
    turn = Turn(PersistentList(signed)).with_metadata(INFERENCE_RESULT, result)
    return turn._with(metadata=turn.metadata.appended(INFERENCES, result))


def _named_call(block: Block, place: str) -> Block:
    """A call that came without an id gets one, the same whenever it is read: its result must name it."""
    if block.kind != "tool_call" or block.tool_call_id:
        return block
    made = "call_" + hashlib.sha256(f"{place}/{block.name}".encode("utf-8", "replace")).hexdigest()[:24]
    named = block.replace(payload={**block.payload, "id": made})
    return named._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: ""}))


__all__ = [
    "Cassette",
    "Param",
    "Provider",
    "ProviderEngine",
    "Replay",
    "Scripted",
    "TokenCount",
    "cassette",
    "decode",
    "engine",
    "find",
    "params",
    "recording",
    "replay",
    "request",
    "scripted",
]


def __dir__() -> list[str]:
    return sorted(__all__)
