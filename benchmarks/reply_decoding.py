"""Decoding recorded event streams to Deltas, Blocks and a result, compared with `json.loads` of the same data."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nbturns as nt
from nbturns.engines import find
from nbturns.engines.receiver import Receiver
from nbturns.engines.transports.sse import EventStream, events
from nbturns.events import Delta

WIRE = Path(__file__).resolve().parents[2] / "shared/data/wire/dev"
PIECES = (512, 4096)  # bytes, as a network brings them
LONG = 60  # events; what begins and ends an answer weighs little there
FOLDERS = {
    "anthropic": "anthropic_messages",
    "openai": "openai_responses",
    "openai-chat": "openai_chat",
    "gemini": "gemini",
}


def event_streams() -> Iterator[tuple[str, str, str]]:
    """Events a second, and how many times as long as `json.loads` of their data alone it takes.

    All of an answer is counted: its events, a listener that keeps every Delta, the blocks
    with their digests, the result. Recorded answers are short, so the long ones stand apart.
    """
    for provider, folder in FOLDERS.items():
        bodies = [file.read_bytes() for file in sorted((WIRE / folder / "sse").glob("*.sse"))]
        yield from compared(provider, "all", bodies)
        yield from compared(provider, "long", [body for body in bodies if len(data_of(body)) >= LONG])


def compared(provider: str, which: str, bodies: list[bytes]) -> Iterator[tuple[str, str, str]]:
    texts = [text for body in bodies for text in data_of(body)]
    if not texts:
        return
    name = f"{provider}, {which}: {len(texts):,} events of {len(bodies)}"
    for piece in PIECES:
        ours, alone = in_turn(partial(hear_all, provider, bodies, piece), partial(parse_all, texts))
        yield f"{name}, {piece} B", f"{len(texts) / ours:,.0f}/s", "100,000"
        yield f"{name}, {piece} B, to json.loads", f"{ours / alone:.2f}×", "2.5"


def in_turn(*acts: Callable[[], object], times: int = 15) -> list[float]:
    """The best processor time of each, measured in turn: a busy moment slows all of them."""
    found = [list[float]() for _ in acts]
    for _ in range(times):
        for act, seconds in zip(acts, found, strict=True):
            began = time.process_time()
            act()
            seconds.append(time.process_time() - began)
    return [min(seconds) for seconds in found]


def data_of(body: bytes) -> list[str]:
    stream = EventStream()
    found = [*events(stream.feed(body)), *events(stream.feed(b"\n\n"))]
    return [data for _, data in found if data.startswith("{")]


def parse_all(texts: list[str]) -> None:
    for text in texts:
        json.loads(text)


def hear_all(provider: str, bodies: list[bytes], piece: int) -> None:
    for body in bodies:
        decoded(provider, body, piece)


def decoded(provider: str, body: bytes, piece: int) -> tuple[list[Delta], tuple[nt.Block, ...], nt.InferenceResult]:
    heard: list[Delta] = []
    reply = find(provider).reply(heard.append, "")
    receiver = Receiver(reply, "text/event-stream")
    try:
        for start in range(0, len(body), piece):
            receiver.feed(body[start : start + piece])
        receiver.end()
    except nt.EngineError:  # some recordings are of failures; reading those takes time too
        pass
    return heard, reply.blocks(), reply.result()


ALL = (event_streams,)
