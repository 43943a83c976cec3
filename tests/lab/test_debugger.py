"""The debugger with the mouse and the keyboard, in a real JupyterLab."""

from __future__ import annotations

from typing import Literal

from playwright.sync_api import Locator, expect

from tests.lab.jupyterlab import Lab
from tests.lab.test_appearance import accessibility_faults

THEMES: tuple[Literal["Light"], Literal["Dark"]] = ("Light", "Dark")
AGENT = "import sys\nsys.path.insert(0, 'fixtures')\nsys.path.insert(0, '../fixtures')\nimport cleanup_agent\nimport nbturns as nt\nsession = cleanup_agent.session()\nnt.view(session)"

CALLS = """
import nbturns as nt
ran = []
def write(path: str, text: str, force: bool = False) -> str:
    "Write a file."
    ran.append((path, text, force))
    return "written"
calls = [
    nt.tool_call("a", "write", {"path": "a.txt", "text": "one\\ntwo"}),
    nt.tool_call("b", "write", {"path": "b.txt", "text": "x", "force": "perhaps"}),
    nt.tool_call("c", "write", {"path": "c.txt", "text": "x"}),
    nt.tool_call("d", "wipe", {"path": "/"}),
]
session = nt.Session(nt.scripted(calls, nt.tool_call("e", "write", {"path": "e", "text": ""}), "done"), tools=[write], step=True)
execution = session.ask("go")
execution
"""

FAILURE = """
import nbturns as nt
answers = [nt.EngineError("bad gateway", status=502, request_id="req_7"), "It works now."]
async def engine(turn, scope):
    answer = answers.pop(0)
    if isinstance(answer, Exception):
        raise answer
    return turn + nt.assistant(answer)
session = nt.Session(engine)
execution = session.ask("go")
nt.view(execution)
"""


GOING_ON = """
import nbturns as nt
async def be_brief(turn, scope, engine):
    return await engine(turn + nt.system("Be brief."), scope)
def look_up(path: str) -> str:
    "Read a file."
    return f"text of {path}"
calls = [nt.tool_call(f"c{n}", "look_up", {"path": f"{n}.txt"}) for n in range(2)]
session = nt.Session(
    nt.scripted(*calls, "Both are read.", "Not much is left."), tools=[nt.Tool(look_up, effect="pure")], middleware=[be_brief],
    policy=[{"tool": "look_*", "decision": "allow"}], tool_config=nt.ToolConfig(max_iterations=1),
)
nt.view(session)
"""


TOO_WIDE = """view => {
    const end = view.getBoundingClientRect().right;
    const elements = [...view.querySelectorAll("*")].filter((item) => item.getBoundingClientRect().right > end + 1);
    return elements.map((item) => item.className).join(", ");
}"""


LONG = """
import nbturns as nt
def same(x: int) -> int:
    return x
calls = [nt.tool_call(f"c{n}", "same", {"x": n}) for n in range(300)]
execution = nt.Session(nt.scripted(*calls, "done"), tools=[same], tool_config=nt.ToolConfig(max_iterations=999)).ask("?")
execution.result()
nt.view(execution)
"""


RERUN = """
import nbturns as nt
import pathlib
run = nt.load(next(path for path in (pathlib.Path("fixtures"), pathlib.Path("../fixtures")) if path.is_dir()) / "claude_code_night.jsonl")
last_kept = next(index for index, block in enumerate(run[-1]) if block.kind == "tool_use")
model = nt.scripted(nt.tool_call("n1", "Read", {"file_path": "irrigation/schedule.py"}), nt.tool_call("n2", "Bash", {"command": "rm -rf data"}), "Done.")
session = nt.rerun(run, model, at=(0, last_kept))
session.ask(session.latest)
nt.view(session)
"""


def button(output: Locator, name: str) -> Locator:
    return output.get_by_role("button", name=name, exact=True)


def check_pictures(lab: Lab, name: str) -> None:
    """Take a picture of the view in both themes at three widths of its own, and let axe look."""
    view = lab.output(0).locator(".nbt-view").first
    violations = []
    for theme in THEMES:
        lab.theme(theme)
        for width in (1400, 800, 366):
            margins = lab.page.evaluate("window.innerWidth") - view.evaluate("view => view.clientWidth")
            lab.page.set_viewport_size({"width": width + margins, "height": 1100})
            lab.page.wait_for_function(
                "([view, width]) => Math.abs(view.clientWidth - width) < 25", arg=[view.element_handle(), width]
            )
            if view.evaluate("view => view.scrollWidth > view.clientWidth"):
                violations.append(f"{theme}, {width} px: the view scrolls sideways: {view.evaluate(TOO_WIDE)}")
            lab.screenshot(f"{name}-{theme.lower()}-{width}", 0)
        violations += [f"{theme}: {fault}" for fault in accessibility_faults(lab.page, ".nbt-view")]
    lab.theme("Light")
    lab.page.set_viewport_size({"width": 1280, "height": 900})
    assert violations == []


def test_a_failing_agent_run_is_fixed_with_the_buttons_alone(lab: Lab) -> None:
    lab.new([AGENT, "cleanup_agent.restore()"])
    lab.run(0)
    output = lab.output(0)
    status = output.locator(".nbt-debug .nbt-status")

    output.get_by_label("Ask the model").fill("Delete one file that is no longer needed, then run the check.")
    lab.page.keyboard.press("Control+Enter")
    expect(status).to_have_text("Done")
    expect(output.get_by_text("The check fails:").first).to_be_visible()  # the symptom

    slider = output.get_by_role("slider", name="Snapshot")
    slider.focus()
    lab.page.keyboard.press("Home")
    expect(status).to_have_text("Looking back")
    for _ in range(10):  # to iteration 3, before the tools
        lab.page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuetext", "Snapshot 11 of 18, iteration 3, before the tools")
    expect(output.get_by_text("You look at snapshot 11 of 18")).to_be_visible()
    button(output, "Compare with its parent").click()
    expect(output.get_by_role("region", name="Comparison")).to_contain_text(
        "The largest file frees most space."
    )  # the cause

    lab.run(1)
    button(output, "Fork here").click()
    dialog = output.get_by_role("alertdialog")
    expect(dialog).to_contain_text("After this point 1 call with effects ran.")
    dialog.get_by_label("run again").check()
    dialog.get_by_label("name", exact=True).fill("right-file")
    button(dialog, "Fork").click()
    card = output.get_by_role("group", name="Waiting call 1 of 1: delete_file")
    card.get_by_label("path", exact=True).fill("exports/2024-03.csv")  # the fix
    expect(card.get_by_text("was readings/2026-10-25.csv")).to_be_visible()
    button(card, "Run edited").click()
    expect(status).to_have_text("Paused after the tools")
    button(output, "Continue").click()
    expect(status).to_have_text("Done")
    expect(output.get_by_text("The check finds all readings.").first).to_be_visible()

    button(output, "Branches 2").click()
    tree = output.get_by_role("treegrid", name="Branches")
    expect(tree.get_by_role("row", name="right-file")).to_contain_text("✎ edited")
    for name in ("main", "right-file"):
        tree.get_by_label(f"Compare {name}").check()
    button(output, "Compare 2").click()
    expect(output.get_by_role("region", name="Comparison")).to_contain_text("exports/2024-03.csv")
    check_pictures(lab, "debugger-branches")
    tree.get_by_role("button", name="Open main").click()
    expect(output.get_by_text("The check fails:").first).to_be_visible()
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_waiting_calls_are_decided_with_mouse_and_keys(lab: Lab) -> None:
    lab.new([CALLS, "ran", "session.policy.to_yaml()"])
    lab.run(0)
    output = lab.output(0)
    expect(output.get_by_text("4 calls wait")).to_be_visible()
    wrong = output.get_by_role("group", name="Waiting call 2 of 4: write")
    expect(wrong).to_contain_text("force: expected true or false, got 'perhaps'")
    expect(output.get_by_text("unknown tool")).to_be_visible()
    check_pictures(lab, "debugger-cards")
    output.get_by_role("button", name="Go to waiting call 3").click()  # from the row of the call to its card
    expect(output.get_by_role("group", name="Waiting call 3 of 4: write").get_by_label("path")).to_have_value("c.txt")
    output.get_by_role("button", name="Go to waiting call 2").click()

    wrong.get_by_label("force", exact=True).fill("maybe")
    button(wrong, "Run edited").click()
    expect(wrong).to_contain_text("this is not JSON")  # refused before anything runs
    wrong.get_by_label("force", exact=True).fill("true")
    lab.page.keyboard.press("Control+Enter")
    expect(output.get_by_text("3 calls wait")).to_be_visible()

    output.get_by_role("slider").focus()
    lab.page.keyboard.press("1")
    first = output.get_by_role("group", name="Waiting call 1 of 3: write")
    button(first, "JSON").click()
    area = first.get_by_label("Arguments as JSON")
    area.fill(area.input_value().replace("one", "three"))
    button(first, "Run edited").click()
    expect(output.get_by_text("2 calls wait")).to_be_visible()

    output.get_by_role("slider").focus()
    lab.page.keyboard.press("b")
    output.get_by_label("tool", exact=True).fill("wri*")
    button(output, "Add breakpoint").click()
    expect(output.get_by_label("Pause when tool wri*")).to_be_checked()

    output.get_by_role("slider").focus()
    lab.page.keyboard.press("a")
    output.get_by_label("arguments", exact=True).fill("path *.txt")
    button(output, "Add this rule").click()
    expect(output.get_by_label("Breakpoints and rules")).to_contain_text("write(path *.txt)")

    output.get_by_role("slider").focus()
    lab.page.keyboard.press("d")
    output.get_by_label("reason", exact=True).fill("not this one")
    lab.page.keyboard.press("Enter")
    expect(output.get_by_text("1 call waits")).to_be_visible()
    output.get_by_role("slider").focus()
    lab.page.keyboard.press("s")
    expect(output.locator(".nbt-status")).to_have_text("Paused after the tools")
    button(output, "Continue").click()
    expect(output.locator(".nbt-status")).to_contain_text("(breakpoint: tool wri*)")
    button(output, "Continue").click()
    expect(output.get_by_text("Execution done")).to_be_visible()

    lab.run(1)
    assert lab.text(1) == "[('b.txt', 'x', True), ('a.txt', 'three\\ntwo', False), ('e', '', False)]"
    lab.run(2)
    assert "decision: allow" in lab.text(2)
    assert lab.errors == []


def test_a_failed_call_is_retried_and_a_fan_out_is_a_grid(lab: Lab) -> None:
    fan_out = "async def other(turn, scope):\n    return turn + nt.assistant('Other.')\nnt.fan_out(nt.turn('What?'), engines=[nt.scripted('One.'), other], n=1)"
    lab.new([FAILURE, fan_out])
    lab.run(0)
    output = lab.output(0)
    failure = output.get_by_role("alert", name="Failure")
    expect(failure).to_contain_text("Model call 1 failed: 502")
    expect(failure).to_contain_text("Request id req_7.")
    button(failure, "Retry with…").click()
    check_pictures(lab, "debugger-failure")
    failure.get_by_label("engine", exact=True).fill("nowhere")
    button(failure, "Retry with these").click()
    expect(output.get_by_text("an engine is named provider:model")).to_be_visible()
    button(failure, "Fork before it").click()
    expect(output.get_by_role("alertdialog")).to_be_visible()
    lab.page.keyboard.press("Escape")
    button(output, "Back to now").click()
    button(failure, "Retry").click()
    expect(output.get_by_text("It works now.")).to_be_visible()
    expect(output.locator(".nbt-status")).to_have_text("Done")

    lab.run(1)
    grid = lab.output(1)
    expect(grid.locator(".nbt-status")).to_have_text("2 of 2 branches ended")
    button(grid, "Compare branch 1 with branch 0").click()
    expect(grid.get_by_role("region", name="Comparison")).to_contain_text("Other.")
    lab.screenshot("debugger-fan-out", 1)
    assert accessibility_faults(lab.page, ".nbt-fan-out") == []
    assert lab.errors == []


def test_a_limit_a_rule_a_middleware_and_blocks_to_leave_out(lab: Lab) -> None:
    lab.new([GOING_ON, LONG, RERUN])
    lab.run(0)
    output = lab.output(0)
    status = output.locator(".nbt-debug .nbt-status")
    prompt = output.get_by_label("Ask the model")
    prompt.fill("Read both files.")
    engine = output.get_by_label("engine", exact=True)
    own_engine = engine.input_value()
    engine.fill("nowhere")
    lab.page.keyboard.press("Escape")
    button(output, "Send").click()
    expect(output.get_by_text("an engine is named provider:model")).to_be_visible()
    expect(prompt).to_have_value("Read both files.")  # the draft is kept
    engine.fill(own_engine)
    prompt.press("Control+Enter")

    failure = output.get_by_role("alert", name="Failure")
    expect(failure).to_contain_text("Stopped at the limit of 1 model call")
    expect(status).to_have_text("Stopped at the limit")
    check_pictures(lab, "debugger-limit")
    failure.get_by_label("more model calls").fill("some")
    failure.get_by_role("button", name="Continue").click()
    expect(output.get_by_text("the limit must be a number of model calls")).to_be_visible()
    failure.get_by_label("more model calls").fill("5")
    lab.page.keyboard.press("Enter")
    expect(output.get_by_text("Both are read.").first).to_be_visible()
    expect(status).to_have_text("Done")
    output.get_by_label("Rules", exact=True).locator("summary").click()
    expect(output.get_by_role("listitem").filter(has_text="look_*")).to_contain_text("2×")

    button(output, "Ask again without…").click()
    form = output.get_by_role("group", name="Blocks to leave out")
    form.get_by_label("look_up(path='0.txt')").uncheck()
    expect(form.get_by_label("text of 0.txt")).not_to_be_checked()  # the result leaves with its call
    check_pictures(lab, "debugger-leave-out")
    lab.page.keyboard.press("Escape")
    button(output, "Who changed it").click()
    output.get_by_role("button", name="Compare what was sent of be_brief").click()
    comparison = output.get_by_role("region", name="Comparison")
    expect(comparison).to_contain_text("into be_brief")
    expect(comparison).to_contain_text("Be brief.")
    check_pictures(lab, "debugger-layers")

    button(output, "Leave out blocks…").click()
    form.get_by_label("look_up(path='0.txt')").uncheck()
    form.get_by_role("button", name="Ask again without 2 blocks").click()
    expect(output.get_by_text("Not much is left.").first).to_be_visible()
    button(output, "Branches 2").click()
    expect(output.get_by_role("treegrid", name="Branches").get_by_role("row", name="fork-1")).to_contain_text(
        "✎ removed"
    )

    lab.run(1)
    output = lab.output(1)
    slider = output.get_by_role("slider", name="Snapshot")
    slider.click(position={"x": slider.evaluate("track => track.clientWidth") / 2, "y": 20})
    expect(output.get_by_role("group", name="Earlier snapshot")).to_contain_text("of 903: iteration 1")
    assert output.locator(".nbt-past .nbt-row").count() <= 200  # of 301: the others are not drawn, so that it is fast
    lab.run(2)
    output = lab.output(2)
    expect(output.get_by_role("status").first).to_contain_text("it differs from the recorded call in command")
    rows = output.get_by_role("grid").first.get_by_role("row")
    expect(output.locator(".nbt-live-start")).to_have_count(1)
    expect(rows.filter(has_text="recorded")).to_have_count(1)
    card = output.get_by_role("group", name="Waiting call 1 of 1: Bash")
    expect(card.get_by_text("not at hand")).to_be_visible()
    expect(button(card, "Run")).to_have_count(0)  # nothing can run it; an edit may give the recorded arguments
    lab.page.set_viewport_size({"width": 1280, "height": 1500})
    lab.screenshot("debugger-recorded-light", 2)
    assert lab.errors == []
