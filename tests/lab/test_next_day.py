"""The outputs of views without their kernel: reopened, restarted, executed by nbclient, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, expect

from tests.lab.jupyterlab import ARTIFACTS, Lab
from tests.lab.test_saved_outputs import page_without_network

VIEWS = [
    """
import nbturns as nt
def double(x: int) -> int:
    print("doubling", x)
    return 2 * x
calls = [nt.tool_call("a", "double", {"x": 1}), nt.tool_call("b", "double", {"x": 2})]
session = nt.Session(nt.scripted(calls, "Two and four."), tools=[double], step=True)
execution = session.ask("Please double these numbers.")
execution.next().result()
nt.view(execution)
""",
    "nt.view(execution.turn)",
    "nt.view(nt.Run([execution.turn]))",
    "nt.view(nt.compare(execution.turn, execution.turn.edit(1, args={'x': 3})))",
]
LIVE_ROWS = ".nbt-view .nbt-row[data-index]"


def reopen(lab: Lab) -> None:
    """Save the notebook, end its kernel, and open it in a new page."""
    lab.save()
    path = lab.evaluate("panel.context.path")
    lab.server.end_sessions()
    lab.open(path, fresh=True)


def test_a_reopened_notebook_shows_every_view_and_no_error(lab: Lab) -> None:
    lab.new(VIEWS)
    lab.run_all()
    for cell in (0, 1, 2):
        expect(lab.output(cell).locator(LIVE_ROWS).first).to_be_visible()
        assert lab.output(cell).locator(".nbturns-page > *").count() == 0  # the live view took its place

    reopen(lab)

    for cell in (0, 1, 2):
        expect(lab.output(cell).locator(LIVE_ROWS).first).to_be_visible()
        expect(lab.output(cell).get_by_text("Saved view, not connected to a kernel")).to_be_visible()
    expect(lab.output(3).locator(".nbt-view tr.nbt-edited").first).to_be_visible()
    expect(lab.page.get_by_text("Error displaying widget")).to_have_count(4)
    for error in lab.page.get_by_text("Error displaying widget").all():
        expect(error).not_to_be_visible()
    search = lab.output(1).get_by_label("search in all blocks")
    search.fill("please double")
    lab.output(1).get_by_role("button", name="Matches only").click()
    expect(lab.output(1).locator(LIVE_ROWS)).to_have_count(1)
    lab.page.screenshot(path=ARTIFACTS / "reopened.png", full_page=True)


TABLES = [
    "import nbturns as nt\nrun = nt.example()\nnt.view([run, nt.Run(run.turns[:1], name='first')])",
    "nt.view(nt.compare(run[0], run[0].edit(1, text='Please check the vents.'), run[-1]))",
    "nt.view(nt.load_profiles({'night': {'engine': 'openai:gpt-5.1'}}))",
    """
import pathlib
pathlib.Path('logs').mkdir(exist_ok=True)
nt.save(run, 'logs/greenhouse.yaml')
nt.library('logs', index='index.db').view()
""",
]


def test_a_reopened_notebook_shows_the_tables_of_views_that_need_the_kernel(lab: Lab) -> None:
    lab.new(TABLES)
    lab.run_all()
    reopen(lab)

    for cell, text in enumerate(("first", "Please check the vents.", "openai:gpt-5.1", "greenhouse.yaml#0")):
        expect(lab.output(cell).get_by_role("cell").get_by_text(text).first).to_be_visible()
    expect(lab.page.get_by_text("Error displaying widget")).to_have_count(4)
    for error in lab.page.get_by_text("Error displaying widget").all():
        expect(error).not_to_be_visible()


def die(lab: Lab) -> None:
    """End the kernel process; the server starts another one."""
    lab.evaluate(
        "void panel.sessionContext.session.kernel.requestExecute({code: 'import os; os._exit(1)'}).done.catch(() => 0)"
    )


def test_a_view_whose_kernel_ended_says_so_at_once_and_its_buttons_are_disabled(lab: Lab) -> None:
    lab.new(VIEWS)
    lab.run_all()
    for end, cells in ((Lab.restart_kernel, 4), (die, 2), (Lab.shut_down_kernel, 2)):
        for cell in range(cells):
            if end is not Lab.restart_kernel:
                lab.run(cell)
            expect(lab.output(cell).locator(".nbt-host > .nbt-view:not(.nbt-disconnected)")).to_be_visible()
        stepper = lab.output(0)
        expect(stepper.get_by_role("button", name="Step", exact=True)).to_be_enabled()

        end(lab)
        if end is die:
            lab.page.get_by_role("dialog", name="Kernel Restarting").get_by_role("button").click()

        for cell in range(cells):
            expect(lab.output(cell).get_by_text("Not connected: the kernel has ended")).to_be_visible()
        for name in ("Continue", "Step", "Pause", "Stop"):
            expect(stepper.get_by_role("button", name=name, exact=True)).to_be_disabled()
        assert stepper.locator(".nbt-view button[data-kernel]:enabled").count() == 0
        expect(lab.output(1).get_by_role("button", name="Turn data", exact=True)).to_be_disabled()
        stepper.locator(".nbt-row[data-index]").first.click()
        stepper.locator(".nbt-stepper").press("F10")
        lab.output(1).locator(".nbt-row[data-index]").first.click()
        lab.screenshot(f"ended-{end.__name__}", 0)
        if end is die:
            lab.wait_until_idle()
    assert lab.errors == []


EXECUTED = [
    VIEWS[0].replace("nt.view(execution)", "execution"),
    "nt.view(session)",
    "execution.resume()\nturn = execution.result()",
    "view = nt.view(nt.turn('An earlier question'))\nview",
    "view.turn = turn",
]


def executed(cells: list[str], **settings: Any) -> Any:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=120, store_widget_state=False, **settings).execute()
    return notebook


def html_of(cell: Any) -> str:
    return "".join(output.data.get("text/html", "") for output in cell.outputs if "data" in output)


def test_the_saved_output_of_an_executed_notebook_shows_how_the_execution_ended() -> None:
    notebook = executed(EXECUTED)

    assert "Execution done" in html_of(notebook.cells[0])
    assert "Two and four." in html_of(notebook.cells[0])
    assert "Two and four." in html_of(notebook.cells[1])
    assert "Two and four." in html_of(notebook.cells[3])  # as the Turn was set by the next cell
    assert "An earlier question" not in html_of(notebook.cells[3])
    streams = [output.text for cell in notebook.cells for output in cell.outputs if output.output_type == "stream"]
    assert streams == []  # what the tool printed is in its block
    assert html_of(notebook.cells[0]).count("doubling 1") == 1


def test_the_code_is_in_one_cell_and_other_views_add_little() -> None:
    notebook = executed([VIEWS[0], *["nt.view(execution.turn)"] * 5])

    scripts = [_script_size(cell) for cell in notebook.cells]
    assert 40_000 < scripts[0] <= 60_000
    assert max(scripts[1:]) <= 2_000


def _script_size(cell: Any) -> int:
    parts = html_of(cell).split("<script>")[1:]
    return sum(len(part.partition("</script>")[0]) for part in parts)


def test_an_exported_notebook_shows_every_view_offline(browser: Browser, tmp_path: Path) -> None:
    body, _ = HTMLExporter().from_notebook_node(executed(VIEWS))  # type: ignore[no-untyped-call]
    (tmp_path / "views.html").write_text(body, "utf-8")
    page, _, errors = page_without_network(browser)

    page.goto((tmp_path / "views.html").as_uri())

    expect(page.locator(".nbt-view")).to_have_count(4)
    expect(page.locator(".nbt-view tr.nbt-edited").first).to_be_visible()
    assert page.locator(LIVE_ROWS).count() >= 9
    assert [error for error in errors if "nbturns" in error or "net::" not in error] == []
    page.close()
