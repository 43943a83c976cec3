"""The one idea of this package, in types.

An engine is a function from a Turn to a longer Turn. A middleware is a function that
stands around an engine. Around the engine itself, below all middlewares, each call
signs the blocks it made: a retry makes two signatures, an inserted block has none.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from .chunks import Chunks
from .distinct_calls import PROVIDER_CALL_ID
from .errors import EngineError, NbturnsError
from .events import Delta, Event, InferenceFinished, InferenceStarted, Notice, Sink
from .frozen import FrozenDict, draft_of, freeze
from .keyed import NOTHING
from .results import INFERENCE_ID, INFERENCE_RESULT, INFERENCES, FinishClass, InferenceResult
from .toolbox import Toolbox, ToolConfig
from .turns import Block, Turn


def unheard(event: Event) -> None:
    """The sink of a call nobody listens to."""


def no_id() -> str:
    """Outside a session nothing needs an id."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one model call may use besides the Turn."""

    tools: Toolbox = field(default_factory=Toolbox)
    tool_config: ToolConfig = ToolConfig()  # noqa: RUF009  # a value, which never changes
    emit: Sink = unheard
    new_id: Callable[[], str] = no_id
    inference_id: str = ""
    iteration: int = 0

    def replace(self, **changes: Any) -> Scope:
        return replace(self, **changes)

    def at(self, iteration: int) -> Scope:
        return _scope(self, self.emit, self.inference_id, iteration)

    def of_call(self, id: str, emit: Sink) -> Scope:
        return _scope(self, emit, id, self.iteration)


_Draft = draft_of(Scope)


def _scope(near: Scope, emit: Sink, inference_id: str, iteration: int) -> Scope:
    """What `dataclasses.replace` would make, without a dict in between: there are two a model call."""
    made = _Draft()
    made.tools = near.tools
    made.tool_config = near.tool_config
    made.emit = emit
    made.new_id = near.new_id
    made.inference_id = inference_id
    made.iteration = iteration
    made.__class__ = Scope
    return made  # type: ignore[no-any-return]  # a draft no longer


Engine: TypeAlias = Callable[[Turn, Scope], Awaitable[Turn]]
Middleware: TypeAlias = Callable[[Turn, Scope, Engine], Awaitable[Turn]]


def stand_around(engine: Engine, middleware: Iterable[Middleware]) -> Engine:
    """Stand `middleware` around `engine`: the first listed is the outermost."""
    for layer in reversed(tuple(middleware)):
        engine = _around(layer, engine)
    return engine


def _around(layer: Middleware, inner: Engine) -> Engine:
    async def engine(turn: Turn, scope: Scope) -> Turn:
        return await layer(turn, scope, inner)

    return engine


def asking(engine: Engine, middleware: Iterable[Middleware]) -> Engine:
    """What the loop asks: `middleware` around the signing engine, and the ledger around it all.

    A middleware may ask twice, drop an answer, insert blocks. Whatever it returns or
    raises, each call it made is in the Turn's ledger, and each new block has an id.
    """
    made: list[Call] = []
    layers = stand_around(signing(engine, made.append), middleware)

    async def asked(turn: Turn, scope: Scope) -> Turn:
        made.clear()
        try:
            answer = await layers(turn, scope)
            if not isinstance(answer, Turn):
                raise EngineError(
                    f"a middleware returns a Turn, and one returned {type(answer).__name__}: return what the engine gave it"
                )
        except (asyncio.CancelledError, Exception) as error:  # whatever it is, the Turn must travel with it
            so_far = _so_far(error, made[-1].answer if made else turn)
            error.turn = identified(_accounted(so_far, turn, made), turn, scope.new_id)  # type: ignore[union-attr]
            raise
        if len(made) == 1 and made[0].asked is turn and made[0].answer is answer:
            return answer  # nobody stood between
        return identified(_accounted(answer, turn, made), turn, scope.new_id)

    return asked


def _accounted(answer: Turn, asked: Turn, made: Iterable[Call]) -> Turn:
    """`answer` with the result of each call that was made for it in its ledger."""
    before = asked.metadata.get(INFERENCES) or Chunks()
    after = before + (call.result for call in made)
    if INFERENCES in answer.metadata and len(answer.metadata[INFERENCES]) == len(after):
        return answer
    return answer.with_metadata(INFERENCES, after) if len(after) else answer


def identified(turn: Turn, before: Turn, new_id: Callable[[], str]) -> Turn:
    """`turn` with an id on each block that was not in `before` and has none."""
    for index in range(turn.blocks.shared(before.blocks), len(turn)):
        if not turn.blocks[index].id:
            turn = turn.replace(index, turn.blocks[index]._with(id=new_id()))
    return turn


def signing(engine: Engine, note: Callable[[Call], object] = id) -> Engine:
    """The innermost layer: one call, its result, and its name on the blocks it made.

    A failed call is signed too: whatever it had brought so far is on `error.turn`, with
    its result in the Turn's ledger. What is not an NbturnsError becomes an EngineError.
    `note` is told of each call when it is over.
    """

    async def signed(turn: Turn, scope: Scope) -> Turn:
        call = Call(scope.new_id(), turn, scope, note)
        try:
            answer = await engine(call.asked, call.scope)
            if not isinstance(answer, Turn):
                raise EngineError(
                    f"an engine returns a Turn, and this one returned {type(answer).__name__}: add blocks to the Turn it was given"
                )
        except asyncio.CancelledError as stop:
            stop.turn = call.signed(_so_far(stop, call.asked), failed="interrupted")  # type: ignore[attr-defined]  # partial work travels with the stop
            raise
        except NbturnsError as error:
            error.turn = call.signed(_so_far(error, call.asked), failed="error")
            raise
        except (
            Exception,
            SystemExit,
        ) as error:  # an engine is any function, and may raise anything; the Turn must travel with it
            so_far = call.signed(_so_far(error, call.asked), failed="error")
            raise EngineError(f"the engine raised {type(error).__name__}: {error}", turn=so_far) from error
        return call.signed(answer)

    return signed


def _so_far(error: BaseException, turn: Turn) -> Turn:
    partial = getattr(error, "turn", None)
    return partial if isinstance(partial, Turn) else turn


UNTOLD = InferenceResult()  # of an engine that says nothing of its calls


class Call:
    """One model call while it lasts, and what became of it."""

    answer: Turn
    result: InferenceResult

    def __init__(self, id: str, turn: Turn, scope: Scope, note: Callable[[Call], object]) -> None:
        self.id = id
        self.note = note
        self.asked = turn
        self.emit = scope.emit
        self.new_id = scope.new_id
        self.scope = scope.of_call(id, self._hear)
        self.first_token_ms: int | None = None
        scope.emit(InferenceStarted(id, turn))
        self.started = time.perf_counter()

    def _hear(self, event: Event) -> None:
        if self.first_token_ms is None and isinstance(event, Delta):
            self.first_token_ms = self._elapsed_ms()
        self.emit(event)

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self.started) * 1000)

    def signed(self, answer: Turn, failed: str = "") -> Turn:
        """`answer` with this call's result on the blocks that were not there before."""
        kept, rest, made = self._divided(answer.blocks)
        result = self._result(answer, made, failed)
        raw = freeze(result.to_dict())
        done, mine = self._marked(rest, made, result, raw)
        metadata = answer.metadata.marked(INFERENCE_RESULT, result, raw).appended(INFERENCES, result, raw)
        head = self.asked if kept == len(self.asked) else answer._with(blocks=answer.blocks.head(kept))
        grown = head + done
        self.emit(InferenceFinished(result, mine))
        self.result = result
        self.answer = grown._with(id=answer.id, metadata=metadata, data=answer.data, extra=answer.extra)
        self.note(self)
        return self.answer

    def _marked(
        self, rest: list[Block], made: list[Block], result: InferenceResult, raw: FrozenDict
    ) -> tuple[list[Block], tuple[Block, ...]]:
        """`rest`, with an id, a call's own id and the result on each block that is one of `made`; and those alone."""
        name = {INFERENCE_ID.name: self.id}
        alone = NOTHING.marked(INFERENCE_RESULT, result, raw, **name)  # one bag for all blocks that bring none
        new = {id(block) for block in made}
        known: set[str] = set()
        done: list[Block] = []
        mine: list[Block] = []
        for block in rest:
            if id(block) in new:
                if block.kind == "tool_call":
                    block = self._identified(block, known)
                bag = block.metadata
                bag = bag.marked(INFERENCE_RESULT, result, raw, **name) if len(bag) else alone
                block = block.signed(block.id or self.new_id(), bag)
                mine.append(block)
            if block.kind == "tool_call":
                known.add(block.tool_call_id)
            done.append(block)
        return done, tuple(mine)

    def _divided(self, blocks: Chunks[Block]) -> tuple[int, list[Block], list[Block]]:
        """How many blocks at the head are the Turn's own; the rest; and which of those this call made."""
        kept = blocks.shared(self.asked.blocks)
        rest = list(blocks.since(kept))
        if kept == len(self.asked):
            return kept, rest, rest
        old = {id(block) for block in self.asked.blocks.since(kept)}
        return kept, rest, [block for block in rest if id(block) not in old]

    def _result(self, answer: Turn, made: list[Block], failed: str) -> InferenceResult:
        told = answer.metadata.raw(INFERENCE_RESULT) is not self.asked.metadata.raw(
            INFERENCE_RESULT
        )  # else it is of the call before
        result = answer.metadata[INFERENCE_RESULT] if told and INFERENCE_RESULT in answer.metadata else UNTOLD
        pending = any(block.kind == "tool_call" for block in made)
        reason = result.stop_reason or failed
        finish = result.finish_class
        if failed and finish in (FinishClass.UNKNOWN, FinishClass.TOOL_CALLS_PENDING, FinishClass.COMPLETED):
            finish = FinishClass(failed)
        elif finish is FinishClass.UNKNOWN and (reason or made):
            finish = FinishClass.of(reason or "stop", pending=pending)
        return result.completed(self.id, reason, finish, self._elapsed_ms(), self.first_token_ms)

    def _identified(self, block: Block, known: set[str]) -> Block:
        """A call without an id, or with one that was used before, gets one of its own."""
        id = block.tool_call_id
        if id and id not in known and not self.asked.calls.knows(id):
            return block
        made = f"call_{self.new_id()}"
        self.emit(
            Notice(
                f"{block.name}: the model's call had {f'the id {id}, which was used before' if id else 'no id'}; it is {made} here"
            )
        )
        return block.edit(id=made)._with(metadata=block.metadata.with_raw(**{PROVIDER_CALL_ID.name: id}))
