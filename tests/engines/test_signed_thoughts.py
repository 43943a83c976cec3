"""Signed thoughts after an edit, a fork, or a change of the prompt or the tools: left out, and reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode
from nbturns.engines.anthropic.thought_binding import signed
from tests.engines.test_provider_rules import KEY, claude_reply


def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


def news() -> str:
    """Tell the news."""
    return "none"


def prepared(name: str, turn: nt.Turn, *tools: Any) -> tuple[str, str]:
    """Return the request of a Turn as JSON text, and what the user is told."""
    engine = nt.engine(name, api_key=KEY)
    scope = nt.Scope(tools=nt.Session(nt.scripted("x"), tools=tools).tools)
    body, changes = engine.prepared(turn, scope)
    return json.dumps(body), " | ".join(changes)


def claude_turn() -> nt.Turn:
    """Return a Turn with a signed thought and its call, both bound to the request that Claude answered."""
    start = nt.turn("Oslo?", system="Be brief.") + (nt.assistant("Which day?"), nt.user("Today."))
    call = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    reply = claude_reply({"type": "thinking", "thinking": "hm", "signature": "SIG"}, call, stop="tool_use")
    body = nt.engines.request("anthropic:claude-sonnet-5-5", start, tools=[weather])
    turn: nt.Turn = start + signed(tuple(decode("anthropic", reply)), body) + nt.tool_use("t1", "rain")
    return turn


EDITS: dict[str, tuple[Callable[[nt.Turn], nt.Turn], tuple[Any, ...]]] = {
    "nothing": (lambda turn: turn, (weather,)),
    "a later block": (lambda turn: turn.edit(6, result="sun"), (weather,)),
    "the prompt of the session": (lambda turn: turn.edit(0, text="Be long."), (weather,)),
    "an earlier text": (lambda turn: turn.edit(2, text="When?"), (weather,)),
    "a block that was left out": (lambda turn: turn.drop(3).drop(2), (weather,)),
    "a block of a middleware": (lambda turn: turn.insert(1, nt.user("Hello.")), (weather,)),
    "another tool": (lambda turn: turn, (weather, news)),
    "a loaded file": (lambda turn: nt.Turn.from_yaml(turn.to_yaml()), (weather,)),
}


@pytest.mark.parametrize("change", EDITS)
def test_claude_drops_a_thought_only_if_something_before_it_has_changed(change: str) -> None:
    edit, tools = EDITS[change]
    body, told = prepared("anthropic:claude-sonnet-5-5", edit(claude_turn()), *tools)

    is_kept = change in ("nothing", "a later block", "a loaded file")
    assert ("drop_block" in body) is not is_kept
    assert ("1 thought(s) are left out" in told) is not is_kept


def gemini_turn() -> nt.Turn:
    parts = [
        {"text": "Let me see.", "thoughtSignature": "VEVYVA=="},
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}, "thoughtSignature": "Q0FMTA=="},
    ]
    reply = {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}]}
    blocks = tuple(decode("gemini", {**reply, "modelVersion": "gemini-3-pro-preview"}))
    return nt.turn("Oslo?") + blocks + nt.tool_use(blocks[-1].tool_call_id, "rain")


def test_gemini_gets_no_signature_of_a_part_that_was_edited() -> None:
    turn = gemini_turn()
    for unedited in (
        turn,
        turn.edit(0, text="Rome?"),
        nt.Turn.from_yaml(turn.to_yaml()),
    ):  # bound to its own part alone
        body, told = prepared("gemini:gemini-3-pro-preview", unedited, weather)
        assert "VEVYVA==" in body and "Q0FMTA==" in body and told == ""

    body, told = prepared("gemini:gemini-3-pro-preview", turn.edit(2, args={"city": "Rome"}), weather)
    [call] = [part for content in json.loads(body)["contents"] for part in content["parts"] if "functionCall" in part]
    assert call["functionCall"]["args"] == {"city": "Rome"}
    assert "Q0FMTA==" not in body and "VEVYVA==" in body and call["thoughtSignature"]  # the one that skips the check
    assert told == "1 signature(s) are left out, because their blocks were edited"
    body, told = prepared("gemini:gemini-3-pro-preview", turn.edit(1, text="Wait."), weather)
    assert "VEVYVA==" not in body and "Q0FMTA==" in body and told.startswith("1 signature(s)")


def test_openai_gets_no_thought_whose_successor_is_gone() -> None:
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "ENC"},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
    ]
    reply = {"id": "r1", "object": "response", "status": "completed", "model": "gpt-5", "output": output}
    turn = nt.turn("Oslo?") + tuple(decode("openai", reply)) + nt.tool_use("c1", "rain")
    for kept in (turn, turn.edit(0, text="Rome?"), turn.edit(2, args={"city": "Rome"})):  # nothing is bound to these
        body, told = prepared("openai:gpt-5", kept, weather)
        assert "ENC" in body and told == ""

    for without in (turn.drop(3).drop(2) + nt.user("Go on."), turn[:2], turn.insert(2, nt.user("Wait."))):
        body, told = prepared("openai:gpt-5", without, weather)
        assert "ENC" not in body
        assert told == "1 thought(s) are left out, because the block that each led to does not follow any more"
