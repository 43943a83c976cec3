"""What is left of a table without a kernel, a script, a style or a network."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page, Route, expect

import nbturns as nt
from tests.lab.jupyterlab import ARTIFACTS, ROOT, Lab

NOTEBOOK = ROOT / "notebooks" / "01_explore.ipynb"


def offline(browser: Browser) -> tuple[Page, list[str]]:
    """A page without script that reaches files alone, and the list of what else it asked for."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, java_script_enabled=False)
    asked: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", refuse)
    return page, asked


def test_an_exported_notebook_shows_the_same_table_without_network_or_script(browser: Browser, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    body, _ = HTMLExporter().from_notebook_node(notebook)  # type: ignore[no-untyped-call]
    (tmp_path / "export.html").write_text(body, "utf-8")
    page, _ = offline(browser)

    page.goto((tmp_path / "export.html").as_uri())

    table = page.locator(".nbturns").first
    expect(table.get_by_role("row")).to_have_count(1 + 3 + 20)
    expect(table.get_by_text("← #3 sensors")).to_be_visible()
    expect(table.get_by_text("Yes, on the north bench.")).to_be_visible()
    page.screenshot(path=ARTIFACTS / "exported.png", full_page=True)
    page.close()


def test_a_saved_page_asks_for_nothing_and_folds_without_script(browser: Browser, tmp_path: Path) -> None:
    path = nt.save(nt.load(ROOT / "fixtures" / "greenhouse.yaml"), tmp_path / "page.html")
    page, asked = offline(browser)

    page.goto(path.as_uri())
    folded = page.get_by_text("so I cannot say anything about the draught there")
    expect(folded).not_to_be_visible()
    page.locator("summary").first.click()

    expect(folded).to_be_visible()
    assert asked == []
    page.close()


def test_a_notebook_nobody_trusts_is_readable_without_its_style(lab: Lab) -> None:
    lab.open("notebooks/01_explore.ipynb")

    table = lab.output(1)

    expect(table.get_by_role("row")).to_have_count(1 + 3 + 20)
    expect(table.get_by_text("Yes, on the north bench.")).to_be_visible()
    assert table.locator("style").count() == 0
    assert lab.strangers == []


PRICES = """
import nbturns as nt
price = {"from": "$100 at A", "to": "$200 at B"}
nt.Turn([nt.user("from $1 to $2"), nt.tool_call("c", "buy_$x$", price), nt.tool_use("c", price), nt.Block("$k$", {"a": "$1 $2"})])
"""


def test_money_is_not_typeset_as_a_formula(lab: Lab) -> None:
    lab.new([PRICES, "from IPython.display import Latex\nLatex('$x^2$')"])
    lab.run_all()
    lab.output(1).locator("mjx-container").wait_for()

    assert lab.output(0).locator("mjx-container").count() == 0
    expect(lab.output(0).get_by_text("buy_$x$(from='$100 at A', to='$200 at B')")).to_be_visible()


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb")))
def test_every_notebook_of_ours_runs_in_jupyterlab_without_an_error(lab: Lab, name: str) -> None:
    lab.open(f"notebooks/{name}")

    lab.run_all()

    saved = lab.save()
    said = [output for cell in saved["cells"] for output in cell.get("outputs", ())]
    assert not [output for output in said if output["output_type"] == "error"]
    assert lab.errors == []
    assert lab.strangers == []
