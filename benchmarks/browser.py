"""The views in a real JupyterLab: what is painted when, and what goes over the wire.

Beside ours stand itables and pandas' own HTML with a tenth of the rows, in the same tab on the same machine.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from tests.lab.browser import find
from tests.lab.jupyterlab import BROWSER_FLAGS, ROOT, Lab, serve

Row = tuple[str, str, str]  # what, measured, wanted

BLOCKS = """
import nbturns as nt
def blocks(n):
    text = "It was below seven degrees for five of the eight hours, and the door sensor has been silent since ten. " * 2
    return [nt.user(f"{i} {text}") if i % 2 else nt.assistant(f"{i} {text}") for i in range(n)]
turn = nt.Turn(blocks(100_000))
import pandas as pd
frame = pd.DataFrame({"kind": [b.kind for b in turn[:10_000]], "text": [b.text for b in turn[:10_000]], **{c: range(10_000) for c in "abcdef"}})
"""
PAINTED = {
    "ours, 100,000 blocks": ("view = nt.view(turn)\nview", ".nbt-row[data-index]", "≤ 250 ms, ≤ 100 KB"),
    "itables, 10,000 rows": (
        "import itables\nfrom itables.widget import ITable\nitables.options.maxBytes = 0\nITable(frame)",
        "table.dataTable tbody tr:nth-child(5)",
        "",
    ),
    "pandas' HTML, 10,000 rows": (
        "from IPython.display import HTML\nHTML(frame.to_html())",
        "table.dataframe tbody tr:nth-child(10000)",
        "",
    ),
}

# Runs a cell and says when what is looked for was painted: ms after the cell ended, and after it began.
PAINT = """async ([index, selector, waits]) => {
    const app = window.jupyterapp, panel = app.shell.currentWidget;
    const frame = () => new Promise(requestAnimationFrame);
    const place = () => panel.content.widgets[index].outputArea.node.querySelector(selector);
    panel.content.activeCellIndex = index;
    panel.content.deselectAll();
    await app.commands.execute("notebook:clear-cell-output");
    while (!waits && place()) await frame();
    const began = performance.now();
    let painted = 0;
    const watch = (async () => { while (!place()) await frame(); await frame(); await frame(); painted = performance.now(); })();
    await app.commands.execute("notebook:run-cell");
    const ended = performance.now();
    await watch;
    return [painted - ended, painted - began];
}"""


@contextmanager
def lab() -> Iterator[Lab]:
    path = find()
    if path is None:
        raise SystemExit("no browser: `python -m tests.lab.browser` gets one")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(ROOT / "fixtures", Path(folder) / "fixtures")
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        with serve(Path(folder)) as server:
            yield Lab(browser, server)
        browser.close()


def first_paint() -> Iterator[Row]:
    with lab() as tab:
        tab.new([BLOCKS, *(cell for cell, _, _ in PAINTED.values())])
        tab.run(0)
        for index, (what, (_, selector, wanted)) in enumerate(PAINTED.items(), 1):
            found = []
            for _ in range(5 if index == 1 else 2):
                tab.until_idle()
                before = tab.received
                after_end, after_begin = tab.page.evaluate(PAINT, [index, selector, False])
                found.append((after_end, after_begin, tab.received - before))
            paint, whole, wire = (min(column) for column in zip(*found, strict=True))
            measured = f"{max(paint, 0):,.0f} ms, {wire / 1000:,.0f} KB"
            yield f"first paint after the cell ends, {what}", measured, wanted
            yield f"first paint after it began, {what}", f"{whole:,.0f} ms", ""


EMPTY = """async index => {
    const app = window.jupyterapp;
    app.shell.currentWidget.content.activeCellIndex = index;
    const began = performance.now();
    await app.commands.execute("notebook:run-cell");
    return performance.now() - began;
}"""
APPEND = """
import time
sent = []
comm = view.comm
send = comm.send
def counted(data=None, *given, **named):
    import json
    sent.append(len(json.dumps(data)))
    return send(data, *given, **named)
comm.send = counted
"""


def append() -> Iterator[Row]:
    """One block more at the end of 100 and of 100,000: bytes of the update, and ms until it stands on the screen."""
    for count in (100, 100_000):
        with lab() as tab:
            code = f"view = nt.view(turn[:{count}])\nview"
            tab.new(
                [
                    BLOCKS,
                    code,
                    APPEND,
                    "del sent[:]; view.turn = view.turn + nt.user('one more')",
                    "print(sent)",
                    "pass",
                ]
            )
            for cell in range(3):
                tab.run(cell)
            times, sizes, empty = [], [], []
            tab.page.wait_for_timeout(8_000)  # in idle time the page has fetched what comes next
            for n in range(5):
                tab.until_idle()
                selector = f'.nbt-grid[aria-rowcount="{count + n + 2}"]'
                script = PAINT.replace("widgets[index].outputArea", "widgets[1].outputArea")
                _, took = tab.page.evaluate(script, [3, selector, True])
                times.append(took)
                tab.run(4)
                sizes.append(sum(json.loads(tab.text(4))))
                empty.append(tab.page.evaluate(EMPTY, 5))
            what = f"one block more, of {count:,}"
            yield f"{what}: payload", f"{max(sizes):,} B", "≤ 2,000 B"
            yield (
                f"{what}: to the screen, without an empty cell's time",
                f"{median(times) - median(empty):,.0f} ms",
                "≤ 100 ms",
            )
            yield f"{what}: an empty cell", f"{median(empty):,.0f} ms", ""


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
LONG = """() => {
    window.longest = 0;
    new PerformanceObserver(list => { for (const one of list.getEntries()) window.longest = Math.max(window.longest, one.duration) }).observe({type: "longtask"});
}"""


def deltas() -> Iterator[Row]:
    """2,000 deltas of an 18 KB answer, 100 a second."""
    with lab() as tab:
        tab.new([STREAM, COUNT, TOLD])
        tab.run(0)
        tab.until_idle()
        tab.page.wait_for_timeout(1500)
        tab.page.evaluate(LONG)
        tab.run(1)
        tab.page.wait_for_timeout(21_000)
        longest = tab.page.evaluate("window.longest")
        tab.run(2)
        payload, messages, busiest, text = json.loads(tab.text(2))
        whole = tab.output(0).get_by_text("word1999").count()
    yield f"2,000 deltas of {text / 1000:.0f} KB: payload", f"{payload / 1000:.1f} KB", "≤ 54 KB"
    yield "2,000 deltas: messages, and in the busiest second", f"{messages:,}, {busiest}", "≤ 30 a second"
    yield "2,000 deltas: longest task (over 50 ms)", f"{longest:.0f} ms", "0"
    yield "2,000 deltas: all of the text on the screen", "yes" if whole else "no", "yes"


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
    while (status.textContent === before || !status.textContent.startsWith("paused")) await frame();
    await frame();
    return performance.now() - began;
}"""


def click() -> Iterator[Row]:
    with lab() as tab:
        tab.new([STEPS])
        tab.run(0)
        tab.output(0).get_by_text("paused before the tools run").wait_for()
        times = sorted(tab.page.evaluate(CLICK) for _ in range(20))
    yield "click on Step to the next pause on screen, median", f"{median(times):.0f} ms", "≤ 150 ms"
    yield "click on Step, slowest of 20", f"{times[-1]:.0f} ms", ""


ALL: tuple[Any, ...] = (first_paint, append, deltas, click)
