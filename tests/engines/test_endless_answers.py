"""No server can keep a call for ever, or fill the memory."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

import nbturns as nt
from tests.engines.scripted_server import Script, served

NAMES = ("openai:gpt-5.1", "openai-chat:m", "anthropic:claude-sonnet-4-6", "gemini:gemini-2.5-flash")
BASES = {"openai": "/v1", "openai-chat": "/v1", "anthropic": "", "gemini": ""}
ENDLESS = {
    "comments": b": keep-alive\n\n",
    "blanks": b"\n\n\n\n",
    "pings": b'event: ping\ndata: {"type": "ping"}\n\n',
    "empty events": b"data: {}\n\n",
    "the same event": b'data: {"type": "x", "choices": []}\n\n',
}


def ask(name: str, script: Script, **params: Any) -> tuple[nt.EngineError, float]:
    with served(name, "k" * 9) as server:
        engine = server.engine(script, base_url=server.url + BASES[name.partition(":")[0]], **params)
        started = time.monotonic()
        with pytest.raises(nt.EngineError) as caught:
            nt.Session(engine).ask("x").result(60)
        return caught.value, time.monotonic() - started


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ENDLESS)
def test_keep_alives_end_by_the_time_out(name: str, kind: str) -> None:
    piece = ENDLESS[kind]
    error, seconds = ask(name, Script(piece * 500, chunk=len(piece), pause=0.05), timeout=0.6)

    assert (error.kind, seconds < 15) in (("timeout", True), ("bad_response", True))


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_has_a_limit(name: str) -> None:
    body = b"".join(b'data: {"n": %d, "x": "%s"}\n\n' % (number, b"y" * 1000) for number in range(3000))
    error, _ = ask(name, Script(body, chunk=100_000), max_response_bytes=1_000_000)

    assert error.kind in ("response_too_large", "bad_response")
    document, _ = ask(
        name,
        Script(json.dumps({"x": "y" * 3_000_000}).encode(), content_type="application/json", chunk=100_000),
        max_response_bytes=1_000_000,
        stream=False,
    )
    assert document.kind == "response_too_large"
    assert "max_response_bytes" in str(document)


@pytest.mark.parametrize("name", NAMES)
def test_an_endless_error_is_cut(name: str) -> None:
    error, seconds = ask(name, Script(b"x" * 30_000_000, status=400, content_type="text/plain", chunk=1_000_000))

    assert error.status == 400
    assert len(str(error)) < 3_000
    assert seconds < 10


def test_a_slow_answer_that_goes_on_is_no_silence() -> None:
    events = [{"choices": [{"index": 0, "delta": {"content": str(number)}}]} for number in range(10)]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    width = max(map(len, lines))
    body = b"".join(line.ljust(width, b"\n") for line in lines) + b"data: [DONE]\n\n"
    with served("openai-chat:m", "k" * 9) as server:
        engine = server.engine(Script(body, chunk=width, pause=0.15), base_url=server.url + "/v1", timeout=1.0)
        assert nt.Session(engine).ask("x").result(60).text == "0123456789"
