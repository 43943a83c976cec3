"""The page *Security* names tests that exist, and limits with their defaults."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import nbturns as nt

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")


def test_each_promise_names_tests_that_exist() -> None:
    promises = PAGE.split("## Promises")[1].split("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ") and not line.startswith("| promise")]

    assert len(rows) >= 10
    for row in rows:
        names = re.findall(r"`(tests/[^`]+)`", row)
        assert names, row
        assert all((ROOT / name).is_file() for name in names), row


def test_each_limit_is_listed_with_its_default() -> None:
    section = PAGE.split("## Limits")[1].split("\n## ")[0]
    for field in fields(nt.Limits):
        assert f"`{field.name}`" in section
        default = getattr(nt.Limits(), field.name)
        written = (
            f"{default / 2**20:g} MB"
            if field.name.endswith("_bytes")
            else f"{default:,g}"
            if default < 1e6
            else f"{default:,}"
        )
        assert written in section, (field.name, written)
