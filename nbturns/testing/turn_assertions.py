"""Assertions on Turns as a chain of method calls; a failure shows the Turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import MisuseError
from ..render.text import call_line
from ..values.blocks import Block
from ..values.frozen_json import freeze, thaw
from ..values.turns import Turn
from .turn_tables import block_table, latest_turn


class TurnAssertion:
    """Assertions on a Turn. Each method returns the assertion, so that calls can be chained.

    `calls` and `says` move forward: the following assertions concern the blocks after the one they found.
    `assert_turn(turn).calls("weather").with_args(city="Paris").answered("rain").says("umbrella")`.
    """

    current_index: int

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.current_index = -1  # index of the block found last

    def calls(self, name: str, times: int | None = None, **args: Any) -> TurnAssertion:
        """Assert that the tool is called after the current position, with `args` among its arguments.

        `times` is the expected number of calls in the whole Turn.
        """
        calls = [i for i, block in enumerate(self.turn) if block.kind == "tool_call" and block.name == name]
        if times is not None and len(calls) != times:
            raise self._failure(f"expected {times} calls of {name}, got {len(calls)}")
        expected_args = freeze(args)
        later_calls = [i for i in calls if i > self.current_index and _contains_args(expected_args, self.turn[i].args)]
        if not later_calls and times != 0:
            actual_calls = ", ".join(call_line(self.turn[i]) for i in calls) or "none"
            shown_args = ", ".join(f"{key}={value!r}" for key, value in args.items())
            raise self._failure(
                f"expected a call {name}({shown_args}){self._position_note()}; actual calls: {actual_calls}"
            )
        self.current_index = later_calls[0] if later_calls else self.current_index
        return self

    def with_args(self, **args: Any) -> TurnAssertion:
        """Assert that the current call has these arguments, possibly among others."""
        call = self._call("with_args")
        for name, value in args.items():
            if name not in call.args or call.args[name] != freeze(value):
                raise self._failure(
                    f"expected {call.name} to be called with {name}={value!r}, got {thaw(call.args.get(name))!r}"
                )
        return self

    def answered(self, containing: Any = None, *, error: str | None = None) -> TurnAssertion:
        """Assert that the current call has a result: one that contains a text, or that equals another value."""
        call = self._call("answered")
        answer = next(
            (block for block in self.turn if block.kind == "tool_use" and block.tool_call_id == call.tool_call_id), None
        )
        if answer is None:
            raise self._failure(f"{call_line(call)} has no result")
        if error is not None and error not in answer.error:
            raise self._failure(f"expected {call_line(call)} to fail with {error!r}, got {answer.error!r}")
        if error is None and answer.error:
            raise self._failure(f"{call_line(call)} failed: {answer.error}")
        result = thaw(answer.result)
        matches = containing is None or (
            containing in str(result) if isinstance(containing, str) else containing == result
        )
        if not matches:
            raise self._failure(f"expected {call_line(call)} to return {containing!r}, got {result!r}")
        return self

    def says(self, text: str) -> TurnAssertion:
        """Assert that the model says this text after the current position."""
        for index, block in enumerate(self.turn):
            if index > self.current_index and block.kind == "llm_text" and text in block.text:
                self.current_index = index
                return self
        raise self._failure(f"expected the model to say {text!r}{self._position_note()}")

    def before(self, target: str) -> TurnAssertion:
        """Assert that the current block precedes a call of a tool, a kind of block, or "final" (the last text)."""
        if target == "final":
            indices = [i for i, block in enumerate(self.turn) if block.kind == "llm_text"][-1:]
        else:
            indices = [i for i, block in enumerate(self.turn) if target in (block.kind, block.name)]
        if not any(index > self.current_index for index in indices):
            raise self._failure(f"expected {target}{self._position_note()}")
        return self

    def has_kinds(self, *kinds: str) -> TurnAssertion:
        """Assert that the blocks have these kinds, in this order."""
        actual_kinds = [str(block.kind) for block in self.turn]
        if actual_kinds != list(kinds):
            raise self._failure(f"expected the kinds {', '.join(kinds)}, got {', '.join(actual_kinds) or 'none'}")
        return self

    def is_complete(self) -> TurnAssertion:
        """Assert that every call has a result and that the model has answered."""
        if pending := self.turn.pending:
            raise self._failure(f"pending calls: {', '.join(map(call_line, pending))}")
        if not len(self.turn) or self.turn[-1].kind not in ("llm_text", "reasoning", "other"):
            raise self._failure("expected the Turn to end with an answer of the model")
        return self

    def costs_at_most(self, usd: float) -> TurnAssertion:
        """Assert that the cost is known and at most this."""
        if self.turn.cost is None or self.turn.cost > usd:
            raise self._failure(
                f"expected a cost of at most {usd} USD, got {'an unknown cost' if self.turn.cost is None else f'{self.turn.cost} USD'}"
            )
        return self

    def uses_at_most(self, tokens: int) -> TurnAssertion:
        """Assert that the number of input and output tokens is at most this."""
        if self.turn.usage.total_tokens > tokens:
            raise self._failure(f"expected at most {tokens} tokens, got {self.turn.usage.total_tokens}")
        return self

    def calls_of_a_model(self, times: int) -> TurnAssertion:
        """Assert the number of model calls, including failed ones."""
        if len(self.turn.inferences) != times:
            raise self._failure(f"expected {times} model calls, got {len(self.turn.inferences)}")
        return self

    def has_output(self, value: Any) -> TurnAssertion:
        """Assert that the checked output equals this value."""
        if self.turn.output != value:
            raise self._failure(f"expected the output {value!r}, got {self.turn.output!r}")
        return self

    def satisfies(self, predicate: Callable[[Turn], bool]) -> TurnAssertion:
        """Assert that the predicate is true for the Turn."""
        if not predicate(self.turn):
            raise self._failure(f"{getattr(predicate, '__name__', 'the predicate')} is not true for this Turn")
        return self

    def _call(self, method: str) -> Block:
        if self.current_index < 0 or self.turn[self.current_index].kind != "tool_call":
            raise self._failure(f"{method}() needs a call; use .calls(…) first")
        return self.turn[self.current_index]

    def _position_note(self) -> str:
        return f" after block {self.current_index}" if self.current_index >= 0 else ""

    def _failure(self, reason: str) -> AssertionError:
        return AssertionError(f"{reason}\n{block_table(self.turn, self.current_index)}")


def assert_turn(turn: Any) -> TurnAssertion:
    """Start a chain of assertions on a Turn, or on the latest Turn of an execution, a session or a run."""
    latest = latest_turn(turn)
    if latest is not None:
        return TurnAssertion(latest)
    raise MisuseError(f"expected a Turn, an execution, a session or a run, got {type(turn).__name__}")


def _contains_args(expected_args: Mapping[str, Any], args: Mapping[str, Any]) -> bool:
    return all(name in args and args[name] == value for name, value in expected_args.items())
