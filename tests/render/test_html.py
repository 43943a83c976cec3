"""The static table: readable anywhere, and nothing a model said is ever a tag in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.importers.kit.import_report import ImportReport
from nbturns.render.html import MAX_ROWS, MAX_TEXT_LENGTH
from nbturns.render.standalone_page import render_page
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult

EVIL = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>&lt;"
FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"


class Seen(HTMLParser):
    """What a browser would see: which tags, which attributes, which text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.values: list[str] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.spans: list[str] = []
        self._cell = False
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.values += [value or "" for _, value in attrs]
        self.spans += [value or "" for name, value in attrs if name == "rowspan"]
        self._style = tag == "style"
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "style":
            self._style = False
        if tag in ("td", "th"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._style:
            return
        self.text += data
        if self._cell:
            self.rows[-1][-1] += data


OURS = {
    "div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "b", "pre", "details", "summary", "span", "small", "img", "p", "code", "br",
    "strong", "del", "ins",
}  # fmt: skip
ATTRIBUTES = {
    "class",
    "scope",
    "colspan",
    "rowspan",
    "data-lm-suppress-shortcuts",
    "title",
    "alt",
    "src",
    "style",
    "align",
}


def edit(name: str, path: str, old: str, new: str) -> nt.Block:
    """An edit of a file in which lines were changed, which is shown as a diff."""
    changes = {"old_string": f"{old}\n{name}", "new_string": f"{new}\n{name}"}
    return nt.tool_call(name, "Edit", {"file_path": path, **changes})


texts = st.one_of(st.just(EVIL), st.text(max_size=40), st.text(max_size=20).map(lambda text: f"<{text}>{EVIL}"))
results = st.builds(
    lambda text, usage: nt.InferenceResult(provider=text, model=text, stop_reason=text, usage=usage),
    texts,
    st.none() | st.builds(nt.Usage, st.integers(0, 10**9), st.integers(0, 10**9)),
)
blocks = st.one_of(
    texts.map(nt.system),
    texts.map(nt.user),
    texts.map(nt.assistant),
    texts.map(nt.reasoning),
    st.builds(nt.tool_call, texts, texts, st.dictionaries(texts, texts, max_size=3)),
    st.builds(nt.tool_use, texts, texts, texts),
    st.builds(edit, texts, texts, texts, texts),
    st.builds(nt.tool_use, texts, st.lists(st.dictionaries(texts, texts, max_size=3), max_size=3)),
    st.builds(lambda kind, text: nt.Block(kind, {text: [text, {"images": text}]}, role=text, id=text), texts, texts),
    texts.map(lambda text: nt.user(text, images=[{"url": f"http://192.0.2.1/{text}", "detail": text}])),
    texts.map(lambda text: nt.Block("user", {"images": [{"media_type": text, "content": text}, text]})),
)


@given(
    st.lists(
        st.builds(lambda block, result: block.with_metadata(nt.keys.INFERENCE_RESULT, result), blocks, results),
        max_size=6,
    ),
    texts,
)
def test_nothing_said_becomes_a_tag_an_attribute_or_an_address(said: list[nt.Block], name: str) -> None:
    turn = nt.Turn(said)

    for text in (turn._repr_html_(), nt.Run((turn, turn + nt.user(name)), name=name)._repr_html_()):
        seen = Seen(text)
        assert set(seen.tags) <= OURS
        assert seen.attributes <= ATTRIBUTES
        assert not any("192.0.2.1" in value for value in seen.values)
        assert not any(EVIL in value for value in seen.values)


def test_a_table_shows_what_was_said_and_who_answered_whom() -> None:
    rows = Seen(nt.load(FIXTURE)[0]._repr_html_()).rows

    assert rows[0] == ["#", "kind", "content", "tokens in → out, time"]
    assert rows[4][:3] == ["3", "ƒ tool_call", "→ #4 sensors()"]
    assert rows[5][:3] == ["4", "↳ tool_use", '← #3 sensors ["north bench", "south bench", "door"]']
    assert rows[14][2].startswith("Yes, on the north bench.")


def test_the_cells_of_a_model_call_stand_once_beside_all_its_blocks() -> None:
    seen = Seen(nt.load(FIXTURE)[0]._repr_html_())

    assert seen.rows[3][3:] == ["612 → 74\u20031.24 s31 reasoning"]
    assert len(seen.rows[4]) == 3
    assert seen.spans == ["2", "4", "2"]


def test_what_is_not_known_is_a_dash_and_never_a_zero() -> None:
    turn = nt.Session(nt.scripted("yes")).ask("?").result(60)

    assert Seen(turn._repr_html_()).rows[2][3].startswith("—\u2003")


def answer(id: str, **fields: Any) -> nt.Block:
    result = InferenceResult(inference_id=id, usage=nt.Usage(9, 1), duration_ms=1_000, **fields)
    return nt.assistant(id).with_metadata(INFERENCE_RESULT, result).with_metadata(INFERENCE_ID, id)


def test_a_model_is_named_once_in_the_caption_or_at_each_call_and_only_unusual_stops_are_shown() -> None:
    usual = answer("a", model="m<1>", stop_reason="end_turn", finish_class=nt.FinishClass.COMPLETED)
    cut = answer("b", model="m<1>", stop_reason="max_tokens", truncated=True)
    refused = answer("c", model="m2", stop_reason="refusal", finish_class=nt.FinishClass.REFUSED)
    run = nt.Run((nt.Turn([nt.user("q"), usual]), nt.Turn([nt.user("q"), usual, cut])))

    same, mixed = Seen(nt.Turn([usual, cut])._repr_html_()), Seen(nt.Turn([usual, refused])._repr_html_())

    assert "2 model calls of m<1> · 18 → 2 tokens" in same.text
    assert [row[3] for row in same.rows[1:]] == ["9 → 1\u20031.00 s", "9 → 1\u20031.00 s⚠ cut: max_tokens"]
    assert "2 model calls · 18 → 2 tokens" in mixed.text
    assert [row[3] for row in mixed.rows[1:]] == ["9 → 1\u20031.00 sm<1>", "9 → 1\u20031.00 sm2refusal"]
    assert Seen(run._repr_html_()).text.count("m<1>") == 1


def test_a_run_shows_each_block_once_under_its_turn() -> None:
    rows = Seen(nt.load(FIXTURE)._repr_html_()).rows

    numbers = [row[0] for row in rows[1:] if len(row) > 1]
    assert numbers == [str(n) for n in range(20)]
    assert [row[0].split(" ·")[0] for row in rows[1:] if len(row) == 1] == ["turn 0", "turn 1", "turn 2"]


def test_a_call_nobody_answered_says_so() -> None:
    turn = nt.turn("?") + nt.tool_call("a", "f", {}) + nt.tool_use("b", 1)

    text = Seen(turn._repr_html_()).text

    assert "1 call pending" in text
    assert "answers no call here" in text


def test_a_block_alone_is_not_blamed_for_it() -> None:
    assert "answers no call" not in nt.tool_use("b", 1)._repr_html_()


def test_long_content_folds_and_short_content_stands_open() -> None:
    short = nt.Turn([nt.assistant("short")])._repr_html_()
    long = nt.Turn([nt.assistant("long " * 1000)])._repr_html_()

    assert "<details>" not in short
    assert "<details><summary" in long
    assert long.count("long ") > 1000


def test_a_table_stays_small_and_says_what_it_left_out() -> None:
    many = nt.Turn([nt.user(f"{n}") for n in range(MAX_ROWS + 7)])._repr_html_()
    huge = nt.Turn([nt.assistant("x" * 10_000_000)])._repr_html_()

    assert "7 more blocks" in many
    assert f"{10_000_000 - MAX_TEXT_LENGTH:,} more characters" in huge
    assert len(huge) < MAX_TEXT_LENGTH + 20_000


def test_a_saved_page_holds_all_there_is(tmp_path: Path) -> None:
    many = nt.Turn([*(nt.user(f"block {n}") for n in range(MAX_ROWS + 7)), nt.assistant("x" * (MAX_TEXT_LENGTH + 9))])

    text = nt.save(many, tmp_path / "all.html").read_text()

    assert f"block {MAX_ROWS + 6}" in text
    assert "x" * (MAX_TEXT_LENGTH + 9) in text
    assert "more blocks" not in text


def test_the_same_value_always_makes_the_same_text() -> None:
    assert nt.load(FIXTURE)._repr_html_() == nt.load(FIXTURE)._repr_html_()


def test_a_saved_page_runs_its_own_script_alone_and_requests_nothing() -> None:
    text = render_page(nt.load(FIXTURE))

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "unsafe" not in policy[1]
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        for code in re.findall(rf"<{element}>(.*?)</{element}>", text, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in next(part for part in policy[1].split(";") if directive in part)
    assert text.count("<script>") == 1


@given(blocks)
def test_what_a_saved_page_holds_is_data_and_cannot_end_its_element(block: nt.Block) -> None:
    text = render_page(nt.Turn([block, nt.user(EVIL)]))

    (data,) = re.findall(r'<script type="application/json" id="nbturns-data">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data)["start"]["rows"][1]["body"] == EVIL
    assert text.count("<script") == 2


def test_a_long_turn_in_a_page_has_all_its_blocks_and_a_short_static_table() -> None:
    text = render_page(nt.Turn(nt.user(f"said {n}") for n in range(3_000)))

    assert text.count("<tr") < MAX_ROWS + 10
    assert "said 2999" in text


def test_bytes_of_an_image_are_shown_and_other_images_only_named() -> None:
    picture = nt.image(b"\x89PNG\r\n\x1a\n", media_type="image/png")
    seen = Seen(nt.Turn([nt.user("look", images=[picture, "https://example.org/a.png"])])._repr_html_())

    assert [value for value in seen.values if value.startswith("data:image/png;base64,")]
    assert "1 image elsewhere: https://example.org/a.png" in seen.text


def test_what_an_importer_guessed_and_dropped_is_said_under_the_table() -> None:
    report = ImportReport("openai-chat", read=3, guessed=(EVIL,), dropped=("a record without role",) * 60)
    run = nt.Run((nt.turn("q"),), import_report=report)

    html = run._repr_html_()

    assert "read as openai-chat: 3 records, 1 guessed, 60 dropped" in html
    assert "10 more in run.import_report.dropped" in html
    assert "<script" not in html
    assert "nbt-report" not in nt.Run((nt.turn("q"),))._repr_html_().partition("</style>")[2]


def style_of(value: Any) -> str:
    style: str = value._repr_html_().partition("<style>")[2].partition("</style>")[0]
    return style


def test_a_static_table_carries_the_style_it_uses_and_no_more() -> None:
    turn = nt.turn("Is it cold?")
    of_turn, of_comparison = style_of(turn), style_of(nt.compare(turn, turn))

    assert of_turn == style_of(nt.Run((turn,)))
    assert of_comparison.startswith(of_turn)
    assert len(of_turn) < 5_000
    assert len(of_comparison) < 7_500
    assert "nbt-compare" not in of_turn
    assert "nbt-view" not in of_comparison  # rules of the live views


def test_where_call_ids_come_again_the_second_result_stands_beside_the_second_call() -> None:
    calls = [nt.tool_call("call_0", "weather", {"city": city}) for city in ("Paris", "Lyon", "Nice")]
    results = [nt.tool_use("call_0", n) for n in range(2)]
    turn = nt.Turn([calls[0], results[0], calls[1], results[1], calls[2]])

    assert re.findall(r"[→←] #\d", turn._repr_html_()) == ["→ #1", "← #0", "→ #3", "← #2", "→ #3"]
    rows = nt.view(turn).get_state(["_start"])["_start"]["rows"]
    assert [one["partner"] for one in rows] == [1, 0, 3, 2, 3]
