"""Labels that a reader adds in a view, in a real JupyterLab."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.lab.jupyterlab import Lab

VIEW = """
import nbturns as nt
run = nt.load('fixtures/greenhouse.yaml')
labels = nt.labels('labels.jsonl').add(run, 'checked')
nt.view({value}, labels=labels)
"""


def test_the_key_l_adds_a_label_to_the_block(lab: Lab) -> None:
    values = ("run", "run[-1]")
    lab.new(
        [
            *(VIEW.replace("{value}", value) for value in values),
            "print([line.label.label for line in nt.labels('labels.jsonl')])",
        ]
    )
    for number, label in enumerate(("<b>odd</b> run", "odd turn")):
        lab.run(number)
        output = lab.output(number)
        output.get_by_role("grid").get_by_role("row").nth(2).click()
        lab.page.keyboard.press("?")
        expect(output.get_by_text("Add a label to the block", exact=True)).to_be_visible()
        lab.page.keyboard.press("?")
        lab.page.keyboard.press("l")
        field = output.get_by_label("Label of block 1")
        expect(field).to_be_focused()
        field.fill(label)
        lab.page.keyboard.press("Enter")
        expect(output.get_by_role("grid").get_by_text(f"#\ufe0e {label}", exact=True).first).to_be_visible()
        expect(field).to_be_hidden()
        lab.screenshot(f"labels-{number}", number)
    expect(lab.output(0).get_by_text("# checked")).to_be_visible()
    lab.wait_until_idle()
    lab.run(2)
    assert lab.text(2) == "['checked', '<b>odd</b> run', 'odd turn']\n"
    assert lab.errors == []
