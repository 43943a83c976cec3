"""The cost of a capture for the agent, its view while 10,000 spans arrive, and what remains in memory."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import nbturns as nt

from .model_calls import played
from .page_timing import Row, lab

ROUNDS, CALLS = 40, 20
SPANS = """
import json, threading, time
import nbturns as nt
from opentelemetry.sdk.trace import TracerProvider
AGENTS, CALLS = 250, 20
def agent(tracer, number, pause=0.0):
    messages = [{"role": "user", "parts": [{"type": "text", "content": f"question {number}"}]}]
    for call in range(CALLS):
        part = {"type": "tool_call", "id": f"c{number}-{call}", "name": "look", "arguments": {"n": call}}
        reply = {"role": "assistant", "parts": [part]}
        attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1", "gen_ai.provider.name": "openai",
                      "gen_ai.usage.input_tokens": 100 + call, "gen_ai.usage.output_tokens": 10,
                      "gen_ai.input.messages": json.dumps(messages), "gen_ai.output.messages": json.dumps([reply])}
        tracer.start_span("chat", attributes=attributes).end()
        tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "look", "gen_ai.tool.call.id": part["id"], "gen_ai.tool.call.result": "found"}
        tracer.start_span("execute_tool look", attributes=tool).end()
        messages += [reply, {"role": "tool", "parts": [{"type": "tool_call_response", "id": part["id"], "response": "found"}]}]
        time.sleep(pause)
provider = TracerProvider()
tracer = provider.get_tracer("agent")
captured = nt.capture(provider)
"""
VIEW = """
view = nt.view(captured)
sent = []
def count(widget):
    send = widget.comm.send
    def counted(data=None, *given, **named):
        sent.append(time.monotonic())
        return send(data, *given, **named)
    widget.comm.send = counted
for widget in (view.opened, view.table, view._status):
    count(widget)
view
"""
RUN_AGENTS = """
def run_agents():
    for number in range(AGENTS):
        agent(tracer, number, pause=0.004)
thread = threading.Thread(target=run_agents)
thread.start()
"""
TOLD = """
thread.join()
busiest = max(sum(t <= u < t + 1 for u in sent) for t in sent)
runs = captured.runs
print(json.dumps([len(runs), sum(len(run[-1]) for run in runs), len(sent), busiest, len(captured.errors)]))
"""
FRAMES = """seconds => new Promise(done => {
    const began = performance.now();
    let frames = 0, longest = 0, last = began;
    const frame = now => {
        frames += 1; longest = Math.max(longest, now - last); last = now;
        if (now - began < seconds * 1000) requestAnimationFrame(frame);
        else done([frames / (now - began) * 1000, longest]);
    };
    requestAnimationFrame(frame);
})"""


def _openai(url: str) -> tuple[Any, Callable[[Any], object]]:
    import openai

    client = openai.OpenAI(api_key="k-none", base_url=f"{url}/_fault/delay-ms=1/_case/chat-hello/v1", max_retries=0)
    prompt: Any = [{"role": "user", "content": "Say hello."}]
    return client, lambda client: client.chat.completions.create(model="gpt-4.1", messages=prompt)


def _anthropic(url: str) -> tuple[Any, Callable[[Any], object]]:
    import anthropic

    client = anthropic.Anthropic(
        api_key="k-none", base_url=f"{url}/_fault/delay-ms=1/_case/anthropic-hello", max_retries=0
    )
    prompt: Any = [{"role": "user", "content": "Say hello."}]
    return client, lambda client: client.messages.create(model="claude-sonnet-4-5", max_tokens=99, messages=prompt)


def cost_of_captures() -> Iterator[Row]:
    """Loops over a server that answers in 1 ms, alternately with and without a capture."""
    with played() as url:
        for name, make in (("openai", _openai), ("anthropic", _anthropic)):
            client, ask = make(url)
            processor: dict[bool, list[float]] = {False: [], True: []}
            clock: dict[bool, list[float]] = {False: [], True: []}
            for round_number in range(-1, ROUNDS):
                for is_captured in (False, True) if round_number % 2 else (True, False):
                    captured = nt.capture(client) if is_captured else None
                    began, work = time.perf_counter(), time.thread_time()
                    for _ in range(CALLS):
                        ask(client)
                    if round_number >= 0:  # the first round warms up
                        processor[is_captured].append(time.thread_time() - work)
                        clock[is_captured].append(time.perf_counter() - began)
                    if captured is not None:
                        captured.stop()
            for what, times in (("processor", processor), ("clock", clock)):
                share = median(times[True]) / median(times[False]) - 1
                added = (median(times[True]) - median(times[False])) / CALLS
                yield (
                    f"nt.capture of a loop over {name}, by the {what}",
                    f"{share:+.1%} ({added * 1e6:+.0f} µs)",
                    "≤ 5 %",
                )


def ten_thousand_spans() -> Iterator[Row]:
    """250 agents of 20 calls and 20 tools, each call with all messages before it."""
    names: dict[str, Any] = {}
    exec(SPANS, names)  # noqa: S102  # as the kernel runs it
    began = time.process_time()
    for number in range(names["AGENTS"]):
        names["agent"](names["tracer"], number)
    made = time.process_time() - began
    captured: nt.Captured = names["captured"]
    began = time.process_time()
    runs = captured.runs
    read = time.process_time() - began
    names["agent"](names["tracer"], len(runs))
    began = time.process_time()
    assert len(captured.runs) == len(runs) + 1
    again = time.process_time() - began
    assert all(len(run[-1]) == 1 + 2 * names["CALLS"] for run in runs)
    captured.stop()
    yield "10,000 spans: the agents at work, capture included", f"{made:.1f} s CPU", ""
    yield "10,000 spans: reading all as 250 Runs", f"{read:.1f} s CPU", ""
    yield "10,000 spans: reading 40 more", f"{again * 1000:.0f} ms CPU", ""


def view_of_ten_thousand_spans() -> Iterator[Row]:
    """The view in JupyterLab while they arrive, for at least 20 seconds."""
    with lab() as tab:
        tab.new([SPANS, VIEW, RUN_AGENTS, TOLD])
        for number in range(3):
            tab.run(number)
        tab.output(1).get_by_role("table", name="Runs", exact=True).wait_for(timeout=60_000)
        frames, longest = tab.page.evaluate(FRAMES, 15)
        tab.run(3)
        runs, blocks, messages, busiest, errors = json.loads(tab.text(3))
    assert (runs, blocks, errors) == (250, 250 * 41, 0)
    yield "10,000 spans in a view: frames of the page", f"{frames:.0f} a second", "≥ 30"
    yield "10,000 spans in a view: longest time between two frames", f"{longest:.0f} ms", ""
    yield "10,000 spans in a view: messages, and in the busiest second", f"{messages:,}, {busiest}", "≤ 30 a second"


def memory_of_dropped_runs() -> Iterator[Row]:
    """Captures of 120 spans that are dropped, one after the other."""
    names: dict[str, Any] = {}
    exec(SPANS, names)  # noqa: S102  # as the kernel runs it
    provider = names["provider"]
    names.pop("captured")
    sizes = []
    tracemalloc.start()
    for _ in range(4):
        captured = nt.capture(provider)
        for number in range(3):
            names["agent"](names["tracer"], number)
        assert len(captured.runs) == 3
        kept = tracemalloc.get_traced_memory()[0]
        del captured
        gc.collect()
        sizes.append((kept, tracemalloc.get_traced_memory()[0]))
    tracemalloc.stop()
    kept, left = sizes[-1][0], sizes[-1][1] - sizes[0][1]
    yield "a capture of 120 spans, read", f"{kept / 1e6:.1f} MB", ""
    yield "left after three more of them are dropped", f"{left / 1e6:.2f} MB", "flat"


ALL = (cost_of_captures, ten_thousand_spans, view_of_ten_thousand_spans, memory_of_dropped_runs)
