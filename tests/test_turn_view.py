"""The table of a Turn without a page: messages in, traits and messages out."""

from __future__ import annotations

import json
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines.wire import Wire
from nbturns.widgets import TurnView
from nbturns.widgets.block_forms import form
from tests.pieces import send_from_page


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
        send_from_page(self.view, {**question, "id": 7})
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

    parts = {
        "script and style": len(view._esm),
        "first rows": len(json.dumps(view._start)),
        "static table": len(json.dumps(view._repr_html_())),
    }
    assert parts["script and style"] <= 40_000
    assert parts["first rows"] <= 26_000
    assert parts["static table"] <= 16_000
    assert len(json.dumps(view.get_state(), default=str)) + parts["static table"] <= 80_000, parts
    assert len(view._start["rows"]) >= 80  # two chunks, as many as a page draws before anybody scrolls
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


@pytest.mark.parametrize("count", [100, 10_000, 100_000])
def test_a_block_that_comes_or_is_edited_costs_little_however_long_the_turn_is(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = long(count)
    view = nt.view(turn)
    page = Page(view, monkeypatch)
    state = view.get_state()

    view.turn = turn + nt.tool_call("c1", "weather", {"city": "Paris"})
    view.turn = view.turn.edit(count // 2, text="another question " + "y" * 180)
    view.turn = view.turn + nt.tool_use("c1", {"celsius": 18})

    assert len(page.heard) == 3
    assert all(len(json.dumps(message)) <= 1_000 for message in page.heard)
    assert view.get_state() == state  # nothing went as a trait


@pytest.mark.parametrize("message", ["nonsense", {}, None, 3, {"want": "rows"}, {"want": "rows", "id": "x"}])
def test_what_a_page_never_says_is_not_heard(page: Page, message: Any) -> None:
    send_from_page(page.view, message)

    assert page.heard == []


def test_what_is_copied_as_python_makes_the_same_block_again() -> None:
    blocks = [
        *talk(),
        nt.reasoning("a thought\nof two lines"),
        nt.tool_call("c2", "tool", {"deep": {"list": [1, 2.5, None, True, "x" * 300]}}),
        nt.tool_use("c2", error='it\'s "broken"'),
        nt.Block("of_mine", {"anything": ["goes"]}, role="guest"),
        nt.user('a "quoted" text ' * 30),
    ]

    for block in blocks:
        assert nt.Turn([eval(form(block, "python"), {"nt": nt})]).same_content(nt.Turn([block]))


def test_what_is_copied_as_yaml_and_json_is_what_files_hold(page: Page) -> None:
    block = talk()[2]

    assert json.loads(page.ask(want="form", row=2, form="json")["text"]) == block.to_dict()
    assert page.ask(want="form", row=2, form="yaml")["text"].startswith("kind: tool_call\n")
    assert page.ask(want="form", row=2, form="provider")["text"] == ""
    assert "error" in page.ask(want="form", row=99, form="json")


def test_the_provider_s_own_words_are_shown() -> None:
    block = Wire("claude").marked(nt.assistant("Hello"), raw={"type": "text", "text": "Hello", "new_field": 1})

    assert json.loads(form(block, "provider")) == {"type": "text", "text": "Hello", "new_field": 1}


@pytest.mark.parametrize(
    ("arrangement", "indices"),
    [
        ({"kinds": ["tool_use", "user"]}, [1, 3]),
        ({"tool": "weather"}, [2, 3]),
        ({"search": "PARIS", "only": True}, [2, 4]),
        ({"sort": "-number"}, [4, 3, 2, 1, 0]),
        ({"sort": "kind"}, [4, 0, 2, 3, 1]),
        ({"sort": "no such column"}, [0, 1, 2, 3, 4]),
        ({"search": "nothing has this", "only": True}, []),
    ],
)
def test_the_kernel_filters_searches_and_sorts_all_rows(
    page: Page, arrangement: dict[str, Any], indices: list[int]
) -> None:
    answer = page.ask(want="rows", number=0, arrangement=arrangement, **{"from": 0, "to": 200})

    assert answer["length"] == len(indices)
    assert answer["indices"] == indices


def test_matches_are_found_on_and_back_and_around_the_end(page: Page) -> None:
    def match(position: int, step: int) -> Any:
        found = page.ask(want="match", arrangement={"search": "paris"}, position=position, step=step)["match"]
        return found["position"], found["number"], found["count"]

    assert [match(-1, 1), match(2, 1), match(4, 1)] == [(2, 1, 2), (4, 2, 2), (2, 1, 2)]
    assert [match(4, -1), match(2, -1)] == [(2, 1, 2), (4, 2, 2)]


def test_a_long_text_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    view = nt.view(nt.Turn([nt.assistant("word " * 100_000)]))
    page = Page(view, monkeypatch)

    assert len(view._start["rows"][0]["body"]) == view._start["rows"][0]["got"] == 2_000
    piece = page.ask(want="text", row=0, **{"from": 2_000, "to": 500_000})
    assert piece["text"]["text"] == ("word " * 100_000)[2_000:]
    assert not piece["cut"]


def test_a_result_that_comes_later_is_told_to_the_row_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = nt.turn("?") + nt.tool_call("c", "tool", {})
    view = nt.view(turn)
    page = Page(view, monkeypatch)

    view.turn = turn + nt.tool_use("c", 1)

    assert page.heard[-1]["change"]["touched"] == {"1": {"partner": 2, "name": "tool"}}
    view.turn = turn
    assert page.heard[-1]["change"]["touched"] == {"1": {"partner": None, "name": "tool"}}


def test_what_is_selected_goes_along_when_blocks_are_taken_away_before_it() -> None:
    view = nt.view(talk())
    view.selected = [1, 4]

    view.turn = view.turn.drop(0)

    assert view.selected == [0, 3]
    view.turn = view.turn.replace(0, nt.user("Another question"))
    assert view.selected == [3]
