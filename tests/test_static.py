"""Our ES modules: typed by their comments, joined without a bundler, and nothing in them reads HTML."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from pathlib import Path

import pytest

import nbturns as nt
from nbturns.modules import module, packed, styles
from tests.lab.typescript import CHECKER, node

STATIC = Path(nt.__file__).parent / "static"
MODULES = sorted(STATIC.glob("*.js"))
VIEWS = [path for path in MODULES if "\nexport default" in path.read_text("utf-8")]
HTML = re.compile(
    r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|eval)\b"
)


def test_types_of_our_modules_fit() -> None:
    if not CHECKER.is_file():
        pytest.skip(
            "TypeScript is not here: `python -m tests.lab.typescript` gets it, where npm's registry can be reached"
        )
    options = "--noEmit --allowJs --checkJs --strict --noUnusedLocals --target es2023 --module esnext --moduleResolution bundler --lib es2023,dom,dom.iterable"

    done = subprocess.run(
        [node(), str(CHECKER), *options.split(), *map(str, MODULES)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stdout == ""


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.name)
def test_a_view_is_one_module_of_names_that_are_used_once(path: Path, tmp_path: Path) -> None:
    joined, sent = tmp_path / "joined.mjs", tmp_path / "sent.mjs"
    joined.write_text(module(path.name), encoding="utf-8")
    (letters,) = re.findall(r'atob\("([^"]+)"\)', packed(path.name, "block_table.css"))
    sent.write_bytes(gzip.decompress(base64.b64decode(letters)))

    for file in (joined, sent):
        done = subprocess.run([node(), "--check", str(file)], capture_output=True, text=True, timeout=60, check=False)
        assert done.stderr == ""
    assert not re.search(r"^import ", joined.read_text("utf-8"), re.MULTILINE)
    assert len(letters) < joined.stat().st_size / 2
    assert ".nbt-view .nbt-row" in sent.read_text("utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_reads_html_or_asks_another_machine(path: Path) -> None:
    text = path.read_text("utf-8")

    assert HTML.findall(text) == []
    assert not re.search(r"https?://(?!www\.w3\.org/)[\w]|\bfetch\(\s*[\"'`]|XMLHttpRequest|WebSocket", text)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda path: path.name)
def test_no_style_asks_another_machine(path: Path) -> None:
    assert not re.search(r"url\(|@import|https?:", styles(path.name))
