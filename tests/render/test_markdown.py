"""A conversation as Markdown, in which what a model said stays in its fence."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.markdown import run_markdown, turn_markdown

FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"


def test_a_saved_conversation_reads_like_one(tmp_path: Path) -> None:
    text = nt.save(nt.load(FIXTURE), tmp_path / "g.md").read_text()

    assert text.startswith("# greenhouse, the night of 3 March\n")
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Turn 0", "## Turn 1", "## Turn 2"]
    assert "```python\nreadings(sensor='north bench', hours=8)\n```" in text
    assert "*claude-sonnet-4-5 · tool\\_use · 612 → 74 · 1.24 s*" in text


@given(st.text(alphabet="`~#\n<a*_", max_size=60), st.text(alphabet="`#\n<[x", max_size=20))
def test_nothing_said_leaves_its_fence(said: str, kind: str) -> None:
    text = turn_markdown(nt.Turn([nt.assistant(said), nt.Block(kind or "other", {"text": said})]))

    inside, headings = "", []
    for line in text.split("\n"):
        fence = re.match(r"`{3,}", line)
        if not inside and fence:
            inside = fence[0]
        elif inside and line.strip("`") == "" and len(line) >= len(inside):
            inside = ""
        elif not inside:
            headings.append(line)
    assert inside == ""
    assert len([line for line in headings if line.startswith("#")]) == 2


def test_a_name_is_no_markup() -> None:
    text = "# \\<b\\> \\*bold\\* \\[x\\](http\\://y)"
    assert run_markdown(nt.Run(name="<b> *bold* [x](http://y)")).startswith(text)
