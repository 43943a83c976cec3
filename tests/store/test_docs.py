"""The page about stores and libraries: every block of it runs, one after the other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/store.md"


def test_every_block_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    typed: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "store.md", "exec"), typed)  # noqa: S102

    assert len(blocks) == 7
    assert typed["session"].latest.text == "And the evening is mild."
    assert len(typed["hits"]) == 2
    assert typed["redacted"].value[0].text == "I am [email-1], see ~/notes"
    assert (tmp_path / "all.jsonl").is_file()
