"""Markdown, diffs, code and records as nodes of a fixed list of tags, from hostile texts too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.content_nodes import block_nodes
from nbturns.render.markdown_nodes import MAX_NESTING, TAGS, markdown_nodes
from nbturns.render.node_html import nodes_html
from nbturns.values.blocks import Block
from tests.lowest_time import lowest_seconds

HOSTILE = r"""<script>alert(1)</script> <img src=x onerror=alert(1)> <!-- hidden -->

<div onclick="x()">a block</div>

[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](data:text/html,x) [d](vbscript:x) [e](file:///etc/passwd) [f](//evil.example)
<javascript:alert(1)> ![image](https://evil.example/p.png) [ok](https://example.org/?a=1&b="2" "a title") <mailto:a@b.c>

[name]: https://evil.example "swallowed"

&#x202e;reversed &lt;b&gt; $\href{javascript:alert(1)}{x}$ $\frac{a}{b}$ costs $100 and $200

```html" onmouseover="x
<b>&amp;</b>
```
"""


class Tags(HTMLParser):
    """The tags, addresses and other attributes of HTML, which must be balanced."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name == "href"]
        if tag not in ("br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def nodes_of(text: str) -> list[Any]:
    nodes = markdown_nodes(text)
    assert nodes is not None
    return nodes


def every_node(nodes: list[Any], depth: int = 0) -> Iterator[tuple[Any, int]]:
    for node in nodes:
        yield node, depth
        if not isinstance(node, str):
            yield from every_node(node[2:], depth + 1)


def test_a_hostile_text_becomes_harmless_tags_and_loses_nothing() -> None:
    nodes = nodes_of(HOSTILE)
    html = Tags(nodes_html(nodes))
    text = "".join(html.texts)

    assert html.tags <= TAGS
    assert html.attributes <= {"class", "href", "rel", "target", "align", "start"}
    assert html.addresses == ["https://evil.example/p.png", "https://example.org/?a=1&b=%222%22", "mailto:a@b.c"]
    for kept in (
        "<script>alert(1)</script>",
        "onerror=alert(1)>",
        "<!-- hidden -->",
        '<div onclick="x()">',
        "[a](javascript:",
        "swallowed",
    ):
        assert kept in text
    assert "\\u202ereversed <b>" in text
    formulas = [node[2] for node, _ in every_node(nodes) if not isinstance(node, str) and node[1].get("c") == "math"]
    assert formulas == [r"$\frac{a}{b}$"], "a formula may not make a link, and amounts of money are no formula"


@given(st.text(alphabet="ab*_`#>-|\n ~[]()!\\$&<", max_size=60))
def test_any_text_becomes_known_tags_of_limited_depth_and_keeps_its_letters(text: str) -> None:
    nodes = nodes_of(text)

    assert all(
        isinstance(node, str) or (node[0] in TAGS and depth < 2 * MAX_NESTING) for node, depth in every_node(nodes)
    )
    html = Tags(nodes_html(nodes))
    if "(" not in text:  # the address of a link is not a text
        assert sorted(letter for letter in "".join(html.texts) if letter in "ab") == sorted(
            letter for letter in text if letter in "ab"
        )


DEEP: dict[str, Callable[[int], str]] = {
    "quotes": lambda n: ">" * n + "a",
    "lists": lambda n: "- " * n + "a",
    "emphasis": lambda n: "**x " * n + "y** " * n,
    "brackets": lambda n: "[a](" * n,
    "backticks": lambda n: "".join("a" + "`" * i for i in range(int((2 * n) ** 0.5))),
    "formulas": lambda n: r"\(" * n,
    "table": lambda n: "|a|b|\n|-|-|\n" + "|x|y|\n" * n,
    "lazy lines": lambda n: "> a\n" + "b\n" * n,
    "fences": lambda n: "```py\n" + "x=(" * n,
}


@pytest.mark.parametrize("name", DEEP)
def test_the_time_grows_with_the_length_of_a_hostile_text(name: str) -> None:
    """Quadratic time would be 64 times as long for 8 times the text."""
    short, long = DEEP[name](250), DEEP[name](8 * 250)

    allowed = 24 * lowest_seconds(lambda: json.dumps(markdown_nodes(short))) + 0.05
    assert lowest_seconds(lambda: json.dumps(markdown_nodes(long)), limit=allowed) <= allowed


def test_texts_that_would_take_long_stay_raw() -> None:
    assert markdown_nodes("a" * 100_001) is None
    assert markdown_nodes("|" + "a|" * 200 + "\n|" + "-|" * 200 + "\nx\n") is None, "the parser fills rows up"


def html_of(block: Block) -> str:
    nodes = block_nodes(block)
    assert nodes is not None
    return nodes_html(nodes)


def test_an_edit_is_a_diff_of_lines_with_its_words_marked() -> None:
    lines = "".join(f"line {n}\n" for n in range(20))
    edit = {"file_path": "a.py", "old_string": f"b = 2\n{lines}", "new_string": f"b = 3\n{lines}end"}

    html = html_of(nt.tool_call("1", "Edit", edit))

    assert "<strong>file_path</strong> a.py" in html
    assert (
        '<span class="nbt-t-del">- b = <del>2</del>\n</span><span class="nbt-t-ins">+ b = <ins>3</ins>\n</span>' in html
    )
    assert "… 14 unchanged lines" in html
    assert "line 2\n" in html and "line 4\n" not in html
    several = html_of(
        nt.tool_call("1", "multi_edit", {"edits": [{"old_str": "a", "new_str": "b"}, {"old_str": "c", "new_str": ""}]})
    )
    assert several.count('class="nbt-t-diff"') == 2
    space = html_of(nt.tool_call("1", "Edit", {"old_string": "  x", "new_string": "    x"}))
    assert "white space only" in space and "- ··x" in space and "+ ····x" in space
    with_flag = html_of(nt.tool_call("1", "E", {"edits": [{"old_str": "a", "new_str": "b", "replace_all": True}]}))
    assert "replace_all" in with_flag, "nothing of the call is left out"


def test_a_patch_and_a_text_of_several_lines_are_code() -> None:
    assert "<pre>*** Begin Patch\n+x &lt;\n</pre>" in html_of(
        nt.tool_call("1", "apply_patch", {"input": "*** Begin Patch\n+x <\n"})
    )
    nodes = block_nodes(nt.tool_call("1", "python", {"code": "import x\n'y'", "n": 1}))
    assert nodes is not None
    words = {
        node[2].strip(): node[1]["c"]
        for node, _ in every_node(nodes)
        if not isinstance(node, str) and node[0] == "span"
    }
    assert words == {"import": "k", "'y'": "q"}
    assert ["p", {"c": "arg"}, ["strong", {}, "n"], " 1"] in nodes
    assert block_nodes(nt.tool_call("1", "f", {"x": 1})) is None


def test_records_are_a_table_with_their_values_as_written() -> None:
    text = '[{"id": 9007199254740993, "x": 1e3}, {"id": 2, "note": "<b>", "x": null}]'

    html = html_of(nt.tool_use("1", text))

    assert html.startswith('<p class="nbt-t-note">2 records</p><table class="nbt-t-records">')
    assert '<td align="right">9007199254740993</td><td>1e3</td>' in html
    assert "<td>&lt;b&gt;</td>" in html
    assert "<td>null</td>" in html
    assert html_of(nt.tool_use("1", [{"a": 10.0}, {"a": 2}])).count("10.0") == 1
    for other in ("[1, 2]", '[{"a": 1, "a": 2}, {"a": 3}]', '[{"a": 1}, 2]', "[{", [{"a": 1}], "*text*"):
        assert block_nodes(nt.tool_use("1", other)) is None


def test_views_are_raw_until_the_reader_asks() -> None:
    turn = nt.Turn([nt.user("**bold** <b>"), nt.tool_use("1", "**verbatim**"), nt.assistant("# Title\n\ntext")])

    raw, rendered = nt.view(turn), nt.view(turn, markdown=True)

    assert "**bold** &lt;b&gt;" in raw._repr_html_()
    assert "<strong>bold</strong> &lt;b&gt;" in rendered._repr_html_()
    assert "**verbatim**" in rendered._repr_html_()
    assert "<h4>Title</h4>" in nt.view(nt.Run((turn,)), markdown=True)._repr_html_()
    page = rendered._page_data()
    assert page is not None
    assert page["nodes"][0] == [["p", {}, ["strong", {}, "bold"], " <b>"]]
    assert 1 not in page["nodes"]
    assert "nodes" not in (raw._page_data() or {})
    raw.set_state({"markdown": True})
    assert raw.markdown, "the button of the page"
    with pytest.raises(nt.MisuseError, match="is for conversations, got Comparison"):
        nt.view(nt.compare(turn, turn), markdown=True)
