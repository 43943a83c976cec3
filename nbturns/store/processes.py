"""Names of processes, so that a store can tell whether the one that wrote an execution still runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def process_name(number: int | None = None) -> str:
    """Return a name that no other process has had: its computer, number and start time. None is this process."""
    number = os.getpid() if number is None else number
    return f"{number}:{_start_time(number)}:{platform.node()}"


def is_running(name: str) -> bool:
    """Return True when the process of this name runs on this computer; False where the system does not tell."""
    number = name.partition(":")[0]
    return number.isdigit() and bool(_start_time(int(number))) and process_name(int(number)) == name


def _start_time(number: int) -> str:
    """Return the start time of a process as Linux counts it; "" where it is unknown, or the process a zombie."""
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
