"""Screenshots and accessibility checks of every view in the light and the dark theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import Browser, Page, expect

import nbturns as nt
from tests.lab.jupyterlab import ARTIFACTS, ROOT, Lab

CELLS = {
    "run": "import nbturns as nt\nrun = nt.load('fixtures/greenhouse.yaml')\nnt.view(nt.Run((*run.turns, run[2].edit(1, text='Was it too hot for the seedlings?').drop(5)), name=run.name))",
    "comparison": """
import nbturns as nt
turn = nt.load('fixtures/greenhouse.yaml')[0]
answer = turn[13].text.replace('five', 'six').replace('9.1', '8.9')
edited_turn = turn.edit(1, text='Was it too cold for the pepper seedlings last night?').edit(6, args={'sensor': 'north bench', 'hours': 12}).edit(13, text=answer)
nt.view(nt.compare(turn, edited_turn.drop(5)))
""",
    "stepper": """
import nbturns as nt
def readings(sensor: str, hours: int = 8) -> list[float]:
    "Air temperature in °C at one sensor."
    return [9.1, 8.4, 7.6]
calls = [nt.tool_call(f"c{n}", "readings", {"sensor": name, "hours": 8}) for n, name in enumerate(("north bench", "south bench"))]
session = nt.Session(nt.scripted([nt.reasoning("I need the readings of both benches."), *calls], "It was."), tools=[readings], step=True, system="You look after a small greenhouse.")
session.ask("Was it too cold for the tomato seedlings last night?")
""",
}
THEMES: tuple[Literal["Light"], Literal["Dark"]] = ("Light", "Dark")


def accessibility_faults(page: Page, context: str) -> list[str]:
    """Return the violations that axe-core finds, one line each."""
    results: Any = Axe().run(page, context=context, options={"resultTypes": ["violations"]})
    return [
        f"{violation['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for violation in results.response["violations"]
        for node in violation["nodes"][:3]
    ]


@pytest.mark.parametrize("name", CELLS)
def test_views_are_accessible_in_both_themes(lab: Lab, name: str) -> None:
    lab.page.set_viewport_size({"width": 1280, "height": 1200})
    lab.new([CELLS[name]])
    lab.run(0)
    output = lab.output(0)
    expect(output.locator(".nbt-view")).to_be_visible()
    if name == "stepper":
        expect(output.get_by_text("paused before the tools run")).to_be_visible()
    if name == "run":
        output.get_by_role("tab", name="turn 3").click()
        output.get_by_text("Changes since Turn").click()

    violations = []
    for theme in THEMES:
        lab.theme(theme)
        lab.page.wait_for_timeout(150)
        lab.screenshot(f"{name}-{theme.lower()}", 0)
        violations += [f"{theme}: {fault}" for fault in accessibility_faults(lab.page, ".nbt-view")]

    lab.page.set_viewport_size({"width": 1280, "height": 900})
    assert violations == []
    assert lab.errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_page_and_its_static_table_are_accessible(
    browser: Browser, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    run = nt.load(ROOT / "fixtures" / "greenhouse.yaml")
    values: dict[str, Any] = {
        "run": run,
        "turn": run[0],
        "comparison": nt.compare(run[0], run[0].edit(1, text="Was it hot?").drop(5)),
    }
    violations = []
    for name, value in values.items():
        path = nt.save(value, tmp_path / f"{name}.html")
        page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=scheme, bypass_csp=True)
        page.goto(path.as_uri())
        page.screenshot(path=ARTIFACTS / f"saved-{name}-{scheme}.png")
        violations += [f"{name}: {fault}" for fault in accessibility_faults(page, "body")]
        page.goto("about:blank")
        page.set_content(
            f'<html lang="en" style="color-scheme: {scheme}; background: Canvas"><body><main>{value._repr_html_()}</main></body></html>'
        )
        page.screenshot(path=ARTIFACTS / f"static-{name}-{scheme}.png")
        violations += [f"static {name}: {fault}" for fault in accessibility_faults(page, "main")]
        page.close()

    assert violations == []


def test_views_work_with_right_to_left_text_reduced_motion_and_forced_colours(lab: Lab) -> None:
    lab.new(["import nbturns as nt\nnt.view(nt.Run((nt.turn('مرحبا, how are you?'), nt.turn('שלום עולם'))))"])
    lab.run(0)
    output = lab.output(0)
    lab.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    lab.evaluate("document.documentElement.dir = 'rtl'")

    output.get_by_role("tab", name="turn 1").focus()
    lab.page.keyboard.press("ArrowRight")  # towards the beginning
    expect(output.get_by_role("tab", name="turn 0")).to_be_focused()
    lab.screenshot("run-rtl-forced-colors", 0)
    lab.evaluate("document.documentElement.dir = 'ltr'")
    lab.page.emulate_media(forced_colors="none", reduced_motion="no-preference")

    assert lab.errors == []
