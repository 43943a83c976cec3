"""Static tables in a narrow output of a wide window, as beside an open side bar or another notebook."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.lab.jupyterlab import Lab
from tests.lab.test_debugger import CALLS, TOO_WIDE, button

TABLES = {
    "run": "run",
    "comparison": "nt.compare(run[0], run[-1])",
    "three": "nt.compare(run[0], run[0].edit(1, text='Please check the vents.'), run[-1])",
    "view-of-three": "nt.view(nt.compare(run[0], run[0].edit(1, text='Please check the vents.'), run[-1]))",
    "hits": "library.search('sensor')",
    "library": "library.view()",
    "fan-out": "nt.fan_out(run[0], engines=[nt.scripted('Open the vents.'), nt.scripted('Close the vents.')])",
}
SETUP = """
import pathlib
import nbturns as nt
run = nt.example()
pathlib.Path('logs').mkdir(exist_ok=True)
nt.save(run, 'logs/greenhouse.yaml')
library = nt.library('logs', index='index.db')
"""


@pytest.mark.parametrize("name", TABLES)
def test_nothing_is_cut_off_in_a_narrow_output(lab: Lab, name: str) -> None:
    lab.new([SETUP + TABLES[name]])
    lab.run(0)
    output = lab.output(0)
    table = output.locator("table").last
    expect(table).to_be_visible()
    lab.page.wait_for_timeout(300)
    area = output.locator(".jp-OutputArea-output").last
    margins = lab.page.evaluate("window.innerWidth") - area.evaluate("area => area.clientWidth")
    lab.page.set_viewport_size({"width": margins + 366, "height": 1100})
    lab.page.wait_for_timeout(300)

    too_wide = area.evaluate(TOO_WIDE.replace('"*"', '":not(.nbt-visually-hidden, thead, thead *)"'))
    lab.screenshot(f"narrow-{name}", 0)
    lab.page.set_viewport_size({"width": 1280, "height": 900})
    assert too_wide == ""


def test_the_focus_stays_in_the_debugger_when_a_button_leaves(lab: Lab) -> None:
    lab.new([CALLS])
    lab.run(0)
    output = lab.output(0)
    card = output.get_by_role("group", name="Waiting call 2 of 4: write")
    button(card, "JSON").click()
    expect(button(card, "JSON")).to_be_focused()
    button(card, "Form").click()
    button(card, "Deny…").click()
    lab.page.keyboard.press("Escape")
    expect(button(card, "Deny…")).to_be_focused()
    button(output, "Deny all…").click()
    lab.page.keyboard.press("Escape")
    expect(button(output, "Deny all…")).to_be_focused()
    lab.page.keyboard.press("b")
    expect(output.get_by_label("tool", exact=True)).to_be_focused()
    lab.page.keyboard.press("Escape")
    expect(button(output, "Add")).to_be_focused()
    button(card, "Skip").click()
    expect(output.get_by_text("3 calls wait")).to_be_visible()

    expect(output.get_by_role("slider", name="Snapshot")).to_be_focused()
    lab.page.keyboard.press("d")
    expect(output.get_by_label("reason", exact=True)).to_be_focused()
