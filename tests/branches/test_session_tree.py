"""The tree of the branches of a session."""

from __future__ import annotations

import nbturns as nt
from tests.lowest_time import lowest_seconds


async def echo(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
    return turn + nt.assistant(f"You said: {turn[-1].text}")


def conversation() -> nt.Session:
    session = nt.Session(echo)
    for prompt in ("One", "Two", "Three"):
        session.ask(prompt).result(60)
    return session


def test_forks_are_children_with_the_place_that_they_come_from() -> None:
    session = conversation()
    first, second = session.fork(0), session.fork()
    grandchild = first.fork()

    root = session.tree
    assert root.session is session and root.parent is None and root.at is None and root.changes == ()
    assert [node.session for node in root] == [session, first, grandchild, second]
    assert [node.at for node in root.children] == [(0, 2), (2, 6)]
    assert root.children[0].children[0].parent.session is first
    assert grandchild.tree.session is session
    assert session.turns[0].blocks[0] is first.turns[0].blocks[0]


def test_a_node_says_what_was_changed() -> None:
    session = conversation()
    edited = session.latest.edit(2, text="Two, but better")
    fork = session.fork(edited)
    node = session.tree.children[0]

    assert node.session is fork and node.at == (2, 2)
    assert [(change.what, change.b.text) for change in node.changes] == [("edited", "Two, but better")]
    session.fork()
    assert session.tree.children[1].changes == ()


def test_the_tree_is_shown_as_text() -> None:
    session = conversation()
    session.fork(0).fork()
    session.fork()

    lines = repr(session.tree).splitlines()
    assert [line[:3] for line in lines] == ["<Se", "├─ ", "│  ", "└─ "]
    assert lines[1].endswith("from Turn 0, 2 blocks shared")


def test_a_fan_out_adds_no_branches_to_the_tree() -> None:
    session = conversation()
    session.fan_out(1, n=3).result(60)

    assert session.tree.children == ()


def test_a_fork_takes_less_than_a_millisecond_whatever_the_length() -> None:
    turn = nt.Turn(tuple(nt.user(str(i)) for i in range(20_000)))
    session = nt.Session(echo, run=nt.Run((turn,)))

    assert lowest_seconds(session.fork, limit=0.001) < 0.001
