"""What `store.resume` continues, and what it asks first."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Phase
from nbturns.keys import INTERRUPTED
from nbturns.store.writer import StoreWriter

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture
def store(tmp_path: Path) -> nt.TurnStore:
    return nt.TurnStore(tmp_path / "runs.db")


def dies(function: Callable[[], object]) -> None:
    """Run a function in a process that ends without any cleaning up."""
    child = os.fork()
    if not child:
        try:
            function()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def charge(amount: int) -> str:
    "Charge an account."
    return f"charged {amount}"


def call(number: int, name: str = "charge") -> nt.Block:
    return nt.tool_call(f"call_{number}", name, {"amount": number})


def session_of(store: nt.TurnStore, *answers: Any, tools: Iterable[Any] = (charge,), **options: Any) -> nt.Session:
    return nt.Session(nt.scripted(*answers), tools=tools, store=store, id="s", **options)


def test_an_execution_that_died_at_a_pause_is_at_that_pause_again(store: nt.TurnStore) -> None:
    def run() -> None:
        execution = session_of(store, [call(1)], [call(2)]).ask("go", step=True)
        for _ in range(3):
            execution.step().result(timeout=20)

    dies(run)
    session = store.resume("s", nt.scripted("done"), tools=[charge])
    execution = session.execution

    assert execution is not None
    pause = execution.next().result(timeout=20)
    assert pause is not None
    assert (pause.number, pause.phase, pause.iteration, pause.reason) == (4, Phase.POST_TOOLS, 1, "step")
    assert [snapshot.iteration for snapshot in execution.snapshots if snapshot.phase is Phase.POST_TOOLS] == [0, 1]
    assert execution.snapshots == list(store.snapshots("s")[0])
    assert execution.step().result(timeout=20) is None
    turn = execution.result(timeout=20)
    assert (turn.text, len(turn.of_kind("tool_use"))) == ("done", 2)
    assert store.load("s") == session.run
    assert execution.snapshots == list(store.snapshots("s")[0])
    seqs = [snapshot.seq for snapshot in execution.snapshots]
    assert seqs == sorted(set(seqs))


@pytest.mark.parametrize("phase", list(Phase))
def test_a_pause_at_each_phase_is_found_again(store: nt.TurnStore, phase: Phase) -> None:
    dies(lambda: session_of(store, [call(1)], "done").ask("go", step={phase}).next().result(timeout=20))
    before = store.snapshots("s")[0]
    session = store.resume(
        "s", nt.scripted(*([[call(1)], "done"] if phase is Phase.PRE_INFERENCE else ["done"])), tools=[charge]
    )

    assert session.execution is not None
    pause = session.execution.next().result(timeout=20)
    assert pause is not None
    assert pause.phase is phase
    assert pause.turn == before[-1].turn
    session.execution.resume()
    assert session.execution.result(timeout=20).text == "done"
    phases = [(snapshot.phase.value, snapshot.iteration) for snapshot in session.execution.snapshots]
    assert len(set(phases)) == len(phases)  # no boundary twice
    assert len(session.latest.of_kind("tool_use")) == 1


def dying_tool(effect: str) -> nt.Tool:
    def charge(amount: int) -> str:
        "Charge an account."
        os._exit(1)

    return nt.Tool(charge, effect=effect)  # type: ignore[arg-type]


def test_an_effectful_call_without_a_result_runs_again_when_only_names_it(store: nt.TurnStore) -> None:
    dies(lambda: session_of(store, [call(1)], tools=[dying_tool("effectful")]).ask("go").result(timeout=20))
    ran: list[int] = []

    def charge(amount: int) -> str:
        "Charge an account."
        ran.append(amount)
        return "again"

    execution = store.resume("s", nt.scripted("done"), tools=[charge]).execution
    assert execution is not None and execution.next().result(timeout=20) is not None
    pause = execution.step(only=["call_1"]).result(timeout=20)

    assert pause is not None and str(pause.phase) == "post_tools" and len(ran) == 1
    assert [block.metadata.get(INTERRUPTED) for block in pause.turn.of_kind("tool_call")] == [None]
    assert pause.turn.of_kind("tool_use")[0].result == "again"
    execution.resume()
    execution.result(timeout=20, wait=True)
    stored_turn = store.load("s").latest
    assert INTERRUPTED not in stored_turn.of_kind("tool_call")[0].metadata
    assert stored_turn.of_kind("tool_use")[0].result == "again"


@pytest.mark.parametrize("is_chosen_call_done", [False, True])
def test_a_choice_of_calls_is_kept_when_the_process_dies_after_it(
    store: nt.TurnStore, is_chosen_call_done: bool
) -> None:
    def run() -> None:
        def charge(amount: int) -> str:
            "Charge an account."
            if not is_chosen_call_done:
                os._exit(1)
            return "charged before"

        write = StoreWriter.write

        def write_and_die(writer: StoreWriter, operations: Any) -> None:
            write(writer, operations)
            if any(isinstance(operation, nt.events.ToolFinished) for operation in operations):
                os._exit(1)

        StoreWriter.write = write_and_die  # type: ignore[method-assign, assignment]
        tools = [nt.Tool(charge, effect="pure")]
        execution = session_of(store, [call(1), call(2), call(3)], tools=tools).ask("go", step=True)
        execution.next().result(timeout=20)
        execution.step(only=["call_2"]).result(timeout=20)

    dies(run)
    session = store.resume("s", nt.scripted("done"), tools=[nt.Tool(charge, effect="pure")], step=False)
    assert session.execution is not None
    pause = session.execution.next().result(timeout=20)

    assert pause is not None
    assert (pause.phase, pause.reason) == (Phase.POST_INFERENCE, "step")
    assert [call.tool_call_id for call in pause.pending] == ["call_1", "call_3"]
    assert [answer.result for answer in pause.turn.of_kind("tool_use")] == [
        "charged before" if is_chosen_call_done else "charged 2"
    ]
    session.execution.resume()
    assert len(session.execution.result(timeout=20).of_kind("tool_use")) == 3


def test_an_effectful_call_without_a_result_is_not_run_again_but_asked_about(store: nt.TurnStore) -> None:
    dies(lambda: session_of(store, [call(1)], tools=[dying_tool("effectful")]).ask("go").result(timeout=20))
    ran: list[int] = []

    def charge(amount: int) -> str:
        "Charge an account."
        ran.append(amount)
        return "again"

    session = store.resume("s", nt.scripted("done"), tools=[charge])
    assert session.execution is not None
    pause = session.execution.next().result(timeout=20)
    assert pause is not None
    assert "charge (call_1) had begun when the process died and may have taken effect" in pause.reason
    assert [block.metadata.get(INTERRUPTED) for block in pause.pending] == [True]
    with pytest.raises(nt.HeldError):
        session.execution.result(timeout=60)
    session.execution.resume()
    turn = session.execution.result(timeout=20, wait=True)

    assert ran == []
    assert turn.of_kind("tool_use")[0].error == "interrupted: it may have taken effect"
    assert turn.text == "done"


@pytest.mark.parametrize("effect", ["pure", "idempotent"])
def test_a_call_without_effect_runs_again(store: nt.TurnStore, effect: str) -> None:
    dies(lambda: session_of(store, [call(1)], tools=[dying_tool(effect)]).ask("go").result(timeout=20))

    session = store.resume("s", nt.scripted("done"), tools=[nt.Tool(charge, effect=effect)])  # type: ignore[arg-type]
    assert session.execution is not None
    assert session.execution.result(timeout=20).of_kind("tool_use")[0].result == "charged 1"


def test_a_recorded_result_is_used_and_the_other_calls_run(store: nt.TurnStore) -> None:
    ran: list[int] = []

    def run() -> None:
        def charge(amount: int) -> str:
            "Charge an account."
            if amount == 2:
                import time

                time.sleep(0.1)  # the result of the first call is being written
                os._exit(1)
            return "before"

        config = nt.ToolConfig(max_parallel_tools=1)
        session_of(store, [call(1), call(2), call(3)], tools=[charge], tool_config=config).ask("go").result(timeout=20)

    def charge(amount: int) -> str:
        "Charge an account."
        ran.append(amount)
        return "after"

    dies(run)
    assert [answer.result for answer in store.load("s").latest.of_kind("tool_use")] == ["before"]
    session = store.resume("s", nt.scripted("done"), tools=[charge])
    assert session.execution is not None
    pause = session.execution.next().result(timeout=20)
    assert pause is not None
    session.execution.resume(mock={"call_2": "checked"})
    turn = session.execution.result(timeout=20, wait=True)

    assert [answer.result for answer in turn.of_kind("tool_use")] == ["before", "checked", "after"]
    assert ran == [3]


def test_a_decision_is_kept_when_the_process_dies_after_it(store: nt.TurnStore) -> None:
    def run() -> None:
        execution = session_of(store, [call(1), call(2)], tools=[dying_tool("pure")]).ask("go", step=True)
        pause = execution.next().result(timeout=20)
        assert pause is not None
        execution.step(pause.turn.edit(0, text="go on"), mock={"call_1": "mocked"}).result(timeout=20)

    dies(run)
    session = store.resume("s", nt.scripted("done"), tools=[nt.Tool(charge, effect="pure")], step=False)
    assert session.execution is not None
    turn = session.execution.result(timeout=20)
    assert turn[0].text == "go on"
    assert turn[0].metadata[nt.keys.EDITED]["by"] == "step"
    assert [answer.result for answer in turn.of_kind("tool_use")] == ["mocked", "charged 2"]
    assert {decision.action for decision in turn.metadata[nt.keys.DECISIONS]} == {"edited", "mock"}


def test_a_session_whose_executions_ended_continues_with_the_next_prompt(store: nt.TurnStore) -> None:
    dies(lambda: session_of(store, "one").ask("go").result(timeout=20))
    session = store.resume("s", nt.scripted("two"))

    assert session.execution is None
    assert session.latest.text == "one"
    session.ask("and?").result(timeout=20)
    assert [turn.text for turn in store.load("s").turns] == ["one", "two"]


def test_a_session_that_still_runs_is_not_resumed(store: nt.TurnStore) -> None:
    session = session_of(store, [call(1)], "done")
    execution = session.ask("go", step=True)
    execution.next().result(timeout=20)

    with pytest.raises(nt.BusyError, match="still runs in process"):
        store.resume("s", nt.scripted("done"), tools=[charge])
    execution.stop()
    execution.result(timeout=20)
    assert store.resume("s", nt.scripted("two")).execution is None


def test_the_limit_counts_the_model_calls_of_the_process_that_died(store: nt.TurnStore) -> None:
    dies(lambda: session_of(store, [call(1)], [call(2)]).ask("go", step=True, limit=2).next().result(timeout=20))
    session = store.resume("s", nt.scripted([call(2)], "too late"), tools=[charge], step=False)

    assert session.execution is not None
    session.execution.next().result(timeout=20)
    session.execution.resume()
    with pytest.raises(nt.LimitReached, match="after 2 model calls"):
        session.execution.result(timeout=20)


def test_it_can_die_again(store: nt.TurnStore) -> None:
    dies(lambda: session_of(store, [call(1)], tools=[dying_tool("pure")]).ask("go").result(timeout=20))
    for _ in range(2):
        dies(lambda: store.resume("s", nt.scripted(), tools=[dying_tool("pure")]).execution.result(timeout=20))  # type: ignore[union-attr]
    session = store.resume("s", nt.scripted("done"), tools=[nt.Tool(charge, effect="pure")])

    assert session.execution is not None
    assert len(session.execution.result(timeout=20).of_kind("tool_use")) == 1
    assert store.verify()


def test_an_unknown_session_is_not_resumed(store: nt.TurnStore) -> None:
    with pytest.raises(nt.StoreError, match="no session 'x'"):
        store.resume("x", nt.scripted("done"))
