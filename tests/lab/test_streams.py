"""Text on its way, in a real JupyterLab: it comes as it is said, and the reader decides whether the table follows."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, expect

from tests.lab.jupyterlab import Lab

# A model that says as many lines as another cell wants, and ends when none are wanted any more.
SLOWLY = """
import asyncio
import nbturns as nt
from nbturns.events import Delta

wanted = 60

async def slowly(turn, scope):
    said = []
    while wanted is not None:
        while len(said) < wanted:
            said.append(f"line {len(said)} of what is said\\n")
            scope.emit(Delta(scope.inference_id, 0, "llm_text", said[-1]))
        await asyncio.sleep(0.01)
    return turn + nt.assistant("".join(said))
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
    """The row of the answer: a long text that nobody saw coming shows its beginning, and the rest when asked."""
    row = output.locator(".nbt-row[data-index='1']")
    for name in ("unfold", "more"):
        button = row.get_by_role("button", name=name)
        if button.count():
            button.first.click()
    return row


def place(output: Locator) -> dict[str, Any]:
    """Where the table stands, in px: how far from its top, and from its end."""
    found: dict[str, Any] = output.locator(".nbt-scroll").evaluate(
        "place => ({top: place.scrollTop, left: place.scrollHeight - place.scrollTop - place.clientHeight})"
    )
    return found


def until_at_end(lab: Lab) -> None:
    lab.page.wait_for_function(
        "() => { const it = document.querySelector('.nbt-scroll'); return it.scrollHeight - it.scrollTop - it.clientHeight < 2 }"
    )


def wheel(lab: Lab, output: Locator, down: int) -> None:
    """Turn the wheel over the table, and wait until the table has gone that way."""
    before = place(output)["top"]
    output.locator(".nbt-scroll").hover()
    lab.page.mouse.wheel(0, down)
    lab.page.wait_for_function(
        "([before, down]) => (document.querySelector('.nbt-scroll').scrollTop - before) * down > 0", arg=[before, down]
    )


def test_the_table_follows_what_is_said_until_the_reader_scrolls_up_and_again_from_the_end_on(lab: Lab) -> None:
    lab.new([SLOWLY, "held = nt.Session(slowly).ask('?')\nheld", "wanted = 120", "wanted = 180", "wanted = 240"])
    lab.run(0)
    lab.run(1)
    output = lab.output(1)
    expect(output.get_by_text("line 59 of")).to_be_attached()
    until_at_end(lab)

    wheel(lab, output, -8)  # as little as a finger on a touchpad moves at a time
    seen = place(output)
    lab.run(2)
    expect(output.get_by_text("line 119 of")).to_be_attached()
    now = place(output)
    assert now["top"] <= seen["top"]
    assert now["left"] > 500  # all that came meanwhile is below what is seen

    wheel(lab, output, -400)
    lab.run(3)
    expect(output.get_by_text("line 179 of")).to_be_attached()
    assert place(output)["left"] > 1000

    wheel(lab, output, 100_000)
    until_at_end(lab)
    lab.run(4)
    expect(output.get_by_text("line 239 of")).to_be_attached()
    until_at_end(lab)
    assert lab.errors == []


def answer(output: Locator) -> Locator:
    return output.locator(".nbt-row.nbt-llm_text .nbt-text")


def said(lines: int) -> str:
    return "".join(f"line {line} of what is said\n" for line in range(lines))


def test_the_view_of_a_session_shows_what_is_said_as_it_comes_wherever_and_whenever_it_is_opened(
    lab: Lab, kernel: str
) -> None:
    cells = [
        SLOWLY.replace("wanted = 60", "wanted = 3"),
        "session = nt.Session(slowly)\nnt.view(session)",
        "held = session.ask('How is it?')",
        "wanted = 6",
        "nt.view(session)",
        "wanted = 90",
        "wanted = None; held.result(20).text == session.latest.text",
    ]
    lab.new(cells, kernel)
    for cell in range(3):
        lab.run(cell)
    first, second = lab.output(1), lab.output(4)
    expect(answer(first)).to_have_text(said(3), use_inner_text=True)
    expect(first.get_by_text("the model is answering")).to_be_visible()

    lab.run(3)
    expect(answer(first)).to_have_text(said(6), use_inner_text=True)
    lab.run(4)
    expect(answer(second)).to_have_text(said(6), use_inner_text=True)
    before = lab.received
    lab.run(5)
    for view in (first, second):
        expect(answer(view)).to_have_text(said(90), use_inner_text=True)
    until_at_end(lab)
    lab.run(6)
    expect(first.get_by_text("the model is answering")).to_have_count(0)

    assert lab.text(6) == "True"
    for view in (first, second):
        expect(view.locator(".nbt-row[data-index]")).to_have_count(2)
        expect(answer(view)).to_have_text(said(90), use_inner_text=True)  # and it does not fold under the reader's eyes
    answer(first).click()
    lab.page.keyboard.press("i")
    expect(first.get_by_role("tabpanel", name="JSON")).to_contain_text("line 89 of")
    lab.until_idle()
    assert lab.received - before < 2 * 20_000 + 20 * len(said(90))
    assert lab.errors == []


def test_a_burst_of_deltas_ends_complete_and_the_kernel_idle(lab: Lab) -> None:
    lab.new([BURST, "execution = session.ask('?', step={'final'})\nexecution"])
    lab.run(0)
    before = lab.frames

    lab.run(1)
    output = lab.output(1)
    expect(output.get_by_role("status")).to_have_text("Paused before the end")

    lab.until_idle()
    assert lab.frames - before < 200
    expect(answer_unfolded(output).get_by_text("19998 19999")).to_be_visible()


def test_a_burst_in_the_view_of_a_session_ends_complete_and_the_kernel_idle(lab: Lab) -> None:
    lab.new([BURST + "nt.view(session)", "held = session.ask('?')"])
    lab.run(0)
    before = lab.frames

    lab.run(1)
    output = lab.output(0)
    expect(output.locator(".nbt-row[data-index]")).to_have_count(2)
    expect(output.get_by_text("the model is answering")).to_have_count(0)

    lab.until_idle()
    assert lab.frames - before < 200
    expect(answer_unfolded(output).get_by_text("19998 19999")).to_be_attached()
