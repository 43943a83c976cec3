"""Engines and middlewares as types, and the layers that record model calls.

An engine is a function from a Turn to a longer Turn; a middleware is a function that wraps
one. Directly around the engine, below all middlewares, each model call signs the blocks it
made: a retry gives two signatures, a block inserted by a middleware has none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ..errors import EngineError, NbturnsError, attach_turn, attached_turn, describe_error
from ..events import Delta, Event, Notice, Sink, inference_finished, inference_started
from ..values.frozen_json import unchecked_constructor
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass, InferenceResult
from ..values.metadata import NO_METADATA, Metadata
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn
from .background_loop import is_closing_coroutine, until_written
from .call_ids import PROVIDER_CALL_ID, contains_tool_call, with_block_ids
from .call_rules import CallRule
from .layer_records import LayerCall, function_name
from .marks import ending_of, error_record
from .streamed_texts import StreamedTexts
from .toolbox import TOOL_CONFIG, Toolbox, ToolConfig


def discard_event(event: Event) -> None:
    """Ignore an event; the default sink of a Scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The context of one model call: tools, settings, the event sink."""

    tools: Toolbox = field(default_factory=Toolbox)
    tool_config: ToolConfig = ToolConfig()  # noqa: RUF009  # a value, which never changes
    emit: Sink = discard_event
    new_id: Callable[[], str] = str  # "" outside a session
    inference_id: str = ""
    iteration: int = 0
    attempt: int = 1  # of this model call, from 1; a middleware that retries increments it
    replacement_engine: Engine | None = None  # called and signed in place of the engine
    turn_config: ToolConfig | None = None  # the settings of a Turn that `tool_config` already contains
    offered_tools: dict[str, Toolbox] | None = None  # by inference id, for the loop
    call_rules: tuple[CallRule, ...] = ()  # consulted before a tool runs

    def replace(self, **changes: Any) -> Scope:
        """Return a Scope with other fields, such as `tools` or `tool_config`, for one model call."""
        return replace(self, **changes)

    def at_iteration(self, iteration: int) -> Scope:
        """Return a Scope for another iteration of the tool loop, the first being 0."""
        return self._derive(self.emit, self.inference_id, iteration, self.tools)

    def with_config_of(self, turn: Turn) -> Scope:
        """Return the scope with the tool settings that `turn` states, field by field."""
        turn_config = turn.data.get(TOOL_CONFIG)
        if turn_config is None or turn_config == self.turn_config:
            return self
        return self.replace(tool_config=self.tool_config.updated_by(turn_config), turn_config=turn_config)

    def with_allowed_tools(self, turn: Turn) -> Scope:
        """Return the scope with the tools that its settings and those of `turn` allow."""
        scope = self.with_config_of(turn)
        allowed = scope.tool_config.allowed_in(turn)
        return scope if allowed is None else scope.replace(tools=scope.tools.only(allowed))

    def for_model_call(self, id: str, emit: Sink) -> Scope:
        """Return a Scope for one model call, with its id and its sink."""
        return self._derive(emit, id, self.iteration, self.tools)

    def _derive(self, emit: Sink, inference_id: str, iteration: int, tools: Toolbox) -> Scope:
        """Return a copy with these values; faster than `replace`, for two copies per model call."""
        engine, offered_tools = self.replacement_engine, self.offered_tools
        return _make_scope(
            tools, self.tool_config, emit, self.new_id, inference_id, iteration, self.attempt, engine, self.turn_config,
            offered_tools, self.call_rules,
        )  # fmt: skip


_make_scope = unchecked_constructor(Scope)


Engine: TypeAlias = "Callable[[Turn, Scope], Awaitable[Turn]]"
Middleware: TypeAlias = Callable[[Turn, Scope, Engine], Awaitable[Turn]]


def wrap_with_middleware(
    engine: Engine, middleware: Iterable[Middleware], record_layer: Callable[[LayerCall], object] | None = None
) -> Engine:
    """Wrap `engine` in `middleware`; the first is the outermost. `record_layer` gets each pass through one."""
    layers = tuple(middleware)
    for depth in reversed(range(len(layers))):
        engine = _wrap_engine(layers[depth], engine, depth, record_layer)
    return engine


def _wrap_engine(
    layer: Middleware, inner_engine: Engine, depth: int, record_layer: Callable[[LayerCall], object] | None
) -> Engine:
    async def engine(turn: Turn, scope: Scope) -> Turn:
        call = LayerCall(scope.iteration, depth, layer, turn)
        if record_layer is not None:
            record_layer(call)
        awaitable_turn = layer(turn, scope, inner_engine)
        if not hasattr(awaitable_turn, "__await__"):
            raise EngineError(
                f"a middleware must be an async function; write `async def {function_name(layer)}(turn, scope, engine)`"
            )
        call.returned = answer = await awaitable_turn
        return answer

    engine.__wrapped__ = inner_engine  # type: ignore[attr-defined]  # read by `innermost_engine`
    return engine


def innermost_engine(engine: Any) -> Any:
    """Return the engine below all middlewares."""
    while (inner := getattr(engine, "__wrapped__", None)) is not None:
        engine = inner
    return engine


def recording_engine(
    engine: Engine,
    middleware: Iterable[Middleware],
    record_call: Callable[[ModelCall], object] = id,
    record_layer: Callable[[LayerCall], object] | None = None,
) -> Engine:
    """Return the engine that the loop calls: the signing engine wrapped in `middleware`, with a ledger of its calls.

    A middleware may call the engine several times, drop an answer, or insert blocks. Whatever it
    returns or raises, the ledger of the Turn lists each model call, and each new block gets an id.
    An engine with a method `signing_engine` makes several calls and signs each itself. The `layers`
    of an engine are its innermost middlewares, except those of a type that `middleware` contains.
    `record_call` is called with each finished call.
    """
    calls: list[ModelCall] = []
    middleware_list = tuple(middleware)

    def record_in_both(call: ModelCall) -> None:
        calls.append(call)
        record_call(call)

    record_function = calls.append if record_call is id else record_in_both
    signed_engine = (
        _multi_call_engine(engine, record_function)
        if hasattr(engine, "signing_engine")
        else signing_engine(engine, record_function)
    )
    all_layers = (*middleware_list, *_engine_layers(engine, middleware_list))
    layers = wrap_with_middleware(signed_engine, all_layers, record_layer)

    async def ledger_engine(turn: Turn, scope: Scope) -> Turn:
        calls.clear()
        try:
            answer = await layers(turn, scope)
            if not isinstance(answer, Turn):
                raise EngineError(
                    f"a middleware must return a Turn, got {type(answer).__name__}; return the Turn of the engine"
                )
        except BaseException as error:  # the error carries the Turn, whatever its type
            partial_turn = _partial_turn(error, calls[-1].answer if calls else turn)
            attach_turn(error, with_block_ids(_with_ledger(partial_turn, turn, calls), turn, scope.new_id))
            raise
        if len(calls) == 1 and calls[0].input_turn is turn and calls[0].answer is answer:
            return answer  # no middleware changed it
        return with_block_ids(_with_ledger(answer, turn, calls), turn, scope.new_id)

    return ledger_engine


def _multi_call_engine(engine: Any, record_call: Callable[[ModelCall], object]) -> Engine:
    """Return an engine that makes several calls and signs each; a replacement is one call, signed here."""
    signing_engine_of_calls, signing_engine_of_one = (
        engine.signing_engine(record_call),
        signing_engine(engine, record_call),
    )

    async def sign_call(turn: Turn, scope: Scope) -> Turn:
        answer: Turn = await (signing_engine_of_calls if scope.replacement_engine is None else signing_engine_of_one)(
            turn, scope
        )
        return answer

    sign_call.__wrapped__ = engine  # type: ignore[attr-defined]  # see `innermost`
    return sign_call


def _engine_layers(engine: Engine, middleware: tuple[Middleware, ...]) -> Iterable[Middleware]:
    """Return the own layers of an engine, without those of a type in `middleware`."""
    kinds = {type(layer) for layer in middleware}
    return [layer for layer in getattr(engine, "layers", ()) if type(layer) not in kinds]


def _with_ledger(answer: Turn, asked_turn: Turn, calls: Iterable[ModelCall]) -> Turn:
    """Return `answer` with the results of these model calls in its ledger."""
    previous_ledger = asked_turn.metadata.get(INFERENCES) or PersistentList()
    complete_ledger = previous_ledger + (call.result for call in calls)
    if INFERENCES in answer.metadata and len(answer.metadata[INFERENCES]) == len(complete_ledger):
        return answer
    return (
        answer._with(metadata=answer.metadata.with_frozen(INFERENCES, complete_ledger))
        if len(complete_ledger)
        else answer
    )


def signing_engine(engine: Engine, record_call: Callable[[ModelCall], object] = id) -> Engine:
    """Return the innermost layer: it makes one model call and signs the new blocks with its result and id.

    A failed call is signed too: its partial answer is on `error.turn`, with its result in the
    ledger. Other errors than NbturnsError become an EngineError. `record_call` is called with
    each finished call.
    """

    async def signed_engine(turn: Turn, scope: Scope) -> Turn:
        call = ModelCall(turn, scope, record_call)
        if call.write is not None:
            await until_written(call.write)
        try:
            awaitable_turn = (scope.replacement_engine or engine)(call.input_turn, call.scope)
            if not hasattr(awaitable_turn, "__await__"):
                raise EngineError(
                    f"an engine must be an async function; write `async def {function_name(engine)}(turn, scope)`"
                )
            answer = await awaitable_turn
            if not isinstance(answer, Turn):
                raise EngineError(
                    f"an engine must return a Turn, got {type(answer).__name__}; return the Turn it was called with plus blocks"
                )
        except asyncio.CancelledError as cancellation:
            cancellation.turn = call.sign(_partial_turn(cancellation, call.input_turn), cancellation)  # type: ignore[attr-defined]  # the cancellation carries the partial Turn
            raise
        except NbturnsError as error:
            error.turn = call.sign(_partial_turn(error, call.input_turn), error)
            raise
        except BaseException as error:  # an engine may raise anything; the error must carry the Turn
            if is_closing_coroutine(error):
                raise
            partial_turn = call.sign(_partial_turn(error, call.input_turn), error)
            raise EngineError(f"the engine raised {describe_error(error)}", turn=partial_turn) from error
        return call.sign(answer)

    signed_engine.__wrapped__ = engine  # type: ignore[attr-defined]  # see `innermost`
    return signed_engine


def _partial_turn(error: BaseException, turn: Turn) -> Turn:
    partial_turn = attached_turn(error)
    return partial_turn if isinstance(partial_turn, Turn) else turn


EMPTY_RESULT = InferenceResult()  # for an engine that reports no result
NO_BLOCK_IDS: frozenset[int] = frozenset()
NO_LEDGER: PersistentList[InferenceResult] = PersistentList()


class ModelCall:
    """A model call in progress, then its signed answer and its result."""

    __slots__ = (
        "answer",
        "attempt",
        "emit",
        "first_token_ms",
        "id",
        "input_turn",
        "new_id",
        "record_call",
        "result",
        "scope",
        "started_at",
        "streamed_texts",
        "write",
    )
    answer: Turn
    result: InferenceResult

    def __init__(self, turn: Turn, scope: Scope, record_call: Callable[[ModelCall], object]) -> None:
        self.id: str = scope.new_id()
        self.record_call: Callable[[ModelCall], object] = record_call
        self.input_turn: Turn = turn
        self.emit: Callable[[Event], object] = scope.emit
        self.new_id: Callable[[], str] = scope.new_id
        self.attempt: int = scope.attempt
        if scope.offered_tools is not None:
            scope.offered_tools[self.id] = scope.tools
        self.scope: Scope = scope.with_allowed_tools(turn).for_model_call(self.id, self._forward_event)
        self.first_token_ms: int | None = None
        self.streamed_texts: StreamedTexts = StreamedTexts()
        self.write: Any = scope.emit(inference_started(self.id, turn))
        turn.calls  # noqa: B018 - computed now, so that blocks added later are recognized
        self.started_at: float = time.perf_counter()

    def _forward_event(self, event: Event) -> None:
        if isinstance(event, Delta):
            if self.first_token_ms is None:
                self.first_token_ms = self._elapsed_ms()
            self.streamed_texts.add(event)
        self.emit(event)

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self.started_at) * 1000)

    def sign(self, answer: Turn, error: BaseException | None = None) -> Turn:
        """Return `answer` with the result of this call on its new blocks; `error` ended the call early."""
        new_blocks = answer._blocks_added_to(self.input_turn)
        shared_head, old_blocks = (
            (self.input_turn, NO_BLOCK_IDS) if new_blocks is not None else self._split_at_shared_head(answer)
        )
        if new_blocks is None:
            new_blocks = answer.blocks.tuple_from(len(shared_head))
        own_blocks = tuple([block for block in new_blocks if id(block) not in old_blocks]) if old_blocks else new_blocks
        for tail in self.streamed_texts.missing_tails(self.id, own_blocks):
            self.emit(tail)
        self.result = result = self._result(answer.metadata, own_blocks, error)
        signature = (InferenceResult, result)
        all_blocks, signed_blocks = self._sign_blocks(
            new_blocks, old_blocks, {INFERENCE_RESULT.name: signature, INFERENCE_ID.name: self.id}
        )
        ledger = answer.metadata.get(INFERENCES) or NO_LEDGER
        metadata_values = {INFERENCE_RESULT.name: signature, INFERENCES.name: (INFERENCES.type, ledger.append(result))}
        self.emit(inference_finished(result, signed_blocks))
        self.answer = shared_head._with_appended(
            all_blocks, answer, answer.metadata.with_stored_values(metadata_values)
        )
        self.record_call(self)
        return self.answer

    def _split_at_shared_head(self, answer: Turn) -> tuple[Turn, Container[int]]:
        """Return the head that `answer` shares with the input, and the ids of later blocks of the input."""
        asked_turn = self.input_turn
        kept_count = answer.blocks.shared_length(asked_turn.blocks)
        if kept_count == len(asked_turn):
            return asked_turn, NO_BLOCK_IDS
        return answer._with(blocks=answer.blocks.head(kept_count)), frozenset(
            map(id, asked_turn.blocks.tuple_from(kept_count))
        )

    def _sign_blocks(
        self, new_blocks: tuple[Block, ...], old_blocks: Container[int], signature: dict[str, Any]
    ) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """Return all new blocks, signed except the old ones among them, and the signed blocks alone."""
        shared_metadata = NO_METADATA.with_stored_values(signature)  # one object for all blocks without metadata
        used_ids: set[str] = set()
        all_blocks: list[Block] = []
        signed_blocks: list[Block] = []
        for block in new_blocks:
            is_call = block.kind == "tool_call"
            if not old_blocks or id(block) not in old_blocks:
                if is_call:
                    block = self._with_distinct_call_id(block, used_ids)
                metadata = block.metadata
                metadata = shared_metadata if metadata is NO_METADATA else metadata.with_stored_values(signature)
                block = block.with_signature(block.id or self.new_id(), metadata)
                signed_blocks.append(block)
            if is_call:
                used_ids.add(block.tool_call_id)
            all_blocks.append(block)
        all_signed = tuple(all_blocks)
        return all_signed, tuple(signed_blocks) if old_blocks else all_signed

    def _result(
        self, metadata: Metadata, own_blocks: tuple[Block, ...], error: BaseException | None
    ) -> InferenceResult:
        result = EMPTY_RESULT
        if not metadata.shares_value(
            INFERENCE_RESULT, self.input_turn.metadata
        ):  # else it belongs to the previous call
            result = metadata.get(INFERENCE_RESULT) or EMPTY_RESULT
        failure = ending_of(error)
        stop_reason = result.stop_reason or failure
        finish_class = result.finish_class
        if failure and finish_class in (FinishClass.UNKNOWN, FinishClass.TOOL_CALLS_PENDING, FinishClass.COMPLETED):
            finish_class = FinishClass(failure)
        elif finish_class is FinishClass.UNKNOWN and (stop_reason or own_blocks):
            finish_class = FinishClass.of(stop_reason or "stop", pending=contains_tool_call(own_blocks))
        if self.attempt > 1:
            result = result.replace(attempts=self.attempt)
        record = None if error is None else error_record(error)
        return result.completed(self.id, stop_reason, finish_class, self._elapsed_ms(), self.first_token_ms, record)

    def _with_distinct_call_id(self, block: Block, used_ids: set[str]) -> Block:
        """Return a tool call with a distinct id, if it has none or one that was used before."""
        id = block.tool_call_id
        if id and id not in used_ids and not self.input_turn.calls.contains_id(id):
            return block
        distinct_id = f"call_{self.new_id()}"
        self.emit(
            Notice(
                f"{block.name}: the model's call had {f'the id {id}, which was used before' if id else 'no id'}; its new id is {distinct_id}"
            )
        )
        return block.edit(id=distinct_id)._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: id}))
