"""What another package takes for the same work: in a process of its own, as nobody shares its imports."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

MISSING = "run make bench"
BEST = """
import gc, json, sys, time
def best(act, times=5):
    found = []
    for _ in range(times):
        gc.collect()
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)
"""


def is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it would be in is not
        return False


class FailedError(Exception):
    """A script's last words."""


def said(script: str, *arguments: str) -> list[float]:
    """The numbers a script prints. Raises FailedError."""
    run = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=1_800)  # noqa: S603  # our own words
    if done.returncode:
        raise FailedError((done.stderr.strip().splitlines() or ["it ended without a word"])[-1])
    return [float(number) for number in done.stdout.split()]
