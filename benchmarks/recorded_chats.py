"""Reading: chat messages, and frames of what was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nbturns as nt

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
AIRLINE = DATA / "transcripts/dev/openai-chat/tau_airline.jsonl"


def best(act: Callable[[], object], times: int = 5) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def airline_frames() -> Iterator[tuple[str, str, str]]:
    if not AIRLINE.is_file():
        return
    runs = tuple(nt.load_all(AIRLINE))
    for made in (nt.frames.blocks, nt.frames.inferences, nt.frames.tool_calls, nt.frames.turns):
        took = best(partial(made, runs), 3)
        yield f"frames.{made.__name__} of the airline file", f"{took * 1000:.0f} ms for {len(made(runs)):,}", ""


ALL = (airline_frames,)
