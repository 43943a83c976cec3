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
from nbturns.importers.kit.import_report import ImportReport
from nbturns.render.timeline import Timeline
from nbturns.render.turn_summaries import inferred_phases
from nbturns.widgets import CompareView, RunView, Stepper, TurnView
from tests.engines.stream_pieces import send_from_page

FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def session(**settings: Any) -> nt.Session:
    call = nt.tool_call("c", "add", {"a": 1, "b": 2})
    return nt.Session(nt.scripted([call], "three", "four"), tools=[add], **settings)


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was never met"
        time.sleep(0.005)


class Page:
    """The state of a page that displays a Run, like static/run_source.js."""

    def __init__(self, view: RunView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = -1
        self.turns: list[Any] = []
        self.pool: dict[int, Any] = {}
        self.head = self.activity = ""
        self.updates: list[str] = []
        self.view = view
        self.sent_messages: list[Any] = []
        view.observe(lambda change: self.replace_run(change["new"]), "start")
        view.observe(lambda change: self.apply_update(change["new"]), "update")
        monkeypatch.setattr(view, "send", self.sent_messages.append)
        self.replace_run(view.start)

    def ask(self, **message: Any) -> None:
        send_from_page(self.view, message)

    def replace_run(self, start: Any) -> None:
        start = json.loads(json.dumps(start))
        self.number, self.turns = start["number"], start["turns"]
        self.put(start)

    def apply_update(self, update: Any) -> None:
        self.updates.append(json.dumps(update))
        update = json.loads(self.updates[-1])
        assert update["number"] == self.number + 1, "an update was lost"
        self.number = update["number"]
        if first_phase := update.get("phases_from"):
            update["turns"][0]["phases"] = (
                self.turns[update["from"]]["phases"][:first_phase] + update["turns"][0]["phases"]
            )
        if first_call := update.get("calls_from"):
            update["turns"][0]["lane"] = self.turns[update["from"]]["lane"][:first_call] + update["turns"][0]["lane"]
        self.turns[update["from"] :] = update["turns"]
        self.put(update)

    def put(self, data: Any) -> None:
        self.head, self.activity = data["head"], data["activity"]
        self.pool |= {data["at"] + n: row for n, row in enumerate(data["rows"])}

    def kinds(self, turn: int) -> list[str]:
        return [self.pool[n]["kind"] for a, b in self.turns[turn]["stretches"] for n in range(a, b)]


def test_view_returns_the_view_for_each_type() -> None:
    run = nt.load(FIXTURE)
    execution = session().ask("?")
    execution.result(60)

    assert isinstance(nt.view(run[0]), TurnView)
    assert isinstance(nt.view(run), RunView)
    assert isinstance(nt.view(session()), RunView)
    assert isinstance(nt.view(execution), Stepper)
    assert isinstance(nt.view(nt.compare(run[0], run[1])), CompareView)
    with pytest.raises(TypeError, match="got int: 3"):
        nt.view(3)


def test_the_timeline_has_added_blocks_tokens_and_cost_of_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_phases_of_a_loaded_turn_are_inferred_from_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    page = Page(RunView(run), monkeypatch)

    phases = [(phase["phase"], phase["iteration"], phase["blocks"]) for phase in page.turns[0]["phases"]]

    assert phases == [
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


def test_inferred_phases_equal_the_snapshots() -> None:
    asked_session = session()
    execution = asked_session.ask("1 + 2?")
    turn = execution.result(60)

    phases = [(mark.phase, mark.iteration, len(mark.turn)) for mark in inferred_phases(turn, nt.Turn())]

    assert phases == [(mark.phase, mark.iteration, len(mark.turn)) for mark in execution.snapshots]


def test_an_edited_turn_lists_its_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    edited = nt.Run((run[0], run[0].edit(1, text="Was it too hot?").drop(5)))
    page = Page(RunView(edited), monkeypatch)

    turn = page.turns[1]

    assert (turn["edited"], turn["removed"], turn["fresh"]) == (1, 1, [[1, 2]])
    assert [change["what"] for change in turn["changes"]] == ["edited", "removed"]
    assert turn["stretches"] == [[0, 1], [14, 15], [2, 5], [6, 14]]
    assert page.kinds(1) == [block.kind for block in edited[1]]


def test_the_view_of_a_session_grows_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_session = session()
    page = Page(RunView(asked_session), monkeypatch)
    page.ask(request="start")
    eventually(lambda: page.number == 1)

    asked_session.ask("1 + 2?").result(60)
    eventually(lambda: page.turns and page.turns[0]["state"] == "ok")
    paused_execution = asked_session.ask("and 2 + 2?", step={"final"})
    eventually(lambda: page.activity == "paused at the end")

    assert [turn["state"] for turn in page.turns] == ["ok", "paused"]
    assert page.kinds(0) == ["user", "tool_call", "tool_use", "llm_text"]
    assert page.turns[0]["phases"][1]["phase"] == "post_inference"
    paused_execution.resume()
    paused_execution.result(60)
    eventually(lambda: page.turns[1]["state"] == "ok")
    assert page.kinds(1)[-2:] == ["user", "llm_text"]
    assert page.turns == RunView(asked_session).start["turns"]


def test_a_block_edited_at_a_pause_counts_once_in_the_heading(monkeypatch: pytest.MonkeyPatch) -> None:
    asking = session(step=True)
    page = Page(RunView(asking), monkeypatch)
    execution = asking.ask("?")
    pause = execution.next().result(60)
    execution.step(pause.turn.edit(-1, args={"a": 5, "b": 5})).result(60)
    execution.resume()
    execution.result(60)
    late_view = RunView(asking)

    eventually(lambda: page.turns and page.turns[-1]["state"] == late_view.start["turns"][-1]["state"])
    assert page.head.startswith("1 turn · 4 blocks ·")
    assert late_view.start["head"].startswith("1 turn · 4 blocks ·")
    assert len(page.pool) == late_view.start["length"] == 5  # the earlier version is shown at its phase


def test_a_view_opened_late_has_the_earlier_phases(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_session = session(step=True)
    execution = asked_session.ask("1 + 2?")
    pause = execution.next().result(60)
    assert pause
    execution.step(pause.turn.edit(-1, args={"a": 20, "b": 20})).result(60)
    execution.resume()
    execution.result(60)

    phases = Page(RunView(asked_session), monkeypatch).turns[0]["phases"]

    assert "stretches" in phases[1]  # the Turn as it was before somebody edited it
    assert "stretches" not in phases[2]


def test_updates_of_a_long_loop_do_not_grow_with_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [nt.tool_call(f"c{n}", "add", {"a": n, "b": 1}) for n in range(60)]
    asked_session = nt.Session(
        nt.scripted(*calls, "done"), tools=[add], tool_config=nt.ToolConfig(max_iterations=80), step=True
    )
    page = Page(RunView(asked_session), monkeypatch)
    execution = asked_session.ask("go")
    pause = execution.next().result(60)
    sizes = []
    while pause is not None:
        update_count = len(page.updates)
        pause = execution.step().result(60)
        eventually(lambda: len(page.updates) > update_count)  # noqa: B023  # evaluated within this iteration
        sizes.append(len(page.updates[-1]))

    eventually(lambda: page.turns[0]["state"] == "ok")
    assert len(page.turns[0]["phases"]) == len(execution.snapshots)
    assert median(sizes[-20:]) < 2 * median(sizes[:20])  # a slow machine sends several at once, now and then


def test_blocks_beyond_the_initial_size_are_sent_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.Run((nt.Turn(nt.user(f"question {n} " + "x" * 500) for n in range(1000)) + nt.assistant("y" * 9000),))
    page = Page(RunView(run), monkeypatch)

    page.ask(request="rows", **{"from": 0, "to": 100})
    page.ask(request="body", place=1000)
    page.ask(request="format", place=3, format="python", id=9)
    eventually(lambda: len(page.sent_messages) == 3)

    assert len(json.dumps(page.view.start)) < 100_000
    assert page.sent_messages[0]["at"] == 0
    assert len(page.sent_messages[0]["rows"]) == 100
    assert page.sent_messages[1] == {"place": 1000, "body": "y" * 9000}
    assert page.sent_messages[2]["text"].startswith("nt.user('question 3 ")


@pytest.mark.parametrize(
    "message",
    [
        "x",
        None,
        {},
        {"request": "rows", "from": -1, "to": 5},
        {"request": "rows", "from": 5},
        {"request": "body", "place": 10**9},
    ],
)
def test_an_invalid_message_is_ignored(message: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    page = Page(RunView(run), monkeypatch)

    send_from_page(page.view, message)
    page.ask(request="body", place=0)
    eventually(lambda: page.sent_messages)

    assert [list(message) for message in page.sent_messages] == [["place", "body"]]


def test_the_displayed_turn_and_the_selection_are_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    view = RunView(run)

    assert (view.turn, view.displayed_turn) == (0, run[0])  # a Run opens at its first Turn
    view.turn = -1
    assert view.displayed_turn == run[2]
    view.turn, view.phase, view.selected = 0, 1, [2, 3]

    assert view.displayed_turn.blocks == run[0].blocks.head(4)
    assert [block.kind for block in view.selection] == ["reasoning", "tool_call"]
    assert repr(view) == "<RunView of <Run 'greenhouse, the night of 3 March' 3 turns, 20 blocks>>"
    assert RunView(nt.Run()).displayed_turn == nt.Turn()


def test_the_import_report_is_sent_with_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    report = ImportReport("openai-chat", read=3, guessed=("a role",))

    start = RunView(nt.Run((nt.turn("q"),), import_report=report)).start

    assert start["report"]["head"].startswith("read as openai-chat")
    assert start["report"]["lines"] == ["guessed: a role"]
    assert RunView(nt.load(FIXTURE)).start["report"] is None


def test_a_timeline_updated_repeatedly_equals_one_built_at_once() -> None:
    run = nt.load(FIXTURE)
    once, twice = Timeline(), Timeline()
    for index, turn in enumerate(run):
        once.put(index, turn)
        twice.put(index, turn[: len(turn) - 1])
        twice.put(index, turn)

    assert [entry["stretches"] for entry in once.entries] == [entry["stretches"] for entry in twice.entries]
    assert once.head == twice.head


def test_a_comparison_is_sent_in_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    a = nt.Turn(nt.user(f"a {n}") for n in range(900))
    view = CompareView(nt.compare(a, a.edit(650, text="b")))
    sent_messages: list[Any] = []
    monkeypatch.setattr(view, "send", sent_messages.append)

    send_from_page(view, {"request": "pairs", "from": 200})
    eventually(lambda: sent_messages)

    assert (view.start["total"], len(view.start["pairs"])) == (900, 200)
    assert sent_messages[0]["from"] == 200
    assert [pair["what"] for pair in sent_messages[0]["pairs"]].count("edited") == 1
    view.selected = 650
    assert view.change is not None
    assert view.change.what == "edited"
    assert view._repr_html_() == view.comparison._repr_html_()


def answers(view: RunView, monkeypatch: pytest.MonkeyPatch, *messages: dict[str, Any]) -> list[Any]:
    page = Page(view, monkeypatch)
    for number, message in enumerate(messages):
        page.ask(id=number, **message)
    eventually(lambda: len(page.sent_messages) == len(messages))
    return page.sent_messages


LOOPING = [
    nt.user("q"),
    *(block for n in range(4) for block in (nt.tool_call(f"c{n}", "look", {}), nt.tool_use(f"c{n}", "it went wrong"))),
    nt.tool_call("open", "look", {"x": 1}),
]


def test_the_page_gets_the_problems_and_may_change_their_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    view = RunView(nt.Run((nt.Turn(LOOPING),)))
    kinds = [problem["kind"] for problem in view.start["problems"]]

    assert kinds == ["repeated_call", "unanswered_call"]
    assert view.start["problem_rules"]["repeats"] == 3
    assert all(isinstance(pattern, str) for pattern in view.start["problem_rules"]["patterns"])
    asked, later, hostile = answers(
        view,
        monkeypatch,
        {"request": "problems", "rules": {"text": "WENT wrong", "repeats": 2}},
        {"request": "problems", "rules": {"repeats": 9}},
        {"request": "problems", "rules": {"text": "(a+)+$" * 99, "left_out": ["x", 1], "repeats": float("nan")}},
    )
    assert [problem["kind"] for problem in asked["problems"]].count("failed_result") == 4
    assert "look for the 2nd time: {}" in [problem["message"] for problem in asked["problems"]]
    assert [problem["kind"] for problem in later["problems"]] == ["unanswered_call"]
    assert [problem["kind"] for problem in hostile["problems"]] == kinds


def test_failed_is_the_rule_for_results_of_the_view(monkeypatch: pytest.MonkeyPatch) -> None:
    view = nt.view(nt.Run((nt.Turn(LOOPING),)), failed="went wrong")
    frame = nt.problems(nt.Run((nt.Turn(LOOPING),)), failed="went wrong")

    assert view.start["problem_rules"]["patterns"] == ["went wrong"]
    shown = [(problem["kind"], problem["index"]) for problem in view.start["problems"]]
    assert shown == list(zip(frame["kind"], frame["block_index"], strict=True))


def test_the_page_gets_the_context_of_a_call_as_the_frame_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    frame = nt.context(run)
    last = frame[frame["inference_index"] == 5]

    lens, unknown = answers(
        RunView(run),
        monkeypatch,
        {"request": "context", "turn": 2, "first": 19},
        {"request": "context", "turn": 2, "first": 3},
    )

    assert unknown == {"id": 1, "error": "nothing is known of this request"}
    assert lens["lens"]["tokens"] == last["tokens"].sum()
    assert sum(tokens for _, _, tokens in lens["lens"]["parts"]) == last["tokens"].sum()
    largest = last.sort_values("tokens", ascending=False).iloc[0]
    assert (lens["lens"]["largest"][0]["index"], lens["lens"]["largest"][0]["tokens"]) == (
        largest["block_index"],
        largest["tokens"],
    )


def test_a_changed_history_is_billed_again_from_the_first_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    run = nt.load(FIXTURE)
    changed = run[2].edit(0, text=run[2][0].text.replace("greenhouse", "glasshouse"))
    view = RunView(nt.Run((run[1], changed)))

    (answer,) = answers(view, monkeypatch, {"request": "context", "turn": 1, "first": 17})

    assert answer["lens"]["differs"]["index"] == 0
    assert "glasshouse" in answer["lens"]["differs"]["now"]
