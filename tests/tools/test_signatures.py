"""Signatures of every kind become the schema that providers take, and values arrive as typed."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import math
import pickle
import typing
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict

import pytest
import typing_extensions
from pydantic import BaseModel, Field

import nbturns as nt
from nbturns.runtime.toolbox import ToolConfig
from tests.test_tools import answer

PROVIDERS = ["anthropic:claude-sonnet-4-5", "openai:gpt-5.1", "openai-chat:gpt-4.1", "gemini:gemini-3-pro-preview"]


def sent_schema(provider: str, tool: Any) -> dict[str, Any]:
    """Return the schema of the only tool of a request."""
    sent: Any = nt.engines.request(provider, nt.turn("x"), tools=[tool])["tools"][0]
    sent = sent.get("functionDeclarations", [sent])[0]
    sent = sent.get("function", sent)
    schema: dict[str, Any] = next(
        sent[name] for name in ("input_schema", "parameters", "parametersJsonSchema") if name in sent
    )
    return schema


def seen(tool: Callable[..., Any], args: dict[str, Any]) -> Any:
    """Return what the function got, as Python shows it."""
    got = answer(tool, args)
    assert got.error == ""
    return got.result


class Expression(BaseModel):
    operator: str = Field(description="plus or minus")
    operands: list[Expression] = []


@dataclasses.dataclass
class Folder:
    name: str
    parent: Optional[Folder] = None


class Person(typing.TypedDict):
    name: str
    friends: "list[Person]"


class Window(NamedTuple):
    left: int
    top: int
    title: str = ""


class Query(TypedDict, total=False):
    text: typing.Required[str]
    limit: Annotated[int, Field(description="How many", ge=1)]


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


# Defaults.


class Price(BaseModel):
    highest: float = math.inf
    lowest: float = Field(-math.inf, ge=-math.inf)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("default", [math.inf, -math.inf, math.nan])
def test_defaults_that_json_has_no_word_for_are_left_out_of_every_request(provider: str, default: float) -> None:
    def search(highest: float = default, price: Price = Price(lowest=0), near: Literal["x"] | float = default) -> str:
        "Search."
        return repr((highest, price.highest))

    schema = sent_schema(provider, search)

    json.dumps(schema, allow_nan=False)
    assert "default" not in schema["properties"]["highest"]
    assert seen(search, {}) == repr((default, math.inf))


def test_a_field_as_a_default_is_the_same_as_an_annotated_field() -> None:
    def plain(
        count: int = Field(3, description="How many", ge=1),
        text: str = Field(description="What"),
        tags: list[str] = Field(default_factory=list),
        unit: Colour = Field(Colour.RED),
        wanted: Annotated[int, Field(default=7, le=9)] = Field(description="Wanted"),  # noqa: B008
        needed: int = Field(...),
    ) -> str:
        return repr((count, text, tags, unit.value, wanted, needed))

    tool = nt.Tool(plain)

    assert tool.parameters["properties"]["count"] == {
        "type": "integer",
        "description": "How many",
        "minimum": 1,
        "default": 3,
    }
    assert tool.parameters["required"] == ["text", "needed"]
    assert tool.parameters["properties"]["wanted"] == {
        "type": "integer",
        "maximum": 9,
        "description": "Wanted",
        "default": 7,
    }
    assert seen(plain, {"text": "a", "needed": 1}) == repr((3, "a", [], "red", 7, 1))
    assert "count: " in answer(plain, {"text": "a", "needed": 1, "count": 0}).error


def test_a_default_factory_makes_a_new_value_for_each_call() -> None:
    def collect(items: list[int] = Field(default_factory=list)) -> int:  # noqa: B008
        items.append(1)
        return len(items)

    assert [seen(collect, {}) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(
    "args", [{"city": "Oslo", "days": None, "place": None}, {"city": "Oslo", "place": {"name": None}}]
)
def test_null_for_an_optional_argument_is_its_default(args: dict[str, Any]) -> None:
    class Place(BaseModel):
        name: str = "home"

    def weather(city: str, days: int = 3, place: Place = Place(), note: str | None = "x") -> str:
        return repr((city, days, place.name, note))

    weather.__annotations__["place"] = Place
    assert seen(weather, args) == repr(("Oslo", 3, "home", "x"))
    assert seen(weather, {**args, "note": None}) == repr(("Oslo", 3, "home", None))
    assert answer(weather, {"city": None}).error.endswith("city: input should be a valid string, not None")


# Recursive and other types.


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_type_that_contains_itself_keeps_its_definition(provider: str) -> None:
    def evaluate(tree: Expression) -> str:
        return repr([operand.operator for operand in tree.operands])

    schema = sent_schema(provider, evaluate)

    assert schema["properties"]["tree"] == {"$ref": "#/$defs/Expression"}
    node = schema["$defs"]["Expression"]
    assert node["properties"]["operands"]["items"] == {"$ref": "#/$defs/Expression"}
    assert node["properties"]["operator"] == {"type": "string", "description": "plus or minus"}
    assert seen(evaluate, {"tree": {"operator": "plus", "operands": [{"operator": "minus"}]}}) == "['minus']"


@pytest.mark.parametrize("hint", [Folder, Person, list[Folder], Optional[Expression], dict[str, Expression]])
def test_recursive_dataclasses_typed_dicts_and_types_inside_others_are_taken(hint: Any) -> None:
    def look(x: Any, other: Any) -> None: ...

    look.__annotations__ = {"x": hint, "other": Window}
    schema = nt.Tool(look).parameters

    assert list(schema["$defs"]) == [next(name for name in ("Folder", "Person", "Expression") if name in repr(hint))]
    assert "$ref" not in json.dumps(schema["properties"]["other"])


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("hint", "items"),
    [
        (tuple[int, int], {"type": "integer"}),
        (tuple[int, str], {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (tuple[int, ...], {"type": "integer"}),
        (set[int], {"type": "integer"}),
        (frozenset[str], {"type": "string"}),
        (list, {}),
        (tuple, {}),
    ],
)
def test_tuples_and_sets_are_arrays_with_items(provider: str, hint: Any, items: dict[str, Any]) -> None:
    def look(x: Any) -> str:
        return type(x).__name__

    look.__annotations__ = {"x": hint, "return": str}
    schema = sent_schema(provider, look)["properties"]["x"]

    assert (schema["type"], schema["items"]) == ("array", items)
    assert "prefixItems" not in json.dumps(schema)
    values = ["a", "b"] if hint == frozenset[str] else [1, "b"] if hint == tuple[int, str] else [1, 2]
    assert seen(look, {"x": values}) == (typing.get_origin(hint) or hint).__name__


def test_the_length_of_a_tuple_is_told_and_checked() -> None:
    def crop(view: tuple[int, int], window: Window) -> str:
        return repr((view, window))

    schema = nt.Tool(crop).parameters["properties"]

    assert schema["view"] == {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
    assert seen(crop, {"view": [1, 2], "window": [3, 4]}) == repr(((1, 2), Window(3, 4)))
    assert "view" in answer(crop, {"view": [1, 2, 3], "window": [3, 4]}).error


def test_typed_dicts_of_the_standard_library_are_taken_with_what_they_require() -> None:
    def find(query: Query, more: list[Query], one: Query | None = None) -> str:
        return repr((query, more))

    schema = nt.Tool(find).parameters["properties"]

    assert schema["query"]["required"] == ["text"]
    assert schema["query"]["properties"]["limit"] == {"type": "integer", "minimum": 1, "description": "How many"}
    assert schema["more"]["items"] == schema["query"]
    assert seen(find, {"query": {"text": "a", "limit": "2"}, "more": [{"text": "b"}]}) == repr(
        ({"text": "a", "limit": 2}, [{"text": "b"}])
    )
    assert "query.text is missing" in answer(find, {"query": {}, "more": []}).error


@pytest.mark.parametrize("unpack", [typing.Unpack, typing_extensions.Unpack])
def test_unpacked_typed_dicts_are_arguments(unpack: Any) -> None:
    def find(where: str, **query: Any) -> str:
        """Find.

        Args:
            text: What to find.
        """
        return repr((where, query))

    find.__annotations__["query"] = unpack[Query]
    schema = nt.Tool(find).parameters

    assert schema["required"] == ["where", "text"]
    assert schema["properties"]["text"] == {"type": "string", "description": "What to find."}
    assert schema["additionalProperties"] is False
    assert seen(find, {"where": "x", "text": "a", "limit": "3"}) == repr(("x", {"text": "a", "limit": 3}))


def test_keyword_arguments_of_one_type_arrive_as_typed() -> None:
    def total(**amounts: int) -> int:
        return sum(amounts.values())

    def anything(*names: str, **values: Any) -> Any:
        return values

    assert nt.Tool(total).parameters["additionalProperties"] == {"type": "integer"}
    assert seen(total, {"a": "1", "b": 2}) == 3
    assert seen(anything, {"a": "1"}) == {"a": "1"}


class Strict(BaseModel, strict=True):
    colour: Colour
    amount: Decimal
    pair: tuple[int, int]


def test_strict_types_take_what_json_can_hold() -> None:
    def paint(order: Strict) -> str:
        return repr((order.colour.value, order.amount, order.pair))

    assert seen(paint, {"order": {"colour": "red", "amount": "1.5", "pair": [1, 2]}}) == repr(
        ("red", Decimal("1.5"), (1, 2))
    )


# Functions of every kind.


def slow(n: int, unit: Annotated[str, "The unit"] = "m") -> str:
    """Look it up slowly."""
    return repr((n, unit))


def logged(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


class Counter:
    """Count words."""

    def __init__(self, step: int = 1) -> None:
        self.step = step

    def __call__(self, n: int, unit: Annotated[str, "The unit"] = "m") -> str:
        """Not this one."""
        return repr((n * self.step, unit))

    def method(self, n: int, unit: Annotated[str, "The unit"] = "m") -> str:
        """Count in a method."""
        return repr((n, unit))

    @classmethod
    def of_class(cls, n: int, unit: Annotated[str, "The unit"] = "m") -> str:
        """Count in a class method."""
        return repr((n, unit))

    @staticmethod
    def static(n: int, unit: Annotated[str, "The unit"] = "m") -> str:
        """Count in a static method."""
        return repr((n, unit))


class Quiet:
    @functools.lru_cache  # noqa: B019
    def __call__(self, n: int, unit: Annotated[str, "The unit"] = "m") -> str:
        """Count quietly."""
        return repr((n, unit))


@pytest.mark.parametrize(
    ("function", "name", "description"),
    [
        (functools.lru_cache(slow), "slow", "Look it up slowly."),
        (functools.cache(slow), "slow", "Look it up slowly."),
        (functools.lru_cache(maxsize=2)(logged(slow)), "slow", "Look it up slowly."),
        (logged(functools.cache(slow)), "slow", "Look it up slowly."),
        (functools.partial(slow), "slow", "Look it up slowly."),
        (functools.partial(functools.lru_cache(slow)), "slow", "Look it up slowly."),
        (functools.lru_cache(functools.partial(slow)), "slow", "Look it up slowly."),
        (Counter(), "Counter", "Count words."),
        (functools.partial(Counter()), "Counter", "Count words."),
        (Counter().method, "method", "Count in a method."),
        (functools.partial(Counter().method), "method", "Count in a method."),
        (Counter.of_class, "of_class", "Count in a class method."),
        (Counter.static, "static", "Count in a static method."),
        (Quiet(), "Quiet", "Count quietly."),
    ],
)
def test_whatever_wraps_a_function_its_types_and_description_are_kept(
    function: Any, name: str, description: str
) -> None:
    tool = nt.Tool(function)

    assert tool.description == description
    assert tool.parameters["properties"] == {
        "n": {"type": "integer"},
        "unit": {"type": "string", "description": "The unit", "default": "m"},
    }
    if not isinstance(function, functools.partial) or name != "slow":
        assert tool.name == name
    assert answer(tool, {"n": "5"}).result == "(5, 'm')"


def test_what_a_partial_binds_is_not_offered_and_not_overridden() -> None:
    def look_up(n: int, key: str, unit: str = "m") -> str:
        """Look up."""
        return repr((n, key, unit))

    tool = nt.Tool(functools.partial(look_up, key="secret"))

    assert (tool.name, tool.description, list(tool.parameters["properties"])) == ("look_up", "Look up.", ["n", "unit"])
    assert answer(tool, {"n": 1}).result == "(1, 'secret', 'm')"
    assert "key is unknown" in answer(tool, {"n": 1, "key": "x"}).error
    assert "secret" not in json.dumps(tool.parameters)


@dataclasses.dataclass
class Point:
    x: int
    colour: Colour = Colour.RED


class Order(BaseModel):
    """Order something."""

    amount: int = Field(description="How many")
    parts: list[Expression] = []


class Plain:
    def __init__(self, x: int, name: str = "a") -> None:
        """Make it plain."""
        self.x = x

    def __str__(self) -> str:
        return f"plain {self.x!r}"


@pytest.mark.parametrize(
    ("function", "description", "args", "result"),
    [
        (Point, "", {"x": "1", "colour": "blue"}, {"x": 1, "colour": "blue"}),
        (Order, "Order something.", {"amount": "2"}, {"amount": 2, "parts": []}),
        (Window, "", {"left": "1", "top": 2}, [1, 2, ""]),
        (Plain, "Make it plain.", {"x": "3"}, "plain 3"),
    ],
)
def test_a_class_is_a_tool_that_makes_an_object(function: Any, description: str, args: Any, result: Any) -> None:
    assert nt.Tool(function).description == description
    assert seen(function, args) == result


@dataclasses.dataclass
class Adder:
    base: int

    def __call__(self, n: int) -> int:
        """Add to the base."""
        return self.base + n


def test_the_generated_docstring_of_a_dataclass_is_no_description() -> None:
    assert nt.Tool(Adder(1)).description == "Add to the base."


@pytest.mark.parametrize("inline", [True, False])
def test_generators_of_every_kind_are_collected(inline: bool) -> None:
    async def later(n: int) -> Any:
        for i in range(n):
            yield i

    def now(n: int) -> Iterator[int]:
        yield from range(n)

    class Source:
        async def __call__(self, n: int) -> Any:
            return now(n)

        async def method(self, n: int) -> Any:
            for i in range(n):
                yield i

    config = ToolConfig(inline=inline)
    tools = [later, now, Source(), Source().method, functools.partial(later), functools.partial(now)]
    assert [answer(tool, {"n": 3}, config).result for tool in tools] == [[0, 1, 2]] * 6


def test_an_endless_generator_is_timed_out() -> None:
    async def ticks() -> Any:
        import asyncio

        while True:
            await asyncio.sleep(0.001)
            yield 1

    assert answer(ticks, {}, ToolConfig(execution_timeout=0.05)).error == "timed out after 0.05 s"


@pytest.mark.parametrize("hint", [Callable[[int], int], Callable, "object()"])
def test_types_that_json_cannot_hold_are_misuse(hint: Any) -> None:
    def call(x: Any) -> None: ...

    call.__annotations__ = {"x": hint}
    with pytest.raises(nt.MisuseError, match="call"):
        nt.Session(nt.scripted("x"), tools=[call])


def test_a_tool_pickles_after_use() -> None:
    tool = nt.Tool(slow, options={"anthropic": {"strict": True}})
    assert tool.parameters and tool.arguments({"n": 1})

    copy = pickle.loads(pickle.dumps(tool))

    assert (copy.name, copy.parameters, copy.options) == (tool.name, tool.parameters, tool.options)


def test_replace_returns_another_tool() -> None:
    tool = nt.Tool(slow, timeout=1)

    assert (tool.replace(timeout=2, name="other").timeout, tool.replace(name="other").name, tool.timeout) == (
        2,
        "other",
        1,
    )
