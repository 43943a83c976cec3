"""The README is what a newcomer types: every block of it runs, one after the other."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

ROOT = Path(__file__).parent.parent


def readme_blocks() -> list[str]:
    """The Python blocks of the README, in order; none of them needs a file, a key or an extra."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_every_block_of_the_readme_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = readme_blocks()
    monkeypatch.chdir(tmp_path)
    typed: dict[str, Any] = {}

    for block in blocks:
        exec(compile(block, "README.md", "exec"), typed)

    assert len(blocks) >= 5
    assert typed["session"].latest.text == "The same."
    assert typed["session"].turns[0].of_kind("tool_use")[0].result == {"city": "Lyon", "celsius": 18}
    assert (tmp_path / "conversation.html").is_file()


def test_every_block_of_the_readme_ends_in_the_one_expression_that_is_shown() -> None:
    for block in readme_blocks():
        *statements, last = ast.parse(block).body

        assert isinstance(last, ast.Expr), block
        for statement in statements:  # calls with an effect, and never a value that no one sees
            assert not isinstance(statement, ast.Expr) or isinstance(statement.value, ast.Call), block
            assert not ast.unparse(statement).startswith(("nt.view", "nt.frames", "nt.compare")), block


loose: Any = nt  # as seen by who reads no types


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (lambda: nt.load("fixtures/greenhouse.yml"), "did you mean 'greenhouse.yaml'"),
        (lambda: nt.load("fixture/greenhouse.yaml"), "folder fixture does not exist"),
        (lambda: nt.loads("fixtures/greenhouse.yaml"), r"use nt.load\('fixtures/greenhouse.yaml'\)"),
        (lambda: nt.loads("hello"), r"begins with 'hello'\); the formats are ag-ui"),
        (lambda: loose.save("run.yaml", nt.turn("x")), r"nt.save\(\) expects a path"),
        (lambda: nt.user("x", images=["leaf.png"]), "leaf.png: the image cannot be read: No such file"),
        (lambda: nt.user("x", images=["fixtures/greenhouse.md"]), 'media_type="image/png"'),
        (lambda: nt.engine("antropic:claude-sonnet-5-5"), "did you mean anthropic"),
        (lambda: nt.engine("anthropic:claude-sonnet-5-5", max_token=5), "did you mean max_tokens"),
        (lambda: nt.Session(nt.scripted("a"), tools=weather), r"tools=\[weather\]"),  # type: ignore[arg-type]
    ],
)
def test_what_newcomers_mistype_is_answered_with_what_to_type(
    typed: Any, answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fixtures").mkdir()
    (tmp_path / "fixtures" / "greenhouse.yaml").write_text("turns: []")
    (tmp_path / "fixtures" / "greenhouse.md").write_text("# Notes")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(nt.NbturnsError, match=answer):
        typed()


def weather(city: str) -> str:
    "Current weather in a city."
    return city


def test_whoever_forgets_to_wait_is_told_so() -> None:
    execution = nt.Session(nt.scripted("a")).ask("x", step={"pre_inference"})

    with pytest.raises(AttributeError, match=r"no attribute 'text'; this is pending: await it or call .result\(\)"):
        _ = execution.text  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no attribute 'pending'; this is pending"):
        _ = execution.next().pending  # type: ignore[attr-defined]
    assert not hasattr(execution, "_repr_png_")
    execution.stop()


@pytest.mark.parametrize("value", [nt.turn("x"), nt.user("x")])
@pytest.mark.parametrize("name", ["id", "text", "nothing"])
def test_setting_an_attribute_says_how_to_make_another_value(value: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=rf"{name}: this value is frozen; make a new one with \.edit\(\)"):
        setattr(value, name, "y")
    with pytest.raises(AttributeError, match="value is frozen"):
        delattr(value, name)
