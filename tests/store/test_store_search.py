"""Search in a store."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

import nbturns as nt
from tests.store.closing import close_writer


@pytest.fixture
def store(tmp_path: Path) -> nt.TurnStore:
    store = nt.TurnStore(tmp_path / "runs.db")
    for name in ("monday", "tuesday"):
        call = nt.tool_call("c1", "weather", {"city": "Paris", "day": name})
        session = nt.Session(nt.scripted([call], f"Sunny on {name} <b>"), tools=[weather], store=store, id=name)
        session.ask(f"How is {name}?").result(timeout=30)
    return store


def weather(city: str, day: str) -> str:
    "Weather in a city."
    return f"sunny in {city}"


def test_hits_are_the_newest_first_and_open_their_block(store: nt.TurnStore) -> None:
    hits = store.search('tool:weather "paris"')

    assert [(hit.run_id, hit.turn_index, hit.block_index, hit.kind) for hit in hits] == [
        ("tuesday", 0, 2, "tool_use"),
        ("tuesday", 0, 1, "tool_call"),
        ("monday", 0, 2, "tool_use"),
        ("monday", 0, 1, "tool_call"),
    ]
    assert all(hit.block == store.load(hit.run_id)[hit.turn_index][hit.block_index] for hit in hits)
    assert all(hit.block_id == hit.block.id for hit in hits)
    view = hits[1].open()
    assert (view.turn, view.selected) == (0, [1])
    assert view.selection[0] == hits[1].block


def test_the_limit_and_whether_there_is_more(store: nt.TurnStore) -> None:
    assert len(store.search("sunny", limit=3)) == 3
    assert store.search("sunny", limit=3).has_more
    assert not store.search("sunny", limit=4).has_more
    for limit in (0, -1, True, "5"):
        with pytest.raises(nt.MisuseError, match="limit"):
            store.search("sunny", limit=limit)  # type: ignore[arg-type]


def test_filters_of_sessions_and_times(store: nt.TurnStore) -> None:
    assert {hit.run_id for hit in store.search("sunny session:mon")} == {"monday"}
    assert len(store.search("sunny after:2020")) == 4
    assert len(store.search("sunny before:2020")) == 0
    assert len(store.search("session:nobody")) == 0


def test_new_blocks_are_found_and_old_ones_once(store: nt.TurnStore) -> None:
    assert len(store.search("sunny")) == 4
    session = store.resume("monday", nt.scripted("Sunny again"))
    session.ask("And now?").result(timeout=30)

    hits = store.search("sunny")
    assert len(hits) == 5
    assert (hits[0].run_id, hits[0].turn_index, hits[0].block.text) == ("monday", 1, "Sunny again")


def test_a_running_session_is_found(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted([nt.tool_call("c", "weather", {})]), tools=[weather], store=store)
    session.ask("an unusual question", step=True).next().result(timeout=30)

    assert [hit.run_id for hit in store.search("unusual")] == [session.id]
    session.stop()


def test_hits_as_a_table_and_as_a_frame(store: nt.TurnStore) -> None:
    hits = store.search("sunny kind:llm_text")
    frame = hits.to_df()

    assert list(frame["run_id"]) == ["tuesday", "monday"]
    assert abs(frame["at"].iloc[0].timestamp() - time.time()) < 3600
    assert frame["tool"].isna().all()
    page = hits._repr_html_()
    assert "<mark>Sunny</mark> on tuesday &lt;b&gt;" in page
    assert "<b>" not in page.partition("<tbody>")[2]
    assert "Sunny on monday" in str(hits)
    assert len(store.search("nothing-like-this").to_df()) == 0


def test_a_store_that_cannot_be_written_is_searched_all_the_same(store: nt.TurnStore) -> None:
    with closing(sqlite3.connect(store.path)) as other, other:
        other.execute("BEGIN IMMEDIATE")  # no other connection can write now
        close_writer(store)
        reading_store = nt.TurnStore(store.path)
        reading_store._writer.lock_timeout = 0.1
        assert len(reading_store.search("sunny")) == 4
        other.rollback()


def test_excerpts_show_the_first_of_the_words(store: nt.TurnStore) -> None:
    store.add(nt.Run((nt.turn("x " * 5000 + "needle " + "y " * 5000),), id="long"))
    (hit,) = store.search("needle")

    assert "needle" in hit.excerpt
    assert len(hit.excerpt) < 200
    assert [hit.excerpt[start:end] for start, end in hit.marks] == ["needle"]


def test_labelled_blocks_are_found(store: nt.TurnStore) -> None:
    store.add(nt.Run((nt.Turn((nt.label(nt.user("a question"), "wrong tool"),)),), id="labelled"))

    assert [hit.run_id for hit in store.search('label:"wrong tool"')] == ["labelled"]
    assert len(store.search("label:wrong")) == 0
