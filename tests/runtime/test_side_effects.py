"""No tool runs twice or without being called for, and the model hears what happened to each call."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Event, ToolFinished, ToolStarted
from nbturns.runtime.tool_config import RetryConfig
from tests.runtime.test_tool_loop import call, double, until

RETRY = nt.ToolConfig(tool_error_handling="retry", retry_config=RetryConfig(max_retries=2, backoff_base=0.01))


class SlowTools:
    """Tools that count their runs; `post` waits until it is released."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.runs: list[str] = []

    def post(self, letter: str) -> str:
        "Post a letter."
        self.runs.append(f"post {letter}")
        self.release.wait(60)
        return "posted"

    async def publish(self, page: str) -> str:
        "Publish a page."
        self.runs.append(f"publish {page}")
        await asyncio.sleep(60)
        return "published"

    def count(self) -> int:
        "Count."
        self.runs.append("count")
        return len(self.runs)


def stopped_session(tools: SlowTools, calls: list[nt.Block], **options: Any) -> nt.Session:
    """Return a session that was stopped when all events of the finished tools had arrived."""
    events: list[Event] = []
    session = nt.Session(
        nt.scripted(calls, "fine", "fine"),
        tools=[tools.post, tools.publish, tools.count],
        sinks=[events.append],
        **options,
    )
    execution = session.ask("q")
    until(lambda: any(run.startswith(("post", "publish")) for run in tools.runs))
    if any(block.name == "count" for block in calls) and options == {}:
        until(lambda: any(isinstance(event, ToolFinished) for event in events))
    execution.stop()
    execution.result(60)
    tools.release.set()
    return session


def errors(turn: nt.Turn) -> list[str]:
    return [block.error for block in turn.of_kind("tool_use")]


def test_a_call_that_had_begun_before_the_stop_may_have_taken_effect_and_a_finished_one_keeps_its_result() -> None:
    tools = SlowTools()
    calls = [
        nt.tool_call("a", "count"),
        nt.tool_call("b", "post", {"letter": "x"}),
        nt.tool_call("c", "publish", {"page": "y"}),
    ]

    turn = stopped_session(tools, calls).ask("did it go?").result(60)

    outcomes = {block.tool_call_id: (block.result, block.error) for block in turn.of_kind("tool_use")}
    assert outcomes["a"][0] in (1, 2, 3) and not outcomes["a"][1]
    assert outcomes["b"] == outcomes["c"] == (None, "interrupted: it may have taken effect")


def test_a_call_that_never_began_was_not_run() -> None:
    tools = SlowTools()
    calls = [nt.tool_call("a", "post", {"letter": "x"}), nt.tool_call("b", "count")]
    session = stopped_session(tools, calls, tool_config=nt.ToolConfig(max_parallel_tools=1))

    assert [block.tool_call_id for block in session.latest.pending] == ["a", "b"]
    assert errors(session.ask("and?").result(60)) == ["interrupted: it may have taken effect", "not run: stopped"]
    assert tools.runs == ["post x"]


def test_the_interruption_is_known_after_saving_and_loading(tmp_path: Path) -> None:
    session = stopped_session(SlowTools(), [nt.tool_call("a", "post", {"letter": "x"})])
    nt.save(session.run, tmp_path / "run.yaml")

    turn = nt.Session(nt.scripted("x"), run=nt.load(tmp_path / "run.yaml")).ask("and?").result(60)

    assert errors(turn) == ["interrupted: it may have taken effect"]


@pytest.mark.parametrize(("effect", "runs"), [("effectful", 1), ("idempotent", 2), ("pure", 2)])
def test_going_on_from_a_stopped_turn_runs_only_harmless_tools_again(effect: Any, runs: int) -> None:
    tools = SlowTools()
    session = nt.Session(
        nt.scripted(nt.tool_call("a", "post", {"letter": "x"}), "fine"), tools=[nt.Tool(tools.post, effect=effect)]
    )
    execution = session.ask("q")
    until(lambda: tools.runs)
    execution.stop()
    stopped = execution.result(60)
    tools.release.set()

    turn = session.ask(stopped).result(60)

    assert len(tools.runs) == runs
    assert errors(turn) == ["interrupted: it may have taken effect" if runs == 1 else ""]


def test_a_tool_that_swallows_the_stop_keeps_its_result_and_the_next_call_of_the_batch_does_not_begin() -> None:
    started = threading.Event()
    runs: list[str] = []

    async def stubborn() -> str:
        try:
            started.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            runs.append("stubborn")
        return "finished all the same"

    def after() -> None:
        runs.append("after")

    session = nt.Session(
        nt.scripted([nt.tool_call("a", "stubborn"), nt.tool_call("b", "after")], "x"),
        tools=[stubborn, after],
        tool_config=nt.ToolConfig(max_parallel_tools=1),
    )
    execution = session.ask("q")
    started.wait(60)
    execution.stop()
    execution.result(60)

    turn = session.ask("and?").result(60)
    assert [(block.result, block.error) for block in turn.of_kind("tool_use")] == [
        ("finished all the same", ""),
        (None, "not run: stopped"),
    ]
    assert runs == ["stubborn"]


# Retries.


@pytest.mark.parametrize(("effect", "runs"), [("effectful", 1), ("idempotent", 3), ("pure", 3)])
def test_a_tool_that_timed_out_is_tried_again_only_if_that_is_harmless(effect: Any, runs: int) -> None:
    tools = SlowTools()
    tool = nt.Tool(tools.post, effect=effect, timeout=0.05)
    session = nt.Session(nt.scripted(nt.tool_call("a", "post", {"letter": "x"}), "x"), tools=[tool], tool_config=RETRY)

    turn = session.ask("q").result(60)
    tools.release.set()

    assert len(tools.runs) == runs
    expected = "timed out after 0.05 s"
    assert errors(turn) == [expected + "; not retried, because it may have taken effect" * (runs == 1)]


def test_an_effectful_tool_that_failed_is_tried_again() -> None:
    runs: list[int] = []

    def fails_once() -> str:
        runs.append(1)
        if len(runs) == 1:
            raise OSError("no route")
        return "sent"

    session = nt.Session(nt.scripted(nt.tool_call("a", "fails_once"), "x"), tools=[fails_once], tool_config=RETRY)
    assert session.ask("q").result(60).of_kind("tool_use")[0].result == "sent"


# Replies whose calls are not run.


def ended(stop_reason: str, *blocks: nt.Block) -> Any:
    """Return an engine that answers with `blocks` and this stop reason, then with a text."""
    sent: list[nt.Turn] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        sent.append(turn)
        if len(sent) > 1:
            return turn + nt.assistant("done")
        return (turn + blocks).with_metadata(nt.keys.INFERENCE_RESULT, nt.InferenceResult(stop_reason=stop_reason))

    engine.sent = sent  # type: ignore[attr-defined]
    return engine


@pytest.mark.parametrize(
    ("stop_reason", "message"),
    [
        ("refusal", "not run: the reply with this call ended in a refusal"),
        ("content_filter", "not run: the reply with this call was ended by a content filter"),
        ("SAFETY", "not run: the reply with this call was ended by a content filter"),
    ],
)
@pytest.mark.parametrize("limit", [1, 9])
def test_calls_of_a_refused_reply_are_answered_as_not_run_and_end_the_run(
    stop_reason: str, message: str, limit: int
) -> None:
    runs: list[int] = []

    def drop() -> None:
        runs.append(1)

    engine = ended(stop_reason, nt.tool_call("a", "drop"), nt.tool_call("b", "drop"))
    execution = nt.Session(engine, tools=[drop]).ask("q", limit=limit)
    turn = execution.result(60)

    assert (runs, len(engine.sent), errors(turn), execution.status) == ([], 1, [message] * 2, "done")


def test_a_refused_call_that_is_mocked_at_a_pause_goes_back_to_the_model() -> None:
    engine = ended("refusal", nt.tool_call("a", "double", {"x": 1}))
    execution = nt.Session(engine, tools=[double], step=True).ask("q")
    execution.next().result(60)

    execution.resume(mock={"a": 2})

    assert (execution.result(60, wait=True).text, len(engine.sent)) == ("done", 2)


def test_a_paused_reply_goes_back_unchanged_and_its_calls_are_not_run() -> None:
    runs: list[int] = []

    def look() -> None:
        runs.append(1)

    engine = ended("pause_turn", nt.assistant("searching"), nt.tool_call("a", "look"))
    turn = nt.Session(engine, tools=[look]).ask("q").result(60)

    assert [block.kind for block in engine.sent[1]] == ["user", "llm_text", "tool_call"]
    assert (runs, turn.pending, turn.text) == ([], (), "done")
    assert errors(turn) == [
        "not run: the reply with this call was paused before its end; call again if it is still needed"
    ]


def test_a_reply_that_stays_paused_counts_towards_the_limit() -> None:
    async def pauses(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        turn += nt.tool_call(f"c{len(turn)}", "double", {"x": 1})
        return turn.with_metadata(nt.keys.INFERENCE_RESULT, nt.InferenceResult(stop_reason="pause_turn"))

    with pytest.raises(nt.LimitReached) as caught:
        nt.Session(pauses, tools=[double]).ask("q", limit=3).result(60)
    assert len(caught.value.turn.inferences) == 3 and not caught.value.turn.of_kind("tool_use")


def test_a_call_beside_any_other_end_of_a_reply_is_run() -> None:
    for stop_reason in ("stop", "length", "end_turn", "???"):
        turn = nt.Session(ended(stop_reason, call("a")), tools=[double]).ask("q").result(60)
        assert [block.result for block in turn.of_kind("tool_use")] == [4]


def test_tool_started_is_emitted_for_each_call_that_begins() -> None:
    events: list[Event] = []
    nt.Session(nt.scripted([call("a"), call("b")], "x"), tools=[double], sinks=[events.append]).ask("q").result(60)
    assert [event.call.tool_call_id for event in events if isinstance(event, ToolStarted)] == ["a", "b"]
