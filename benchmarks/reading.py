"""Reading: chat messages, and frames of what was read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

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


def chat_messages() -> Iterator[tuple[str, str, str]]:
    """10,000 messages of OpenAI chat, from their text to Blocks."""
    messages: list[dict[str, Any]] = []
    for number in range(2500):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": f'{{"x": {number}}}'}}
        messages += [
            {"role": "user", "content": f"question {number}"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"c{number}", "content": f"result {number}"},
            {"role": "assistant", "content": f"answer {number}"},
        ]
    text = json.dumps(messages)
    took = best(lambda: nt.loads(text))
    yield "10,000 OpenAI chat messages", f"{len(messages) / took:,.0f}/s", ""
    yield "10,000 messages, to json.loads alone", f"{took / best(lambda: json.loads(text)):.1f}×", ""


def airline_frames() -> Iterator[tuple[str, str, str]]:
    if not AIRLINE.is_file():
        return
    runs = tuple(nt.load_all(AIRLINE))
    for made in (nt.frames.blocks, nt.frames.inferences, nt.frames.tool_calls, nt.frames.turns):
        took = best(partial(made, runs), 3)
        yield f"frames.{made.__name__} of the airline file", f"{took * 1000:.0f} ms for {len(made(runs)):,}", ""


ALL = (chat_messages, airline_frames)
