"""What a person changed, and why an execution ended early, in static tables and in the data of views."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from nbturns.importers.kit.import_report import ImportReport
from nbturns.render.annotations import turn_ending
from tests.render.test_html import Seen
from tests.runtime.test_marks import failed, paused
from tests.runtime.test_tool_loop import call, double

EVIL = "<img src=x onerror=alert(1)>"


def text_of(value: Any) -> str:
    return Seen(value._repr_html_()).text


def test_a_static_table_says_what_was_changed_and_what_it_was() -> None:
    execution, turn = paused(call("a", 1), call("b", 2), call("c", 3), call("d", 4))
    execution.resume(turn.edit(1, args={"x": 5}), deny={"b": "no"}, mock={"c": 7}, skip=["d"])

    rows = Seen(execution.result(60)._repr_html_()).rows

    assert "✎ edited was: double(x=1)" in rows[2][2]
    assert "double(x=5)" in rows[2][2]
    content = " ".join(row[2] for row in rows[5:] if len(row) > 2)
    for badge in ("⊘ denied", "◇ mocked", "↷ skipped"):
        assert badge in content


def test_the_former_value_is_escaped_and_reaches_the_live_view() -> None:
    execution, turn = paused(nt.tool_call("a", "double", {"x": 1, "note": EVIL}))
    execution.resume(turn.edit(1, args={"x": 5}))
    end = execution.result(60)

    assert EVIL not in end._repr_html_()
    (mark,) = nt.view(end)._start["rows"][1]["marks"]
    assert (mark["sign"], mark["label"]) == ("✎", "edited")
    assert EVIL in mark["before"]
    assert "by resume on 20" in mark["note"]


@pytest.mark.parametrize(
    ("engine", "limit", "expected"),
    [
        (nt.scripted(RuntimeError("502 Bad Gateway " + EVIL)), 5, "✗ model call failed: RuntimeError: 502 Bad Gateway"),
        (
            nt.scripted([call("a", 1)], [call("b", 1)], "x"),
            1,
            "■ limit reached: still calling tools after 1 model call",
        ),
    ],
)
def test_the_reason_of_the_end_is_the_last_row(engine: Any, limit: int, expected: str) -> None:
    turn = failed(engine, limit=limit)

    for value in (turn, nt.Run([turn])):
        assert Seen(value._repr_html_()).rows[-1][0].startswith(expected)
        assert EVIL not in value._repr_html_()
    assert nt.view(turn)._start["summary"]["ending"]["text"] in expected + turn_ending(turn)["text"]  # type: ignore[index]
    assert nt.view(nt.Run([turn])).start["turns"][0]["ending"] == turn_ending(turn)


def test_a_stopped_turn_says_so_and_another_does_not() -> None:
    execution, _ = paused(call("a", 1))
    execution.stop()

    assert Seen(execution.result(60)._repr_html_()).rows[-1][0].startswith("■ stopped: ")
    assert turn_ending(nt.Session(nt.scripted("fine")).ask("q").result(60)) is None


def test_each_turn_of_a_session_ends_with_its_own_reason() -> None:
    session = nt.Session(nt.scripted(RuntimeError("boom"), "fine"), tools=[double])
    with pytest.raises(nt.NbturnsError):
        session.ask("q").result(60)
    session.ask("again").result(60)

    rows = [row[0] for row in Seen(session._repr_html_()).rows]

    assert rows.index("✗ model call failed: RuntimeError: boom") < rows.index(
        next(r for r in rows if r.startswith("turn 1"))
    )
    assert sum("boom" in row for row in rows) == 1


def test_what_an_import_dropped_stands_out() -> None:
    run = nt.Run([nt.turn("q")], import_report=ImportReport(format="x", read=3, dropped=("line 2: damaged",)))

    assert '<b class="nbt-dropped">✗ read as x: 3 records, 1 dropped</b>' in run._repr_html_()
    assert nt.view(run).start["report"]["dropped"] == 1
