"""What stands beside a text, carried from the words of one provider into those of another."""

from __future__ import annotations

import base64
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.engines import request
from nbturns.engines.anthropic.media import write_medium as for_claude
from nbturns.engines.gemini.media import write_medium as for_gemini
from nbturns.engines.media import medium
from nbturns.engines.openai.media import write_chat_medium as for_chat
from nbturns.engines.openai.media import write_responses_medium as for_openai

PDF = base64.b64encode(b"%PDF-1.4 not much").decode()
TEXT = base64.b64encode("Grüße".encode()).decode()
MODELS = {"anthropic": "claude-x", "openai": "gpt-x", "openai-chat": "gpt-x", "gemini": "gemini-x"}

PAPER: dict[str, dict[str, Any]] = {  # one PDF, in the words of each
    "anthropic": {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": PDF},
        "title": "a.pdf",
    },
    "openai": {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
    "openai-chat": {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
    "gemini": {"inlineData": {"mimeType": "application/pdf", "data": PDF, "displayName": "a.pdf"}},
}
PICTURE: dict[str, dict[str, Any]] = {
    "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
    "openai": {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "auto"},
    "openai-chat": {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
    "gemini": {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
}


def objects(value: Any) -> list[Any]:
    """Every object in a request."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(one for within in inside for one in objects(within))]


@pytest.mark.parametrize(("one", "other"), list(permutations(PAPER, 2)))
@pytest.mark.parametrize("thing", [PAPER, PICTURE], ids=["document", "image"])
def test_what_one_provider_was_given_another_is_given_in_its_own_words(
    thing: dict[str, dict[str, Any]], one: str, other: str
) -> None:
    turn = nt.turn(nt.user("Read this.").edit(media=[thing[one]]))
    written = {**thing[other]}
    if other == "gemini":  # which takes no name
        written = {"inlineData": {k: v for k, v in written["inlineData"].items() if k != "displayName"}}

    assert written in objects(request(f"{other}:{MODELS[other]}", turn))


@pytest.mark.parametrize(("one", "other"), list(permutations(PICTURE, 2)))
def test_pictures_in_a_result_go_to_another_provider(one: str, other: str) -> None:
    result = [{"type": "text", "text": "a plot"}, PICTURE[one]]
    if one == "gemini":
        result[1] = {"media_type": "image/png", "content": "iVBO"}  # whose results are no lists; as ours are
    turn = nt.turn("Plot!") + nt.tool_call("c1", "plot") + nt.tool_use("c1", result)

    sent = request(f"{other}:{MODELS[other]}", turn)

    assert PICTURE[other] in objects(sent)
    assert any("a plot" in str(each) for each in objects(sent))


def test_a_result_that_only_looks_like_contents_stays_data() -> None:
    listing = [{"type": "file", "name": "a.txt"}, {"type": "image", "name": "b.png"}]
    turn = nt.turn("ls") + nt.tool_call("c1", "ls") + nt.tool_use("c1", listing)

    for provider, model in MODELS.items():
        assert "b.png" in str(request(f"{provider}:{model}", turn))


def test_texts_addresses_and_sound_go_where_they_are_taken() -> None:
    letter = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}}
    address = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
    sound = {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}

    assert for_gemini(letter) == {"inlineData": {"mimeType": "text/plain", "data": TEXT}}
    assert for_claude(for_gemini(letter)) == letter
    assert for_openai(address) == {"type": "input_file", "file_url": "https://example.org/a.pdf"}
    assert for_gemini(address) == {"fileData": {"fileUri": "https://example.org/a.pdf", "mimeType": "application/pdf"}}
    assert for_gemini(sound) == {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}}
    assert for_chat(for_gemini(sound)) == for_openai(for_gemini(sound)) == sound


@pytest.mark.parametrize(
    ("write", "given", "words"),
    [
        (for_claude, {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}, "not audio/wav"),
        (for_claude, {"type": "input_file", "file_id": "file_1"}, "a file of openai, which Claude cannot read"),
        (for_openai, {"fileData": {"fileUri": "gs://b/a.pdf", "mimeType": "application/pdf"}}, "a file of gemini"),
        (for_openai, {"inlineData": {"mimeType": "video/mp4", "data": "AAAA"}}, "not video"),
        (for_chat, {"fileData": {"fileUri": "https://example.org/a.pdf", "mimeType": "application/pdf"}}, "as bytes"),
        (for_chat, {"inlineData": {"mimeType": "audio/flac", "data": "AAAA"}}, "as wav or mp3"),
        (for_gemini, {"type": "search_result"}, "images, documents and other files"),
    ],
)
def test_what_a_provider_cannot_take_is_an_error_in_words(write: Any, given: Any, words: str) -> None:
    with pytest.raises(nt.EngineError, match=words) as caught:
        write(given)

    assert caught.value.kind == "unsupported"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=2) | st.dictionaries(st.text(max_size=5), inside, max_size=2),
    max_leaves=5,
)
FIELDS = (
    "source",
    "file",
    "file_data",
    "file_id",
    "file_url",
    "image_url",
    "input_audio",
    "inlineData",
    "fileData",
    "url",
)
KINDS = ("document", "image", "file", "input_file", "input_audio", "input_image", "image_url", "video_url", "")
INSIDE = st.dictionaries(
    st.sampled_from(["type", "data", "media_type", "url", "file_id", "mimeType", "fileUri", "format"]),
    JSON | st.sampled_from(["base64", "text", "url", "file", "data:,", "image/png"]),
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON | INSIDE, max_size=3),
    st.sampled_from(KINDS) | JSON,
)
def test_anything_is_a_medium_or_an_error(fields: dict[str, Any], kind: Any) -> None:
    given = {**fields, "type": kind}
    medium(given)
    for write in (for_claude, for_openai, for_chat, for_gemini):
        try:
            assert isinstance(write(given), dict)
        except nt.EngineError as error:
            assert error.kind == "unsupported"


@pytest.mark.parametrize(
    "name", ["openai:gpt-5", "openai-chat:m", "anthropic:claude-sonnet-4-5", "gemini:gemini-2.5-pro"]
)
@pytest.mark.parametrize(
    "result",
    [
        nt.image(b"RIFF", media_type="audio/wav"),
        nt.image(b"RIFF", media_type="audio/ogg"),
        nt.image(b"mp4", media_type="video/mp4"),
        nt.image(b"\xff\xfe", media_type="text/html"),
        {"media_type": "image/png", "content": "!!! not base64"},
        ["a film:", nt.image(b"mp4", media_type="video/mp4")],
    ],
)
def test_a_medium_of_a_tool_that_a_provider_does_not_take_never_ends_the_conversation(name: str, result: Any) -> None:
    turn = nt.Turn([nt.user("play it"), nt.tool_call("c", "play"), nt.tool_use("c", result)])
    body = str(nt.engines.request(name, turn))

    assert "not sent" in body or any(content in body for content in ("UklGRg==", "bXA0", "//4="))
    assert "!!!" not in body


@pytest.mark.parametrize(
    ("media_type", "reason"),
    [
        ("audio/wav", "images and documents"),
        ("image/tiff", "JPEG, PNG, GIF and WebP images"),
        ("image/svg+xml", "JPEG, PNG, GIF and WebP images"),
    ],
)
def test_the_text_in_place_of_a_medium_says_what_it_was(media_type: str, reason: str) -> None:
    turn = nt.Turn(
        [nt.user("x"), nt.tool_call("c", "play"), nt.tool_use("c", nt.image(b"RIFF", media_type=media_type))]
    )
    body = nt.engines.request("anthropic:claude-sonnet-4-5", turn)
    text = body["messages"][-1]["content"][0]["content"][0]["text"]
    assert text == f"[{media_type}: not sent; Claude accepts {reason}, not {media_type}]"


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/gif", "image/webp"])
def test_the_images_that_claude_takes_are_sent(media_type: str) -> None:
    turn = nt.Turn([nt.user("x"), nt.tool_call("c", "see"), nt.tool_use("c", nt.image(b"RIFF", media_type=media_type))])
    body = nt.engines.request("anthropic:claude-sonnet-4-5", turn)
    (part,) = body["messages"][-1]["content"][0]["content"]
    assert part["source"] == {"type": "base64", "media_type": media_type, "data": "UklGRg=="}
