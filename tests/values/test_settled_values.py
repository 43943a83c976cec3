"""Values that JSON cannot hold are settled when a value is made: every sink, file and provider takes what is kept."""

from __future__ import annotations

import base64
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.html import run_html
from nbturns.render.markdown import run_markdown
from nbturns.values.frozen_json import describe_changes, freeze
from nbturns.values.portable import escape_surrogates, portable, replace_surrogates

LONG = math.factorial(2_000)
SETTLED = [
    ((1, (2,)), [1, [2]], "tuple to list (2 times)"),
    ({3, 1, 2}, [1, 2, 3], "set to list"),
    (frozenset({"b", "a"}), ["a", "b"], "set to list"),
    (b"\xff\x00", "/wA=", "bytes to base64 text"),
    (bytearray(b"a"), "YQ==", "bytes to base64 text"),
    (memoryview(b"a"), "YQ==", "bytes to base64 text"),
    (np.float32(0.5), 0.5, "numpy scalar to Python value"),
    (np.float64(0.5), 0.5, "numpy scalar to Python value"),
    (np.int64(7), 7, "numpy scalar to Python value"),
    (np.bool_(True), True, "numpy scalar to Python value"),
    (np.str_("a"), "a", "numpy scalar to Python value"),
    (np.arange(3), [0, 1, 2], "numpy array to list"),
    (LONG, hex(LONG), "integer of more than 4,300 digits to hexadecimal text"),
    (-(10**4300), hex(-(10**4300)), "integer of more than 4,300 digits to hexadecimal text"),
    (10**4300 - 1, 10**4300 - 1, ""),
    ([1, "a", None, 1.5, True], [1, "a", None, 1.5, True], ""),
]
PROVIDERS = ("anthropic:claude-sonnet-4-5", "openai:gpt-5", "openai-chat:gpt-4.1", "gemini:gemini-2.5-pro")


@pytest.mark.parametrize(("value", "kept", "change"), SETTLED, ids=map(str, range(len(SETTLED))))
def test_a_value_without_a_word_in_json_is_settled_and_the_change_is_counted(
    value: Any, kept: Any, change: str
) -> None:
    changes: dict[str, int] = {}

    frozen = freeze({"x": [value]}, changes)

    assert frozen == {"x": [kept]}
    assert type(frozen["x"][0]) in (type(kept), type(freeze(kept)))
    assert describe_changes(changes) == change
    assert json.loads(json.dumps(frozen)) == frozen
    assert freeze(frozen) is frozen


@pytest.mark.parametrize("key", [np.int64(3), LONG, np.str_("a"), 2.5], ids=["numpy", "long", "str", "float"])
def test_a_key_is_settled_like_a_value(key: Any) -> None:
    (name,) = freeze({key: 1})

    assert type(name) is str
    assert name in ("3", hex(LONG), "a", "2.5")


def test_a_key_of_the_type_bytes_gives_bytes_again() -> None:
    picture: nt.Key[bytes] = nt.Key("me.picture@v1", bytes)
    turn = nt.turn("q").with_metadata(picture, b"\x00\xff")

    assert turn.metadata[picture] == b"\x00\xff"
    assert turn.metadata.raw(picture) == base64.b64encode(b"\x00\xff").decode()
    assert nt.Turn.from_yaml(turn.to_yaml()).metadata[picture] == b"\x00\xff"


ODD: list[Any] = [
    LONG,
    float("nan"),
    float("-inf"),
    "half \ud83d",
    {"\ude00": (b"\xff", {1, 2})},
    np.float32("nan"),
    [LONG] * 3,
]


@pytest.mark.parametrize("result", ODD, ids=map(str, range(len(ODD))))
def test_every_sink_file_and_provider_takes_an_odd_result(tmp_path: Path, result: Any) -> None:
    turn = nt.turn("q") + nt.tool_call("c", "f", {"x": result}) + nt.tool_use("c", result) + nt.assistant("done")
    run = nt.Run((turn,), id="r")

    for text in (repr(turn), str(turn), turn._repr_html_(), run_html(run), run_markdown(run), turn.to_yaml()):
        text.encode("utf-8")
    json.loads(json.dumps(turn.to_dict(), allow_nan=False))
    for suffix in (".yaml", ".json", ".jsonl"):
        assert repr(nt.load(nt.save(run, tmp_path / f"a{suffix}")).latest.blocks) == repr(turn.blocks)
    page = nt.save(run, tmp_path / "a.html").read_bytes().decode("utf-8", "strict")
    data = page.partition('id="nbturns-data">')[2].partition("</script>")[0]
    json.loads(data, parse_constant=pytest.fail)
    nt.save(run, tmp_path / "a.md").read_bytes().decode("utf-8", "strict")
    assert len(nt.frames.blocks(run)) == len(nt.frames.blocks(run, backend="arrow")) == 4
    for provider in PROVIDERS:
        body = nt.engines.request(provider, turn + nt.user("and?"))
        json.loads(json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8", "strict"))


@pytest.mark.parametrize(
    ("result", "sent"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        ("a\ud83d", "a\ufffd"),
        ("\ud83d\ude00", "😀"),
    ],
)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_request_has_words_for_nan_and_infinity_and_no_half_emoji(provider: str, result: Any, sent: str) -> None:
    turn = nt.Turn((nt.user("q"), nt.tool_call("c", "f", {"x": result}), nt.tool_use("c", {"x": result})))

    body = json.dumps(nt.engines.request(provider, turn), ensure_ascii=False)

    assert body.replace("\\", "").count(f'"{sent}"') == 2, body


def test_a_page_and_a_frame_show_half_an_emoji_as_its_escape(tmp_path: Path) -> None:
    turn = nt.turn("half \ud83d")

    assert "half \\ud83d" in turn._repr_html_()
    assert "half \\ud83d" in nt.save(turn, tmp_path / "a.html").read_text()
    assert nt.frames.blocks(turn, backend="arrow")["text"].to_pylist() == ["half \\ud83d"]


def test_an_integer_beyond_the_limit_in_a_file_is_hexadecimal_text_and_reported() -> None:
    run = nt.loads(f"blocks:\n- {{kind: other, payload: {{n: 0x{'f' * 4000}}}}}\n")

    assert run.latest[0].payload["n"] == "0x" + "f" * 4000
    assert run.import_report is not None
    assert "hexadecimal" in str(run.import_report.guessed)


@given(st.text(st.characters()))
def test_a_portable_text_is_utf8_and_any_other_text_is_unchanged(text: str) -> None:
    for convert in (escape_surrogates, replace_surrogates):
        converted = convert(text)
        converted.encode("utf-8")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            continue
        assert converted is text


def test_what_is_portable_is_not_copied() -> None:
    value = freeze({"a": [1, "ü", {"b": 2.5}]})

    assert portable(value) is value


def test_an_image_stays_an_image_when_it_is_frozen_and_pickled() -> None:
    picture = nt.image("https://example.org/a.png")
    result = nt.tool_use("c", [picture]).result

    assert type(result[0]) is type(picture)
    assert type(pickle.loads(pickle.dumps(result))[0]) is type(picture)
