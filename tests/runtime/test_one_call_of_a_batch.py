"""`step(only=[...])` runs some calls of a batch, and pauses again with the rest pending."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Pause


def stepped(*answers: Any, **how: Any) -> tuple[nt.Execution, list[int]]:
    ran: list[int] = []

    def charge(n: int) -> int:
        "Charge an account."
        ran.append(n)
        return n * 10

    session = nt.Session(nt.scripted(*answers), **{"tools": [charge], "step": True, **how})
    return session.ask("go"), ran


def batch(*numbers: int) -> list[nt.Block]:
    return [nt.tool_call(f"c{n}", "charge", {"n": n}) for n in numbers]


def paused(waiting: Any) -> Pause:
    pause = waiting.result(20)
    assert pause is not None
    return pause  # type: ignore[no-any-return]


def pending(pause: Pause) -> list[str]:
    return [block.tool_call_id for block in pause.pending]


def test_it_runs_these_calls_and_pauses_with_the_rest_pending() -> None:
    execution, ran = stepped(batch(1, 2, 3), "done")
    paused(execution.next())

    pause = paused(execution.step(only=["c2"]))
    assert (ran, str(pause.phase), pending(pause), pause.number) == ([2], "post_inference", ["c1", "c3"], 2)
    pause = paused(execution.step(only="c3"))
    assert (ran, str(pause.phase), pending(pause)) == ([2, 3], "post_inference", ["c1"])
    pause = paused(execution.step(only=["c1"]))
    assert (ran, str(pause.phase), pending(pause)) == ([2, 3, 1], "post_tools", [])
    execution.resume()
    turn = execution.result(20, wait=True)

    assert [(block.tool_call_id, block.result) for block in turn.of_kind("tool_use")] == [
        ("c2", 20),
        ("c3", 30),
        ("c1", 10),
    ]
    assert [str(snapshot.phase) for snapshot in execution.snapshots].count("post_tools") == 1
    assert len(turn.inferences) == 2


def test_other_decisions_in_the_same_step_answer_their_calls() -> None:
    execution, ran = stepped(batch(1, 2, 3, 4), "done")
    paused(execution.next())

    pause = paused(execution.step(only=["c1"], deny={"c2": "no"}, mock={"c3": "fake"}))
    assert (ran, pending(pause)) == ([1], ["c4"])
    pause = paused(execution.step(skip=["c4"]))

    assert str(pause.phase) == "post_tools"
    answers = {block.tool_call_id: block.metadata[nt.keys.ANSWERED_BY] for block in pause.turn.of_kind("tool_use")}
    assert answers == {"c1": "tool", "c2": "denied", "c3": "mock", "c4": "skipped"}
    assert ran == [1]


@pytest.mark.parametrize("other", [{"deny": {"c1": "no"}}, {"mock": {"c1": 1}}, {"skip": ["c1"]}])
def test_a_call_named_twice_is_misuse(other: dict[str, Any]) -> None:
    execution, ran = stepped(batch(1, 2), "done")
    paused(execution.next())

    with pytest.raises(nt.MisuseError, match="name it once"):
        execution.step(only=["c1"], **other)
    assert execution.status == "paused"
    assert ran == []


def test_a_call_that_is_not_pending_is_misuse() -> None:
    execution, ran = stepped(batch(1, 2), "done")
    paused(execution.next())

    with pytest.raises(nt.MisuseError, match="no call 'c9' is pending"):
        execution.step(only=["c9"]).result(20)
    with pytest.raises(nt.MisuseError, match="only must be a list of call ids"):
        execution.step(only={"c1": "yes"})
    assert (execution.status, ran) == ("paused", [])


def test_an_empty_list_runs_nothing() -> None:
    execution, ran = stepped(batch(1, 2), "done")
    paused(execution.next())

    assert pending(paused(execution.step(only=[]))) == ["c1", "c2"]
    assert ran == []


def test_it_pauses_again_although_only_other_phases_were_to_pause() -> None:
    execution, ran = stepped(batch(1, 2), "done", step={"post_tools"}, break_when=[lambda s: bool(s.turn.pending)])
    paused(execution.next())

    pause = paused(execution.step(only=["c1"]))
    assert (ran, str(pause.phase), pending(pause)) == ([1], "post_inference", ["c2"])


def test_a_policy_still_asks_for_the_rest() -> None:
    execution, ran = stepped(batch(1, 2), "done", step=False, policy=[{"tool": "charge", "decision": "ask"}])
    paused(execution.next())
    paused(execution.step(only=["c1"]))
    assert ran == [1]
    execution.resume()

    assert [block.error for block in execution.result(20, wait=True).of_kind("tool_use")] == ["", ""]
    assert ran == [1, 2]


def test_an_interrupted_call_runs_again_and_loses_its_mark() -> None:
    calls = [block.with_metadata(nt.keys.INTERRUPTED, True) for block in batch(1, 2)]
    execution, ran = stepped("done")
    execution.stop()
    turn = nt.turn("go") + tuple(calls)
    session = nt.Session(nt.scripted("done"), tools=execution.session.tools, step=True)
    execution = session.ask(turn)
    paused(execution.next())

    pause = paused(execution.step(only=["c1"]))
    assert ran == [1]
    marks = {block.tool_call_id: block.metadata.get(nt.keys.INTERRUPTED) for block in pause.turn.of_kind("tool_call")}
    assert marks == {"c1": None, "c2": True}
    pause = paused(execution.step())
    assert pause.turn.of_kind("tool_use")[-1].error == "interrupted: it may have taken effect"
    assert ran == [1]


@pytest.mark.parametrize("decision", [{"deny": {"c9": "no"}}, {"only": []}, {"only": ["c9"]}])
def test_a_decision_about_a_call_that_its_own_turn_adds_holds_after_tools_too(decision: dict[str, Any]) -> None:
    execution, ran = stepped(batch(1), "done")
    paused(execution.next())
    pause = paused(execution.step())
    assert str(pause.phase) == "post_tools"

    execution.step(pause.turn + tuple(batch(9)), **decision).result(20)
    assert ran == ([1, 9] if decision.get("only") else [1])
