"""Values in the views of a browser: numbers, names and white space as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import nbturns as nt
from tests.lab.jupyterlab import ARTIFACTS, Lab
from tests.lab.test_saved_outputs import page_without_network

VALUES = """
import nbturns as nt
values = nt.Turn([
    nt.tool_call("c1", "order", {"order_id": 9007199254740993, "amount": 10.0, "__proto__": {"polluted": 1}, "constructor": 2}),
    nt.tool_use("c1", '{"order_id": 9007199254740993, "amount": 10.00, "amount": 1e400, "list": [1.0, 2]}'),
    nt.tool_call("c2", "write", {"path": "a.py", "content": "if x:\\n    return 1\\n"}),
    nt.Block("constructor", {"text": "a kind with an unlucky name"}, id="__proto__"),
])
"""


def values() -> nt.Turn:
    scope: dict[str, nt.Turn] = {}
    exec(VALUES, scope)  # noqa: S102  # the same cell as in JupyterLab
    return scope["values"]


@pytest.fixture
def saved_page(browser: Browser, tmp_path: Path) -> Page:
    page, _, errors = page_without_network(browser)
    page.goto(nt.save(values(), tmp_path / "values.html").as_uri())
    expect(page.locator(".nbt-row[data-index='3']")).to_be_visible()
    assert errors == []
    return page


def test_a_saved_page_shows_numbers_and_names_as_they_were_written(saved_page: Page) -> None:
    call, result, _, other = (saved_page.locator(f".nbt-row[data-index='{index}']") for index in range(4))
    call.get_by_role("button", name="Unfold").click()

    for text in ("order_id: 9007199254740993", "amount: 10.0", "__proto__:", "polluted", "constructor: 2"):
        expect(call).to_contain_text(text)
    for text in ("order_id: 9007199254740993", "amount: 10.00", "amount: 1e400", "[1.0, 2]"):
        expect(result).to_contain_text(text)
    expect(other.locator(".nbt-kind")).to_have_attribute("data-icon", "◇")
    call.click()
    call.press("i")
    expect(saved_page.locator(".nbt-detail pre")).to_contain_text('"amount": 10.0')
    expect(saved_page.locator(".nbt-detail pre")).to_contain_text('"order_id": 9007199254740993')
    saved_page.close()


def test_a_text_of_several_lines_is_a_block_of_code(saved_page: Page) -> None:
    call = saved_page.locator(".nbt-row[data-index='2']")
    expect(call.locator(".nbt-head")).to_have_text("write(path='a.py', content='if x:\\n    return 1\\n')")

    call.get_by_role("button", name="Unfold").click()

    code = call.locator("pre.nbt-code")
    assert code.inner_text() == "if x:\n    return 1\n"
    assert code.evaluate("code => getComputedStyle(code).whiteSpace") == "pre-wrap"
    saved_page.screenshot(path=ARTIFACTS / "exact-values.png")
    saved_page.close()


def test_a_live_view_shows_numbers_and_names_as_they_were_written(lab: Lab) -> None:
    lab.new(
        [
            VALUES + "nt.view(values)",
            "nt.compare(values, values.edit(2, args={'path': 'a.py', 'content': 'if x:\\n  return 1\\n'}))",
            "nt.view(_)",
        ]
    )
    lab.run_all()
    call, result = (lab.output(0).locator(f".nbt-row[data-index='{index}']") for index in range(2))
    call.get_by_role("button", name="Unfold").click()

    for text in ("order_id: 9007199254740993", "amount: 10.0", "__proto__:", "constructor: 2"):
        expect(call).to_contain_text(text)
    expect(result).to_contain_text("amount: 1e400")
    for cell in (1, 2):
        expect(lab.output(cell).get_by_text("white space only").first).to_be_visible()
        expect(lab.output(cell).locator("del", has_text="··").first).to_be_visible()
    assert lab.errors == []
