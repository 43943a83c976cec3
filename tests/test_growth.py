"""No text of a model or a file keeps the kernel busy: the time of every expression and parser grows with the text."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import nbturns
import nbturns as nt
from nbturns.middleware.checked_output import without_fence
from nbturns.runtime.tool_config import parse_go_duration
from nbturns.serialization.yaml_text import load_yaml
from tests.lowest_time import lowest_seconds

PACKAGE = Path(nbturns.__file__).parent
SIZE = 1_000  # characters or items, multiplied by 2, 4 and 8
PIECES = ["a", "1", " ", "\n", ".", "```", "{", "[", "(", "<", '"', "\\", "é", "- ", "*", "1s", "1.", "_", "/", ":", "a.", "a:", "${a", "\x00", "\u200d", " \n", '{"a":', "sk-", "Bearer ", "+", "a,", "a = "]  # fmt: skip
FRAMES = [("", ""), ("```json\n", "\x01"), ("a", "!")]
OWN_TEXTS = ("nbturns.render.es_modules.",)  # applied to our own scripts and styles alone
MATCHED = ("docstrings.GOOGLE_ENTRY", "docstrings.NUMPY_ENTRY")  # passed to a function that calls match()
SEARCHES = ("search", "sub", "subn", "split", "findall", "finditer")


def patterns_in(name: str, value: Any, depth: int = 0) -> Iterator[tuple[str, re.Pattern[Any]]]:
    if isinstance(value, re.Pattern):
        yield name, value
    elif depth < 3 and isinstance(value, (list, tuple, set, frozenset, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from patterns_in(name, item, depth + 1)


def all_patterns() -> dict[str, re.Pattern[Any]]:
    """Return every compiled expression of the package by the name of its module and itself."""
    patterns: dict[tuple[Any, int], tuple[str, re.Pattern[Any]]] = {}
    for module_info in pkgutil.walk_packages(nbturns.__path__, "nbturns."):
        if module_info.name.endswith("__main__"):
            continue
        try:
            module = importlib.import_module(module_info.name)
        except ImportError:  # an optional package is missing
            continue
        for name, value in vars(module).items():
            for full_name, pattern in patterns_in(f"{module_info.name}.{name}", value):
                patterns.setdefault((pattern.pattern, pattern.flags), (full_name, pattern))
    return {f"{name} {number}": pattern for number, (name, pattern) in enumerate(patterns.values())}


PATTERNS = {name: pattern for name, pattern in all_patterns().items() if not name.startswith(OWN_TEXTS)}


def is_searched(name: str) -> bool:
    """Return True when the sources search with this expression, and not only match at the beginning."""
    if name.split(maxsplit=1)[0].endswith(MATCHED):
        return False
    module_name, pattern_name = name.split(maxsplit=1)[0].rsplit(".", 1)
    own_file = importlib.import_module(module_name).__file__
    assert own_file is not None
    sources = [Path(own_file).read_text()]
    if not re.search(rf"\b{pattern_name}\.\w+\(", sources[0]):  # used elsewhere, or as one of several
        sources += [path.read_text() for path in PACKAGE.rglob("*.py") if pattern_name in path.read_text()]
        return any(f".{method}(" in source for source in sources for method in SEARCHES)
    return any(f"{pattern_name}.{method}" in sources[0] for method in SEARCHES)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_time_of_an_expression_grows_with_the_text(name: str) -> None:
    pattern = PATTERNS[name]
    methods = ["search", "fullmatch"] if is_searched(name) else ["match", "fullmatch"]
    for piece in PIECES:
        for head, tail in FRAMES:
            for size in (SIZE // 2, 8 * SIZE):  # a cubic one is found in the short text
                text: Any = f"{head}{piece * (size // len(piece))}{tail}"
                text = text.encode() if isinstance(pattern.pattern, bytes) else text
                for method in methods:
                    needed = lowest_seconds(lambda method=method, text=text: getattr(pattern, method)(text), limit=0.05)  # type: ignore[misc]
                    assert needed < 0.15, (name, method, piece, head, size)


def tokens_of_arguments(count: int) -> str:
    deltas = [{"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": '{"a": "'}}]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": "x"}}]}] * count
    return "".join(f"data: {json.dumps({'choices': [{'index': 0, 'delta': delta}]})}\n\n" for delta in deltas)


def decode_or_fail(text: str) -> None:
    try:
        nt.engines.decode("openai-chat", text)
    except nt.EngineError:
        return


def ask_for_output(text: str) -> None:
    try:
        nt.Session(nt.scripted(text, text, text)).ask("q", output=dict[str, int]).result(60)
    except nt.EngineError:
        return


def refused(text: str) -> None:
    with pytest.raises(nt.MisuseError, match="invalid duration"):
        parse_go_duration(text)


def load_or_fail(text: str) -> None:
    try:
        nt.loads(text)
    except nt.LoadError:
        return


GROWING: dict[str, tuple[Callable[[int], Any], Callable[[Any], Any]]] = {
    "a fenced answer of blank lines": (lambda n: "```json\n" + "\n" * n, ask_for_output),
    "a fenced answer of blanks": (lambda n: "```json\n" + " \n" * n + "x", without_fence),
    "a fenced answer": (lambda n: "```json\n" + "1\n" * n + "```", without_fence),
    "a duration": (lambda n: "1" * n, refused),
    "a duration of parts": (lambda n: "1s" * n + "x", refused),
    "calls without an answer": (lambda n: [nt.tool_call(f"c{i}", "f") for i in range(n)], lambda calls: nt.Turn(calls).pending),
    "calls and their answers": (
        lambda n: [block for i in range(n) for block in (nt.tool_call(f"c{i}", "f"), nt.tool_use(f"c{i}", 1))],
        lambda blocks: nt.Turn(blocks).pending,
    ),
    "calls, then all answers": (
        lambda n: [nt.tool_call(f"c{i}", "f") for i in range(n)] + [nt.tool_use(f"c{i}", 1) for i in range(n)],
        lambda blocks: nt.Turn(blocks).pending,
    ),
    "arguments as text": (lambda n: nt.tool_call("c", "f", "[" * n), lambda block: block.args),
    "a page": (lambda n: nt.turn("<" * n) + nt.tool_use("c", ["&\u202e" * n]), lambda turn: turn._repr_html_()),
    "an answer in pieces": (tokens_of_arguments, decode_or_fail),
    "brackets": (lambda n: "[" * n, load_or_fail),
    "objects": (lambda n: '{"a":' * n, load_or_fail),
    "YAML": (lambda n: "a: [" + "{b: c}, " * n + "]", load_yaml),
}  # fmt: skip


@pytest.mark.parametrize("name", GROWING)
def test_the_time_of_a_parser_grows_with_the_text(name: str) -> None:
    make, read = GROWING[name]
    first = max(lowest_seconds(lambda: read(make(SIZE))), 0.002)

    for factor in (2, 4, 8):
        value = make(SIZE * factor)
        allowed = first * factor * 4  # with quadratic growth it would be 8 at the end
        assert lowest_seconds(lambda value=value: read(value), limit=allowed) < allowed, (name, factor)  # type: ignore[misc]
