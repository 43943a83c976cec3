"""A kernel that JupyterLab restarts in the middle of a run: the session is resumed with the mouse."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.lab.jupyterlab import Lab
from tests.lab.test_stepper import press, status

CODE = """
import time
import nbturns as nt

def weather(city: str) -> dict:
    "Current weather in a city."
    return {{"city": city, "celsius": 18}}

def book(city: str) -> str:
    "Book a table in a city."
    if {sleep}:
        time.sleep(120)
    return "booked"

tools = [nt.Tool(weather, effect="pure"), book]
store = nt.TurnStore({path!r})
"""
START = """
model = nt.scripted(
    nt.tool_call("call-1", "weather", {"city": "Paris"}), nt.tool_call("call-2", "book", {"city": "Paris"})
)
session = nt.Session(model, tools=tools, store=store, id="trip")
execution = session.ask("Is it warm enough to eat outside in Paris?", step=True)
execution
"""
RESUME = 'session = store.resume("trip", nt.scripted("A table is booked."), tools=tools)\nsession.execution'


def test_a_session_is_resumed_after_the_kernel_was_restarted_at_a_pause(lab: Lab, tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    lab.new([CODE.format(path=path, sleep=False), START, RESUME])
    lab.run(0)
    lab.run(1)
    output = lab.output(1)
    expect(status(output)).to_have_text("Paused before the tools run, 1 call pending")
    press(output, "Step")
    expect(status(output)).to_have_text("Paused after the tools")
    press(output, "Step")
    expect(status(output)).to_have_text("Paused before the tools run, 1 call pending")

    lab.restart_kernel()
    lab.run(0)
    lab.run(2)
    output = lab.output(2)
    expect(status(output)).to_have_text("Paused before the tools run, 1 call pending")
    expect(output.get_by_role("row")).to_have_count(1 + 4)  # what happened before the restart
    expect(output.get_by_text("eat outside in Paris")).to_be_visible()
    press(output, "Step")
    expect(status(output)).to_have_text("Paused after the tools")
    press(output, "Continue")

    expect(output.get_by_text("Execution done")).to_be_visible()
    expect(output.get_by_text("A table is booked.")).to_be_visible()
    assert lab.errors == []


def test_a_call_that_had_begun_is_asked_about_after_a_restart(lab: Lab, tmp_path: Path) -> None:
    path = str(tmp_path / "runs.db")
    lab.new([CODE.format(path=path, sleep=True), START, RESUME, "session.latest.of_kind('tool_use')[1].error"])
    lab.run(0)
    lab.run(1)
    press(lab.output(1), "Continue")
    expect(status(lab.output(1))).to_contain_text("book running")

    lab.restart_kernel()
    lab.run(0)
    lab.run(2)
    output = lab.output(2)
    expect(status(output)).to_contain_text("Paused before the tools run")
    expect(output.get_by_text("may have taken effect").first).to_be_visible()
    press(output, "Continue")

    expect(output.get_by_text("A table is booked.")).to_be_visible()
    lab.run(3)
    assert "may have taken effect" in lab.text(3)
    assert lab.errors == []
