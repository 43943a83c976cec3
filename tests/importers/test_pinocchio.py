"""Pinocchio's turn store: its tables, made as pinocchio makes them, are read as Runs."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.values.provenance import FIELDS

TABLES = """
CREATE TABLE turns (conv_id TEXT NOT NULL, session_id TEXT NOT NULL, turn_id TEXT NOT NULL,
  turn_created_at_ms INTEGER NOT NULL, turn_metadata_json TEXT NOT NULL DEFAULT '{}',
  turn_data_json TEXT NOT NULL DEFAULT '{}', runtime_key TEXT, inference_id TEXT, updated_at_ms INTEGER NOT NULL,
  PRIMARY KEY (conv_id, session_id, turn_id));
CREATE TABLE blocks (block_id TEXT NOT NULL, content_hash TEXT NOT NULL, hash_algorithm TEXT NOT NULL,
  kind TEXT NOT NULL, role TEXT NOT NULL, payload_json TEXT NOT NULL, block_metadata_json TEXT NOT NULL,
  first_seen_at_ms INTEGER NOT NULL, PRIMARY KEY (block_id, content_hash));
CREATE TABLE turn_block_membership (conv_id TEXT NOT NULL, session_id TEXT NOT NULL, turn_id TEXT NOT NULL,
  phase TEXT NOT NULL, snapshot_created_at_ms INTEGER NOT NULL, ordinal INTEGER NOT NULL, block_id TEXT NOT NULL,
  content_hash TEXT NOT NULL, PRIMARY KEY (conv_id, session_id, turn_id, phase, snapshot_created_at_ms, ordinal),
  FOREIGN KEY (block_id, content_hash) REFERENCES blocks(block_id, content_hash));
"""
RESULT = {"provider": "claude", "model": "claude-x", "stop_reason": "end_turn", "finish_class": "completed",
          "usage": {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 90}}  # fmt: skip
BLOCKS: dict[str, tuple[str, str, Any, Any]] = {
    "b1": ("system", "system", {"text": "Be brief."}, {}),
    "b2": ("user", "user", {"text": "Too warm?"}, {}),
    "b2x": ("user", "user", {"text": "Too warm? (draft)"}, {}),
    "b3": ("tool_call", "", {"id": "c1", "name": "read", "args": {"zone": 1}}, {}),
    "b4": ("tool_use", "", {"id": "c1", "result": '"31"', "error": ""}, {}),
    "b5": ("llm_text", "assistant", {"text": "Yes."}, {"geppetto.inference_result@v1": RESULT}),
    "b6": ("user", "user", {"text": "Thanks"}, {}),
    "b7": ("llm_text", "assistant", {"text": "Welcome."}, {}),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "turns.db"
    with sqlite3.connect(path) as store:
        store.executescript(TABLES)
        for id, (kind, role, payload, metadata) in BLOCKS.items():
            row = (
                id,
                f"hash-{id}",
                "sha256-canonical-json-v1",
                kind,
                role,
                json.dumps(payload),
                json.dumps(metadata),
                1,
            )
            store.execute("INSERT INTO blocks VALUES (?,?,?,?,?,?,?,?)", row)
        about = json.dumps({"geppetto.session_id@v1": "s1"})
        store.execute("INSERT INTO turns VALUES ('conv','s1','t2',2000,?,'{}','k','i2',2100)", (about,))
        store.execute(
            "INSERT INTO turns VALUES ('conv','s1','t1',1000,?,'{\"app.mood@v1\": \"good\"}','k','i1',1300)", (about,)
        )
        store.execute("INSERT INTO turns VALUES ('conv2','s9','t9',500,'{}','{}',NULL,NULL,500)")
        add_snapshot(store, "t1", "pre_inference", 1000, "b1", "b2x")
        add_snapshot(store, "t1", "final", 1200, "b1", "b2", "b3", "b4", "b5")
        add_snapshot(store, "t1", "post_tools", 1250, "b1", "b2", "b3", "b4")
        add_snapshot(store, "t2", "pre_inference", 2000, "b1", "b2", "b3", "b4", "b5", "b6")
        add_snapshot(store, "t2", "post_inference", 2050, "b1", "b2", "b3", "b4", "b5", "b6", "b7")
    store.close()
    return path


def add_snapshot(store: sqlite3.Connection, turn: str, phase: str, at: int, *blocks: str, session: str = "s1") -> None:
    for ordinal, block in enumerate(blocks):
        row = ("conv", session, turn, phase, at, ordinal, block, f"hash-{block}")
        store.execute("INSERT INTO turn_block_membership VALUES (?,?,?,?,?,?,?,?)", row)


def run_statements(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as store:
        for statement in statements:
            store.execute(statement)
    store.close()


def test_a_session_is_a_run_and_each_turn_its_final_snapshot(path: Path) -> None:
    other, run = nt.load_all(path)

    assert (other.id, [len(turn) for turn in other]) == ("s9", [0])
    assert (run.id, [turn.id for turn in run]) == ("s1", ["t1", "t2"])
    assert [block.id for block in run[0]] == ["b1", "b2", "b3", "b4", "b5"]
    assert [block.id for block in run[1]] == ["b1", "b2", "b3", "b4", "b5", "b6", "b7"]
    assert run[0].metadata[nt.keys.SESSION_ID] == "s1"
    assert run[0].data[nt.Key("app.mood@v1", str)] == "good"
    assert run.import_report.complete and not run.import_report.guessed


def test_the_same_block_is_one_object_and_its_tokens_count_once(path: Path) -> None:
    run = list(nt.load_all(path))[1]

    assert run[0][0] is run[1][0]
    assert run.usage == nt.Usage(100, 5, 90)


def test_what_other_snapshots_had_is_kept_beside_the_turn(path: Path) -> None:
    run = list(nt.load_all(path))[1]

    beside = run[0].metadata[FIELDS]
    assert (beside["phase"], beside["snapshot_created_at_ms"], beside["runtime_key"]) == ("final", 1200, "k")
    draft, after = beside["snapshots"]
    assert (draft["phase"], draft["count"], draft["blocks"][0]["payload"]) == (
        "pre_inference", 2, {"text": "Too warm? (draft)"},
    )  # fmt: skip
    assert (after["phase"], "blocks" in after) == ("post_tools", False)


def test_a_store_is_not_written_to(path: Path) -> None:
    before = path.read_bytes()
    path.chmod(0o444)

    list(nt.load_all(path))

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_store_that_keeps_a_journal_leaves_none_behind(path: Path) -> None:
    run_statements(path, "PRAGMA journal_mode=WAL")

    assert len(list(nt.load_all(path))) == 2
    assert list(path.parent.iterdir()) == [path]


def test_what_still_stands_in_the_journal_is_read(path: Path) -> None:
    run_statements(path, "PRAGMA journal_mode=WAL")
    writing = sqlite3.connect(path)
    writing.execute("UPDATE turns SET turn_metadata_json = '{\"app.mood@v1\": \"late\"}' WHERE turn_id = 't1'")
    writing.commit()

    run = list(nt.load_all(path))[1]
    writing.close()

    assert run[0].metadata[nt.Key("app.mood@v1", str)] == "late"


def test_a_store_in_memory_is_read(path: Path) -> None:
    from nbturns.importers import Source, pinocchio

    runs = list(pinocchio.IMPORTER.read(Source.of_bytes(path.read_bytes())))

    assert [run.turns for run in runs] == [run.turns for run in nt.load_all(path)]  # names are those of the file


def test_a_block_that_cannot_be_read_is_kept_as_it_is(path: Path) -> None:
    run_statements(path, "UPDATE blocks SET payload_json = '{\"text\": \"Th' WHERE block_id = 'b6'", "DELETE FROM blocks WHERE block_id = 'b7'",
            "UPDATE turns SET turn_metadata_json = '[1]' WHERE turn_id = 't2'")  # fmt: skip

    run = list(nt.load_all(path))[1]

    assert [block.kind for block in run[1]][-2:] == ["other", "other"]
    assert run[1][5].payload["payload_json"] == '{"text": "Th'
    assert run[1].metadata[FIELDS]["turn_metadata_json"] == "[1]"
    assert [note.position for note in run.import_report.unknown] == ["s1, block b6", "s1, block b7", "s1, turn t2"]
    with pytest.raises(nt.LoadError, match="block b6"):
        list(nt.load_all(path, strict=True))


def test_a_turn_without_a_row_of_its_own_is_read(path: Path) -> None:
    run_statements(path, "DELETE FROM turns WHERE turn_id = 't2'")

    run = list(nt.load_all(path))[1]

    assert [turn.id for turn in run] == ["t1", "t2"]
    assert "no row of its own" in run.import_report.guessed[0]


def test_an_older_store_without_later_columns_is_read(path: Path) -> None:
    run_statements(path, "ALTER TABLE turns DROP COLUMN runtime_key", "ALTER TABLE turns DROP COLUMN inference_id")

    assert [len(turn) for turn in list(nt.load_all(path))[1]] == [5, 7]


def test_another_database_is_no_turn_store(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    with sqlite3.connect(path) as store:
        store.execute("CREATE TABLE logs (id INTEGER, text TEXT)")
    store.close()

    with pytest.raises(nt.LoadError, match="the database has no table"):
        nt.load(path)


@pytest.mark.parametrize("kept", [20, 100, 4096, 5000, 8192, 12000, 20000])
def test_a_store_that_is_cut_gives_what_is_left_or_says_that_it_is_damaged(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])

    try:
        runs = list(nt.load_all(path))
    except nt.LoadError as error:
        assert str(path) in str(error)
    else:
        assert all(isinstance(run, nt.Run) for run in runs)


def test_the_frame_of_snapshots_has_the_phases_of_the_database(path: Path) -> None:
    frame = nt.frames.snapshots(path)
    rows = frame[frame["blocks"] > 0]

    assert list(zip(rows["turn_index"], rows["phase"], rows["blocks"], strict=True)) == [
        (0, "pre_inference", 2),
        (0, "final", 5),
        (0, "post_tools", 4),
        (1, "pre_inference", 6),
        (1, "post_inference", 7),
    ]
    assert [round(at.timestamp() * 1000) for at in rows["at"]] == [1000, 1200, 1250, 2000, 2050]
