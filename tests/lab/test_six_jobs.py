"""Six jobs with a Run, each with no or one cell of code and at most two clicks, in a real JupyterLab.

What went wrong, which calls failed, the cost of each step, where the context grew, the comparison of two Runs, and a
figure for a report. A last view has Markdown and a Run that a call started.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, expect

import nbturns as nt
from nbturns.values.provenance import CHILD_RUN
from tests.lab.jupyterlab import Lab
from tests.lab.test_calls_lane import repair, row
from tests.lab.test_debugger import check_pictures

REPORT = (
    "## Left to do\n\n| place | change |\n|---|---|\n| `valves.py` | compare in **UTC** |\n\n```python\nreturn 1\n```\n"
)


def write_runs(folder: Path) -> None:
    """Write a Run, a second attempt at it, and a Run with the one that it started."""
    run = repair()
    nt.save(run, folder / "repair.yaml")
    nt.save(nt.Run((run[0] + nt.assistant("The clocks went back."),), name="repair-08"), folder / "again.yaml")
    child = [
        nt.user("Find times"),
        nt.tool_call("x", "search", {"text": "now"}),
        nt.tool_use("x", "3 matches"),
        nt.assistant("**3** places"),
    ]
    nt.save(nt.Run((nt.Turn(child),), name="helper", id="helper-1"), folder / "helper.yaml")
    call = nt.tool_call("c", "helper", {"task": "Find times"}).with_metadata(CHILD_RUN, "helper-1")
    edit = nt.tool_call("e", "Edit", {"path": "valves.py", "old_string": "a = now()", "new_string": "a = utcnow()"})
    records = [{"time": "02:00", "litres": 0.5}, {"time": "02:30", "litres": 11.25}]
    blocks = [
        nt.user("*Why?*"),
        call,
        nt.tool_use("c", "3 places"),
        edit,
        nt.tool_use("e", records),
        nt.assistant(REPORT),
    ]
    nt.save(nt.Run((nt.Turn(blocks),), name="main", id="main-1"), folder / "main.yaml")


def test_the_six_jobs_take_a_cell_and_two_clicks_at_most(lab: Lab, tmp_path: Path) -> None:
    write_runs(tmp_path)
    load = f"import nbturns as nt\nfolder = {str(tmp_path)!r}\nrun = nt.load(folder + '/repair.yaml')\n"
    parent = "nt.view([nt.load(folder + '/main.yaml'), nt.load(folder + '/helper.yaml')], markdown=True)"
    lab.new(
        [f"{load}nt.view(run)", "nt.compare(run, nt.load(folder + '/again.yaml'))", "nt.figure(run, 'context')", parent]
    )
    lab.run(0)
    view = lab.output(0).locator(".nbt-view").first
    check_problems(view)
    check_calls(view)
    lab.run(1)
    expect(lab.output(1).get_by_text("The clocks went back.")).to_be_visible()  # only in the second attempt
    lab.run(2)
    expect(lab.output(2).locator("img")).to_have_count(1)
    lab.run(3)
    check_subagent(lab, lab.output(3))
    check_pictures(lab, "six-jobs")


def check_problems(view: Locator) -> None:
    """What went wrong, and which calls failed: one click opens the list, the second goes to a call."""
    view.get_by_role("button", name="2 problems").click()
    panel = view.get_by_role("group", name="Problems")
    expect(panel.get_by_role("listitem")).to_have_count(2)
    expect(panel).to_contain_text("FileNotFoundError: no such log")
    panel.get_by_role("listitem").first.get_by_role("button").first.click()
    expect(row(view, 13)).to_have_attribute("aria-selected", "true")
    expect(row(view, 12)).to_have_attribute("aria-selected", "true")
    expect(row(view, 13)).to_be_in_viewport()


def check_calls(view: Locator) -> None:
    """The cost of each step needs no click; where the context grew takes one for the call and one for its context."""
    expect(row(view, 2).locator(".nbt-cost")).to_have_text("$0.0200")
    bars = view.get_by_role("group", name="Model calls").get_by_role("button")
    expect(bars.nth(3)).to_contain_text("▲")
    bars.nth(3).click()
    view.get_by_role("button", name="Context of call 4").click()
    expect(view.locator(".nbt-lens")).to_contain_text("read_file")


def check_subagent(lab: Lab, output: Locator) -> None:
    """A Run that a call started unfolds below the call; messages are rendered, edits diffs, and records tables."""
    output.get_by_role("table", name="Runs", exact=True).locator("tbody tr").filter(has_text="main").locator(
        "td"
    ).last.click()
    grid = output.get_by_role("grid", name="Blocks of the Turn")
    grid.get_by_text("Left to do").hover()  # a text is rendered when it is seen; the element may be exchanged
    expect(grid.get_by_role("heading", name="Left to do")).to_be_visible()
    expect(grid.locator("em")).to_have_text("Why?")
    expect(grid.locator(".nbt-t-records")).to_contain_text("11.25")
    grid.locator("summary").filter(has_text="helper").click()
    nested = output.get_by_role("grid", name="Blocks of helper")
    expect(nested.get_by_role("rowheader").last).to_have_text("1.3")
    expect(nested.locator("strong")).to_have_text("3")
    nested.get_by_role("button", name="Unfold block 1").click()
    expect(nested.get_by_text("now")).to_be_visible()
    lab.screenshot("subagent", 3)
    output.locator(".nbt-run .nbt-row").first.press("M")
    expect(grid.get_by_text("## Left to do")).to_be_visible()
