"""Views in a page without Jupyter, in the colours of VS Code; they only need a widget model."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

import nbturns as nt
from tests.lab.jupyterlab import ARTIFACTS, ROOT
from tests.lab.test_appearance import accessibility_faults

# CSS variables of VS Code 1.96 in a notebook page.
THEMES = {
    "light": {
        "foreground": "#3b3b3b",
        "editor-background": "#ffffff",
        "panel-border": "#e5e5e5",
        "focusBorder": "#005fb8",
        "errorForeground": "#f85149",
        "editorWarning-foreground": "#bf8803",
        "menu-background": "#ffffff",
        "editor-findMatchHighlightBackground": "#ea5c0055",
    },
    "dark": {
        "foreground": "#cccccc",
        "editor-background": "#1f1f1f",
        "panel-border": "#2b2b2b",
        "focusBorder": "#0078d4",
        "errorForeground": "#f85149",
        "editorWarning-foreground": "#cca700",
        "menu-background": "#1f1f1f",
        "editor-findMatchHighlightBackground": "#ea5c0055",
    },
    "high-contrast": {
        "foreground": "#ffffff",
        "editor-background": "#000000",
        "panel-border": "#6fc3df",
        "focusBorder": "#f38518",
        "errorForeground": "#f48771",
        "editorWarning-foreground": "#ffd370",
        "menu-background": "#000000",
    },
}

HOST = """async ([code, state, place]) => {
    const module = await import(`data:text/javascript;base64,${code}`);
    const widget = typeof module.default === "function" ? await module.default() : module.default;
    const model = { get: name => state[name], set: (name, value) => { state[name] = value }, save_changes() {}, on() {}, off() {}, send() {} };
    await widget.initialize?.({ model });
    await widget.render({ model, el: document.getElementById(place) });
}"""


def views() -> dict[str, Any]:
    run = nt.load(ROOT / "fixtures" / "greenhouse.yaml")
    session = nt.Session(nt.scripted(nt.tool_call("c", "double", {"x": 2}), "4"), tools=[double], step=True)
    execution = session.ask("2 * 2?")
    execution.next().result(10)
    values: dict[str, Any] = {
        "turn": run[0],
        "run": run,
        "comparison": nt.compare(run[0], run[0].edit(1, text="Was it hot?").drop(5)),
    }
    return {**{name: nt.view(value) for name, value in values.items()}, "execution": nt.view(execution)}


def double(x: int) -> int:
    """Double a number."""
    return 2 * x


def render_views(page: Page, theme: str) -> None:
    css_variables = ";".join(f"--vscode-{name}:{value}" for name, value in THEMES[theme].items())
    containers = "".join(f'<div id="{name}" style="margin-bottom: 2em"></div>' for name in views())
    page.set_content(
        f'<!doctype html><html lang="en" style="{css_variables}"><body style="background: {THEMES[theme]["editor-background"]}"><main>{containers}</main></body></html>'
    )
    for name, view in views().items():
        state = {key: value for key, value in view.get_state().items() if key != "_esm"}
        page.evaluate(HOST, [base64.b64encode(view._esm.encode()).decode(), state, name])


@pytest.mark.parametrize("theme", THEMES)
def test_views_use_the_colours_of_vs_code_and_are_accessible(browser: Browser, theme: str) -> None:
    page = browser.new_page(
        viewport={"width": 1100, "height": 900}, color_scheme="light" if theme == "light" else "dark"
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))

    render_views(page, theme)

    expect(page.locator(".nbt-view")).to_have_count(4)
    expect(page.locator("#execution").get_by_text("paused before the tools run, 1 call pending")).to_be_visible()
    failed = page.locator("#turn .nbt-failed .nbt-badge")
    successful = page.locator("#turn .nbt-tool_use:not(.nbt-failed) .nbt-content").first
    color = "cell => getComputedStyle(cell).color"
    assert failed.evaluate(color) != successful.evaluate(color)
    page.locator("#turn").get_by_label("search in all blocks").fill("north")
    expect(page.locator("#turn mark")).to_have_count(5)
    page.screenshot(path=ARTIFACTS / f"vscode-{theme}.png", full_page=True)
    violations = accessibility_faults(page, "main")
    page.close()

    assert violations == []
    assert errors == []
