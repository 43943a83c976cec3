"""Policies: allow, ask and deny, by tool, arguments and effect."""

from __future__ import annotations

import datetime as dt
import enum
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

import nbturns as nt
from nbturns.events import Paused

RAN: list[str] = []


def delete_file(path: str, force: bool = False) -> str:
    """Delete a file."""
    RAN.append(path)
    return f"deleted {path}"


def read_files(paths: list[str]) -> str:
    """Read files."""
    RAN.extend(paths)
    return f"read {len(paths)}"


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


TOOLS: list[Any] = [delete_file, nt.Tool(read_files, effect="pure")]
POLICY = """
- {tool: delete_*, args: {path: /etc/*}, decision: deny, reason: not the system}
- {tool: delete_*, args: {path: /tmp/*}, decision: allow}
- {effect: effectful, decision: ask, reason: look first}
"""


def call(name: str, id: str = "c", **args: Any) -> nt.Block:
    return nt.tool_call(id, name, args)


def session(*calls: nt.Block, policy: Any = POLICY, **arguments: Any) -> nt.Session:
    policy = nt.Policy.from_yaml(policy) if isinstance(policy, str) else policy
    return nt.Session(nt.scripted(list(calls), "done"), tools=TOOLS, policy=policy, **arguments)


def test_a_denied_call_is_answered_with_the_reason_and_does_not_run() -> None:
    turn = session(call("delete_file", path="/etc/hosts")).ask("q").result(60)

    answer = turn.of_kind("tool_use")[0]
    assert (answer.error, RAN) == ("denied: not the system", [])
    assert answer.metadata[nt.keys.ANSWERED_BY] == "denied"
    assert [(d.action, d.by, d.reason) for d in turn.metadata[nt.keys.DECISIONS]] == [
        ("denied", "policy", "not the system")
    ]
    assert turn.text == "done"


def test_an_allowed_call_runs_and_so_does_one_that_no_rule_names() -> None:
    turn = (
        session(call("delete_file", "1", path="/tmp/a"), call("read_files", "2", paths=["/etc/hosts"]))
        .ask("q")
        .result(60)
    )

    assert [block.result for block in turn.of_kind("tool_use")] == ["deleted /tmp/a", "read 1"]


def test_a_call_that_is_asked_for_pauses_with_the_reason_and_runs_when_it_is_let_through() -> None:
    execution = session(call("delete_file", path="/home/a")).ask("q")
    pause = execution.next().result(60)

    assert pause is not None and pause.reason == "policy asks for delete_file: look first" and RAN == []
    execution.resume()
    assert execution.result(60).text == "done" and RAN == ["/home/a"]


def test_an_edit_at_the_pause_cannot_lift_a_denial() -> None:
    execution = session(call("delete_file", path="/home/a")).ask("q")
    pause = execution.next().result(60)
    assert pause is not None

    execution.resume(pause.turn.edit(-1, args={"path": "/etc/hosts"}))

    assert execution.result(60).of_kind("tool_use")[0].error == "denied: not the system" and RAN == []


def test_a_call_is_asked_for_once_and_a_later_one_again() -> None:
    engine = nt.scripted(call("delete_file", "1", path="/a"), call("delete_file", "2", path="/b"), "done")
    one = nt.Session(engine, tools=TOOLS, policy=nt.Policy.from_yaml(POLICY))
    pauses = [pause.turn.pending[0].args["path"] for pause in one.ask("q") if pause.turn.pending]

    assert pauses == ["/a", "/b"] == RAN


def test_a_denied_call_beside_one_that_is_asked_for() -> None:
    execution = session(call("delete_file", "1", path="/etc/a"), call("delete_file", "2", path="/home/b")).ask("q")
    assert execution.next().result(60) is not None
    execution.resume(deny={"2": "no"})

    assert [block.error for block in execution.result(60).of_kind("tool_use")] == [
        "denied: not the system",
        "denied: no",
    ]


def test_nobody_at_the_pause_is_no_approval() -> None:
    config = nt.ToolConfig(pause_timeout=0.05, on_pause_timeout="resume")
    turn = session(call("delete_file", path="/home/a"), tool_config=config).ask("q").result(60, wait=True)

    assert (turn.of_kind("tool_use")[0].error, RAN) == ("denied: nobody approved it in time", [])


def test_in_a_session_that_is_an_engine_what_would_be_asked_for_is_denied() -> None:
    inner = session(call("delete_file", path="/home/a"))
    turn = nt.Session(inner.as_engine()).ask("q").result(60)

    assert RAN == [] and "nobody can be asked here" in turn.of_kind("tool_use")[0].error


def test_calls_of_a_turn_that_is_continued_are_asked_for_as_well() -> None:
    turn = nt.turn("q") + call("delete_file", path="/home/a")
    execution = nt.Session(nt.scripted("done"), tools=TOOLS, policy=nt.Policy.from_yaml(POLICY)).ask(turn)

    assert execution.next().result(60) is not None and RAN == []
    execution.stop()


def test_a_sink_may_approve() -> None:
    def approve(event: Any) -> None:
        if isinstance(event, Paused):
            event.execution.resume()

    assert session(call("delete_file", path="/home/a"), sinks=[approve]).ask("q").result(60).text == "done"
    assert RAN == ["/home/a"]


def test_a_fork_has_the_policy() -> None:
    fork = session(call("delete_file", path="/etc/a")).fork()

    assert fork.ask("q").result(60).of_kind("tool_use")[0].error == "denied: not the system"


@pytest.mark.parametrize(
    ("rule", "args", "matches"),
    [
        ({"args": {"paths": "/etc/*"}, "decision": "deny"}, {"paths": ["/tmp/a", "/etc/b"]}, True),
        ({"args": {"paths": "/etc/*"}, "decision": "deny"}, {"paths": '["/tmp/a", "/etc/b"]'}, True),
        ({"args": {"paths": "/tmp/*"}, "decision": "allow"}, {"paths": ["/tmp/a", "/etc/b"]}, False),
        ({"args": {"paths": "/tmp/*"}, "decision": "allow"}, {"paths": ["/tmp/a", "/tmp/b"]}, True),
        ({"args": {"paths": "/tmp/*"}, "decision": "allow"}, {"paths": []}, False),
        ({"args": {"force": "true"}, "decision": "deny"}, {"force": True}, True),
        ({"args": {"n": "1?"}, "decision": "deny"}, {"n": 12}, True),
        ({"args": {"n": "*"}, "decision": "deny"}, {}, False),
        ({"args": {"path": "/etc/*"}, "decision": "deny"}, {"path": "/etc/a\nb"}, True),
        ({"tool": "Delete*", "decision": "deny"}, {}, False),
        ({"effect": "pure", "decision": "deny"}, {}, False),
        ({"effect": "effectful", "decision": "deny"}, {}, True),
        ({"decision": "deny"}, {}, True),
    ],
)  # fmt: skip
def test_what_a_rule_matches(rule: Any, args: Any, matches: bool) -> None:
    decided = nt.Policy([rule]).decide(nt.tool_call("c", "delete_file", args))

    assert (decided is not None) == matches


@pytest.mark.parametrize("decision", ["deny", "ask"])
def test_an_argument_that_a_call_leaves_out_has_the_default_of_its_tool(decision: str) -> None:
    deleted: list[str] = []

    def clean(path: str = "/etc", force: bool = False) -> str:
        deleted.append(path)
        return "cleaned"

    policy = [{"tool": "clean", "args": {"path": "/etc*", "force": "false"}, "decision": decision}]
    own = nt.Session(nt.scripted([nt.tool_call("a", "clean"), nt.tool_call("b", "clean", {"path": "/tmp"})], "end"),
                     tools=[clean], policy=policy)  # fmt: skip
    execution = own.ask("q")
    if decision == "ask":
        pause = execution.next().result(60)
        assert pause is not None and [block.tool_call_id for block in pause.pending] == ["a", "b"]
        assert "policy asks for clean" in pause.reason and deleted == []
        execution.stop()
    else:
        first, second = execution.result(60).of_kind("tool_use")
        assert (first.error, second.result, deleted) == ("denied", "cleaned", ["/tmp"])


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


class Place(enum.Enum):
    TOP = "/etc"


@pytest.mark.parametrize(
    ("default", "glob"),
    [
        (["/tmp", "/etc"], "/etc*"),
        (("/tmp", "/etc"), "/etc*"),
        (Path("/etc"), "/etc*"),
        (Place.TOP, "/etc*"),
        (None, "null"),
        ({"path": "/etc"}, "*/etc*"),
        (float("nan"), "NaN"),
        (dt.date(2026, 1, 2), "2026-*"),
        (Field("/etc"), "/etc*"),
        (Field(default_factory=lambda: "/etc"), None),  # made for each call, so not known before it
        (object(), "<object object*"),
        (b"\xff", "_w=="),
        (CYCLE, "<list>"),
    ],
)
def test_a_default_of_any_type_matches_as_a_call_would_state_it(default: Any, glob: str | None) -> None:
    def clean(what: Any = default) -> str:
        return "cleaned"

    own = nt.Session(
        nt.scripted(call("clean"), "end"),
        tools=[clean],
        policy=[{"args": {"what": glob or "*"}, "decision": "deny"}],
    )
    (answer,) = own.ask("q").result(60).of_kind("tool_use")
    assert (answer.error, answer.result) == (("denied", None) if glob else ("", "cleaned"))


def test_a_tool_with_a_schema_has_the_defaults_of_the_schema() -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string", "default": "/etc"}, "x": True}}
    tool = nt.Tool(lambda **given: "cleaned", name="clean", parameters=schema)
    own = nt.Session(
        nt.scripted(call("clean"), "end"), tools=[tool], policy=[{"args": {"path": "/etc"}, "decision": "deny"}]
    )

    assert own.ask("q").result(60).of_kind("tool_use")[0].error == "denied"


def test_the_first_rule_that_matches_wins() -> None:
    policy = nt.Policy([{"tool": "a*", "decision": "allow"}, {"tool": "*", "decision": "deny"}])

    assert [policy.decide(call(name)).decision for name in ("ab", "b")] == ["allow", "deny"]  # type: ignore[union-attr]
    first = policy.with_rule({"tool": "ab", "decision": "ask"})
    assert first.decide(call("ab")).decision == "ask" and len(policy) == 2  # type: ignore[union-attr]


def test_a_policy_comes_back_from_yaml() -> None:
    policy = nt.Policy.from_yaml(POLICY)

    assert nt.Policy.from_yaml(policy.to_yaml()) == policy
    assert hash(policy) == hash(nt.Policy.from_yaml(str(policy)))
    assert not nt.Policy.from_yaml("")


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{"tool": "a", "decison": "ask"}], "unknown field 'decison' of a rule; did you mean 'decision'?"),
        ([{"tool": "a"}], "a rule needs a decision"),
        ([{"decision": "maybe"}], "must be allow, ask or deny, got 'maybe'"),
        ([{"decision": "deny", "args": ["x"]}], "must map arguments to patterns"),
        ([{"decision": "deny", "args": {"n": 5}}], "must map arguments to patterns"),
        ([{"decision": "deny", "effect": "bad"}], "effect of a rule must be one of"),
        ([{"decision": "deny", "tool": 5}], "must be a pattern"),
        (["delete_*"], "a rule must be a mapping"),
        ({"decision": "deny"}, "must be a list of rules"),
        ("decision: deny", "must be a list of rules"),
    ],
)
def test_what_is_no_policy_is_refused(rules: Any, message: str) -> None:
    with pytest.raises(nt.MisuseError) as raised:
        nt.Policy(rules)
    assert message in str(raised.value)
    with pytest.raises(nt.MisuseError):
        nt.Session(nt.scripted("x"), policy=rules)


PROFILES = """
slug: mine
profiles:
  team:
    engine: openai-chat:gpt-x
    policy:
      - {tool: delete_file, args: {path: /etc/*}, decision: deny, reason: never}
      - {tool: read_files, decision: ask}
"""


def test_no_session_lifts_what_a_profile_denies(tmp_path: Any) -> None:
    path = tmp_path / "profiles.yaml"
    path.write_text(PROFILES)
    profile = nt.load_profiles(path)["team"]
    calls = [call("delete_file", "1", path="/etc/a"), call("read_files", "2", paths=["/x"])]

    def results(policy: Any) -> list[Any]:
        one = profile.session(tools=TOOLS, engine=nt.scripted(calls, "done"), policy=policy)
        return [block.error or block.result for block in one.ask("q").result(60).of_kind("tool_use")]

    assert results([{"decision": "allow"}]) == ["denied: never", "read 1"]
    assert results([{"tool": "read_files", "decision": "deny"}]) == ["denied: never", "denied"]
    lifted = [{"decision": "allow"}]
    one = profile.session(tools=TOOLS, engine=nt.scripted(calls, "done"))
    branches = one.fan_out(nt.turn("q"), policy=lifted)  # in a branch, in a fork, and in the session itself
    assert branches.result(60)[0].turn.of_kind("tool_use")[0].error == "denied: never"
    for session in (one.fork(), one):
        session.engine = nt.scripted(calls, "done")
        for policy in (lifted, None, nt.Policy(lifted, base=nt.Policy(lifted))):
            session.policy = policy
            assert len(session.policy.base or ()) == 2
        assert session.ask("q").result(60).of_kind("tool_use")[0].error == "denied: never"
    with pytest.raises(nt.ProfileError, match="did you mean 'decision'"):
        path.write_text(PROFILES.replace("decision: deny", "decison: deny"))
        nt.load_profiles(path)["team"].resolve()
