"""JSON laid out to be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.pretty_json import LINE_WIDTH, format_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


@given(VALUES)
def test_what_is_laid_out_is_still_the_same_json(value: Any) -> None:
    assert json.loads(format_json(value)) == value


@given(st.lists(st.integers(-(10**6), 10**6) | st.sampled_from(["north bench", "south"]), min_size=30))
def test_a_list_of_numbers_and_words_fills_its_lines(values: list[Any]) -> None:
    lines = format_json({"hourly": values}).splitlines()

    assert all(len(line) <= LINE_WIDTH for line in lines)
    assert len(lines) <= 6 + len(json.dumps(values)) // (LINE_WIDTH - 20)


def test_what_is_short_stands_on_one_line_at_every_depth() -> None:
    rows = [{"city": city, "celsius": 18, "sky": ["clear", "calm"]} for city in ("Paris", "Lyon", "Nice", "Brest")]

    assert format_json({"rows": rows}).splitlines() == [
        "{",
        '  "rows": [',
        '    {"city": "Paris", "celsius": 18, "sky": ["clear", "calm"]},',
        '    {"city": "Lyon", "celsius": 18, "sky": ["clear", "calm"]},',
        '    {"city": "Nice", "celsius": 18, "sky": ["clear", "calm"]},',
        '    {"city": "Brest", "celsius": 18, "sky": ["clear", "calm"]}',
        "  ]",
        "}",
    ]


@pytest.mark.parametrize("levels", [30, 300, 700, 900, 990, 100_000])
def test_a_result_that_is_nested_however_deeply_is_shown(levels: int) -> None:
    turn = nt.Turn([nt.tool_use("c", "[" * levels + "1" + "]" * levels)])

    assert "[[[[" in turn._repr_html_() or levels == 30
    assert nt.view(turn)._repr_html_()
