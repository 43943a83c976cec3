"""Streaming and stepping in a real JupyterLab: bytes, messages, tasks of the page, and milliseconds to the screen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import median
from typing import Any

from .page_timing import ECHO, Row, lab, watched

STREAM = """
import nbturns as nt, json, time
words = [f"word{n:04d} " for n in range(2000)]
execution = nt.Session(nt.scripted("".join(words), pace=0.01)).ask("?", step={"pre_inference"})
view = nt.view(execution)
view
"""
COUNT = """
sent = []
comm = view.comm
send = comm.send
def counted(data=None, *given, **named):
    sent.append((time.monotonic(), len(json.dumps(data, separators=(",", ":")))))
    return send(data, *given, **named)
comm.send = counted
execution.resume()
"""
TOLD = """
execution.result(60); time.sleep(0.3)
busiest = max(sum(t <= u < t + 1 for u, _ in sent) for t, _ in sent)
print(json.dumps([sum(n for _, n in sent), len(sent), busiest, len("".join(words))]))
"""


def deltas() -> Iterator[Row]:
    """2,000 deltas of an 18 KB answer, 100 a second."""
    with lab() as tab:
        tab.new([STREAM, COUNT, TOLD])
        tab.run(0)
        tab.wait_until_idle()
        with watched(tab) as tasks:
            tab.run(1)
            tab.output(0).get_by_text("word1999").wait_for(timeout=60_000)
        tab.run(2)
        payload, messages, busiest, text = json.loads(tab.text(2))
    clock, work = tasks.longest
    yield f"2,000 deltas of {text / 1000:.0f} KB: payload", f"{payload / 1000:.1f} KB", "≤ 54 KB"
    yield "2,000 deltas: messages, and in the busiest second", f"{messages:,}, {busiest}", "≤ 30 a second"
    yield "2,000 deltas: longest task of the page, at work", f"{work:.0f} ms", "≤ 50 ms"
    yield "2,000 deltas: … by the clock, others' work on the machine and all", f"{clock:.0f} ms", "≤ 50 ms"
    yield "2,000 deltas: the page at work, for each message", f"{tasks.work / messages:.1f} ms", ""


STEPS = """
import nbturns as nt
def same(x: int) -> int:
    return x
script = [nt.tool_call(f"c{n}", "same", {"x": n}) for n in range(40)]
execution = nt.Session(nt.scripted(*script, "done"), tools=[same], tool_config=nt.ToolConfig(max_iterations=50), step=True).ask("?")
execution
"""
CLICK = """async () => {
    const status = document.querySelector('.nbt-stepper [role="status"]');
    const before = status.textContent;
    const frame = () => new Promise(requestAnimationFrame);
    const began = performance.now();
    document.querySelector(".nbt-stepper .nbt-step").click();
    while (status.textContent === before || !status.textContent.startsWith("Paused")) await frame();
    await frame();
    return performance.now() - began;
}"""
SAID = """async () => {
    const said = document.querySelector(".echoed");
    const before = said.textContent;
    const frame = () => new Promise(requestAnimationFrame);
    const began = performance.now();
    document.querySelector(".echo").click();
    while (said.textContent === before) await frame();
    await frame();
    return performance.now() - began;
}"""


def click() -> Iterator[Row]:
    """A click on Step, alternating with a click that a widget of five lines sends back unchanged."""
    with lab() as tab:
        tab.new([STEPS, ECHO + "\nEcho()"])
        tab.run(0)
        tab.run(1)
        tab.output(0).get_by_text("Paused before the tools run").wait_for()
        tab.output(1).locator(".echoed").wait_for()
        times, echoes = [], []
        for _ in range(30):
            times.append(tab.page.evaluate(CLICK))
            echoes.append(tab.page.evaluate(SAID))
    yield "click on Step to the next pause on screen, median", f"{median(times):.0f} ms", "≤ 150 ms"
    yield "click on Step, the best and the slowest of 30", f"{min(times):.0f}, {max(times):.0f} ms", ""
    yield (
        "a click that comes back as it went, median, best, slowest",
        f"{median(echoes):.0f}, {min(echoes):.0f}, {max(echoes):.0f} ms",
        "",
    )


ALL: tuple[Any, ...] = (deltas, click)
