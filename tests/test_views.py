"""RunView and CompareView without a page: messages in, traits and messages out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers.report import ImportReport
from nbturns.outline import phases_of
from nbturns.timeline import Timeline
from nbturns.widgets import CompareView, RunView, Stepper, TurnView
from tests.pieces import send_from_page

FIXTURE = Path(__file__).parents[1] / "fixtures" / "greenhouse.yaml"


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def session(**settings: Any) -> nt.Session:
    call = nt.tool_call("c", "add", {"a": 1, "b": 2})
    return nt.Session(nt.scripted([call], "three", "four"), tools=[add], **settings)


def eventually(true: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


class Page:
    """What a page knows of a Run (static/run_source.js)."""

    def __init__(self, view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = -1
        self.turns: list[Any] = []
        self.pool: dict[int, Any] = {}
        self.head = self.doing = ""
        self.updates: list[str] = []
        self.view = view
        self.said: list[Any] = []
        view.observe(lambda change: self.take(change["new"]), "start")
        view.observe(lambda change: self.follow(change["new"]), "tail")
        monkeypatch.setattr(view, "send", self.said.append)
        self.take(view.start)

    def ask(self, **message: Any) -> None:
        send_from_page(self.view, message)

    def take(self, start: Any) -> None:
        start = json.loads(json.dumps(start))
        self.number, self.turns = start["number"], start["turns"]
        self.put(start)

    def follow(self, tail: Any) -> None:
        self.updates.append(json.dumps(tail))
        tail = json.loads(self.updates[-1])
        assert tail["number"] == self.number + 1, "an update was lost"
        self.number = tail["number"]
        if kept := tail.get("phases_from"):
            tail["turns"][0]["phases"] = self.turns[tail["from"]]["phases"][:kept] + tail["turns"][0]["phases"]
        self.turns[tail["from"] :] = tail["turns"]
        self.put(tail)

    def put(self, given: Any) -> None:
        self.head, self.doing = given["head"], given["doing"]
        self.pool |= {given["at"] + n: row for n, row in enumerate(given["rows"])}

    def kinds(self, turn: int) -> list[str]:
        return [self.pool[n]["kind"] for a, b in self.turns[turn]["stretches"] for n in range(a, b)]


def test_each_value_has_its_view() -> None:
    run = nt.load(FIXTURE)
    execution = session().ask("?")
    execution.result(5)

    assert isinstance(nt.view(run[0]), TurnView)
    assert isinstance(nt.view(run), RunView)
    assert isinstance(nt.view(session()), RunView)
    assert isinstance(nt.view(execution), Stepper)
    assert isinstance(nt.view(nt.compare(run[0], run[1])), CompareView)
    with pytest.raises(TypeError, match="not for int: 3"):
        nt.view(3)  # type: ignore[call-overload]


def test_the_timeline_says_of_each_turn_what_it_added_and_took(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    page = Page(RunView(run), monkeypatch)

    first, second, third = page.turns

    assert [turn["added"] for turn in page.turns] == [14, 2, 4]
    assert [turn["stretches"] for turn in page.turns] == [[[0, 14]], [[0, 16]], [[0, 20]]]
    assert sum(turn["input"] for turn in page.turns) == run.usage.input_tokens
    assert sum(turn["cost"] for turn in page.turns) == pytest.approx(run.cost)
    assert second["title"] == "What should I do before tonight?"
    assert (first["calls"], second["calls"], third["calls"]) == (3, 1, 2)
    assert page.head.startswith("3 turns · 20 blocks · 6 model calls · 6,416 → 646 tokens · $0.0174")


def test_phases_of_a_turn_from_a_file_are_read_off_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    page = Page(RunView(run), monkeypatch)

    found = [(phase["phase"], phase["iteration"], phase["blocks"]) for phase in page.turns[0]["phases"]]

    assert found == [
        ("pre_inference", 0, 2),
        ("post_inference", 0, 4),
        ("post_tools", 0, 5),
        ("pre_inference", 1, 5),
        ("post_inference", 1, 9),
        ("post_tools", 1, 12),
        ("pre_inference", 2, 12),
        ("post_inference", 2, 14),
        ("final", 2, 14),
    ]


def test_phases_read_off_the_blocks_are_those_that_were() -> None:
    asked = session()
    execution = asked.ask("1 + 2?")
    turn = execution.result(5)

    read = [(mark.phase, mark.iteration, len(mark.turn)) for mark in phases_of(turn, nt.Turn())]

    assert read == [(mark.phase, mark.iteration, len(mark.turn)) for mark in execution.snapshots]


def test_a_turn_that_was_edited_says_what_is_not_only_added(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    edited = nt.Run((run[0], run[0].edit(1, text="Was it too hot?").drop(5)))
    page = Page(RunView(edited), monkeypatch)

    turn = page.turns[1]

    assert (turn["edited"], turn["removed"], turn["fresh"]) == (1, 1, [[1, 2]])
    assert [change["what"] for change in turn["changes"]] == ["edited", "removed"]
    assert turn["stretches"] == [[0, 1], [14, 15], [2, 5], [6, 14]]
    assert page.kinds(1) == [block.kind for block in edited[1]]


def test_a_session_grows_in_its_view_while_it_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = session()
    page = Page(RunView(asked), monkeypatch)
    page.ask(want="start")
    eventually(lambda: page.number == 1)

    asked.ask("1 + 2?").result(5)
    eventually(lambda: page.turns and page.turns[0]["state"] == "ok")
    held = asked.ask("and 2 + 2?", step={"final"})
    eventually(lambda: page.doing == "paused at final")

    assert [turn["state"] for turn in page.turns] == ["ok", "paused"]
    assert page.kinds(0) == ["user", "tool_call", "tool_use", "llm_text"]
    assert page.turns[0]["phases"][1]["phase"] == "post_inference"
    held.resume()
    held.result(5)
    eventually(lambda: page.turns[1]["state"] == "ok")
    assert page.kinds(1)[-2:] == ["user", "llm_text"]
    assert page.turns == RunView(asked).start["turns"]


def test_a_view_opened_late_shows_the_phases_there_were(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = session(step=True)
    execution = asked.ask("1 + 2?")
    pause = execution.next().result(5)
    assert pause
    execution.step(pause.turn.edit(-1, args={"a": 20, "b": 20})).result(5)
    execution.resume()
    execution.result(5)

    phases = Page(RunView(asked), monkeypatch).turns[0]["phases"]

    assert "stretches" in phases[1]  # the Turn as it was before somebody edited it
    assert "stretches" not in phases[2]


def test_what_a_long_loop_sends_does_not_grow_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [nt.tool_call(f"c{n}", "add", {"a": n, "b": 1}) for n in range(60)]
    asked = nt.Session(
        nt.scripted(*calls, "done"), tools=[add], tool_config=nt.ToolConfig(max_iterations=80), step=True
    )
    page = Page(RunView(asked), monkeypatch)
    execution = asked.ask("go")
    pause = execution.next().result(5)
    sizes = []
    while pause is not None:
        seen = len(page.updates)
        pause = execution.step().result(5)
        eventually(lambda: len(page.updates) > seen)  # noqa: B023  # it is over before the next
        sizes.append(len(page.updates[-1]))

    eventually(lambda: page.turns[0]["state"] == "ok")
    assert len(page.turns[0]["phases"]) == len(execution.snapshots)
    assert median(sizes[-20:]) < 2 * median(sizes[:20])  # a slow machine sends several at once, now and then


def test_blocks_that_did_not_go_along_come_when_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.Run((nt.Turn(nt.user(f"question {n} " + "x" * 500) for n in range(1000)) + nt.assistant("y" * 9000),))
    page = Page(RunView(run), monkeypatch)

    page.ask(want="rows", **{"from": 0, "to": 100})
    page.ask(want="body", place=1000)
    page.ask(want="form", place=3, form="python", id=9)
    eventually(lambda: len(page.said) == 3)

    assert len(json.dumps(page.view.start)) < 100_000
    assert page.said[0]["at"] == 0
    assert len(page.said[0]["rows"]) == 100
    assert page.said[1] == {"place": 1000, "body": "y" * 9000}
    assert page.said[2]["text"].startswith("nt.user('question 3 ")


@pytest.mark.parametrize(
    "message",
    [
        "x",
        None,
        {},
        {"want": "rows", "from": -1, "to": 5},
        {"want": "rows", "from": 5},
        {"want": "body", "place": 10**9},
    ],
)
def test_what_a_page_never_says_is_not_heard(message: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    page = Page(RunView(run), monkeypatch)

    send_from_page(page.view, message)
    page.ask(want="body", place=0)
    eventually(lambda: page.said)

    assert [list(said) for said in page.said] == [["place", "body"]]


def test_the_turn_and_the_phase_that_are_shown_are_values(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    view = RunView(run)

    assert view.shown == run[2]
    view.turn, view.phase, view.selected = 0, 1, [2, 3]

    assert view.shown.blocks == run[0].blocks.head(4)
    assert [block.kind for block in view.selection] == ["reasoning", "tool_call"]
    assert repr(view) == "<RunView of <Run 'greenhouse, the night of 3 March' 3 turns, 20 blocks>>"
    assert RunView(nt.Run()).shown == nt.Turn()


def test_what_an_importer_says_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    report = ImportReport("openai-chat", read=3, guessed=("a role",))

    start = RunView(nt.Run((nt.turn("q"),), import_report=report)).start

    assert start["report"]["head"].startswith("read as openai-chat")
    assert start["report"]["lines"] == ["guessed: a role"]
    assert RunView(nt.load(FIXTURE)).start["report"] is None


def test_a_timeline_that_is_put_again_is_the_one_made_at_once() -> None:
    run = nt.load(FIXTURE)
    once, twice = Timeline(), Timeline()
    for index, turn in enumerate(run):
        once.put(index, turn)
        twice.put(index, turn[: len(turn) - 1])
        twice.put(index, turn)

    assert [entry["stretches"] for entry in once.entries] == [entry["stretches"] for entry in twice.entries]
    assert once.head == twice.head


def test_a_comparison_is_sent_by_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    a = nt.Turn(nt.user(f"a {n}") for n in range(900))
    view = CompareView(nt.compare(a, a.edit(650, text="b")))
    said: list[Any] = []
    monkeypatch.setattr(view, "send", said.append)

    send_from_page(view, {"want": "pairs", "from": 200})
    eventually(lambda: said)

    assert (view.start["total"], len(view.start["pairs"])) == (900, 200)
    assert said[0]["from"] == 200
    assert [pair["what"] for pair in said[0]["pairs"]].count("edited") == 1
    view.selected = 650
    assert view.change is not None
    assert view.change.what == "edited"
    assert view._repr_html_() == view.comparison._repr_html_()
