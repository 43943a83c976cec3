"""A text that streams, in a bare page: what is settled is not laid out again."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser

from nbturns.modules import module

STREAM = """async ([code, begun, pieces]) => {
    const { growingText, grow } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    document.body.innerHTML = '<div id="place" style="width: 500px; white-space: pre-wrap; overflow-wrap: anywhere"></div>';
    const place = document.getElementById("place");
    const text = growingText(begun);
    place.append(text);
    for (const piece of pieces) grow(text, piece);
    const grown = { text: place.textContent, parts: [...text.children].map(part => part.textContent), height: place.offsetHeight };
    place.replaceChildren(begun + pieces.join(""));
    return { ...grown, plain: place.offsetHeight };
}"""


@pytest.mark.parametrize(
    ("begun", "pieces"),
    [
        ("", [f"word{n:04d} " for n in range(2_000)]),
        ("", [f"line {n}\n" for n in range(500)]),
        ("a beginning\n" * 300, ["of ", "lines\n\n", "and ", "empty ones\n"] * 200),
        ("", ["🌱🌡️" * 10] * 200),
        ("", ["תשובה ", "ארוכה, ", "and mixed. "] * 300),
    ],
    ids=["words", "lines", "begun", "emoji", "right to left"],
)
def test_a_text_that_streams_looks_as_it_would_at_once_and_only_its_end_is_laid_out(
    browser: Browser, begun: str, pieces: list[str]
) -> None:
    page = browser.new_page()
    page.goto("about:blank")

    grown = page.evaluate(STREAM, [module("growing_text.js"), begun, pieces])
    page.close()

    assert grown["text"] == begun + "".join(pieces)
    assert len(grown["parts"]) > 2
    assert len(grown["parts"][-1]) <= 1_600 + max(map(len, pieces))
    assert grown["height"] == grown["plain"]
    for part in grown["parts"]:
        json.dumps(part, ensure_ascii=False).encode("utf-8")  # no letter was cut in two
