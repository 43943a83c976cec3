"""What a Turn must be like, said as a chain; a failure shows the Turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..blocks import Block
from ..errors import MisuseError
from ..frozen import freeze, thaw
from ..text import block_line, call_line
from ..turns import Turn


class TurnAssertion:
    """Claims about a Turn; each returns the assertion, so that they chain.

    After `calls` and `says` the claims that follow are about what comes after that place:
    `assert_turn(turn).calls("weather").with_args(city="Paris").answered("rain").says("umbrella")`.
    """

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.at = -1  # the block that was found last

    def calls(self, name: str, times: int | None = None, **args: Any) -> TurnAssertion:
        """A call of this tool, after the last place; `times` counts all there are, `args` are among its arguments."""
        calls = [i for i, block in enumerate(self.turn) if block.kind == "tool_call" and block.name == name]
        if times is not None and len(calls) != times:
            raise self._failure(f"{name} is called {len(calls)} times, not {times}")
        wanted = freeze(args)
        later = [i for i in calls if i > self.at and _within(wanted, self.turn[i].args)]
        if not later and times != 0:
            made = ", ".join(call_line(self.turn[i]) for i in calls) or "there is none"
            shown = ", ".join(f"{key}={value!r}" for key, value in args.items())
            raise self._failure(f"no call {name}({shown}){self._after()}; of this tool: {made}")
        self.at = later[0] if later else self.at
        return self

    def with_args(self, **args: Any) -> TurnAssertion:
        """The call that was found has these among its arguments."""
        call = self._call("with_args")
        for name, value in args.items():
            if name not in call.args or call.args[name] != freeze(value):
                raise self._failure(f"{call.name} is called with {name}={thaw(call.args.get(name))!r}, not {value!r}")
        return self

    def answered(self, containing: Any = None, *, error: str | None = None) -> TurnAssertion:
        """The call that was found has an answer: with this text in it, or equal to what is no text."""
        call = self._call("answered")
        answer = next((b for b in self.turn if b.kind == "tool_use" and b.tool_call_id == call.tool_call_id), None)
        if answer is None:
            raise self._failure(f"{call_line(call)} has no answer")
        if error is not None and error not in answer.error:
            raise self._failure(f"{call_line(call)} failed with {answer.error!r}, not with {error!r}")
        if error is None and answer.error:
            raise self._failure(f"{call_line(call)} failed: {answer.error}")
        result = thaw(answer.result)
        same = containing is None or (
            containing in str(result) if isinstance(containing, str) else containing == result
        )
        if not same:
            raise self._failure(f"{call_line(call)} was answered {result!r}, not {containing!r}")
        return self

    def says(self, text: str) -> TurnAssertion:
        """The model says this, somewhere after the last place."""
        for index, block in enumerate(self.turn):
            if index > self.at and block.kind == "llm_text" and text in block.text:
                self.at = index
                return self
        raise self._failure(f"the model does not say {text!r}{self._after()}")

    def before(self, what: str) -> TurnAssertion:
        """What was found comes before this: the call of a tool, a kind of block, or "final", the last thing said."""
        if what == "final":
            places = [i for i, b in enumerate(self.turn) if b.kind == "llm_text"][-1:]
        else:
            places = [i for i, b in enumerate(self.turn) if what in (b.kind, b.name)]
        if not any(place > self.at for place in places):
            raise self._failure(f"there is no {what}{self._after()}")
        return self

    def has_kinds(self, *kinds: str) -> TurnAssertion:
        """The kinds of its blocks are these, in this order."""
        there = [str(block.kind) for block in self.turn]
        if there != list(kinds):
            raise self._failure(f"its blocks are {', '.join(there) or 'none'}, not {', '.join(kinds)}")
        return self

    def is_complete(self) -> TurnAssertion:
        """Every call has its answer, and the model has finished."""
        if pending := self.turn.pending:
            raise self._failure(f"not answered: {', '.join(map(call_line, pending))}")
        if not len(self.turn) or self.turn[-1].kind not in ("llm_text", "reasoning", "other"):
            raise self._failure("the model has not had the last word")
        return self

    def costs_at_most(self, usd: float) -> TurnAssertion:
        """Its cost is known and no more than this."""
        if self.turn.cost is None or self.turn.cost > usd:
            raise self._failure(
                f"it costs {'an unknown sum' if self.turn.cost is None else f'{self.turn.cost} USD'}, not at most {usd}"
            )
        return self

    def uses_at_most(self, tokens: int) -> TurnAssertion:
        """Its tokens, in and out, are no more than this."""
        if self.turn.usage.total_tokens > tokens:
            raise self._failure(f"it takes {self.turn.usage.total_tokens} tokens, not at most {tokens}")
        return self

    def calls_of_a_model(self, times: int) -> TurnAssertion:
        """So many model calls were made, failed ones included."""
        if len(self.turn.inferences) != times:
            raise self._failure(f"a model was called {len(self.turn.inferences)} times, not {times}")
        return self

    def has_output(self, value: Any) -> TurnAssertion:
        """Its checked output equals this."""
        if self.turn.output != value:
            raise self._failure(f"its output is {self.turn.output!r}, not {value!r}")
        return self

    def satisfies(self, claim: Callable[[Turn], bool]) -> TurnAssertion:
        """A function of the Turn is true."""
        if not claim(self.turn):
            raise self._failure(f"{getattr(claim, '__name__', 'the claim')} does not hold")
        return self

    def _call(self, of: str) -> Block:
        if self.at < 0 or self.turn[self.at].kind != "tool_call":
            raise self._failure(f"{of}() is about a call: say .calls(…) first")
        return self.turn[self.at]

    def _after(self) -> str:
        return f" after block {self.at}" if self.at >= 0 else ""

    def _failure(self, reason: str) -> AssertionError:
        lines = [
            f"{'>' if index == self.at else ' '} [{index}] {block_line(block)}" for index, block in enumerate(self.turn)
        ]
        return AssertionError("\n".join([reason, *(lines or ["  the Turn is empty"])]))


def assert_turn(turn: Any) -> TurnAssertion:
    """Begin a chain of claims about a Turn, or about the one an execution or a session holds."""
    for one in (turn, getattr(turn, "turn", None), getattr(turn, "latest", None)):
        if isinstance(one, Turn):
            return TurnAssertion(one)
    raise MisuseError(f"assert_turn takes a Turn, an execution, a session or a run, not {type(turn).__name__}")


def _within(wanted: Mapping[str, Any], args: Mapping[str, Any]) -> bool:
    return all(name in args and args[name] == value for name, value in wanted.items())
