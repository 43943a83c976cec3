"""Saved pages and notebooks without a kernel, scripts, styles or network."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Page, Route, expect

import nbturns as nt
from tests.lab.jupyterlab import ARTIFACTS, ROOT, Lab

NOTEBOOK = ROOT / "notebooks" / "01_explore.ipynb"


def page_without_scripts(browser: Browser) -> tuple[Page, list[str]]:
    """Open a page without scripts that can only read files; return it and the URLs of other requests."""
    page = browser.new_page(viewport={"width": 1200, "height": 900}, java_script_enabled=False)
    foreign_requests: list[str] = []

    def refuse(route: Route) -> None:
        if route.request.url.startswith(("file:", "data:")):
            route.continue_()
        else:
            foreign_requests.append(route.request.url)
            route.abort()

    page.route("**/*", refuse)
    return page, foreign_requests


def test_an_exported_notebook_shows_the_table_without_network_or_scripts(browser: Browser, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    body, _ = HTMLExporter().from_notebook_node(notebook)  # type: ignore[no-untyped-call]
    (tmp_path / "export.html").write_text(body, "utf-8")
    page, _ = page_without_scripts(browser)

    page.goto((tmp_path / "export.html").as_uri())

    table = page.locator(".nbturns").first
    expect(table.get_by_role("row")).to_have_count(1 + 3 + 20)
    expect(table.get_by_text("← #3 sensors")).to_be_visible()
    expect(table.get_by_text("Yes, on the north bench.")).to_be_visible()
    page.screenshot(path=ARTIFACTS / "exported.png", full_page=True)
    page.close()


def test_a_saved_page_needs_no_network_and_folds_without_scripts(browser: Browser, tmp_path: Path) -> None:
    path = nt.save(nt.load(ROOT / "fixtures" / "greenhouse.yaml"), tmp_path / "page.html")
    page, foreign_requests = page_without_scripts(browser)

    page.goto(path.as_uri())
    folded_text = page.get_by_text("so I cannot say anything about the draught there")
    expect(folded_text).not_to_be_visible()
    page.locator("summary").first.click()

    expect(folded_text).to_be_visible()
    page.set_viewport_size({"width": 366, "height": 900})
    page.screenshot(path=ARTIFACTS / "saved-static-366.png")
    assert page.locator(".nbturns").first.evaluate("table => table.scrollWidth <= table.clientWidth")
    assert foreign_requests == []
    page.close()


def page_without_network(browser: Browser) -> tuple[Page, list[str], list[str]]:
    """Open a page with scripts; return it, the URLs of requests other than files, and its errors."""
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    foreign_requests: list[str] = []
    errors: list[str] = []
    page.on(
        "request",
        lambda request: None if request.url.startswith(("file:", "data:")) else foreign_requests.append(request.url),
    )
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page, foreign_requests, errors


def test_a_saved_run_can_be_explored_without_a_kernel(browser: Browser, tmp_path: Path) -> None:
    path = nt.save(nt.load(ROOT / "fixtures" / "greenhouse.yaml"), tmp_path / "run.html")
    page, foreign_requests, errors = page_without_network(browser)
    page.goto(path.as_uri())
    rows = page.get_by_role("grid").get_by_role("row")
    expect(rows).to_have_count(1 + 14)

    page.get_by_role("tab", name="turn 2").click()
    expect(rows).to_have_count(1 + 20)
    page.get_by_role("button", name="result 5").click()
    expect(rows).to_have_count(1 + 5)
    page.get_by_role("button", name="result 5").click()
    page.get_by_role("tab", name="turn 0").click()
    page.get_by_role("button", name="Phases", exact=True).click()
    page.get_by_role("slider", name="Phase of the Turn").press("Home")
    for _ in range(2):
        page.get_by_role("button", name="Next phase").click()
    expect(rows).to_have_count(1 + 5)
    page.get_by_role("button", name="Phases", exact=True).click()
    expect(rows).to_have_count(1 + 14)
    page.get_by_role("textbox", name="search").fill("draught")
    expect(page.locator("mark", has_text="draught")).to_be_visible()
    page.get_by_role("button", name="Columns").click()
    page.get_by_role("menuitemcheckbox", name="provider").click()
    expect(page.get_by_role("columnheader", name="provider")).to_be_visible()

    page.screenshot(path=ARTIFACTS / "saved-run.png")
    assert page.locator("table").count() == 0  # the static table was removed
    assert (foreign_requests, errors) == ([], [])
    page.close()


def test_a_saved_turn_and_a_saved_comparison_are_interactive(browser: Browser, tmp_path: Path) -> None:
    turn = nt.load(ROOT / "fixtures" / "greenhouse.yaml")[0]
    page, foreign_requests, errors = page_without_network(browser)

    page.goto(nt.save(turn, tmp_path / "turn.html").as_uri())
    page.get_by_role("row").nth(2).hover()
    page.get_by_role("row").nth(2).get_by_role("button", name="Actions for block").click()
    page.get_by_role("menuitem", name="show JSON").click()
    expect(page.get_by_role("tabpanel", name="JSON")).to_contain_text('"kind": "user"')
    page.goto(nt.save(nt.compare(turn, turn.drop(5)), tmp_path / "comparison.html").as_uri())
    page.get_by_role("button", name="changes only").click()

    expect(page.get_by_role("row")).to_have_count(1 + 1)
    assert (foreign_requests, errors) == ([], [])
    page.close()


def test_text_of_a_model_is_never_html_in_a_saved_page(browser: Browser, tmp_path: Path) -> None:
    evil = "<img src=x onerror='window.hacked=1'></script><script>window.hacked=1</script><!--<script>"
    turn = nt.Turn([nt.user(evil), nt.Block(evil, {evil: evil}), nt.tool_call(evil, evil, {evil: evil})])
    page, foreign_requests, errors = page_without_network(browser)

    page.goto(nt.save(nt.Run((turn, turn + nt.user(evil)), name=evil), tmp_path / "evil.html").as_uri())

    expect(page.get_by_text("onerror=").first).to_be_visible()
    assert page.evaluate("window.hacked === undefined")
    assert (foreign_requests, errors) == ([], [])
    page.close()


RENDERED = """## Left to do

| place | change |
|---|--:|
| `valves.py` | 1.50 |

See [the docs](https://example.org/a), [bad](javascript:hacked=1) and <img src=x onerror="window.hacked=1">.
"""
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_a_saved_view_that_was_rendered_is_rendered_and_can_be_shown_raw(browser: Browser, tmp_path: Path) -> None:
    image = {"media_type": "image/png", "content": PIXEL}
    edit = nt.tool_call("c1", "Edit", {"path": "a.py", "old_string": "x = 1", "new_string": "x = 2"})
    turn = nt.Turn([nt.user("*look*", images=[image]), nt.assistant(RENDERED), edit, nt.tool_use("c1", "*verbatim*")])
    output = nt.view(turn, markdown=True)._page_bundle(with_code=True)["text/html"]
    (tmp_path / "output.html").write_text(f"<!doctype html><meta charset=utf-8>{output}", "utf-8")
    page, foreign_requests, errors = page_without_network(browser)
    page.goto((tmp_path / "output.html").as_uri())
    grid = page.get_by_role("grid")

    expect(grid.get_by_role("heading", name="Left to do")).to_be_visible()
    expect(grid.get_by_role("cell", name="1.50")).to_have_css("text-align", "right")
    links = grid.get_by_role("link").evaluate_all(
        "links => links.filter((a) => !a.download).map((a) => [a.href, a.rel])"
    )
    assert links == [["https://example.org/a", "noopener noreferrer"]]
    expect(grid.get_by_text("[bad](javascript:hacked=1)")).to_be_visible()
    expect(grid.get_by_text("1 × 1, 1 KB")).to_be_visible()
    grid.get_by_role("button", name="Unfold block 2").click()
    expect(grid.locator(".nbt-t-diff ins")).to_have_text("2")
    page.screenshot(path=ARTIFACTS / "rendered.png")

    grid.get_by_role("row").nth(2).focus()
    page.keyboard.press("M")
    expect(grid.get_by_text("## Left to do")).to_be_visible()
    expect(page.get_by_role("button", name="Rendered")).to_have_attribute("aria-pressed", "false")
    expect(grid.locator(".nbt-t-diff")).to_be_visible()
    grid.get_by_role("row").nth(2).hover()
    grid.get_by_role("button", name="Actions for block 1").click()
    page.get_by_role("menuitem", name="Show rendered").click()
    expect(grid.get_by_role("heading", name="Left to do")).to_be_visible()
    expect(grid.get_by_text("*look*")).to_be_visible()
    assert page.evaluate("window.hacked === undefined")
    assert all(address.startswith("blob:") for address in foreign_requests), "the code of the view, unpacked"
    assert errors == []
    page.close()


def test_an_untrusted_notebook_is_readable_without_styles(lab: Lab) -> None:
    lab.open("notebooks/01_explore.ipynb")

    table = lab.output(1)

    expect(table.get_by_role("row")).to_have_count(1 + 3 + 20)
    expect(table.get_by_text("Yes, on the north bench.")).to_be_visible()
    assert table.locator("style").count() == 0
    assert lab.foreign_requests == []


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
    outputs = [output for cell in saved["cells"] for output in cell.get("outputs", ())]
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_an_untrusted_table_is_aligned_to_the_left_and_its_numbers_to_the_right(lab: Lab) -> None:
    lab.open("notebooks/01_explore.ipynb")
    saved = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    saved.cells[1].outputs = [
        nbformat.v4.new_output(  # type: ignore[no-untyped-call]
            "display_data",
            {
                "text/html": nt.load(ROOT / "fixtures" / "greenhouse.yaml")[0]._repr_html_(),
                "text/plain": "x",
            },
        )
    ]
    nbformat.write(saved, lab.server.root / "untrusted.ipynb")  # type: ignore[no-untyped-call]

    lab.open("untrusted.ipynb")

    table = lab.output(1)
    assert table.locator("style").count() == 0
    content = table.locator("td", has_text="Yes, on the north bench.")
    assert content.evaluate("cell => getComputedStyle(cell).textAlign") in (
        "left",
        "start",
    )  # "start" if another view of the page has added its style
    assert (
        table.locator("tbody tr").first.locator("td").first.evaluate("cell => getComputedStyle(cell).textAlign")
        == "right"
    )
    assert table.locator("table").evaluate("table => getComputedStyle(table).tableLayout") == "auto"
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        lab.screenshot(f"untrusted-{theme.lower()}", 1)
