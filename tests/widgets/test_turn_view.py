"""The table of a Turn without a page: messages in, traits and messages out."""

from __future__ import annotations

import json
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines.verbatim import OriginalItems
from nbturns.widgets import TurnView
from nbturns.widgets.block_formats import format_block
from tests.engines.stream_pieces import send_from_page


def weather_turn() -> nt.Turn:
    return (
        nt.turn("How is the weather?", system="Be brief.")
        + nt.tool_call("c1", "weather", {"city": "Paris"})
        + nt.tool_use("c1", {"celsius": 18})
        + nt.assistant("It is 18 °C in Paris.")
    )


def long_turn(count: int) -> nt.Turn:
    return nt.Turn([nt.user(f"question {n} " + "x" * 180) for n in range(count)])


class Page:
    """Send messages to a view like a page, and record what the view sends."""

    def __init__(self, view: TurnView, monkeypatch: pytest.MonkeyPatch) -> None:
        self.view = view
        self.sent_messages: list[Any] = []
        monkeypatch.setattr(
            view, "send", lambda message, buffers=None: self.sent_messages.append(json.loads(json.dumps(message)))
        )

    def ask(self, **request: Any) -> Any:
        send_from_page(self.view, {**request, "id": 7})
        answer = self.sent_messages.pop()
        assert answer.pop("id") == 7
        return answer


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(nt.view(weather_turn()), monkeypatch)


def test_the_rows_of_a_short_turn_are_sent_with_the_view() -> None:
    start = nt.view(weather_turn())._start

    assert [row["kind"] for row in start["rows"]] == ["system", "user", "tool_call", "tool_use", "llm_text"]
    assert start["rows"][2]["partner"] == 3
    assert start["rows"][3]["name"] == "weather"
    assert start["summary"]["choices"]["tools"] == ["weather"]


def test_a_view_of_a_hundred_thousand_blocks_takes_less_than_eighty_kilobytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = nt.view(long_turn(100_000))
    page = Page(view, monkeypatch)

    parts = {
        "script and style": len(str(view._esm)),
        "first rows": len(json.dumps(view._start)),
        "static table": len(json.dumps(view._repr_html_())),
    }
    assert parts["script and style"] <= 40_000
    assert parts["first rows"] <= 26_000
    assert parts["static table"] <= 16_000
    assert len(json.dumps(view.get_state(), default=str)) + parts["static table"] <= 80_000, parts
    assert len(view._start["rows"]) >= 80  # two chunks, which the page draws at first
    assert view._start["total"] == 100_000
    rows = page.ask(request="rows", version=0, filter_sort={}, **{"from": 99_900, "to": 100_000})["rows"]
    assert len(rows) == 100
    assert rows[-1]["body"].startswith("question 99999 ")


def test_the_selection_is_a_turn(page: Page) -> None:
    selections: list[Any] = []
    page.view.observe(lambda change: selections.append(change["new"]), "selected")

    page.view.selected = [4, -4, 1]

    assert page.view.selected == [1, 4]
    assert selections == [[1, 4]]
    assert [block.kind for block in page.view.selection] == ["user", "llm_text"]
    with pytest.raises(Exception, match="\\[5\\] are out of range \\(length 5\\)"):
        page.view.selected = [5]


def test_only_the_new_blocks_of_a_longer_turn_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = long_turn(50_000)
    view = nt.view(turn)
    page = Page(view, monkeypatch)

    view.turn = turn + nt.assistant("an answer")

    (message,) = page.sent_messages
    assert len(json.dumps(message)) <= 2_000
    assert message["change"]["from"] == 50_000
    assert [row["body"] for row in message["change"]["rows"]] == ["an answer"]


@pytest.mark.parametrize("count", [100, 10_000, 100_000])
def test_the_message_for_an_added_or_edited_block_does_not_grow_with_the_turn(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = long_turn(count)
    view = nt.view(turn)
    page = Page(view, monkeypatch)
    state = view.get_state()

    view.turn = turn + nt.tool_call("c1", "weather", {"city": "Paris"})
    view.turn = view.turn.edit(count // 2, text="another question " + "y" * 180)
    view.turn = view.turn + nt.tool_use("c1", {"celsius": 18})

    assert len(page.sent_messages) == 3
    assert all(len(json.dumps(message)) <= 1_000 for message in page.sent_messages)
    assert view.get_state() == state  # nothing was sent as a trait


@pytest.mark.parametrize("message", ["nonsense", {}, None, 3, {"request": "rows"}, {"request": "rows", "id": "x"}])
def test_an_invalid_message_is_ignored(page: Page, message: Any) -> None:
    send_from_page(page.view, message)

    assert page.sent_messages == []


def test_the_python_format_evaluates_to_the_same_block() -> None:
    blocks = [
        *weather_turn(),
        nt.reasoning("a thought\nof two lines"),
        nt.tool_call("c2", "tool", {"deep": {"list": [1, 2.5, None, True, "x" * 300]}}),
        nt.tool_use("c2", error='it\'s "broken"'),
        nt.Block("of_mine", {"anything": ["goes"]}, role="guest"),
        nt.user('a "quoted" text ' * 30),
    ]

    for block in blocks:
        assert nt.Turn([eval(format_block(block, "python"), {"nt": nt})]).same_content(nt.Turn([block]))


def test_the_yaml_and_json_formats_equal_the_file_formats(page: Page) -> None:
    block = weather_turn()[2]

    assert json.loads(page.ask(request="format", row=2, format="json")["text"]) == block.to_dict()
    assert page.ask(request="format", row=2, format="yaml")["text"].startswith("kind: tool_call\n")
    assert page.ask(request="format", row=2, format="provider")["text"] == ""
    assert "error" in page.ask(request="format", row=99, format="json")


def test_the_provider_format_is_the_original_json() -> None:
    block = OriginalItems("claude").attach(nt.assistant("Hello"), raw={"type": "text", "text": "Hello", "new_field": 1})

    assert json.loads(format_block(block, "provider")) == {"type": "text", "text": "Hello", "new_field": 1}


@pytest.mark.parametrize(
    ("filter_sort", "indices"),
    [
        ({"kinds": ["tool_use", "user"]}, [1, 3]),
        ({"tool": "weather"}, [2, 3]),
        ({"search": "PARIS", "only_matches": True}, [2, 4]),
        ({"sort": "-number"}, [4, 3, 2, 1, 0]),
        ({"sort": "kind"}, [4, 0, 2, 3, 1]),
        ({"sort": "no such column"}, [0, 1, 2, 3, 4]),
        ({"search": "nothing has this", "only_matches": True}, []),
    ],
)
def test_the_kernel_filters_and_sorts_all_rows(page: Page, filter_sort: dict[str, Any], indices: list[int]) -> None:
    answer = page.ask(request="rows", version=0, filter_sort=filter_sort, **{"from": 0, "to": 200})

    assert answer["length"] == len(indices)
    assert answer["indices"] == indices


def test_matches_are_found_in_both_directions_and_around_the_end(page: Page) -> None:
    def match(position: int, step: int) -> Any:
        match_data = page.ask(request="match", filter_sort={"search": "paris"}, position=position, step=step)["match"]
        return match_data["position"], match_data["number"], match_data["count"]

    assert [match(-1, 1), match(2, 1), match(4, 1)] == [(2, 1, 2), (4, 2, 2), (2, 1, 2)]
    assert [match(4, -1), match(2, -1)] == [(2, 1, 2), (4, 2, 2)]


def test_a_long_text_is_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    view = nt.view(nt.Turn([nt.assistant("word " * 100_000)]))
    page = Page(view, monkeypatch)

    assert len(view._start["rows"][0]["body"]) == view._start["rows"][0]["received"] == 2_000
    answer = page.ask(request="text", row=0, **{"from": 2_000, "to": 500_000})
    assert answer["text"]["text"] == ("word " * 100_000)[2_000:]
    assert not answer["cut"]


def test_a_later_result_updates_the_row_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = nt.turn("?") + nt.tool_call("c", "tool", {})
    view = nt.view(turn)
    page = Page(view, monkeypatch)

    view.turn = turn + nt.tool_use("c", 1)

    assert page.sent_messages[-1]["change"]["updated_partners"] == {"1": {"partner": 2, "name": "tool"}}
    view.turn = turn
    assert page.sent_messages[-1]["change"]["updated_partners"] == {"1": {"partner": None, "name": "tool"}}


def test_the_selection_follows_its_blocks_when_earlier_blocks_are_dropped() -> None:
    view = nt.view(weather_turn())
    view.selected = [1, 4]

    view.turn = view.turn.drop(0)

    assert view.selected == [0, 3]
    view.turn = view.turn.replace(0, nt.user("Another question"))
    assert view.selected == [3]
