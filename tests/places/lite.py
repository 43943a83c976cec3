"""Build the site for JupyterLite, and run the package in Pyodide under Node (`make lite`).

The site takes Pyodide itself, and the wheels that Pyodide brings, from its publisher when it is opened. What is tested
here is the package with the core of Pyodide from npm: its pure dependencies, and pydantic's wheel for Pyodide.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import npm_package

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
BUILD = ROOT / "build" / "lite"
VERSION = "314.0.7"  # of Pyodide; the tags below are those of its Python
PYTHON = ("--python-version", "3.14", "--implementation", "cp", "--abi", "cp314", "--abi", "none")
PLATFORMS = ("--platform", "any", "--platform", "pyemscripten_2026_0_wasm32")


def run(*command: str | Path, folder: Path = ROOT) -> None:
    """Run a command in a folder; its output is shown only if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def build_wheel() -> Path:
    """Build the wheel that the site offers and Pyodide imports."""
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", BUILD / "wheel")
    (wheel,) = (BUILD / "wheel").glob("*.whl")
    return wheel


def build_site(wheel: Path, jupyter: Path) -> None:
    """Build the site with the notebooks and their files, and check what is in it."""
    files = BUILD / "files"
    for name in ("notebooks", "fixtures"):
        shutil.copytree(ROOT / name, files / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    site = BUILD / "site"
    folders = ("--lite-dir", BUILD, "--contents", files, "--output-dir", site)
    run(
        jupyter.absolute(), "lite", "build", *folders, "--piplite-wheels", wheel, folder=BUILD
    )  # it writes a file there
    index = json.loads((site / "pypi" / "all.json").read_text(encoding="utf-8"))
    assert "nbturns" in index, index
    settings = json.loads((site / "jupyter-lite.json").read_text(encoding="utf-8"))["jupyter-config-data"]
    extensions = {extension["name"] for extension in settings["federated_extensions"]}
    assert {"@jupyterlite/pyodide-kernel-extension", "@jupyter-widgets/jupyterlab-manager", "anywidget"} <= extensions
    assert {path.name for path in (site / "files" / "notebooks").glob("*.ipynb")} == {
        path.name for path in (ROOT / "notebooks").glob("*.ipynb")
    }
    assert (site / "lab" / "index.html").is_file()


def install_packages(wheel: Path) -> Path:
    """Install the package and what it needs for Pyodide; of PyYAML, which has no such wheel, the part in Python."""
    packages = BUILD / "packages"
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packages)
    locked = ("--require-hashes", "--requirement", ROOT / "requirements" / "pyodide.txt")
    run(*install, "--only-binary", ":all:", *PYTHON, *PLATFORMS, *locked)
    run(*install, wheel)
    yaml = npm_package.folder_of("yaml")
    assert yaml is not None
    shutil.copytree(yaml, packages / "yaml", ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyd"))
    return packages


def main(jupyter: Path) -> None:
    """Build and test; ends the process with what failed."""
    shutil.rmtree(BUILD, ignore_errors=True)
    wheel = build_wheel()
    build_site(wheel, jupyter)
    print(BUILD.relative_to(ROOT) / "site" / "index.html")
    packages = install_packages(wheel)
    if wrong := npm_package.install("pyodide", VERSION, HERE / "yarn.lock", BUILD / "npm"):
        sys.exit(f"Pyodide cannot be installed: {wrong}")
    pyodide = BUILD / "npm" / "node_modules" / "pyodide"
    command: list[str | Path] = [npm_package.node(), HERE / "pyodide_run.mjs"]
    command += [pyodide, packages, ROOT / "fixtures", HERE / "pyodide_checks.py"]
    sys.exit(subprocess.run(command, check=False, timeout=600).returncode)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
