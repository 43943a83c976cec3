"""Our ES modules: type-checked by their comments, joined without a bundler, and never parsing HTML."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from pathlib import Path

import pytest

import nbturns as nt
from nbturns.render.es_modules import joined_module, joined_styles, packed_module
from tests.lab.typescript import CHECKER, node

STATIC = Path(nt.__file__).parent / "static"
MODULES = sorted(STATIC.glob("*.js"))
VIEWS = [path for path in MODULES if "\nexport default" in path.read_text("utf-8")]
HTML = re.compile(
    r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|eval)\b"
)


def test_the_types_of_our_modules_are_correct() -> None:
    if not CHECKER.is_file():
        pytest.skip("TypeScript is not installed; run `python -m tests.lab.typescript` with access to npm's registry")
    options = "--noEmit --allowJs --checkJs --strict --noUnusedLocals --target es2023 --module esnext --moduleResolution bundler --lib es2023,dom,dom.iterable"

    result = subprocess.run(
        [node(), str(CHECKER), *options.split(), *map(str, MODULES)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert result.stdout == ""


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.name)
def test_a_view_is_one_module_without_duplicate_names(path: Path, tmp_path: Path) -> None:
    joined_file, packed_file = tmp_path / "joined.mjs", tmp_path / "sent.mjs"
    joined_file.write_text(joined_module(path.name), encoding="utf-8")
    (encoded,) = re.findall(r'atob\("([^"]+)"\)', packed_module(path.name, "block_table.css"))
    packed_file.write_bytes(gzip.decompress(base64.b64decode(encoded)))

    for file in (joined_file, packed_file):
        result = subprocess.run([node(), "--check", str(file)], capture_output=True, text=True, timeout=60, check=False)
        assert result.stderr == ""
    assert not re.search(r"^import ", joined_file.read_text("utf-8"), re.MULTILINE)
    assert len(encoded) < joined_file.stat().st_size / 2
    assert ".nbt-view .nbt-row" in packed_file.read_text("utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_parses_html_or_contacts_another_machine(path: Path) -> None:
    text = path.read_text("utf-8")

    assert HTML.findall(text) == []
    assert not re.search(r"https?://(?!www\.w3\.org/)[\w]|\bfetch\(\s*[\"'`]|XMLHttpRequest|WebSocket", text)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda path: path.name)
def test_no_stylesheet_contacts_another_machine(path: Path) -> None:
    assert not re.search(r"url\(|@import|https?:", joined_styles(path.name))
