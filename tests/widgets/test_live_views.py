"""The live views without a page: messages in, traits out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Delta
from nbturns.runtime.engine_protocol import Scope
from nbturns.widgets import Stepper
from tests.engines.stream_pieces import send_from_page


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def stepped_execution(**settings: Any) -> nt.Execution:
    script = nt.scripted([nt.tool_call("c", "add", {"a": 1, "b": 2})], "three")
    execution: nt.Execution = nt.Session(script, tools=[add], step=True).ask("1 + 2?", **settings)
    return execution


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the background event loop has met a condition."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.005)


class Page:
    """Apply the traits and messages of a view like static/live_rows.js."""

    def __init__(self, view: Stepper, monkeypatch: pytest.MonkeyPatch) -> None:
        self.view = view
        self.number = -1
        self.rows: list[Any] = []
        self.status: dict[str, Any] = {}
        self.updates: list[str] = []
        self.answers: list[Any] = []
        view.observe(self._replace_rows, "start")
        view.observe(self._apply_update, "update")
        monkeypatch.setattr(view, "send", self._on_message)
        self.send(request="start")

    def send(self, **message: Any) -> None:
        send_from_page(self.view, message)

    def _replace_rows(self, change: Any) -> None:
        start = json.loads(json.dumps(change["new"]))
        self.number, self.rows, self.status = start["number"], start["rows"], start["status"]

    def _is_next(self, number: int) -> bool:
        if number > self.number:
            assert number == self.number + 1, "an update was lost"
            self.number = number
            return True
        return False

    def _apply_update(self, change: Any) -> None:
        self.updates.append(json.dumps(change["new"]))
        update = json.loads(self.updates[-1])
        if not self._is_next(update["number"]):
            return
        self.status = update.get("status", self.status)
        if "rows" in update:
            rows = [
                {**row, "body": self.rows[update["from"] + n]["body"] + row["remaining_text"]}
                if "remaining_text" in row
                else row
                for n, row in enumerate(update["rows"])
            ]
            self.rows[update["from"] :] = rows

    def _on_message(self, message: Any, buffers: Any = None) -> None:
        if "t" not in message:
            self.answers.append(message)
            return
        self.updates.append(json.dumps(message))
        if self._is_next(message["n"]):
            for index, text in message["t"]:
                self.rows[index]["body"] += text


def test_a_page_that_applies_all_updates_has_the_full_table(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = stepped_execution()
    execution.next().result(60)
    page = Page(Stepper(execution), monkeypatch)
    eventually(lambda: page.status.get("status") == "paused")

    page.send(press="step", pause=1)
    eventually(lambda: page.status.get("pause") == 2)
    page.send(press="run")
    eventually(lambda: page.status.get("status") == "done")

    assert [row["kind"] for row in page.rows] == ["user", "tool_call", "tool_use", "llm_text"]
    assert page.rows[-1]["body"] == "three"
    assert execution.result(60).text == "three"


def test_a_click_on_an_earlier_pause_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = stepped_execution()
    execution.next().result(60)
    page = Page(Stepper(execution), monkeypatch)

    page.send(press="step", pause=1)
    page.send(press="step", pause=1)
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
        {"request": "body", "row": 10**9},
        {"request": "body", "row": -1},
        {"press": "step"},
        None,
        3,
    ],
)
def test_an_invalid_message_is_ignored(message: Any) -> None:
    execution = stepped_execution()
    execution.next().result(60)
    view = Stepper(execution)

    send_from_page(view, message)
    time.sleep(0.02)

    assert execution.status == "paused"


def test_a_burst_of_deltas_is_sent_in_few_small_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"{n} " for n in range(20_000)]

    async def engine(turn: nt.Turn, scope: Scope) -> nt.Turn:
        for word in words:
            scope.emit(Delta(scope.inference_id, 0, "llm_text", word))
        return turn + nt.assistant("".join(words))

    session = nt.Session(engine)
    execution = session.ask("?", step={"pre_inference"})
    execution.next().result(60)
    page = Page(Stepper(execution), monkeypatch)
    eventually(lambda: page.status.get("status") == "paused")
    started = time.monotonic()

    execution.resume()
    execution.result(60)
    eventually(lambda: page.status.get("status") == "done")

    assert len(page.updates) <= 30 * (time.monotonic() - started) + 5
    assert sum(map(len, page.updates)) <= 3 * len("".join(words))
    assert page.rows[-1]["size"] == len("".join(words))
    assert page.rows[-1]["body"] == "".join(words)


def test_a_long_body_is_sent_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = nt.Session(nt.scripted("x" * 50_000)).ask("?")
    execution.result(60)
    page = Page(Stepper(execution), monkeypatch)
    eventually(lambda: len(page.rows) == 2)

    page.send(request="format", row=1, format="text", id=7)
    eventually(lambda: page.answers)

    assert page.rows[1]["cut"]
    assert len(page.rows[1]["body"]) < 50_000
    assert page.answers == [{"id": 7, "text": "x" * 50_000}]


def test_a_streamed_text_is_not_sent_again_when_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(f"word-{n}" for n in range(1500))
    session = nt.Session(nt.scripted(text, pace=0.0005))
    execution = session.ask("?", step={"pre_inference"})
    execution.next().result(60)
    page = Page(Stepper(execution), monkeypatch)
    eventually(lambda: page.status.get("status") == "paused")

    execution.resume()
    execution.result(60)
    eventually(lambda: page.status.get("status") == "done")

    assert page.rows[-1]["body"] == text
    assert "open" not in page.rows[-1]
    assert sum(map(len, page.updates)) <= 2 * len(text)


def test_a_view_opened_during_an_answer_shows_it_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = nt.Session(nt.scripted("one two three four five", pace=0.05)).ask("?")
    eventually(lambda: len(execution.deltas) >= 2)

    page = Page(Stepper(execution), monkeypatch)
    eventually(lambda: len(page.rows) == 2)

    assert page.rows[1]["body"].startswith("one two")
    execution.stop()


def test_a_failing_listener_does_not_stop_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    execution = stepped_execution()
    execution.next().result(60)
    with pytest.warns(UserWarning, match="a listener failed"):
        execution.listen(lambda event: 1 / 0)
        page = Page(Stepper(execution), monkeypatch)
        execution.resume()
        execution.result(60)
        eventually(lambda: page.status.get("status") == "done")

    assert isinstance(execution.sink_errors[0], ZeroDivisionError)


def test_view_rejects_other_types() -> None:
    with pytest.raises(TypeError, match="got complex"):
        nt.view(3j)
    with pytest.raises(nt.LoadError, match="file not found"):
        nt.view("a text")


def test_the_repr_of_a_view_names_what_it_displays() -> None:
    execution = stepped_execution()
    execution.next().result(60)

    assert repr(Stepper(execution)) == "<Stepper of <Execution paused: 2 snapshots, 2 blocks>>"


def failing_session(*, in_a_model_call: bool) -> nt.Session:
    async def down(turn: nt.Turn, scope: Scope) -> nt.Turn:
        if in_a_model_call and not session.turns:
            raise ValueError("down")
        return turn + nt.tool_call("c", "add", {"a": 1, "b": 2}) if not session.turns else turn + nt.assistant("up")

    session = nt.Session(down, tools=[add], tool_config=nt.ToolConfig(max_iterations=1))
    with pytest.raises(nt.NbturnsError):
        session.ask("go").result(60)
    return session


@pytest.mark.parametrize("in_a_model_call", [True, False])
def test_retry_is_offered_after_a_failed_model_call_and_asks_it_again(in_a_model_call: bool) -> None:
    session = failing_session(in_a_model_call=in_a_model_call)
    assert session.execution is not None
    stepper, run_view = Stepper(session.execution), nt.view(session)
    eventually(lambda: stepper.start.get("status", {}).get("ending"))
    assert stepper.start["status"]["can_retry"] is in_a_model_call
    assert run_view.start["turns"][-1]["can_retry"] is in_a_model_call

    send_from_page(stepper, {"press": "retry"})
    if in_a_model_call:
        eventually(lambda: len(session.turns) == 2 and session.latest.text == "up")
    send_from_page(run_view, {"press": "retry"})
    time.sleep(0.1)
    assert len(session.turns) == (2 if in_a_model_call else 1)
