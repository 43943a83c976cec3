"""Installed packages whose entry points cannot be imported: they are named once, and affect nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nbturns as nt

ENTRY_POINTS = re.compile(r"importlib\.metadata(?:\.entry_points| import .*\bentry_points\b)")
CHAT = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}
LOAD = "import nbturns as nt; print(len(nt.load('chat.json').latest), len(nt.load('chat.json').latest))"
SESSION = """
import nbturns as nt
from nbturns.profiles import load_profiles

profiles = load_profiles({"plain": {"engine": "openai:gpt-5-mini", "params": {"api_key": "k"}, "middleware": [{"name": "retry"}]}})
for _ in range(2):
    print(type(profiles["plain"].session()).__name__)
"""
GROUPS = {
    "nbturns.importers": LOAD,
    "nbturns.middleware": SESSION,
    "nbturns.sinks": SESSION.replace('"middleware": [{"name": "retry"}]}}', '"sinks": [{"name": "ignore"}]}}, sinks={"ignore": lambda: id}'),
    "nbturns.profiles": SESSION,
    "nbturns.engines": SESSION,
}  # fmt: skip
BROKEN = {
    "a package that is not there": ("broken_plugin", None),
    "a module that raises": ("raising_plugin", "raise ValueError('half installed')"),
    "a name that is not there": ("empty_plugin:MISSING", ""),
}


def install(folder: Path, group: str, value: str, code: str | None) -> None:
    about = folder / "broken_package-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[{group}]\nbroken = {value}\n")
    if code is not None:
        (folder / f"{value.partition(':')[0]}.py").write_text(code)
    (folder / "chat.json").write_text(json.dumps(CHAT))


def execute(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("group", GROUPS)
def test_a_broken_plugin_is_named_once_and_affects_nothing_else(tmp_path: Path, group: str, fault: str) -> None:
    install(tmp_path, group, *BROKEN[fault])

    process = execute(tmp_path, GROUPS[group])

    assert process.returncode == 0, process.stderr
    assert process.stdout.split() == (["2", "2"] if group == "nbturns.importers" else ["Session", "Session"])
    warnings = [line for line in process.stderr.splitlines() if "broken-package" in line]
    if group == "nbturns.engines":  # loaded when a model of theirs is asked for
        assert warnings == []
    else:
        (warning,) = warnings
        assert "RuntimeWarning" in warning and f"entry point broken = '{BROKEN[fault][0]}' in {group}" in warning


@pytest.mark.parametrize(
    ("group", "script", "error"),
    [
        ("nbturns.engines", "nt.engine('broken:some-model')", "EngineError"),
        ("nbturns.importers", "nt.load('chat.json', format='broken')", "LoadError"),
        ("nbturns.middleware", "nt.load_profiles({'p': {'engine': 'openai:gpt-5-mini', 'params': {'api_key': 'k'}, 'middleware': [{'name': 'broken'}]}})['p'].session()", "ProfileError"),
    ],
)  # fmt: skip
def test_a_broken_plugin_that_is_asked_for_is_an_error_that_says_why(
    tmp_path: Path, group: str, script: str, error: str
) -> None:
    install(tmp_path, group, "broken_plugin", None)
    caught = f"import nbturns as nt\ntry:\n    {script}\nexcept nt.{error} as error:\n    print(error)"

    process = execute(tmp_path, caught)

    assert process.returncode == 0, process.stderr
    assert "broken" in process.stdout
    if group == "nbturns.engines":
        assert "'broken-package'" in process.stdout and "ModuleNotFoundError" in process.stdout
    else:
        assert "'broken-package'" in process.stderr


def test_a_plugin_that_fails_while_it_looks_at_a_file_is_left_out(tmp_path: Path) -> None:
    code = "from nbturns.importers import Importer\nIMPORTER = Importer('broken', lambda sample: 1 / 0, lambda source: iter(()))"
    install(tmp_path, "nbturns.importers", "raising_plugin", code)

    process = execute(tmp_path, LOAD)

    assert process.stdout.split() == ["2", "2"], process.stderr
    (warning,) = [line for line in process.stderr.splitlines() if "broken-package" in line]
    assert "ZeroDivisionError" in warning


def test_entry_points_are_loaded_in_one_place() -> None:
    package = Path(nt.__file__).parent
    files = [path.name for path in package.rglob("*.py") if ENTRY_POINTS.search(path.read_text(encoding="utf-8"))]

    assert files == ["plugins.py"]
