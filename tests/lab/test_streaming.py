"""Streaming text in a real JupyterLab: it appears at once, and the reader decides whether the table follows it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, expect

from tests.lab.jupyterlab import Lab

# A model that emits as many lines as another cell requests, and ends when it requests None.
SLOW_ENGINE = """
import asyncio
import nbturns as nt
from nbturns.events import Delta

requested_lines = 60

async def slow_engine(turn, scope):
    lines = []
    while requested_lines is not None:
        while len(lines) < requested_lines:
            lines.append(f"line {len(lines)} of the answer\\n")
            scope.emit(Delta(scope.inference_id, 0, "llm_text", lines[-1]))
        await asyncio.sleep(0.01)
    return turn + nt.assistant("".join(lines))
"""


BURST = """
import nbturns as nt
from nbturns.events import Delta

async def engine(turn, scope):
    for n in range(20_000):
        scope.emit(Delta(scope.inference_id, 0, "llm_text", f"{n} "))
    return turn + nt.assistant("".join(f"{n} " for n in range(20_000)))

session = nt.Session(engine)
"""


def answer_unfolded(output: Locator) -> Locator:
    """Return the row of the answer, after unfolding it and loading its whole text."""
    row = output.locator(".nbt-row[data-index='1']")
    for name in ("unfold", "more"):
        button = row.get_by_role("button", name=name)
        if button.count():
            button.first.click()
    return row


def scroll_position(output: Locator) -> dict[str, Any]:
    """Return the distance of the visible part from the top and from the end, in px."""
    position: dict[str, Any] = output.locator(".nbt-scroll").evaluate(
        "place => ({top: place.scrollTop, end: place.scrollHeight - place.scrollTop - place.clientHeight})"
    )
    return position


def until_at_end(lab: Lab) -> None:
    lab.page.wait_for_function(
        "() => { const it = document.querySelector('.nbt-scroll'); return it.scrollHeight - it.scrollTop - it.clientHeight < 2 }"
    )


def wheel(lab: Lab, output: Locator, down: int) -> None:
    """Turn the mouse wheel over the table, and wait until the table has scrolled."""
    old_top = scroll_position(output)["top"]
    output.locator(".nbt-scroll").hover()
    lab.page.mouse.wheel(0, down)
    lab.page.wait_for_function(
        "([oldTop, down]) => (document.querySelector('.nbt-scroll').scrollTop - oldTop) * down > 0", arg=[old_top, down]
    )


def test_the_table_follows_the_text_until_the_reader_scrolls_up_and_again_from_the_end(lab: Lab) -> None:
    lab.new(
        [
            SLOW_ENGINE,
            "execution = nt.Session(slow_engine).ask('?')\nexecution",
            "requested_lines = 120",
            "requested_lines = 180",
            "requested_lines = 240",
        ]
    )
    lab.run(0)
    lab.run(1)
    output = lab.output(1)
    expect(output.get_by_text("line 59 of")).to_be_attached()
    until_at_end(lab)

    wheel(lab, output, -8)  # the smallest step of a touchpad
    position = scroll_position(output)
    lab.run(2)
    expect(output.get_by_text("line 119 of")).to_be_attached()
    new_position = scroll_position(output)
    assert new_position["top"] <= position["top"]
    assert new_position["end"] > 500  # the new text is below the visible part

    wheel(lab, output, -400)
    lab.run(3)
    expect(output.get_by_text("line 179 of")).to_be_attached()
    assert scroll_position(output)["end"] > 1000

    wheel(lab, output, 100_000)
    until_at_end(lab)
    lab.run(4)
    expect(output.get_by_text("line 239 of")).to_be_attached()
    until_at_end(lab)
    assert lab.errors == []


def answer(output: Locator) -> Locator:
    return output.locator(".nbt-row.nbt-llm_text .nbt-text")


def answer_text(lines: int) -> str:
    return "".join(f"line {line} of the answer\n" for line in range(lines))


def test_the_view_of_a_session_streams_text_whenever_it_is_opened(lab: Lab, kernel: str) -> None:
    cells = [
        SLOW_ENGINE.replace("requested_lines = 60", "requested_lines = 3"),
        "session = nt.Session(slow_engine)\nnt.view(session)",
        "execution = session.ask('How is it?')",
        "requested_lines = 6",
        "nt.view(session)",
        "requested_lines = 90",
        "requested_lines = None; execution.result(20).text == session.latest.text",
    ]
    lab.new(cells, kernel)
    for cell in range(3):
        lab.run(cell)
    first, second = lab.output(1), lab.output(4)
    expect(answer(first)).to_have_text(answer_text(3), use_inner_text=True)
    expect(first.get_by_text("the model is answering", exact=True)).to_be_visible()

    lab.run(3)
    expect(answer(first)).to_have_text(answer_text(6), use_inner_text=True)
    lab.run(4)
    expect(answer(second)).to_have_text(answer_text(6), use_inner_text=True)
    received_before = lab.received
    lab.run(5)
    for view in (first, second):
        expect(answer(view)).to_have_text(answer_text(90), use_inner_text=True)
    until_at_end(lab)
    lab.run(6)
    expect(first.get_by_text("the model is answering")).to_have_count(0)

    assert lab.text(6) == "True"
    for view in (first, second):
        expect(view.locator(".nbt-row[data-index]")).to_have_count(2)
        expect(answer(view)).to_have_text(answer_text(90), use_inner_text=True)  # still unfolded
    answer(first).click()
    lab.page.keyboard.press("i")
    expect(first.get_by_role("tabpanel", name="JSON")).to_contain_text("line 89 of")
    lab.wait_until_idle()
    saved_outputs = 2 * 36_000  # each view's output for a page without a kernel is sent again at the end of a cell
    assert lab.received - received_before < 2 * 20_000 + 20 * len(answer_text(90)) + saved_outputs
    assert lab.errors == []


def test_a_burst_of_deltas_arrives_completely_and_leaves_the_kernel_idle(lab: Lab) -> None:
    lab.new([BURST, "execution = session.ask('?', step={'final'})\nexecution"])
    lab.run(0)
    frames_before = lab.frames

    lab.run(1)
    output = lab.output(1)
    expect(output.get_by_role("status")).to_have_text("Paused before the end")

    lab.wait_until_idle()
    assert lab.frames - frames_before < 200
    expect(answer_unfolded(output).get_by_text("19998 19999")).to_be_visible()


def test_a_burst_in_the_view_of_a_session_arrives_completely_and_leaves_the_kernel_idle(lab: Lab) -> None:
    lab.new([BURST + "nt.view(session)", "execution = session.ask('?')"])
    lab.run(0)
    frames_before = lab.frames

    lab.run(1)
    output = lab.output(0)
    expect(output.locator(".nbt-row[data-index]")).to_have_count(2)
    expect(output.get_by_text("the model is answering")).to_have_count(0)

    lab.wait_until_idle()
    assert lab.frames - frames_before < 200
    expect(answer_unfolded(output).get_by_text("19998 19999")).to_be_attached()
