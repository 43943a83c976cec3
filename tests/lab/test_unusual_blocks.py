"""Unusual blocks in the table: deep, wide, broken and empty ones."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Locator, expect

import nbturns as nt
from tests.lab.jupyterlab import Lab

UNUSUAL_TURN = """
import nbturns as nt
deep = 1
for _ in range(90):
    deep = {"a": deep}
unusual_turn = nt.Turn([
    nt.user("مرحبا بالعالم", images=[{"url": "https://192.0.2.1/x.png"}]),
    nt.tool_call("w", "wide", {f"argument_{n}": n for n in range(3_000)}),
    nt.tool_use("w", {"hourly": [n / 4 for n in range(60)], "words": ["north", "south"] * 20, "rows": [{"id": 1, "on": True}] * 9}),
    nt.tool_call("d", "deep", deep),
    nt.tool_use("d", "[" * 700 + "]" * 700),
    nt.assistant("half \\ud83d of one, a family 👩‍👩‍👧"),
    nt.Block("vendor/kind <b>", {}),
])
repeated_ids = [block for city in ("Paris", "Lyon") for block in (nt.tool_call("call_0", "weather", {"city": city}), nt.tool_use("call_0", {"of": city}))]
nt.view(unusual_turn)
"""


def row(output: Locator, index: int) -> Locator:
    return output.locator(f'.nbt-row[data-index="{index}"]')


def test_unusual_blocks_are_displayed_and_unfolded(lab: Lab) -> None:
    lab.new(
        [
            UNUSUAL_TURN,
            "nt.view(nt.Turn())",
            "unusual_turn",
            "nt.view(nt.Turn(repeated_ids))",
            "nt.view(nt.Run((nt.Turn(repeated_ids),)))",
        ]
    )
    lab.run_all()
    output = lab.output(0)
    expect(row(output, 5)).to_contain_text("half \\ud83d of one, a family 👩‍👩‍👧")
    expect(row(output, 0).locator(".nbt-remote-image")).to_have_attribute("dir", "ltr")

    for index in (1, 2, 3, 4):
        row(output, index).get_by_role("button", name="unfold").click()
    tree = row(output, 2).locator(".nbt-tree")
    expect(tree.get_by_text("[0.0, 0.25, 0.5, 0.75, 1.0, ")).to_be_visible()  # a list of numbers fills its lines
    expect(tree.get_by_text('["north", "south", "north", ')).to_be_visible()
    expect(tree.get_by_text('{"id": 1, "on": true}')).to_have_count(9)
    expect(row(output, 4).get_by_text("1 item", exact=True).first).to_be_visible()
    expect(row(output, 3)).to_contain_text("a:")
    row(output, 1).get_by_title("load more of this text").click()
    row(output, 1).get_by_role("button", name="2,800 more").click()
    expect(row(output, 1)).to_contain_text("argument_2999")

    output.get_by_label("search in all blocks").fill("no such text")
    output.get_by_role("button", name="Matches only").click()
    expect(output.get_by_text("No blocks match the filters")).to_be_visible()
    expect(lab.output(1).get_by_text("no blocks yet")).to_be_visible()
    expect(lab.output(2).get_by_role("row")).to_have_count(1 + 7)
    for cell in (3, 4):
        expect(row(lab.output(cell), 1)).to_contain_text(re.compile("← 0.*weather"))
        expect(row(lab.output(cell), 3)).to_contain_text(re.compile("← 2.*weather"))
        expect(row(lab.output(cell), 2)).to_contain_text("→ 3")
    assert lab.errors == []
    assert lab.foreign_requests == []


def test_right_to_left_text_starts_at_the_right_in_a_static_table(browser: Browser) -> None:
    turn = nt.Turn([nt.user("مرحبا بالعالم"), nt.assistant("hello")])
    page = browser.new_page()
    page.set_content(turn._repr_html_())
    margins = page.locator("td.nbt-content").evaluate_all("""cells => cells.map(cell => {
        const text = document.createRange(); text.selectNodeContents(cell.querySelector("pre, .nbt-prose") ?? cell);
        const textBox = text.getClientRects()[0], cellBox = cell.getBoundingClientRect();
        return [textBox.left - cellBox.left, cellBox.right - textBox.right];
    })""")
    page.close()

    (arabic, english) = margins
    assert arabic[1] < 20 < arabic[0]
    assert english[0] < 20 < english[1]
