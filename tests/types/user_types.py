"""Check the types that users see with pyright: their code in strict mode, and how complete our types are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FEWEST = 0.98  # share of public symbols with a known type


def main(pyright: str) -> int:
    """Run both checks with this pyright, print what fails, and return the exit status."""
    command = [str(Path(pyright).absolute()), "--pythonpath", sys.executable, "--outputjson"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(ROOT / "tests" / "types" / "user_sample.py", folder)
        (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
        sample = output(command + ["user_sample.py"], folder)
        site = folder / "site"  # pyright wants an installed package: an editable one has no py.typed for it
        shutil.copytree(ROOT / "nbturns", site / "nbturns", ignore=shutil.ignore_patterns("__pycache__"))
        paths = [str(site), sysconfig.get_path("purelib")]
        completeness = output(command + ["--verifytypes", "nbturns", "--ignoreexternal"], site, paths)
    for diagnostic in sample["generalDiagnostics"]:
        print(f"{diagnostic['range']['start']['line'] + 1}: {diagnostic['message']}")
    score = completeness["typeCompleteness"]["completenessScore"]
    print(f"user_sample.py: {sample['summary']['errorCount']} errors; known types: {score:.1%} (at least {FEWEST:.0%})")
    return int(sample["summary"]["errorCount"] > 0 or score < FEWEST)


def output(command: list[str], folder: Path, paths: list[str] | None = None) -> dict:  # type: ignore[type-arg]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths or [])}
    finished = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return json.loads(finished.stdout)  # type: ignore[no-any-return]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
