"""The table of a Turn without a page: messages in, traits and messages out."""

from __future__ import annotations

import json
from typing import Any

import pytest

import nbturns as nt
from nbturns.widgets import TurnView


def talk() -> nt.Turn:
    return (
        nt.turn("How is the weather?", system="Be brief.")
        + nt.tool_call("c1", "weather", {"city": "Paris"})
        + nt.tool_use("c1", {"celsius": 18})
        + nt.assistant("It is 18 °C in Paris.")
    )


def long(count: int) -> nt.Turn:
    return nt.Turn([nt.user(f"question {n} " + "x" * 180) for n in range(count)])


class Page:
    """What a page says to a view, and what it hears."""

    def __init__(self, view: TurnView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.view = view
        self.heard: list[Any] = []
        monkeypatch.setattr(
            view, "send", lambda message, buffers=None: self.heard.append(json.loads(json.dumps(message)))
        )

    def ask(self, **question: Any) -> Any:
        self.view._handle_custom_msg({**question, "id": 7}, [])
        answer = self.heard.pop()
        assert answer.pop("id") == 7
        return answer


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(nt.view(talk()), monkeypatch)


def test_the_rows_of_a_short_turn_go_with_the_view() -> None:
    start = nt.view(talk())._start

    assert [row["kind"] for row in start["rows"]] == ["system", "user", "tool_call", "tool_use", "llm_text"]
    assert start["rows"][2]["partner"] == 3
    assert start["rows"][3]["name"] == "weather"
    assert start["about"]["choices"]["tools"] == ["weather"]


def test_a_hundred_thousand_blocks_go_with_at_most_a_hundred_kilobytes(monkeypatch: pytest.MonkeyPatch) -> None:
    view = nt.view(long(100_000))
    page = Page(view, monkeypatch)

    assert len(json.dumps(view.get_state(), default=str)) <= 100_000
    assert view._start["total"] == 100_000
    rows = page.ask(want="rows", number=0, arrangement={}, **{"from": 99_900, "to": 100_000})["rows"]
    assert len(rows) == 100
    assert rows[-1]["body"].startswith("question 99999 ")


def test_what_is_selected_is_a_turn(page: Page) -> None:
    seen: list[Any] = []
    page.view.observe(lambda change: seen.append(change["new"]), "selected")

    page.view.selected = [4, -4, 1]

    assert page.view.selected == [1, 4]
    assert seen == [[1, 4]]
    assert [block.kind for block in page.view.selection] == ["user", "llm_text"]
    with pytest.raises(Exception, match="none at \\[5\\]"):
        page.view.selected = [5]


def test_a_longer_turn_sends_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = long(50_000)
    view = nt.view(turn)
    page = Page(view, monkeypatch)

    view.turn = turn + nt.assistant("an answer")

    (message,) = page.heard
    assert len(json.dumps(message)) <= 2_000
    assert message["change"]["from"] == 50_000
    assert [row["body"] for row in message["change"]["rows"]] == ["an answer"]


@pytest.mark.parametrize("message", ["nonsense", {}, None, 3, {"want": "rows"}, {"want": "rows", "id": "x"}])
def test_what_a_page_never_says_is_not_heard(page: Page, message: Any) -> None:
    page.view._handle_custom_msg(message, [])

    assert page.heard == []
