"""The profile picker shows the resulting plan, its differences and errors."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from nbturns.profiles import load_profiles
from nbturns.widgets import ProfilePicker


def weather(city: str) -> str:
    "Current weather in a city."
    return f"sunny in {city}"


@pytest.fixture
def picker(monkeypatch: pytest.MonkeyPatch) -> ProfilePicker:
    monkeypatch.delenv("NBTURNS_PROFILE", raising=False)
    data = {
        "base": {"engine": "anthropic:claude-sonnet-4-5", "system": "<b>Be kind.</b>", "tools": ["weather"]},
        "brief": {"like": "base", "params": {"temperature": 0.5}, "allow_overrides": ["temperature", "tools", "loop"]},
        "free": {"like": "base", "allow_overrides": True},
    }
    view: Any = nt.view(load_profiles(data, env_file=None))
    assert isinstance(view, ProfilePicker)
    return view


def field(picker: ProfilePicker, name: str) -> Any:
    return next(candidate for candidate in picker._fields.children if candidate.description == name)


def test_choosing_a_profile_offers_the_overrides_it_allows_and_shows_its_plan(picker: ProfilePicker) -> None:
    assert picker.profile == "base"
    assert picker._fields.children == ()
    picker._profile_list.value = "brief"
    assert picker.plan is not None
    assert picker.plan.name == "notebook/brief"
    assert [override_field.description for override_field in picker._fields.children] == [
        "temperature",
        "tools",
        "limit",
        "step",
    ]
    assert field(picker, "temperature").placeholder == "0.5"
    picker._profile_list.value = "free"
    assert {"engine", "system"} <= {override_field.description for override_field in picker._fields.children}


def test_a_typed_value_is_an_override_until_it_is_cleared(picker: ProfilePicker) -> None:
    picker._profile_list.value = "brief"
    field(picker, "temperature").value = "0"
    assert picker.overrides == {"temperature": 0}
    assert picker.plan is not None
    assert picker.plan.config.params["temperature"] == 0
    field(picker, "tools").value = "[]"
    assert picker.plan.config.tools == ()
    field(picker, "temperature").value = ""
    assert picker.overrides == {"tools": []}


def test_an_invalid_value_is_reported_and_clears_the_plan(picker: ProfilePicker) -> None:
    picker._profile_list.value = "brief"
    field(picker, "temperature").value = "hot"
    assert picker.plan is None
    assert "must be a number" in picker.error
    assert 'role="alert"' in picker._message.value
    assert "not &#x27;hot&#x27;" in picker._message.value
    assert "<table>" in picker._plan_table.value  # of the last valid plan, so that nothing moves
    with pytest.raises(nt.ProfileError):
        picker.session(tools=[weather], engine=nt.scripted("x"))
    field(picker, "temperature").value = "[1"
    assert "YAML" in picker.error
    field(picker, "temperature").value = "1"
    assert (picker.error, picker.plan is not None) == ("", True)


def test_the_difference_to_the_plan_in_use_is_marked(picker: ProfilePicker) -> None:
    session = picker.session(tools=[weather], engine=nt.scripted("x"))
    assert session.system == "<b>Be kind.</b>"
    assert "was " not in picker._plan_table.value
    picker._profile_list.value = "brief"
    field(picker, "limit").value = "3"
    assert "was 20" in picker._plan_table.value
    assert "was not set" in picker._plan_table.value  # the temperature


def test_a_prompt_is_displayed_as_text_and_a_saved_notebook_keeps_the_table(picker: ProfilePicker) -> None:
    page = picker._repr_html_()
    assert "<b>Be kind" not in page
    assert "&lt;b&gt;Be kind" in page


def test_the_traits_can_be_observed_and_set_from_code(picker: ProfilePicker) -> None:
    plan_names: list[Any] = []
    picker.observe(lambda change: plan_names.append(change["new"].name), "plan")
    picker.profile = "brief"
    picker.overrides = {"temperature": 0}
    assert picker._profile_list.value == "brief"
    assert plan_names == ["notebook/brief", "notebook/brief"]
    assert field(picker, "temperature").value == "0"
