"""Which block becomes which part of the request."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from tests.tools.test_signatures import PROVIDERS

TURN = nt.Turn(
    (
        nt.system("Be brief."),
        nt.user("How warm is it?"),
        nt.reasoning("I need a reading."),
        nt.assistant("I will look."),
        nt.tool_call("c1", "read", {"where": "roof"}),
        nt.tool_call("c2", "read", {"where": "cellar"}),
        nt.tool_use("c1", "21"),
        nt.tool_use("c2", "12"),
        nt.assistant("21 and 12."),
        nt.user("Thanks."),
    )
)


def value_at(body: Any, path: str) -> Any:
    for step in path.replace("[", ".[").split("."):
        body = body[int(step[1:-1])] if step.startswith("[") else body[step]
    return body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_path_leads_to_the_content_of_its_block(provider: str) -> None:
    frame = nt.explain(TURN, provider)
    body = nt.engines.request(provider, TURN)

    assert list(frame["block_index"]) == list(range(len(TURN)))
    for index, block in enumerate(TURN):
        path = frame["path"][index]
        if block.kind == "reasoning":
            continue
        content = (
            "roof"
            if index == 4
            else "cellar"
            if index == 5
            else block.result
            if block.kind == "tool_use"
            else block.text
        )
        assert content in str(value_at(body, path)), (path, value_at(body, path))
        assert frame["reason"].isna()[index]
    assert frame["path"].dropna().is_unique


def test_a_block_that_is_not_sent_has_a_reason() -> None:
    frame = nt.explain(TURN, "anthropic:claude-sonnet-4-5")

    assert frame["path"].isna()[2] and frame["reason"][2] == "it has no signature that anthropic would accept"
    blank = nt.explain(TURN.edit(8, text=" "), "anthropic:claude-sonnet-4-5")
    assert blank["path"].isna()[8] and blank["reason"][8] == "its text is blank"


def test_an_engine_is_explained_like_its_name() -> None:
    engine = nt.engine("anthropic:claude-sonnet-4-5", api_key="test-key-123")

    assert nt.explain(TURN, engine).equals(nt.explain(TURN, "anthropic:claude-sonnet-4-5"))


def test_misuse_is_refused() -> None:
    with pytest.raises(nt.MisuseError, match="explain needs an engine"):
        nt.explain(TURN, nt.scripted("x"))
    with pytest.raises(nt.MisuseError, match="explain expects a Turn"):
        nt.explain("x", "anthropic:x")  # type: ignore[arg-type]
