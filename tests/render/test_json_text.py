"""JSON in a page: every number, name and text is as it was written."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.block_rows import block_body
from nbturns.render.pretty_json import format_json_text
from tests.lab.npm_package import node

MODULE = Path(nt.__file__).parent / "static" / "json_text.js"
WRITTEN = [
    '{"order_id": 9007199254740993, "amount": 10.0}',
    "[1e400, -0.0, 1E+2, NaN, -Infinity, 0.10]",
    '{"__proto__": {"a": 1}, "constructor": null, "toString": true}',
    '{"a": 1, "a": 2, "b": [], "c": {}}',
    '["two\\nlines", "\\u00e9 \\ud83d\\ude00", "\\\\ \\/ \\""]',
]
NOT_JSON = ["{", "[1,]", '{"a": }', '{"a" 1}', "[1 2]", '["a", "b"', "{} x", "[,]", '{"a": 1,}', "[" * 20_000]


def in_node(code: str) -> Any:
    script = f"import * as json from {json.dumps(MODULE.as_uri())}; console.log(JSON.stringify({code}))"
    done = subprocess.run(
        [node(), "--input-type=module", "-e", script], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def test_a_page_shows_json_as_it_was_written() -> None:
    shown = in_node(f"{json.dumps(WRITTEN)}.map((text) => json.inlineJson(json.parseJson(text)))")

    assert shown[:4] == WRITTEN[:4]
    assert json.loads(shown[4]) == json.loads(WRITTEN[4])


def test_a_page_takes_no_other_text_for_json() -> None:
    parsed = in_node(f"{json.dumps(NOT_JSON)}.map((text) => json.parseJson(text) === undefined)")

    assert parsed == [True] * len(NOT_JSON)


def test_indented_json_of_a_page_is_the_same_value() -> None:
    shown = in_node(f"{json.dumps(WRITTEN)}.map((text) => json.indentedJson(json.parseJson(text)))")

    assert "".join(shown[0].split()) == "".join(WRITTEN[0].split())
    assert shown[3] == '{\n  "a": 1,\n  "a": 2,\n  "b": [],\n  "c": {}\n}'


@pytest.mark.parametrize("text", WRITTEN)
def test_a_result_that_is_json_text_keeps_its_numbers_and_names(text: str) -> None:
    shown = block_body(nt.tool_use("c1", text))

    assert "".join(shown.split()) == "".join(
        text.replace("\\u00e9", "é").replace("\\ud83d\\ude00", "😀").replace("\\/", "/").split()
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=40,
    )
)
def test_pretty_json_text_is_the_same_value(value: Any) -> None:
    assert json.loads(format_json_text(json.dumps(value))) == value
