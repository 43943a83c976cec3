"""Reading: recorded event streams in pieces, chat messages, and frames of what was read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.engines import find
from nbturns.engines.event_stream import EventStream
from nbturns.engines.provider import Receiver, unheard

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
AIRLINE = DATA / "transcripts/dev/openai-chat/tau_airline.jsonl"
PIECE = 512  # bytes, as a network brings them
FOLDERS = {
    "anthropic": "anthropic_messages",
    "openai": "openai_responses",
    "gemini": "gemini",
    "openai-chat": "openai_chat",
}


def best(act: Callable[[], object], times: int = 5) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        found.append(time.perf_counter() - began)
    return min(found)


def event_streams() -> Iterator[tuple[str, str, str]]:
    """Events a second, and how many times as long as `json.loads` of their data alone it takes."""
    for provider, folder in FOLDERS.items():
        bodies = [file.read_bytes() for file in sorted((DATA / "wire/dev" / folder / "sse").glob("*.sse"))]
        texts = [text for body in bodies for text in data_of(body)]
        if not texts:
            continue
        ours = best(partial(hear_all, provider, bodies))
        alone = best(partial(parse_all, texts))
        yield f"{provider}, {len(texts):,} events", f"{len(texts) / ours:,.0f}/s", ""
        yield f"{provider}, to json.loads alone", f"{ours / alone:.2f}×", ""


def data_of(body: bytes) -> list[str]:
    stream = EventStream()
    events = [*stream.feed(body), *stream.feed(b"\n\n")]
    return [data for _, data in events if data.startswith("{")]


def parse_all(texts: list[str]) -> None:
    for text in texts:
        json.loads(text)


def hear_all(provider: str, bodies: list[bytes]) -> None:
    for body in bodies:
        heard(provider, body)


def heard(provider: str, body: bytes) -> tuple[nt.Block, ...]:
    reply = find(provider).reply(unheard, "")
    receiver = Receiver(reply, "text/event-stream")
    try:
        for start in range(0, len(body), PIECE):
            receiver.feed(body[start : start + PIECE])
        receiver.end()
    except nt.EngineError:  # some recordings are of failures; reading those takes time too
        pass
    return reply.blocks()


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


ALL = (event_streams, chat_messages, airline_frames)
