"""Whatever a model, a tool or an edit left in a Turn, each request is one that the provider accepts."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines.sendable_turn import valid_tool_name

PROVIDERS = ("anthropic:claude-sonnet-4-5", "openai:gpt-5", "openai-chat:gpt-4.1", "gemini:gemini-2.5-pro")
PNG = b"\x89PNG\r\n\x1a\n1234"
MEDIUM_MARKS = {
    "anthropic": '"source"',
    "openai": '"input_image"',
    "openai-chat": '"image_url"',
    "gemini": '"inlineData"',
}


def found(data: Any, wanted: str) -> list[Any]:
    """Return every value of the key `wanted` in nested data."""
    if isinstance(data, dict):
        return [value for name, value in data.items() if name == wanted] + [
            hit for value in data.values() for hit in found(value, wanted)
        ]
    return [hit for value in data for hit in found(value, wanted)] if isinstance(data, list) else []


def body_of(provider: str, *blocks: nt.Block, **options: Any) -> dict[str, Any]:
    return nt.engines.request(provider, nt.Turn((nt.user("q"), *blocks)), **options)


@pytest.mark.parametrize("name", ["functions.search", "a<|end|>b", "", "näme", "x" * 80, "half \ud83d", "a b"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_name_that_a_model_invented_is_spelt_so_that_providers_take_it(provider: str, name: str) -> None:
    body = body_of(provider, nt.tool_call("c1", name, {}), nt.tool_use("c1", error=f"no tool {name!r}"))

    names = [sent for sent in found(body, "name") if isinstance(sent, str)]

    assert names
    assert all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", sent) for sent in names), names
    assert len(set(names)) == 1


def test_different_names_stay_different_and_a_valid_or_offered_one_is_unchanged() -> None:
    def look_up() -> str:
        "Look up."
        return ""

    assert len({valid_tool_name(name) for name in ("a.b", "a,b", "a b", "", " ")}) == 5
    tool = nt.Tool(look_up, name="files.look_up")
    body = body_of(PROVIDERS[2], nt.tool_call("c", "files.look_up", {}), nt.tool_use("c", 1), tools=[tool])
    assert set(found(body["messages"], "name")) == {"files.look_up"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "blocks",
    [
        (nt.tool_use("gone", "R"), nt.user("go")),
        (nt.tool_use("gone", error="R"),),
        (nt.tool_call("c", "f", {}), nt.tool_use("c", "first"), nt.tool_use("c", {"again": "R"}), nt.user("go")),
        (nt.tool_call("c", "f", {}), nt.tool_use("x", "R"), nt.tool_use("c", "first"), nt.assistant("so")),
    ],
    ids=["orphan", "orphan error", "two results", "between results"],
)
def test_a_result_without_an_open_call_goes_as_text_and_each_call_has_one_result(
    provider: str, blocks: tuple[nt.Block, ...]
) -> None:
    body = body_of(provider, *blocks)
    text = json.dumps(body)

    assert "R" in text
    assert "which has no open call here" in text
    results = re.findall(r'"type": "tool_result"|function_call_output|"role": "tool"|functionResponse', text)
    assert len(results) == sum(block.kind == "tool_call" for block in blocks)


def test_a_result_whose_call_the_server_keeps_is_sent_as_a_result() -> None:
    body = body_of("openai:gpt-5", nt.tool_use("c", "R"), previous_response_id="resp_1")

    assert {"type": "function_call_output", "call_id": "c", "output": "R"} in body["input"]


ROWS: list[Any] = [
    [{"type": "image", "path": "a.png"}, {"type": "document", "path": "b.pdf"}],
    [{"type": "text", "value": 3}],
    [{"type": "text", "text": "hit", "score": 0.5}],
    [{"type": "search_result", "url": "https://x.example", "score": 0.5}],
    [{"type": "input_image", "path": "a.png"}],
    [{"type": "tool_reference", "id": 7}],
    {"url": "https://x.example/a.png", "media_type": "image/png"},
    [{"url": "https://x.example/a.png", "media_type": "image/png", "size": 4711}],
    [{"media_type": "image/png", "content": "a word", "size": 4711}],
    {"type": "image", "data": "see below", "mimeType": 5},
    {"content": "text/plain", "name": "x"},
]


@pytest.mark.parametrize("rows", ROWS, ids=map(str, range(len(ROWS))))
@pytest.mark.parametrize("provider", PROVIDERS)
def test_rows_that_look_like_content_arrive_whole(provider: str, rows: Any) -> None:
    body = body_of(provider, nt.tool_call("c1", "f", {}), nt.tool_use("c1", rows))

    if provider.startswith("gemini"):
        (response,) = found(body, "response")
        assert response in (rows, {"result": rows})
    else:
        (content,) = [value for name in ("output", "content") for value in found(body, name) if value_is(value, rows)]
        assert json.loads(content) == rows


def value_is(value: Any, rows: Any) -> bool:
    try:
        return bool(json.loads(value) == rows)
    except (TypeError, ValueError):
        return False


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "result",
    [
        nt.image(PNG),
        [nt.image(PNG)],
        ["the chart:", nt.image(PNG)],
        {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
        [{"type": "text", "text": "here"}, {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}],
        [{"type": "resource", "resource": {"uri": "file:///a.png", "mimeType": "image/png", "blob": "iVBORw0KGgo="}}],
        [{"rows": 3}, nt.image(PNG)],
    ],
    ids=["one", "list", "with a text", "mcp", "mcp list", "mcp resource", "with data"],
)
def test_an_image_from_a_tool_is_an_image_for_every_provider(provider: str, result: Any) -> None:
    body = body_of(provider, nt.tool_call("c1", "f", {}), nt.tool_use("c1", result))

    assert MEDIUM_MARKS[provider.partition(":")[0]] in json.dumps(body)
    if isinstance(result, list) and "rows" in result[0]:
        assert '{\\"rows\\": 3}' in json.dumps(body)


def test_a_linked_image_from_a_tool_is_an_image_and_a_mapping_with_its_fields_is_data() -> None:
    for provider, mark in (("anthropic:claude-sonnet-4-5", '"type": "url"'), ("openai:gpt-5", '"input_image"')):
        linked = nt.image("https://x.example/a.png")
        assert mark in json.dumps(body_of(provider, nt.tool_call("c", "f", {}), nt.tool_use("c", linked)))
        assert mark not in json.dumps(body_of(provider, nt.tool_call("c", "f", {}), nt.tool_use("c", dict(linked))))


@pytest.mark.parametrize(
    ("provider", "mark"),
    [(PROVIDERS[0], '"type": "url"'), (PROVIDERS[1], '"image_url": "https'), (PROVIDERS[2], "https")],
)
def test_an_image_with_a_url_and_a_file_id_is_sent_by_its_url(provider: str, mark: str) -> None:
    picture = {"url": "https://x.example/a.png", "file_id": "file_1"}

    assert mark in json.dumps(nt.engines.request(provider, nt.Turn((nt.user("see", images=[picture]),))))
