"""The view of several Runs: its table, and the Run that is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.widgets import RunsView, RunView
from nbturns.widgets.runs_view import outcome_class, table_of

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


def chat(question: str, answer: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]})


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "logs" / "chats.jsonl"
    path.parent.mkdir()
    path.write_text("\n".join(chat(f"question {n}", f"answer {n} {HOSTILE}") for n in range(3)))
    return path


def column(view: RunsView, name: str) -> list[str]:
    names = [column["name"] for column in view.table.start["columns"]]
    return [texts[names.index(name)] for texts in view.table.start["texts"]]


INPUTS: dict[str, Callable[[Path], Any]] = {
    "file": str,
    "folder": lambda path: path.parent,
    "list": lambda path: list(nt.load_all(path)),
    "tuple": lambda path: tuple(nt.load_all(path)),
    "iterator": lambda path: iter(list(nt.load_all(path))),
    "runs": nt.load_all,
    "frame of a file": nt.frames.runs,
    "frame of Runs": lambda path: nt.frames.runs(list(nt.load_all(path))),
    "Arrow frame": lambda path: nt.frames.runs(path, backend="arrow"),
}


@pytest.mark.parametrize("make", INPUTS.values(), ids=INPUTS)
def test_several_runs_are_a_table_and_each_row_opens_its_run(chats: Path, make: Callable[[Path], Any]) -> None:
    view = nt.view(make(chats))

    assert isinstance(view, RunsView)
    assert len(view) == 3
    for index in (2, 0, 1):
        view.table.opened = index
        assert isinstance(view.opened, RunView)
        assert view.opened.displayed_turn[0].text == f"question {index}"
        assert view._place.children == (view.opened,)
    view.close()


def test_the_rows_of_a_filtered_and_sorted_frame_open_their_own_runs(chats: Path) -> None:
    frame = nt.frames.runs(chats)
    view = nt.view(frame.iloc[[2, 0]])

    assert view.open_run(0).displayed_turn[0].text == "question 2"
    assert view.open_run(-1).displayed_turn[0].text == "question 0"
    assert view.table.opened == 1
    opened = nt.view(frame.iloc[1])
    assert isinstance(opened, RunView)
    assert opened.displayed_turn[0].text == "question 1"


def test_one_run_keeps_its_view(chats: Path, tmp_path: Path) -> None:
    run = next(nt.load_all(chats))
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "chat.json").write_text(chat("only", "yes"))

    for x in (run, [run], iter([run]), tmp_path / "one", tmp_path / "one" / "chat.json"):
        assert isinstance(nt.view(x), RunView)


def test_files_that_were_not_read_are_named(chats: Path) -> None:
    (chats.parent / "broken.jsonl").write_text('{"messages": [')

    view = nt.view(chats.parent)

    assert len(view) == 3
    assert "1 file was not read" in view.table.start["note"]
    assert "broken.jsonl" in view._repr_html_()


def test_nothing_to_view_is_an_error(tmp_path: Path) -> None:
    nothing: list[Any] = [[], iter(()), tmp_path, tmp_path / "missing"]
    for x in nothing:
        with pytest.raises(nt.LoadError):
            nt.view(x)


def test_a_run_whose_file_has_gone_is_reported_in_its_place(chats: Path) -> None:
    view = nt.view(nt.frames.runs(chats))
    view.open_run(0)
    chats.unlink()

    view.table.opened = 2

    assert view.opened is None
    (message,) = view._place.children
    assert "cannot be opened" in message.value


def test_the_page_may_open_sort_and_filter_and_nothing_else(chats: Path) -> None:
    view = nt.view(chats)
    start = view.table.start

    view.table.set_state({"opened": 1, "sort": "-calls", "filter": "answer", "start": {}, "_esm": "alert(1)"})
    assert (view.table.opened, view.table.sort, view.table.filter) == (1, "-calls", "answer")
    assert view.table.start == start
    assert "alert(1)" not in view.table._esm
    for index in (3, -2, "0", 10**30):
        view.table.set_state({"opened": index})
        assert view.table.opened == 1
    view.set_state({"children": []})
    assert len(view.children) == 2


def test_texts_of_runs_are_escaped(chats: Path) -> None:
    view = nt.view(chats)

    assert "<img" not in view._repr_html_()
    assert "&lt;img" in view._repr_html_()
    assert all("\u202e" not in text for text in column(view, "last words"))


def test_columns_have_their_values_and_unknown_ones_are_left_out() -> None:
    rows: list[dict[str, Any]] = [
        {"name": "first", "score.match": 0.5, "success": False, "limit": "time", "failed": 0, "cost": 0.5},
        {"name": "second", "score.match": 1.0, "success": True, "cost": 0.25, "cost_source": "table"},
        {"name": "third", "error": "boom"},
    ]
    table = table_of(rows)

    names = [column["name"] for column in table["columns"]]
    assert names == ["name", "match", "outcome", "errors", "cost"]
    assert table["texts"] == [
        ["first", "0.5", "failed · limit: time", "0", "$0.5000"],
        ["second", "1", "success", "", "≈ $0.2500"],
        ["third", "", "error: boom", "", ""],
    ]
    assert table["keys"][:2] == [None, [0.5, 1.0, None]]
    assert table["outcomes"] == ["limit", "passed", "error"]


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        ({}, ""),
        ({"score.match": 0.5}, ""),
        ({"success": False, "score.match": 0.0}, "failed"),
        ({"success": False, "score.match": 0.5}, "partly"),
        ({"success": False, "reward": 0.25}, "partly"),
        ({"success": True, "reward": 0.25}, "passed"),
        ({"success": True, "error": "late"}, "error"),
    ],
)
def test_an_outcome_is_only_what_the_source_says(row: dict[str, Any], outcome: str) -> None:
    assert outcome_class(row) == outcome


def test_a_table_of_many_runs_is_one_text_for_the_page() -> None:
    table = nt.view([nt.Run((nt.turn(f"q{n}"),), id=f"r{n}") for n in range(3)]).table

    state = table.get_state()

    assert json.loads(state["start"]) == table.start
    assert table.start["texts"][1][0] == "r1"


def test_inspect_samples_have_their_scores(shared: Path) -> None:
    logs = sorted((shared / "data").rglob("*.eval"))
    for log in logs[:3]:
        runs = list(nt.load_all(log))
        if len(runs) > 1:
            view = nt.view(log)
            assert len(view) == len(runs)
            assert view.open_run(-1).displayed_turn == RunView(runs[-1]).displayed_turn


def test_rows_of_several_runs_open_each_in_its_own_run() -> None:
    def run(name: str, bad: int) -> nt.Run:
        blocks = [nt.user(name)]
        for n in range(3):
            blocks += [nt.tool_call(f"c{n}", "look", {}), nt.tool_use(f"c{n}", "Error: no" if n == bad else "ok")]
        return nt.Run((nt.turn("first"), nt.Turn(blocks)), id=name, name=name)

    calls = nt.frames.tool_calls([run("pears", 0), run("plums", 2)])
    view = nt.view(calls[calls["failed"]])

    assert isinstance(view, RunsView)
    assert view.opened is not None
    assert (view.table.opened, view.opened.turn, view.opened.selected) == (0, 1, [1, 2])
    view.table.opened = 1
    assert [block.name or block.result for block in view.opened.selection] == ["look", "Error: no"]
    assert (view.opened.turn, view.opened.selected) == (1, [5, 6])


def test_the_table_counts_the_problems_of_each_run() -> None:
    loop = [block for n in range(3) for block in (nt.tool_call(f"c{n}", "f", {}), nt.tool_use(f"c{n}", "same"))]
    view = nt.view([nt.Run((nt.Turn(loop),), id="a"), nt.Run((nt.turn("q"),), id="b")])
    names = [column["name"] for column in view.table.start["columns"]]

    assert [texts[names.index("problems")] for texts in view.table.start["texts"]] == ["1", "0"]
