"""The time that `import nbturns` adds to an empty interpreter, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603  # our own interpreter and our own words
    return time.perf_counter() - began


def yardstick() -> Iterator[tuple[str, str, str]]:
    """The speed of this machine at this moment; that of a shared machine changes by half within a minute."""

    def nothing() -> None:
        """Be called."""

    began = time.perf_counter()
    for _ in range(1_000_000):
        nothing()
    yield "a call of an empty function", f"{(time.perf_counter() - began) * 1000:.0f} ns", ""


def import_time() -> Iterator[tuple[str, str, str]]:
    pairs = [(seconds("pass"), seconds("import nbturns")) for _ in range(15)]  # in turn: a busy moment slows both
    empty, ours = (min(column) * 1000 for column in zip(*pairs, strict=True))
    yield "import nbturns, over an empty interpreter", f"{ours - empty:.0f} ms", "60"


ALL = (yardstick, import_time)
