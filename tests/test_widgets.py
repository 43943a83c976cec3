"""The live views without a page: messages in, traits out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import nbturns as nt
from nbturns.contract import Scope
from nbturns.events import Delta
from nbturns.widgets import Stepper


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def stepped(**settings: Any) -> nt.Execution:
    script = nt.scripted([nt.tool_call("c", "add", {"a": 1, "b": 2})], "three")
    return nt.Session(script, tools=[add], step=True).ask("1 + 2?", **settings)


def eventually(true: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until the host's loop has done it."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


class Page:
    """What a page would do with the traits of a view."""

    def __init__(self, view: Stepper) -> None:
        self.view = view
        self.number = -1
        self.rows: list[Any] = []
        self.status: dict[str, Any] = {}
        self.updates: list[str] = []
        view.observe(self._start, "start")
        view.observe(self._tail, "tail")
        self.say(want="start")

    def say(self, **message: Any) -> None:
        self.view._handle_custom_msg(message, [])

    def _start(self, change: Any) -> None:
        start = json.loads(json.dumps(change["new"]))
        self.number, self.rows, self.status = start["number"], start["rows"], start["status"]

    def _tail(self, change: Any) -> None:
        self.updates.append(json.dumps(change["new"]))
        tail = json.loads(self.updates[-1])
        if tail["number"] <= self.number:
            return
        assert tail["number"] == self.number + 1, "an update was lost"
        self.number, self.status = tail["number"], tail["status"]
        if "rows" in tail:
            self.rows[tail["from"] :] = tail["rows"]
        for index, text in tail.get("more", ()):
            self.rows[index]["body"] += text


def test_a_page_that_follows_the_updates_ends_with_the_whole_table() -> None:
    execution = stepped()
    execution.next().result(5)
    page = Page(Stepper(execution))
    eventually(lambda: page.status.get("status") == "paused")

    page.say(press="step", pause=1)
    eventually(lambda: page.status.get("pause") == 2)
    page.say(press="run")
    eventually(lambda: page.status.get("status") == "done")

    assert [row["kind"] for row in page.rows] == ["user", "tool_call", "tool_use", "llm_text"]
    assert page.rows[-1]["body"] == "three"
    assert execution.result(5).text == "three"


def test_a_click_on_a_pause_that_is_over_passes_nothing() -> None:
    execution = stepped()
    execution.next().result(5)
    page = Page(Stepper(execution))

    page.say(press="step", pause=1)
    page.say(press="step", pause=1)
    eventually(lambda: page.status.get("pause") == 2)
    time.sleep(0.05)

    assert execution.paused_at is not None
    assert execution.paused_at.number == 2


@pytest.mark.parametrize(
    "message",
    [
        "nonsense",
        {},
        {"press": "jump"},
        {"want": "body", "row": 10**9},
        {"want": "body", "row": -1},
        {"press": "step"},
        None,
        3,
    ],
)
def test_what_a_page_never_says_is_not_heard(message: Any) -> None:
    execution = stepped()
    execution.next().result(5)
    view = Stepper(execution)

    view._handle_custom_msg(message, [])
    time.sleep(0.02)

    assert execution.status == "paused"


def test_a_burst_of_deltas_becomes_few_updates_of_little_more_than_the_text() -> None:
    words = [f"{n} " for n in range(20_000)]

    async def engine(turn: nt.Turn, scope: Scope) -> nt.Turn:
        for word in words:
            scope.emit(Delta(scope.inference_id, 0, "llm_text", word))
        return turn + nt.assistant("".join(words))

    session = nt.Session(engine)
    execution = session.ask("?", step={"pre_inference"})
    execution.next().result(5)
    page = Page(Stepper(execution))
    eventually(lambda: page.status.get("status") == "paused")
    started = time.monotonic()

    execution.resume()
    execution.result(10)
    eventually(lambda: page.status.get("status") == "done")

    assert len(page.updates) <= 30 * (time.monotonic() - started) + 5
    assert sum(map(len, page.updates)) <= 3 * len("".join(words))
    assert page.rows[-1]["size"] == len("".join(words))


def test_a_long_body_comes_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = nt.Session(nt.scripted("x" * 50_000)).ask("?")
    execution.result(5)
    view = Stepper(execution)
    said: list[Any] = []
    monkeypatch.setattr(view, "send", said.append)
    page = Page(view)
    eventually(lambda: len(page.rows) == 2)

    page.say(want="body", row=1)
    eventually(lambda: said)

    assert "body" not in page.rows[1]
    assert said == [{"row": 1, "body": "x" * 50_000}]


def test_a_view_opened_in_the_middle_of_an_answer_shows_it_from_its_beginning() -> None:
    execution = nt.Session(nt.scripted("one two three four five", pace=0.05)).ask("?")
    eventually(lambda: len(execution.deltas) >= 2)

    page = Page(Stepper(execution))
    eventually(lambda: len(page.rows) == 2)

    assert page.rows[1]["body"].startswith("one two")
    execution.stop()


def test_a_listener_that_fails_is_kept_and_the_view_goes_on() -> None:
    execution = stepped()
    execution.next().result(5)
    with pytest.warns(UserWarning, match="a listener failed"):
        execution.listen(lambda event: 1 / 0)
        page = Page(Stepper(execution))
        execution.resume()
        execution.result(5)
        eventually(lambda: page.status.get("status") == "done")

    assert isinstance(execution.sink_errors[0], ZeroDivisionError)


def test_what_has_no_live_view_is_named() -> None:
    with pytest.raises(TypeError, match="not for str"):
        nt.view("a text")  # type: ignore[call-overload]


def test_a_view_says_in_one_cheap_line_what_it_shows() -> None:
    execution = stepped()
    execution.next().result(5)

    assert repr(Stepper(execution)) == "<Stepper of <Execution paused: 2 snapshots, 2 blocks>>"
