"""Stepping: a gate never opens by itself, a click passes one pause, and waiting is never a trap."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Ended, Event, Notice, Pause, Paused, Resumed
from nbturns.runtime.background_loop import Waiting, wait_for_future
from nbturns.runtime.background_loop import call_soon as on_host
from nbturns.runtime.step_controller import ends_within
from tests.interrupts import interrupt_in
from tests.runtime.test_tool_loop import call, double, until


def stepped(*answers: Any, step: Any = True, **how: Any) -> nt.Execution:
    answers = answers or ([call("a")], [call("b")], "done")
    return nt.Session(nt.scripted(*answers), **{"tools": [double], "step": step, **how}).ask("q")


def first(execution: nt.Execution) -> Pause:
    pause = execution.next().result(60)
    assert pause is not None
    return pause


def when(ready: threading.Event, sink: Any) -> Any:
    """A sink that waits until the test has a name for its execution."""

    def hear(event: Event) -> None:
        ready.wait(60)
        sink(event)

    return hear


def walked(execution: nt.Execution) -> list[tuple[int, str]]:
    return [(pause.number, str(pause.phase)) for pause in execution]


# The gate.


def test_it_pauses_after_inference_with_calls_pending_and_after_tools_and_nowhere_else() -> None:
    execution = stepped()

    assert walked(execution) == [(1, "post_inference"), (2, "post_tools"), (3, "post_inference"), (4, "post_tools")]
    assert execution.result(60).text == "done"


def test_a_set_of_phases_pauses_at_those() -> None:
    assert walked(stepped([call("a")], "done", step={"pre_inference", "final"})) == [
        (1, "pre_inference"),
        (2, "pre_inference"),
        (3, "final"),
    ]
    assert walked(stepped([call("a")], "done", step="post_inference")) == [(1, "post_inference"), (2, "post_inference")]
    with pytest.raises(ValueError, match="after_tools"):
        stepped(step={"after_tools"})


def test_stepping_may_be_asked_for_once() -> None:
    session = nt.Session(nt.scripted([call("a")], "x", [call("b")], "y"), tools=[double])

    assert walked(session.ask("q", step=True)) == [(1, "post_inference"), (2, "post_tools")]
    assert walked(session.ask("q")) == []


def test_a_gate_never_opens_by_itself() -> None:
    execution = stepped()
    pause = first(execution)

    time.sleep(0.3)

    assert (execution.status, execution.paused_at, len(execution.snapshots)) == ("paused", pause, 2)
    assert not execution.done


def test_a_pause_says_where_it_stands_and_what_waits() -> None:
    pause = first(stepped())

    assert (pause.number, pause.phase, pause.iteration, pause.reason) == (1, "post_inference", 0, "step")
    assert [c.name for c in pause.pending] == ["double"]
    assert repr(pause) == "<Pause 1 at post_inference: double>"


def test_a_step_in_each_cell_is_all_there_is() -> None:
    execution = stepped()

    seen = [execution.step().result(60) for _ in range(4)]

    assert [pause and (pause.number, pause.phase) for pause in seen] == [
        (2, "post_tools"),
        (3, "post_inference"),
        (4, "post_tools"),
        None,
    ]
    assert (execution.result(60).text, execution.status) == ("done", "done")
    with pytest.raises(nt.EndedError):
        execution.step()


def test_next_gives_the_pause_it_stands_at_however_often_one_asks() -> None:
    execution = stepped()

    assert first(execution) == first(execution) == execution.paused_at
    execution.resume()
    assert execution.result(60, wait=True).text == "done"
    assert execution.next().result(60) is None


def test_resume_passes_all_that_follow() -> None:
    execution = stepped()
    first(execution)

    execution.resume()

    assert execution.result(60).text == "done"
    assert execution.paused_at is None


def test_pause_holds_at_the_next_boundary_and_says_so() -> None:
    go = threading.Event()

    def wait() -> str:
        go.wait(60)
        return "x"

    execution = nt.Session(nt.scripted([nt.tool_call("a", "wait")], [call("b")], "done"), tools=[wait, double]).ask("q")
    until(lambda: len(execution.snapshots) == 2)
    execution.pause()
    until(lambda: execution.status == "pausing")
    go.set()

    pause = first(execution)
    assert (pause.phase, pause.reason) == ("post_tools", "pause")
    later = execution.step().result(60)
    assert later is not None and (later.phase, later.reason) == ("post_inference", "step")


def test_a_pause_right_after_a_resume_is_not_lost() -> None:
    execution = stepped()
    first(execution)

    def at_once() -> None:
        execution.resume()
        execution.pause()

    on_host(at_once)  # where nothing runs between the two

    pause = execution.next().result(60)
    while pause is not None and pause.number == 1:
        pause = execution.next().result(60)
    assert pause is not None and (pause.number, pause.phase) == (2, "post_tools")


def test_pausing_does_not_stop_the_words() -> None:
    execution = nt.Session(
        nt.scripted([nt.assistant("word " * 20), call("a")], "done", pace=0.002), tools=[double]
    ).ask("q")
    until(lambda: len(execution.deltas) > 1)
    execution.pause()

    assert first(execution).turn[1].text == "word " * 20


def test_a_pause_during_the_last_answer_pauses_after_it() -> None:
    execution = nt.Session(nt.scripted("one two three", pace=0.01)).ask("q")
    until(lambda: execution.deltas)
    execution.pause()

    assert (first(execution).phase, execution.turn.text, execution.status) == (
        "post_inference",
        "one two three",
        "paused",
    )
    assert execution.step().result(60) is None
    assert execution.result(60).text == "one two three"


def test_a_pause_that_finds_no_boundary_is_reported() -> None:
    events: list[Event] = []
    started = threading.Event()

    async def failing(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        started.set()
        await asyncio.sleep(0.1)
        raise nt.EngineError("boom")

    execution = nt.Session(failing, sinks=[events.append]).ask("q")
    started.wait(60)
    execution.pause()
    with pytest.raises(nt.EngineError):
        execution.result(60)

    assert [e.text for e in events if isinstance(e, Notice)] == [
        "no pause: the execution was past its last boundary, and is failed"
    ]
    assert isinstance(events[-1], Ended)
    execution.pause()  # after the end it changes nothing
    assert execution.status == "failed"


# Clicks.


def test_a_double_click_passes_one_pause() -> None:
    execution = stepped()
    first(execution)

    clicks = [execution.step(number=1) for _ in range(3)]
    seen = [click.result(60) for click in clicks]

    assert [pause and pause.number for pause in seen] == [2, 2, 2]
    assert execution.paused_at is not None and execution.paused_at.number == 2


def test_a_late_click_on_an_old_button_passes_nothing() -> None:
    execution = stepped()
    execution.step().result(60)
    execution.step().result(60)

    late = execution.step(number=1).result(60)

    assert late == execution.paused_at and late is not None and late.number == 3
    execution.resume()
    assert execution.step(number=2).result(60) is None


def test_two_quick_steps_pass_two_pauses() -> None:
    execution = stepped()

    one, two = execution.step(), execution.step()

    assert [p and p.number for p in (one.result(60), two.result(60))] in ([2, 3], [3, 3])
    assert execution.paused_at is not None and execution.paused_at.number == 3


def test_clicks_from_many_threads_pass_each_pause_once() -> None:
    events: list[Event] = []
    execution = stepped(*[[call(str(n))] for n in range(15)], "done", sinks=[events.append])

    def click(_: int) -> None:
        while (pause := execution.next().result(60)) is not None:
            execution.step(number=pause.number).result(60)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(click, range(8)))

    assert execution.result(60).text == "done"
    assert (
        [e.pause.number for e in events if isinstance(e, Paused)]
        == list(range(1, 31))
        == [e.pause.number for e in events if isinstance(e, Resumed)]
    )


def test_two_sessions_are_stepped_at_once() -> None:
    one, two = stepped(), stepped()

    first(one), first(two)
    pause = two.step().result(60)
    assert pause is not None and (pause.number, first(one).number) == (2, 1)
    two.resume()

    assert two.result(60, wait=True).text == "done"
    assert one.status == "paused"
    one.stop()


def test_events_mark_each_pause_and_say_how_it_ended() -> None:
    events: list[Event] = []
    execution = stepped(sinks=[events.append])
    execution.step().result(60)
    execution.resume()
    execution.result(60, wait=True)

    marks = [
        (type(e).__name__, e.pause.number, getattr(e, "by", "")) for e in events if isinstance(e, (Paused, Resumed))
    ]
    assert marks == [("Paused", 1, ""), ("Resumed", 1, "step"), ("Paused", 2, ""), ("Resumed", 2, "resume")]
    assert isinstance(events[-1], Ended)


# Loops over the pauses.


def test_the_end_of_the_body_steps_unless_the_body_did() -> None:
    seen = []
    execution = stepped()
    for pause in execution:
        seen.append(pause.number)
        if pause.number == 2:
            execution.step()

    assert seen == [1, 2, 3, 4]
    assert execution.result(60).text == "done"


def test_a_body_may_go_on_with_another_turn() -> None:
    execution = stepped([call("a", 1)], "done")
    for pause in execution:
        if pause.pending:
            execution.step(pause.turn.edit(-1, args={"x": 50}))

    assert execution.result(60)[2].result == 100


def test_a_body_that_resumes_runs_on_to_the_next_breakpoint() -> None:
    execution = stepped()
    seen = []
    for pause in execution:
        seen.append(pause.number)
        execution.resume()

    assert (seen, execution.result(60).text) == ([1], "done")


def test_a_loop_that_is_left_leaves_the_execution_held() -> None:
    execution = stepped()
    for _ in execution:
        break

    assert (execution.status, first(execution).number) == ("paused", 1)
    execution.stop()


def test_an_async_for_is_the_same_walk() -> None:
    async def walk() -> list[int]:
        return [pause.number async for pause in stepped()]

    assert asyncio.run(walk()) == [1, 2, 3, 4]


def test_a_run_that_fails_ends_the_walk_and_its_result_raises() -> None:
    execution = stepped([call("a")], nt.EngineError("boom"))

    assert walked(execution) == [(1, "post_inference"), (2, "post_tools")]
    with pytest.raises(nt.EngineError, match="boom"):
        execution.result(60)


# Verdicts.


def test_an_edit_at_a_pause_is_what_the_tool_sees() -> None:
    execution = stepped([call("a", 1)], "done")
    pause = first(execution)

    after = execution.step(pause.turn.edit(-1, args={"x": 20})).result(60)

    assert after is not None and (after.phase, after.turn[-1].result) == ("post_tools", 40)
    execution.resume()
    turn = execution.result(60, wait=True)
    assert (turn[1].args, turn[2].result, pause.turn[-1].args) == ({"x": 20}, 40, {"x": 1})


def test_calls_are_denied_with_a_reason_mocked_with_a_result_and_skipped() -> None:
    ran: list[int] = []

    def effect(n: int) -> int:
        ran.append(n)
        return n

    calls = [nt.tool_call(id, "effect", {"n": n}) for n, id in enumerate("abcd")]
    execution = nt.Session(nt.scripted(calls, "done"), tools=[effect], step=True).ask("q")
    first(execution)

    after = execution.step(deny={"a": "too dangerous"}, mock={"b": {"n": 99}}, skip=["c"]).result(60)

    assert after is not None
    assert [(b.tool_call_id, b.result, b.error) for b in after.turn.of_kind("tool_use")] == [
        ("a", None, "denied: too dangerous"), ("b", {"n": 99}, ""), ("c", None, "skipped: this call was not run"), ("d", 3, ""),
    ]  # fmt: skip
    assert ran == [3] and all(b.id for b in after.turn)
    execution.stop()


def test_a_verdict_on_a_call_that_does_not_wait_is_refused_and_the_gate_stays_shut() -> None:
    execution = stepped()
    first(execution)

    with pytest.raises(ValueError, match="no call 'z' is pending here; pending: a"):
        execution.step(deny={"z": "no"}).result(60)

    assert (execution.status, first(execution).number) == ("paused", 1)
    execution.stop()


def test_a_step_with_what_is_no_turn_is_refused_at_once() -> None:
    execution = stepped()

    with pytest.raises(TypeError, match="expects a Turn, got str"):
        execution.step("go")  # type: ignore[arg-type]
    execution.stop()


def test_answers_added_by_hand_at_a_pause_are_not_asked_of_the_tool() -> None:
    execution = stepped([call("a")], "done")
    pause = first(execution)

    after = execution.step(pause.turn + nt.tool_use("a", "by hand")).result(60)

    assert after is not None and [b.result for b in after.turn.of_kind("tool_use")] == ["by hand"]
    execution.stop()


def test_calls_dropped_at_a_pause_let_the_model_be_asked_again() -> None:
    execution = stepped([call("a")], "done")
    pause = first(execution)

    execution.step(pause.turn.drop(-1)).result(60)
    execution.resume()

    assert [b.kind for b in execution.result(60, wait=True)] == ["user", "llm_text"]


def test_a_question_added_before_the_final_answer_is_answered() -> None:
    execution = stepped("first", "second", step={"post_inference"})
    pause = first(execution)

    execution.step(pause.turn + nt.user("and?")).result(60)
    execution.resume()

    assert [b.text for b in execution.result(60, wait=True)] == ["q", "first", "and?", "second"]


# Breakpoints.


def test_it_breaks_before_a_tool_at_a_phase_and_where_a_predicate_says() -> None:
    def delete_file() -> str:
        return "gone"

    script = ([call("a")], [nt.tool_call("b", "delete_file")], "done")
    session = nt.Session(nt.scripted(*script * 3), tools=[double, delete_file])

    def breaks(**when: Any) -> list[tuple[str, int, str]]:
        execution = session.ask("q", step={"pre_inference"})
        first(execution)
        execution.break_when(*when.pop("args", ()), **when)
        execution.resume()
        seen = []
        while (pause := execution.next().result(60)) is not None:
            seen.append((str(pause.phase), pause.iteration, pause.reason))
            execution.resume()
        return seen

    assert breaks(tool="delete_file") == [("post_inference", 1, "breakpoint: tool delete_file")]
    assert breaks(phase="post_tools") == [
        ("post_tools", 0, "breakpoint: phase post_tools"),
        ("post_tools", 1, "breakpoint: phase post_tools"),
    ]
    assert breaks(args=(lambda snapshot: snapshot.iteration == 2 and snapshot.phase == "final",)) == [
        ("final", 2, "breakpoint: <lambda>")
    ]


def test_a_breakpoint_that_raises_stops_where_it_broke() -> None:
    execution = stepped([call("a")], "done")
    first(execution)
    execution.break_when(lambda snapshot: 1 / 0)
    execution.resume()

    pause = first(execution)
    assert pause.reason == "breakpoint <lambda> raised ZeroDivisionError: division by zero"
    execution.stop()


def test_a_phase_that_is_none_is_refused() -> None:
    execution = stepped()
    with pytest.raises(ValueError, match="'after'"):
        execution.break_when(phase="after")
    execution.stop()


# Waiting.


def test_the_result_of_a_held_execution_is_an_error_at_once_that_names_the_way_on() -> None:
    execution = stepped()
    start = time.monotonic()

    with pytest.raises(
        nt.HeldError,
        match=r"the execution is paused \(pause 1, post_inference\); call step\(\), resume\(\) or result\(wait=True\)",
    ):
        execution.result()

    assert time.monotonic() - start < 20  # and not until somebody presses a button
    assert execution.status == "paused"
    execution.stop()


def test_result_with_wait_insists() -> None:
    execution = stepped()
    first(execution)
    threading.Timer(0.1, execution.resume).start()

    assert execution.result(60, wait=True).text == "done"


def test_a_time_out_ends_the_wait_alone() -> None:
    execution = stepped()

    with pytest.raises(TimeoutError, match="the execution is paused after 0.05 s; it continues, call result"):
        execution.result(0.05, wait=True)
    with pytest.raises(TimeoutError):
        Waiting(asyncio.sleep(5)).result(0.05)

    execution.resume()
    assert execution.result(60, wait=True).text == "done"
    assert execution.result(0).text == "done"


def test_a_result_asked_for_on_the_hosts_thread_raises_instead_of_waiting_for_itself() -> None:
    errors: list[str] = []

    def sink(event: Event) -> None:
        if isinstance(event, Paused):
            for wait in (execution.result, execution.next().result, execution.step().result, lambda: list(execution)):
                try:
                    wait()
                except RuntimeError as error:
                    errors.append(str(error))

    ready = threading.Event()
    session = nt.Session(nt.scripted([call("a")], "done"), tools=[double], step=True, sinks=[when(ready, sink)])
    execution = session.ask("q")
    ready.set()
    until(lambda: len(errors) >= 4)

    assert all("would block the event loop" in error for error in errors)
    execution.stop()


def test_a_listener_may_step() -> None:
    def sink(event: Event) -> None:
        if isinstance(event, Paused):
            execution.step(number=event.pause.number)

    ready = threading.Event()
    execution = stepped(sinks=[when(ready, sink)])
    ready.set()

    assert execution.result(60, wait=True).text == "done"


def test_an_execution_is_awaited_from_any_loop_by_any_number() -> None:
    execution = stepped("done")

    async def wait() -> list[str]:
        return [turn.text for turn in await asyncio.gather(*(asyncio.ensure_future(the(execution)) for _ in range(3)))]

    async def the(one: nt.Execution) -> nt.Turn:
        return await one

    assert asyncio.run(wait()) == ["done"] * 3
    assert asyncio.run(the(execution)).text == "done"


def test_giving_up_an_await_ends_that_wait_alone(caplog: pytest.LogCaptureFixture) -> None:
    execution = stepped()

    async def hurry() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(execution, 0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(execution.next(), 0)

    asyncio.run(hurry())
    assert execution.status == "paused"
    execution.resume()

    assert execution.result(60, wait=True).text == "done"
    assert caplog.text == ""


def test_an_error_nobody_awaited_to_the_end_makes_no_noise(caplog: pytest.LogCaptureFixture) -> None:
    async def hurry() -> None:
        execution = stepped([call("a")], nt.EngineError("boom"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(execution, 0.02)
        execution.resume()
        while execution.status != "failed":
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    asyncio.run(hurry())
    gc.collect()  # an unreferenced execution would complain now
    assert caplog.text == ""


def test_a_keyboard_interrupt_while_waiting_for_a_step_ends_the_wait_and_leaves_it_held() -> None:
    go = threading.Event()

    def slow() -> None:
        go.wait(60)

    execution = nt.Session(nt.scripted([nt.tool_call("a", "slow")], "done"), tools=[slow], step=True).ask("q")
    first(execution)

    with interrupt_in(wait_for_future, after=0.1), pytest.raises(KeyboardInterrupt):
        execution.step().result(60)

    go.set()
    pause = execution.step(number=1).result(60)
    assert pause is not None and (pause.number, execution.status) == (2, "paused")
    execution.stop()


def test_a_keyboard_interrupt_while_waiting_for_the_result_stops_the_execution() -> None:
    execution = nt.Session(nt.scripted("word " * 1000, pace=0.01)).ask("q")

    with interrupt_in(ends_within, after=0.3), pytest.raises(KeyboardInterrupt):
        execution.result(60)

    until(lambda: execution.status == "stopped")
    assert execution.turn.text.startswith("word")


# Time-outs of a pause.


@pytest.mark.parametrize(("policy", "status"), [("stop", "stopped"), ("resume", "done")])
def test_a_pause_ends_by_itself_only_by_an_explicit_policy_and_says_so(policy: Any, status: str) -> None:
    events: list[Event] = []
    ran: list[int] = []

    def effect() -> None:
        ran.append(1)

    config = nt.ToolConfig(pause_timeout=0.05, on_pause_timeout=policy)
    execution = nt.Session(
        nt.scripted([nt.tool_call("a", "effect")], "done"),
        tools=[effect],
        step=True,
        tool_config=config,
        sinks=[events.append],
    ).ask("q")
    execution.result(60, wait=True)

    assert (execution.status, ran) == (status, [1] if policy == "resume" else [])
    assert any(isinstance(e, Notice) and f"the pause was not ended within 0.05 s: {policy}" in e.text for e in events)
    assert [e.by for e in events if isinstance(e, Resumed)] == (["timeout"] if policy == "resume" else [])


def test_a_pause_stays_when_the_policy_says_stay() -> None:
    execution = stepped(tool_config=nt.ToolConfig(pause_timeout=0.02))
    first(execution)
    time.sleep(0.1)

    assert execution.status == "paused"
    execution.stop()


def test_who_is_in_time_wins_over_the_time_out() -> None:
    execution = stepped(tool_config=nt.ToolConfig(pause_timeout=120, on_pause_timeout="stop"))
    first(execution)

    after = execution.step().result(60)

    assert after is not None and after.number == 2
    execution.stop()


def test_a_paused_execution_needs_no_other_record_than_its_turn() -> None:
    held = stepped([call("a", 4)], "never")
    saved = first(held).turn.to_yaml()
    held.stop()

    turn = nt.Session(nt.scripted("done"), tools=[double]).ask(nt.Turn.from_yaml(saved)).result(60)

    assert (turn[2].result, turn.text) == (8, "done")


# Verdicts that come late, or at the last call.


def test_a_verdict_at_the_pause_of_the_last_call_is_kept() -> None:
    execution = stepped([call("a"), call("b")], tool_config=nt.ToolConfig(max_iterations=1))
    first(execution)

    execution.step(deny={"a": "not today"})

    with pytest.raises(nt.LimitReached) as raised:
        execution.result(60, wait=True)
    turn = raised.value.turn
    assert [(b.kind, b.error) for b in turn[-1:]] == [("tool_use", "denied: not today")]
    assert [b.name for b in turn.pending] == ["double"] and turn[-1].id


def test_a_model_whose_last_call_was_dropped_was_not_heard_to_the_end() -> None:
    execution = stepped([nt.assistant("I would like to"), call("a")], tool_config=nt.ToolConfig(max_iterations=1))

    execution.step(first(execution).turn.drop(-1))

    with pytest.raises(nt.LimitReached, match="after 1 model call") as raised:
        execution.result(60, wait=True)
    assert (raised.value.turn.text, raised.value.turn.pending) == ("I would like to", ())


@pytest.mark.parametrize(
    "verdict", [{"deny": {"a": "no"}}, {"mock": {"a": 1}}, {"skip": ["a"]}, {"turn": nt.turn("x")}]
)
def test_a_verdict_after_the_end_is_an_error_that_says_so(verdict: dict[str, Any]) -> None:
    execution = stepped("done")
    execution.result(60)

    with pytest.raises(nt.EndedError, match=r"over, so the decision has no effect.* session\.ask\(turn\)"):
        execution.step(**verdict).result(60)
    with pytest.raises(nt.EndedError):
        execution.resume(**verdict)
    for control in (execution.step, execution.resume):
        with pytest.raises(nt.EndedError):
            control()
    assert execution.step(number=1).result(60) is None  # a late click on a button


def test_resume_takes_the_verdicts_a_step_takes() -> None:
    execution = stepped([call("a"), call("b"), call("c", 1)], "done")
    first(execution)

    execution.resume(deny={"a": "no"}, mock={"b": {"x": 1}}, by="ann")

    turn = execution.result(60, wait=True)
    assert [(b.result, b.error) for b in turn.of_kind("tool_use")] == [(None, "denied: no"), ({"x": 1}, ""), (2, "")]


def test_resumed_says_who_and_what() -> None:
    events: list[Event] = []
    execution = stepped([call("a"), call("b")], "done", sinks=[events.append])
    first(execution)

    execution.step(deny={"a": "no"}, by="ann").result(60)
    execution.resume()
    execution.result(60, wait=True)

    paused, resumed = (next(e for e in events if isinstance(e, kind)) for kind in (Paused, Resumed))
    assert isinstance(paused, Paused) and [b.tool_call_id for b in paused.pause.pending] == ["a", "b"]
    assert isinstance(resumed, Resumed) and (resumed.by, [b.error for b in resumed.answers]) == ("ann", ["denied: no"])


def test_a_verdict_for_a_pause_that_is_not_there_yet_is_refused() -> None:
    execution = nt.Session(nt.scripted("a b c d", pace=0.2), tools=[double]).ask("q")

    with pytest.raises(ValueError, match="is not paused"):
        execution.resume(nt.turn("other"))
    execution.stop()


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ({"deny": ["a"]}, "deny must map call ids"),
        ({"deny": "a"}, "deny must map call ids"),
        ({"mock": ["a"]}, "mock must map call ids"),
        ({"skip": 5}, "skip must be a list of call ids"),
        ({"skip": {"a": "why"}}, "skip must be a list of call ids"),
        ({"turn": "go on"}, "expects a Turn, got str"),
    ],
)
def test_a_verdict_of_another_shape_is_refused_at_once(verdict: dict[str, Any], said: str) -> None:
    execution = stepped()
    first(execution)

    with pytest.raises(TypeError, match=said):
        execution.step(**verdict)
    with pytest.raises(TypeError, match=said):
        execution.resume(**verdict)
    assert execution.status == "paused"


def test_what_is_no_breakpoint_is_refused() -> None:
    execution = stepped()

    with pytest.raises(TypeError, match="a breakpoint must be a function of a snapshot"):
        execution.break_when("delete_file")  # type: ignore[arg-type]  # as one would write it
