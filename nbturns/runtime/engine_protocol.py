"""The one idea of this package, in types.

An engine is a function from a Turn to a longer Turn. A middleware is a function that
stands around an engine. Around the engine itself, below all middlewares, each call
signs the blocks it made: a retry makes two signatures, an inserted block has none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Container, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ..errors import EngineError, NbturnsError
from ..events import Delta, Event, Notice, Sink, inference_finished, inference_started
from ..values.frozen_json import unchecked_constructor
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass, InferenceResult
from ..values.metadata import NO_METADATA, Metadata
from ..values.persistent_list import PersistentList
from ..values.turns import Block, Turn
from .call_ids import PROVIDER_CALL_ID
from .toolbox import Toolbox, ToolConfig


def discard_event(event: Event) -> None:
    """The sink of a call nobody listens to."""


def no_id() -> str:
    """Outside a session nothing needs an id."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The context of one model call: tools, settings, the event sink."""

    tools: Toolbox = field(default_factory=Toolbox)
    tool_config: ToolConfig = ToolConfig()  # noqa: RUF009  # a value, which never changes
    emit: Sink = discard_event
    new_id: Callable[[], str] = no_id
    inference_id: str = ""
    iteration: int = 0
    attempt: int = 1  # which try of this call it is; a middleware that asks again counts it up
    instead: Engine | None = None  # what a middleware lets answer in the engine's place, and be signed like it

    def replace(self, **changes: Any) -> Scope:
        return replace(self, **changes)

    def at(self, iteration: int) -> Scope:
        return self._derive(self.emit, self.inference_id, iteration, self.tools)

    def of_call(self, id: str, emit: Sink, allowed: Container[str] | None) -> Scope:
        return self._derive(emit, id, self.iteration, self.tools if allowed is None else self.tools.only(allowed))

    def _derive(self, emit: Sink, inference_id: str, iteration: int, tools: Toolbox) -> Scope:
        """Return a copy with these values; faster than `replace`, because there are two a model call."""
        return _make_scope(
            tools, self.tool_config, emit, self.new_id, inference_id, iteration, self.attempt, self.instead
        )


_make_scope = unchecked_constructor(Scope)


Engine: TypeAlias = "Callable[[Turn, Scope], Awaitable[Turn]]"
Middleware: TypeAlias = Callable[[Turn, Scope, Engine], Awaitable[Turn]]


def wrap_with_middleware(engine: Engine, middleware: Iterable[Middleware]) -> Engine:
    """Wrap `engine` in `middleware`; the first is the outermost."""
    for layer in reversed(tuple(middleware)):
        engine = _wrap_engine(layer, engine)
    return engine


def _wrap_engine(layer: Middleware, inner: Engine) -> Engine:
    async def engine(turn: Turn, scope: Scope) -> Turn:
        coming = layer(turn, scope, inner)
        if not hasattr(coming, "__await__"):
            raise EngineError(
                f"a middleware is an async function; write `async def {_function_name(layer)}(turn, scope, engine)`"
            )
        return await coming

    engine.__wrapped__ = inner  # type: ignore[attr-defined]  # so that a layer can ask what it stands around
    return engine


def innermost_engine(engine: Any) -> Any:
    """The engine itself, below all that stands around it."""
    while (inner := getattr(engine, "__wrapped__", None)) is not None:
        engine = inner
    return engine


def _function_name(function: Any) -> str:
    name: str = getattr(function, "__name__", type(function).__name__)
    return name if name.isidentifier() else "ask"


def recording_engine(
    engine: Engine, middleware: Iterable[Middleware], note: Callable[[ModelCall], object] = id
) -> Engine:
    """Return the engine that the loop calls: the signing engine wrapped in `middleware`, with a ledger of its calls.

    A middleware may ask twice, drop an answer, insert blocks. Whatever it returns or
    raises, each call it made is in the Turn's ledger, and each new block has an id. An
    engine with a method `signing` makes several calls, and signs each itself. One may
    bring `layers`, which stand closest around it, but for those of a kind that is listed
    already. `note` is told of each call when it is over.
    """
    calls: list[ModelCall] = []
    middleware_list = tuple(middleware)

    def record_and_note(call: ModelCall) -> None:
        calls.append(call)
        note(call)

    record = calls.append if note is id else record_and_note
    signed_engine = _multi_call_engine(engine, record) if hasattr(engine, "signing") else signing_engine(engine, record)
    layers = wrap_with_middleware(signed_engine, (*middleware_list, *_engine_layers(engine, middleware_list)))

    async def asked_engine(turn: Turn, scope: Scope) -> Turn:
        calls.clear()
        try:
            answer = await layers(turn, scope)
            if not isinstance(answer, Turn):
                raise EngineError(
                    f"a middleware returns a Turn, and one returned {type(answer).__name__}: return what the engine gave it"
                )
        except (asyncio.CancelledError, Exception) as error:  # whatever it is, the Turn must travel with it
            so_far = _partial_turn(error, calls[-1].answer if calls else turn)
            error.turn = with_block_ids(_with_ledger(so_far, turn, calls), turn, scope.new_id)  # type: ignore[union-attr]
            raise
        if len(calls) == 1 and calls[0].asked is turn and calls[0].answer is answer:
            return answer  # nobody stood between
        return with_block_ids(_with_ledger(answer, turn, calls), turn, scope.new_id)

    return asked_engine


def _multi_call_engine(engine: Any, note: Callable[[ModelCall], object]) -> Engine:
    """An engine that makes several calls and signs each; what answers in its place is one call, signed here."""
    sign_each, sign_once = engine.signing(note), signing_engine(engine, note)

    async def signed(turn: Turn, scope: Scope) -> Turn:
        answer: Turn = await (sign_each if scope.instead is None else sign_once)(turn, scope)
        return answer

    signed.__wrapped__ = engine  # type: ignore[attr-defined]  # see `innermost`
    return signed


def _engine_layers(engine: Engine, middleware: tuple[Middleware, ...]) -> Iterable[Middleware]:
    """The layers an engine brings along, but those of a kind that was listed by hand."""
    kinds = {type(layer) for layer in middleware}
    return [layer for layer in getattr(engine, "layers", ()) if type(layer) not in kinds]


def _with_ledger(answer: Turn, asked_turn: Turn, calls: Iterable[ModelCall]) -> Turn:
    """`answer` with the result of each call that was made for it in its ledger."""
    previous_ledger = asked_turn.metadata.get(INFERENCES) or PersistentList()
    complete_ledger = previous_ledger + (call.result for call in calls)
    if INFERENCES in answer.metadata and len(answer.metadata[INFERENCES]) == len(complete_ledger):
        return answer
    return (
        answer._with(metadata=answer.metadata.holding(INFERENCES, complete_ledger)) if len(complete_ledger) else answer
    )


def with_block_ids(turn: Turn, known_turn: Turn, new_id: Callable[[], str]) -> Turn:
    """`turn` with an id on each block that was not in `before` and has none."""
    for index in range(turn.blocks.shared(known_turn.blocks), len(turn)):
        if not turn.blocks[index].id:
            turn = turn.replace(index, turn.blocks[index]._with(id=new_id()))
    return turn


def signing_engine(engine: Engine, note: Callable[[ModelCall], object] = id) -> Engine:
    """The innermost layer: one call, its result, and its name on the blocks it made.

    A failed call is signed too: whatever it had brought so far is on `error.turn`, with
    its result in the Turn's ledger. What is not an NbturnsError becomes an EngineError.
    `note` is told of each call when it is over.
    """

    async def signed(turn: Turn, scope: Scope) -> Turn:
        call = ModelCall(turn, scope, note)
        try:
            coming = (scope.instead or engine)(call.asked, call.scope)
            if not hasattr(coming, "__await__"):
                raise EngineError(
                    f"an engine is an async function; write `async def {_function_name(engine)}(turn, scope)`"
                )
            answer = await coming
            if not isinstance(answer, Turn):
                raise EngineError(
                    f"an engine returns a Turn, and this one returned {type(answer).__name__}: add blocks to the Turn it was given"
                )
        except asyncio.CancelledError as stop:
            stop.turn = call.signed(_partial_turn(stop, call.asked), failed="interrupted")  # type: ignore[attr-defined]  # partial work travels with the stop
            raise
        except NbturnsError as error:
            error.turn = call.signed(_partial_turn(error, call.asked), failed="error")
            raise
        except (
            Exception,
            SystemExit,
            KeyboardInterrupt,
        ) as error:  # an engine is any function, and may raise anything; the Turn must travel with it
            so_far = call.signed(_partial_turn(error, call.asked), failed="error")
            raise EngineError(f"the engine raised {type(error).__name__}: {error}", turn=so_far) from error
        return call.signed(answer)

    signed.__wrapped__ = engine  # type: ignore[attr-defined]  # see `innermost`
    return signed


def _partial_turn(error: BaseException, turn: Turn) -> Turn:
    partial = getattr(error, "turn", None)
    return partial if isinstance(partial, Turn) else turn


EMPTY_RESULT = InferenceResult()  # of an engine that says nothing of its calls
NO_BLOCK_IDS: frozenset[int] = frozenset()
NO_LEDGER: PersistentList[InferenceResult] = PersistentList()


def _calls_a_tool(blocks: tuple[Block, ...]) -> bool:
    for block in blocks:  # noqa: SIM110  # asked of each model call, and any() takes as long again
        if block.kind == "tool_call":
            return True
    return False


class ModelCall:
    """One model call while it lasts, and what became of it."""

    __slots__ = (
        "answer",
        "asked",
        "attempt",
        "emit",
        "first_token_ms",
        "id",
        "new_id",
        "note",
        "result",
        "scope",
        "started",
    )
    answer: Turn
    result: InferenceResult

    def __init__(self, turn: Turn, scope: Scope, note: Callable[[ModelCall], object]) -> None:
        self.id = scope.new_id()
        self.note = note
        self.asked = turn
        self.emit = scope.emit
        self.new_id = scope.new_id
        self.attempt = scope.attempt
        self.scope = scope.of_call(self.id, self._hear, scope.tool_config.allowed_in(turn))
        self.first_token_ms: int | None = None
        scope.emit(inference_started(self.id, turn))
        turn.calls  # noqa: B018 - known from here on, so that what is added to the Turn can be told from it
        self.started = time.perf_counter()

    def _hear(self, event: Event) -> None:
        if self.first_token_ms is None and isinstance(event, Delta):
            self.first_token_ms = self._elapsed_ms()
        self.emit(event)

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self.started) * 1000)

    def signed(self, answer: Turn, failed: str = "") -> Turn:
        """`answer` with this call's result on the blocks that were not there before."""
        new_blocks = answer._added_to(self.asked)
        head, old_blocks = (self.asked, NO_BLOCK_IDS) if new_blocks is not None else self._divided(answer)
        if new_blocks is None:
            new_blocks = answer.blocks.rest(len(head))
        own_blocks = tuple([block for block in new_blocks if id(block) not in old_blocks]) if old_blocks else new_blocks
        self.result = result = self._result(answer.metadata, own_blocks, failed)
        signature = (InferenceResult, result)
        all_blocks, signed_blocks = self._marked(
            new_blocks, old_blocks, {INFERENCE_RESULT.name: signature, INFERENCE_ID.name: self.id}
        )
        ledger = answer.metadata.get(INFERENCES) or NO_LEDGER
        metadata_values = {INFERENCE_RESULT.name: signature, INFERENCES.name: (INFERENCES.type, ledger.append(result))}
        self.emit(inference_finished(result, signed_blocks))
        self.answer = head._grown(all_blocks, answer, answer.metadata.holding_all(metadata_values))
        self.note(self)
        return self.answer

    def _divided(self, answer: Turn) -> tuple[Turn, Container[int]]:
        """The head of `answer` that is the Turn's own, and which of the blocks behind it the Turn had as well."""
        asked_turn = self.asked
        kept_count = answer.blocks.shared(asked_turn.blocks)
        if kept_count == len(asked_turn):
            return asked_turn, NO_BLOCK_IDS
        return answer._with(blocks=answer.blocks.head(kept_count)), frozenset(
            map(id, asked_turn.blocks.rest(kept_count))
        )

    def _marked(
        self, new_blocks: tuple[Block, ...], old_blocks: Container[int], signature: dict[str, Any]
    ) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """`rest` with an id and the signature on each block that is not one of the `old`; and the signed alone."""
        shared_metadata = NO_METADATA.holding_all(signature)  # one bag for all blocks that bring none
        used_ids: set[str] = set()
        all_blocks: list[Block] = []
        signed_blocks: list[Block] = []
        for block in new_blocks:
            is_call = block.kind == "tool_call"
            if not old_blocks or id(block) not in old_blocks:
                if is_call:
                    block = self._identified(block, used_ids)
                metadata = block.metadata
                metadata = shared_metadata if metadata is NO_METADATA else metadata.holding_all(signature)
                block = block.signed(block.id or self.new_id(), metadata)
                signed_blocks.append(block)
            if is_call:
                used_ids.add(block.tool_call_id)
            all_blocks.append(block)
        signed = tuple(all_blocks)
        return signed, tuple(signed_blocks) if old_blocks else signed

    def _result(self, metadata: Metadata, own_blocks: tuple[Block, ...], failed: str) -> InferenceResult:
        result = EMPTY_RESULT
        if not metadata.shares(INFERENCE_RESULT, self.asked.metadata):  # else it is of the call before
            result = metadata.get(INFERENCE_RESULT) or EMPTY_RESULT
        reason = result.stop_reason or failed
        finish_class = result.finish_class
        if failed and finish_class in (FinishClass.UNKNOWN, FinishClass.TOOL_CALLS_PENDING, FinishClass.COMPLETED):
            finish_class = FinishClass(failed)
        elif finish_class is FinishClass.UNKNOWN and (reason or own_blocks):
            finish_class = FinishClass.of(reason or "stop", pending=_calls_a_tool(own_blocks))
        if self.attempt > 1:
            result = result.replace(attempts=self.attempt)
        return result.completed(self.id, reason, finish_class, self._elapsed_ms(), self.first_token_ms)

    def _identified(self, block: Block, used_ids: set[str]) -> Block:
        """A call without an id, or with one that was used before, gets one of its own."""
        id = block.tool_call_id
        if id and id not in used_ids and not self.asked.calls.knows(id):
            return block
        distinct_id = f"call_{self.new_id()}"
        self.emit(
            Notice(
                f"{block.name}: the model's call had {f'the id {id}, which was used before' if id else 'no id'}; it is {distinct_id} here"
            )
        )
        return block.edit(id=distinct_id)._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: id}))
