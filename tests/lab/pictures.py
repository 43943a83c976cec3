"""Take the pictures of the README from a real JupyterLab (`make pictures`), the dark ones into `artifacts`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from playwright.sync_api import Locator, expect, sync_playwright

from tests.lab.browser import NOT_FOUND_MESSAGE, find_browser
from tests.lab.jupyterlab import ARTIFACTS, BROWSER_FLAGS, ROOT, Lab, serve

DOCS = ROOT / "docs"
LOAD = "import nbturns as nt\nrun = nt.load('fixtures/greenhouse.yaml')\n"
CELLS = {
    "look": LOAD + "run",
    "view": LOAD + "nt.view(run[0])",
    "run": LOAD + "nt.view(run)",
    "compare": LOAD
    + "turn = run[0]\n"
    + "text = turn[13].text.replace('five', 'six').replace('9.1', '8.9')\n"
    + "edited = turn.edit(1, text='Was it too cold for the pepper seedlings last night?')\n"
    + "nt.view(nt.compare(turn, edited.edit(6, args={'sensor': 'north bench', 'hours': 12}).edit(13, text=text).drop(5)))",
    "step": """
import nbturns as nt

def readings(sensor: str, hours: int = 8) -> list[float]:
    "Air temperature in °C at one sensor."
    return [9.1, 8.4, 7.6]

calls = [nt.tool_call(f"call_{n}", "readings", {"sensor": name, "hours": 8}) for n, name in enumerate(("north bench", "south bench"))]
engine = nt.scripted([nt.reasoning("I need the readings of both benches."), *calls], "It was.")
session = nt.Session(engine, tools=[readings], step=True, system="You look after a small greenhouse.")
session.ask("Was it too cold for the tomato seedlings last night?")
""",
}


def expect_view(output: Locator) -> None:
    """Wait for the live view."""
    expect(output.locator(".nbt-view").first).to_be_visible()


READY: dict[str, Callable[[Locator], object]] = {
    "look": lambda output: expect(output.locator("table").first).to_be_visible(),
    "step": lambda output: expect(output.get_by_text("paused before the tools run")).to_be_visible(),
}
THEMES: tuple[Literal["Light"], Literal["Dark"]] = ("Light", "Dark")


def take(lab: Lab, name: str) -> None:
    """Take the pictures of one view in both themes."""
    lab.new([CELLS[name]])
    lab.run(0)
    output = lab.output(0)
    READY.get(name, expect_view)(output)
    for theme in THEMES:
        lab.theme(theme)
        lab.page.mouse.move(0, 0)
        path = ARTIFACTS / f"{name}-{theme.lower()}.png"
        output.locator(".jp-OutputArea-output").last.screenshot(path=path)  # without the number of the cell
        if theme == "Light":
            shutil.copy(path, DOCS / f"{name}.png")
        print(path.name, flush=True)  # noqa: T201 - a program of the terminal
    lab.clear()


def main() -> None:
    """Take all pictures."""
    ARTIFACTS.mkdir(exist_ok=True)
    path = find_browser()
    if path is None:
        raise SystemExit(NOT_FOUND_MESSAGE)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        shutil.copytree(ROOT / "fixtures", root / "fixtures")
        browser = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        expect.set_options(timeout=60_000)
        with serve(root) as server:
            lab = Lab(browser, server)
            lab.page.set_viewport_size({"width": 1160, "height": 1500})
            lab.evaluate("app.commands.execute('application:toggle-left-area')")
            for name in CELLS:
                take(lab, name)
        browser.close()


if __name__ == "__main__":
    main()
