"""The content hash of blocks: the golden vectors of pinocchio, and what Go's JSON does with odd values."""

from __future__ import annotations

import pytest

import nbturns as nt
from nbturns.store.block_hash import canonical_json, content_hash
from nbturns.values.metadata import metadata_from_dict

GOLDEN = {
    "7cc65561b77467a14f439c177ee07fde18f3408da788838e0aa981a5d114a141": nt.user("hello"),
    "976ee8b9716cbef19a6a7f47f970a67315f000e4ce83df761113d0ae847ce465": nt.user('a <b> & "c" \u2028 é 😀'),
    "bea91f0f47fb16da8456b69b83df769b1f23e0b0dc5ca7aac63327d4a193bb81": nt.Block(" llm_text ", {}, "assistant"),
    "1f3bd499ef4314c5c5b083e2b2fb2663cdbbf7adcfca2c2ab23a119ba0b0b5a9": nt.Block(
        "tool_call",
        {"id": "call_1", "name": "search", "args": {"n": 1, "q": "x", "f": 1.0, "g": 1.5, "big": 1e21, "small": 1e-7}},
        metadata=metadata_from_dict({"geppetto.middleware@v1": "m"}),
    ),
    "6acd6cf5e4523dcdf4eab11d17f1da3512abc9b58e5b8e0f56dfd6a26a562e35": nt.tool_use("call_1", '{"ok":true}'),
    "ba335a617e9fe2b603e7e3bc9e008160d309120841b3946d21a203d8bc4a5ed8": nt.Block(
        "other", {"l": [None, list(b"hi"), 0.1], "m": {"1": "a", "true": "b"}}
    ),
    "9cf8bb087eb43bbeed9783963183b4342cac12ac1a4076de0d6aab09a25ceb49": nt.user("tab\tnl\n\x7f\0"),
}


@pytest.mark.parametrize("digest", GOLDEN)
def test_a_block_has_the_hash_that_pinocchio_gives_it(digest: str) -> None:
    assert content_hash(GOLDEN[digest]) == digest


def test_the_id_of_a_block_is_not_part_of_its_hash() -> None:
    assert content_hash(nt.user("hello").replace(id="b1")) == content_hash(nt.user("hello"))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1e20, "100000000000000000000"),
        (123456789.125, "123456789.125"),
        (1e-6, "0.000001"),
        (2.5e-7, "2.5e-7"),
        (-1.5e22, "-1.5e+22"),
        (2**63, "9223372036854775808"),
        (float("nan"), '"nan"'),
    ],
)
def test_numbers_are_written_as_go_writes_them(number: float, text: str) -> None:
    assert canonical_json(nt.Block("other", {"n": number})).split('"n":')[1].split("}")[0] == text


def test_a_lone_surrogate_has_a_hash() -> None:
    assert len(content_hash(nt.user("\ud800"))) == 64
