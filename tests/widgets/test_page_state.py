"""A page writes what the user chose, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbturns as nt

TURN = nt.Turn((nt.user("a"), nt.assistant("b"), nt.tool_call("c", "f", {"x": 1}), nt.tool_use("c", 2)))


def execution() -> Any:
    session = nt.Session(nt.scripted("a"))
    session.ask("q").result(20)
    return session.execution


def stepper() -> Any:
    view = nt.view(execution())
    while not (view.debug and view.start["number"]):  # sent once the event loop has read the execution
        time.sleep(0.005)
    return view


VIEWS: dict[str, Callable[[], Any]] = {
    "TurnView": lambda: nt.view(TURN),
    "RunView": lambda: nt.view(nt.Run((TURN,))),
    "Stepper": stepper,
    "CompareView": lambda: nt.view(nt.compare(TURN, TURN[:2])),
    "ProfilePicker": lambda: nt.widgets.ProfilePicker(nt.load_profiles({"a": {"engine": "openai:m"}}, env_file=None)),
}
WRITABLE: dict[str, dict[str, Any]] = {
    "TurnView": {
        "selected": [1],
        "search": "a",
        "only_matches": True,
        "kinds": ["user"],
        "tool": "f",
        "sort": "-kind",
        "columns": ["kind"],
    },
    "RunView": {"turn": 0, "phase": -1, "selected": [0]},
    "CompareView": {"selected": 0},
    "Stepper": {},
    "ProfilePicker": {},
}


def update(view: Any, state: Any) -> None:
    """Deliver a message of a page, as the comm does."""
    view._handle_msg({"content": {"data": {"method": "update", "state": state}}, "buffers": []})


@pytest.mark.parametrize("name", VIEWS)
def test_what_the_user_chooses_is_taken(name: str) -> None:
    view = VIEWS[name]()
    update(view, WRITABLE[name])

    assert {trait: getattr(view, trait) for trait in WRITABLE[name]} == WRITABLE[name]


@pytest.mark.parametrize("name", VIEWS)
def test_no_other_state_is_taken(name: str) -> None:
    view = VIEWS[name]()
    for trait in (*view.keys, "no_trait", "turn_", "__class__", "execution", "_repr_html_"):
        if trait in WRITABLE[name]:
            continue
        before = view.get_state()
        values: list[Any] = [
            "export default {render() {alert(1)}}",
            {},
            {"rows": []},
            [],
            None,
            5,
            {"number": 10**9, "rows": [{}]},
        ]
        for value in values:
            update(view, {trait: value})
        assert view.get_state() == before, trait


def test_a_table_of_the_picker_cannot_be_overwritten() -> None:
    picker = VIEWS["ProfilePicker"]()
    update(picker._plan_table, {"value": "<script>alert(1)</script>"})

    assert "alert" not in picker._repr_html_()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
TRAITS = st.sampled_from(
    [
        "selected",
        "search",
        "only_matches",
        "kinds",
        "tool",
        "sort",
        "columns",
        "turn",
        "phase",
        "start",
        "_esm",
        "update",
    ]
)


@pytest.mark.parametrize("name", ["TurnView", "RunView", "CompareView"])
@given(state=st.dictionaries(TRAITS | st.text(max_size=5), JSON, max_size=4) | JSON)
@settings(max_examples=60, deadline=None)
def test_any_state_of_a_page_is_taken_or_ignored(name: str, state: Any) -> None:
    view = OPENED.setdefault(name, VIEWS[name]())
    module = view._esm

    view.set_state(state)

    assert view._esm == module
    assert view.get_state()


OPENED: dict[str, Any] = {}


@pytest.mark.skipif(version("ipywidgets") < "8", reason="marimo brings ipywidgets 8; 7 takes no other comm")
def test_the_value_in_marimo_is_what_the_reader_chooses_and_not_the_rows() -> None:
    """marimo sends the whole state when the comm opens, and later reads it for `.value`."""

    class MarimoComm:
        comm_id = "c"

        def send(self, *_: Any, **__: Any) -> None: ...

        def on_msg(self, _: Any) -> None: ...

        def close(self, *_: Any, **__: Any) -> None: ...

    MarimoComm.__module__ = "marimo._plugins.ui._impl.comm"
    for view in (nt.view(nt.example()[0]), nt.view(nt.example())):
        assert "_esm" in view.get_state()
        view.comm = MarimoComm()
        view.selected = [1]
        assert view.get_state()["selected"] == [1]
        assert set(view.get_state()) == view.page_writes
        assert "_esm" in view.get_state(["_esm"]), "an update of a trait is still sent"


def test_an_execution_shows_its_buttons_in_marimo() -> None:
    execution = nt.Session(nt.scripted("yes")).ask("Hi")
    assert isinstance(execution._display_(), nt.widgets.Stepper)
    execution.result(10)


def test_names_are_completed_in_brackets() -> None:
    assert nt.load_profiles({"p": {"engine": "openai:gpt-5.1"}})._ipython_key_completions_() == ["p"]
