"""White space of arguments: it is shown, printed, exported and compared as it is."""

from __future__ import annotations

from pathlib import Path

import nbturns as nt
from tests.render.test_html import Seen

CODE = "if x:\n    return 1\n"
CALL = nt.tool_call("c1", "write", {"content": CODE})
INDENTED = nt.tool_call("c1", "write", {"content": "if x:\n  return 1\n"})


def test_a_printed_call_is_the_python_that_makes_it() -> None:
    assert str(nt.Turn([CALL])) == "[0] tool_call\n    write(content='if x:\\n    return 1\\n')"


def test_an_exported_call_keeps_its_indentation(tmp_path: Path) -> None:
    path = nt.save(nt.Turn([CALL]), tmp_path / "call.md")

    assert "write(content='if x:\\n    return 1\\n')" in path.read_text("utf-8")


def test_the_static_table_shows_a_text_of_several_lines_as_code() -> None:
    html = nt.Turn([CALL, nt.tool_call("c2", "sum", {"numbers": [1, 2]})])._repr_html_()

    assert f"<pre>{CODE}</pre>" in html
    assert "write(content='if x:\\n    return 1\\n')" in Seen(html).text


def test_a_difference_in_white_space_alone_is_visible_and_named() -> None:
    comparison = nt.compare(nt.Turn([CALL]), nt.Turn([INDENTED]))

    (change,) = comparison.changes
    assert change.only_white_space
    assert "".join(text for what, text in change.pieces if what != "added").endswith(CODE)
    assert str(comparison).splitlines()[1:] == ["~ #0 → #0 tool_call (args, white space only)", "    - ··"]
    html = comparison._repr_html_()
    assert "<del>··</del>" in html
    assert "white space only" in html


def test_tabs_and_line_ends_have_signs_too() -> None:
    tabs = nt.compare(nt.turn("a b"), nt.turn("a\tb"))
    lines = nt.compare(nt.turn("a b"), nt.turn("a\nb"))

    assert "<ins>→</ins>" in tabs._repr_html_()
    assert "<ins>↵\n</ins>" in lines._repr_html_()


def test_another_word_is_more_than_white_space() -> None:
    (change,) = nt.compare(nt.Turn([CALL]), nt.Turn([CALL.edit(args={"content": CODE + "pass"})])).changes

    assert not change.only_white_space
