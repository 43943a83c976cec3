"""The loop: ask, answer, ask again; whatever ends it, the Turn as far as it came is there."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import (
    Delta,
    Ended,
    Event,
    InferenceFinished,
    InferenceStarted,
    Snapshot,
    Started,
    ToolFinished,
    ToolStarted,
)
from nbturns.runtime.engine_protocol import Engine

INFERENCE_RESULT = nt.keys.INFERENCE_RESULT


def double(x: int) -> int:
    "Twice as much."
    return 2 * x


def call(id: str, x: int = 2) -> nt.Block:
    return nt.tool_call(id, "double", {"x": x})


def session(*answers: Any, **how: Any) -> nt.Session:
    return nt.Session(nt.scripted(*answers), **{"tools": [double], **how})


def phases(execution: nt.Execution) -> list[tuple[str, int]]:
    return [(str(s.phase), s.iteration) for s in execution.snapshots]


def until(true: Any) -> None:
    """Wait until another thread has come that far."""
    for _ in range(6_000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")


# The four phases.


def test_a_single_pass_has_three_phases() -> None:
    execution = session("a").ask("q")

    assert execution.result(60).text == "a"
    assert phases(execution) == [("pre_inference", 0), ("post_inference", 0), ("final", 0)]


def test_a_tool_loop_has_its_phases_in_order_and_each_snapshot_the_turn_of_its_time() -> None:
    execution = session([call("a")], [call("b"), call("c")], "done").ask("q")

    turn = execution.result(60)

    assert phases(execution) == [
        ("pre_inference", 0), ("post_inference", 0), ("post_tools", 0), ("pre_inference", 1), ("post_inference", 1), ("post_tools", 1),
        ("pre_inference", 2), ("post_inference", 2), ("final", 2),
    ]  # fmt: skip
    assert [(len(s.turn), len(s.turn.pending)) for s in execution.snapshots] == [
        (1, 0),
        (2, 1),
        (3, 0),
        (3, 0),
        (5, 2),
        (7, 0),
        (7, 0),
        (8, 0),
        (8, 0),
    ]
    assert [b.kind for b in turn] == [
        "user",
        "tool_call",
        "tool_use",
        "tool_call",
        "tool_call",
        "tool_use",
        "tool_use",
        "llm_text",
    ]
    assert all(
        a.blocks.shared_length(b.blocks) == len(a)
        for a, b in zip([s.turn for s in execution.snapshots], [s.turn for s in execution.snapshots[1:]], strict=False)
    )


def test_any_function_of_a_turn_is_an_engine() -> None:
    async def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        return turn + nt.assistant(turn[-1].text)

    assert nt.Session(echo).ask("hello").result(60).text == "hello"
    with pytest.raises(TypeError, match="expected an engine"):
        nt.Session("anthropic:claude")  # type: ignore[arg-type]


def test_the_scope_says_which_call_it_is_and_what_tools_there_are() -> None:
    scopes: list[nt.Scope] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        scopes.append(scope)
        return turn + (call("a") if len(scopes) == 1 else nt.assistant("x"))

    turn = nt.Session(engine, tools=[double]).ask("q").result(60)

    assert [scope.iteration for scope in scopes] == [0, 1]
    assert [scope.inference_id for scope in scopes] == [r.inference_id for r in turn.inferences]
    assert [tool.name for tool in scopes[0].tools] == ["double"]


def test_middlewares_are_first_listed_outermost_around_each_call() -> None:
    order: list[str] = []

    def layer(name: str) -> Any:
        async def around(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
            order.append(f"{name} in")
            answer = await engine(turn, scope)
            order.append(f"{name} out")
            return answer

        return around

    session([call("a")], "x", middleware=[layer("outer"), layer("inner")]).ask("q").result(60)

    assert order == ["outer in", "inner in", "inner out", "outer out"] * 2


# Events.


def heard(*answers: Any, **how: Any) -> list[Event]:
    events: list[Event] = []
    session(*answers, sinks=[events.append], **how).ask("q").result(60)
    return events


def test_events_come_in_order_numbered_without_a_gap_and_timed() -> None:
    before = time.time()
    events = heard([nt.reasoning("hm"), call("a")], "done")

    assert [event.seq for event in events] == list(range(len(events)))
    assert [type(event) for event in events] == [
        Started, Snapshot, InferenceStarted, Delta, Delta, InferenceFinished, Snapshot, ToolStarted, ToolFinished, Snapshot,
        Snapshot, InferenceStarted, Delta, InferenceFinished, Snapshot, Snapshot, Ended,
    ]  # fmt: skip
    times = [event.at for event in events]
    assert times == sorted(times) and before <= times[0] <= times[-1] <= time.time()


def test_an_event_does_not_change() -> None:
    for event in heard("a"):
        with pytest.raises(AttributeError):
            event.seq = 5  # type: ignore[misc]


def test_deltas_say_the_words_of_the_block_they_belong_to() -> None:
    events: list[Event] = []
    nt.Session(
        nt.scripted([nt.reasoning("let me see"), nt.assistant("one two three")], pace=0.001), sinks=[events.append]
    ).ask("q").result(60)

    deltas = [e for e in events if isinstance(e, Delta)]
    assert "".join(d.text for d in deltas if d.index == 0) == "let me see"
    assert [d.text for d in deltas if d.index == 1] == ["one ", "two ", "three"]
    assert {(d.index, d.kind) for d in deltas} == {(0, "reasoning"), (1, "llm_text")}


def test_a_listener_that_fails_does_not_stop_the_run_and_is_told_of_once() -> None:
    good: list[Event] = []

    def bad(event: Event) -> None:
        raise ValueError("broken view")

    def worse(event: Event) -> None:
        raise SystemExit

    with pytest.warns(
        UserWarning,
        match="a listener failed; the execution continues, see execution.sink_errors: ValueError: broken view",
    ) as told:
        execution = session([call("a")], "done", sinks=[bad, worse, good.append]).ask("q")
        assert execution.result(60).text == "done"
        until(lambda: len(told) == 1)
        time.sleep(0.05)

    assert len(told) == 1
    assert len(execution.sink_errors) == 2 * len(good)
    assert execution.status == "done"


def test_a_filter_that_makes_errors_of_warnings_does_not_stop_the_run_either(caplog: pytest.LogCaptureFixture) -> None:
    def bad(event: Event) -> None:
        raise ValueError("broken view")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session("done", sinks=[bad]).ask("q").result(60).text == "done"
        until(lambda: "broken view" in caplog.text)


def test_a_late_listener_hears_all_from_the_beginning_in_order() -> None:
    first: list[Event] = []
    late: list[Event] = []
    execution = session([call("a")], "done", sinks=[first.append], step=True).ask("q")
    execution.next().result(60)

    execution.listen(late.append)
    execution.resume()
    execution.result(60, wait=True)

    until(lambda: bool(late) and isinstance(late[-1], Ended))
    assert [e.seq for e in late] == sorted(e.seq for e in late)
    assert [e for e in late if not isinstance(e, Delta)] == [e for e in first if not isinstance(e, Delta)]


def test_a_listener_may_go() -> None:
    heard_: list[Event] = []
    execution = session([call("a")], "done", step=True).ask("q")
    execution.listen(heard_.append)
    execution.next().result(60)

    execution.unlisten(heard_.append)
    execution.unlisten(print)
    n = len(heard_)
    execution.resume()
    execution.result(60, wait=True)

    assert len(heard_) == n > 0


def test_on_snapshot_hears_the_snapshots_alone() -> None:
    seen: list[Any] = []

    execution = session("a", on_snapshot=seen.append).ask("q")
    execution.result(60)

    assert seen == execution.snapshots and len(seen) == 3


# Limits.


def test_the_limit_carries_the_turn_and_the_calls_nobody_ran() -> None:
    execution = session(*[[call(str(n))] for n in range(9)]).ask("q", limit=2)

    with pytest.raises(nt.LimitReached, match="still calling tools after 2 model calls") as caught:
        execution.result(60)

    assert [b.kind for b in caught.value.turn] == ["user", "tool_call", "tool_use", "tool_call"]
    assert len(caught.value.turn.pending) == 1
    assert (execution.status, execution.turn) == ("failed", caught.value.turn)
    assert [p for p, _ in phases(execution)][-1] == "post_inference"


def test_a_run_at_its_limit_goes_on_from_its_turn() -> None:
    asked = session([call("a")], [call("b")], "done")
    with pytest.raises(nt.LimitReached) as caught:
        asked.ask("q", limit=1).result(60)

    turn = asked.ask(caught.value.turn, limit=2).result(60)

    assert (turn.text, len(turn.of_kind("tool_use")), len(turn.inferences)) == ("done", 2, 3)


def test_the_limit_of_the_session_is_that_of_its_tool_config() -> None:
    with pytest.raises(nt.LimitReached, match="after 3 model calls"):
        session(*[[call(str(n))] for n in range(9)], tool_config=nt.ToolConfig(max_iterations=3)).ask("q").result(60)
    with pytest.raises(ValueError, match="limit must be a number of model calls, at least 1, got 0"):
        session("a").ask("q", limit=0)


# A Turn with calls pending.


def test_a_turn_that_arrives_with_pending_calls_has_its_tools_run_first() -> None:
    waiting = nt.turn("q") + call("a", 21) + nt.tool_use("other") + call("b", 1)
    execution = session("done").ask(waiting)

    turn = execution.result(60)

    assert [(b.kind, b.result) for b in turn[4:]] == [("tool_use", 42), ("tool_use", 2), ("llm_text", None)]
    assert phases(execution) == [("post_tools", 0), ("pre_inference", 0), ("post_inference", 0), ("final", 0)]


def test_a_call_without_an_id_in_a_turn_that_is_given_gets_one_and_is_run() -> None:
    turn = session("done").ask(nt.turn("q") + nt.tool_call("", "double", {"x": 1})).result(60)

    assert [b.kind for b in turn] == ["user", "tool_call", "tool_use", "llm_text"]
    assert turn[1].tool_call_id == turn[2].tool_call_id != ""
    assert turn[2].result == 2


# The model has not finished.


def continued(text: str, stop_reason: str) -> nt.Turn:
    return nt.Turn((nt.assistant(text),)).with_metadata(INFERENCE_RESULT, nt.InferenceResult(stop_reason=stop_reason))


def test_a_model_that_pauses_its_turn_is_asked_again_and_counted() -> None:
    turn = session(continued("thinking on", "pause_turn"), continued("done", "end_turn")).ask("q").result(60)

    assert [b.text for b in turn] == ["q", "thinking on", "done"]
    assert [r.finish_class for r in turn.inferences] == ["continue", "completed"]
    with pytest.raises(nt.LimitReached):
        session(*[continued("on", "pause_turn")] * 9).ask("q", limit=3).result(60)


@pytest.mark.parametrize("reason", ["stop", "length", "refusal", "content_filter", "???"])
def test_any_other_end_is_the_end(reason: str) -> None:
    assert session(continued("x", reason)).ask("q").result(60).text == "x"


# Stop.


def test_a_stop_before_it_begins_asks_no_model() -> None:
    hold = threading.Event()
    engine = nt.scripted("never")
    from nbturns.runtime.background_loop import call_soon as on_host

    on_host(hold.wait, 5)
    execution = nt.Session(engine).ask("q")
    execution.stop()
    hold.set()
    turn = execution.result(60)

    assert (execution.status, engine.call_count, [b.text for b in turn]) == ("stopped", 0, ["q"])
    assert turn.metadata[nt.keys.STATUS] == "stopped"


def test_a_stop_while_the_model_speaks_keeps_what_it_said_as_interrupted() -> None:
    execution = nt.Session(nt.scripted("word " * 1000, pace=0.005)).ask("q")
    until(lambda: len(execution.deltas) > 2)

    execution.stop()
    turn = execution.result(60)

    assert 0 < len(turn.text) < 4000 and turn.text.startswith("word word")
    assert turn[-1].inference is not None
    assert (turn[-1].inference.finish_class, turn.metadata[nt.keys.STATUS], execution.status) == (
        "interrupted",
        "stopped",
        "stopped",
    )
    assert len(turn.inferences) == 1


def test_a_stop_while_a_middleware_waits_in_its_own_task_keeps_what_was_said() -> None:
    async def hurried(turn: nt.Turn, scope: nt.Scope, engine: Any) -> Any:
        return await asyncio.wait_for(engine(turn, scope), 60)

    execution = nt.Session(nt.scripted("word " * 1000, pace=0.005), middleware=[hurried]).ask("q")
    until(lambda: len(execution.deltas) > 2)

    execution.stop()

    assert execution.result(60).text.startswith("word word")


def test_a_stop_during_a_tool_keeps_the_answers_there_are() -> None:
    release = threading.Event()

    def quick() -> str:
        return "quick"

    def slow() -> str:
        release.wait(60)
        return "slow"

    execution = nt.Session(
        nt.scripted([nt.tool_call("a", "quick"), nt.tool_call("b", "slow")], "never"), tools=[quick, slow]
    ).ask("q")
    events: list[Event] = []
    execution.listen(events.append)
    until(lambda: any(isinstance(e, ToolFinished) for e in events))

    execution.stop()
    turn = execution.result(60)
    release.set()

    assert [(b.tool_call_id, b.result) for b in turn.of_kind("tool_use")] == [("a", "quick")]
    assert [b.tool_call_id for b in turn.pending] == ["b"]


def test_a_stop_at_a_pause_runs_no_tool() -> None:
    ran: list[int] = []

    def effect() -> None:
        ran.append(1)

    execution = nt.Session(nt.scripted([nt.tool_call("a", "effect")], "never"), tools=[effect], step=True).ask("q")
    execution.next().result(60)

    execution.stop()
    turn = execution.result(60, wait=True)

    assert (ran, len(turn.pending), execution.status, execution.paused_at) == ([], 1, "stopped", None)
    assert execution.next().result(60) is None


def test_stopping_twice_or_after_the_end_changes_nothing() -> None:
    done = session("a").ask("q")
    done.result(60)
    done.stop()
    held = session([call("a")], "x", step=True).ask("q")
    held.stop()
    held.stop()

    assert (done.status, done.result(60).text) == ("done", "a")
    assert (held.result(60, wait=True) is not None, held.status) == (True, "stopped")


def test_a_loop_of_inline_tools_can_be_stopped() -> None:
    async def forever(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        return turn + call("c")

    execution = nt.Session(forever, tools=[double], tool_config=nt.ToolConfig(inline=True)).ask("q", limit=10**6)
    until(lambda: len(execution.snapshots) > 30)

    execution.stop()

    assert execution.result(60).metadata[nt.keys.STATUS] == "stopped"


# Errors.


def test_an_error_of_the_model_carries_the_turn_as_far_as_it_came() -> None:
    execution = session([call("a")], nt.EngineError("overloaded", status=529, retry_after=1.0)).ask("q")

    with pytest.raises(nt.EngineError, match="overloaded") as caught:
        execution.result(60)

    assert [b.kind for b in caught.value.turn] == ["user", "tool_call", "tool_use"]
    assert (caught.value.status, execution.status, caught.value.turn.metadata[nt.keys.STATUS]) == (
        529,
        "failed",
        "failed",
    )
    assert execution.snapshots[-1].phase == "pre_inference"


def test_a_reply_that_breaks_off_keeps_its_text() -> None:
    async def cut(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        raise nt.EngineError("the stream was cut", turn=turn + nt.assistant("half a sen"))

    with pytest.raises(nt.EngineError) as caught:
        nt.Session(cut).ask("q").result(60)

    block = caught.value.turn[-1]
    assert (block.text, block.inference and block.inference.finish_class) == ("half a sen", "error")


def test_a_script_that_ends_early_says_so_and_nothing_is_lost() -> None:
    with pytest.raises(
        nt.ScriptExhausted, match=r"no answer left after 1 model call; add one to nt\.scripted\(…\)"
    ) as caught:
        session([call("a")]).ask("q").result(60)

    assert [b.kind for b in caught.value.turn] == ["user", "tool_call", "tool_use"]


def test_one_error_for_two_failures_carries_each_time_its_own_turn() -> None:
    error = nt.EngineError("again")
    asked = session(error, "between", error)
    lengths = []
    for prompt in "abc":
        try:
            asked.ask(prompt).result(60)
        except nt.EngineError as caught:
            lengths.append(len(caught.turn))

    assert lengths == [1, 4]


def test_every_waiter_gets_the_error() -> None:
    execution = session(ValueError("boom"), step=False).ask("q")
    seen: list[BaseException] = []

    def wait() -> None:
        try:
            execution.result(60)
        except nt.EngineError as error:
            seen.append(error)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert len(seen) == 3 and "the engine raised ValueError: boom" in str(seen[0])


def test_an_engine_or_a_middleware_that_is_not_async_is_told_how_to_be() -> None:
    def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        return turn + nt.assistant("x")

    def layer(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        return turn

    with pytest.raises(nt.EngineError, match=r"write `async def echo\(turn, scope\)`"):
        nt.Session(echo).ask("q").result(60)  # type: ignore[arg-type]  # which is what it says
    with pytest.raises(nt.EngineError, match=r"write `async def layer\(turn, scope, engine\)`"):
        nt.Session(nt.scripted("x"), middleware=[layer]).ask("q").result(60)  # type: ignore[list-item]


@pytest.mark.parametrize("error", [KeyboardInterrupt("by hand"), SystemExit(3)])
def test_a_listener_and_an_engine_may_raise_what_would_end_a_program(error: BaseException) -> None:
    def listener(event: Event) -> None:
        raise error

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        raise error

    with pytest.warns(UserWarning, match="a listener failed"):
        execution = nt.Session(nt.scripted("x"), sinks=[listener]).ask("q")
        assert execution.result(60).text == "x"
        until(lambda: len(execution.sink_errors) > 5)
    with pytest.raises(nt.EngineError, match=f"the engine raised {type(error).__name__}"):
        nt.Session(engine).ask("q").result(60)


def test_a_listener_is_a_plain_function() -> None:
    async def listener(event: Event) -> None: ...

    for how in ({"sinks": [listener]}, {"on_snapshot": listener}, {"break_when": [listener]}):
        with pytest.raises(TypeError, match="plain functions, because they are not awaited"):
            nt.Session(nt.scripted("x"), **how)
