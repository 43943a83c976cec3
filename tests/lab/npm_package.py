"""Install a package of npm, with the Node that drives our browser and the package manager that JupyterLab brings.

So nothing has to be installed beforehand.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

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


def install(package: str, version: str, lock: Path, folder: Path) -> str:
    """Install a package into `folder`/node_modules; gives what went wrong, or "". The checksums of `lock` decide."""
    manager = yarn()
    if manager is None:
        return "JupyterLab brings no yarn"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text(
        json.dumps({"name": "checker", "private": True, "dependencies": {package: version}})
    )
    (folder / ".yarnrc.yml").write_text(SETTINGS)
    if lock.is_file():
        shutil.copy(lock, folder / "yarn.lock")
    try:
        done = subprocess.run(
            [node(), str(manager), "install"], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"yarn was not done after {SECONDS:.0f} s"
    return "" if done.returncode == 0 and (folder / "node_modules" / package).is_dir() else done.stdout[-600:]
