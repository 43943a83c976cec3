"""The types of `session.ask(…, output=Type)`, for type checkers: at run time they are an Execution and a Turn."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypedDict, TypeVar

from ..values.turns import Block, Turn
from .execution import Execution

T = TypeVar("T")
Prompt: TypeAlias = str | Block | Iterable[str | Block] | Turn


class AskOptions(TypedDict, total=False):
    """The arguments of `session.ask` that do not change the type of its result."""

    step: bool | Iterable[str] | None
    limit: int | None
    decisions: bool


class TurnWithOutput(Turn, Generic[T]):
    """A Turn whose `output` has the type that was asked for."""

    if TYPE_CHECKING:

        @property
        def output(self) -> T:
            """The validated answer."""
            ...


class ExecutionWithOutput(Execution, Generic[T]):
    """An execution whose Turn has an `output` of a known type."""

    if TYPE_CHECKING:

        def result(self, timeout: float | None = None, *, wait: bool = False) -> TurnWithOutput[T]:
            """Wait for the end and return the Turn."""
            ...

        def __await__(self) -> Generator[Any, None, TurnWithOutput[T]]: ...
