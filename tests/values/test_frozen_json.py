"""Constructors without checks make the same values as the constructors with checks."""

from __future__ import annotations

import dataclasses
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns import events
from nbturns.runtime.engine_protocol import Scope
from nbturns.values.frozen_json import FrozenDict, unchecked_constructor

PACKAGE = Path(nt.__file__).parent
TURN = nt.turn("hello")
CALL = nt.tool_call("c1", "add", {"a": 1})
ANSWER = nt.tool_use("c1", 3)
RESULT = nt.InferenceResult(model="m", usage=nt.Usage(1, 2), extra=FrozenDict(a=1))
VALUES = [
    TURN,
    CALL,
    RESULT,
    Scope(inference_id="i", iteration=2),
    events.Snapshot(nt.Phase.FINAL, TURN, 1),
    events.InferenceStarted("i", TURN),
    events.InferenceFinished(RESULT, (ANSWER,)),
    events.ToolStarted(CALL),
    events.ToolFinished(CALL, ANSWER, 1.5),
    events.Delta("i", 0, "llm_text", "hel"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_an_unchecked_value_is_equal_to_a_checked_one_and_as_frozen(value: Any) -> None:
    fields = dataclasses.fields(value)
    make = unchecked_constructor(type(value))

    by_position = make(*(getattr(value, field.name) for field in fields if field.init))
    by_name = make(**{field.name: getattr(value, field.name) for field in fields})

    assert type(by_position) is type(value)
    assert all(hasattr(by_position, field.name) for field in fields)
    assert by_position == value == by_name
    assert repr(by_position) == repr(value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(by_position, fields[0].name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        delattr(by_position, fields[0].name)


def test_an_unchecked_constructor_fills_in_defaults_and_checks_nothing() -> None:
    make = unchecked_constructor(nt.Block)

    assert make("user", FrozenDict(text="q")) == nt.Block("user", {"text": "q"})
    assert repr(make(kind="user", payload="not a mapping").payload) == "'not a mapping'"
    with pytest.raises(TypeError, match="kind"):
        make()
    with pytest.raises(TypeError, match="colour"):
        make("user", {}, colour="red")


def test_an_unchecked_value_can_be_pickled() -> None:
    made = unchecked_constructor(nt.Block)("user", FrozenDict(text="q"))

    assert pickle.loads(pickle.dumps(made)) == nt.Block("user", {"text": "q"})


def test_only_one_place_changes_the_class_of_an_object() -> None:
    changing = [path.name for path in PACKAGE.rglob("*.py") if re.search(r"__class__\s*=[^=]", path.read_text("utf-8"))]

    assert changing == ["frozen_json.py"]
