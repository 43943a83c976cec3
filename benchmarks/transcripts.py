"""Transcripts of other tools: time, memory, and how both grow."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.importers import detect_importer
from nbturns.importers.kit.source import Source

SAMPLES = Path(__file__).resolve().parents[1] / "fixtures" / "transcripts"
GIGABYTE = 1_000_000_000
STREAM = """
import sys, nbturns as nt
count = sum(run.import_report.read for run in nt.load_all(sys.argv[1]))
# a process's getrusage begins with what its parent had
print(count, next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def best(act: Callable[[], object], times: int = 7) -> float:
    """Seconds of CPU time: others may be busy on this machine."""
    found = []
    for _ in range(times):
        began = time.process_time()
        act()
        found.append(time.process_time() - began)
    return min(found)


def chat(count: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for number in range(count // 4):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": f'{{"x": {number}}}'}}
        messages += [
            {"role": "user", "content": f"question {number}"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{number}", "content": f"result {number}"},
            {"role": "assistant", "content": f"answer {number}"},
        ]
    return messages


def sample(count: int) -> bytes:
    """An Inspect log of one sample whose every model call names all messages before it."""
    messages: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    for number in range(count // 3):
        call = {"id": f"c{number}", "function": "f", "arguments": {"x": number}, "type": "function"}
        messages += [
            {"id": f"a{number}", "role": "user", "content": f"question {number} " * 10},
            {"id": f"b{number}", "role": "assistant", "content": f"attachment://{number:032x}", "tool_calls": [call]},
            {"id": f"d{number}", "role": "tool", "tool_call_id": f"c{number}", "function": "f", "content": "result"},
        ]
        reply = {"message": {"id": f"b{number}", "role": "assistant", "content": ""}, "stop_reason": "stop"}
        output = {
            "model": "m",
            "choices": [reply],
            "usage": {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10},
        }
        events.append({"event": "model", "model": "p/m", "input_refs": [[0, number * 3]], "output": output})
    attachments = {f"{number:032x}": f"answer {number} " * 10 for number in range(count // 3)}
    whole = {"id": 1, "epoch": 1, "messages": messages, "events": events, "attachments": attachments}
    return json.dumps({"version": 2, "status": "success", "eval": {"task": "t"}, "samples": [whole]}).encode()


def chat_messages() -> Iterator[tuple[str, str, str]]:
    """From JSON text, and from parsed data, to a Run of Turns."""
    messages = chat(10_000)
    text = json.dumps(messages).encode()
    yield "10,000 chat messages, from data", f"{10_000 / best(lambda: nt.loads(messages)):,.0f}/s", "≥ 300,000/s"
    once = best(lambda: nt.loads(text))
    yield "10,000 chat messages, from text", f"{10_000 / once:,.0f}/s", "≥ 300,000/s"
    yield "the same, to json.loads alone", f"{once / best(lambda: json.loads(text)):.1f}×", ""
    twice = json.dumps(chat(20_000)).encode()
    yield "twice the chat messages", f"{best(lambda: nt.loads(twice)) / once:.2f}×", "≤ 2.2×"


def inspect_logs() -> Iterator[tuple[str, str, str]]:
    log, twice = sample(3_203), sample(6_406)
    once = best(lambda: nt.loads(log))
    yield "an Inspect log of 3,203 messages", f"{once:.3f} s", "≤ 0.2 s"
    yield "twice its messages", f"{best(lambda: nt.loads(twice)) / once:.2f}×", "≤ 2.2×"


def naming() -> Iterator[tuple[str, str, str]]:
    """Detecting the format of 1,000 files: samples of every format, and a long one."""
    with tempfile.TemporaryDirectory() as folder:
        contents = [path.read_bytes() for path in sorted(SAMPLES.iterdir())] + [sample(3_203)]
        for number in range(1_000):
            Path(folder, f"{number}").write_bytes(contents[number % len(contents)])
        paths = sorted(Path(folder).iterdir())
        took = best(lambda: [detect_importer(Source.of_file(path).sample) for path in paths], 3)
    yield "naming the format of 1,000 files", f"{took:.2f} s", "≤ 2 s"


def a_gigabyte() -> Iterator[tuple[str, str, str]]:
    """JSON Lines of chats, in a process of its own that reports its peak memory."""
    line = json.dumps({"messages": chat(100)}).encode() + b"\n"
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        for _ in range(GIGABYTE // len(line)):
            file.write(line)
        file.flush()
        began = time.perf_counter()
        said = subprocess.run(  # noqa: S603  # this Python, and a script of this file
            [sys.executable, "-c", STREAM, file.name], capture_output=True, text=True, check=True, timeout=900
        )
        took = time.perf_counter() - began
    count, kilobytes = map(int, said.stdout.split())
    yield "1 GB of JSON Lines, streamed", f"{kilobytes / 1000:.0f} MB", "≤ 300 MB"
    yield f"the same, {count:,} messages", f"{count / took:,.0f}/s", ""


ALL = (chat_messages, inspect_logs, naming, a_gigabyte)
