"""Two conversations side by side: what is the same, and what became of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nbturns as nt
from nbturns.render.diff import diff_pieces, matching_positions

FIXTURE = Path(__file__).parents[2] / "fixtures" / "greenhouse.yaml"
EVIL = "<img src=x onerror=alert(1)>\"'><script>alert(1)</script>"


def night() -> nt.Turn:
    return nt.load(FIXTURE)[0]


def whats(a: Any, b: Any) -> list[tuple[str, int | None, int | None]]:
    return [(change.what, change.a_index, change.b_index) for change in nt.compare(a, b).changes]


def test_a_conversation_does_not_differ_from_itself() -> None:
    run = nt.load(FIXTURE)

    assert nt.compare(run, run).changes == ()
    assert nt.compare(night(), night()).counts == {"same": 14}
    assert nt.compare(nt.Turn(), nt.Turn()).rows == ()


def test_each_change_is_told_where_it_is() -> None:
    turn = night()
    other = turn.edit(1, text="Was it too cold for the pepper seedlings last night?").drop(5) + nt.user("And tomorrow?")

    comparison = nt.compare(turn, other)

    assert whats(turn, other) == [("edited", 1, 1), ("removed", 5, None), ("added", None, 13)]
    edited = comparison.changes[0]
    assert edited.fields == ("text",)
    assert (edited.a, edited.b) == (turn[1], other[1])
    assert [piece for piece in edited.pieces if piece[0] != "same"] == [("removed", "tomato"), ("added", "pepper")]


def test_a_block_that_stands_elsewhere_has_moved() -> None:
    turn = night()

    assert whats(turn, turn.drop(3).insert(6, turn[3])) == [("moved", 3, 6)]


def test_a_block_is_known_by_its_id_whatever_became_of_it() -> None:
    a = nt.Turn(
        [nt.Block("user", {"text": "one"}, "user", "u1"), nt.Block("llm_text", {"text": "two"}, "assistant", "m1")]
    )
    b = nt.Turn([nt.user("something else"), a[0].edit(text="completely different words"), a[1]])

    assert whats(a, b) == [("added", None, 0), ("edited", 0, 1)]
    assert nt.compare(a, b).rows[1].fields == ("text",)


def test_ids_of_calls_and_what_they_cost_make_no_difference() -> None:
    a = nt.Turn([nt.tool_call("a", "f", {"x": 1}), nt.tool_use("a", 2)])
    b = nt.Turn([nt.tool_call("b", "f", {"x": 1}), nt.tool_use("b", 2)])

    assert whats(a, b) == []


def test_two_answers_to_one_question_stand_beside_each_other() -> None:
    a = nt.turn("2 + 2?") + (nt.reasoning("hm"), nt.tool_call("1", "add", {"a": 2, "b": 2}), nt.assistant("It is 4."))
    b = nt.turn("2 + 2?") + (nt.tool_call("2", "add", {"a": 2, "b": 3}), nt.assistant("Five!"))

    assert whats(a, b) == [("removed", 1, None), ("edited", 2, 1), ("edited", 3, 2)]
    assert nt.compare(a, b).changes[1].fields == ("args",)


def test_a_run_is_compared_by_what_is_new_in_each_turn() -> None:
    run = nt.load(FIXTURE)
    other = nt.Run((run[0], run[1], run[2].edit(-1, text="It costs nothing.")))

    (change,) = nt.compare(run, other).changes

    assert (change.what, change.a_turn, change.b_turn, change.a_index) == ("edited", 2, 2, 19)
    assert nt.compare(run[0], run).counts == {"same": 14, "added": 6}


def test_sessions_executions_and_snapshots_are_compared_by_what_they_hold() -> None:
    sessions = [nt.Session(nt.scripted(answer)) for answer in ("yes, it is", "no, it is not")]
    executions = [session.ask("is it?") for session in sessions]
    for execution in executions:
        execution.result(60)

    assert nt.compare(sessions[0], sessions[1]).counts == {"same": 1, "edited": 1}
    assert nt.compare(executions[0], executions[1]).counts == {"same": 1, "edited": 1}
    assert nt.compare(executions[0].snapshots[0], executions[0]).counts == {"same": 1, "added": 1}
    with pytest.raises(TypeError, match="expects Turns or Runs, got int: 3"):
        nt.compare(night(), 3)


def test_a_frame_has_a_row_for_each_pair() -> None:
    turn = night()

    frame = nt.compare(turn, turn.edit(1, text="else") + nt.user("more")).to_df()

    assert list(frame["what"]) == ["same", "edited", *["same"] * 12, "added"]
    assert frame["a_index"].isna().sum() == 1
    assert frame["b"].iloc[-1] == "more"
    assert frame["fields"].iloc[1] == "text"
    assert len(nt.compare(nt.Turn(), nt.Turn()).to_df()) == 0


def test_it_reads_as_a_line_as_lines_and_as_a_table() -> None:
    turn = night()

    comparison = nt.compare(turn, turn.edit(0, text=EVIL))

    assert repr(comparison) == "<Comparison 13 same, 1 edited>"
    assert "~ #0 → #0 system (text)" in str(comparison)
    html = comparison._repr_html_()
    assert "<img" not in html
    assert "<script" not in html
    assert "13 blocks the same: #1–#13 · #1–#13" in html


def test_a_comparison_is_saved_as_a_page(tmp_path: Path) -> None:
    comparison = nt.compare(night(), night().drop(3))

    text = nt.save(comparison, tmp_path / "comparison.html").read_text("utf-8")

    assert "removed" in text
    assert "default-src &#x27;none&#x27;" in text or "default-src 'none'" in text
    with pytest.raises(ValueError, match=r"no format for \.yaml; use one of \.html"):
        nt.save(comparison, tmp_path / "comparison.yaml")


def test_long_conversations_that_repeat_themselves_are_aligned_by_what_they_have_in_common() -> None:
    texts = [f"line {n % 997}" for n in range(20_000)]
    a = nt.Turn(map(nt.user, texts))
    b = nt.Turn(map(nt.user, [*texts[:500], "new", *texts[600:15_000], *texts[15_001:]]))

    comparison = nt.compare(a, b)

    assert comparison.counts["same"] >= 19_890


words = st.lists(st.sampled_from(["a", "b", "ab", " ", "\n", ".", "1.5"]), max_size=30).map("".join)


@given(words, words)
def test_pieces_put_together_are_both_texts(before: str, after: str) -> None:
    found = diff_pieces(before, after)

    assert "".join(text for what, text in found if what != "added") == before
    assert "".join(text for what, text in found if what != "removed") == after
    assert all(text for _, text in found)


@given(st.lists(st.integers(0, 6), max_size=40), st.lists(st.integers(0, 6), max_size=40))
def test_matches_are_the_same_and_in_order(a: list[int], b: list[int]) -> None:
    found = matching_positions(a, b)

    assert all(a[i] == b[j] for i, j in found)
    assert all(i < k and j < m for (i, j), (k, m) in zip(found, found[1:], strict=False))


made = st.one_of(
    st.sampled_from(["a b", "a c", "d", ""]).map(nt.user),
    st.sampled_from(["x y", "x z"]).map(nt.assistant),
    st.sampled_from(["c1", "c2"]).map(lambda call: nt.tool_call(call, "f", {"x": 1})),
)


@given(st.lists(made, max_size=12), st.lists(made, max_size=12))
def test_every_block_of_both_stands_in_exactly_one_pair(a: list[nt.Block], b: list[nt.Block]) -> None:
    rows = nt.compare(nt.Turn(a), nt.Turn(b)).rows

    assert sorted(row.a_index for row in rows if row.a_index is not None) == list(range(len(a)))
    assert [row.b_index for row in rows if row.b_index is not None] == list(range(len(b)))
    assert all((row.a is None) == (row.what == "added") for row in rows)
    assert all((row.b is None) == (row.what == "removed") for row in rows)
