"""What a view offers besides the next step: leave blocks out, a new limit, another engine, rules with their counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import nbturns as nt
from tests.engines.stream_pieces import send_from_page
from tests.widgets.test_stepping import TOOLS, Page, paused, two_calls


async def count_blocks(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
    return turn + nt.assistant(f"{len(turn)} blocks, last: {turn[-1].text}")


def test_blocks_that_are_ticked_off_are_left_out_of_a_branch_with_their_partners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = nt.Session(count_blocks, tools=TOOLS)
    start = nt.turn("What?", system="Be brief.")
    call, result = nt.tool_call("a", "look_up", {"path": "x"}), nt.tool_use("a", "text of x")
    execution = session.ask(start + (call, result, nt.user("And now?")))
    execution.result(20)
    page = Page(execution, monkeypatch)
    page.wait_for_status("done")

    rows = page.ask("kept_blocks", snapshot=0)["blocks"]
    assert [(row["row"], row["kind"], row["partners"]) for row in rows] == [
        (0, "system", []),
        (1, "user", []),
        (2, "tool_call", [3]),
        (3, "tool_use", [2]),
        (4, "user", []),
    ]
    page.ask("ask_without", snapshot=0, rows=[0, 2])
    page.wait(lambda: page.state["branch"]["count"] == 2 and page.state["status"] == "done")
    fork = page.view.execution.session
    assert [block.text for block in fork.latest] == ["What?", "And now?", "2 blocks, last: And now?"]
    assert len(session.latest) == 6  # the former branch is as it was
    changes = page.ask("branches")["branches"][1]["changes"]
    assert [mark for _, mark in changes] == ["✎ removed"] * 3
    for rows in ([], [0, 1, 2, 3, 4], [9], ["0"], None):
        assert page.ask("ask_without", snapshot=0, rows=rows)["error"]


def test_a_reached_limit_is_continued_with_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [nt.tool_call(f"c{n}", "look_up", {"path": str(n)}) for n in range(3)]
    session = nt.Session(nt.scripted(*calls, "done"), tools=TOOLS, tool_config=nt.ToolConfig(max_iterations=2))
    execution = session.ask("go")
    with pytest.raises(nt.LimitReached):
        execution.result(20)
    page = Page(execution, monkeypatch)
    page.wait(lambda: page.state.get("failure"))

    assert (page.state["failure"]["state"], page.state["failure"]["limit"]) == ("limit", 2)
    for limit in (0, -1, True, "5", 10**9, None):
        assert "at least 1" in page.ask("continue", limit=limit)["error"]
    page.ask("continue", limit=1)
    page.wait(lambda: page.state.get("failure", {}).get("limit") == 1)
    page.ask("continue", limit=5)
    page.wait_for_status("done")
    assert session.latest.text == "done" and len(session.latest.of_kind("tool_use")) == 3
    assert "did not reach" in page.ask("continue", limit=5)["error"]


def test_each_rule_counts_the_calls_that_it_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    rules: list[dict[str, Any]] = [
        {"tool": "write", "args": {"path": "/etc/*"}, "decision": "deny"},
        {"tool": "write", "decision": "ask"},
        {"tool": "look_up", "decision": "allow"},
        {"tool": "never", "decision": "deny"},
    ]
    calls = [
        nt.tool_call("a", "write", {"path": "/etc/a", "text": ""}),
        nt.tool_call("b", "write", {"path": "b", "text": ""}),
        nt.tool_call("c", "look_up", {"path": "c"}),
        nt.tool_call("d", "look_up", {"path": "d"}),
    ]
    session = nt.Session(nt.scripted(calls, "done"), tools=TOOLS, policy=rules, step=True)
    execution = paused(session)
    page = Page(execution, monkeypatch)
    page.cards(4)
    execution.resume()
    execution.result(20, wait=True)
    page.wait_for_status("done")

    page.wait(lambda: [item["hits"] for item in page.state["rules"]["items"]] == [1, 1, 2, 0])
    session.policy = session.policy.with_rule({"tool": "x", "decision": "deny"})
    assert [session.rule_hits(rule) for rule in session.policy.rules] == [0, 1, 1, 2, 0]


def test_the_turn_into_and_out_of_a_middleware_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    async def shorten(turn: nt.Turn, scope: nt.Scope, engine: Any) -> nt.Turn:
        answer: nt.Turn = await engine(turn.edit(0, text="short") + nt.system("Be brief."), scope)
        return answer.edit(len(answer) - 1, text="HELLO")

    execution = nt.Session(nt.scripted("hello"), middleware=[shorten]).ask("a long text")
    execution.result(20)
    page = Page(execution, monkeypatch)
    page.wait_for_status("done")

    sent = page.ask("compare_layer", snapshot=0, layer=0, side="sent")
    assert sent["heads"] == ["into shorten", "out of shorten"]
    assert [(pair["what"], pair["kind"]) for pair in sent["pairs"]] == [("edited", "user"), ("added", "system")]
    answer = page.ask("compare_layer", snapshot=0, layer=0, side="answer")
    assert answer["heads"] == ["answer into shorten", "answer out of shorten"]
    assert ("edited", "llm_text") in [(pair["what"], pair["kind"]) for pair in answer["pairs"]]
    for fields in ({"layer": 1, "side": "sent"}, {"layer": -1, "side": "sent"}, {"layer": 0, "side": "both"}):
        assert page.ask("compare_layer", snapshot=0, **fields)["error"]


def test_the_next_prompt_may_go_to_another_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    session = two_calls()
    first_engine = session.engine
    view = nt.view(session)

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < end, view.debug
            time.sleep(0.005)

    wait(lambda: view.debug.get("engines"))
    label = view.debug["engines"][0]
    made: list[str] = []

    def make_engine(name: str, **params: Any) -> Any:
        made.append(name)
        return count_blocks

    monkeypatch.setattr("nbturns.engines.engine", make_engine)
    for hostile in ("nowhere", "https/x:y", "a" * 300 + ":b", 7):
        send_from_page(view, {"do": "prompt", "text": "q", "engine": hostile})
    send_from_page(view, {"do": "prompt", "text": "one", "engine": "openai:gpt-5"})
    wait(lambda: len(session.turns) == 1 and view.debug["bar"]["status"] == "done")
    assert (made, session.engine, session.latest.text) == (["openai:gpt-5"], count_blocks, "1 blocks, last: one")
    assert view.debug["engines"] == ["count_blocks", label]
    send_from_page(view, {"do": "prompt", "text": "two", "engine": label})  # one that was used before
    wait(lambda: view.debug.get("cards"))
    assert session.engine is first_engine and made == ["openai:gpt-5"]
    session.stop()
