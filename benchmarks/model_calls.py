"""The cost of an engine on top of its client: the first request, many requests at once, a stop, and what remains afterwards."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import nbturns as nt
from nbturns.runtime.background_loop import Waiting

AT_ONCE = 100
ROUNDS = 5
RUNS = 1000
FIRST = """
import sys, time
url = sys.argv[1]
import openai
openai.AsyncOpenAI(api_key="k-none").responses.with_streaming_response.create  # it imports this much when it is used
began = time.process_time()
import nbturns as nt
nt.Session(nt.engine("openai:gpt-5.1", base_url=url + "/v1", api_key="k-none")).ask("Say hello.").result(30)
print(time.process_time() - began)
"""


@contextmanager
def played() -> Iterator[str]:
    """The local server, in a process of its own."""
    command = [sys.executable, "-m", "nbturns.testing.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:  # noqa: S603  # ours
        assert program.stdout is not None
        try:
            yield program.stdout.readline().split()[0]
        finally:
            program.terminate()


def first_request() -> Iterator[tuple[str, str, str]]:
    with played() as url:
        ours = [subprocess.check_output([sys.executable, "-c", FIRST, url], text=True) for _ in range(5)]  # noqa: S603
    quickest = min(map(float, ours))
    yield "nt.engine to the first answer, beyond the SDK", f"{quickest:.2f} s CPU", "0.3"


async def _bare(url: str) -> float:
    """Requests a second of the same client's bare posts."""
    import openai

    body = {"model": "gpt-5.1", "input": [{"role": "user", "content": "Say hello."}], "stream": True}
    async with openai.AsyncOpenAI(base_url=url, api_key="k-none", max_retries=0, timeout=60) as client:

        async def one() -> None:
            create = client.responses.with_streaming_response.create
            async with create(model="gpt-5.1", stream=True, extra_body={"input": body["input"]}) as response:
                async for _ in response.iter_bytes():
                    pass

        await one()
        began = time.perf_counter()
        for _ in range(ROUNDS):
            await asyncio.gather(*(one() for _ in range(AT_ONCE)))
        return ROUNDS * AT_ONCE / (time.perf_counter() - began)


def _sessions(engine: object) -> float:
    """Requests a second of as many sessions at once."""
    nt.Session(engine).ask("Say hello.").result(30)  # type: ignore[arg-type]  # an engine
    began = time.perf_counter()
    for _ in range(ROUNDS):
        asked = [nt.Session(engine).ask("Say hello.") for _ in range(AT_ONCE)]  # type: ignore[arg-type]
        for execution in asked:
            assert execution.result(60).text.startswith("Hello!")
    return ROUNDS * AT_ONCE / (time.perf_counter() - began)


def many_at_once() -> Iterator[tuple[str, str, str]]:
    with played() as url:
        engine = nt.engine("openai:gpt-5.1", base_url=f"{url}/v1", api_key="k-none", retries=0, connect_timeout=60)
        pairs = [(Waiting(_bare(f"{url}/v1")).result(120), _sessions(engine)) for _ in range(3)]
    bare, ours = max(pairs, key=lambda pair: pair[1] / pair[0])
    yield f"{AT_ONCE} sessions at once, of the client's bare posts", f"{ours / bare:.0%} ({ours:.0f}/s)", "80 %"


def stopping() -> Iterator[tuple[str, str, str]]:
    took = []
    with played() as url:
        engine = nt.engine("openai:gpt-5.1", base_url=f"{url}/_fault/delay-ms=50/v1", api_key="k-none")
        for _ in range(10):
            execution = nt.Session(engine).ask("Please count to forty.")
            while not execution.deltas:
                time.sleep(0.005)
            began = time.perf_counter()
            execution.stop()
            assert execution.result(10).text
            took.append(time.perf_counter() - began)
    yield "a stop during a stream, the slowest of ten", f"{max(took) * 1000:.0f} ms", "200"


def left_behind() -> Iterator[tuple[str, str, str]]:
    def held() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0, threading.active_count()  # noqa: PTH112, PTH208

    with played() as url:
        engine = nt.engine("openai-chat:gpt-4.1", base_url=f"{url}/v1", retries=0)
        nt.Session(engine).ask("Say hello.").result(30)
        before = held()
        for _ in range(RUNS // 10):
            for execution in [nt.Session(engine).ask("Say hello.") for _ in range(10)]:
                execution.result(30)
        Waiting(engine.transport.close()).result(10)  # type: ignore[attr-defined]  # of every transport of ours
        time.sleep(0.2)
        sockets, threads = (after - was for was, after in zip(before, held(), strict=True))
    yield f"sockets and threads left after {RUNS:,} runs", f"{max(sockets, 0)}, {max(threads, 0)}", "0, 0"


ALL = (first_request, many_at_once, stopping, left_behind)
