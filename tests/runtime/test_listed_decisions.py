"""A pause travels: a paused Turn in a file carries decisions, and is continued by them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import nbturns as nt

RAN: list[str] = []


def delete(path: str) -> str:
    """Delete."""
    RAN.append(path)
    return f"deleted {path}"


def read(path: str) -> str:
    """Read."""
    RAN.append(path)
    return f"read {path}"


TOOLS: list[Any] = [delete, nt.Tool(read, effect="pure")]


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


def paused_file(*decisions: dict[str, Any], arguments: dict[str, Any] | None = None) -> nt.Turn:
    """Return a paused Turn after a colleague edited its file: with these decisions, and other arguments of the last call."""
    calls = [nt.tool_call("d", "delete", {"path": "/a"}), nt.tool_call("r", "read", {"path": "/b"})]
    execution = nt.Session(nt.scripted(calls, "done"), tools=TOOLS, step=True).ask("q")
    pause = execution.next().result(60)
    assert pause is not None
    data = yaml.safe_load(pause.turn.to_yaml())
    execution.stop()
    data.setdefault("metadata", {})["nbturns.decisions@v1"] = list(decisions)
    if arguments is not None:
        data["blocks"][-1]["payload"]["args"] = arguments
    return nt.Turn.from_yaml(yaml.safe_dump(data))


def decision(call_id: str, action: str, **more: Any) -> dict[str, Any]:
    return {"call_id": call_id, "action": action, "by": "a colleague", "at": 1.0, **more}


def ask(turn: nt.Turn, *, policy: Any = None, **arguments: Any) -> nt.Execution:
    session = nt.Session(nt.scripted("done"), tools=TOOLS, policy=policy)
    execution: nt.Execution = session.ask(turn, **arguments)
    return execution


def outcomes(execution: nt.Execution) -> list[Any]:
    return [block.error or block.result for block in execution.result(60).of_kind("tool_use")]


def test_denied_skipped_and_mocked_calls_are_answered_as_the_file_says() -> None:
    turn = paused_file(decision("d", "denied", reason="too early"), decision("r", "mock", after={"result": "empty"}))

    assert outcomes(ask(turn)) == ["denied: too early", "empty"] and RAN == []
    assert outcomes(ask(paused_file(decision("d", "skipped"), decision("r", "approved")))) == [
        "skipped: this call was not run",
        "read /b",
    ]


def test_an_effectful_call_that_a_file_approves_is_asked_for_again() -> None:
    execution = ask(paused_file(decision("d", "approved"), decision("r", "approved")))
    pause = execution.next().result(60)

    assert pause is not None and pause.reason.startswith("delete was approved in the Turn; confirm it") and RAN == []
    execution.resume()
    assert outcomes(execution) == ["deleted /a", "read /b"]


def test_a_trusted_file_is_followed() -> None:
    assert outcomes(ask(paused_file(decision("d", "approved")), decisions=True)) == ["deleted /a", "read /b"]


def test_other_arguments_in_the_file_are_used() -> None:
    assert outcomes(ask(paused_file(decision("d", "denied"), arguments={"path": "/c"}))) == ["denied", "read /c"]


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("action", ["approved", "mock"])
def test_no_file_lifts_a_policy(trusted: bool, action: str) -> None:
    deny = [{"tool": "delete", "decision": "deny", "reason": "never"}]
    assert outcomes(ask(paused_file(decision("d", action)), policy=deny, decisions=trusted))[0] == "denied: never"

    execution = ask(
        paused_file(decision("d", action)), policy=[{"tool": "delete", "decision": "ask"}], decisions=trusted
    )
    pause = execution.next().result(60)
    assert pause is not None and pause.reason == "policy asks for delete" and "/a" not in RAN
    execution.stop()


def test_the_last_decision_counts_and_those_of_other_calls_do_not() -> None:
    turn = paused_file(decision("d", "approved"), decision("d", "denied", reason="no"), decision("other", "approved"))

    assert outcomes(ask(turn)) == ["denied: no", "read /b"]
    assert len(turn.metadata[nt.keys.DECISIONS]) == 3


def test_later_calls_of_the_same_session_are_not_decided_by_the_file() -> None:
    engine = nt.scripted(nt.tool_call("d2", "delete", {"path": "/x"}), "done")
    execution = nt.Session(engine, tools=TOOLS).ask(paused_file(decision("d", "denied")))

    assert outcomes(execution) == ["denied", "read /b", "deleted /x"]


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ({"action": "deny"}, "unknown action 'deny'; use one of approved, denied, mock, skipped"),
        ({"action": "APPROVED"}, "unknown action 'APPROVED'"),
        ({"action": "mock", "after": ["ok"]}, "a mock needs after"),
    ],
)
def test_a_decision_that_cannot_be_followed_is_refused_and_nothing_runs(decision: dict[str, Any], message: str) -> None:
    turn = paused_file({"call_id": "d", "by": "Ada", "at": 1.0, **decision})
    with pytest.raises(nt.MisuseError, match=message):
        nt.Session(nt.scripted("done"), tools=TOOLS).ask(turn, decisions=True)
    assert RAN == []
