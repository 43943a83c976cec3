"""Claude's codec on recorded traffic: every answer read, every request written again. Skipped where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, find, request
from nbturns.engines.anthropic.request import history
from tests.engines.anthropic.test_codec import MODEL, read
from tests.engines.recorded_traffic import Case, digests, edges, fate, missing, read_in_any_pieces, recorded, said


@pytest.fixture(scope="module")
def tape(shared: Path) -> tuple[Case, ...]:
    return tuple(recorded(shared, "anthropic_messages"))


def outcome(turn: nt.Turn) -> dict[str, Any]:
    return said(turn) | {
        "tool_calls": [{"id": c.tool_call_id, "name": c.name, "args": c.args} for c in turn.of_kind("tool_call")],
        "signatures": [b.payload.get("signature") or b.payload.get("data") for b in turn.of_kind("reasoning")],
        "blocks": len(turn),
    }


def wanted(expected: Mapping[str, Any]) -> dict[str, Any]:
    same = ("response_id", "model", "stop", "tool_calls", "signatures")
    return {name: expected[name] for name in same} | digests(expected) | {"blocks": len(expected["items"])}


def test_every_recorded_answer_says_what_it_is_expected_to(tape: tuple[Case, ...]) -> None:
    answers = [case for case in tape if case.expected["ok"] and case.endpoint == "messages"]
    assert len(answers) > 400

    for case in answers:
        turn = decode("anthropic", case.body, case.content_type)
        assert outcome(turn) == wanted(case.expected), case.id
        assert not missing(case.expected["usage"], turn.inferences[0].extra["usage"]), case.id


def test_every_recorded_error_is_an_error_with_the_providers_words(tape: tuple[Case, ...]) -> None:
    for case in tape:
        if not case.expected["ok"]:
            with pytest.raises(nt.EngineError) as caught:
                decode("anthropic", case.body, case.content_type)
            assert caught.value.kind == case.expected["error"]["type"], case.id
            assert case.expected["error"]["message"] in str(caught.value), case.id


def test_recorded_streams_may_come_in_any_pieces(tape: tuple[Case, ...]) -> None:
    read_in_any_pieces(tape, read)


def test_a_recorded_request_is_read_and_sent_again_unchanged(tape: tuple[Case, ...]) -> None:
    asked = [case for case in tape if case.request is not None and case.expected["ok"]]
    assert len(asked) > 390

    for case in asked:
        assert case.request is not None
        again = find("anthropic").request(
            history(case.request), nt.Scope(), case.request["model"], params(case.request)
        )
        assert again == {"max_tokens": 4096, **case.request}, case.id


def params(asked: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in asked.items() if name not in ("model", "messages", "system")}


# The client that recorded these changed what Claude had said: it left a thought out, or put in a call of its own.
CHANGED = {"anth-ae3113ae7d", "anth-f6dc2d61f6", "anth-8e7d4b52e3", "anth-c3ea9e7741"}


def test_the_next_request_of_a_recorded_session_follows_from_our_turn(tape: tuple[Case, ...]) -> None:
    followed = 0
    for at, case in enumerate(tape):
        before = next((early for early in reversed(tape[:at]) if goes_on(early, case)), None)
        if before is None or case.id in CHANGED:
            continue
        assert before.request is not None and case.request is not None
        turn = history(before.request) + tuple(decode("anthropic", before.body))
        rest = plain(case.request["messages"])[len(plain(before.request["messages"])) + 1 :]
        for message in rest:
            turn += (
                [fresh(part) for part in message["content"]]
                if message["role"] == "user"
                else tuple(history({"messages": [message]}))
            )
        assert plain(request(MODEL, turn)["messages"]) == plain(case.request["messages"]), case.id
        followed += 1
    assert followed > 95


def goes_on(early: Case, late: Case) -> bool:
    if early.session != late.session or early.endpoint != "messages" or early.status != 200:
        return False
    if early.request is None or late.request is None:
        return False
    first, then = plain(early.request["messages"]), plain(late.request["messages"])
    return then[: len(first)] == first and len(then) > len(first) and then[len(first)]["role"] == "assistant"


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages without what makes no difference to Claude: null fields, a text as string or list, cache marks."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        content = [_plain_part(part) for part in _listed(message["content"])]
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1]["content"] += content
        else:
            merged.append({"role": message["role"], "content": content})
    return merged


def _listed(content: Any) -> list[Any]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _plain_part(part: dict[str, Any]) -> dict[str, Any]:
    unsaid: dict[str, Any] = {
        "citations": [],
        "caller": {"type": "direct"},
        "is_error": False,
        "cache_control": part.get("cache_control"),
    }
    said: dict[str, Any] = {k: v for k, v in _without_nulls(part).items() if k not in unsaid or v != unsaid[k]}
    if part["type"] == "tool_result":
        said["content"] = [_plain_part(one) for one in _listed(said.get("content") or [])]
    return said


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: v if k == "input" else _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def fresh(part: dict[str, Any]) -> nt.Block:
    """A content block of the user's as somebody using nbturns would have made it."""
    if part["type"] == "text":
        return nt.user(part["text"])
    if part["type"] != "tool_result":
        return history({"messages": [{"role": "user", "content": [part]}]})[0]
    if part.get("is_error"):
        return nt.tool_use(part["tool_use_id"], error=part["content"][0]["text"])
    only = part["content"][0] if len(part["content"]) == 1 else {}
    return nt.tool_use(part["tool_use_id"], only["text"] if only.get("type") == "text" else part["content"])


def test_made_faults_end_as_they_should(shared: Path) -> None:
    cases = list(edges(shared, "anthropic_messages"))
    assert len(cases) > 30

    for case in cases:
        assert fate(case, "anthropic", read) == case.expected["outcome"], case.id
