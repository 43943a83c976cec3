"""Write docs/benchmarks.md: a section for each benchmark, with the machine and its load when it was measured."""

from __future__ import annotations

import inspect
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import nbturns as nt

Row = tuple[str, str, str]  # what, measured, target
Benchmark = Callable[[], Iterator[Row]]

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SECTION = re.compile(r"^### (\w+)\n.*?(?=^##|\Z)", re.MULTILINE | re.DOTALL)
INTRODUCTION = """# Benchmarks

`make bench` measures and writes this page; `.venv/bin/python -m benchmarks tool_loop` measures one benchmark and replaces its section.
"Target" is the number that the project aims at, in the unit of the measurement; an empty cell has none. Where other packages are
measured, they read the same input in the same run.

Each section states when and where it was measured. On a **loaded** machine other programs ran at the same time: wall-clock times are then too
high, while ratios within a section, processor times, bytes and counts hold. A row "not installed" or a section without rows lacks a package
or data that the benchmark needs.
"""


def machine(load: float) -> str:
    """Return one sentence about this machine and its load, the mean number of waiting processes."""
    processors = os.cpu_count() or 1
    state = "loaded" if load > processors else "not loaded"
    versions = f"nbturns {nt.__version__}, {platform.python_implementation()} {platform.python_version()}"
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {versions}, {sys.platform} {platform.machine()}, {processors} processors, "
        f"{state} (load {load:.1f})."
    )


def current_load() -> float:
    """Return the load of the last minute; 0 where the system does not tell it."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def section_of(benchmark: Benchmark, rows: Iterable[Row], load: float) -> str:
    """Return the section of a benchmark."""
    lines = [f"### {benchmark.__name__}", ""]
    if text := inspect.getdoc(benchmark):
        lines += [text, ""]
    lines += [machine(load), "", "| measured | result | target |", "|---|---|---|"]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([*lines, "", ""])


def write_page(benchmarks: Iterable[Benchmark], sections: Mapping[str, str], page: Path = PAGE) -> None:
    """Write the page: `sections` by name, and for other benchmarks the sections that the page has."""
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    known = {match[1]: match[0].rstrip() + "\n\n" for match in SECTION.finditer(text)} | dict(sections)
    parts = [INTRODUCTION]
    module_name = ""
    every = [*benchmarks]
    modules = [benchmark.__module__ for benchmark in every]
    for benchmark in sorted(every, key=lambda one: modules.index(one.__module__)):
        if benchmark.__module__ != module_name:
            module_name = benchmark.__module__
            description = (inspect.getdoc(sys.modules[module_name]) or "").partition("\n\n")[0]
            parts.append(f"## {module_name.rpartition('.')[2].replace('_', ' ').capitalize()}\n\n{description}\n\n")
        unmeasured = f"### {benchmark.__name__}\n\n{inspect.getdoc(benchmark) or ''}\n\nNot measured yet.\n\n"
        parts.append(known.get(benchmark.__name__, unmeasured))
    page.write_text(parts[0] + "\n" + re.sub(r"\n{3,}", "\n\n", "".join(parts[1:])).rstrip() + "\n", encoding="utf-8")
