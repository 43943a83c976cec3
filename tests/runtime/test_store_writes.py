"""What an execution promises about a store: nothing has an effect before the events so far are written."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Delta, Ended, Event, InferenceStarted, Paused, Snapshot, ToolStarted
from nbturns.runtime.background_loop import BatchQueue


class SlowStore:
    """A store that takes its time; `written` are the events whose future has a result."""

    def __init__(self, fail_at: type[Event] | None = None) -> None:
        self.fail_at = fail_at
        self.written: list[Event] = []
        self.queue: BatchQueue[Event] = BatchQueue(self.write)

    def __call__(self, event: Event) -> Future[None]:
        return self.queue.put(event)

    def write(self, events: Any) -> None:
        time.sleep(0.005)
        if any(isinstance(event, self.fail_at or ()) for event in events):
            raise nt.StoreError("no space is left on the disk", file="runs.db")
        self.written += events

    def has(self, kind: type[Event]) -> bool:
        return any(isinstance(event, kind) for event in self.written)


CALL = nt.tool_call("call_1", "note", {"text": "a"})


def test_a_tool_and_a_model_call_begin_after_everything_before_them_is_written() -> None:
    store = SlowStore()
    seen: dict[str, Any] = {}

    def note(text: str) -> str:
        "Keep a text."
        seen["tool"] = [type(event) for event in store.written]
        return text

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        seen[f"model {len(seen)}"] = [type(event) for event in store.written]
        return turn + (CALL if turn[-1].kind == "user" else nt.assistant("done"))

    session = nt.Session(engine, tools=[note], store=store)
    turn = session.ask("go").result(timeout=20)

    assert turn.text == "done"
    assert seen["model 0"].count(Snapshot) == 1
    assert seen["model 0"][-1] is InferenceStarted
    assert seen["tool"].count(Snapshot) == 2
    assert seen["tool"][-1] is ToolStarted
    assert seen["model 2"].count(Snapshot) == 4
    assert store.has(Ended)  # before result() returns
    assert not store.has(Delta)
    assert session.fork().store is store


def test_a_pause_is_written_before_anybody_hears_of_it() -> None:
    store = SlowStore()
    session = nt.Session(nt.scripted([CALL], "done"), tools=[], store=store)
    session.ask("go", step=True).next().result(timeout=20)

    assert store.has(Paused)
    session.stop()


@pytest.mark.parametrize("fail_at", [Snapshot, InferenceStarted, ToolStarted, Ended])
@pytest.mark.parametrize("parallel", [1, 3])
def test_a_store_that_cannot_write_ends_the_execution_before_the_next_effect(
    fail_at: type[Event], parallel: int
) -> None:
    effects: list[str] = []

    def note(text: str) -> str:
        "Keep a text."
        effects.append(text)
        return text

    calls = [nt.tool_call(f"call_{number}", "note", {"text": "a"}) for number in range(parallel)]
    session = nt.Session(nt.scripted(calls, "done"), tools=[note], store=SlowStore(fail_at))
    execution = session.ask("go")

    with pytest.raises(nt.StoreError, match=r"runs\.db: no space is left on the disk") as error:
        execution.result(timeout=20)
    assert execution.status == "failed"
    assert isinstance(error.value.turn, nt.Turn)
    assert len(effects) == (parallel if fail_at is Ended else 0)


def test_a_store_that_raises_is_an_error_of_the_execution_too() -> None:
    def store(event: Event) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(nt.StoreError, match="the disk is gone"):
        nt.Session(nt.scripted("done"), store=store).ask("go").result(timeout=20)


def test_stop_does_not_lose_what_is_being_written() -> None:
    store = SlowStore()
    session = nt.Session(nt.scripted([CALL], "done"), tools=[], store=store)
    execution = session.ask("go", step=True)
    execution.next().result(timeout=20)
    execution.stop()

    assert execution.result(timeout=20).text == ""
    assert [event.status for event in store.written if isinstance(event, Ended)] == ["stopped"]
