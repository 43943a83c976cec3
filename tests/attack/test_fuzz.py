"""What fuzzing found stays fixed, and a short run finds nothing new."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.attack.fuzz import CORPUS, TARGETS, failure_of, findings

FOUND = sorted(CORPUS.glob("*.bin"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_a_finding_is_read_or_refused(path: Path) -> None:
    target = path.stem.rpartition("_")[0]
    names = [name for name in TARGETS if name.replace(" ", "-") == target]

    assert [failure_of(name, path.read_bytes()) for name in names] == [""]


def test_a_short_run_finds_nothing() -> None:
    assert [(target, failure) for target, _, failure in findings(5.0, 20261129, list(TARGETS))] == []


@pytest.mark.parametrize("target", [name for name in TARGETS if name != "store"])
@given(content=st.binary(max_size=120) | st.text(max_size=120).map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(max_examples=25, deadline=None)
def test_any_bytes_are_read_or_refused(target: str, content: bytes) -> None:
    assert failure_of(target, content) == ""
