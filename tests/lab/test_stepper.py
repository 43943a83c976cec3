"""The buttons of an execution, pressed in a real JupyterLab."""

from __future__ import annotations

import time
from typing import Literal

from playwright.sync_api import Locator, expect

from tests.lab.jupyterlab import Lab

SESSION = """
import nbturns as nt

def weather(city: str) -> dict:
    "Current weather in a city."
    return {"city": city, "celsius": 18}

def session(pace=0.0, **settings):
    script = nt.scripted(
        [nt.reasoning("I need the weather."), nt.tool_call("call-1", "weather", {"city": "Paris"})],
        "It is 18 °C in Paris, and it will stay so until the evening.",
        pace=pace,
    )
    return nt.Session(script, tools=[weather], **settings)
"""
LIVE = "execution = session(step=True).ask('How is the weather in Paris?')\nexecution"


def status(output: Locator) -> Locator:
    return output.get_by_role("status")


def press(output: Locator, name: str) -> None:
    output.get_by_role("button", name=name, exact=True).click()


def test_the_buttons_step_and_run_and_a_table_is_left_at_the_end(lab: Lab, kernel: str) -> None:
    lab.new([SESSION, LIVE], kernel)
    lab.run_all()
    output = lab.output(1)
    expect(status(output)).to_have_text("Paused before the tools run, 1 call pending")
    expect(output.get_by_role("row")).to_have_count(1 + 3)

    press(output, "Step")
    expect(status(output)).to_have_text("Paused after the tools")
    expect(output.get_by_role("row")).to_have_count(1 + 4)
    expect(output.get_by_role("row").last).to_contain_text("← 2")
    expect(output.get_by_role("row").last).to_contain_text("weather")

    press(output, "Continue")
    expect(output.get_by_text("Execution done")).to_be_visible()
    expect(output.get_by_text("until the evening")).to_be_visible()
    expect(output.get_by_role("button")).to_have_count(0)
    saved, *emptied = lab.save()["cells"][1]["outputs"]
    assert all("".join(output["data"]["text/plain"]) == "" for output in emptied)
    assert "text/html" in saved["data"]
    assert "application/vnd.jupyter.widget-view+json" not in saved["data"]
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_buttons_work_while_another_cell_is_running(lab: Lab, kernel: str) -> None:
    lab.new([SESSION, LIVE, "import time; time.sleep(3); print('slept')", "execution.status"], kernel)
    lab.run(0)
    lab.run(1)
    expect(status(lab.output(1))).to_contain_text("Paused before the tools run")
    lab.run(2, wait=False)

    press(lab.output(1), "Step")

    lab.wait(2)
    expect(status(lab.output(1))).to_have_text("Paused after the tools")
    lab.run(3)
    assert lab.text(3) == "'paused'"
    lab.wait_until_idle()


def test_a_double_click_passes_one_pause(lab: Lab, kernel: str) -> None:
    lab.new([SESSION, LIVE], kernel)
    lab.run_all()
    expect(status(lab.output(1))).to_contain_text("Paused before the tools run")

    lab.output(1).get_by_role("button", name="Step").evaluate("button => { button.click(); button.click() }")

    expect(status(lab.output(1))).to_have_text("Paused after the tools")
    lab.wait_until_idle()
    expect(status(lab.output(1))).to_have_text("Paused after the tools")


def test_an_execution_goes_on_while_the_next_cell_is_busy(lab: Lab, kernel: str) -> None:
    waiting_cell = "import pathlib, time\nwhile not pathlib.Path('stop-waiting').exists(): time.sleep(0.05)"
    lab.new([SESSION, "execution = session(pace=0.05).ask('?')\nexecution", waiting_cell], kernel)
    stop_file = lab.server.root / "stop-waiting"
    lab.run(0)
    lab.run(1)
    lab.run(2, wait=False)

    try:
        expect(lab.output(1).get_by_text("Execution done")).to_be_visible()
        assert lab.evaluate("cell(2).executionState") == "running"
    finally:
        stop_file.touch()
        lab.wait(2)
        stop_file.unlink()


def test_run_all_does_not_wait_for_a_click_and_later_cells_see_the_current_state(lab: Lab, kernel: str) -> None:
    lab.new(
        [
            SESSION,
            LIVE,
            "execution.next().result(60)",
            "execution.step().result(60)",
            "execution.step().result(60)",
            "execution.result().text",
        ],
        kernel,
    )

    lab.run_all()

    assert lab.text(2) == "<Pause 1 at post_inference: weather>"
    assert lab.text(3) == "<Pause 2 at post_tools>"
    assert lab.text(4) == ""
    assert "It is 18 °C in Paris" in lab.text(5)
    expect(lab.output(1).get_by_text("Execution done")).to_be_visible()
    lab.wait_until_idle()


HELD = """
import asyncio

async def until_pausing(turn, scope, engine):
    reply = await engine(turn, scope)
    while execution.status == "running" and not turn.of_kind("tool_use"):
        await asyncio.sleep(0.01)
    return reply

script = nt.scripted(
    nt.tool_call("call-1", "weather", {"city": "Paris"}),
    "It is 18 °C in Paris" + ", and warm" * 200 + ", until the evening.",
    pace=0.1,
)
execution = nt.Session(script, tools=[weather], middleware=[until_pausing]).ask("?")
execution
"""


def test_pause_takes_effect_at_the_next_phase_and_stop_keeps_the_text_so_far(lab: Lab) -> None:
    lab.new([SESSION, HELD, "print(execution.turn)"])
    lab.run(0)
    lab.run(1)
    output = lab.output(1)

    press(output, "Pause")
    expect(status(output)).to_have_text("Paused before the tools run, 1 call pending")
    press(output, "Continue")
    expect(output.get_by_text("It is 18")).to_be_visible()
    press(output, "Stop")  # within 40 s

    expect(output.get_by_text("Execution stopped")).to_be_visible()
    lab.run(2)
    assert "It is 18" in lab.text(2)
    assert "until the evening" not in lab.text(2)


COUNTING = """
import asyncio, pathlib
import nbturns as nt
from nbturns.events import Delta

async def count(turn, scope):
    for n in range(60):
        while n == 30 and not pathlib.Path("go-on").exists():
            await asyncio.sleep(0.01)
        scope.emit(Delta(scope.inference_id, 0, "llm_text", f"{n} "))
    return turn + nt.assistant("".join(f"{n} " for n in range(60)))

nt.Session(count).ask("count")
"""


def test_text_appears_as_it_streams(lab: Lab) -> None:
    lab.new([COUNTING])
    lab.run(0)
    output = lab.output(0)

    expect(output.get_by_text("0 1 2 3")).to_be_visible()
    expect(output.get_by_text("28 29")).to_be_visible()
    assert "30 31" not in output.inner_text()
    go_on = lab.server.root / "go-on"
    go_on.touch()
    try:
        expect(output.get_by_text("57 58 59")).to_be_visible()
    finally:
        go_on.unlink()


def test_a_pause_without_calls_is_after_the_reply(lab: Lab) -> None:
    lab.new(["import nbturns as nt\nnt.Session(nt.scripted('Hello.')).ask('Hi', step={'post_inference'})"])
    lab.run(0)

    expect(status(lab.output(0))).to_have_text("Paused after the reply")


def test_a_second_view_shows_and_controls_the_same_execution(lab: Lab) -> None:
    lab.new([SESSION, LIVE, "view = nt.view(execution)\nview", "view.freeze()"])
    for cell in range(3):
        lab.run(cell)
    expect(status(lab.output(2))).to_contain_text("Paused before the tools run")

    press(lab.output(2), "Step")

    expect(status(lab.output(2))).to_have_text("Paused after the tools")
    expect(status(lab.output(1))).to_have_text("Paused after the tools")
    lab.run(3)
    expect(lab.output(2).get_by_text("Execution paused; nt.view(execution) opens its live view again")).to_be_visible()
    expect(status(lab.output(1))).to_have_text("Paused after the tools")


def test_after_a_reload_of_the_page_the_execution_shows_its_current_state(lab: Lab) -> None:
    lab.new([SESSION, LIVE, "nt.view(execution)"])
    lab.run(0)
    lab.run(1)
    expect(status(lab.output(1))).to_contain_text("Paused before the tools run")
    lab.save()
    name = lab.evaluate("panel.context.path")

    lab.open(name, fresh=True)
    lab.run(2)

    expect(status(lab.output(2))).to_have_text("Paused before the tools run, 1 call pending")
    press(lab.output(2), "Step")
    expect(status(lab.output(2))).to_have_text("Paused after the tools")


def test_keys_work_as_in_a_debugger_and_never_edit_the_notebook(lab: Lab) -> None:
    lab.new([SESSION, LIVE])
    lab.run_all()
    output = lab.output(1)
    expect(status(output)).to_contain_text("Paused before the tools run")
    cells = lab.evaluate("panel.content.widgets.length")
    output.get_by_role("button", name="Step").focus()

    lab.page.keyboard.press("b")
    lab.page.keyboard.press("F10")

    expect(status(output)).to_have_text("Paused after the tools")
    assert lab.evaluate("panel.content.widgets.length") == cells


HOSTILE = """
import nbturns as nt
EVIL = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script><svg onload='window.hacked=1'>\\ud83d"
def tool(x: str = '') -> str:
    'A tool.'
    return EVIL
tool.__name__ = "tool"
script = nt.scripted(
    [nt.reasoning(EVIL + EVIL * 10), nt.Block(EVIL, {"text": EVIL}), nt.assistant(EVIL), nt.tool_call(EVIL, "tool", {"x": EVIL})],
    nt.Turn([nt.assistant(EVIL)], metadata={nt.keys.INFERENCE_RESULT: nt.InferenceResult(provider=EVIL, model=EVIL, stop_reason=EVIL)}),
)
session = nt.Session(script, system=EVIL, tools=[tool])
execution = session.ask(nt.user(EVIL, images=[{"url": "http://192.0.2.1/leak.png"}]), step=True)
execution
"""


def test_text_of_a_model_is_never_html_live_frozen_or_saved(lab: Lab) -> None:
    lab.new([HOSTILE, "execution.result() if execution.status == 'done' else session"])
    lab.run(0)
    output = lab.output(0)
    expect(status(output)).to_contain_text("1 call pending")
    assert lab.evaluate("window.hacked === undefined")

    press(output, "Continue")
    expect(output.get_by_text("Execution done")).to_be_visible()
    lab.run(1)
    lab.save()
    lab.open(lab.evaluate("panel.context.path"), fresh=True)
    expect(lab.output(0).get_by_text("Execution done")).to_be_visible()

    time.sleep(0.5)
    assert lab.evaluate("window.hacked === undefined")
    assert lab.foreign_requests == []


def test_light_and_dark_are_both_easy_to_read(lab: Lab) -> None:
    lab.open("notebooks/01_explore.ipynb")
    lab.run(1)
    lab.run(3)
    lab.run(5)
    output = lab.output(5)
    expect(status(output)).to_contain_text("Paused")

    themes: tuple[Literal["Light"], Literal["Dark"]] = ("Light", "Dark")
    for theme in themes:
        lab.theme(theme)
        lab.screenshot(f"explore-run-{theme.lower()}", 1)
        lab.screenshot(f"explore-stepper-{theme.lower()}", 5)
        for text in (output.get_by_role("gridcell", name="system").first, status(output)):
            assert contrast(text) >= 4.5, theme  # WCAG 2.2, 1.4.3


def contrast(text: Locator) -> float:
    """Return the contrast between a text and its background, as defined by WCAG."""
    ratio: float = text.evaluate("""element => {
        const canvas = document.createElement('canvas').getContext('2d');
        const rgb = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data] };
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        let behind = element;
        while (behind && rgb(getComputedStyle(behind).backgroundColor)[3] < 250) behind = behind.parentElement;
        const pair = [light(rgb(getComputedStyle(element).color)), light(rgb(behind ? getComputedStyle(behind).backgroundColor : '#fff'))].sort((a, b) => b - a);
        return (pair[0] + 0.05) / (pair[1] + 0.05);
    }""")
    return ratio
