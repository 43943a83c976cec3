"""The house plan. A room may import from floors below its own, never from its own or above."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import nbturns as nt

HOUSE = Path(nt.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))
LONGEST = 400  # lines of a file

FLOORS = [
    {"errors"},
    {
        "chunks",
        "calls",
        "host",
        "packages",
        "plugins",
        "prints",
        "alignment",
        "modules",
        "spoken",
        "json_layout",
        "pairs",
    },
    {"frozen"},
    {"keyed", "images", "tools", "yaml_text"},
    {"results", "settings"},
    {"blocks", "models"},
    {"turns"},
    {"provenance"},
    {"events", "text", "serde", "distinct_calls", "tool_config"},
    {"rows", "toolbox"},
    {"markdown", "sums"},
    {"comparison"},
    {"contract", "steps", "html", "event_json", "extracting"},
    {"loop", "execution", "middleware", "comparison_html"},
    {"engines"},
    {"importers"},
    {"files"},
    {"session", "outline"},
    {"keys", "timeline"},
    {"page"},
    {"frames", "profiles"},
    {"testing"},
    {"widgets", "cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# An import inside a function that leads upstairs: how a value shows or writes itself.
DOORS = {
    ("blocks", "turns"),
    ("blocks", "serde"),
    ("blocks", "text"),
    ("blocks", "html"),
    ("turns", "serde"),
    ("turns", "text"),
    ("turns", "html"),
    ("files", "page"),
    ("comparison", "comparison_html"),
    ("spoken", "engines"),
    ("importers", "frames"),
    ("engines", "files"),
    ("execution", "widgets"),
}

# Who may touch what. A package in the second table is imported inside functions only, or in a room that is.
ONLY = {
    "threading": {"host"},
    "queue": {"host"},
    "uuid": {"session"},
    "random": {"middleware"},
    "secrets": set(),
    "logging": {"middleware"},
    "tempfile": {"files", "frames"},
    "glob": {"files"},
    "backports": {"importers"},
    "compression": {"importers"},
    "gc": {"importers"},
    "yaml": {"yaml_text"},
    "dotenv": {"profiles"},
    "keyring": {"profiles"},
    "argparse": {"cli", "testing"},
    "time": {"toolbox", "contract", "execution", "middleware", "engines", "widgets", "frames"},
    "warnings": {"execution", "plugins"},
    "pydantic": {"tools", "middleware"},
    "pydantic_core": {"toolbox", "importers"},
    "typing_extensions": {"tools"},
    "pandas": {"frames", "comparison"},
    "numpy": {"frames"},
    "pyarrow": {"frames"},
    "polars": {"frames"},
    "dask": {"frames"},
    "tqdm": {"frames"},
    "multiprocessing": {"frames"},
    "signal": {"frames"},
    "anthropic": {"engines"},
    "openai": {"engines"},
    "httpx": {"engines"},
    "anywidget": {"widgets"},
    "traitlets": {"widgets"},
    "ipywidgets": {"widgets"},
    "IPython": {"frames", "widgets"},
}
INSIDE = {
    "dotenv",
    "keyring",
    "pydantic",
    "pydantic_core",
    "pandas",
    "numpy",
    "anthropic",
    "openai",
    "httpx",
    "backports",
    "compression",
    "pyarrow",
    "polars",
    "dask",
    "tqdm",
}
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
LATE = {"widgets", "frames", "engines"}  # rooms that may stand empty while they are being built


def room(file: Path) -> str:
    return file.relative_to(HOUSE).parts[0].removesuffix(".py")


def parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except SystemError:  # CPython 3.11 counts the depth of two threads' parsing together, and says so
        return ast.parse(text)


@cache
def imports(file: Path) -> tuple[tuple[str, bool, bool], ...]:
    """What a file imports: the room or package, whether it is ours, whether inside a function."""
    return tuple(_imports(file))


def _imports(file: Path) -> Iterator[tuple[str, bool, bool]]:
    tree = parsed(file.read_text(encoding="utf-8"))
    rooms = [
        node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or _for_types(node)
    ]
    inside = {id(node) for function in rooms for node in ast.walk(function)}
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


@everywhere
def test_a_room_imports_only_from_below(file: Path) -> None:
    here = room(file)
    if here == "__init__":
        return

    assert here in FLOOR, f"{here} stands on no floor yet: give it one in FLOORS"
    for other, ours, inside in imports(file):
        if not ours or other == here or ((here, other) in DOORS and inside):
            continue
        assert FLOOR[other] < FLOOR[here], f"{here} (floor {FLOOR[here]}) may not import {other} (floor {FLOOR[other]})"


def test_there_is_no_door_that_nobody_uses_and_none_that_leads_downstairs() -> None:
    used = {(room(file), other) for file in FILES for other, ours, inside in imports(file) if ours and inside}

    assert used >= DOORS
    assert all(FLOOR[there] > FLOOR[here] for here, there in DOORS)


@everywhere
def test_a_room_touches_only_what_it_may(file: Path) -> None:
    for package, ours, inside in imports(file):
        if ours or package not in ONLY:
            continue
        assert room(file) in ONLY[package], (
            f"{room(file)} may not import {package}; {', '.join(ONLY[package]) or 'nobody'} may"
        )
        assert inside or package not in INSIDE, (
            f"{package} is imported at the head of {file.name}; inside the function that needs it, please"
        )


MAY_CALL = {
    ("cli", "print"),  # a command's answer goes to the shell
    ("frozen", "exec"),  # a constructor is generated, like the __init__ of a dataclass
}


@everywhere
def test_nobody_prints_and_nobody_stars(file: Path) -> None:
    for node in ast.walk(parsed(file.read_text(encoding="utf-8"))):
        assert not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and (room(file), node.func.id) not in MAY_CALL
            and node.func.id in ("print", "breakpoint", "input", "exec", "eval")
        )
        assert not (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")


@everywhere
def test_a_file_can_be_held_in_the_head(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= LONGEST
    assert not text or ast.get_docstring(parsed(text)), "a module says its idea first"


def test_a_module_never_bears_the_name_of_a_public_function() -> None:
    rooms = {room(file) for file in FILES}

    assert {name for name in nt.__all__ if callable(getattr(nt, name, None))} & rooms == set()


# The front door.


def test_import_nbturns_is_light() -> None:
    script = f"import sys, nbturns; print([name for name in {HEAVY} if name in sys.modules])"

    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )

    assert found.stdout.strip() == "[]"


def test_a_first_conversation_needs_no_heavy_package() -> None:
    script = f"import sys, nbturns as nt; nt.Session(nt.scripted('a')).ask('q').result(5); print([name for name in {HEAVY} if name in sys.modules and name != 'asyncio'])"

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
    assert len(nt.__all__) <= 60


@pytest.mark.parametrize("name", nt.__all__)
def test_every_public_name_is_there(name: str) -> None:
    home = nt._PUBLIC_MODULES if name in nt._PUBLIC_MODULES else ()
    later = nt._LAZY_NAMES.get(name, f".{name}" if home else "").removeprefix(".")
    if later in LATE and not (HOUSE / later / "__init__.py").is_file():
        pytest.skip(f"{later} is not built yet")

    assert getattr(nt, name) is not None
    assert not name.startswith("_")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nbturns has no 'Sesion'"):
        _ = nt.Sesion
    with pytest.raises(ImportError):
        importlib.import_module("nbturns.utils")


def test_every_error_is_ours_and_stands_in_the_tree() -> None:
    from nbturns import errors

    classes = {name: one for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}

    assert all(issubclass(one, nt.NbturnsError) for one in classes.values())
    assert all(name in (errors.__doc__ or "") and getattr(nt, name) is one for name, one in classes.items())
