"""The views in Jupyter Notebook 7."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.lab.jupyterlab import Lab, LabServer
from tests.lab.notebook7 import Notebook
from tests.lab.test_stepper import LIVE, SESSION, press, status


@pytest.fixture(scope="module")
def own_tab(browser: Browser, lab_server: LabServer) -> Iterator[Notebook]:
    tab = Notebook(browser, lab_server)
    yield tab
    tab.page.close()


@pytest.fixture
def notebook(own_tab: Notebook) -> Iterator[Notebook]:
    yield own_tab
    own_tab.close()
    own_tab.server.end_sessions()


def test_an_execution_is_stepped_by_buttons_and_keys_and_leaves_a_table(notebook: Lab) -> None:
    notebook.new([SESSION, LIVE])
    notebook.run_all()
    output = notebook.output(1)
    expect(status(output)).to_have_text("Paused before the tools run, 1 call pending")
    cells = notebook.evaluate("panel.content.widgets.length")

    press(output, "Step")
    expect(status(output)).to_have_text("Paused after the tools")
    step = output.get_by_role("button", name="Step", exact=True)
    step.press("b")  # on the button: when the last cell ends, the notebook may take the focus
    step.press("F9")

    expect(output.get_by_text("Execution done")).to_be_visible()
    expect(output.get_by_text("until the evening")).to_be_visible()
    assert notebook.evaluate("panel.content.widgets.length") == cells
    assert notebook.errors == []
    assert notebook.foreign_requests == []


def test_views_are_displayed_and_leave_a_table_when_frozen(notebook: Lab) -> None:
    cells = [
        "import nbturns as nt\nrun = nt.load('fixtures/greenhouse.yaml')\nviews = [nt.view(run), nt.view(run[0]), nt.view(nt.compare(run[0], run[0].drop(5)))]\nviews[0]",
        "views[1]",
        "views[2]",
        "for view in views: view.freeze()",
    ]
    notebook.new(cells)
    for cell in range(3):
        notebook.run(cell)
    rows = [notebook.output(cell).get_by_role("grid").get_by_role("row") for cell in range(2)]
    expect(rows[0]).to_have_count(1 + 14)  # of the first Turn
    expect(rows[1]).to_have_count(1 + 14)
    notebook.output(0).get_by_role("tab", name="turn 2").click()
    expect(rows[0]).to_have_count(1 + 20)
    expect(notebook.output(2).locator("del")).to_be_visible()

    notebook.run(3)
    expect(notebook.output(2).get_by_text("Comparison · 13 the same")).to_be_visible()
    notebook.shut_down_kernel()
    notebook.open(notebook.evaluate("panel.context.path"))

    expect(notebook.output(0).get_by_text("Yes, on the north bench.")).to_be_visible()
    expect(notebook.output(1).locator("table")).to_be_visible()
    expect(notebook.output(2).locator("del")).to_be_visible()
    assert notebook.errors == []


def test_a_burst_of_text_arrives_completely(notebook: Lab) -> None:
    burst = "import nbturns as nt\nnt.Session(nt.scripted(' '.join(map(str, range(2_000))), pace=0.0005)).ask('count', step={'final'})"
    notebook.new([burst])
    notebook.run(0)

    expect(status(notebook.output(0))).to_have_text("Paused before the end")

    expect(notebook.output(0).get_by_text("1998 1999")).to_be_visible()
    notebook.wait_until_idle()
