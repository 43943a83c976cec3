"""Fixture documents of geppetto."""

from __future__ import annotations

from pathlib import Path

import pytest

import nbturns as nt

PATH = Path(__file__).parents[2] / "fixtures" / "transcripts" / "geppetto-fixture.json"


def test_each_follow_up_is_a_turn_of_its_own() -> None:
    run = nt.load(PATH, strict=True)

    assert [[block.text for block in turn][1:] for turn in run] == [
        ["Is it too warm for the tomatoes?"],
        ["Is it too warm for the tomatoes?", "And their soil?"],
    ]
    assert run.fields["name"] == "greenhouse"
    assert list(nt.frames.blocks(run).kind) == ["system", "user", "user"]


@pytest.mark.parametrize("followups", ["[5]", "{a: 1}", "[{kind: user, payload: 5}]"])
def test_a_broken_follow_up_is_a_load_error(followups: str) -> None:
    with pytest.raises(nt.LoadError):
        nt.loads(f"version: 1\nturn: {{blocks: []}}\nfollowups: {followups}\n")
