"""Get TypeScript's checker. Where the registry of npm cannot be reached, the tests that need it say so and are skipped."""

from __future__ import annotations

import sys
from pathlib import Path

from . import npm_package

VERSION = "5.9.3"
LOCK = Path(__file__).with_name("yarn.lock")
PLACE = Path(sys.prefix) / "typescript"
CHECKER = PLACE / "node_modules" / "typescript" / "bin" / "tsc"


def main() -> None:
    """Leave the checker where the tests find it, or say why they will be skipped."""
    wrong = "" if CHECKER.is_file() else npm_package.install("typescript", VERSION, LOCK, PLACE)
    print(
        f"no TypeScript, so the types of our modules are not checked: {wrong}" if wrong else f"TypeScript: {CHECKER}",
        flush=True,
    )


if __name__ == "__main__":
    main()
