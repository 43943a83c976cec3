"""The names and docstrings of the package stay readable: shares that CONTRIBUTING.md states, measured over all modules."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import nbturns as nt

PACKAGE = Path(nt.__file__).parent

# Participles, pronouns and adverbs that say nothing by themselves. A name is the noun behind them.
BARE_WORDS = set(
    "said told made given one rest beside known asked shown seen named kept held done read heard stood taken wanted others "
    "found listed left went came own other behind more most much what how here there where after before again".split()
)
QUESTION = re.compile(r"(What|Whether|Where|How|Those|Which|Who)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def names_and_docstrings() -> tuple[list[str], list[str]]:
    """Return the names that are assigned or are parameters, without outer underscores, and all docstrings."""
    names: list[str] = []
    texts: list[str] = []
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names += [name.strip("_") for name in bindings(node)]
            if isinstance(node, Function | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
                texts.append(text)
    return names, texts


def bindings(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, Function):
        parameters = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
        return [name for name in parameters if name not in {"self", "cls"}]
    return []


def share(flags: list[bool]) -> float:
    return sum(flags) / len(flags)


def test_at_least_a_fifth_of_the_bindings_have_a_compound_name() -> None:
    assert share(["_" in name for name in names_and_docstrings()[0]]) >= 0.20


def test_hardly_any_binding_is_a_bare_participle_or_pronoun() -> None:
    assert share([name in BARE_WORDS for name in names_and_docstrings()[0]]) <= 0.02


def test_docstrings_do_not_begin_with_a_question_word() -> None:
    assert share([bool(QUESTION.match(text)) for text in names_and_docstrings()[1]]) <= 0.04
