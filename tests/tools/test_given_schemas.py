"""Tools that a JSON Schema describes, and arguments that are repaired."""

from __future__ import annotations

import json
from typing import Any

import pytest

import nbturns as nt
from nbturns.events import Notice
from nbturns.runtime.background_loop import Waiting
from nbturns.runtime.toolbox import Toolbox, ToolConfig
from tests.tools.test_signatures import PROVIDERS, sent_schema

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "The name"},
        "days": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
        "filter": {"anyOf": [{"type": "array"}, {"type": "object"}, {"type": "null"}]},
    },
    "required": ["city"],
    "additionalProperties": False,
}


def run(tool: Any, args: Any) -> tuple[nt.Block, list[str]]:
    """Return the answer to a call of the tool, and the texts of the notices."""
    tool = tool if isinstance(tool, nt.Tool) else nt.Tool(tool)
    events: list[Any] = []
    done: dict[str, nt.Block] = {}
    call = nt.tool_call("c", tool.name, args)
    Waiting(Toolbox([tool]).answer_calls([call], ToolConfig(), events.append, done)).result(60)
    return done["c"], [event.text for event in events if isinstance(event, Notice)]


def weather(**arguments: Any) -> Any:
    """Get the weather."""
    return arguments


TOOL = nt.Tool(weather, parameters=WEATHER)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_json_schema_is_offered_as_it_is(provider: str) -> None:
    assert TOOL.parameters["properties"]["city"] == {"type": "string", "description": "The name"}
    assert sent_schema(provider, TOOL)["properties"].keys() == WEATHER["properties"].keys()  # type: ignore[attr-defined]
    assert TOOL.description == "Get the weather."
    assert repr(TOOL) == "<Tool weather(city, days, tags, place, filter)>"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "city is missing"),
        ({"city": "Oslo", "town": 1}, "town is unknown; weather takes city, days, tags, place, filter"),
        ({"city": 5}, "city: 5 is not of type 'string'"),
        ({"city": "Oslo", "days": 0}, "days: 0 is less than the minimum of 1"),
        ({"city": "Oslo", "place": {}}, "place.lat is missing"),
        ({"city": "Oslo", "tags": "{}"}, "tags: '{}' is not of type 'array'"),
        ({"city": None}, "city: None is not of type 'string'"),
    ],
)
def test_arguments_are_checked_by_the_schema(args: Any, message: str) -> None:
    answer, _ = run(TOOL, args)

    assert answer.error == f"not run: the arguments do not fit: {message}"


def typed(
    city: str, days: int = 1, tags: list[str] = [], place: dict[str, float] = {}, filter: list[Any] | dict[str, Any] | None = None
) -> Any:  # fmt: skip
    return {"city": city, "tags": tags, "place": place, "filter": filter}


@pytest.mark.parametrize("tool", [TOOL, typed])
@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("tags", '["a", "b"]', "a list"),
        ("tags", " [] ", "a list"),
        ("place", '{"lat": 1.5}', "an object"),
        ("filter", '{"a": [1]}', "an object"),
        ("filter", "[1]", "a list"),
    ],
)
def test_a_json_text_where_a_list_or_an_object_is_expected_is_parsed_and_noticed(
    tool: Any, name: str, text: str, kind: str
) -> None:
    answer, notices = run(tool, {"city": '["Oslo"]', name: text})

    assert (answer.error, answer.result[name], answer.result["city"]) == ("", json.loads(text), '["Oslo"]')
    tool_name = getattr(tool, "__name__", "weather")
    assert notices == [f"{tool_name}: {name} was sent as a JSON text and was parsed as {kind}"]


def test_json_texts_inside_models_and_inside_json_texts_are_parsed() -> None:
    from pydantic import BaseModel

    class Order(BaseModel):
        parts: list[int]
        note: str = ""

    def place(orders: list[Order], note: Any = None, either: str | list[int] = "") -> Any:
        return [[order.parts for order in orders], note, either]

    place.__annotations__["orders"] = list[Order]
    args = {"orders": json.dumps([{"parts": "[1, 2]"}]), "note": "[3]", "either": "[4]"}
    answer, notices = run(place, args)

    assert answer.result == [[[1, 2]], "[3]", "[4]"]
    assert len(notices) == 2 and "orders.0.parts" in notices[1]
    assert "orders: " in run(place, {"orders": "[1"})[0].error


@pytest.mark.parametrize("value", ["[[[", '"[1]"', "5", "null", "[" * 100_000])
def test_a_text_that_is_no_such_json_stays_an_error(value: str) -> None:
    for tool in (TOOL, typed):
        answer, notices = run(tool, {"city": "Oslo", "tags": value})
        assert "tags: " in answer.error and notices == []


def test_null_for_an_argument_that_is_not_required_is_left_out() -> None:
    assert run(TOOL, {"city": "Oslo", "days": None, "filter": None})[0].result == {"city": "Oslo", "filter": None}


# Schemas that have to be changed, or refused.

NODE = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}


@pytest.mark.parametrize(
    ("schema", "offered"),
    [
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object"}, {"type": "object", "properties": {}}),
        (
            {"$schema": "https://json-schema.org/draft/2020-12/schema", "properties": {"a": True}},
            {"type": "object", "properties": {"a": {}}},
        ),
        (
            {"properties": {"a": {"type": "array"}, "b": {"type": ["array", "null"], "prefixItems": [{"type": "string"}]}}},
            {
                "type": "object",
                "properties": {"a": {"type": "array", "items": {}}, "b": {"type": ["array", "null"], "items": {}}},
            },
        ),
        (
            {"properties": {"a": {"$ref": "#/definitions/A"}}, "definitions": {"A": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "string"}}},
        ),
        (
            {"properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a", "description": "Same"}}},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string", "description": "Same"}}},
        ),
        (
            {"anyOf": [{"properties": {"a": {}, "b": {}}, "required": ["a", "b"]}, {"properties": {"b": {}}, "required": ["b"]}]},
            {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["b"]},
        ),
        (
            {
                "properties": {"n": {}},
                "required": ["n"],
                "allOf": [{"properties": {"a": {}}, "required": ["a"]}],
                "oneOf": [{"properties": {"b": {}}, "required": ["b"]}, {"properties": {"c": {}}, "required": ["c"]}],
            },
            {"type": "object", "properties": {"n": {}, "a": {}, "b": {}, "c": {}}, "required": ["n", "a"]},
        ),
        (
            {"properties": {"tree": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}},
            {"type": "object", "properties": {"tree": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}},
        ),
        (
            {"properties": {"kids": {"type": "array", "items": {"$ref": "#"}}}},
            {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Arguments"}}},
                "$defs": {"Arguments": {"properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Arguments"}}}}},
            },
        ),
        (
            {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
            {**NODE, "$defs": {"Node": NODE}},
        ),
    ],
)  # fmt: skip
def test_a_schema_is_offered_in_the_form_that_every_provider_takes(schema: Any, offered: Any) -> None:
    tool = nt.Tool(weather, parameters=schema)

    assert tool.parameters == offered


def test_the_given_schema_and_not_the_offered_one_is_checked() -> None:
    schema = {"anyOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}]}
    tool = nt.Tool(weather, parameters=schema)

    assert run(tool, {"a": 1})[0].result == {"a": 1}
    assert "not valid under any" in run(tool, {})[0].error


BOMB = {
    "$defs": {f"L{n}": {"properties": {"a": {"$ref": f"#/$defs/L{n + 1}"}, "b": {"$ref": f"#/$defs/L{n + 1}"}}} for n in range(40)}
    | {"L40": {"type": "string"}},
    "properties": {"x": {"$ref": "#/$defs/L0"}},
}  # fmt: skip


def deep(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return {"properties": {"x": schema}}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{}", "must be a JSON Schema, got '{}'"),
        ({"type": "array"}, "the arguments of a tool are an object, but the schema has the type 'array'"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "this is not a JSON Schema: properties.a.type"),
        ({"properties": {"a": 5}}, "expected a JSON Schema, got 5"),
        ({"properties": {"a": {"$ref": "https://example.com/s.json"}}}, "refers to 'https://example.com/s.json'"),
        ({"properties": {"a": {"$ref": "#/$defs/B"}}}, "refers to '#/$defs/B', which it does not define"),
        ({"properties": {"a": {"$ref": "#/required"}}, "required": ["a"]}, "which is not a schema"),
        (BOMB, "has more than 20,000 parts"),
        (deep(90), ""),
        (deep(200), "nested"),
        ({"properties": {"a": {"default": object()}}}, "expected a JSON value"),
    ],
)
def test_a_schema_that_no_provider_takes_is_refused(schema: Any, message: str) -> None:
    if not message:
        assert nt.Tool(weather, parameters=schema).parameters
        return
    with pytest.raises(nt.MisuseError, match="parameters of weather") as raised:
        nt.Tool(weather, parameters=schema)

    assert message in str(raised.value)


# Dicts of OpenAI's API.

FUNCTION = {"name": "weather", "description": "Forecast.", "parameters": WEATHER, "strict": True}


@pytest.mark.parametrize("schema", [{"type": "function", **FUNCTION}, {"type": "function", "function": FUNCTION}])
def test_a_dict_of_openai_describes_a_function(schema: Any) -> None:
    tool = nt.tools.from_openai(schema, lambda **arguments: arguments, effect="pure")

    assert (tool.name, tool.description, tool.effect) == ("weather", "Forecast.", "pure")
    assert tool.parameters == nt.Tool(weather, parameters=WEATHER).parameters
    assert tool.options == {"openai": {"strict": True}, "openai-chat": {"strict": True}}
    assert run(tool, {"city": "Oslo"})[0].result == {"city": "Oslo"}


@pytest.mark.parametrize(
    "schema", ["weather", {"type": "web_search"}, {"type": "function"}, {"type": "function", "function": "x"}]
)
def test_what_is_no_function_of_openai_is_refused(schema: Any) -> None:
    with pytest.raises(nt.MisuseError, match="expected"):
        nt.tools.from_openai(schema, weather)
