"""Backup, forget, compact and export of a store."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.store.schema import MIGRATIONS, VERSION
from tests.store.closing import close_writer


@pytest.fixture
def store(tmp_path: Path) -> nt.TurnStore:
    store = nt.TurnStore(tmp_path / "runs.db")
    for name in ("monday", "tuesday"):
        session = nt.Session(
            nt.scripted(f"{name} is umbrella day", "again"), store=store, id=name, system="shared text"
        )
        session.ask(f"what about {name}, says jane@example.org?").result(timeout=30)
        session.ask("and then?").result(timeout=30)
    return store


def test_a_backup_is_the_store_while_it_is_used(store: nt.TurnStore, tmp_path: Path) -> None:
    session = nt.Session(nt.scripted([nt.tool_call("c", "x", {})]), store=store)
    session.ask("go", step=True).next().result(timeout=30)
    path = store.backup(tmp_path / "copy.db")
    session.stop()

    copy = nt.TurnStore(path)
    assert copy.verify()
    assert copy.load("monday") == store.load("monday")
    assert session.id in copy.ids()
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == ["copy.db"]
    with pytest.raises(nt.MisuseError, match="the store itself"):
        store.backup(store.path)
    with pytest.raises(nt.StoreError, match="does not exist"):
        store.backup(tmp_path / "nowhere/copy.db")


def test_a_forgotten_session_leaves_nothing_behind(store: nt.TurnStore) -> None:
    assert len(store.search("umbrella")) == 2
    run = store.load("tuesday")
    store.forget("monday")
    store.compact()

    assert store.ids() == ["tuesday"]
    assert store.load("tuesday") == run
    assert store.verify()
    assert [hit.run_id for hit in store.search("umbrella")] == ["tuesday"]
    assert b"monday" not in store.path.read_bytes()
    wal = store.path.with_name("runs.db-wal")
    assert not wal.exists() or b"monday" not in wal.read_bytes()
    with pytest.raises(nt.StoreError, match="no session 'monday'"):
        store.forget("monday")


def test_a_session_goes_on_after_another_was_forgotten(store: nt.TurnStore) -> None:
    session = nt.Session(nt.scripted("one", "two"), store=store)
    session.ask("first").result(timeout=30)
    store.search("first")
    store.forget("monday", "tuesday")
    session.ask("second unusual").result(timeout=30)

    assert store.load(session.id) == session.run
    assert store.verify()
    assert len(store.search("unusual")) == 1
    assert len(store.runs()) == 1


def test_forgetting_while_sessions_write(store: nt.TurnStore) -> None:
    session = nt.Session(
        nt.scripted(*[[nt.tool_call(f"c{n}", "note", {})] for n in range(20)], "done"), tools=[note], store=store
    )
    execution = session.ask("go", limit=30)
    store.forget("monday")
    store.compact()
    execution.result(timeout=60)

    assert store.load(session.id) == session.run
    assert store.verify()


def rows(store: nt.TurnStore, query: str) -> list[Any]:
    with closing(sqlite3.connect(store.path)) as connection, connection:
        return connection.execute(query).fetchall()


def note() -> str:
    "Note."
    return "noted"


@pytest.mark.parametrize("arguments", [(), (5,), (None,)])
def test_forget_needs_ids(store: nt.TurnStore, arguments: Any) -> None:
    with pytest.raises(nt.MisuseError):
        store.forget(*arguments)


def test_sessions_are_exported_and_loaded_again(store: nt.TurnStore, tmp_path: Path) -> None:
    path = store.export(tmp_path / "all.jsonl")
    assert list(nt.load_all(path)) == [store.load(id) for id in store.ids()]
    one = store.export(tmp_path / "one.yaml", ["monday"])
    assert nt.load(one) == store.load("monday")
    with pytest.raises(nt.MisuseError, match="2 sessions need a .jsonl file"):
        store.export(tmp_path / "all.yaml")

    redacted = store.export(tmp_path / "shared.jsonl", redact=True).read_text(encoding="utf-8")
    assert "jane" not in redacted
    assert "[email-1]" in redacted


def test_an_older_store_is_migrated_and_a_newer_one_is_refused_untouched(
    store: nt.TurnStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(store.path)) as connection, connection:  # as the first version made it
        connection.execute("ALTER TABLE pauses DROP COLUMN chosen")
        connection.execute("PRAGMA user_version = 1")
    old_store = nt.TurnStore(store.path)
    assert old_store.verify()
    assert rows(store, "PRAGMA user_version") == [(VERSION,)]
    assert rows(store, "SELECT count(chosen) FROM pauses") == [(0,)]
    monkeypatch.setattr("nbturns.store.schema.VERSION", VERSION + 1)
    monkeypatch.setattr("nbturns.store.turn_store.VERSION", VERSION + 1)
    monkeypatch.setitem(MIGRATIONS, VERSION, "ALTER TABLE sessions ADD COLUMN colour TEXT;\n")
    migrated = nt.TurnStore(store.path)
    migrated.add(nt.Run((nt.turn("x"),), id="new"))
    assert migrated.verify()
    with closing(sqlite3.connect(store.path)) as connection, connection:
        assert connection.execute("SELECT count(colour) FROM sessions").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION + 1,)
    close_writer(old_store)
    close_writer(store)
    close_writer(migrated)
    monkeypatch.undo()
    before = store.path.read_bytes()

    with pytest.raises(
        nt.StoreError, match=f"the store has version {VERSION + 1}; this nbturns reads up to version {VERSION}"
    ):
        nt.TurnStore(store.path)
    assert store.path.read_bytes() == before


def test_a_database_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(nt.StoreError, match="not a store of nbturns"):
        nt.TurnStore(path)
    assert path.read_bytes() == before
    text = tmp_path / "text.db"
    text.write_text("no database at all, " * 100)
    with pytest.raises(nt.StoreError, match="not an SQLite database"):
        nt.TurnStore(text)
    assert os.listdir(tmp_path)
