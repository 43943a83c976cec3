"""Our ES modules: type-checked by their comments, joined without a bundler, and never parsing HTML."""

from __future__ import annotations

import json
import re
import subprocess
import zlib
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.ascii_text import CHARACTERS, encode
from nbturns.render.es_modules import joined_module, joined_styles, packed_module
from nbturns.render.minified_modules import minified_module
from tests.lab.minify import MINIFIER, changed_modules, minified, sources
from tests.lab.npm_package import node
from tests.lab.typescript import CHECKER

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


def decoded(text: str) -> bytes:
    """Decode what `encode` encoded; there may be zeros after it."""
    pairs = zip(text[::2], text[1::2], strict=True)
    bits = "".join(f"{CHARACTERS.index(low) + 91 * CHARACTERS.index(high):013b}"[::-1] for low, high in pairs)
    return int("0" + bits[::-1], 2).to_bytes(len(bits) // 8 + 1, "little")


@given(st.binary(max_size=40))
def test_bytes_are_encoded_as_text_that_needs_no_escape(data: bytes) -> None:
    text = encode(data)

    assert decoded(text).startswith(data)
    assert json.dumps(text) == f'"{text}"'
    assert "<" not in text
    assert len(text) <= 2 * ceil(len(data) * 8 / 13)


def test_every_module_has_a_minified_form_of_its_present_source() -> None:
    assert changed_modules() == [], "run `python -m tests.lab.minify`"


def test_the_minified_modules_are_what_the_minifier_makes_of_their_sources() -> None:
    if not MINIFIER.is_file():
        pytest.skip("terser is not installed; run `python -m tests.lab.minify` with access to npm's registry")
    modules = dict(list(sources().items())[::6])  # one in six, because terser takes seconds for all

    assert minified(modules.items()) == {name: minified_module(name, source) for name, source in modules.items()}


@pytest.mark.parametrize("path", VIEWS, ids=lambda path: path.name)
def test_a_view_is_one_module_without_duplicate_names(path: Path, tmp_path: Path) -> None:
    joined_file, packed_file = tmp_path / "joined.mjs", tmp_path / "sent.mjs"
    joined_file.write_text(joined_module(path.name), encoding="utf-8")
    (encoded,) = re.findall(r'const packed = "([^"]+)"', packed_module(path.name, "block_table.css"))
    packed_file.write_bytes(zlib.decompressobj(31).decompress(decoded(encoded)))  # 31: gzip

    for file in (joined_file, packed_file):
        result = subprocess.run([node(), "--check", str(file)], capture_output=True, text=True, timeout=60, check=False)
        assert result.stderr == ""
    assert not re.search(r"^import ", joined_file.read_text("utf-8"), re.MULTILINE)
    plain_size = joined_file.stat().st_size + len(joined_styles("block_table.css"))
    assert len(encoded) < plain_size / 3
    assert ".nbt-view .nbt-row" in packed_file.read_text("utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_parses_html_or_contacts_another_machine(path: Path) -> None:
    text = path.read_text("utf-8")

    assert HTML.findall(text) == []
    assert not re.search(r"https?://(?!www\.w3\.org/)[\w]|\bfetch\(\s*[\"'`]|XMLHttpRequest|WebSocket", text)


@pytest.mark.parametrize("path", sorted(STATIC.glob("*.css")), ids=lambda path: path.name)
def test_no_stylesheet_contacts_another_machine(path: Path) -> None:
    assert not re.search(r"url\(|@import|https?:", joined_styles(path.name))
