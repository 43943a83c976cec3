"""Many branches of one conversation: in order, in parallel, with a limit, a budget, and nothing left behind."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest

import nbturns as nt
from nbturns.branches import Branches
from nbturns.runtime.background_loop import Waiting
from tests.engines.scripted_server import Script, served

START = nt.turn("How warm is it?")


async def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
    return turn + nt.assistant(f"You said: {turn[-1].text}")


async def shout(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
    return turn + nt.assistant(turn[-1].text.upper())


def priced(cost: float | None, seconds: float = 0.0) -> Any:
    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        await asyncio.sleep(seconds)
        return (turn + nt.assistant("ok")).with_metadata(nt.keys.INFERENCE_RESULT, nt.InferenceResult(cost=cost))

    return engine


def texts(branches: Branches) -> list[str]:
    return [branch.turn.text for branch in branches.result(60)]


def again(turn: nt.Turn) -> nt.Turn:
    return turn.edit(0, text="Again?")


def test_branches_are_engines_times_edits_times_params_times_n_in_this_order() -> None:
    branches = nt.fan_out(START, engines=[echo, shout], edits=[None, again, nt.turn("Other")], n=2)
    results = branches.result(60)

    assert len(branches) == 12 == len(results)
    assert [b.turn.text for b in results[:6]] == ["You said: How warm is it?"] * 2 + ["You said: Again?"] * 2 + [
        "You said: Other"
    ] * 2
    assert [b.turn.text for b in results[6:8]] == ["HOW WARM IS IT?"] * 2
    assert [b.engine for b in results] == [echo] * 6 + [shout] * 6
    assert isinstance(nt.view(branches), nt.widgets.FanOutView)
    assert results[2].edit is again and results[0].error is None and results[0].run[0] == results[0].turn


def test_a_failed_branch_does_not_raise_and_ends_no_other() -> None:
    async def broken(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        raise RuntimeError("no line")

    def bad_edit(turn: nt.Turn) -> nt.Turn:
        raise ValueError("bad edit")

    def no_turn(turn: nt.Turn) -> None:
        return None

    branches = nt.fan_out(START, engines=[echo], edits=[no_turn, "shorter", None])  # type: ignore[list-item]
    assert [str(branch.error)[:28] for branch in branches.result(60)[:2]] == ["an edit must return a Turn, "] * 2
    assert branches.to_df()["status"].tolist() == ["failed", "failed", "done"]

    first, second, third, fourth = nt.fan_out(START, engines=[broken, echo], edits=[None, bad_edit]).result(60)

    assert "no line" in str(first.error) and first.turn[0] == START[0]._with(id=first.turn[0].id)
    assert str(second.error) == "bad edit" and str(fourth.error) == "bad edit"
    assert third.error is None and third.turn.text == "You said: How warm is it?"


def test_no_more_branches_run_at_a_time_than_the_limit() -> None:
    running, most = 0, 0

    async def slow(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return turn + nt.assistant("ok")

    assert texts(nt.fan_out(START, engines=[slow], n=12, limit=3)) == ["ok"] * 12
    assert most == 3


def test_no_model_call_starts_once_the_budget_is_spent() -> None:
    branches = nt.fan_out(START, engines=[priced(0.4)], n=6, limit=1, budget=1.0)
    results = branches.result(60)

    assert [b.error is None for b in results] == [True, True, True, False, False, False]
    assert "the budget of 1 USD is spent" in str(results[3].error)
    assert branches.known_cost == pytest.approx(1.2)


def test_the_budget_holds_inside_a_branch() -> None:
    calls = 0

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        nonlocal calls
        calls += 1
        answer = turn + nt.tool_call(str(calls), "again")
        return answer.with_metadata(nt.keys.INFERENCE_RESULT, nt.InferenceResult(cost=0.4))

    def again() -> str:
        return "go on"

    branch = nt.fan_out(START, engines=[engine], tools=[again], budget=1.0).result(60)[0]

    assert calls == 3 and "is spent" in str(branch.error) and len(branch.turn.of_kind("tool_use")) == 3


def test_unknown_prices_count_as_nothing_and_are_reported() -> None:
    branches = nt.fan_out(START, engines=[priced(None)], n=3, budget=0.01)

    assert all(b.error is None and b.cost is None for b in branches.result(60))
    assert branches.calls_without_price == 3
    assert "3 model calls without a known price" in repr(branches)


def test_stop_ends_those_that_run_and_starts_no_other() -> None:
    branches = nt.fan_out(START, engines=[priced(0.1, seconds=60)], n=5, limit=2)
    time.sleep(0.1)
    branches.stop()
    results = branches.result(60)

    assert [b.turn.metadata.get(nt.keys.STATUS) for b in results[:2]] == ["stopped"] * 2
    assert all("not started: the branches were stopped" in str(b.error) for b in results[2:])


def test_a_session_lends_its_engine_tools_prompt_and_policy() -> None:
    def sunny() -> str:
        return "sunny"

    engine = nt.scripted(*[nt.tool_call("1", "sunny")] * 1, "done", nt.tool_call("1", "sunny"), "done")
    session = nt.Session(engine, tools=[sunny], system="Be brief.", policy=[{"tool": "sunny", "decision": "ask"}])
    branch = session.fan_out(START).result(60)[0]

    assert branch.turn[0].text == "Be brief."
    assert "nobody can be asked here" in branch.turn.of_kind("tool_use")[0].error
    assert session.turns == ()


@pytest.mark.parametrize("at", ["turn", "run", "session", "snapshot"])
def test_every_starting_point(at: str) -> None:
    session = nt.Session(echo)
    session.ask("One").result(60)
    starts: dict[str, Any] = {
        "turn": session.latest,
        "run": session.run,
        "session": session,
        "snapshot": session.executions[0].snapshots[-1],
    }
    branch = nt.fan_out(starts[at], engines=[echo], edits=[lambda turn: turn + nt.user("Two")]).result(60)[0]

    assert branch.turn.text == "You said: Two"


def test_the_frame_has_a_row_per_branch_and_marks_the_first_divergence() -> None:
    branches = nt.fan_out(START, engines=[echo], edits=[None, None, again])
    branches.result(60)
    frame = branches.to_df()

    assert list(frame["branch"]) == [0, 1, 2]
    assert frame["divergence"].isna().tolist() == [True, True, False] and frame["divergence"][2] == 0
    assert list(frame["edit"]) == ["", "", "again"] and set(frame["status"]) == {"done"}
    assert frame["cost"].isna().all()
    assert "<table" in branches._repr_html_()


def test_params_go_to_engines_that_take_them_and_are_refused_by_others() -> None:
    with pytest.raises(nt.MisuseError, match="takes no parameters"):
        nt.fan_out(START, engines=[echo], params=[{"temperature": 0}])
    engine = nt.engine("openai-chat:gpt-x", api_key="test-key-123", base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(nt.MisuseError, match="api_key is set when an engine is made"):
        nt.fan_out(START, engines=[engine], params=[{"api_key": "x"}])
    with pytest.raises(nt.EngineError, match="did you mean temperature"):
        nt.fan_out(START, engines=[engine], params=[{"temprature": 0}])

    params: list[dict[str, Any]] = [{"temperature": 0.5}, {}]
    branches = nt.fan_out(START, engines=[engine], params=params)
    assert [dict(b.params) for b in branches.result(60)] == [{"temperature": 0.5}, {}]
    from nbturns.branches.branch_engines import engine_with

    assert engine_with(engine, {"temperature": 0.5}).params["temperature"] == 0.5 and "temperature" not in engine.params


def test_params_reach_the_request() -> None:
    from nbturns.branches.branch_engines import engine_with

    engine = nt.engine("anthropic:claude-sonnet-4-5", api_key="test-key-123")
    body = engine_with(engine, {"max_tokens": 5}).request(START, nt.Scope())

    assert body["max_tokens"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "fan_out needs an engine"),
        ({"engines": "openai:gpt-5"}, "engines must be a list"),
        ({"engines": [echo], "n": 0}, "at least 1"),
        ({"engines": [echo], "limit": 0}, "at least 1"),
        ({"engines": echo}, "engines must be a list"),
        ({"engines": [echo], "edits": START}, "edits must be a list"),
        ({"engines": [echo], "params": {"temperature": 1}}, "params must be a list"),
        ({"engines": [echo], "limit": "4"}, "limit must be an integer of at least 1"),
        ({"engines": [echo], "budget": "1 USD"}, "budget must be a number"),
        ({"engines": [echo], "budget": float("nan")}, "budget must be a number"),
        ({"engines": [echo], "executor": ThreadPoolExecutor(1)}, "engines are given by name"),
    ],
)
def test_misuse_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(nt.MisuseError, match=message):
        nt.fan_out(START, **arguments)
    with pytest.raises(nt.MisuseError, match="fan_out expects a Turn"):
        nt.fan_out("How warm is it?", engines=[echo])  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_executor_runs_the_branches_and_their_errors_come_back(kind: str) -> None:
    spawned = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(1, mp_context=spawned) as executor:
        branches = nt.fan_out(START, engines=["openai-chat:gpt-x"], n=2, executor=executor,
                              params=[{"base_url": "http://127.0.0.1:9/v1", "api_key": "k-123456", "retries": 0}])  # fmt: skip
        results = branches.result(60)

    assert [b.turn[0].text for b in results] == [START[0].text] * 2
    assert all("EngineError" in str(b.error) for b in results)


def test_a_dask_client_runs_each_of_two_equal_branches() -> None:
    from distributed import Client

    def reply(text: str) -> Script:
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return Script(
            json.dumps({"id": text, "model": "m", "choices": [choice]}).encode(), content_type="application/json"
        )

    with (
        served("openai-chat:gpt-x", "k-123456") as server,
        Client(processes=False, n_workers=1, dashboard_address=":0") as client,  # type: ignore[no-untyped-call]
    ):
        server.answers += [reply("one"), reply("two")]
        params = {"base_url": server.url, "api_key": "k-123456", "stream": False, "retries": 0}
        branches = nt.fan_out(START, engines=["openai-chat:gpt-x"], n=2, params=[params], executor=client, limit=1)
        assert sorted(texts(branches)) == ["one", "two"]  # equal calls are not answered by one result


def test_fifty_branches_leave_no_thread_and_no_task_behind() -> None:
    assert texts(nt.fan_out(START, engines=[echo], limit=50)) == ["You said: How warm is it?"]

    async def tasks() -> int:
        await asyncio.sleep(0.05)
        return len(asyncio.all_tasks())

    before = {thread.name for thread in threading.enumerate()}
    tasks_before = Waiting(tasks()).result(60)  # executions that other tests left paused, too
    assert len(nt.fan_out(START, engines=[priced(0.1, 0.001)], n=50, limit=50).result(60)) == 50

    assert Waiting(tasks()).result(60) <= tasks_before
    assert {thread.name for thread in threading.enumerate()} <= before
