"""Outputs for hosts without style sheets or HTML: untrusted notebooks, code hosts, exports to LaTeX."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.lib.pretty import pretty
from jupyter_core.paths import jupyter_path
from nbconvert import LatexExporter

import nbturns as nt
from nbturns.render import text
from nbturns.render.standalone_page import render_page

LONG = nt.Turn([nt.user(f"line {n}") for n in range(1_000)])


def plain(value: Any) -> str:
    """The text/plain of a value that is the last expression of a cell."""
    shown: str = pretty(value, max_width=79)  # type: ignore[no-untyped-call]  # IPython has no types
    return shown


def test_the_plain_output_is_the_transcript_and_the_repr_stays_a_line() -> None:
    turn = nt.turn("Is it cold?", system="Be brief.")

    assert plain(turn) == str(turn)
    assert plain(nt.Run([turn])) == str(nt.Run([turn]))
    assert repr(turn) == "<Turn 2 blocks>"
    assert plain([turn, turn]) == "[<Turn 2 blocks>, <Turn 2 blocks>]"


def test_the_plain_output_of_a_long_turn_has_at_most_400_lines_and_writes_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    written_blocks: list[nt.Block] = []
    transcript_text = text.transcript_text

    def counted_text(block: nt.Block) -> str:
        written_blocks.append(block)
        return transcript_text(block)

    monkeypatch.setattr(text, "transcript_text", counted_text)

    for value in (LONG, nt.Run([LONG])):
        lines = plain(value).split("\n")

        assert len(lines) == 399
        assert lines[-2:] == ["    line 198", "… 801 more blocks: print() shows them"]
    assert len(written_blocks) == 2 * 200


def test_the_plain_output_of_a_turn_with_a_long_block_says_how_many_lines_follow() -> None:
    lines = plain(nt.turn("\n".join(["x"] * 1_000))).split("\n")

    assert len(lines) == 400
    assert lines[-1] == "… 602 more lines: print() shows them"


def test_an_export_to_latex_prints_the_transcript_as_code() -> None:
    turn = nt.turn("50% of $x_1$ \\input{/etc/passwd}")
    output = nbformat.v4.new_output(  # type: ignore[no-untyped-call]
        "execute_result", {"text/plain": plain(turn), "text/html": turn._repr_html_()}, execution_count=1
    )
    cell = nbformat.v4.new_code_cell("turn", outputs=[output])  # type: ignore[no-untyped-call]
    notebook = nbformat.v4.new_notebook(cells=[cell])  # type: ignore[no-untyped-call]

    if not any((Path(folder) / "nbconvert" / "templates" / "latex").is_dir() for folder in jupyter_path()):
        pytest.skip("the templates of nbconvert are not installed in this environment")
    body, _ = LatexExporter().from_notebook_node(notebook)  # type: ignore[no-untyped-call]

    assert "50\\% of \\$x\\_1\\$" in body
    assert "\\input{/etc" not in body


def test_cells_have_inline_styles_and_prose_has_line_breaks() -> None:
    html = nt.Turn([nt.user("one\ntwo"), nt.tool_call("a", "f", {})])._repr_html_()

    assert '<td class="nbt-content" style="text-align:left;vertical-align:top">' in html
    assert '<td class="nbt-n" style="text-align:right;vertical-align:top">' in html
    assert '<div class="nbt-prose">one<br>\ntwo</div>' in html
    assert ' style="' not in render_page(LONG[:3])


def test_lists_and_headings_of_turns_have_inline_styles() -> None:
    run = nt.example()
    listing = nt.compare(run[0], run[0], run[-1])._repr_html_()

    assert '<th scope="rowgroup" colspan="4" style="text-align:left">' in run._repr_html_()
    assert '<td class="nbt-text" style' not in listing.replace('<td class="nbt-text" style="text-align:left', "")
    assert '<td class="nbt-text" style="text-align:left;vertical-align:top">turns</td>' in listing
    assert '<td class="nbt-number" data-name="A" style="text-align:right;vertical-align:top">14</td>' in listing


def test_a_text_that_looks_like_a_tag_of_ours_gets_no_style() -> None:
    html = nt.turn('<td class="nbt-n">')._repr_html_()

    assert "&lt;td class=&quot;nbt-n&quot;&gt;" in html
