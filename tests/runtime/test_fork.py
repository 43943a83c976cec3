"""A forked process has an event loop of its own; without threads the caller's loop runs the execution."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from tests.runtime.test_tool_loop import call, double


def in_child(function: Callable[[], Any]) -> Any:
    """Return what `function` returns in a forked process."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(function()))
    child.start()
    try:
        assert receiver.poll(30), "the forked process hangs"
        return receiver.recv()
    finally:
        child.kill()


def message_of(function: Callable[[], Any]) -> str:
    try:
        return f"returned {function()!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def ask_with_a_tool() -> str:
    return nt.Session(nt.scripted(call("c"), "done"), tools=[double]).ask("q").result(20).text


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
class TestFork:
    def test_a_forked_process_runs_sessions_and_tools_of_its_own(self) -> None:
        assert ask_with_a_tool() == "done"

        assert in_child(ask_with_a_tool) == "done"
        assert ask_with_a_tool() == "done"

    def test_a_session_of_the_parent_is_continued_in_the_child(self) -> None:
        session = nt.Session(nt.scripted("a", "b"))
        session.ask("q").result(60)

        texts = in_child(lambda: [block.text for block in session.ask("go on").result(20)])

        assert texts == ["q", "a", "go on", "b"] and len(session.turns) == 1

    def test_an_execution_of_the_parent_is_refused_at_once_in_the_child(self) -> None:
        release = threading.Event()

        def wait() -> str:
            release.wait(60)
            return "waited"

        session = nt.Session(nt.scripted(nt.tool_call("c", "wait"), "done"), tools=[wait])
        execution = session.ask("q")
        controls: list[Callable[[], Any]] = [
            execution.result,
            execution.next,
            execution.step,
            execution.resume,
            execution.pause,
        ]
        attempts = [*controls, execution.stop, lambda: session.ask("more")]

        messages = in_child(lambda: [message_of(attempt) for attempt in attempts])
        release.set()

        assert all("before the process was forked" in message for message in messages[:-1])
        assert messages[-1].startswith("BusyError") and "session.fork()" in messages[-1]
        assert execution.result(60).text == "done"
        assert in_child(lambda: execution.result(20).text) == "done"

    def test_a_fork_while_another_thread_asks_does_not_lock_the_child(self) -> None:
        from nbturns.runtime.background_loop import start_lock

        locked, release = threading.Event(), threading.Event()

        def hold() -> None:
            with start_lock():
                locked.set()
                release.wait(60)

        threading.Thread(target=hold, daemon=True).start()
        locked.wait(60)
        try:
            assert in_child(ask_with_a_tool) == "done"
        finally:
            release.set()


def test_the_first_executions_of_many_threads_share_one_loop() -> None:
    script = (
        "import threading, nbturns as nt\n"
        "barrier = threading.Barrier(8)\n"
        "def ask():\n"
        "    barrier.wait()\n"
        "    nt.Session(nt.scripted('x')).ask('q').result(60)\n"
        "threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(sum(thread.name == 'nbturns' for thread in threading.enumerate()))\n"
    )
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert completed.stdout == "1\n"


def test_where_no_thread_can_be_started_the_running_loop_runs_sessions_tools_and_stores(tmp_path: Path) -> None:
    script = """
import asyncio, sys, threading
def refuse(self): raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
import nbturns as nt
def double(x: int) -> int: return 2 * x
async def main():
    session = nt.Session(nt.scripted(nt.tool_call("c", "double", {"x": 2}), "done", "again"), tools=[double], step=True)
    execution = session.ask("q")
    try:
        execution.result()
    except RuntimeError as error:
        print(error)
    pause = await execution.step()
    print(pause.phase, pause.turn[-1].result)
    await execution.step()
    print((await execution).text, execution.result().text)
    store = nt.TurnStore(sys.argv[1])
    stored = nt.Session(nt.scripted("x"), store=store)
    await stored.ask("q")
    print(store.load(stored.id).turns == stored.run.turns, store.add(nt.example()) == nt.example().id)
asyncio.run(main())
async def later():
    print((await nt.Session(nt.scripted("x")).ask("q")).text)
asyncio.run(later())
try:
    nt.Session(nt.scripted("x")).ask("q")
except RuntimeError as error:
    print("needs a running event loop" in str(error))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "runs.db")]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    refusal = "result() would block the event loop (no thread can be started here); use await"
    assert (completed.stdout.splitlines(), completed.stderr) == (
        [refusal, "post_tools 4", "done done", "True True", "x", "True"],
        "",
    )
