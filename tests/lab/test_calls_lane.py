"""The lane of model calls, the problems and the layout of a Run, in a saved page, which has the code of the live view."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

import nbturns as nt
from nbturns.values.inference_results import INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage
from tests.lab.jupyterlab import ARTIFACTS
from tests.lab.test_appearance import accessibility_faults

WIDTHS = (1400, 800, 366)


def reply(id: str, *blocks: nt.Block, **figures: Any) -> list[nt.Block]:
    figures = {"stop_reason": "tool_use", "finish_class": nt.FinishClass.TOOL_CALLS_PENDING, **figures}
    result = InferenceResult(inference_id=id, provider="anthropic", model="claude-sonnet-4-5", **figures)
    return [block.with_metadata(INFERENCE_RESULT, result).with_metadata(INFERENCE_ID, id) for block in blocks]


def repair(calls: int = 6) -> nt.Run:
    """Return a Run with a failed tool, a reply that was cut off, a large result and a cache that broke."""
    blocks = [nt.system("You repair a greenhouse. " * 30), nt.user("Why did it water twice?")]
    for n in range(calls):
        size = 4_000 + 1_000 * n + (60_000 if n > 2 else 0)
        usage = Usage(size, 90, 0 if n in (0, 4) else size - 1_500)
        call = nt.tool_call(f"c{n}", "read_file", {"path": f"logs/{n}.log", "lines": n})
        blocks += reply(f"i{n}", nt.assistant(f"Step {n}."), call, usage=usage, cost=0.02, duration_ms=1_500)
        error = "FileNotFoundError: no such log" if n == 3 else ""
        blocks.append(nt.tool_use(f"c{n}", None if error else f"line {n} " * (4_000 if n == 2 else 40), error=error))
    first = nt.Turn(blocks)
    last = reply("z", nt.assistant("It waters twice, because"), usage=Usage(72_000, 9, 70_000), truncated=True)
    return nt.Run((first, nt.Turn([*blocks, nt.user("Write it up"), *last])), name="repair-07")


@pytest.fixture
def saved_page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, bypass_csp=True)
    page.set_default_timeout(30_000)
    yield page
    page.close()


def open_run(page: Page, run: nt.Run, folder: Path) -> Locator:
    page.goto(nt.save(run, folder / "run.html").as_uri())
    return page.locator(".nbt-view")


def row(view: Locator, index: int) -> Locator:
    return view.locator(f'.nbt-row[data-index="{index}"]')


def is_in_upper_third(view: Locator, index: int) -> bool:
    table = view.locator(".nbt-scroll").last.bounding_box()
    line = row(view, index).bounding_box()
    assert table is not None
    assert line is not None
    return table["y"] <= line["y"] < table["y"] + table["height"] / 3


def test_each_model_call_has_a_bar_that_says_what_made_the_context_grow(saved_page: Page, tmp_path: Path) -> None:
    view = open_run(saved_page, repair(), tmp_path)
    bars = view.get_by_role("group", name="Model calls").get_by_role("button")
    expect(bars).to_have_count(7)

    expect(bars.nth(3)).to_have_attribute(
        "aria-label",
        "Call 4, 67,000 tokens in, 65,500 from the cache, 90 out, $0.0200, 1.50 s, +61,000, mostly by #10 read_file",
    )
    expect(bars.nth(3)).to_contain_text("▲")
    expect(bars.nth(4)).to_contain_text("↺")
    bars.nth(5).click()
    expect(bars.nth(5)).to_have_attribute("aria-current", "true")
    expect(row(view, 17)).to_be_in_viewport()
    bars.nth(5).press("ArrowRight")
    expect(view.get_by_role("tab", name="Turn 1")).to_have_attribute("aria-selected", "true")
    expect(row(view, 21)).to_contain_text("It waters twice")
    view.get_by_role("tab", name="Turn 1").press("Home")
    expect(view.get_by_role("tab", name="Turn 0")).to_be_focused()


def test_a_run_of_997_calls_has_an_overview_and_few_elements(saved_page: Page, tmp_path: Path) -> None:
    view = open_run(saved_page, repair(997), tmp_path)
    overview = view.get_by_role("slider", name="Model calls in the lane")

    expect(overview).to_have_attribute("aria-valuetext", "1 to 64 of 998")
    assert saved_page.locator(".nbt-view, .nbt-view *").count() <= 1_500
    overview.press("End")
    expect(overview).to_have_attribute("aria-valuetext", "935 to 998 of 998")
    bars = view.get_by_role("group", name="Model calls").get_by_role("button")
    expect(bars).to_have_count(64)
    bars.last.click()
    expect(row(view, 2_994)).to_be_in_viewport()
    view.get_by_role("button", name="Phases", exact=True).click()
    expect(view.get_by_role("slider", name="Phase of the Turn")).to_be_visible()
    assert height_above_table(view) <= 240 + 45  # with the slider, which was opened


def height_above_table(view: Locator) -> float:
    return float(
        view.evaluate(
            "view => view.querySelector('.nbt-scroll:has(.nbt-grid)').getBoundingClientRect().top - view.getBoundingClientRect().top"
        )
    )


def test_problems_are_counted_listed_and_reached_with_a_key(saved_page: Page, tmp_path: Path) -> None:
    saved_page.set_viewport_size({"width": 1400, "height": 640})
    view = open_run(saved_page, repair(30), tmp_path)

    expect(view.get_by_role("button", name="2 problems")).to_be_visible()
    row(view, 1).locator(".nbt-number").click()
    saved_page.keyboard.press("e")
    expect(view.get_by_role("status").last).to_have_text("Problem 1 of 2: read_file: FileNotFoundError: no such log")
    expect(row(view, 13)).to_be_focused()
    for index in (12, 13):
        expect(row(view, index)).to_have_attribute("aria-selected", "true")
        assert is_in_upper_third(view, index)
    saved_page.keyboard.press("e")
    expect(row(view, 93)).to_be_focused()  # in the next Turn
    saved_page.keyboard.press("Shift+E")
    expect(row(view, 13)).to_be_focused()

    view.get_by_role("button", name="2 problems").click()
    panel = view.get_by_role("group", name="Problems")
    expect(panel.get_by_role("listitem")).to_have_count(2)
    expect(panel.get_by_text("1 of 2")).to_be_visible()
    panel.get_by_role("button", name="Rules…").click()
    panel.get_by_label("A reply was cut off at the token limit").uncheck()
    expect(panel.get_by_role("listitem")).to_have_count(1)
    expect(view.get_by_role("button", name="1 problem", exact=False).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_is_readable_and_accessible_at_each_width(browser: Browser, tmp_path: Path, scheme: Any) -> None:
    page = browser.new_page(viewport={"width": 1400, "height": 1000}, color_scheme=scheme, bypass_csp=True)
    view = open_run(page, repair(), tmp_path)
    faults = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        page.wait_for_timeout(150)
        page.screenshot(path=ARTIFACTS / f"run-{scheme}-{width}.png")
        faults += [f"{width}: {fault}" for fault in accessibility_faults(page, ".nbt-view")]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert view.evaluate(
            "view => [...view.querySelectorAll('.nbt-scroll')].every(e => e.scrollWidth <= e.clientWidth)"
        )
        if width == 1400:
            assert height_above_table(view) <= 240
    view.get_by_role("button", name="2 problems").click()
    view.get_by_role("button", name="Rules…").click()
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 1000})
        faults += [f"{width}: {fault}" for fault in accessibility_faults(page, ".nbt-view")]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()

    assert faults == []


def test_a_row_unfolds_by_double_click_and_by_enter_and_columns_without_values_leave(
    saved_page: Page, tmp_path: Path
) -> None:
    view = open_run(saved_page, repair(), tmp_path)
    expect(view.get_by_role("columnheader", name="cost")).to_be_visible()
    expect(view.get_by_role("columnheader", name="stop")).to_be_visible()

    row(view, 3).dblclick(position={"x": 400, "y": 10})
    expect(row(view, 3).get_by_role("button", name="Fold block 3")).to_have_attribute("aria-expanded", "true")
    row(view, 3).press("Enter")
    expect(row(view, 3).get_by_role("button", name="Unfold block 3")).to_be_visible()
    expect(row(view, 3)).to_have_attribute("aria-selected", "true")  # the second click did not take it back

    open_run(saved_page, nt.Run((nt.turn("q") + nt.assistant("a"),), name="plain"), tmp_path)
    expect(view.get_by_role("columnheader", name="content")).to_be_visible()
    for name in ("model", "stop", "tokens", "cost", "time"):
        expect(view.get_by_role("columnheader", name=name)).to_have_count(0)
