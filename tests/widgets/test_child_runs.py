"""The Runs that calls started, in the view of the Run that called them."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from nbturns.values.provenance import CHILD_RUN


def test_a_page_gets_the_heading_of_a_child_and_its_blocks_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    child = nt.Run((nt.turn("Find **it**") + nt.assistant("Here"),), name="helper", id="helper-1")
    calls = [
        nt.tool_call(f"c{n}", "helper", {}).with_metadata(CHILD_RUN, id) for n, id in enumerate(("helper-1", "gone"))
    ]
    view = nt.widgets.RunView(nt.Run((nt.Turn(calls),), id="main"), runs=[child])
    sent: list[Any] = []
    monkeypatch.setattr(view, "send", sent.append)

    assert [row["child"] for row in view.start["rows"]] == ["helper-1", "gone"]
    assert list(view.start["children"]) == ["helper-1"]
    assert view.start["children"]["helper-1"]["name"] == "helper"
    assert view.start["children"]["helper-1"]["phrases"] == ["2 blocks"]
    requests: tuple[dict[str, Any], ...] = (
        {"request": "child", "child": "helper-1"},
        {"request": "format", "child": "helper-1", "place": 0, "format": "nodes"},
        {"request": "child", "child": "gone"},
        {"request": "format", "child": "gone", "place": 0, "format": "json"},
    )
    for number, request in enumerate(requests):
        view._handle_message({**request, "id": number})
    assert [answer["id"] for answer in sent] == [0, 1, 2], "a made up id gets nothing of another Run"
    assert [row["body"] for row in sent[0]["child"]["rows"]] == ["Find **it**", "Here"]
    assert sent[1]["text"] == '[["p",{},"Find ",["strong",{},"it"]]]'
    assert "not part of the view" in sent[2]["error"]
