"""The view of a library or a store: its table, its search, and the Run that is opened and grows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import nbturns as nt


def line(text: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "yes"}]}) + "\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps([{"role": "user", "content": "an umbrella <script>"}]))
    return folder


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_table_the_search_and_the_opened_run(folder: Path) -> None:
    view = nt.library(folder).view()
    assert "an umbrella &lt;script&gt;" in view._table.value
    view._choices.value = "a.json#0"
    assert view.opened is not None
    assert view.opened.displayed_turn[0].text == "an umbrella <script>"

    view.query = "umbrella"
    assert "<mark>umbrella</mark>" in view._table.value
    view._choices.value = 0
    assert view.opened.selected == [0]
    view.query = "?!"
    assert "has no words" in view._table.value
    view.close()


def test_new_files_appear_and_an_opened_run_grows(folder: Path) -> None:
    view = nt.library(folder).follow()
    view.open_run("a.json#0")
    assert view.opened is not None
    first_block = view.opened.displayed_turn[0]

    (folder / "b.jsonl").write_text(line("a new question"))
    messages = [{"role": "user", "content": "an umbrella <script>"}, {"role": "assistant", "content": "grown"}]
    (folder / "a.json").write_text(json.dumps(messages))
    wait_until(lambda: "a new question" in view._table.value)
    opened = view.opened
    wait_until(lambda: len(opened.displayed_turn) == 2)

    assert opened.displayed_turn[1].text == "grown"
    assert opened.displayed_turn[0] is first_block
    assert opened.update["turns"]
    view.close()


def test_a_store_has_the_same_view(tmp_path: Path) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    session = nt.Session(nt.scripted("sunny"), store=store)
    session.ask("how is it?").result(timeout=30)
    view = store.view()

    view._choices.value = session.id
    assert view.opened is not None
    assert view.opened.displayed_turn == session.latest
    view.close()
