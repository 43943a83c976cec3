"""Breakpoints: conditions that all must hold, and that can be counted, disabled and removed."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt


def search(query: str, limit: int = 5) -> str:
    "Search."
    if query == "bad":
        raise ValueError("no such query")
    return query


def started(**conditions: Any) -> tuple[nt.Execution, Any]:
    """Return an execution that stands before its first model call, with one breakpoint."""
    first = nt.InferenceResult(model="gpt-5", usage=nt.Usage(60, 40), cost=0.5)

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        calls = {
            1: nt.tool_call("a", "search", {"query": "x", "limit": 9}),
            3: nt.tool_call("b", "search", {"query": "bad"}),
        }
        answer = turn + calls.get(len(turn), nt.assistant("the end"))
        return answer.with_metadata(nt.keys.INFERENCE_RESULT, first)

    execution = nt.Session(engine, tools=[search], step={"pre_inference"}).ask("q")
    execution.next().result(60)
    breakpoint = execution.break_when(**conditions)
    return execution, breakpoint


def pauses(execution: nt.Execution) -> list[tuple[str, int]]:
    """Resume at each pause, and return phase and number of blocks of those after the first."""
    found = []
    execution.resume()
    number = 1
    while not execution.done:
        pause = execution.next().result(60)
        if pause is None:
            break
        if pause.number > number:
            number = pause.number
            found.append((str(pause.phase), len(pause.turn)))
            execution.resume()
    execution.result(60)
    return found


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"tool": "search"}, [("post_inference", 2), ("post_inference", 4)]),
        ({"tool": "other"}, []),
        ({"tool": "search", "args": {"query": "bad"}}, [("post_inference", 4)]),
        ({"args": {"limit": lambda limit: limit > 5}}, [("post_inference", 2)]),
        ({"args": {"nothing": 1}}, []),
        ({"phase": "final"}, [("final", 6)]),
        ({"tool": "search", "phase": "final"}, []),
        ({"model": "gpt-*", "text": "^the"}, [("post_inference", 6)]),
        ({"model": "claude"}, []),
        ({"tokens": 200}, [("post_inference", 4), ("post_inference", 6)]),
        ({"cost": 1.5}, [("post_inference", 6)]),
        ({"error": True}, [("post_tools", 5)]),
        ({"predicate": lambda snapshot: len(snapshot.turn) == 3, "phase": "post_tools"}, [("post_tools", 3)]),
    ],
)
def test_an_execution_pauses_where_every_condition_holds(
    conditions: dict[str, Any], expected: list[tuple[str, int]]
) -> None:
    execution, breakpoint = started(**conditions)

    assert pauses(execution) == expected
    assert breakpoint.hits == len(expected)
    assert execution.breakpoints == (breakpoint,)


def test_a_breakpoint_can_be_disabled_enabled_and_removed() -> None:
    execution, breakpoint = started(tool="search", name="mine")
    assert repr(breakpoint) == "<Breakpoint mine, 0 hits>"

    breakpoint.enabled = False
    assert "disabled" in repr(breakpoint)
    assert pauses(execution) == []
    execution, breakpoint = started(tool="search")
    breakpoint.remove()
    breakpoint.remove()
    assert (pauses(execution), execution.breakpoints) == ([], ())


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({}, "a breakpoint needs a condition"),
        ({"text": "["}, "text must be a regular expression"),
        ({"args": ["query"]}, "args must map arguments"),
        ({"phase": "after"}, "unknown phase 'after'"),
        ({"tokens": "many"}, "tokens of a breakpoint must be like tokens=10_000, got 'many'"),
        ({"cost": "1 USD"}, "cost of a breakpoint must be"),
        ({"tool": 3}, "tool of a breakpoint must be"),
        ({"model": ["gpt"]}, "model of a breakpoint must be"),
        ({"predicate": 5}, "a breakpoint must be a function"),
    ],
)
def test_an_invalid_condition_is_refused_at_once(conditions: dict[str, Any], message: str) -> None:
    execution, _ = started(tool="search")
    with pytest.raises(nt.MisuseError, match=message):
        execution.break_when(**conditions)
    execution.stop()
