"""The table of a Turn, used in a real JupyterLab."""

from __future__ import annotations

import re
import time
from typing import Literal

from playwright.sync_api import Locator, expect

from tests.lab.jupyterlab import Lab
from tests.lab.test_appearance import accessibility_faults

WEATHER_TURN = """
import nbturns as nt
from nbturns.values.inference_results import DURATION_MS, INFERENCE_ID, INFERENCE_RESULT, InferenceResult, Usage

def call(id, *blocks, **settings):
    result = InferenceResult(inference_id=id, provider="openai", model="gpt-5-mini", **settings)
    return [block.with_metadata(INFERENCE_RESULT, result).with_metadata(INFERENCE_ID, id) for block in blocks]

PENDING, CUT = nt.FinishClass.TOOL_CALLS_PENDING, nt.FinishClass.MAX_TOKENS
PLACES = {"city": "Lyon", "days": ["sat", "sun"], "options": {"hourly": True, "fields": ["temperature", "rain", "wind", "pressure", "humidity"]}}
weather_turn = nt.turn(
    "How is the weather in Paris and in Lyon this weekend? I would like to walk on Saturday and to sit in a café on Sunday.",
    system="You are a helpful assistant. Be brief.",
)
weather_turn += call(
    "i1",
    nt.reasoning("The user asks about two cities.\\nI have a tool for the weather; I call it for both."),
    nt.tool_call("c1", "weather", {"city": "Paris", "days": ["sat", "sun"]}),
    nt.tool_call("c2", "forecast", PLACES),
    stop_reason="tool_calls", finish_class=PENDING, usage=Usage(1204, 118, 896, 0, 64), duration_ms=1840,
    time_to_first_token_ms=320, cost=0.00121,
)
weather_turn += nt.tool_use("c1", {"city": "Paris", "sat": {"celsius": 18, "sky": "clear"}, "sun": {"celsius": 14, "sky": "rain all day, clearing late"}}).with_metadata(DURATION_MS, 212.0)
weather_turn += nt.tool_use("c2", None, error="TimeoutError: no answer from the service after 30 s").with_metadata(DURATION_MS, 30000.0)
weather_turn += call(
    "i2",
    nt.assistant("Paris looks good on Saturday: 18 °C and clear. On Sunday it will rain, so the café is the right plan.\\n\\nI could not reach the service for Lyon."),
    nt.tool_call("c3", "weather", {"city": "Lyon"}),
    stop_reason="tool_calls", finish_class=PENDING, usage=Usage(1510, 96, 1204, 0, 0), duration_ms=1210, cost=0.00098,
)
weather_turn += nt.tool_use("c3", '{"city": "Lyon", "celsius": 21}').with_metadata(DURATION_MS, 188.0)
weather_turn += call(
    "i3",
    nt.assistant("Lyon: 21 °C on Saturday, and dry. If you like it warmer, go to Lyon; for the café, Paris is as good.\\n\\n- Saturday: Lyon\\n- Sunday: Paris"),
    stop_reason="length", finish_class=CUT, truncated=True, usage=Usage(1702, 512, 1510, 0, 0), duration_ms=4310, cost=0.0021,
)
"""
VIEW = "view = nt.view(weather_turn)\nview"
ROWS = 11


def show_view(lab: Lab, *cells: str, view: str = VIEW, setup: str = WEATHER_TURN) -> Locator:
    """Open a notebook with a view in its second cell and return its output; the test runs the further cells."""
    lab.new([setup, view, *cells])
    lab.run(0)
    lab.run(1)
    output = lab.output(1)
    expect(output.locator(".nbt-row[data-index]").first).to_be_visible()
    return output


def row(output: Locator, index: int) -> Locator:
    return output.locator(f'.nbt-row[data-index="{index}"]')


def indices(output: Locator) -> list[int]:
    row_indices: list[int] = output.locator(".nbt-row[data-index]").evaluate_all(
        "rows => rows.map(row => Number(row.dataset.index))"
    )
    return row_indices


def run_text(lab: Lab, cell: int) -> str:
    lab.run(cell)
    return lab.text(cell)


def eventually(lab: Lab, cell: int, text: str) -> None:
    """Run a cell until it prints `text`, because the page and the cell are not synchronised."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if run_text(lab, cell).strip() == text:
            return
        lab.page.wait_for_timeout(100)
    assert run_text(lab, cell).strip() == text


def test_a_turn_shows_its_costs_and_links_calls_to_results(lab: Lab) -> None:
    output = show_view(lab)

    assert indices(output) == list(range(ROWS))
    expect(output.get_by_text("11 blocks · 3 model calls · 4,416 → 726 tokens")).to_be_visible()
    expect(row(output, 2)).to_contain_text("gpt-5-mini")
    expect(row(output, 2)).to_contain_text("1,204 → 118")
    expect(row(output, 3)).not_to_contain_text("gpt-5-mini")
    expect(row(output, 3).get_by_role("button", name="Go to the result, block 5")).to_have_text("→ 5")
    expect(row(output, 6)).to_contain_text("error: TimeoutError")
    expect(row(output, 10).locator(".nbt-stop")).to_have_attribute("title", re.compile("length"))
    expect(row(output, 10)).to_contain_text("cut off")
    row(output, 6).get_by_role("button", name="Go to the call, block 4").click()
    expect(row(output, 4)).to_be_focused()
    expect(row(output, 6)).to_have_attribute("aria-selected", "true")
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_rows_fold_one_by_one_by_kind_and_all_together(lab: Lab) -> None:
    output = show_view(lab)
    reasoning = row(output, 2)
    expect(reasoning.get_by_role("button", name="unfold block 2")).to_be_visible()

    reasoning.get_by_role("button", name="unfold block 2").click()
    expect(reasoning.get_by_text("I call it for both")).to_be_visible()
    row(output, 4).get_by_role("button", name="unfold").click()
    expect(row(output, 4).locator(".nbt-tree")).to_contain_text("hourly: true")

    output.get_by_role("button", name="Fold ▾").click()
    output.get_by_role("menuitem", name="Fold all", exact=True).click()
    expect(output.locator(".nbt-fold-button[aria-expanded=true]")).to_have_count(0)
    output.get_by_role("button", name="Fold ▾").click()
    output.get_by_role("menuitemcheckbox", name="fold text").click()
    lab.page.keyboard.press("Escape")
    expect(row(output, 10).get_by_text("- Sunday: Paris")).to_be_visible()
    expect(row(output, 2).get_by_role("button", name="unfold block 2")).to_be_visible()


def test_rows_are_filtered_and_sorted_in_the_page_and_from_python(lab: Lab) -> None:
    output = show_view(
        lab,
        "view.kinds, view.tool, view.search, view.only_matches, view.sort",
        "view.kinds, view.tool = [], 'forecast'",
        "view.tool, view.sort = '', '-tokens'",
    )

    lab.page.set_viewport_size({"width": 1400, "height": 900})
    output.get_by_role("button", name="call 3").click()
    output.get_by_role("button", name="result 3").click()
    expect(output.get_by_text("6 of 11 blocks shown")).to_be_visible()
    assert indices(output) == [3, 4, 5, 6, 8, 9]
    eventually(lab, 2, "(['tool_call', 'tool_use'], '', '', False, '')")

    lab.run(3)
    expect(output.locator(".nbt-row[data-index]")).to_have_count(2)
    assert indices(output) == [4, 6]
    lab.run(4)
    expect(output.locator(".nbt-row[data-index]").first).to_have_attribute("data-index", "10")
    expect(output.get_by_role("columnheader", name="tokens in → out ↓")).to_have_attribute("aria-sort", "descending")


def test_a_search_marks_matches_steps_through_them_and_can_hide_other_rows(lab: Lab) -> None:
    output = show_view(lab, "view.search, view.only_matches")
    field = output.get_by_label("search in all blocks")

    field.fill("lyon")
    field.press("Enter")
    expect(output.locator(".nbt-matches")).to_have_text("1 of 6")
    expect(output.locator("mark").first).to_have_text("Lyon")
    field.press("Enter")
    expect(output.locator(".nbt-matches")).to_have_text("2 of 6")
    field.press("Shift+Enter")
    expect(output.locator(".nbt-matches")).to_have_text("1 of 6")
    output.get_by_role("button", name="Matches only").click()
    expect(output.get_by_text("6 of 11 blocks shown")).to_be_visible()
    eventually(lab, 2, "('lyon', True)")
    field.press("Escape")
    expect(output.locator("mark")).to_have_count(0)


def test_rows_are_selected_by_mouse_and_keyboard_and_available_as_a_turn(lab: Lab) -> None:
    output = show_view(
        lab, "view.selected, [block.kind for block in view.selection]", "view.selected = [0, 10]", "view.selected"
    )
    cells = lab.evaluate("panel.content.widgets.length")

    row(output, 1).locator(".nbt-number").click()
    row(output, 3).locator(".nbt-kind").click(modifiers=["Shift"])
    row(output, 2).locator(".nbt-number").click(modifiers=["Control"])
    expect(output.get_by_text("2 selected")).to_be_visible()
    eventually(lab, 2, "([1, 3], ['user', 'tool_call'])")

    lab.run(3)
    expect(row(output, 10)).to_have_attribute("aria-selected", "true")
    expect(row(output, 1)).to_have_attribute("aria-selected", "false")

    row(output, 4).locator(".nbt-number").click()
    for key in ("ArrowDown", "Shift+ArrowDown", "Shift+ArrowDown", "Home", "b", "d", "d"):
        lab.page.keyboard.press(key)
    expect(output.locator(".nbt-status-text")).to_have_text("3 selected")
    eventually(lab, 4, "[5, 6, 7]")
    row(output, 4).focus()
    lab.page.keyboard.press("Control+a")
    expect(output.get_by_text("11 selected")).to_be_visible()
    lab.page.keyboard.press("Escape")
    expect(output.locator(".nbt-status-text")).to_have_text("")
    assert lab.evaluate("panel.content.widgets.length") == cells


def test_all_actions_of_a_row_have_keys(lab: Lab) -> None:
    output = show_view(lab)
    press = lab.page.keyboard.press
    row(output, 0).focus()

    for _ in range(3):
        press("j")
    press("g")
    expect(row(output, 5)).to_be_focused()
    press("Enter")
    expect(row(output, 5).locator(".nbt-tree")).to_have_count(0)
    press("Enter")
    expect(row(output, 5).locator(".nbt-tree")).to_contain_text("rain all day")
    press("ArrowLeft")
    expect(row(output, 5).locator(".nbt-tree")).to_have_count(0)
    press("m")
    expect(output.get_by_role("menuitem", name="Copy text", exact=True)).to_be_focused()
    press("End")
    press("Escape")
    expect(row(output, 5)).to_be_focused()
    press("/")
    lab.page.keyboard.type("café")
    press("Enter")
    expect(output.locator(".nbt-matches")).to_have_text("1 of 3")
    press("ArrowDown")
    press("n")
    expect(output.locator(".nbt-matches")).to_have_text("2 of 3")
    press("End")
    expect(row(output, 10)).to_be_focused()
    press("?")
    expect(output.get_by_text("from a call to its result, and back")).to_be_visible()
    heights = output.locator(".nbt-help dt").evaluate_all("keys => keys.map(key => key.getBoundingClientRect().height)")
    assert max(heights) < 1.5 * min(heights)  # JupyterLab sets its own width for such lists
    expect(output.get_by_text("Edited, mocked, denied or skipped by a person")).to_be_visible()
    lab.screenshot("keys-and-marks")
    press("Escape")
    expect(output.get_by_text("from a call to its result, and back")).not_to_be_visible()
    expect(row(output, 10)).to_be_focused()
    press("[")
    expect(output.locator(".nbt-fold-button[aria-expanded=true]")).to_have_count(0)


def test_a_block_is_copied_and_displayed_in_each_format(lab: Lab) -> None:
    lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    output = show_view(lab)
    texts = {
        "copy text": "weather(city='Paris', days=['sat', 'sun'])",
        "copy as Python": "nt.tool_call('c1', 'weather', {'city': 'Paris', 'days': ['sat', 'sun']})",
        "copy as YAML": "kind: tool_call\n",
        "copy as JSON": '{\n  "kind": "tool_call",',
    }

    for name, text in texts.items():
        row(output, 3).hover()
        row(output, 3).locator(".nbt-menu-button").click()
        output.get_by_role("menuitem", name=name).click()
        expect(output.locator(".nbt-message")).to_contain_text("of block 3")
        lab.page.wait_for_function(
            "text => navigator.clipboard.readText().then(clipboard => clipboard.startsWith(text))", arg=text
        )

    row(output, 3).focus()
    lab.page.keyboard.press("i")
    panel = row(output, 3).get_by_role("tabpanel")
    expect(panel).to_contain_text('"name": "weather"')
    row(output, 3).get_by_role("tab", name="metadata").click()
    expect(panel).to_contain_text("geppetto.inference_result@v1")
    row(output, 3).get_by_role("tab", name="provider JSON").click()
    expect(panel).to_have_text("Not recorded")
    row(output, 3).get_by_role("button", name="close").click()
    expect(panel).to_have_count(0)
    output.get_by_role("button", name="Turn data", exact=True).click()
    expect(output.get_by_label("Details of the Turn")).to_be_visible()


def test_columns_are_chosen(lab: Lab) -> None:
    output = show_view(lab, "print(view.columns)")

    output.get_by_role("button", name="Columns ▾").click()
    for name in ("provider", "time to the first token", "stop reason"):
        output.get_by_role("menuitemcheckbox", name=name).click()
    lab.page.keyboard.press("Escape")

    expect(row(output, 2)).to_contain_text("320 ms")
    expect(output.get_by_role("columnheader", name="stop", exact=True)).to_have_count(0)
    eventually(lab, 2, "['number', 'kind', 'content', 'provider', 'model', 'tokens', 'cost', 'first', 'time']")


LINKED = """
import ipywidgets
first_view, second_view = nt.view(weather_turn), nt.view(weather_turn)
link = ipywidgets.jslink((first_view, "selected"), (second_view, "selected"))
count = ipywidgets.Label()
first_view.observe(lambda change: setattr(count, "value", f"{len(change['new'])} blocks"), "selected")
tab = ipywidgets.Tab([ipywidgets.HBox([first_view, count]), ipywidgets.VBox([second_view])], titles=["first", "second"])
tab
"""


def test_views_work_in_boxes_and_tabs_and_can_be_linked_and_observed(lab: Lab) -> None:
    lab.new([WEATHER_TURN, LINKED, "second_view.selected"])
    lab.run(0)
    lab.run(1)
    output = lab.output(1)

    output.locator(".nbt-row[data-index='7'] .nbt-number").first.click()
    expect(output.get_by_text("1 blocks", exact=True)).to_be_visible()
    eventually(lab, 2, "[7]")
    output.get_by_role("tab", name="second").click()
    expect(output.locator(".nbt-row[data-index='7'] >> visible=true")).to_have_attribute("aria-selected", "true")


LONG = """
import nbturns as nt
blocks = []
for n in range(50_000):
    blocks += [nt.user(f"question {n}: " + "what is it? " * 12), nt.assistant(f"answer {n}, number {n * 7919 % 50_000}")]
long = nt.Turn(blocks)
"""


def test_a_hundred_thousand_blocks_are_scrolled_searched_and_selected(lab: Lab) -> None:
    output = show_view(
        lab,
        "view.selected[-1], len(view.selected)",
        "view.turn = long + nt.assistant('the very last')",
        setup=LONG,
        view="view = nt.view(long)\nview",
    )
    scroller = output.locator(".nbt-scroll")

    scroller.evaluate("place => { place.scrollTop = place.scrollHeight / 2 }")
    expect(output.get_by_text("question 25000:").or_(output.get_by_text("question 24990:")).first).to_be_attached()
    scroller.evaluate("place => { place.scrollTop = place.scrollHeight }")
    expect(output.get_by_text("answer 49999, number")).to_be_visible()
    assert output.locator(".nbt-row").count() < 400
    assert output.locator(".nbt-stretch, .nbt-chunk").count() < 300

    field = output.get_by_label("search in all blocks")
    field.fill("number 49999")
    field.press("Enter")
    expect(output.locator(".nbt-matches")).to_have_text("1 of 1")
    expect(output.locator(".nbt-current-match")).to_contain_text("number 49999")
    field.press("Escape")

    lab.page.keyboard.press("Control+a")
    expect(output.get_by_text("100,000 selected")).to_be_visible()
    eventually(lab, 2, "(99999, 100000)")
    lab.run(3)
    scroller.evaluate("place => { place.scrollTop = place.scrollHeight }")
    expect(output.get_by_text("the very last")).to_be_visible()
    assert lab.errors == []


def test_a_text_of_ten_megabytes_is_loaded_on_request(lab: Lab) -> None:
    text = "nt.turn('?') + nt.assistant('begin ' + 'word ' * 2_000_000 + 'end of it')"
    output = show_view(lab, setup="import nbturns as nt", view=f"view = nt.view({text})\nview")

    assert lab.received < 300_000
    row(output, 1).get_by_role("button", name="unfold").click()
    row(output, 1).get_by_role("button", name="200,000 more").click()
    expect(row(output, 1).get_by_text("202,000 of 10,000,015 characters")).to_be_visible()
    row(output, 1).get_by_role("button", name="Load all").click()
    expect(row(output, 1).locator(".nbt-load-more")).to_have_count(0)
    assert row(output, 1).locator(".nbt-text").evaluate("place => place.textContent.endsWith('end of it')")


def test_loaded_rows_work_without_a_kernel_and_other_requests_report_that_it_is_gone(lab: Lab) -> None:
    output = show_view(lab, setup=LONG, view="view = nt.view(long[:2_000])\nview")
    expect(output.locator(".nbt-row[data-index]")).to_have_count(2_000)
    lab.shut_down_kernel()

    field = output.get_by_label("search in all blocks")
    field.fill("answer 999,")
    field.press("Enter")
    expect(output.locator(".nbt-matches")).to_have_text("1 of 1")
    output.get_by_role("columnheader", name="kind").get_by_role("button").click()
    expect(output.locator(".nbt-row[data-index]").first).to_contain_text("answer 0,")
    row(output, 1999).focus()
    lab.page.keyboard.press("i")
    expect(row(output, 1999).get_by_role("tabpanel")).to_contain_text("The kernel is gone")
    expect(output.get_by_text("The kernel is gone; rows that were not loaded cannot be shown")).to_be_visible()


def test_setting_the_turn_keeps_folds_and_selection(lab: Lab) -> None:
    output = show_view(
        lab,
        "view.turn = weather_turn + nt.user('And on Monday?')",
        "view.turn = weather_turn.edit(1, text='Something else')",
        "view.turn = weather_turn[4:]; view.selected",
    )
    row(output, 7).locator(".nbt-number").click()
    row(output, 2).get_by_role("button", name="unfold").click()

    lab.run(2)
    expect(row(output, 11)).to_contain_text("And on Monday?")
    expect(row(output, 2).get_by_text("I call it for both")).to_be_visible()
    lab.run(3)
    expect(row(output, 1)).to_contain_text("Something else")
    expect(row(output, 11)).to_have_count(0)
    eventually(lab, 4, "[3]")
    expect(row(output, 3)).to_have_attribute("aria-selected", "true")


def test_a_frozen_view_leaves_its_table(lab: Lab) -> None:
    output = show_view(lab, "view.freeze()")

    lab.run(2)

    expect(output.locator("table caption")).to_contain_text("11 blocks")
    expect(output.locator(".nbt-view")).to_have_count(0)
    saved, *emptied = lab.save()["cells"][1]["outputs"]
    assert all("".join(output["data"]["text/plain"]) == "" for output in emptied)
    assert set(saved["data"]) == {"text/plain", "text/html"}


def test_a_reloaded_page_shows_the_live_table_again(lab: Lab) -> None:
    output = show_view(lab, "view.selected", "view.turn = weather_turn + nt.user('And on Monday?')")
    lab.run(3)
    lab.save()

    lab.open(lab.evaluate("panel.context.path"), fresh=True)

    output = lab.output(1)
    row(output, 11).locator(".nbt-number").click()
    expect(output.get_by_text("1 selected")).to_be_visible()
    eventually(lab, 2, "[11]")


HOSTILE = """
import nbturns as nt
from nbturns.values.inference_results import INFERENCE_RESULT
EVIL = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script><svg onload='window.hacked=1'>[x](javascript:window.hacked=1) \\u202e$x$ https://192.0.2.1/\\ud83d"
PIXEL = {"media_type": "image/svg+xml", "content": "PHN2ZyBvbmxvYWQ9IndpbmRvdy5oYWNrZWQ9MSI+PC9zdmc+"}
remote = {"url": "http://192.0.2.1/leak.png?d=" + EVIL}
result = nt.InferenceResult(provider=EVIL, model=EVIL, stop_reason=EVIL, inference_id=EVIL)
evil = nt.Turn(
    [nt.system(EVIL), nt.user(EVIL, images=[remote, PIXEL]), nt.reasoning(EVIL * 9), nt.Block(EVIL, {"text": EVIL}, role=EVIL),
     nt.assistant(EVIL).with_metadata(INFERENCE_RESULT, result), nt.tool_call(EVIL, EVIL, {EVIL: EVIL, "deep": {EVIL: [EVIL] * 9}}), nt.tool_call("c2", "other", {}),
     nt.tool_use(EVIL, {EVIL: EVIL * 3}), nt.tool_use("none", error=EVIL)],
    id=EVIL,
)
evil = evil._with(metadata=evil.metadata.with_raw(**{EVIL: EVIL}))
"""


def test_text_of_a_model_is_never_html_anywhere_in_the_table(lab: Lab) -> None:
    output = show_view(lab, setup=HOSTILE, view="view = nt.view(evil)\nview")

    lab.page.wait_for_timeout(200)
    output.locator(".nbt-row[data-index='2']").focus()
    lab.page.keyboard.press("]")
    lab.page.keyboard.press("i")
    output.get_by_role("tab", name="YAML").click()
    output.get_by_role("button", name="Turn data", exact=True).click()
    output.get_by_label("search in all blocks").fill("<img")
    expect(output.locator("mark").first).to_have_text("<img")
    output.get_by_role("button", name="Fold ▾").click()
    lab.page.keyboard.press("Escape")
    row(output, 4).hover()
    row(output, 4).locator(".nbt-menu-button").click()
    lab.page.keyboard.press("Escape")
    lab.page.wait_for_timeout(300)

    assert lab.evaluate("window.hacked === undefined")
    assert lab.foreign_requests == []
    assert (
        output.locator(
            ".nbt-view a, .nbt-view script, .nbt-view svg, .nbt-view iframe, .MathJax, mjx-container"
        ).count()
        == 0
    )
    assert "\u202e" not in output.locator(".nbt-view").inner_text()
    expect(row(output, 1).get_by_text("Remote image")).to_have_count(2)


def test_every_state_is_accessible(lab: Lab) -> None:
    lab.page.set_viewport_size({"width": 1340, "height": 1200})
    output = show_view(lab)
    faults: list[str] = []

    def check_themes(state: str) -> None:
        themes: tuple[Literal["Light"], Literal["Dark"]] = ("Light", "Dark")
        for theme in themes:
            lab.theme(theme)
            lab.page.wait_for_timeout(100)
            lab.screenshot(f"turn-{state}-{theme.lower()}", None if "menu" in state else 1)
            faults.extend(f"{state} {theme}: {fault}" for fault in accessibility_faults(lab.page, ".nbt-view"))

    check_themes("usual")
    output.get_by_label("search in all blocks").fill("lyon")
    output.get_by_label("search in all blocks").press("Enter")
    row(output, 1).locator(".nbt-number").click()
    row(output, 4).locator(".nbt-kind").click(modifiers=["Control"])
    lab.page.keyboard.press("Enter")
    check_themes("search")
    lab.page.keyboard.press("i")
    expect(output.get_by_role("tabpanel")).to_contain_text("Lyon")
    check_themes("json")
    output.get_by_role("button", name="Columns ▾").click()
    check_themes("menu")
    lab.page.keyboard.press("Escape")
    lab.page.emulate_media(forced_colors="active")
    lab.theme("Light")
    lab.screenshot("turn-forced-colors", 1)
    lab.page.emulate_media(forced_colors="none")
    lab.page.set_viewport_size({"width": 1280, "height": 900})

    assert faults == []


def test_a_row_of_a_frame_opens_its_turn_at_its_block(lab: Lab) -> None:
    frame = (
        "import nbturns as nt\n"
        "long = nt.Run([nt.turn('q') + tuple(nt.assistant(f'answer {n} ' * 30) for n in range(300))], id='long')\n"
        "blocks = nt.frames.blocks(long)"
    )
    output = show_view(lab, view="nt.view(blocks.iloc[250])", setup=frame)

    expect(output.locator(".nbt-row[data-index='250']")).to_be_in_viewport()
    expect(output.locator(".nbt-row[data-index='250']")).to_have_attribute("aria-selected", "true")
    assert lab.errors == []
