"""The public modules list their public names, and nothing that they import."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import nbturns as nt

ROOT = Path(nt.__file__).parent.parent
MODULES = "keys errors events frames engines middleware profiles tools widgets testing".split()
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "notebooks").glob("*.ipynb"),
    *ROOT.glob("benchmarks/*.py"),
]


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_lists_its_public_names_alone(name: str) -> None:
    module = importlib.import_module(f"nbturns.{name}")

    assert dir(module) == sorted(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for public in dir(module):
        value = getattr(module, public)
        assert not public.startswith("_")
        assert not isinstance(value, types.ModuleType), public
        if isinstance(value, (type, types.FunctionType)):
            assert value.__module__.startswith("nbturns."), public


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_lists_each_name_that_a_page_uses(name: str) -> None:
    module = importlib.import_module(f"nbturns.{name}")
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    used = set(re.findall(rf"(?<![.\w])(?:nt|nbturns)\.{name}\.(\w+)", text))
    for imported in re.findall(rf"from nbturns\.{name} import ([\w, ]+)", text):
        used |= {part.split(" as ")[0].strip() for part in imported.split(",")}
    submodules = {path.stem for path in (ROOT / "nbturns" / name).glob("*") if path.suffix in ("", ".py")}

    assert used - set(dir(module)) - submodules == set()


def test_every_key_error_and_event_is_listed() -> None:
    from nbturns import errors, events, keys

    assert {name for name, value in vars(keys).items() if isinstance(value, nt.Key)} == set(dir(keys))
    assert {name for name in vars(errors) if name.endswith("Error")} <= set(dir(errors))
    assert {
        name for name, value in vars(events).items() if isinstance(value, type) and value.__module__ == "nbturns.events"
    } == set(dir(events)) - {"Sink"}


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_is_an_attribute_of_the_package_before_it_is_imported(name: str) -> None:
    script = f"import nbturns as nt; print(nt.{name}.__name__)"

    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert printed.stdout.strip() == f"nbturns.{name}"
