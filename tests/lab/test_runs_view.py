"""The table of several Runs, used in a real JupyterLab."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.lab.jupyterlab import Lab

RUNS = """
import nbturns as nt
def run(name, question, answer):
    blocks = [nt.user(question), nt.assistant(answer)]
    return nt.Run((nt.Turn(blocks),), id=name, name=name)
runs = [run("pears", "how many pears?", "twelve"), run("apples", "how many apples?", "none, <img src=x onerror=alert(1)>"),
        run("plums", "how many plums?", "a long answer about plums " * 20)]
view = nt.view(runs)
view
"""


OUTCOMES = """
from nbturns.widgets.runs_view import RunsView
texts = {"models": ["a-model-with-a-long-name"], "last_words": "The schedule compares local times now, and all tests pass."}
numbers = {"problems": 2, "inferences": 20, "total_tokens": 12_345, "cost": 0.25, "duration_ms": 1e5}
rows = [{"name": f"epoch {n}", **texts, **numbers, "score.match": score, "success": score == 1} for n, score in enumerate((1.0, 0.0, 0.5))]
outcomes = RunsView([*rows, {"name": "late", "limit": "time", **texts}], lambda index: runs[index])
outcomes.table.group = "model"
outcomes
"""


def test_a_table_of_runs_is_sorted_filtered_and_opened(lab: Lab) -> None:
    state = "view.table.opened, view.table.sort, view.table.filter, view.opened.displayed_turn[0].text"
    lab.new([RUNS, f"print({state})", OUTCOMES])
    lab.run(0)
    output = lab.output(0)
    table = output.get_by_role("table", name="Runs", exact=True)
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(table).to_contain_text("onerror=alert(1)")  # as text
    lab.page.set_viewport_size({"width": 1280, "height": 1100})

    table.get_by_role("button", name="name").click()
    expect(rows.first).to_contain_text("apples")
    table.get_by_role("button", name="name").click()
    expect(rows.first).to_contain_text("plums")
    output.get_by_label("Filter the Runs").fill("twelve")
    expect(rows).to_have_count(1)
    output.get_by_label("Filter the Runs").fill("")
    expect(rows).to_have_count(3)

    output.get_by_label("Group the Runs by").select_option("last words")
    expect(rows).to_have_count(6)  # each with its head
    table.get_by_role("button", name="▾ twelve").click()
    expect(rows).to_have_count(5)
    table.get_by_role("button", name="▸ twelve").press("Enter")
    output.get_by_label("Group the Runs by").select_option("")
    expect(rows).to_have_count(3)

    rows.filter(has_text="pears").locator("td").last.click()
    expect(output.get_by_role("grid")).to_contain_text("how many pears?")
    expect(rows.filter(has_text="pears")).to_have_attribute("aria-current", "true")
    rows.filter(has_text="pears").get_by_role("button").focus()
    lab.page.keyboard.press("ArrowDown")
    lab.page.keyboard.press("Enter")
    expect(output.get_by_role("grid")).to_contain_text("how many apples?")
    lab.wait_until_idle()
    lab.run(1)
    assert lab.text(1) == "1 -name  how many apples?\n"

    lab.run(2)
    group = lab.output(2).get_by_role("rowheader", name="a-model-with-a-long-name")
    expect(group).to_contain_text("1 of 4 passed, 1 partly, 1 stopped at a limit")
    expect(group.locator(".nbt-square")).to_have_count(4)
    expect(lab.output(2).get_by_role("cell", name="success")).to_contain_text("✓")
    lab.page.set_viewport_size({"width": 1700, "height": 1100})
    for width, hidden_columns in ((1_100, []), (850, ["last words"]), (366, ["last words", "model", "time", "tokens"])):
        lab.output(2).locator(".nbt-runs-view").evaluate("(view, width) => (view.style.width = `${width}px`)", width)
        for name in ("last words", "model", "time", "tokens"):
            expect(lab.output(2).get_by_role("columnheader", name=name)).to_have_count(int(name not in hidden_columns))
        assert lab.output(2).locator(".nbt-scroll").evaluate("table => table.scrollWidth <= table.clientWidth")
    lab.page.set_viewport_size({"width": 1280, "height": 1100})
    lab.screenshot("runs-view-light", 0)
    lab.theme("Dark")
    lab.screenshot("runs-view-dark", 0)
    assert lab.errors == []
    assert lab.foreign_requests == []


FAILED = """
import nbturns as nt
def run(name, bad):
    blocks = [nt.user(f"look at {name} ")]
    for n in range(40):
        blocks += [nt.tool_call(f"c{n}", "look", {"n": n}), nt.tool_use(f"c{n}", "Error: no such shelf" if n == bad else f"shelf {n} " * 3)]
    return nt.Run((nt.Turn(blocks),), id=name, name=name)
calls = nt.frames.tool_calls([run("pears", 11), run("plums", 23)])
view = nt.view(calls[calls.failed])
view
"""


def test_failed_calls_of_several_runs_are_shown_each_in_its_own_run(lab: Lab) -> None:
    lab.new([FAILED])
    lab.run(0)
    output = lab.output(0)
    runs = output.get_by_role("table", name="Runs", exact=True).locator("tbody tr")
    expect(runs).to_have_count(2)

    for name, call in (("pears", 23), ("plums", 47)):
        runs.filter(has_text=name).locator("td").last.click()
        expect(output.get_by_role("grid")).to_contain_text(f"look at {name}")
        lines = [output.locator(f'.nbt-row[data-index="{index}"]') for index in (call, call + 1)]
        table = output.locator(".nbt-scroll:has(.nbt-grid)")
        for line in lines:
            expect(line).to_have_attribute("aria-selected", "true")
        lab.page.wait_for_timeout(300)
        box = table.bounding_box()
        assert box is not None
        for line in lines:
            line_box = line.bounding_box()
            assert line_box is not None
            assert box["y"] <= line_box["y"] <= box["y"] + box["height"] / 3
    assert lab.errors == []
