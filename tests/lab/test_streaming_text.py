"""Streaming text in an empty page: complete parts are not laid out again."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Browser

from nbturns.render.es_modules import joined_module

STREAM = """async ([code, initial, pieces]) => {
    const { streamingText, appendText } = await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    document.body.innerHTML = '<div id="place" style="width: 500px; white-space: pre-wrap; overflow-wrap: anywhere"></div>';
    const place = document.getElementById("place");
    const text = streamingText(initial);
    place.append(text);
    for (const piece of pieces) appendText(text, piece);
    const streamed = { text: place.textContent, parts: [...text.children].map(part => part.textContent), height: place.offsetHeight };
    place.replaceChildren(initial + pieces.join(""));
    return { ...streamed, plain: place.offsetHeight };
}"""


@pytest.mark.parametrize(
    ("initial", "pieces"),
    [
        ("", [f"word{n:04d} " for n in range(2_000)]),
        ("", [f"line {n}\n" for n in range(500)]),
        ("a beginning\n" * 300, ["of ", "lines\n\n", "and ", "empty ones\n"] * 200),
        ("", ["🌱🌡️" * 10] * 200),
        ("", ["תשובה ", "ארוכה, ", "and mixed. "] * 300),
    ],
    ids=["words", "lines", "with initial text", "emoji", "right to left"],
)
def test_streamed_text_is_laid_out_like_the_whole_text_and_only_its_end_is_laid_out_again(
    browser: Browser, initial: str, pieces: list[str]
) -> None:
    page = browser.new_page()
    page.goto("about:blank")

    streamed = page.evaluate(STREAM, [joined_module("streaming_text.js"), initial, pieces])
    page.close()

    assert streamed["text"] == initial + "".join(pieces)
    assert len(streamed["parts"]) > 2
    assert len(streamed["parts"][-1]) <= 1_600 + max(map(len, pieces))
    assert streamed["height"] == streamed["plain"]
    for part in streamed["parts"]:
        json.dumps(part, ensure_ascii=False).encode("utf-8")  # no surrogate pair was split
