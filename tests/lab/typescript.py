"""Get TypeScript's checker, with the Node that drives our browser and the package manager that JupyterLab brings.

So nothing has to be installed beforehand. Where the registry of npm cannot be reached, the tests that
need it say so and are skipped.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "5.9.3"
LOCK = Path(__file__).with_name("yarn.lock")
PLACE = Path(sys.prefix) / "typescript"
CHECKER = PLACE / "node_modules" / "typescript" / "bin" / "tsc"
SETTINGS = "nodeLinker: node-modules\nenableTelemetry: false\nenableGlobalCache: false\nenableScripts: false\n"
SECONDS = 240.0


def folder_of(package: str) -> Path | None:
    """Where an installed package lies; None when there is none."""
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent


def node() -> str:
    """The Node.js that comes with Playwright."""
    playwright = folder_of("playwright")
    assert playwright is not None
    names = (playwright / "driver" / name for name in ("node", "node.exe"))
    return str(next(path for path in names if path.is_file()))


def yarn() -> Path | None:
    """The yarn that comes with JupyterLab, which moved it."""
    homes = (("jupyter_builder", "yarn.js"), ("jupyterlab", "staging/yarn.js"))
    paths = [home / name for package, name in homes if (home := folder_of(package)) is not None]
    return next((path for path in paths if path.is_file()), None)


def install() -> str:
    """Install the checker into the environment's folder; gives what went wrong, or ""."""
    manager = yarn()
    if manager is None:
        return "JupyterLab brings no yarn"
    PLACE.mkdir(exist_ok=True)
    (PLACE / "package.json").write_text(
        json.dumps({"name": "checker", "private": True, "dependencies": {"typescript": VERSION}})
    )
    (PLACE / ".yarnrc.yml").write_text(SETTINGS)
    shutil.copy(LOCK, PLACE / "yarn.lock")  # its checksum decides what is accepted
    try:
        done = subprocess.run(
            [node(), str(manager), "install"], cwd=PLACE, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"yarn was not done after {SECONDS:.0f} s"
    return "" if CHECKER.is_file() else done.stdout[-600:]


def main() -> None:
    """Leave the checker where the tests find it, or say why they will be skipped."""
    wrong = "" if CHECKER.is_file() else install()
    print(
        f"no TypeScript, so the types of our modules are not checked: {wrong}" if wrong else f"TypeScript: {CHECKER}",
        flush=True,
    )


if __name__ == "__main__":
    main()
