"""Any walk through any run: whatever is done at its pauses, nothing is lost, run twice or changed afterwards."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt
from nbturns.events import Event, Notice, Paused, Resumed, Snapshot

TOOLS = ("count", "fail", "nothing")

call = st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(TOOLS))
answer = st.lists(call, max_size=3)
act = st.sampled_from(["step", "resume", "deny", "mock", "skip", "pause", "drop", "add", "edit", "same", "twice"])


class Counting:
    """Tools that count how often they were really run."""

    def __init__(self) -> None:
        self.ran = 0
        self.lock = threading.Lock()

    def count(self) -> int:
        with self.lock:
            self.ran += 1
            return self.ran

    def fail(self) -> None:
        self.count()
        raise ValueError("as asked")


def decided(execution: nt.Execution, pause: Any, act: str) -> None:
    """Do one thing at a pause, as a user would."""
    waiting = [block.tool_call_id for block in pause.pending]
    turn = pause.turn
    match act:
        case "resume":
            execution.resume()
        case "deny" if waiting:
            execution.step(deny={waiting[0]: "no"}).result(60)
        case "mock" if waiting:
            execution.step(mock=dict.fromkeys(waiting, 42)).result(60)
        case "skip" if waiting:
            execution.step(skip=waiting[-1]).result(60)
        case "pause":
            execution.pause()
            execution.step().result(60)
        case "drop":
            execution.step(turn.drop(-1) if len(turn) > 1 else turn).result(60)
        case "add":
            execution.step(turn + nt.tool_call("a", "count")).result(60)
        case "edit":
            execution.step(turn.insert(0, nt.system("be brief"))).result(60)
        case "twice":
            clicks = [execution.step(number=pause.number) for _ in range(2)]
            assert len({getattr(click.result(60), "number", None) for click in clicks}) == 1
        case _:
            execution.step().result(60)


@settings(max_examples=150, deadline=None)
@given(st.lists(answer, max_size=4), st.lists(act, max_size=9), st.booleans(), st.sampled_from([1, 2, 20]))
def test_any_walk_through_any_run_keeps_every_promise(
    script: list[list[tuple[str, str]]], acts: list[str], inline: bool, limit: int
) -> None:
    tools = Counting()
    heard: list[Event] = []
    kept: list[tuple[nt.Turn, dict[str, Any]]] = []

    def hear(event: Event) -> None:
        heard.append(event)
        if isinstance(event, Snapshot):
            kept.append((event.turn, event.turn.to_dict()))

    answers = [[nt.tool_call(id, name) for id, name in calls] or [nt.assistant("so far")] for calls in script]
    engine = nt.scripted(*answers, *["the end"] * 20)
    session = nt.Session(
        engine,
        tools=[tools.count, tools.fail],
        sinks=[hear],
        tool_config=nt.ToolConfig(inline=inline, max_iterations=limit),
    )
    execution = session.ask("q", step=True)
    for act in acts:
        if (pause := execution.next().result(60)) is None:
            break
        decided(execution, pause, act)
    with suppress(nt.EndedError):
        execution.resume()
    try:
        turn = execution.result(60, wait=True)
    except nt.LimitReached as error:
        turn = error.turn
        assert execution.status == "failed"
    else:
        assert (execution.status, turn.pending) == ("done", ())

    assert session.turns == (turn,)
    ids = [block.id for block in turn]
    assert all(ids) and len(set(ids)) == len(ids)
    results = [block.tool_call_id for block in turn.of_kind("tool_use")]
    assert len(set(results)) == len(results)
    assert len(turn.inferences) <= engine.call_count  # a dropped block does not erase its call, another Turn may
    assert tools.ran <= sum(len(calls) for calls in script) + acts.count("add") + acts.count("drop")
    assert [event.seq for event in heard] == list(range(len(heard)))
    paused = [event.pause.number for event in heard if isinstance(event, Paused)]
    assert paused == [event.pause.number for event in heard if isinstance(event, Resumed)] == sorted(set(paused))
    assert all(snapshot.to_dict() == saved for snapshot, saved in kept)
    assert not execution.sink_errors


@settings(max_examples=40, deadline=None)
@given(st.lists(answer, min_size=1, max_size=3), st.integers(0, 30))
def test_a_stop_at_any_moment_leaves_a_turn_that_can_be_gone_on_from(
    script: list[list[tuple[str, str]]], events: int
) -> None:
    tools = Counting()
    seen: list[Event] = []

    def hear(event: Event) -> None:
        seen.append(event)
        if len(seen) == events:
            session.stop()

    answers = [[nt.tool_call(id, name) for id, name in calls] or [nt.assistant("so far")] for calls in script]
    session = nt.Session(nt.scripted(*answers, *["the end"] * 9), tools=[tools.count, tools.fail], sinks=[hear])
    stopped = session.ask("q").result(60)
    began = len([event for event in seen if type(event).__name__ == "ToolStarted"])

    assert tools.ran <= began
    session.sinks = ()
    turn = session.ask("go on").result(60)
    assert turn.pending == () and turn.text in ("the end", "so far")
    assert [block.id for block in turn][: len(stopped)] == [block.id for block in stopped]


def test_notices_of_a_walk_say_which_call_got_an_id() -> None:
    said: list[str] = []
    session = nt.Session(
        nt.scripted([nt.tool_call("a", "count")], "done"),
        tools=[Counting().count],
        sinks=[lambda event: said.append(event.text) if isinstance(event, Notice) else None],
    )
    execution = session.ask("q", step=True)
    pause = execution.next().result(60)
    assert pause is not None

    execution.resume(pause.turn + [nt.tool_call("a", "count"), nt.tool_call("", "count")])

    turn = execution.result(60, wait=True)
    assert sorted(block.result for block in turn.of_kind("tool_use")) == [1, 2, 3]
    assert len(said) == 2 and "had the id a of an earlier call" in said[0] and "had no id" in said[1]


def test_a_result_dropped_at_a_pause_is_made_again_before_the_model_is_asked() -> None:
    asked: list[int] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        asked.append(len(turn.pending))
        return turn + (nt.tool_call("a", "count") if len(asked) == 1 else nt.assistant("done"))

    execution = nt.Session(engine, tools=[Counting().count]).ask("q", step={"post_tools"})
    pause = execution.next().result(60)
    assert pause is not None

    execution.resume(pause.turn.drop(-1))

    turn = execution.result(60, wait=True)
    assert asked == [0, 0] and [block.result for block in turn.of_kind("tool_use")] == [2]
