"""JupyterLab in a browser, with two clocks: what came over the wire when, and what the page's own thread did.

Times in a browser depend on who else uses the machine. So beside them stand those of a widget of five lines in the
same tab, and the time that the page's thread was really at work.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tests.lab.browser import find_browser
from tests.lab.jupyterlab import BROWSER_FLAGS, ROOT, Lab, serve

Row = tuple[str, str, str]  # what, measured, wanted

# Keeps each message from the kernel: when it came, how long it is, and (`told`, when asked) what is in it.
RECORD = """
window.wire = [];
window.WebSocket = class extends WebSocket {
    constructor(...given) {
        super(...given);
        this.addEventListener("message", ({ data }) => window.wire.push([performance.now(), data.byteLength ?? data.length, data]));
    }
};
window.told = (until = Infinity) => window.wire.filter(([at]) => at <= until).map(([at, size, data]) => {
    if (typeof data === "string") return [at, size, {}];
    const view = new DataView(data), text = new TextDecoder();
    const offsets = Array.from({ length: Number(view.getBigUint64(0, true)) }, (_, n) => Number(view.getBigUint64(8 * (n + 1), true)));
    const content = JSON.parse(text.decode(data.slice(offsets[4], offsets[5])));
    const long = value => value === undefined ? 0 : JSON.stringify(value).length;
    const state = content.data?.state ?? {}, shown = content.data?.["text/html"];
    return [at, size, { script: long(state._esm) + long(state._css), rows: long(state._start), still: long(shown) }];
});
"""

ECHO = '''
import anywidget
class Echo(anywidget.AnyWidget):
    _esm = """export default { render({ model, el }) {
        const button = document.createElement("button"), said = document.createElement("span");
        button.className = "echo", said.className = "echoed", said.textContent = "0";
        button.onclick = () => model.send({ n: Number(said.textContent) + 1 });
        model.on("msg:custom", message => { said.textContent = String(message.n) });
        el.append(button, said);
    } }"""
    def __init__(self):
        super().__init__()
        self.on_msg(lambda widget, message, buffers: self.send(message))
'''


@contextmanager
def lab() -> Iterator[Lab]:
    path = find_browser()
    if path is None:
        raise SystemExit("no browser: `python -m tests.lab.browser` gets one")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        shutil.copytree(ROOT / "fixtures", Path(folder) / "fixtures")
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        with serve(Path(folder)) as server:
            tab = Lab(browser, server)
            tab.page.add_init_script(RECORD)
            tab.load()
            yield tab
        browser.close()


def parts(told: list[Any]) -> dict[str, int]:
    """Bytes of what came, by what they are; `rest` is Jupyter's own."""
    found: Counter[str] = Counter()
    for _, size, known in told:
        found.update(known)
        found["rest"] += size - sum(known.values())
    return dict(found)


class Tasks:
    """The tasks of the page's main thread while something happened, in ms: by the clock, and at work."""

    def __init__(self, found: list[tuple[float, float]]) -> None:
        self.found = found

    @property
    def work(self) -> float:
        return sum(work for _, work in self.found)

    @property
    def longest(self) -> tuple[float, float]:
        """By the clock, which counts what the machine did for others; and at work."""
        return max((clock for clock, _ in self.found), default=0.0), max((work for _, work in self.found), default=0.0)


@contextmanager
def watched(tab: Lab) -> Iterator[Tasks]:
    """What the page's main thread does meanwhile, from Chromium's trace."""
    browser = tab.page.context.browser
    assert browser is not None
    tasks = Tasks([])
    browser.start_tracing(page=tab.page, categories=["toplevel", "devtools.timeline"])
    tab.page.wait_for_timeout(500)  # to begin tracing is itself a long task
    tab.page.evaluate("performance.mark('begun'), console.timeStamp('begun')")
    yield tasks
    tab.page.evaluate("console.timeStamp('ended')")
    events = json.loads(browser.stop_tracing())["traceEvents"]
    marks = [one for one in events if one.get("name") == "TimeStamp"]
    begun, ended = (next(one for one in marks if one["args"]["data"]["message"] == word) for word in ("begun", "ended"))
    for one in events:
        same = (one.get("pid"), one.get("tid")) == (begun["pid"], begun["tid"])
        if same and one.get("name", "").endswith("RunTask") and begun["ts"] <= one["ts"] < ended["ts"]:
            tasks.found.append((one.get("dur", 0) / 1000, one.get("tdur", 0) / 1000))
