"""A session: one execution at a time, a history that only grows, and forks that disturb nobody."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Ended, Event, InferenceFinished, InferenceStarted, Notice, Snapshot, ToolFinished
from nbturns.middleware import system_prompt
from tests.runtime.test_tool_loop import call, double, until


def session(*answers: Any, **how: Any) -> nt.Session:
    return nt.Session(nt.scripted(*answers), **{"tools": [double], **how})


def texts(turn: nt.Turn) -> list[str]:
    return [b.text for b in turn]


# Asking.


def test_each_ask_adds_a_turn_that_holds_all_before_it() -> None:
    asked = session("a", "b")

    one = asked.ask("x").result(60)
    two = asked.ask("y").result(60)

    assert asked.turns == (one, two) and asked.latest is two and asked.run.turns == (one, two)
    assert (texts(one), texts(two)) == (["x", "a"], ["x", "a", "y", "b"])
    assert two.blocks.shared_length(one.blocks) == 2
    assert (one.id, two.id) == (asked.turns[0].id, asked.turns[1].id) and one.id != two.id


def test_the_history_that_was_handed_out_does_not_grow() -> None:
    asked = session("a", "b")
    asked.ask("x").result(60)
    before = asked.turns

    asked.ask("y").result(60)

    assert len(before) == 1 and asked.turns[:1] == before


def test_a_prompt_is_a_text_a_block_blocks_or_a_turn() -> None:
    asked = session("a", "b", "c", "d")

    asked.ask(nt.user("look", images=["https://x.org/a.png"])).result(60)
    asked.ask([nt.user("one"), nt.user("two")]).result(60)
    turn = asked.ask(nt.turn("fresh")).result(60)

    assert asked.turns[0][0].images == [{"url": "https://x.org/a.png"}]
    assert texts(asked.turns[1]) == ["look", "a", "one", "two", "b"]
    assert texts(turn) == ["fresh", "c"]
    assert len(asked.turns) == 3


@pytest.mark.parametrize("prompt", [5, {"kind": "user"}, [nt.user("text"), 5]])
def test_what_is_no_prompt_is_refused_and_the_session_is_as_it_was(prompt: Any) -> None:
    asked = session("a")

    with pytest.raises(TypeError, match="expected Blocks"):
        asked.ask(prompt)

    assert (asked.turns, asked.ask("q").result(60).text) == ((), "a")


def test_there_must_be_something_to_ask() -> None:
    with pytest.raises(ValueError, match="the Turn has no blocks"):
        session("a").ask(nt.Turn())


def test_one_execution_runs_at_a_time() -> None:
    asked = session([call("a")], "x", "y", step=True)
    execution = asked.ask("q")
    execution.next().result(60)

    with pytest.raises(
        nt.BusyError,
        match=r"this session's execution is paused; take its result\(\), step\(\) it to the end, or stop\(\) it",
    ):
        asked.ask("again")
    execution.resume()
    execution.result(60, wait=True)

    assert asked.ask("again", step=False).result(60).text == "y"
    assert len(asked.turns) == 2


def test_who_has_the_result_may_ask_again_at_once() -> None:
    asked = nt.Session(nt.scripted(*["a"] * 60))

    for n in range(60):
        execution = asked.ask("q")
        while execution.status != "done":
            pass
        assert len(asked.turns) == n + 1


def test_the_session_and_the_turn_and_the_execution_have_their_ids() -> None:
    asked = session("a", "b", id="s1")
    execution = asked.ask("x")
    one = execution.result(60)
    two = asked.ask("y").result(60)

    assert one.metadata[nt.keys.SESSION_ID] == two.metadata[nt.keys.SESSION_ID] == asked.id == "s1"
    assert one.metadata[nt.keys.EXECUTION_ID] == execution.id != two.metadata[nt.keys.EXECUTION_ID]
    assert one.metadata[nt.keys.STATUS] == "done"
    assert nt.Session(nt.scripted("a")).id != nt.Session(nt.scripted("a")).id


def test_ids_of_two_sessions_never_meet() -> None:
    ids = [b.id for _ in range(20) for b in session("a").ask("q").result(60)]

    assert len(set(ids)) == len(ids) == 40


# After a stop, a failure, a limit.


def test_a_stopped_turn_joins_the_history_and_its_open_calls_are_answered_by_the_next_prompt() -> None:
    asked = session([call("a")], "fine", step=True)
    execution = asked.ask("q")
    execution.next().result(60)
    asked.stop()
    stopped = execution.result(60, wait=True)

    turn = asked.ask("never mind", step=False).result(60)

    assert asked.turns == (stopped, turn) and stopped.metadata[nt.keys.STATUS] == "stopped"
    assert [(b.kind, b.error) for b in turn] == [
        ("user", ""),
        ("tool_call", ""),
        ("tool_use", "not run: stopped"),
        ("user", ""),
        ("llm_text", ""),
    ]
    assert (turn.pending, turn.metadata[nt.keys.STATUS], bool(turn[2].id)) == ((), "done", True)


def test_a_failed_turn_joins_the_history_as_far_as_it_came() -> None:
    asked = session([call("a")], nt.EngineError("boom"), "better")
    with pytest.raises(nt.EngineError):
        asked.ask("q").result(60)

    assert asked.latest.metadata[nt.keys.STATUS] == "failed"
    assert texts(asked.ask("again").result(60))[-2:] == ["again", "better"]


def test_a_stop_without_an_execution_is_nothing() -> None:
    asked = session("a")

    asked.stop()

    assert asked.ask("q").result(60).text == "a"


# The system prompt.


def test_the_system_prompt_is_one_block_at_the_head_however_often_one_asks() -> None:
    asked = session([call("a")], "x", "y", system="Be brief.")
    asked.ask("q").result(60)
    asked.ask("r").result(60)

    assert [b.text for b in asked.latest.of_kind("system")] == ["Be brief."]
    assert (asked.latest[0].kind, asked.latest[0].metadata.get(nt.keys.MIDDLEWARE)) == ("system", "systemprompt")
    assert asked.turns[1].blocks.shared_length(asked.turns[0].blocks) == len(asked.turns[0])


def test_the_system_prompt_is_inserted_replaced_or_left_as_it_is() -> None:
    def layered(turn: nt.Turn, prompt: str = "P") -> nt.Turn:
        return nt.Session(nt.scripted("x"), middleware=[system_prompt(prompt)]).ask(turn).result(60)

    inserted = layered(nt.turn("q"))
    replaced = layered(nt.turn("q", system="old"))
    same = layered(nt.turn("q", system="P"))

    assert [texts(t) for t in (inserted, replaced, same)] == [["P", "q", "x"]] * 3
    assert [t[0].metadata.get(nt.keys.MIDDLEWARE) for t in (inserted, replaced, same)] == [
        "systemprompt",
        "systemprompt",
        None,
    ]
    assert texts(layered(nt.turn("q"), "")) == ["q", "x"]
    assert texts(layered(nt.Turn((nt.system("P"), nt.system("more"), nt.user("q"))))) == ["P", "more", "q", "x"]


# Forks and histories.


def test_a_fork_from_the_latest_an_index_a_turn_or_a_snapshot_goes_on_from_there() -> None:
    asked = session("a", "b", *"cdefgh", system="S")
    first, second = asked.ask("x"), None
    first.result(60)
    second = asked.ask("y")
    second.result(60)
    before = asked.turns

    forks = [asked.fork(), asked.fork(0), asked.fork(-1), asked.fork(asked.turns[0]), asked.fork(first.snapshots[0])]
    said = [texts(fork.ask("z").result(60))[1:] for fork in forks]

    assert said == [
        ["x", "a", "y", "b", "z", "c"],
        ["x", "a", "z", "d"],
        ["x", "a", "y", "b", "z", "e"],
        ["x", "a", "z", "f"],
        ["x", "z", "g"],
    ]
    assert [len(fork.turns) for fork in forks] == [3, 2, 3, 2, 2]
    assert asked.turns == before
    assert len({fork.id for fork in forks} | {asked.id}) == 6


def test_a_fork_of_a_session_that_has_said_nothing_has_no_history() -> None:
    fork = session("a", system="S").fork()

    assert fork.turns == ()
    assert texts(fork.ask("q").result(60)) == ["S", "q", "a"]


def test_a_fork_from_an_index_that_is_not_there_is_an_index_error() -> None:
    with pytest.raises(IndexError):
        session("a").fork(0)


def test_a_fork_at_a_pause_leaves_the_held_execution_held() -> None:
    asked = session([call("a", 5)], "one", "two", step=True)
    held = asked.ask("q")
    pause = held.next().result(60)
    assert pause is not None

    fork = asked.fork(held.snapshots[-1])
    other = fork.ask(fork.latest, step=False).result(60)

    assert (other[2].result, other.text, held.status) == (10, "one", "paused")
    held.resume()
    assert held.result(60, wait=True).text == "two"


def test_a_history_is_gone_on_from_also_when_it_was_read_from_a_file(tmp_path: Path) -> None:
    old = session("a")
    old.ask("x").result(60)
    path = nt.save(old.run, tmp_path / "run.yaml")

    new = session("b", run=nt.load(path))
    turn = new.ask("y").result(60)

    assert (new.id, texts(turn), len(new.turns)) == (old.id, ["x", "a", "y", "b"], 2)
    assert nt.load(nt.save(new.run, path)) == new.run


def test_the_run_of_a_session_comes_back_from_a_file_with_all_it_holds(tmp_path: Path) -> None:
    asked = session([nt.reasoning("hm"), call("a")], "x", [call("b"), call("c")], "y", system="S")
    asked.ask("q").result(60)
    asked.ask("r").result(60)

    for name in ("run.yaml", "run.json", "run.jsonl"):
        assert nt.load(nt.save(asked.run, tmp_path / name)) == asked.run


# Threads and processes.


def test_sessions_in_many_threads_do_not_meet() -> None:
    seen: dict[int, list[str]] = {}

    def converse(n: int) -> None:
        asked = session(*[item for k in range(5) for item in ([call(str(k), n)], f"{n}-{k}")])
        for k in range(5):
            asked.ask(f"{k}").result(60)
        seen[n] = [*texts(asked.latest), *(str(b.result) for b in asked.latest.of_kind("tool_use"))]

    threads = [threading.Thread(target=converse, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(seen) == list(range(8))
    assert all(
        [t for t in said if "-" in t] == [f"{n}-{k}" for k in range(5)] and said[-5:] == [str(2 * n)] * 5
        for n, said in seen.items()
    )


def test_an_ask_inside_a_tool_of_another_session_works() -> None:
    inner = session("from within")

    def ask() -> str:
        return inner.ask("q").result(60).text

    async def ask_too() -> str:
        return (await inner.fork().ask("q")).text

    outer = nt.Session(nt.scripted([nt.tool_call("a", "ask")], "done"), tools=[ask])
    assert outer.ask("q").result(60)[2].result == "from within"
    inner.engine = nt.scripted("again")
    outer = nt.Session(nt.scripted([nt.tool_call("a", "ask_too")], "done"), tools=[ask_too])
    assert outer.ask("q").result(60)[2].result == "again"


def test_a_script_that_leaves_an_execution_held_ends_quietly() -> None:
    script = (
        "import nbturns as nt\n"
        "def f(): ...\n"
        "e = nt.Session(nt.scripted([nt.tool_call('a', 'f')]), tools=[f], step=True).ask('q')\n"
        "print(e.next().result(60))\n"
    )

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120, check=False
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "<Pause 1 at post_inference: f>\n", "")


def test_an_execution_that_is_held_lives_on_when_nobody_names_it() -> None:
    import gc

    events: list[Any] = []
    session([call("a")], "x", step=True, sinks=[events.append]).ask("q")
    until(lambda: any(type(e).__name__ == "Paused" for e in events))

    gc.collect()

    assert type(events[-1]).__name__ == "Paused"


def test_calls_of_a_turn_from_elsewhere_that_cannot_be_told_apart_are_each_run_once_and_reported() -> None:
    ran: list[int] = []

    def note(n: int) -> int:
        "Note a number."
        ran.append(n)
        return n

    heard: list[Event] = []
    twins = nt.Turn(
        [
            nt.user("?"),
            nt.tool_call("", "note", {"n": 1}),
            nt.tool_call("same", "note", {"n": 2}),
            nt.tool_call("same", "note", {"n": 3}),
        ]
    )
    session = nt.Session(nt.scripted("done"), tools=[note], sinks=[heard.append])

    turn = session.ask(twins).result(60)

    assert sorted(ran) == [1, 2, 3]
    assert [block.result for block in turn.of_kind("tool_use")] == [1, 2, 3]
    said = [event.text for event in heard if isinstance(event, Notice)]
    assert len(said) == 2
    assert "had no id" in said[0]
    assert "the id same of an earlier call" in said[1]


def test_a_call_id_that_comes_back_with_its_own_result_is_left_alone() -> None:
    history = nt.Turn(
        [nt.tool_call("a", "f", {}), nt.tool_use("a", 1), nt.tool_call("a", "f", {}), nt.tool_use("a", 2), nt.user("?")]
    )

    turn = nt.Session(nt.scripted("done")).ask(history).result(60)

    assert [block.tool_call_id for block in turn[:4]] == ["a"] * 4


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"system": 5}, "system must be a str"),
        ({"system": nt.system("x")}, "system must be a str"),
        ({"tools": double}, r"tools=\[double\]"),
        ({"tools": "double"}, "a list of functions"),
        ({"middleware": system_prompt("x")}, r"middleware must be a list of functions"),
        ({"middleware": [None]}, "None is not callable"),
        ({"sinks": print}, r"sinks must be a list of functions"),
        ({"sinks": ["print"]}, "'print' is not callable"),
        ({"step": 1}, "step must be True, False, or phases"),
        ({"tool_config": {"inline": True}}, "tool_config must be an nt.ToolConfig"),
        ({"run": nt.turn("x")}, "run must be an nt.Run"),
    ],
)
def test_a_session_says_at_once_what_it_does_not_take(how: dict[str, Any], said: str) -> None:
    with pytest.raises(TypeError, match=said):
        nt.Session(nt.scripted("x"), **how)


def test_a_fork_of_a_turn_that_is_not_there_says_how_many_there_are() -> None:
    with pytest.raises(IndexError, match=r"index 0 is out of range \(this session has 0 Turns\)"):
        nt.Session(nt.scripted("x")).fork(0)


def test_a_session_says_at_once_which_name_is_none() -> None:
    with pytest.raises(ValueError, match="unknown phase 'after_lunch'; use one of pre_inference, post_inference"):
        nt.Session(nt.scripted("x"), step={"after_lunch"})
    with pytest.raises(ValueError, match="allows 'dubble', which is not a tool of this session; its tools: double"):
        session("x", tool_config=nt.ToolConfig(allowed=["dubble"]))
    with pytest.raises(TypeError, match=r"use session\.as_engine\(\)"):
        nt.Session(session("x"))  # type: ignore[arg-type]  # which is what it says


# A session as an engine.


def test_a_session_serves_as_the_engine_of_another_with_its_own_tools_and_middlewares() -> None:
    inner = session([call("a")], "inside", "again", system="Be brief.", middleware=[system_prompt("Be brief.")])
    heard: list[Event] = []
    outer = nt.Session(inner.as_engine(), sinks=[heard.append])

    turn = outer.ask("q").result(60)

    assert [b.kind for b in turn] == ["system", "user", "tool_call", "tool_use", "llm_text"]
    assert (turn.text, turn[3].result, inner.turns) == ("inside", 4, ())
    assert [e.phase for e in heard if isinstance(e, Snapshot)] == ["pre_inference", "post_inference", "final"]
    assert [type(e).__name__ for e in heard if isinstance(e, (InferenceFinished, ToolFinished))] == [
        "InferenceFinished", "ToolFinished", "InferenceFinished",
    ]  # fmt: skip


def test_each_model_call_of_a_session_used_as_an_engine_signs_its_own_blocks() -> None:
    inner = session([call("a")], "inside", "again").as_engine()
    outer = nt.Session(inner)

    first, second = outer.ask("q").result(60), outer.ask("more").result(60)

    made = [block.inference_id for block in first if block.inference]
    assert len(set(made)) == 2 and made == [result.inference_id for result in first.inferences]
    assert [len(first.inferences), len(second.inferences), len(outer.run.inferences)] == [2, 1, 3]
    assert all(block.id for block in second) and len({block.id for block in second}) == len(second)


def test_a_session_used_as_an_engine_may_be_wrapped_nested_and_asked_by_several_at_once() -> None:
    async def twice(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        await engine(turn, scope)
        answer: nt.Turn = await engine(turn, scope)
        return answer

    async def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        return turn + nt.assistant(turn.of_kind("user")[-1].text)

    innermost = nt.Session(echo)
    middle = nt.Session(innermost.as_engine(), middleware=[twice])
    asked = [nt.Session(middle.as_engine()).ask(str(n)) for n in range(8)]

    turns = [execution.result(60) for execution in asked]

    assert [turn.text for turn in turns] == [str(n) for n in range(8)]
    assert {len(turn.inferences) for turn in turns} == {2}


def test_a_session_used_as_an_engine_keeps_what_it_did_when_it_fails_or_is_stopped() -> None:
    limited = session([call("a")], [call("b")], "c", tool_config=nt.ToolConfig(max_iterations=1))
    with pytest.raises(nt.LimitReached) as raised:
        nt.Session(limited.as_engine()).ask("q").result(60)
    assert [b.kind for b in raised.value.turn] == ["user", "tool_call"] and len(raised.value.turn.inferences) == 1

    slow = nt.Session(nt.scripted([call("a")], "a long answer of many words", pace=0.05), tools=[double])
    execution = nt.Session(slow.as_engine()).ask("q")
    until(lambda: len(execution.deltas) > 1 and execution.deltas[-1].kind == "llm_text")
    execution.stop()
    turn = execution.result(60)
    assert [b.kind for b in turn] == ["user", "tool_call", "tool_use", "llm_text"]
    assert [result.finish_class for result in turn.inferences] == ["tool_calls_pending", "interrupted"]


# What an observer can tell afterwards.


def test_each_snapshot_has_its_own_place_and_metadata_however_often_a_phase_comes() -> None:
    execution = session([call("a")], [call("b")], "done").ask("q")
    execution.result(60)
    seen = execution.snapshots

    assert len({shot.seq for shot in seen}) == len(seen) == 9
    assert [(shot.phase, shot.iteration) for shot in seen if shot.phase == "post_tools"] == [
        ("post_tools", 0),
        ("post_tools", 1),
    ]
    assert [len(shot.turn.inferences) for shot in seen] == [0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert len(nt.frames.turns(nt.Run([nt.Turn(), execution.turn]))) == 2  # one without blocks is a Turn, too


def test_listeners_are_told_how_a_failed_run_ended_with_its_turn() -> None:
    async def broken(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        raise nt.EngineError("no answer", turn=turn + nt.assistant("so far"))

    heard: list[Event] = []
    asked = nt.Session(broken, sinks=[heard.append])
    with pytest.raises(nt.EngineError, match="no answer"):
        asked.ask("q").result(60)

    last = heard[-1]
    assert isinstance(last, Ended)
    assert (last.status, last.error, last.turn.text) == ("failed", "no answer", "so far")
    assert last.turn == asked.latest and last.turn.metadata[nt.keys.STATUS] == "failed"


def test_what_a_middleware_changed_is_the_difference_of_the_snapshot_and_what_was_asked() -> None:
    async def careful(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        answer: nt.Turn = await engine(turn.insert(0, nt.user("Take care.")), scope)
        return answer

    asked_with: list[nt.Turn] = []
    seen = session(
        "ok",
        middleware=[careful],
        sinks=[lambda event: asked_with.append(event.turn) if isinstance(event, InferenceStarted) else None],
    ).ask("q")
    seen.result(60)

    (change,) = nt.compare(seen.snapshots[0].turn, asked_with[0]).changes
    assert (change.what, asked_with[0][0].text) == ("added", "Take care.")


def test_no_id_of_a_session_is_a_number_in_yaml() -> None:
    turns = [nt.Session(nt.scripted("fine")).ask("q").result(60) for _ in range(50)]

    ids = [id for turn in turns for id in (turn.id, turn[0].id, turn[1].id, turn[1].inference_id)]
    assert all(id[0].isalpha() and id[0] not in "0123456789abcdef" for id in ids)
