"""The views of a Run and of a comparison in a real JupyterLab."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from tests.lab.jupyterlab import Lab

RUN = "import nbturns as nt\nrun = nt.load('fixtures/greenhouse.yaml')\nview = nt.view(run)\nview"
EDITED = """
import nbturns as nt
run = nt.load('fixtures/greenhouse.yaml')
turn = run[0]
edited_turn = turn.edit(1, text='Was it too cold for the pepper seedlings last night?').drop(5) + nt.user('And tomorrow?')
"""


def turn_tab(output: Locator, name: str) -> Locator:
    return output.get_by_role("tablist", name="turns").get_by_role("tab", name=name)


def phases(output: Locator) -> Locator:
    """Open the slider of phases and return it."""
    if not output.get_by_role("slider", name="Phase of the Turn").is_visible():
        output.get_by_role("button", name="Phases", exact=True).click()
    return output.get_by_role("slider", name="Phase of the Turn")


def blocks(output: Locator) -> Locator:
    return output.get_by_role("grid").get_by_role("row")


def test_a_run_is_explored_by_turn_and_phase(lab: Lab) -> None:
    lab.new([RUN, "print(view.turn, view.phase, len(view.displayed_turn), view.selected, repr(view.selection))"])
    lab.run(0)
    output = lab.output(0)
    expect(turn_tab(output, "turn 0")).to_have_attribute("aria-selected", "true")
    expect(blocks(output)).to_have_count(1 + 14)
    expect(output.get_by_text("6,416 → 646 tokens")).to_be_visible()

    turn_tab(output, "turn 2").click()
    expect(blocks(output)).to_have_count(1 + 20)
    turn_tab(output, "turn 0").click()
    phases(output).press("Home")
    output.get_by_role("button", name="Next phase").click()
    expect(output.get_by_text("Phase 2 of 9, iteration 0, after the model call: 4 blocks, +2")).to_be_visible()
    expect(blocks(output)).to_have_count(1 + 4)
    blocks(output).nth(3).get_by_text("reasoning", exact=True).click()
    lab.wait_until_idle()
    lab.run(1)

    assert lab.text(1).strip() == "0 1 4 [2] <Turn 1 block>"
    output.get_by_role("button", name="Context of call 1").click()
    lens = output.get_by_role("group", name="Context of a model call")
    expect(lens.get_by_role("status")).to_have_text("612 of 200,000 tokens, shares estimated")
    expect(lens.get_by_role("table", name="Largest blocks").get_by_role("row")).to_have_count(1 + 2)
    lens.get_by_role("button", name="Context of the next call").click()
    expect(output.get_by_role("button", name="Context of call 2")).to_be_visible()
    expect(lens.get_by_role("table", name="Largest blocks").get_by_role("row")).to_have_count(1 + 5)
    parts = lens.get_by_role("group", name="Blocks of the request of call 2, in order").get_by_role("button")
    expect(parts).to_have_count(5)
    parts.nth(4).click()
    expect(blocks(output).nth(1 + 4)).to_have_attribute("aria-selected", "true")
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_the_timeline_is_controlled_by_keys_and_from_python(lab: Lab) -> None:
    lab.new([RUN, "view.turn = 0\nview.phase = 2"])
    lab.run(0)
    output = lab.output(0)
    cells = lab.evaluate("panel.content.widgets.length")
    turn_tab(output, "turn 2").click()

    lab.page.keyboard.press("ArrowLeft")
    expect(turn_tab(output, "turn 1")).to_be_focused()
    expect(blocks(output)).to_have_count(1 + 16)
    lab.page.keyboard.press("Home")
    expect(turn_tab(output, "turn 0")).to_have_attribute("aria-selected", "true")
    lab.page.keyboard.press("b")
    phases(output).focus()
    lab.page.keyboard.press("Home")
    expect(blocks(output)).to_have_count(1 + 2)
    lab.run(1)

    expect(blocks(output)).to_have_count(1 + 5)
    assert lab.evaluate("panel.content.widgets.length") == cells


def test_new_blocks_can_be_filtered_and_jumped_to(lab: Lab) -> None:
    lab.new([RUN])
    lab.run(0)
    output = lab.output(0)
    turn_tab(output, "turn 2").click()
    expect(blocks(output)).to_have_count(1 + 20)

    output.get_by_role("button", name="new only").click()
    expect(blocks(output)).to_have_count(1 + 4)
    output.get_by_role("button", name="Previous Turn").click()
    expect(blocks(output)).to_have_count(1 + 2)
    output.get_by_role("button", name="new only").click()
    output.get_by_role("button", name="Next new block").click()

    expect(blocks(output).nth(15)).to_be_focused()
    expect(output.get_by_text("What should I do before tonight?").last).to_be_in_viewport()


def test_an_edited_turn_lists_the_changes_since_the_previous_turn(lab: Lab) -> None:
    lab.new([EDITED + "nt.view(nt.Run((turn, edited_turn)))"])
    lab.run(0)
    output = lab.output(0)

    turn_tab(output, "turn 1").click()
    output.get_by_text("Changes since Turn 0: 1 edited, 1 removed, 1 added").click()

    expect(output.locator("del", has_text="tomato")).to_be_visible()
    expect(output.locator("ins", has_text="pepper")).to_be_visible()
    expect(output.get_by_text("nt.compare(run[0], run[1])")).to_be_visible()


def test_the_view_of_a_session_grows_with_it(lab: Lab, kernel: str) -> None:
    session = "import nbturns as nt\nsession = nt.Session(nt.scripted('one', 'two'))\nnt.view(session)"
    lab.new([session, "session.ask('1').result().text", "execution = session.ask('2', step={'final'})"], kernel)
    lab.run(0)
    output = lab.output(0)

    lab.run(1)
    expect(blocks(output)).to_have_count(1 + 2)
    lab.run(2)

    expect(output.get_by_text("paused at the end")).to_be_visible()
    expect(blocks(output)).to_have_count(1 + 4)
    expect(turn_tab(output, "turn 0")).to_be_visible()
    lab.wait_until_idle()


def test_a_comparison_is_controlled_by_mouse_and_keyboard_and_read_from_python(lab: Lab) -> None:
    lab.new([EDITED + "view = nt.view(nt.compare(turn, edited_turn))\nview", "print(view.selected, view.change)"])
    lab.run(0)
    output = lab.output(0)
    expect(output.locator("del", has_text="tomato")).to_be_visible()
    expect(output.get_by_role("status")).to_have_text("3 changes")

    output.get_by_role("button", name="changes only").click()
    expect(output.get_by_role("row")).to_have_count(1 + 3)
    output.get_by_role("button", name="next change").click()
    lab.page.keyboard.press("n")
    expect(output.get_by_role("status")).to_have_text("Change 2 of 3")
    lab.page.keyboard.press("c")
    output.get_by_role("button", name="8 equal blocks").click()
    expect(output.get_by_role("row")).to_have_count(1 + 1 + 1 + 1 + 1 + 8 + 1)
    lab.wait_until_idle()
    lab.run(1)

    assert lab.text(1).strip().endswith("<Change removed #5 llm_text>")
    assert lab.errors == []


LONG = """
import nbturns as nt
blocks, turns = [], []
for n in range(200):
    blocks += [nt.user(f"question {n} " + "what? " * 60), nt.tool_call(f"c{n}", "look", {"n": n}), nt.tool_use(f"c{n}", {"n": n}), nt.assistant(f"answer {n}, {'word ' * 80}")]
    if n % 20 == 19:
        turns.append(nt.Turn(blocks))
nt.view(nt.Run(tuple(turns)))
"""


def test_a_long_run_is_displayed_before_all_its_blocks_are_loaded(lab: Lab) -> None:
    lab.new([LONG])
    lab.run(0)
    output = lab.output(0)

    expect(output.locator(".nbt-row[data-index]").first).to_be_visible()
    expect(output.locator(".nbt-row[data-index='1']")).to_contain_text("→ 2")
    turn_tab(output, "turn 9").click()
    expect(output.locator(".nbt-row[data-index='798']")).to_contain_text("← 797")
    expect(output.locator(".nbt-row[data-index='798']")).to_contain_text("look")
    assert lab.errors == []


def test_views_side_by_side_share_the_width_and_do_not_overlap(lab: Lab) -> None:
    boxed = "import ipywidgets\nviews = [nt.view(run), nt.view(run[0])]\nipywidgets.HBox(views)"
    lab.new([RUN.rpartition("view =")[0] + boxed])
    lab.run(0)
    output = lab.output(0)
    expect(output.locator(".nbt-view")).to_have_count(2)
    expect(output.locator(".nbt-row[data-index='2'] .nbt-call").first).to_be_visible()

    edges = output.locator(".nbt-view").evaluate_all(
        "views => views.map(view => [view.getBoundingClientRect().left, view.getBoundingClientRect().right])"
    )
    kinds = output.locator(".nbt-row[data-index='2'] .nbt-kind").evaluate_all(
        "cells => cells.map(cell => cell.getBoundingClientRect().right)"
    )
    calls = output.locator(".nbt-row[data-index='2'] .nbt-call.nbt-model").evaluate_all(
        "cells => cells.map(cell => cell.getBoundingClientRect().left)"
    )

    output_box = output.bounding_box()
    assert output_box is not None
    assert edges[0][1] <= edges[1][0]
    assert edges[1][1] <= output_box["x"] + output_box["width"] + 1
    assert all(call > kind for kind, call in zip(kinds, calls, strict=True))


HOSTILE = """
import nbturns as nt
EVIL = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>\\u202eabc\\ud83d"
a = nt.Turn([nt.user(EVIL), nt.Block(EVIL, {EVIL: EVIL}), nt.tool_call(EVIL, EVIL, {EVIL: EVIL})])
b = a.edit(0, text=EVIL + " more") + nt.user(EVIL)
run = nt.Run((a, b), name=EVIL)
nt.view(run)
"""


def test_text_of_a_model_is_never_html_in_any_view(lab: Lab) -> None:
    lab.new([HOSTILE, "nt.view(nt.compare(a, b))", "nt.compare(a, b)"])
    lab.run_all()
    expect(lab.output(1).get_by_text("onerror=").first).to_be_visible()
    turn_tab(lab.output(0), "turn 1").click()
    lab.output(0).get_by_text("Changes since Turn").click()

    assert lab.evaluate("window.hacked === undefined")
    assert lab.page.locator(".nbt-view img, .nbturns img").count() == 0
    assert lab.foreign_requests == []


def test_a_frozen_view_is_a_table_that_needs_no_kernel(lab: Lab) -> None:
    cells = [
        RUN,
        EDITED + "comparison_view = nt.view(nt.compare(turn, edited_turn))\ncomparison_view",
        "view.freeze(); comparison_view.freeze()",
    ]
    lab.new(cells)
    lab.run_all()
    expect(lab.output(0).locator("table")).to_be_visible()

    saved = lab.save()
    lab.shut_down_kernel()
    lab.open(lab.evaluate("panel.context.path"), fresh=True)

    expect(lab.output(0).get_by_role("row")).to_have_count(1 + 3 + 20)
    expect(lab.output(1).locator("ins", has_text="pepper")).to_be_visible()
    for cell in saved["cells"][:2]:
        assert "application/vnd.jupyter.widget-view+json" not in cell["outputs"][0]["data"]
