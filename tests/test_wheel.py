"""The wheel by itself: built from the sdist, installed alone, and used as the README says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import nbturns as nt
from tests.test_architecture import FILES, imports
from tests.test_readme import ROOT, readme_blocks

CHECKS = """
import importlib
import importlib.util
import pkgutil
import sys
import sysconfig

from nbturns.importers.kit.zip_archive import zstd_module

for module in pkgutil.walk_packages(nt.__path__, "nbturns."):
    if not module.name.endswith(("__main__", "pytest_plugin")):  # it ends the process; pytest imports its plugin
        importlib.import_module(module.name)
assert zstd_module().decompress(zstd_module().compress(b"x")) == b"x"
assert session.latest.text == "The same."
assert session.turns[0].of_kind("tool_use")[0].result == {"city": "Lyon", "celsius": 18}
assert nt.frames.blocks(nt.example()).shape[0] == 20
folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
files = [getattr(module, "__file__", None) for module in [*sys.modules.values()]]
print(nt.__file__)
print([file for file in files if file and not file.startswith((*folders, __file__))])
print(*(name for name in ("pytest", "matplotlib", "anthropic", "openai", "httpx", "pip") if importlib.util.find_spec(name)))
"""


def run(*command: str | Path, folder: Path) -> str:
    """Return what a command prints. Its Python sees neither PYTHONPATH nor the packages of the user."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    finished = subprocess.run(
        command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, as `pip install` of an sdist builds it."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder, folder=ROOT)
    (sdist,) = folder.glob("*.tar.gz")
    run(sys.executable, "-m", "tarfile", "--extract", sdist, folder, folder=folder)
    sources = folder / sdist.name.removesuffix(".tar.gz")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, folder=sources)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an empty environment with the wheel and what it declares, and nothing else.

    pip installs the wheel itself. Its dependencies are those of the wheel's own Requires-Dist and of theirs, without
    extras, as this environment has them: their files are linked into the empty one. Downloading and unpacking them
    anew would take a minute and other releases than the lock, and would prove no more: a package that is not
    declared cannot be imported there.
    """
    home = tmp_path_factory.mktemp("environment") / "empty"
    run(sys.executable, "-m", "venv", "--without-pip", home, folder=ROOT)
    executable = home / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", "--no-compile", wheel)
    run(sys.executable, "-m", "pip", "--python", executable, *install, folder=ROOT)
    for dependency in closure(installed(executable)):
        link(dependency, site_packages(executable))
    return executable


def site_packages(python: Path) -> Path:
    (folder,) = paths(python, "import sysconfig; print(sysconfig.get_path('purelib'))")
    return folder


def installed(python: Path) -> Distribution:
    """The metadata that pip wrote for the wheel."""
    return next(found for found in distributions(path=[str(site_packages(python))]) if found.name == "nbturns")


def closure(root: Distribution) -> Iterator[Distribution]:
    """The distributions that `root` needs without extras, those that they need, and so on."""
    seen: set[tuple[str, str]] = set()
    waiting = [(root, "")]
    while waiting:
        package, extra = waiting.pop()
        for requirement in map(Requirement, package.requires or ()):
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            found = distribution(requirement.name)
            assert requirement.specifier.contains(found.version, prereleases=True), f"{requirement}: {found.version}"
            for wanted in ("", *requirement.extras):
                if (found.name, wanted) not in seen:
                    seen.add((found.name, wanted))
                    waiting.append((found, wanted))
    yield from {name: distribution(name) for name, _ in sorted(seen)}.values()


def link(package: Distribution, site: Path) -> None:
    """Put the files of an installed package into another environment, but for its scripts."""
    for file in package.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        source = Path(str(file.locate())).resolve()
        try:
            target.symlink_to(source)
        except OSError:  # Windows wants a privilege for that
            shutil.copyfile(source, target)


def test_the_wheel_alone_runs_the_readme(python: Path, tmp_path: Path, strict_warnings: list[str]) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n".join([*readme_blocks(), CHECKS]), encoding="utf-8")

    ours, strangers, importable = run(python, "-I", *strict_warnings, script, folder=tmp_path).splitlines()

    assert Path(ours).is_relative_to(python.parents[1])
    assert strangers == "[]"
    assert {*importable.split()} <= {package.name for package in closure(installed(python))}  # ipywidgets 7 needs httpx
    assert (tmp_path / "conversation.html").is_file()


def test_the_wheel_installs_the_command_and_its_types(python: Path, tmp_path: Path) -> None:
    assert "usage: nbturns" in run(python.with_name("nbturns"), "--help", folder=tmp_path)
    (root,) = paths(python, "import nbturns; print(nbturns.__file__)")
    assert (root.parent / "py.typed").is_file()


def paths(python: Path, script: str) -> list[Path]:
    return [Path(line) for line in run(python, "-I", "-c", script, folder=python.parent).splitlines()]


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    package = Path(nt.__file__).parent
    sources = {f"nbturns/{path.relative_to(package).as_posix()}" for path in walk(package.rglob("*"))}

    with zipfile.ZipFile(wheel) as packed:
        assert {name for name in packed.namelist() if name.startswith("nbturns/")} == sources


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    yield from (path for path in paths if path.is_file() and "__pycache__" not in path.parts)


OBJECT_PACKAGES = {"agents", "langchain_core", "pydantic_ai"}  # of tools that a user passes, so they are installed
MCP_PACKAGES = {"anyio", "mcp_types"}  # required by mcp, whose interface uses them


def test_every_package_that_is_imported_is_declared(python: Path) -> None:
    root = installed(python)
    extras = [Requirement(line).name for line in root.requires or () if "extra ==" in line]
    declared = [*closure(root), *(distribution(name) for name in extras if name != "nbturns")]
    provided = {file.parts[0].partition(".")[0] for package in declared for file in package.files or ()}
    imported = {package for file in FILES for package, ours, _ in imports(file) if not ours}

    imported -= OBJECT_PACKAGES | MCP_PACKAGES | {"pytest"}  # pytest imports its plugin
    assert imported - provided - sys.stdlib_module_names - {"compression", "nbturns"} == set()


def test_the_example_is_the_conversation_of_the_notebooks() -> None:
    run = nt.example()

    assert (Path(nt.__file__).parent / "data" / "example.yaml").read_bytes() == (
        ROOT / "fixtures" / "greenhouse.yaml"
    ).read_bytes()
    assert {block.kind for block in run.latest} == {*nt.Kind} - {"other"}
    assert run.usage is not None and run.import_report is None
    assert run[0].cost is not None and run[0].usage.total_tokens > 0
