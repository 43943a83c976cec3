"""The pieces that listeners get of a block are its text, also when the end of a stream has more than its pieces."""

from __future__ import annotations

import nbturns as nt
from nbturns.events import Delta, InferenceFinished


def heard(pieces: list[Delta], *blocks: nt.Block) -> tuple[list[tuple[int, str]], list[str]]:
    """Return the index and text of each Delta that a sink gets, and the order of the events."""

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        for piece in pieces:
            scope.emit(piece)
        return turn + blocks

    events: list[object] = []
    nt.Session(engine, sinks=[events.append]).ask("q").result(60)
    kept = [event for event in events if isinstance(event, (Delta, InferenceFinished))]
    return [(e.index, e.text) for e in kept if isinstance(e, Delta)], [type(e).__name__ for e in kept]


def test_the_missing_tail_of_a_text_arrives_as_a_delta_before_the_call_is_finished() -> None:
    pieces = [Delta("i", 0, "reasoning", "Hm"), Delta("i", 1, "llm_text", "hel"), Delta("i", 1, "llm_text", "l")]

    deltas, order = heard(pieces, nt.reasoning("Hm, yes"), nt.assistant("hello"))

    assert deltas == [(0, "Hm"), (1, "hel"), (1, "l"), (0, ", yes"), (1, "o")]
    assert order[-1] == "InferenceFinished"


def test_nothing_is_added_to_a_whole_text_or_to_one_that_differs() -> None:
    for final in ("hello", "hel", "other", ""):
        deltas, _ = heard([Delta("i", 0, "llm_text", "hello")], nt.assistant(final))
        assert deltas == [(0, "hello")]
    assert heard([], nt.assistant("hello"))[0] == []
