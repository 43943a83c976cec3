"""The contract between nbturns and one provider: its codec, its transport, and the facts about its API.

A codec knows the words of its provider and no network: it writes a request as a plain dict
and builds a reply from plain dicts. A transport carries the bytes. A recorded response is
therefore decoded by the same code as one that arrives on a socket.

Everything that differs between providers is an attribute of a `Provider`, so that one which
another package installs (entry point group `nbturns.engines`) has the same rights as ours.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..errors import EngineError
from ..events import Delta
from ..runtime.engine_protocol import Scope
from ..runtime.engine_protocol import discard_event as discard_event
from ..safety.secret_texts import HIDDEN_TEXT, data_without_texts, names_a_secret, secrets_in_body
from ..values.frozen_json import EMPTY_DICT, freeze, thaw, unchecked_constructor
from ..values.inference_results import INFERENCE_RESULT, FinishClass, InferenceResult
from ..values.inference_settings import StructuredOutputConfig
from ..values.metadata import Key
from ..values.turns import Block, Turn
from .token_endpoint import Counting

if TYPE_CHECKING:
    from .media import Medium
    from .parameters.schema import Param
    from .transports.account import AccountVariables

DeltaListener: TypeAlias = Callable[[Delta], object]
Parameters: TypeAlias = dict[str, Any]
Translation: TypeAlias = tuple[Parameters, list[str]]  # parameters, and the settings that have no parameter

delta: Callable[..., Delta] = unchecked_constructor(
    Delta
)  # takes the fields of a Delta; there is one for each event of a stream


class Reply(Protocol):
    """A reply under construction. Raises EngineError for an error that the provider reports."""

    complete: bool  # True after the last event

    def body(self, data: Any) -> None: ...
    def event(self, name: str, data: Any) -> None: ...
    def end(self) -> None: ...
    def blocks(self) -> tuple[Block, ...]: ...
    def result(self) -> InferenceResult: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseStream:
    """An HTTP response whose body is still arriving."""

    chunks: AsyncIterator[bytes]
    content_type: str = ""
    request_id: str = ""
    rate_limits: Mapping[str, str] = EMPTY_DICT  # headers that tell what is left of the account's limits


class Transport(Protocol):
    """Sends one request. Raises EngineError for refusals and broken connections."""

    def open(self, body: Mapping[str, Any]) -> AbstractAsyncContextManager[ResponseStream]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PortableSettings:
    """The translation of settings that every provider shares into the parameters of one.

    `translate` takes settings by their portable names (`nbturns.engines.params` lists them)
    and returns the provider's parameters and the names it has no parameter for. `params` are
    further settings that only this provider translates. `same` are groups of names for one parameter. `turn_key` holds settings for this
    provider alone in `turn.data`, `server_tools_key` tools that its servers run.
    """

    translate: Callable[[Parameters], Translation]
    params: Mapping[str, Param] = EMPTY_DICT
    same: tuple[tuple[str, ...], ...] = ()
    turn_key: Key[Any] | None = None
    server_tools_key: Key[list[Any]] | None = None


def _accepts_every_schema(model: str, config: StructuredOutputConfig) -> bool:
    del model, config
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuredOutput:
    """The parameters that ask for an answer of a given JSON Schema.

    `accepts` tells whether a model takes this schema as a parameter; where it does not, the
    schema is written into a system block.
    """

    parameters: Callable[[StructuredOutputConfig], Parameters]
    accepts: Callable[[str, StructuredOutputConfig], bool] = _accepts_every_schema


def _plain_head(parts: list[Any], first: Block) -> Any:
    del first
    return parts[0] if len(parts) == 1 and isinstance(parts[0], str) else parts


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLayout:
    """The fields of a request that hold the conversation, as `Turn.to_messages` returns them.

    `messages` is the list of messages and `head` the system prompt outside it ("" for a
    provider that has none). `parts` is the list of parts inside a message, "" where every
    block is an item of its own. `listed_roles` are roles of system blocks that are messages.
    `head_value` makes the value of `head` from the parts of the system prompt and its first
    block. `write`, where given, writes all messages and replaces the other rules.
    """

    messages: str
    head: str = ""
    parts: str = ""
    model_role: str = "assistant"
    listed_roles: frozenset[str] = frozenset()
    head_value: Callable[[list[Any], Block], Any] = _plain_head
    write: Callable[[Turn], list[dict[str, Any]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One API: its requests, its replies, its parameters, and its transport.

    `request` makes the body from a Turn, its scope, the model and the parameters; `history`
    reads a body back into a Turn, `counting` asks how many tokens a request has. `settings`
    are the parameters of the transport, which stay out of the body. `transport` raises
    EngineError when its package is missing. A provider needs only the first five; each
    further attribute switches on what its comment says.
    """

    name: str
    request: Callable[[Turn, Scope, str, Mapping[str, Any]], dict[str, Any]]
    reply: Callable[[DeltaListener, str], Reply]
    transport: Callable[[Mapping[str, Any]], Transport]
    settings: frozenset[str]
    history: Callable[[Mapping[str, Any]], Turn] | None = None
    counting: Counting | None = None
    server: str = ""  # the server behind the API, where several speak it
    account: AccountVariables | None = None  # the variables with its address and its keys
    hosts: tuple[str, ...] = ()  # the ends of the names of its hosts, which its keys are for
    at: Callable[[Mapping[str, Any]], Provider] | None = None  # the variant for these parameters, like another server
    params: Mapping[str, Param] | None = None  # checks parameters and their types; without it all are accepted
    portable: PortableSettings | None = None  # translates temperature, max_tokens, …; without it all go as they are
    remove_unsupported: Callable[[str, Parameters, bool | None], list[str]] | None = (
        None  # edits parameters that a model refuses
    )
    adapt: Callable[[Turn, Scope, str, Parameters], tuple[Turn, list[str]]] | None = (
        None  # fits a Turn, and its parameters in place, to a model; with a sentence for each change
    )
    sign_blocks: Callable[[tuple[Block, ...], Mapping[str, Any]], tuple[Block, ...]] | None = (
        None  # notes in the blocks of a reply what of the request they depend on
    )
    structured_output: StructuredOutput | None = None  # sends schemas; without it they go as words
    messages: MessageLayout | None = None  # makes Turn.to_messages work
    read_medium: Callable[[Mapping[str, Any]], Medium | None] | None = None  # lets other providers read its media
    namespace: str = ""  # begins the names of its block metadata (`OriginalItems`); its own name unless given
    result_names: frozenset[str] | None = None  # values of `InferenceResult.provider` of this API alone; its name
    output_limits: tuple[str, ...] = ("max_tokens", "max_output_tokens", "max_completion_tokens")  # paths in the body

    @property
    def family(self) -> str:
        """The namespace of the metadata that its blocks carry."""
        return self.namespace or self.name

    def makes(self, provider_name: str) -> bool:
        """Tell whether results that name this provider can only be of this API."""
        return provider_name in ({self.name} if self.result_names is None else self.result_names)

    def remove_refused(self, model: str, params: Mapping[str, Any], *, reasons: bool | None = None) -> Translation:
        """Return the parameters without those that `model` refuses, and a sentence for each change.

        `reasons` tells whether the model reasons, where its name does not.
        """
        accepted = dict(params)
        changes = self.remove_unsupported(model, accepted, reasons) if self.remove_unsupported else []
        return accepted, changes

    def output_limit(self, body: Mapping[str, Any]) -> Any:
        """Return the limit of the answer, in tokens, that a request body sets; None without one."""
        for path in self.output_limits:
            value: Any = body
            for field in path.split("."):
                value = value.get(field) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return None


def ended(result: InferenceResult, failure: str) -> InferenceResult:
    """Return the record of a call that `failure` ended early; unchanged where that is ""."""
    if not failure:
        return result
    if failure == "interrupted":
        return result.replace(stop_reason=failure, finish_class=FinishClass.INTERRUPTED)
    reason = failure if failure == "stream_cut" else "error"
    return result.replace(
        stop_reason=reason, finish_class=FinishClass.ERROR, extra=freeze({**result.extra, "reason": failure})
    )


def answered(turn: Turn, blocks: tuple[Block, ...], result: InferenceResult) -> Turn:
    """Return the Turn with the blocks of a reply and the record of its call."""
    return (turn + blocks).with_metadata(INFERENCE_RESULT, result)


def kind_at(error: EngineError, status: int) -> str:
    """Return the provider's name of an error that came with an HTTP status; "http_502" where it has none."""
    return f"http_{status}" if error.kind in ("", "error", "bad_response") else error.kind


def without_secrets(value: Any) -> Any:
    """Return a plain copy in which keys, tokens and passwords are "…", also those in addresses."""
    return data_without_texts(_named_secrets_hidden(value), secrets_in_body(value))


def _named_secrets_hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: HIDDEN_TEXT if isinstance(item, str) and names_a_secret(name) else _named_secrets_hidden(item)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_named_secrets_hidden(item) for item in value]
    return thaw(value)
