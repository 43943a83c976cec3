"""Events written and read back are equal, and know what geppetto calls them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns import events
from nbturns.events import Delta, Event
from nbturns.serialization.event_json import (
    EVENT_CLASSES,
    GEPPETTO_NAMES,
    event_from_dict,
    event_to_dict,
    geppetto_name,
)


def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b


def everything() -> list[Event]:
    heard: list[Event] = []
    script = nt.scripted([nt.reasoning("hm"), nt.tool_call("c", "add", {"a": 1, "b": 2})], "three")
    execution = nt.Session(script, tools=[add], sinks=[heard.append]).ask("?", step=True)
    for _ in execution:
        pass
    execution.result(60)
    return heard


def test_every_event_of_a_run_survives_json() -> None:
    heard = everything()

    read = [event_from_dict(json.loads(json.dumps(event_to_dict(event)))) for event in heard]

    assert read == heard
    assert [(event.seq, event.at) for event in read] == [(event.seq, event.at) for event in heard]


def test_every_kind_of_event_is_known_by_name() -> None:
    made = {cls.__name__ for cls in Event.__subclasses__() if cls.__module__ == Event.__module__}

    assert set(EVENT_CLASSES) == set(GEPPETTO_NAMES) == made


def test_geppetto_would_know_them() -> None:
    names = [geppetto_name(event) for event in everything()]

    assert names[0] == "run-started"
    assert names[-1] == "run-finished"
    assert {"reasoning-delta", "text-delta", "tool-call-arguments-delta", "debugger.pause", "tool-result-ready"} <= set(
        names
    )
    assert geppetto_name(events.Ended("failed", nt.Turn())) == "run-failed"


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"type": "Nothing"},
        {"type": "Delta"},
        {"type": "Snapshot", "phase": "later", "turn": {}},
        {"type": "Started", "turn": []},
    ],
)
def test_what_is_no_event_is_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(nt.LoadError):
        event_from_dict(raw)


@given(st.text(), st.text(), st.integers(0, 10**6), st.text())
def test_any_text_survives(id: str, text: str, index: int, kind: str) -> None:
    delta = Delta(id, index, kind, text)

    assert event_from_dict(json.loads(json.dumps(event_to_dict(delta)))) == delta
