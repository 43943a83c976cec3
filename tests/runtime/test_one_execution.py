"""A session runs one execution at a time, and everybody who asks it meets that one."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Event, Paused
from nbturns.serialization.event_json import event_from_dict, event_to_dict
from tests.runtime.test_tool_loop import call, double


def test_of_two_threads_that_ask_one_session_one_gets_a_busy_error() -> None:
    for _ in range(40):
        outcomes: list[Any] = []
        barrier = threading.Barrier(2)

        async def answer_after_both(turn: nt.Turn, scope: nt.Scope, asked: list[Any] = outcomes) -> nt.Turn:
            while len(asked) < 2:
                await asyncio.sleep(0.001)
            return turn + nt.assistant("x")

        session = nt.Session(answer_after_both)

        def ask(session: nt.Session = session, outcomes: list[Any] = outcomes, barrier: Any = barrier) -> None:
            barrier.wait()
            try:
                outcomes.append(session.ask("q"))
            except nt.BusyError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        executions = [outcome for outcome in outcomes if isinstance(outcome, nt.Execution)]
        assert len(executions) == 1 and session.execution is executions[0]
        executions[0].result(60)
        assert len(session.turns) == 1


def test_a_sink_that_hears_of_a_pause_resumes_the_execution_of_its_session() -> None:
    def resume(event: Event) -> None:
        if isinstance(event, Paused):
            session.execution.resume()  # type: ignore[union-attr]

    for _ in range(40):
        session = nt.Session(
            nt.scripted("first", call("c"), "done"), tools=[double], sinks=[resume], step={"pre_inference"}
        )
        assert session.ask("a").result(60).text == "first"  # and not a HeldError
        assert session.ask("b").result(60).text == "done"
        assert session.execution is not None and not session.execution.sink_errors


def test_every_event_names_its_execution_and_gives_a_handle() -> None:
    events: list[Event] = []
    handles: list[Any] = []

    def hear(event: Event) -> None:
        events.append(event)
        handles.append(event.execution)

    session = nt.Session(nt.scripted(call("c"), "done"), tools=[double], sinks=[hear])
    execution = session.ask("q")
    execution.result(60)

    assert {event.execution_id for event in events} == {execution.id}
    assert all(handle is execution for handle in handles)
    copies = [event_from_dict(event_to_dict(events[0])), pickle.loads(pickle.dumps(events[0]))]  # noqa: S301
    assert [copy.execution_id for copy in copies] == [execution.id] * 2


@pytest.mark.parametrize(
    "decisions",
    [
        {"deny": {"c": "no"}, "mock": {"c": 1}},
        {"mock": {"c": 1}, "skip": ["c"]},
        {"deny": {"c": "no"}, "skip": "c"},
        {"skip": ["c", "c"]},
    ],
)
def test_two_decisions_on_one_call_are_refused_and_the_pause_stays(decisions: dict[str, Any]) -> None:
    execution = nt.Session(nt.scripted(call("c"), "done"), tools=[double], step=True).ask("q")
    execution.next().result(60)

    for control in (execution.step, execution.resume):
        with pytest.raises(nt.MisuseError, match="call 'c' has 2 decisions; name it once"):
            control(**decisions)
    assert execution.status == "paused"
    execution.resume()
    assert execution.result(60, wait=True).of_kind("tool_use")[0].result == 4
