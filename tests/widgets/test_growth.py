"""Nothing grows: closed views are freed, ended sessions leave no thread and no socket."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.testing import serve

DESCRIPTORS = Path("/proc/self/fd")


def session() -> nt.Session:
    session = nt.Session(nt.scripted(*["a"] * 50))
    session.ask("q").result(20)
    return session


def alive(references: list[weakref.ref[Any]]) -> int:
    for _ in range(40):
        gc.collect()
        if not (count := sum(reference() is not None for reference in references)):
            return 0
        time.sleep(0.05)
    return count


VIEWS: dict[str, Callable[[nt.Session], Any]] = {
    "a session": nt.view,
    "an execution": lambda one: nt.view(one.execution),
    "a Run": lambda one: nt.view(one.run),
    "a Turn": lambda one: nt.view(one.latest),
    "a comparison": lambda one: nt.view(nt.compare(one.latest, nt.turn("x"))),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_closed_views_are_freed_and_stop_listening(kind: str) -> None:
    one = session()
    references = []
    for number in range(100):
        view = VIEWS[kind](one)
        references.append(weakref.ref(view))
        if number % 2:
            time.sleep(0.001)
        view.close()
        del view

    assert alive(references) == 0
    assert one.execution is not None
    assert (len(one.execution._sinks), len(one._watchers)) == (0, 0)


def test_a_view_that_is_closed_during_an_execution_is_freed() -> None:
    one = nt.Session(nt.scripted(nt.tool_call("c", "f", {}), "end"), step=True)
    execution = one.ask("q")
    execution.next().result(20)
    references = []
    for make in (lambda: nt.view(one), lambda: nt.view(execution)):
        view: Any = make()
        time.sleep(0.1)
        references.append(weakref.ref(view))
        view.close()
        view.close()
        del view

    assert alive(references) == 0
    execution.stop()


def test_a_view_follows_the_last_execution_alone() -> None:
    one = session()
    view = nt.view(one)
    for _ in range(20):
        one.ask("again").result(20)
    time.sleep(0.3)

    assert not any(execution._sinks for execution in one.executions[:-1])
    assert len(one.executions[-1]._sinks) <= 2  # for its Turn, and for its calls
    view.close()


def test_sessions_leave_no_threads_and_no_sockets() -> None:
    with serve() as server:

        def ask() -> None:
            engine = nt.engine("anthropic:claude-sonnet-4-6", base_url=server.url, api_key="k" * 9)
            nt.Session(engine).ask("Say hello.").result(60)

        def settled() -> tuple[int, int]:
            gc.collect()
            time.sleep(0.5)
            return threading.active_count(), len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.exists() else 0

        for _ in range(3):
            ask()
        threads, descriptors = settled()
        for _ in range(15):
            ask()
        more_threads, more_descriptors = settled()

    assert more_threads <= threads + 1
    assert more_descriptors <= descriptors + 3
