"""The architecture: the tables of docs/architecture.md hold for every module."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import nbturns as nt

HOUSE = Path(nt.__file__).parent
PAGE = (Path(__file__).parents[1] / "docs/architecture.md").read_text(encoding="utf-8")
FILES = sorted(HOUSE.rglob("*.py"))
LONGEST = 400  # lines of a file


def section(title: str) -> str:
    """Return the text of the page below a heading."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def table(title: str) -> list[list[str]]:
    """Return the cells of the rows of the table below a heading, without its head."""
    rows = [line.strip("|").split("|") for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def code(cell: str) -> set[str]:
    """Return what a cell has between backticks."""
    return set(re.findall(r"`([^`]+)`", cell))


LAYERS = table("Layers")
LAYER = {name: int(number) for number, names, *_ in LAYERS for name in code(names)}
UPWARD = {
    (name.strip(" `"), other)
    for *_, cell in LAYERS
    if cell
    for name, others in [cell.split("imports")]
    for other in code(others)
}
MAY_CALL = {
    ("cli", "print"),  # the answer of a command goes to the shell
    ("values/frozen_json", "exec"),  # a constructor is generated, like the __init__ of a dataclass
}
FRONT_DOORS = {"__init__", "__main__"}
RESTRICTED = table("Packages that only some modules import")
IMPORTERS = {package: code(modules) for packages, modules, _ in RESTRICTED for package in code(packages)}
INSIDE = {package for packages, _, where in RESTRICTED if where for package in code(packages)}
HTML_WRITERS = code(section("Packages that only some modules import").split("HTML is written by")[1].split(";")[0])
HTML_TAG = re.compile(r"</?(?:a|b|body|code|del|details|div|html|ins|main|p|pre|span|style|summary|t[dhr]|table)[\s>]")
PROVIDERS = [path.parent.name for path in sorted(HOUSE.glob("engines/*/__init__.py")) if "PROVIDER" in path.read_text()]
HEAVY = [
    "pandas",
    "numpy",
    "pyarrow",
    "openai",
    "anthropic",
    "httpx",
    "pydantic",
    "anywidget",
    "ipywidgets",
    "traitlets",
    "IPython",
    "yaml",
    "asyncio",
    "sqlite3",
]


def top_level_name(file: Path) -> str:
    """Return the package or module directly below nbturns/ that a file belongs to."""
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SystemError:  # CPython 3.11 counts the depth of two threads' parsing together, and says so
        return ast.parse(text)


@cache
def imports(file: Path) -> tuple[tuple[str, bool, bool], ...]:
    """Return what a file imports: the package, whether it is ours, whether inside a function."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[tuple[str, bool, bool]]:
    tree = parsed(file.read_text(encoding="utf-8"))
    functions = [
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _for_types(node)
    ]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    deep = len(file.relative_to(HOUSE).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], False, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0], False, id(node) in inside
        elif isinstance(node, ast.ImportFrom) and node.level == deep:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((name.split(".")[0], True, id(node) in inside) for name in names)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


everywhere = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(HOUSE)))


def test_every_module_is_in_a_package_of_the_page_and_every_package_of_the_page_exists() -> None:
    assert {top_level_name(file) for file in FILES} - FRONT_DOORS == set(LAYER)


@everywhere
def test_a_package_imports_only_from_lower_layers(file: Path) -> None:
    here = top_level_name(file)
    for other, ours, inside in imports(file):
        if here in FRONT_DOORS or not ours or other == here or ((here, other) in UPWARD and inside):
            continue
        assert LAYER[other] < LAYER[here], f"{here} (layer {LAYER[here]}) may not import {other} (layer {LAYER[other]})"


def test_each_import_from_above_that_the_page_lists_is_used_and_leads_up() -> None:
    used = {(top_level_name(file), other) for file in FILES for other, ours, inside in imports(file) if ours and inside}

    assert used >= UPWARD
    assert all(LAYER[there] > LAYER[here] for here, there in UPWARD)


def within(file: Path, modules: set[str]) -> set[str]:
    """Return those modules and packages of a set that a file belongs to."""
    path = file.relative_to(HOUSE).with_suffix("").as_posix()
    return {module for module in modules if f"{path}/".startswith(f"{module}/")}


@everywhere
def test_a_module_imports_only_the_packages_it_may(file: Path) -> None:
    for package, ours, inside in imports(file):
        if ours or package not in IMPORTERS:
            continue
        assert within(file, IMPORTERS[package]), f"{package} may only be imported by {sorted(IMPORTERS[package])}"
        assert inside or package not in INSIDE, f"import {package} inside the function that needs it"


def test_no_permission_of_the_page_is_unused() -> None:
    used = {
        (package, module)
        for file in FILES
        for package, ours, _ in imports(file)
        if not ours
        for module in within(file, IMPORTERS.get(package, set()))
    }

    assert used == {(package, module) for package, modules in IMPORTERS.items() for module in modules}


def strings(file: Path) -> Iterator[str]:
    """Yield the texts of a module that are no docstring, the parts of an f-string each by itself."""
    tree = parsed(file.read_text(encoding="utf-8"))
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def test_only_the_modules_that_the_page_names_write_html() -> None:
    tags = [file for file in FILES if any(map(HTML_TAG.search, strings(file)))]
    names = {file.relative_to(HOUSE).with_suffix("").as_posix() for file in tags}
    writers = {
        name for name in names if not name.startswith("importers/")
    }  # these look for tags in the texts of others

    assert writers == HTML_WRITERS
    for writer in writers:
        assert "escape(" in (HOUSE / f"{writer}.py").read_text(encoding="utf-8")


@everywhere
def test_a_provider_imports_no_other_provider(file: Path) -> None:
    path = file.relative_to(HOUSE).as_posix()
    provider = next((name for name in PROVIDERS if path.startswith(f"engines/{name}/")), None)
    others = "|".join(name for name in PROVIDERS if name != provider)

    assert len(PROVIDERS) == 4
    assert provider is None or not re.findall(
        rf"^\s*from \.+({others})\b", file.read_text(encoding="utf-8"), re.MULTILINE
    )


@everywhere
def test_no_module_prints_or_evaluates_or_imports_a_star(file: Path) -> None:
    path = file.relative_to(HOUSE).with_suffix("").as_posix()
    for node in ast.walk(parsed(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and (path, node.func.id) not in MAY_CALL:
            assert node.func.id not in {"print", "breakpoint", "input", "exec", "eval"}
        assert not (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")


@everywhere
def test_a_module_has_a_docstring_and_at_most_400_lines(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= LONGEST
    assert not text or ast.get_docstring(parsed(text))


def own_names(package: Path) -> set[str]:
    """Return the names that the `__init__.py` of a package binds to something else than its own modules."""
    names = set()
    for node in ast.walk(parsed((package / "__init__.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level != 1 or node.module):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
    return names


@pytest.mark.parametrize("package", sorted({file.parent for file in FILES}), ids=lambda path: path.name)
def test_no_module_has_the_name_of_a_public_function_or_of_another_name_in_its_package(package: Path) -> None:
    """Importing such a module would replace the function: "'module' object is not callable"."""
    functions = {name for name in nt.__all__ if not isinstance(getattr(nt, name), (type, ModuleType))}
    modules = {path.stem for path in package.iterdir() if path.suffix == ".py"}
    modules |= {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}

    assert modules & (functions | own_names(package)) == set()


# The front door.


def test_import_nbturns_is_light() -> None:
    script = f"import sys, nbturns; print([name for name in {HEAVY} if name in sys.modules])"

    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert found.stdout.strip() == "[]"


def test_a_first_conversation_needs_no_heavy_package() -> None:
    script = f"import sys, nbturns as nt; nt.Session(nt.scripted('a')).ask('q').result(60); print([name for name in {HEAVY} if name in sys.modules and name != 'asyncio'])"

    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert found.stdout.strip() == "[]"


def imported_by_the_front_door() -> set[str]:
    tree = parsed((HOUSE / "__init__.py").read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    return {alias.asname for node in froms for alias in node.names if alias.asname}


def test_the_public_names_are_those_that_are_imported_in_order_and_once() -> None:
    assert nt.__all__ == sorted(imported_by_the_front_door())
    assert dir(nt) == sorted(nt.__all__)
    assert len(nt.__all__) <= 80


@pytest.mark.parametrize("name", nt.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(nt, name) is not None
    assert not name.startswith("_")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Sesion'"):
        _ = nt.Sesion
    with pytest.raises(ImportError):
        importlib.import_module("nbturns.utils")


def test_every_error_is_ours_and_stands_in_the_tree() -> None:
    from nbturns import errors

    classes = {name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}

    assert all(issubclass(one, nt.NbturnsError) for one in classes.values())
    assert all(name in (errors.__doc__ or "") and getattr(nt, name) is one for name, one in classes.items())
