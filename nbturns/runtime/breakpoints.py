"""Breakpoints of an execution: the conditions under which it pauses at a boundary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from ..errors import MisuseError
from ..events import Phase, Snapshot
from ..values.blocks import Block
from ..values.inference_results import INFERENCE_RESULT, FinishClass
from ..values.turns import Turn

SnapshotTest: TypeAlias = Callable[[Snapshot], object]


class Breakpoint:
    """A condition, which can be disabled and removed. `hits` counts the pauses it has caused."""

    def __init__(
        self, test: SnapshotTest, name: str, remove: Callable[[Breakpoint], object], *, once: bool = False
    ) -> None:
        self.name = name
        self.once = once
        self.enabled = True
        self.hits = 0
        self._test = test
        self._remove = remove

    @property
    def test(self) -> SnapshotTest:
        """The condition, a function of a snapshot."""
        return self._test

    def matches(self, snapshot: Snapshot) -> bool:
        """Return True when the execution must pause here. Raises what the condition raises."""
        return self.enabled and bool(self._test(snapshot))

    def remove(self) -> None:
        """Remove the breakpoint from its execution; a second time has no effect."""
        self._remove(self)

    def __repr__(self) -> str:
        state = "" if self.enabled else ", disabled"
        return f"<Breakpoint {self.name}, {self.hits} hit{'s' * (self.hits != 1)}{state}>"


def parse_phase(name: Any) -> Phase:
    try:
        return Phase(name)
    except ValueError:
        raise MisuseError(f"unknown phase {name!r:.60}; use one of {', '.join(Phase)}") from None


def snapshot_test(
    predicate: SnapshotTest | None = None,
    phase_name: str | None = None,
    *,
    tool: str | None = None,
    args: Mapping[str, Any] | None = None,
    model: str | None = None,
    text: str | None = None,
    tokens: int | None = None,
    cost: float | None = None,
    error: bool | None = None,
) -> tuple[SnapshotTest, str]:
    """Return a test that holds when every condition that is not None does, and its description.

    Without `phase`, the conditions about a reply hold after a model call, and `error` after tools, too.
    """
    if predicate is not None and not callable(predicate):
        raise MisuseError(f"a breakpoint must be a function of a snapshot, tool=… or phase=…, got {predicate!r:.60}")
    phase = None if phase_name is None else parse_phase(phase_name)
    tests = dict(_named_tests(tool=tool, args=args, model=model, text=text, tokens=tokens, cost=cost, error=error))
    if phase is not None:
        tests[f"phase {phase}"] = lambda snapshot: snapshot.phase is phase
    elif tests:
        phases = (Phase.POST_INFERENCE, Phase.POST_TOOLS) if error else (Phase.POST_INFERENCE,)
        tests = {"": lambda snapshot: snapshot.phase in phases, **tests}
    if predicate is not None:
        tests[getattr(predicate, "__name__", "predicate")] = predicate
    if not tests:
        raise MisuseError("a breakpoint needs a condition, like break_when(tool='search') or break_when(phase='final')")
    description = ", ".join(filter(None, tests))
    return lambda snapshot: all(test(snapshot) for test in tests.values()), description


def _named_tests(**conditions: Any) -> Iterator[tuple[str, SnapshotTest]]:
    """Yield the description and the test of each condition. Raises MisuseError for an invalid one."""
    tool, args, text = conditions["tool"], conditions["args"], conditions["text"]
    for name, kind, example in (("tool", str, "'delete_*'"), ("model", str, "'gpt-*'"), ("tokens", (int, float), "10_000"), ("cost", (int, float), "0.5")):  # fmt: skip
        if conditions[name] is not None and not isinstance(conditions[name], kind):
            raise MisuseError(f"{name} of a breakpoint must be like {name}={example}, got {conditions[name]!r:.60}")
    if args is not None and not isinstance(args, Mapping):
        raise MisuseError(
            f"args must map arguments to values or functions, like args={{'path': '/etc'}}, got {args!r:.60}"
        )
    if tool is not None or args is not None:
        description = ", ".join(
            [*([f"tool {tool}"] if tool is not None else []), *([f"args {dict(args)}"] if args else [])]
        )
        yield description, lambda snapshot: any(_is_call(call, tool, args or {}) for call in snapshot.turn.pending)
    if (model := conditions["model"]) is not None:
        yield f"model {model}", lambda snapshot: fnmatchcase(_last_model(snapshot.turn), model)
    if text is not None:
        try:
            pattern = re.compile(text)
        except (re.error, TypeError) as error:
            raise MisuseError(f"text must be a regular expression, got {text!r:.60}: {error}") from None
        yield f"text {text}", lambda snapshot: pattern.search(snapshot.turn.text) is not None
    if (tokens := conditions["tokens"]) is not None:
        yield f"{tokens:,} tokens", lambda snapshot: snapshot.turn.usage.total_tokens >= tokens
    if (cost := conditions["cost"]) is not None:
        yield f"cost {cost}", lambda snapshot: (snapshot.turn.cost or 0) >= cost
    if conditions["error"]:
        yield "error", _FailedCalls()


def _is_call(call: Block, tool: str | None, args: Mapping[str, Any]) -> bool:
    if tool is not None and not fnmatchcase(call.name, tool):
        return False
    for name, condition in args.items():
        if name not in call.args:
            return False
        value = call.args[name]
        if not (condition(value) if callable(condition) else value == condition):
            return False
    return True


def _last_model(turn: Turn) -> str:
    result = turn.metadata.get(INFERENCE_RESULT)
    return "" if result is None else result.model


class _FailedCalls:
    """Tells whether a tool or a model call has failed since the last boundary."""

    def __init__(self) -> None:
        self._seen_calls = 0
        self._execution_id = ""

    def __call__(self, snapshot: Snapshot) -> bool:
        if snapshot.execution_id != self._execution_id:  # a breakpoint of a session serves each of its executions
            self._execution_id, self._seen_calls = snapshot.execution_id, 0
        results = snapshot.turn.inferences
        new_results, self._seen_calls = results[self._seen_calls :], len(results)
        if any(result.finish_class is FinishClass.ERROR for result in new_results):
            return True
        if snapshot.phase is not Phase.POST_TOOLS:
            return False
        for block in reversed(snapshot.turn.blocks):
            if block.kind != "tool_use":
                return False
            if block.error:
                return True
        return False
