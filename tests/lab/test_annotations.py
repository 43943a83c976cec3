"""Marks and endings in the views of a real JupyterLab."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.lab.jupyterlab import Lab
from tests.lab.test_appearance import accessibility_faults

SESSION = """
import nbturns as nt
def double(x: int) -> int: return 2 * x
calls = [nt.tool_call(name, "double", {"x": n}) for n, name in enumerate("abcd")]
session = nt.Session(nt.scripted(calls, RuntimeError("502 Bad Gateway")), tools=[double], step=True)
execution = session.ask("Please double these numbers.")
turn = execution.next().result().turn
execution.resume(turn.edit(1, args={"x": 21}), deny={"b": "too dear"}, mock={"c": 7}, skip=["d"])
execution.done or execution.next().result()
"""


def test_marks_are_badges_and_the_reason_of_the_end_is_the_last_row(lab: Lab) -> None:
    lab.new([SESSION, "nt.view(execution.turn)", "nt.view(session)", "nt.view(execution)", "execution.turn"])
    lab.run_all()

    for cell in (1, 2, 3):
        output = lab.output(cell)
        expect(output.locator(".nbt-ending")).to_contain_text("✗ model call failed: RuntimeError: 502 Bad Gateway")
        for label in ("✎︎ edited", "⊘︎ denied", "◇︎ mocked", "↷︎ skipped"):
            expect(output.locator(".nbt-mark > summary", has_text=label)).to_be_visible()
        edited = output.locator(".nbt-mark", has_text="edited")
        expect(edited.locator("pre")).not_to_be_visible()
        edited.locator("summary").click()
        expect(edited.locator("pre")).to_contain_text("was: double(x=0)")
    expect(lab.output(4).get_by_text("model call failed: RuntimeError: 502 Bad Gateway")).to_be_visible()
    expect(lab.output(4).get_by_text("was: double(x=0)")).to_be_visible()
    assert accessibility_faults(lab.page, ".nbt-view") == []
    for theme in ("Light", "Dark"):
        lab.theme(theme)
        for cell in (1, 4):
            lab.screenshot(f"marks-{cell}-{theme.lower()}", cell)
    assert lab.errors == []
