"""Typed keys: what is absent, what fits and what does not fit are three different answers."""

from __future__ import annotations

import copy
import enum
import json
import pickle
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import nbturns as nt
from nbturns.runtime.toolbox import ToolConfig
from nbturns.values.metadata import Metadata, metadata_from_dict
from nbturns.values.persistent_list import PersistentList
from nbturns.values.provenance import FORMER_NAMES
from tests.values.test_values import payloads


class Mood(enum.Enum):
    GOOD = "good"


@dataclass(frozen=True)
class Point:
    x: float
    tags: list[str]
    mood: Mood = Mood.GOOD


class Person(BaseModel):
    name: str
    age: int = 0


SCORE: nt.Key[float] = nt.Key("me.score@v1", float)
VALUES: list[tuple[Any, Any]] = [
    (str, "x"),
    (float, 1.5),
    (int, 3),
    (bool, True),
    (bytes, b"x"),
    (type(None), None),
    (list[str], ["a"]),
    (dict[str, int], {"a": 1}),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (int | None, None),
    (float | None, 2.0),
    (Literal["a", "b"], "a"),
    (Mood, Mood.GOOD),
    (list[Mood], [Mood.GOOD]),
    (Point, Point(1.0, ["a"])),
    (Person, Person(name="Ada", age=36)),
    (nt.Usage, nt.Usage(1, 2)),
    (nt.InferenceResult, nt.InferenceResult(model="m", usage=nt.Usage(3, 4))),
    (ToolConfig, ToolConfig(max_iterations=3, execution_timeout=2.0)),
    (PersistentList[nt.Usage], PersistentList((nt.Usage(1, 2),))),
    (Any, {"a": [1]}),
]


@pytest.mark.parametrize(("type_", "value"), VALUES, ids=[str(t) for t, _ in VALUES])
def test_a_value_comes_back_as_it_was_put_also_from_a_file(type_: Any, value: Any) -> None:
    key: nt.Key[Any] = nt.Key("me.value@v1", type_)

    turn = nt.Turn().with_metadata(key, value).with_data(key, value)
    read = nt.Turn.from_yaml(turn.to_yaml())

    assert turn.metadata[key] == value == turn.data[key]
    assert read == turn
    assert read.metadata[key] == value
    assert nt.Turn.from_dict(json.loads(json.dumps(turn.to_dict()))).data.get(key) == value


def test_absent_decodable_and_undecodable_are_three_answers() -> None:
    turn = nt.Turn.from_yaml("metadata: {me.score@v1: high}")

    with pytest.raises(nt.DecodeError, match=r"me\.score@v1 is not a float: it is 'high'") as caught:
        turn.metadata.get(SCORE)
    with pytest.raises(KeyError):
        _ = nt.Turn().metadata[SCORE]
    assert caught.value.key == "me.score@v1"
    assert nt.Turn().metadata.get(SCORE) is None
    assert turn.with_metadata(SCORE, 0.5).metadata.get(SCORE) == 0.5
    assert SCORE in turn.metadata


@pytest.mark.parametrize(
    ("type_", "raw"),
    [
        (int, True),
        (int, 1.0),
        (str, 1),
        (bool, 1),
        (list[str], ["a", 1]),
        (list[str], "a"),
        (dict[str, int], {"a": "b"}),
        (tuple[int, str], [1]),
        (Literal["a"], "b"),
        (int | None, "x"),
        (Mood, "bad"),
        (Point, {"x": 1, "unknown": 2}),
        (Person, {"age": "old"}),
        (ToolConfig, {"max_iterations": "many"}),
        (ToolConfig, {"tool_choice": "perhaps"}),
        (ToolConfig, {"execution_timeout": "soon"}),
        (ToolConfig, ["a"]),
        (nt.InferenceResult, {"usage": {"input_tokens": "many"}}),
        (nt.InferenceResult, {"usage": 5}),
        (nt.InferenceResult, {"model": 5}),
        (nt.InferenceResult, "text"),
    ],
)
def test_what_does_not_fit_is_a_decode_error_and_stays_in_the_turn(type_: Any, raw: Any) -> None:
    bag = metadata_from_dict({"me.value@v1": raw})

    with pytest.raises(nt.DecodeError, match="me.value@v1"):
        bag.get(nt.Key("me.value@v1", type_))

    assert bag.get(nt.Key("me.value@v1", Any)) == raw


NAME: Any = "me.score@v1"


def test_a_plain_string_is_refused_with_the_name_of_the_key_class() -> None:
    turn = nt.Turn()

    for touch in (
        lambda: turn.metadata[NAME],
        lambda: turn.metadata.get(NAME),
        lambda: turn.with_metadata(NAME, 1),
        lambda: turn.with_data(NAME, 1),
        lambda: nt.user("x").with_metadata(NAME, 1),
        lambda: nt.Turn(metadata={NAME: 1}),
        lambda: NAME in turn.metadata,
    ):
        with pytest.raises(TypeError, match=r'use nt\.Key\("me\.score@v1", str\)'):
            touch()


@pytest.mark.parametrize("value", [object(), lambda: 1, 1j])
def test_what_json_cannot_hold_is_refused_when_it_is_set(value: Any) -> None:
    turn = nt.Turn()

    with pytest.raises(TypeError, match="me.any@v1: expected a JSON value"):
        turn.with_metadata(nt.Key("me.any@v1", Any), value)


def test_a_value_of_another_type_is_refused_when_it_is_set() -> None:
    with pytest.raises(nt.DecodeError, match="is not a float"):
        nt.Turn().with_metadata(SCORE, "high")  # type: ignore[misc]


def test_a_key_without_a_name_is_refused() -> None:
    with pytest.raises(TypeError, match="a Key needs a name"):
        nt.Key("", str)


def test_setting_makes_another_bag_and_keeps_the_rest() -> None:
    first = Metadata({SCORE: 1.0})

    second = first.with_(nt.Key("me.other@v1", str), "x")

    assert (len(first), len(second), list(second)) == (1, 2, ["me.score@v1", "me.other@v1"])
    assert second.without(SCORE) == Metadata({nt.Key("me.other@v1", str): "x"})
    assert second.without(nt.Key("me.absent@v1", str)) is second


def test_changing_what_was_read_does_not_change_the_turn() -> None:
    key: nt.Key[Any] = nt.Key("me.list@v1", list[str])
    turn = nt.Turn().with_metadata(key, ["a"])

    with pytest.raises(TypeError, match="value is frozen"):
        turn.metadata[key].append("b")
    turn.metadata.to_dict()["me.list@v1"].append("b")

    assert turn.metadata[key] == ["a"]


def test_one_name_may_be_read_as_several_types() -> None:
    turn = nt.Turn().with_metadata(nt.Key("me.n@v1", int), 3)

    assert turn.metadata[nt.Key("me.n@v1", float)] == 3.0
    assert turn.metadata[nt.Key("me.n@v1", int)] == 3
    with pytest.raises(nt.DecodeError):
        _ = turn.metadata[nt.Key("me.n@v1", str)]


# Hypothesis tries texts of our own source as well: former names of ours are read as today's.
unknown_names = st.text(min_size=1).filter(lambda name: name not in FORMER_NAMES)


@given(st.dictionaries(unknown_names, payloads, max_size=3))
def test_names_we_do_not_know_are_kept_with_their_values(raw: dict[str, Any]) -> None:
    turn = nt.Turn.from_dict({"blocks": [], "metadata": raw, "data": raw})

    assert dict(turn.metadata.items()) == raw == turn.data.to_dict()
    assert nt.Turn.from_yaml(turn.to_yaml()) == turn


@given(payloads)
def test_a_bag_pickles_copies_and_hashes(raw: dict[str, Any]) -> None:
    bag = metadata_from_dict(raw)

    assert pickle.loads(pickle.dumps(bag)) == bag == copy.deepcopy(bag)
    assert hash(bag) == hash(metadata_from_dict(copy.deepcopy(raw)))


def test_the_known_keys_have_geppettos_names_and_each_name_stands_once() -> None:
    known = [key for key in vars(nt.keys).values() if isinstance(key, nt.Key)]
    names = [key.name for key in known]

    assert len(set(names)) == len(names)
    assert {
        f"geppetto.{name}@v1"
        for name in ("session_id", "inference_id", "tool_config", "tool_definitions", "inference_result", "agent_mode")
    } <= set(names)
    assert all("@v" in name and "." in name for name in names)
