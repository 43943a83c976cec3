"""Labels in views: those of a file are shown, and the page adds one to it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.widgets import RunsView, RunView, TurnView


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def run_of(*texts: str) -> nt.Run:
    turn = nt.Turn([nt.user("question"), *map(nt.assistant, texts)])
    return nt.Run((nt.Turn([turn[0]]), turn), id="run-1", name="first")


def badges(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [[mark["label"] for mark in row.get("marks", ())] for row in rows]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for view_class in (RunView, TurnView):
        monkeypatch.setattr(view_class, "send", lambda _, message, *__: messages.append(message))
    return messages


def test_the_labels_of_a_file_are_badges(tmp_path: Path) -> None:
    run = run_of("answer")
    labels = nt.labels(tmp_path / "labels.jsonl")
    labels.add(run, "odd\u202e run").add(run[1][1], "<b>wrong</b>", note="see #3", by="me")

    run_view = nt.view(run, labels=labels)
    turn_view = nt.view(run[1], labels=tmp_path / "labels.jsonl")

    assert run_view.start["labels"] == ["odd\\u202e run"]
    assert badges(run_view.start["rows"]) == [[], ["<b>wrong</b>"]]
    assert run_view.start["rows"][1]["marks"][0]["note"].startswith("see #3 · me · ")
    assert "&lt;b&gt;wrong" in run_view._repr_html_()
    assert "<b>wrong</b>" not in run_view._repr_html_().replace("<b>&lt;b&gt;", "")
    assert badges(turn_view._start["rows"]) == [[], ["<b>wrong</b>"]]
    assert nt.labels(tmp_path / "labels.jsonl").path.read_text().count("\n") == 2


def test_the_page_adds_a_label_to_a_block_of_a_run(tmp_path: Path, sent: list[dict[str, Any]]) -> None:
    run = run_of("answer", "other")
    labels = nt.labels(tmp_path / "labels.jsonl")
    view = nt.view(run, labels=labels)
    assert view.start["can_label"]

    view._on_page_message(view, {"request": "label", "place": 2, "label": "wrong", "id": 7}, [])

    wait_until(lambda: {"id": 7, "text": ""} in sent)
    (rows,) = [message for message in sent if "rows" in message]
    assert (rows["at"], badges(rows["rows"])) == (2, [["wrong"]])
    (line,) = nt.labels(tmp_path / "labels.jsonl").lines()
    assert (line.run_id, line.turn_index, line.block_index, line.label.label) == ("run-1", 1, 2, "wrong")
    assert badges(view._full_state()["rows"]) == [[], [], ["wrong"]]
    assert "wrong" in view._repr_html_()
    assert len(labels) == 1
    assert not len(run[1][2].metadata)


def test_the_page_adds_a_label_to_a_block_of_a_turn(tmp_path: Path, sent: list[dict[str, Any]]) -> None:
    view = nt.view(run_of("answer")[1], labels=nt.labels(tmp_path / "labels.jsonl"))
    assert view.can_label

    view._on_page_message(view, {"request": "label", "row": 0, "label": "clear", "id": 3}, [])

    assert {"id": 3, "text": ""} in sent
    assert [mark["label"] for mark in view._initial_state(view.turn)["rows"][0]["marks"]] == ["clear"]
    assert json.loads((tmp_path / "labels.jsonl").read_text())["label"] == "clear"


def test_a_label_that_cannot_be_added_is_an_error_on_the_page(tmp_path: Path, sent: list[dict[str, Any]]) -> None:
    with_labels = nt.view(run_of("answer")[1], labels=nt.labels(tmp_path / "labels.jsonl"))
    without_labels = nt.view(run_of("answer")[1])

    for number, (view, label) in enumerate([(with_labels, " "), (with_labels, "x" * 201), (without_labels, "clear")]):
        view._on_page_message(view, {"request": "label", "row": 0, "label": label, "id": number}, [])
        assert sent[-1]["id"] == number
        assert "label" in sent[-1]["error"]
    assert not (tmp_path / "labels.jsonl").exists()
    without_labels.set_state({"can_label": True})
    assert not without_labels.can_label


def test_a_table_of_runs_shows_labels_and_opens_runs_with_them(tmp_path: Path) -> None:
    runs = [run_of("answer"), nt.Run((nt.Turn([nt.user("hi")]),), id="run-2")]
    labels = nt.labels(tmp_path / "labels.jsonl").add(runs[0], "good").add(runs[1][0][0], "short")

    view = nt.view(runs, labels=labels)

    assert isinstance(view, RunsView)
    assert any("good" in texts for texts in view.table.start["texts"])
    assert badges(view.open_run(1).start["rows"]) == [["short"]]


def test_other_values_have_no_labels(tmp_path: Path) -> None:
    run, labels = run_of("answer"), nt.labels(tmp_path / "labels.jsonl")

    with pytest.raises(nt.MisuseError, match="labels="):
        nt.view(nt.compare(run[0], run[1]), labels=labels)
    with pytest.raises(nt.MisuseError, match="labels="):
        nt.view(run, labels=3)  # type: ignore[call-overload]
