"""Engines: models by the name of their provider, and engines that need no network.

A provider is found by its prefix among the entry points `nbturns.engines`; ours are declared
like those of other packages. A provider of yours is one `Provider` in one module:

    [project.entry-points."nbturns.engines"]
    acme = "acme_nbturns:PROVIDER"

It needs a name, `request`, `reply`, `transport` and `settings`. Its further attributes add checked
parameters (`params`), shared settings like temperature (`portable`), `output=` (`structured_output`),
`Turn.to_messages` (`messages`), token counts (`counting`) and images in its shape (`read_medium`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import EngineError
from ..middleware.retries import Retry
from ..runtime.call_ids import PROVIDER_CALL_ID
from ..runtime.engine_protocol import Scope, discard_event
from ..runtime.toolbox import Toolbox, ToolConfig
from ..safety.secret_texts import SECRET_PREFIX, names_a_secret, shown
from ..safety.tracebacks import hides_locals
from ..tools import Tool
from ..values.frozen_json import EMPTY_DICT, freeze
from ..values.inference_results import INFERENCE_RESULT, INFERENCES, InferenceResult
from ..values.model_info import ModelInfo
from ..values.persistent_list import PersistentList
from ..values.price_tables import with_cost
from ..values.turns import Block, Turn
from .cassette_file import Cassette as Cassette
from .cassette_file import cassette as cassette
from .media import Medium as Medium
from .parameters.schema import ENGINE, check_params, nearest_name, params_of
from .parameters.schema import Param as Param
from .parameters.schema import params as params
from .provider import MessageLayout as MessageLayout
from .provider import PortableSettings as PortableSettings
from .provider import Provider as Provider
from .provider import Reply, ended, kind_at
from .provider import StructuredOutput as StructuredOutput
from .provider_engine import MAX_RESPONSE_BYTES, SILENCE
from .provider_engine import ProviderEngine as ProviderEngine
from .receiver import Receiver
from .registry import find as find
from .replay_engine import Replay as Replay
from .replay_engine import replay as replay
from .scripted_engine import Scripted as Scripted
from .scripted_engine import scripted as scripted
from .token_count import TokenCount as TokenCount
from .token_endpoint import Counting as Counting
from .transports.exchange_recorder import recording as recording

RAW = 100_000  # characters of a request, and of a response
RETRIES = 2  # as in the official clients
RETRY_FOR = 10.0  # seconds; a provider that asks for a longer wait is an error that tells it
NOT_PARAMETERS = {
    "messages": "messages are the Turn's",
    "system": "system prompts are the Turn's; use nt.Session(system=…) or nt.system(…)",
    "max_retries": "use retries=…, whose attempts are visible",
}


@hides_locals
def engine(name: str, *, stream: bool = True, model_info: ModelInfo | None = None, **params: Any) -> ProviderEngine:
    """Return an engine that calls a model, named "provider:model", like "anthropic:claude-sonnet-5-5".

    `params` are the provider's own, those that every provider shares (temperature, max_tokens,
    stop, reasoning_effort, …), its client's (api_key, base_url, client: an asynchronous one of
    yours), and the engine's (timeout: the longest silence in seconds, extra_body, …);
    `nt.engines.params("anthropic")` lists them with their types. Keys come from the environment
    unless given. `model_info` has the price of the model where the shipped table
    (`nbturns.values.model_info`) has a wrong one or none. Raises EngineError for an unknown provider or
    parameter and for a missing package.
    """
    provider, model = provider_and_model(name, params)
    settings, body_params, engine_params = _divided(provider, params)
    raw = engine_params.get("raw")
    return ProviderEngine(
        provider,
        model,
        {**body_params, "stream": stream},
        provider.transport(settings),
        model_info,
        extra_body=engine_params.get("extra_body"),
        silence=engine_params.get("timeout", SILENCE),
        max_response_bytes=engine_params.get("max_response_bytes") or MAX_RESPONSE_BYTES,
        raw=RAW if raw is True else int(raw or 0),
        layers=_layers(engine_params),
    )


def _layers(engine_params: Mapping[str, Any]) -> tuple[Retry, ...]:
    """Return the middlewares closest to the engine: visible retries instead of those of an SDK."""
    times, total_wait = engine_params.get("retries", RETRIES), engine_params.get("retry_for", RETRY_FOR)
    return (Retry(times, longest=total_wait, total_wait=total_wait),) if times else ()


@hides_locals
def request(
    name: str,
    turn: Turn,
    tools: Iterable[Tool | Callable[..., Any] | Mapping[str, Any]] = (),
    tool_config: ToolConfig | None = None,
    *,
    stream: bool = True,
    **params: Any,
) -> dict[str, Any]:
    """Return the JSON body that "provider:model" would get for this Turn, without sending it.

    `tools` are functions, Tools, or the provider's own tools in its JSON.
    """
    provider, model = provider_and_model(name, params)
    _, body_params, engine_params = _divided(provider, params)
    tools = tuple(tools)
    provider_tools = [tool for tool in tools if isinstance(tool, Mapping)]
    toolbox = Toolbox(tool for tool in tools if not isinstance(tool, Mapping))
    scope = Scope(tools=toolbox, tool_config=tool_config or ToolConfig(), emit=discard_event)
    body_params |= {"stream": stream, **({"tools": provider_tools} if provider_tools else {})}
    unsent_engine = ProviderEngine(
        provider, model, body_params, _NoTransport(), extra_body=engine_params.get("extra_body")
    )
    return unsent_engine.request(turn, scope)


class _NoTransport:
    """The transport of a request that is never sent."""

    def open(self, body: Mapping[str, Any]) -> Any:
        raise EngineError(f"a body of {len(body)} fields from nt.engines.request is not sent", kind="request")


def decode(
    name: str,
    body: bytes | str | Mapping[str, Any],
    content_type: str | None = None,
    *,
    status: int | None = None,
    model_info: ModelInfo | None = None,
) -> Turn:
    """Return a recorded reply of a provider (JSON or event stream) as a Turn of its blocks.

    The response of a token-counting endpoint is a Turn without blocks, whose usage is the
    count. Raises EngineError for an error reply and for an incomplete one, with the blocks that
    had arrived in `.turn`, and `.status` where the HTTP `status` is given. `model_info` has the
    price of the model where the shipped table has none.
    """
    provider = find(name.partition(":")[0])
    reply = provider.reply(discard_event, "")
    receiver = Receiver(reply, content_type or "")
    try:
        if isinstance(body, Mapping):
            reply.body(freeze(body))
        else:
            receiver.feed(body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body))
            receiver.end()
    except EngineError as error:
        if token_count := _token_count(provider, body, error):
            return token_count
        if status is not None and status >= 400:
            error.status, error.kind = status, kind_at(error, status)
        error.turn = _reply_turn(reply.blocks(), _result(reply, provider, error.kind or "error", model_info))
        receiver.locate(error)
        raise
    return _reply_turn(reply.blocks(), _result(reply, provider, "", model_info))


def _token_count(provider: Provider, body: Any, error: EngineError) -> Turn | None:
    """Return the Turn of a token count; None for any other body that is not an answer."""
    if provider.counting is None or error.kind != "bad_response":
        return None
    with contextlib.suppress(ValueError, RecursionError):
        result = provider.counting.result(body if isinstance(body, Mapping) else json.loads(body))
        if result is not None:
            return _reply_turn((), result.replace(provider=provider.name))
    return None


def provider_and_model(name: str, params: Mapping[str, Any] = EMPTY_DICT) -> tuple[Provider, str]:
    """Return the provider, in its variant for `params`, and the model of a name like "anthropic:claude-sonnet-5-5"."""
    if not isinstance(name, str) or ":" not in name:
        raise EngineError(
            f'expected an engine name like "anthropic:claude-sonnet-5-5" (provider:model), got {_shown_name(name)}',
            kind="unknown_model",
        )
    prefix, _, model = name.partition(":")
    if SECRET_PREFIX.search(name):
        raise EngineError("the engine name looks like a key; pass a key as api_key=…", kind="unknown_model")
    provider = find(prefix.strip().lower())
    if not model.strip():
        raise EngineError(f"no model in the engine name {name!r}; expected provider:model", kind="unknown_model")
    return provider.at(params) if provider.at else provider, model.strip()


def _shown_name(name: object) -> str:
    return shown(name) if isinstance(name, str) else type(name).__name__


def _divided(provider: Provider, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the parameters of the transport, of the body, and of the engine."""
    for name, reason in NOT_PARAMETERS.items():
        if name in params:
            raise EngineError(f"{name} is not a parameter of an engine: {reason}", kind="bad_parameter")
    for name in params:
        if _looks_secret(name, provider):
            raise EngineError(
                f"unknown parameter {shown(name)} of {provider.name}; pass a key as api_key=…, so that it goes into no body",
                kind="bad_parameter",
            )
    check_params(provider, params)
    body_params = dict(params)
    engine_params = {name: body_params.pop(name) for name in ENGINE if name in body_params}
    settings = {name: body_params.pop(name) for name in tuple(body_params) if name in provider.settings}
    settings |= {
        name: engine_params[name] for name in ("connect_timeout", "record") if engine_params.get(name) is not None
    }
    return settings, body_params, engine_params


def _looks_secret(name: str, provider: Provider) -> bool:
    """Tell whether a name may be that of a key which would go into the body; those of token numbers are not."""
    if name in provider.settings or not names_a_secret(name):
        return False
    token_numbers = [param_name for param_name in params_of(provider) if param_name.endswith("_tokens")]
    return not nearest_name(name, token_numbers)


def _result(reply: Reply, provider: Provider, failure: str, info: ModelInfo | None) -> InferenceResult:
    result = reply.result()
    own_prices = (replace(info, id=result.model),) if info else ()
    result = result if result.provider else result.replace(provider=provider.name)
    return ended(with_cost(result, own_prices), failure)


def _reply_turn(blocks: Iterable[Any], result: InferenceResult) -> Turn:
    """Return a Turn of a reply's blocks, signed with its result like those of an engine."""
    identified = (_with_call_id(block, f"{result.response_id}/{place}") for place, block in enumerate(blocks))
    signed = (block._with(metadata=block.metadata.with_frozen(INFERENCE_RESULT, result)) for block in identified)
    turn = Turn(PersistentList(signed)).with_metadata(INFERENCE_RESULT, result)
    return turn._with(metadata=turn.metadata.with_appended(INFERENCES, result))


def _with_call_id(block: Block, place: str) -> Block:
    """Give a call without an id one, the same at every reading: its result must name it."""
    if block.kind != "tool_call" or block.tool_call_id:
        return block
    call_id = "call_" + hashlib.sha256(f"{place}/{block.name}".encode("utf-8", "replace")).hexdigest()[:24]
    with_id = block.replace(payload={**block.payload, "id": call_id})
    return with_id._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: ""}))


__all__ = [
    "Cassette",
    "Counting",
    "Medium",
    "MessageLayout",
    "Param",
    "PortableSettings",
    "Provider",
    "ProviderEngine",
    "Replay",
    "Scripted",
    "StructuredOutput",
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
