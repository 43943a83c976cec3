"""The views in a real JupyterLab: what is painted when, and what goes over the wire.

Beside ours stand itables and pandas' own HTML with a tenth of the rows, and a widget of five lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import median
from typing import Any

from .page_timing import ECHO, Row, lab, parts, watched
from .peer_packages import MISSING, is_there

BLOCKS = """
import nbturns as nt
def blocks(n):
    text = "It was below seven degrees for five of the eight hours, and the door sensor has been silent since ten. " * 2
    return [nt.user(f"{i} {text}") if i % 2 else nt.assistant(f"{i} {text}") for i in range(n)]
turn = nt.Turn(blocks(100_000))
"""
FRAME = """
import pandas as pd
frame = pd.DataFrame({"kind": [b.kind for b in turn[:10_000]], "text": [b.text for b in turn[:10_000]], **{c: range(10_000) for c in "abcdef"}})
"""
OURS = "ours, 100,000 blocks"
PAINTED = {
    OURS: ("", "view = nt.view(turn)\nview", ".nbt-row[data-index]", "≤ 250 ms, ≤ 100 KB"),
    "a widget of five lines": ("anywidget", "Echo()", ".echoed", ""),
    "itables, 10,000 rows": (
        "itables",
        "import itables\nfrom itables.widget import ITable\nitables.options.maxBytes = 0\nITable(frame)",
        "table.dataTable tbody tr:nth-child(5)",
        "",
    ),
    "pandas' HTML, 10,000 rows": (
        "pandas",
        "from IPython.display import HTML\nHTML(frame.to_html())",
        "table.dataframe tbody tr:nth-child(10000)",
        "",
    ),
}
AT_REST = 4_000  # ms, in which a page has fetched what it wants to have at hand

# Runs a cell and says when what is looked for was painted: ms after the cell ended, and after it began; and when that was.
PAINT = """async ([index, selector, waits]) => {
    const app = window.jupyterapp, panel = app.shell.currentWidget;
    const frame = () => new Promise(requestAnimationFrame);
    const place = () => panel.content.widgets[index].outputArea.node.querySelector(selector);
    panel.content.activeCellIndex = index;
    panel.content.deselectAll();
    await app.commands.execute("notebook:clear-cell-output");
    while (!waits && place()) await frame();
    window.wire.length = 0;
    const began = performance.now();
    let painted = 0;
    const watch = (async () => { while (!place()) await frame(); await frame(); await frame(); painted = performance.now(); })();
    await app.commands.execute("notebook:run-cell");
    const ended = performance.now();
    await watch;
    return [painted - ended, painted - began, painted];
}"""


def first_paint() -> Iterator[Row]:
    with lab() as tab:
        tab.new([BLOCKS + ECHO, FRAME, *(cell for _, cell, _, _ in PAINTED.values())])
        tab.run(0)
        for index, (what, (package, _, selector, wanted)) in enumerate(PAINTED.items(), 2):
            if package and not is_there(package):
                yield f"first paint, {what}", "missing", MISSING
                continue
            if package in ("itables", "pandas") and not tab.text(1):
                tab.run(1)
            found, told, ahead = [], [], 0
            for _ in range(5 if index <= 3 else 2):
                tab.wait_until_idle()
                after_end, after_begin, painted = tab.page.evaluate(PAINT, [index, selector, False])
                told = tab.page.evaluate("until => window.told(until)", painted)
                found.append((max(after_end, 0), after_begin, sum(size for _, size, _ in told)))
                if what == OURS:
                    tab.page.wait_for_timeout(AT_REST)
                    ahead = tab.page.evaluate("window.wire.reduce((sum, [, size]) => sum + size, 0)") - found[-1][2]
            paint, whole, wire = ([one[n] for one in found] for n in range(3))
            measured = f"{min(paint):,.0f} ms, {max(wire) / 1000:,.0f} KB"
            yield f"first paint after the cell ends, {what}", measured, wanted
            yield f"… the first, the median of {len(found)}", f"{paint[0]:,.0f}, {median(paint):,.0f} ms", ""
            yield f"first paint after it began, {what}: best, median", f"{min(whole):,.0f}, {median(whole):,.0f} ms", ""
            if what == OURS:
                yield from _of_what(parts(told), ahead)


def _of_what(bytes_of: dict[str, int], ahead: int) -> Iterator[Row]:
    names = {
        "script": "the script and its style",
        "rows": "the first rows",
        "still": "the static table that stays in the file",
        "rest": "Jupyter's own",
    }
    for name, what in names.items():
        yield f"… of it {what}", f"{bytes_of.get(name, 0) / 1000:.1f} KB", ""
    yield "… afterwards, fetched ahead in idle time", f"{ahead / 1000:,.0f} KB", ""


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
    """One block more at the end of 100 and of 100,000: bytes of the update, and milliseconds until it is on the screen."""
    for count in (100, 100_000):
        with lab() as tab:
            code = f"view = nt.view(turn[:{count}])\nview"
            more = "del sent[:]; view.turn = view.turn + nt.user('one more')"
            tab.new([BLOCKS, code, APPEND, more, "print(sent)", "pass"])
            for cell in range(3):
                tab.run(cell)
            times, sizes, empty = [], [], []
            tab.page.wait_for_timeout(AT_REST)
            script = PAINT.replace("widgets[index].outputArea", "widgets[1].outputArea")
            for n in range(12):
                tab.wait_until_idle()
                selector = f'.nbt-grid[aria-rowcount="{count + n + 2}"]'
                times.append(tab.page.evaluate(script, [3, selector, True])[1])
                tab.run(4)
                sizes.append(sum(json.loads(tab.text(4))))
                tab.wait_until_idle()
                empty.append(tab.page.evaluate(EMPTY, 5))
            with watched(tab) as ours:
                tab.page.evaluate(script, [3, f'.nbt-grid[aria-rowcount="{count + 14}"]', True])
            with watched(tab) as theirs:
                tab.page.evaluate(EMPTY, 5)
        what = f"one block more, of {count:,}"
        best, usual = min(times) - min(empty), median(times) - median(empty)
        yield f"{what}: payload", f"{max(sizes):,} B", "≤ 2,000 B"
        yield f"{what}: to the screen, less an empty cell's time", f"{best:,.0f}, {usual:,.0f} ms", "≤ 100 ms"
        yield f"{what}: an empty cell", f"{min(empty):,.0f}, {median(empty):,.0f} ms", ""
        yield f"{what}: the page at work; at an empty cell", f"{ours.work:,.0f}, {theirs.work:,.0f} ms", ""


LONG_RUN = """
import nbturns as nt
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage
blocks = [nt.system("You fix bugs. " * 20), nt.user("Watering ran twice. Find out why.")]
for n in range(997):
    usage = Usage(3000 + n % 160 * 1100, 120, n % 160 * 1000)
    result = InferenceResult(inference_id=f"i{n}", model="claude-sonnet-4-5", usage=usage, duration_ms=1500, cost=0.02)
    made = nt.assistant(f"Step {n}."), nt.tool_call(f"c{n}", "read_file", {"path": f"logs/{n}.log"})
    blocks += [block.with_metadata(INFERENCE_RESULT, result).with_metadata(INFERENCE_ID, f"i{n}") for block in made]
    blocks.append(nt.tool_use(f"c{n}", f"line {n} " * 60))
run = nt.Run((nt.Turn(blocks),), name="calls")
"""
COUNT_ELEMENTS = "index => window.jupyterapp.shell.currentWidget.content.widgets[index].outputArea.node.querySelectorAll('.nbt-view *').length"


def long_run() -> Iterator[Row]:
    """A Run of 997 model calls: from the beginning of the cell to its first row, and the elements of the view."""
    with lab() as tab:
        tab.new([LONG_RUN, "nt.view(run)"])
        tab.run(0)
        times = []
        for _ in range(5):
            tab.wait_until_idle()
            times.append(tab.page.evaluate(PAINT, [1, ".nbt-row[data-index]", False])[1])
        elements = tab.page.evaluate(COUNT_ELEMENTS, 1)
    yield "first paint, a Run of 997 calls: best, median", f"{min(times):,.0f}, {median(times):,.0f} ms", "≤ 600 ms"
    yield "first paint, a Run of 997 calls: elements", f"{elements:,}", "≤ 1,500"


RUNS = """
import nbturns as nt
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage
def run(n):
    result = InferenceResult(inference_id="i", model="claude-sonnet-4-5", usage=Usage(1000 + n, 50), cost=0.01, duration_ms=1000 + n)
    answer = nt.assistant(f"answer {n} " * 10).with_metadata(INFERENCE_RESULT, result).with_metadata(INFERENCE_ID, "i")
    return nt.Run((nt.Turn([nt.user("q"), answer]),), id=f"r{n}", name=f"run {n}")
frame = nt.frames.runs([run(n) for n in range(10_000)])
nt.view(frame).close()
"""


def many_runs() -> Iterator[Row]:
    """A table of 10,000 Runs: from the beginning of the cell to its first row, the frame being ready."""
    with lab() as tab:
        tab.new([RUNS, "nt.view(frame)"])
        tab.run(0)
        times = []
        for _ in range(5):
            tab.wait_until_idle()
            times.append(tab.page.evaluate(PAINT, [1, ".nbt-runs tbody tr:nth-child(20)", False])[1])
    yield "first paint, a table of 10,000 Runs: best, median", f"{min(times):,.0f}, {median(times):,.0f} ms", "≤ 500 ms"


ALL: tuple[Any, ...] = (first_paint, append, long_run, many_runs)
