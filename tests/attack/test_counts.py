"""A small part of the attack: nothing gets through. `make attack` runs all of it."""

from __future__ import annotations

import pytest

import nbturns as nt
from tests.attack.counts import PARTS


@pytest.mark.parametrize("part", PARTS)
def test_nothing_gets_through(part: str) -> None:
    count, failures = PARTS[part](0.05)

    assert count > 0
    assert failures == []


def test_a_long_text_is_shown_without_control_sequences_in_a_comparison() -> None:
    for length in (100, 1000, 3000):
        for changed in ("", "b " * 50):
            text = f"{'a' * length} \x1b]52;c;x\x07 \x9b31m \u202e {'c ' * length}"
            calls = [nt.Turn((nt.tool_call("c", text + end, {"x": text + end}),)) for end in ("", changed)]
            page = nt.compare(*calls)._repr_html_()
            assert [letter for letter in "\x1b\x07\x9b\u202e" if letter in page] == []
