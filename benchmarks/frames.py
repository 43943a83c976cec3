"""Frames of JSON Lines: time, compared with parsing alone, and memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import nbturns as nt

from .peer_packages import MISSING
from .recorded_chats import DATA

Row = tuple[str, str, str]
SOURCE = DATA / "transcripts/dev/tau-bench/gpt-4o-airline.json"

# What a process of its own measures: seconds and rows of `made(path)`, and the memory it took, in MB.
MEASURED = """
import sys, time
{imports}
def memory(name):
    return next(int(line.split()[1]) / 1000 for line in open("/proc/self/status") if line.startswith(name))
{warm}
before, began = memory("VmRSS"), time.process_time()
frame = {made}
print(time.process_time() - began, len(frame), memory("VmHWM"), memory("VmHWM") - before, frame.memory_usage(deep=False).sum() / 1e6)
"""
OURS = (
    "import nbturns as nt, pandas, pyarrow.compute, pydantic_core",
    "from nbturns.importers import importers; importers(); nt.frames.blocks(nt.turn('q'))",
    "nt.frames.blocks(sys.argv[1])",
)


def measured(path: Path, code: tuple[str, str, str]) -> tuple[float, int, float, float, float]:
    """Seconds, rows, MB at the peak, MB above what the imports take, MB of the frame itself."""
    imports, warm, made = code
    script = MEASURED.format(imports=imports, warm=warm, made=made)
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)  # noqa: S603  # our own words
    seconds, rows, peak, above, own = done.stdout.split()
    return float(seconds), int(rows), float(peak), float(above), float(own)


def lines_of_chat() -> Iterator[Row]:
    """30 MB of conversations, one a line, compared with orjson alone on the same bytes."""
    if not SOURCE.is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "chats.jsonl")
        tool = DATA / "tools/upscale.py"
        subprocess.run([sys.executable, str(tool), str(path), "30", str(SOURCE)], check=True, capture_output=True)  # noqa: S603
        rows = len(nt.frames.blocks(path))
        took = best(partial(nt.frames.blocks, path))
        yield f"30 MB of chat lines, {rows:,} blocks", f"{took * 1000:.0f} ms", ""
        every = best(partial(nt.frames.read, path))
        yield "the same, all frames of frames.read", f"{every * 1000:.0f} ms", "1200"
        if find_spec("orjson") is None:
            yield "orjson beside it", "not installed", MISSING
            return
        alone = best(partial(parse_lines, path))
        yield "the same bytes by orjson alone", f"{alone * 1000:.0f} ms", ""
        yield "chat lines, to orjson alone", f"{took / alone:.1f}×", "4"


def best(act: Callable[[], object], times: int = 5) -> float:
    """Processor seconds, so that other programs do not change a ratio."""
    found = []
    for _ in range(times):
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)


def parse_lines(path: Path) -> None:
    import orjson

    with path.open("rb") as lines:
        for line in lines:
            orjson.loads(line)


def million_blocks() -> Iterator[Row]:
    """A million blocks in our own lines, as sessions save them."""

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    script = [
        one for n in range(25) for one in ([nt.tool_call(f"c{n}", "add", {"a": n, "b": 2})], f"The sum is {n + 2}.")
    ]
    session = nt.Session(nt.scripted(*script), tools=[add], tool_config=nt.ToolConfig(inline=True))
    for number in range(25):
        session.ask(f"What is the sum of {number} and two?").result(20)
    run = session.run.to_dict()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ours.jsonl")
        with path.open("w", encoding="utf-8") as lines:
            for number in range(1_000_000 // len(session.latest)):
                lines.write(json.dumps({**run, "id": f"run-{number}"}, separators=(",", ":")) + "\n")
        size = path.stat().st_size
        seconds, rows, _, above, own = measured(path, OURS)
    yield f"{rows:,} blocks, {size / 1e6:.0f} MB of our lines", f"{seconds:.1f} s", "8"
    yield "memory above the imports, to the frame's own", f"{above / own:.2f}×", "2"


# What a process of its own measures: the number of conversations, and its memory at the peak in MB.
STREAMED = """
import sys
import nbturns as nt
count = sum(1 for run in nt.load_all(sys.argv[1]))
print(count, next(int(line.split()[1]) / 1000 for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def write_conversations(path: Path, rows: int) -> Path:
    """Write a Parquet file with a conversation in each row."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    schema = pa.schema([("id", pa.string()), ("messages", pa.list_(message))])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 10_000):
            messages = [
                [
                    {"role": "user", "content": f"What is {row}? " * 20},
                    {"role": "assistant", "content": f"It is {row}. " * 40},
                ]
                for row in range(start, start + 10_000)
            ]
            ids = [f"row-{row}" for row in range(start, start + 10_000)]
            writer.write_table(pa.table({"id": ids, "messages": messages}, schema=schema))
    return path


def parquet_in_constant_memory() -> Iterator[Row]:
    """A Parquet file of 100,000 conversations, and one of a tenth: each is streamed by a process of its own."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in (10_000, 100_000):
            path = write_conversations(Path(folder, f"{rows}.parquet"), rows)
            command = [sys.executable, "-c", STREAMED, str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # our own words
            count, peak = done.stdout.split()
            assert int(count) == rows
            peaks[rows] = float(peak)
            yield f"a Parquet file of {rows:,} conversations, peak", f"{float(peak):.0f} MB", ""
    yield "ten times the rows, memory", f"{peaks[100_000] / peaks[10_000]:.2f}×", "≤ 1.3"


ALL = (lines_of_chat, million_blocks, parquet_in_constant_memory)
