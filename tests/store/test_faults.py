"""Faults of the disk and of other processes: a clear error, and the rest stays readable."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from tests.store.closing import close_writer

RUNS = [nt.Run((nt.turn(f"session {number} " + "words " * 400),), id=f"s{number}") for number in range(40)]


def filled(path: Path) -> nt.TurnStore:
    store = nt.TurnStore(path)
    for run in RUNS:
        store.add(run)
    return store


def close(store: nt.TurnStore) -> None:
    close_writer(store)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None or subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("needs the right to mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_ends_the_execution_and_what_was_written_is_readable(small_disk: Path) -> None:
    store = nt.TurnStore(small_disk / "runs.db")
    first = nt.Session(nt.scripted("kept"), store=store)
    first.ask("go").result(timeout=30)
    filler = small_disk / "filler"
    calls: list[int] = []

    async def engine(turn: nt.Turn, scope: nt.Scope) -> nt.Turn:
        calls.append(1)
        return turn + nt.assistant("never")

    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    session = nt.Session(engine, store=store)
    execution = session.ask("x" * 200_000)
    with pytest.raises(nt.StoreError, match=r"runs\.db: the disk is full; free some space") as error:
        execution.result(timeout=30)

    assert calls == []  # no model call without a record
    assert execution.status == "failed"
    assert "StoreError" in execution._repr_html_() or error.value.turn is not None
    assert store.load(first.id) == first.run
    filler.unlink()
    session.ask("again").result(timeout=30)
    assert len(calls) == 1
    assert store.verify()


def test_the_view_shows_at_once_that_the_store_failed(small_disk: Path) -> None:
    store = nt.TurnStore(small_disk / "runs.db")
    session = nt.Session(nt.scripted("never"), store=store)
    execution = session.ask("x" * 4_000_000)
    view = nt.view(execution)
    with pytest.raises(nt.StoreError):
        execution.result(timeout=30)

    assert "the disk is full" in str(view._status())


def test_a_read_only_store_is_read_and_refuses_to_write(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    close(filled(folder / "runs.db"))
    with sqlite3.connect(folder / "runs.db") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    if subprocess.run(
        ["mount", "--bind", "-o", "ro", str(folder), str(folder)], capture_output=True, check=False
    ).returncode:
        pytest.skip("needs the right to mount")
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], capture_output=True, check=False)
    try:
        store = nt.TurnStore(folder / "runs.db")
        assert store.load("s3") == RUNS[3]
        assert len(store.search("session", limit=100)) == len(RUNS)
        assert store.verify()
        with pytest.raises(nt.StoreError, match="read-only"):
            store.add(nt.Run((nt.turn("x"),), id="new"))
        with pytest.raises(nt.StoreError, match="read-only"):
            nt.Session(nt.scripted("x"), store=store).ask("go").result(timeout=30)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_lock_of_another_process_is_waited_for_and_then_an_error(tmp_path: Path) -> None:
    store = filled(tmp_path / "runs.db")
    close(store)
    store._writer.lock_timeout = 0.2
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert store.load("s1") == RUNS[1]  # reading needs no lock
        with pytest.raises(nt.StoreError, match="another process has locked the store"):
            nt.Session(nt.scripted("x"), store=store).ask("go").result(timeout=30)
    finally:
        other.execute("ROLLBACK")
        other.close()
    nt.Session(nt.scripted("x"), store=store).ask("go").result(timeout=30)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.7, 0.99])
def test_a_truncated_journal_loses_the_last_commits_and_nothing_else(tmp_path: Path, keep: float) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    store.add(RUNS[0])
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for run in RUNS[1:20]:
        store.add(run)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    journal = store.path.with_name("runs.db-wal").read_bytes()
    shutil.copy(store.path, damaged / "runs.db")
    (damaged / "runs.db-wal").write_bytes(journal[: int(len(journal) * keep)])

    copy = nt.TurnStore(damaged / "runs.db")
    assert copy.verify()
    ids = copy.ids()
    assert ids == [run.id for run in RUNS[: len(ids)]]
    assert [copy.load(id) for id in ids] == RUNS[: len(ids)]
    assert len(ids) >= 1 + int(18 * keep * 0.8)
    copy.add(nt.Run((nt.turn("x"),), id="new"))


def test_a_damaged_page_is_reported_and_the_other_sessions_are_read(tmp_path: Path) -> None:
    store = filled(tmp_path / "runs.db")
    close(store)
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content = bytearray(store.path.read_bytes())
    place = content.index(b"session 20 ")
    page = place // size
    content[page * size : (page + 1) * size] = b"\xde\xad\xbe\xef" * (size // 4)
    store.path.write_bytes(content)

    damaged = nt.TurnStore(store.path)
    verification = damaged.verify()
    assert not verification
    assert verification.problems
    readable = unreadable = 0
    for run in RUNS:
        try:
            assert damaged.load(run.id) == run
            readable += 1
        except nt.StoreError as error:
            assert "runs.db" in str(error)
            unreadable += 1
    assert unreadable >= 1
    assert readable >= len(RUNS) / 2


def test_a_changed_block_is_found_by_its_digest(tmp_path: Path) -> None:
    store = filled(tmp_path / "runs.db")
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE blocks SET payload = replace(payload, 'session 7 ', 'session 8 ')")
    connection.close()

    assert any("does not have its digest" in problem for problem in store.verify().problems)
    with sqlite3.connect(store.path) as connection:
        connection.execute("DELETE FROM blocks WHERE number = 3")
    connection.close()
    assert any("block 3 is missing" in problem for problem in store.verify().problems)
    assert "problems in" in repr(store.verify())


def test_a_file_whose_end_is_missing_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    store = filled(tmp_path / "runs.db")
    close(store)
    with sqlite3.connect(store.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = store.path.read_bytes()
    store.path.write_bytes(content[: len(content) * 2 // 3])

    damaged = nt.TurnStore(store.path)
    assert not damaged.verify()
    readable = 0
    for run in RUNS:
        with suppress(nt.StoreError):
            readable += damaged.load(run.id) == run
    assert readable > 0
    with pytest.raises(nt.StoreError, match="damaged"):
        damaged.add(nt.Run((nt.turn("x"),), id="new"))
    assert len(store.path.read_bytes()) == len(content) * 2 // 3


def test_a_store_whose_file_is_deleted_ends_the_execution(tmp_path: Path) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    session = nt.Session(nt.scripted("one", "two"), store=store)
    session.ask("go").result(timeout=30)
    for path in tmp_path.glob("runs.db*"):
        path.unlink()

    with pytest.raises(nt.StoreError, match="moved or deleted"):
        session.ask("again").result(timeout=30)
    assert not store.path.exists()


def test_a_path_that_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(nt.StoreError, match="this is a folder"):
        nt.TurnStore(tmp_path)
    with pytest.raises(nt.StoreError, match="File name too long"):
        nt.TurnStore(tmp_path / ("n" * 300))


def test_half_an_emoji_in_the_name_of_a_tool_is_kept(tmp_path: Path) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    call = nt.tool_call("c", "look\ud83d", {"at\ud83d": "\ud83d"})
    session = nt.Session(nt.scripted(call, "No such tool."), store=store, id="s")
    session.ask("go").result(timeout=30)

    assert store.load("s") == session.run
    assert store.verify()


def test_the_store_has_the_end_when_a_failed_execution_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = nt.TurnStore(tmp_path / "runs.db")
    write = store._writer.write

    def write_slowly(operations: Any) -> None:
        time.sleep(0.05)
        write(operations)

    monkeypatch.setattr(store._queue, "_handle", write_slowly)
    session = nt.Session(nt.scripted(nt.EngineError("no")), store=store)
    with pytest.raises(nt.EngineError):
        session.ask("go").result(timeout=30)

    assert store.load(session.id) == session.run


def test_half_an_emoji_in_ids_and_errors_ends_nothing(tmp_path: Path) -> None:
    """SQLite cannot hold it; the texts of blocks hold it as it is, and columns its escape."""
    store = nt.TurnStore(tmp_path / "runs.db")
    ran: list[str] = []

    def look(at: str) -> str:
        ran.append(at)
        return f"saw {at}"

    failure = nt.EngineError("bad answer: \ud83d", kind="bad_response")
    half = "c\ud83d"
    session = nt.Session(
        nt.scripted([nt.tool_call(half, "look", {"at": half}), nt.tool_call("d", "look", {"at": "d"})], failure),
        tools=[look], store=store, id="s\ud83d", policy=[{"tool": "look", "decision": "ask", "reason": half}],
    )  # fmt: skip
    execution = session.ask("go \ud83d")
    pause = execution.next().result(timeout=30)
    assert pause is not None
    assert half in pause.reason
    execution.resume()
    with pytest.raises(nt.EngineError, match="bad answer"):
        execution.result(timeout=30)

    assert sorted(ran) == [half, "d"]  # they run side by side
    (session_id,) = store.ids()
    assert store.load(session_id) == store.load(session.id)
    assert store.load(session.id).turns == session.run.turns
    assert store.snapshots(session.id)[0][-1] == execution.snapshots[-1]
    assert store.verify()
    assert list(nt.frames.blocks(store)["kind"]) == ["user", "tool_call", "tool_call", "tool_use", "tool_use"]
    assert [hit.kind for hit in store.search("saw")] == ["tool_use", "tool_use"]
    store.add(nt.Run((nt.turn("x"),), id="t\ud83d", name="n\ud83d"))
    with pytest.raises(nt.StoreError, match="the store has a session"):
        store.add(nt.Run((nt.turn("x"),), id="t\ud83d"))
    store.forget(session.id)
    store.forget("t\ud83d")
    assert store.ids() == []
