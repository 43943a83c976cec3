"""What a store keeps: everything of every execution, once, and as it was."""

from __future__ import annotations

import gc
import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import nbturns as nt
from nbturns.events import Snapshot
from nbturns.files import run_line
from nbturns.runtime.background_loop import on_loop_thread
from nbturns.store.writer import StoreWriter

SCORE: nt.Key[float] = nt.Key("me.score@v1", float)
NOTES: nt.Key[list[str]] = nt.Key("me.notes@v1", list[str])


@pytest.fixture
def store(tmp_path: Path) -> nt.TurnStore:
    return nt.TurnStore(tmp_path / "runs.db")


def note(text: str) -> str:
    "Keep a text."
    return f"noted {text}"


def calls(count: int) -> list[Any]:
    return [[nt.assistant(f"step {n}"), nt.tool_call(f"call_{n}", "note", {"text": f"text {n}"})] for n in range(count)]


def rows(store: nt.TurnStore, query: str) -> list[Any]:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        return connection.execute(query).fetchall()


def test_a_session_comes_back_as_it_was_with_all_its_snapshots(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted(*calls(3), "done", "and again"), tools=[note], store=store, system="Be brief.")
    first = session.ask("go")
    first.result(timeout=30)
    second = session.ask("more")
    second.result(timeout=30)

    assert store.ids() == [session.id]
    assert store.load(session.id) == session.run
    for execution, snapshots in zip((first, second), store.snapshots(session.id), strict=True):
        assert list(snapshots) == execution.snapshots
        assert [(s.seq, s.at, s.execution_id) for s in snapshots] == [
            (s.seq, s.at, s.execution_id) for s in execution.snapshots
        ]
        middle = len(snapshots) // 2
        loaded = store.snapshot(session.id, middle, 0 if execution is first else 1)
        assert (loaded, loaded.seq, loaded.at) == (snapshots[middle], snapshots[middle].seq, snapshots[middle].at)
    assert store.snapshot(session.id) == second.snapshots[-1]
    with pytest.raises(nt.StoreError, match="has no snapshot 99 of Turn -1"):
        store.snapshot(session.id, 99)
    assert store.load(session.id).usage == session.usage
    assert store.verify()


def test_blocks_of_turns_that_share_them_are_one_row_and_one_object(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted(*calls(20), "done"), tools=[note], store=store)
    turn = session.ask("go", limit=30).result(timeout=30)

    assert rows(store, "SELECT count(*) FROM blocks") == [(len(turn),)]
    snapshots = store.snapshots(session.id)[0]
    assert snapshots[-1].turn.blocks.shared_length(snapshots[-3].turn.blocks) == len(snapshots[-3].turn)
    assert rows(store, "SELECT count(*) FROM states WHERE length(patch) > 1500")[0][0] <= 2  # not whole Turns


def test_edits_at_a_pause_are_kept_and_come_back(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted(*calls(2), "done"), tools=[note], store=store)
    execution = session.ask("go", step=True)
    pause = execution.next().result(timeout=30)
    assert pause is not None
    execution.step(pause.turn.edit(1, text="edited").insert(1, nt.user("by the way"))).result(timeout=30)
    execution.step().result(timeout=30)
    execution.step(mock={"call_1": "mocked"}).result(timeout=30)
    for _ in execution:
        pass

    assert store.load(session.id) == session.run
    assert list(store.snapshots(session.id)[0]) == execution.snapshots
    pauses = rows(store, "SELECT number, phase, ended_by, answers, state IS NOT NULL FROM pauses")
    assert [pause[:3] for pause in pauses][:2] == [(1, "post_inference", "step"), (2, "post_tools", "step")]
    assert pauses[0][4] == 1


def test_more_states_than_a_keyframe_interval_are_rebuilt(store: nt.TurnStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbturns.store.writer.KEYFRAME_INTERVAL", 7)
    session = nt.Session(nt.scripted(*calls(12), "done"), tools=[note], store=store)
    execution = session.ask("go", limit=30)
    execution.result(timeout=30)

    assert list(store.snapshots(session.id)[0]) == execution.snapshots
    assert store.verify()


@pytest.mark.parametrize(
    "block",
    [
        nt.Block("other", {"bytes": b"\0\xff", "!!binary": "eA==", "list": [1, [2.5, None], {"a": [True]}]}),
        nt.Block("other", {"n": float("inf"), "big": 10**40, "f": 1.0, "i": 1}, extra={"unknown": ["x"]}),
        nt.user("\ud800 lone surrogate, \u2028 and \0"),
        nt.tool_use("c", error="failed").with_metadata(SCORE, 0.5),
        nt.user("look", images=[{"url": "https://example.org/a.png"}]),
        nt.Block("a kind of my own", {}, "someone", "id-1"),
    ],
)
def test_odd_blocks_come_back_equal(store: nt.TurnStore, block: nt.Block) -> None:
    run = nt.Run(
        (nt.Turn((block,), id="t").with_metadata(NOTES, ["a", "b" * 200]).with_data(SCORE, 1.0),), id="r", name="n"
    )

    assert store.add(run) == "r"
    assert store.load("r") == run
    assert store.verify()


def test_an_integer_and_a_float_are_not_the_same_block(store: nt.TurnStore) -> None:
    run = nt.Run((nt.Turn((nt.Block("other", {"n": 1}), nt.Block("other", {"n": 1.0}))),), id="r")
    store.add(run)

    assert [type(block.payload["n"]) for block in store.load("r")[0]] == [int, float]


def test_failed_stopped_and_limited_runs_are_kept_with_status_and_reason(store: nt.TurnStore) -> None:
    failing = nt.Session(nt.scripted(), store=store)
    with pytest.raises(nt.ScriptExhausted):
        failing.ask("go").result(timeout=30)
    limited = nt.Session(nt.scripted(*calls(3)), tools=[note], store=store)
    with pytest.raises(nt.LimitReached):
        limited.ask("go", limit=2).result(timeout=30)
    stopped = nt.Session(nt.scripted(*calls(3)), tools=[note], store=store)
    execution = stopped.ask("go", step=True)
    execution.next().result(timeout=30)
    execution.stop()
    execution.result(timeout=30)

    found = rows(store, "SELECT status, error FROM executions ORDER BY number")
    assert [status for status, _ in found] == ["failed", "failed", "stopped"]
    assert "still calling tools after 2 model calls" in found[1][1]
    for session in (failing, limited, stopped):
        assert store.load(session.id) == session.run


def test_tool_calls_and_inferences_have_rows_with_times(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted(*calls(2), "done"), tools=[note], store=store)
    session.ask("go").result(timeout=30)

    tools = rows(
        store, "SELECT name, call_id, finished_at >= started_at, duration_ms >= 0, answer FROM tool_executions"
    )
    assert [row[:4] for row in tools] == [("note", "call_0", 1, 1), ("note", "call_1", 1, 1)]
    assert all(row[4] for row in tools)
    assert rows(store, "SELECT count(*), count(result), min(finished_at >= started_at) FROM inferences") == [(3, 3, 1)]


def test_what_a_session_had_before_the_store_is_kept_too(store: nt.TurnStore) -> None:
    run = nt.example()
    session = nt.Session(nt.scripted("hello"), run=run, store=store)
    session.ask("and now?").result(timeout=30)

    assert store.load(session.id) == session.run
    fork = session.fork(0)
    fork.engine = nt.scripted("again")
    fork.ask("once more").result(timeout=30)
    assert store.load(fork.id) == fork.run
    assert store.ids() == [session.id, fork.id]


def test_two_processes_write_to_one_store_and_neither_loses_anything(store: nt.TurnStore) -> None:
    program = f"""
import nbturns as nt
def note(text: str) -> str: return text
store = nt.TurnStore({str(store.path)!r})
for number in range(3):
    answers = [[nt.tool_call(f"c{{i}}", "note", {{"text": f"{{number}} {{i}}"}})] for i in range(5)] + ["done"]
    session = nt.Session(nt.scripted(*answers), tools=[note], store=store)
    execution = session.ask("go")
    execution.result(timeout=60)
    assert list(store.snapshots(session.id)[0]) == execution.snapshots
"""
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait(timeout=100) for process in processes] == [0, 0]

    assert len(store.ids()) == 6
    assert all(len(run.latest) == 12 for run in map(store.load, store.ids()))
    assert store.verify()


def test_nothing_is_written_on_the_thread_of_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, threads = StoreWriter.write, set()

    def recording_write(writer: StoreWriter, operations: Any) -> None:
        threads.add(on_loop_thread())
        write(writer, operations)

    monkeypatch.setattr(StoreWriter, "write", recording_write)
    session = nt.Session(nt.scripted(*calls(3), "done"), tools=[note], store=nt.TurnStore(tmp_path / "runs.db"))
    session.ask("go").result(timeout=60)

    assert threads == {False}


def test_the_default_store_is_in_the_folder_for_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))

    store = nt.TurnStore.default()
    assert tmp_path in store.path.parents
    assert store.path.exists()


@pytest.mark.parametrize("path", ["", None, 3, b"x"])
def test_a_path_that_is_none_is_refused(path: Any) -> None:
    with pytest.raises(nt.MisuseError, match="expects a path"):
        nt.TurnStore(path)


@pytest.mark.parametrize("path", [":memory:", "file:x?mode=memory", "file:x.db"])
def test_the_names_that_sqlite_alone_understands_are_refused(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nt.MisuseError, match="outlives its kernel"):
        nt.TurnStore(path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_session_is_an_error_that_names_a_similar_one(store: nt.TurnStore) -> None:
    with pytest.raises(nt.StoreError, match="the store is empty"):
        store.load("x")
    store.add(nt.Run((nt.turn("a"),), id="monday"))
    with pytest.raises(nt.StoreError, match="there is 'monday'"):
        store.load("munday")


def test_a_long_id_of_a_turn_comes_back(store: nt.TurnStore) -> None:
    run = nt.Run((nt.turn("a").with_id("i" * 100),), id="x")
    store.add(run)
    assert store.load("x") == run


def test_the_frame_of_blocks_is_read_without_making_turns(store: nt.TurnStore, monkeypatch: pytest.MonkeyPatch) -> None:
    session = nt.Session(nt.scripted(*calls(2), "done", "more", "third"), tools=[note], store=store, system="Be brief.")
    session.ask("go").result(timeout=30)
    session.ask("again").result(timeout=30)
    store.add(nt.example())
    plain_ids = store.ids()
    assert [store.record(id) for id in plain_ids] == [json.loads(run_line(store.load(id))) for id in plain_ids]
    with monkeypatch.context() as patch:
        patch.setattr(nt.TurnStore, "load", lambda *_: pytest.fail("a Run is loaded"))
        assert len(nt.frames.blocks(store)) == len(session.latest) + len(nt.example().latest)
    odd_blocks = [
        nt.Block("other", {"x": [1]}, extra={"q": 1}), nt.Block("other", {"n": float("nan"), "b": b"x"}), nt.user("\ud800")
    ]  # fmt: skip
    for index, block in enumerate(odd_blocks):
        store.add(nt.Run((nt.Turn((block,)), nt.Turn((nt.user("other"),))), id=f"odd-{index}"))
    session.ask("a third", step=True).next().result(timeout=30)  # an execution that has not ended
    frame = nt.frames.blocks(store)
    with monkeypatch.context() as patch:
        patch.setattr(nt.TurnStore, "record", lambda *_: None)
        pd.testing.assert_frame_equal(frame, nt.frames.blocks(store))
    session.stop()


def test_snapshots_are_events(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted("done"), store=store)
    session.ask("go").result(timeout=30)

    assert all(isinstance(snapshot, Snapshot) for snapshot in store.snapshots(session.id)[0])


def test_the_connection_is_closed_with_its_store(tmp_path: Path) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    store.add(nt.Run((nt.turn("x"),), id="a"))
    connection = store._writer._connection
    assert connection is not None
    connection.execute("SELECT 1")

    del store
    for _ in range(100):  # the thread that wrote may still hold it for a moment
        gc.collect()
        try:
            connection.execute("SELECT 1")
        except sqlite3.ProgrammingError as error:
            assert "closed database" in str(error)
            return
        time.sleep(0.05)
    pytest.fail("the connection is open without its store")
