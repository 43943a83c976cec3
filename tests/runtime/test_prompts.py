"""What a session adds to a conversation: prompts of the user, and its own system prompt."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from nbturns.middleware import system_prompt
from nbturns.runtime.engine_protocol import Engine
from tests.runtime.test_tool_loop import call, double


def system_texts(turn: nt.Turn) -> list[str]:
    return [block.text for block in turn.of_kind("system")]


@pytest.mark.parametrize("prompt", ["", "  \n\t", nt.user(""), [nt.user(" ")], ["one", ""], [nt.system("s"), ""]])
def test_a_blank_prompt_is_refused_and_the_session_is_as_it_was(prompt: Any) -> None:
    session = nt.Session(nt.scripted("a"))

    with pytest.raises(nt.MisuseError, match="the prompt is blank"):
        session.ask(prompt)

    assert session.execution is None and session.turns == ()
    assert session.ask("q").result(60).text == "a"


def test_a_prompt_of_an_image_alone_is_not_blank() -> None:
    session = nt.Session(nt.scripted("a"))
    assert session.ask(nt.user("", images=["https://x.org/a.png"])).result(60).text == "a"


def test_a_list_of_texts_appends_a_user_block_for_each() -> None:
    turn = nt.Session(nt.scripted("a")).ask(["one", nt.system("be brief"), "two"]).result(60)

    assert [(block.kind, block.text) for block in turn] == [
        ("user", "one"),
        ("system", "be brief"),
        ("user", "two"),
        ("llm_text", "a"),
    ]
    assert all(block.id for block in turn)


def test_the_prompt_of_a_session_leaves_a_system_block_of_a_middleware_as_it_is() -> None:
    async def retrieve(turn: nt.Turn, scope: nt.Scope, engine: Engine) -> nt.Turn:
        return await engine(turn if "CONTEXT" in system_texts(turn) else nt.system("CONTEXT") + turn, scope)

    session = nt.Session(nt.scripted(call("a"), call("b"), "x", "y"), system="S", tools=[double], middleware=[retrieve])
    session.ask("q").result(60)

    assert system_texts(session.ask("more").result(60)) == ["CONTEXT", "S"]


def test_the_prompt_of_a_session_leaves_a_loaded_system_block_as_it_is() -> None:
    loaded = nt.Run((nt.turn("q", system="loaded") + nt.assistant("a"),))
    session = nt.Session(nt.scripted("x", "y"), system="S", run=loaded)

    session.ask("more").result(60)

    assert system_texts(session.ask("and more").result(60)) == ["S", "loaded"]


def test_the_prompt_of_a_session_replaces_the_one_it_wrote() -> None:
    session = nt.Session(nt.scripted("x", "y"), system="first")
    session.ask("q").result(60)
    session.system = "second"

    assert system_texts(session.ask("more").result(60)) == ["second"]
    saved = nt.Run.from_yaml(session.run.to_yaml())
    later = nt.Session(nt.scripted("z"), system="third", run=saved).ask("go on").result(60)
    assert system_texts(later) == ["third"]


def test_a_system_block_with_the_text_of_the_session_is_not_repeated() -> None:
    turn = nt.Session(nt.scripted("x"), system="S").ask(nt.turn("q", system="S")).result(60)
    assert system_texts(turn) == ["S"]


def test_the_prompt_of_a_session_and_that_of_a_middleware_are_both_kept() -> None:
    session = nt.Session(nt.scripted(call("a"), "x"), system="S", tools=[double], middleware=[system_prompt("M")])
    assert system_texts(session.ask("q").result(60)) == ["M", "S"]


def left_open() -> nt.Turn:
    return nt.turn("q") + nt.tool_call("a", "tool")


def answer_after(session: nt.Session) -> str:
    return session.ask("and?").result(60).of_kind("tool_use")[0].error


def test_of_the_open_calls_of_a_loaded_turn_it_is_not_said_that_they_did_not_run() -> None:
    unknown = "no result of this call is recorded: it may have run"
    session = nt.Session(nt.scripted(*"xxxx"), run=nt.Run((left_open(),)))

    assert answer_after(session.fork()) == unknown
    assert answer_after(session.fork(0)) == unknown
    assert answer_after(session.fork(left_open())) == unknown
    assert answer_after(session) == unknown


def test_of_the_open_calls_of_a_stopped_turn_it_is_known_also_after_loading() -> None:
    session = nt.Session(nt.scripted(nt.tool_call("a", "tool"), "x"), tools=[tool], step=True)
    execution = session.ask("q")
    execution.next().result(60)
    snapshot = execution.snapshots[-1]
    execution.stop()
    stopped = execution.result(60, wait=True)

    loaded = nt.Session(nt.scripted("x"), run=nt.Run.from_yaml(nt.Run((stopped,)).to_yaml()))
    assert answer_after(loaded) == "not run: stopped"
    forked = session.fork(snapshot)
    forked.engine, forked.step = nt.scripted("x"), False
    assert answer_after(forked) == "not run: stopped"


def tool() -> int:
    "Do."
    return 1
