"""The picker of profiles, used in a real JupyterLab."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.lab.jupyterlab import ROOT, Lab

MARK = "sk-MARKER-in-the-page"
KEYED = f"""
slug: keyed
profiles:
  keyed:
    like: team/night
    api_key: {MARK}
    allow_overrides: true
    system: <img src=x onerror=alert(1)>
"""
PICKER = f"""
import nbturns as nt
profiles = nt.load_profiles("{ROOT}/fixtures/profiles/team.yaml", "keyed.yaml")
picker = nt.view(profiles)
picker.current = profiles.resolve("team/default")
picker
"""


def test_a_profile_is_picked_overridden_and_used(lab: Lab) -> None:
    (lab.server.root / "keyed.yaml").write_text(KEYED)
    lab.new([PICKER, "print(picker.plan.name, picker.overrides)"])
    lab.run_all()
    output = lab.output(0)
    table = output.get_by_role("table").first
    expect(table).to_contain_text("keyed/keyed, chosen by argument")
    expect(table).to_contain_text("onerror=alert(1)")  # as text

    output.get_by_label("Profile").select_option("night")
    expect(table).not_to_contain_text("keyed/keyed")  # which also names team/night, the profile it is like
    expect(table).to_contain_text("team/night")
    field = output.get_by_label("temperature", exact=True)
    before = table.bounding_box()
    field.fill("hot")
    field.press("Enter")
    alert = output.get_by_role("alert")
    expect(alert).to_contain_text("temperature must be a number, not 'hot'")
    red, green, *_ = alert.evaluate("place => getComputedStyle(place).color.match(/[\\d.]+/g).map(Number)")
    assert red > 3 * green
    expect(table).to_contain_text("team/night")  # the plan before
    assert table.bounding_box() == before  # and nothing moved
    cell = table.get_by_role("row").nth(1).get_by_role("cell").first
    assert cell.evaluate("cell => getComputedStyle(cell).textAlign") == "left"
    field.fill("0.75")
    field.press("Enter")
    expect(table.get_by_role("row").filter(has_text="params.temperature")).to_contain_text("override")
    lab.run(1)
    assert lab.text(1) == "team/night {'temperature': 0.75}\n"
    lab.page.set_viewport_size({"width": 1280, "height": 1100})
    lab.screenshot("profile-picker-light", 0)
    lab.theme("Dark")
    lab.screenshot("profile-picker-dark", 0)
    assert MARK not in json.dumps(lab.save())
    assert MARK not in lab.page.content()
    assert lab.errors == []
    assert lab.foreign_requests == []
