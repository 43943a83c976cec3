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
