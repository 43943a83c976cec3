"""goose's database: each session, with the tokens of its calls."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.importers import Source, goose


def text(content: str) -> str:
    return json.dumps([{"type": "text", "text": content}])


def database(path: Path, *ledger: tuple[Any, ...]) -> Path:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE sessions (id TEXT, name TEXT, working_dir TEXT, created_at TEXT, model_config_json TEXT,"
            " parent_session_id TEXT)"
        )
        connection.execute(
            "CREATE TABLE messages (id INTEGER, message_id TEXT, session_id TEXT, role TEXT, content_json TEXT,"
            " created_timestamp INT, metadata_json TEXT)"
        )
        connection.execute(
            "CREATE TABLE usage_ledger (id INTEGER, session_id TEXT, created_timestamp INT, model TEXT, input_tokens INT,"
            " output_tokens INT, cache_read_tokens INT, cache_write_tokens INT, cost REAL, cost_source TEXT,"
            " is_compaction INT)"
        )
        config = json.dumps({"model_name": "gpt-5"})
        connection.execute("INSERT INTO sessions VALUES ('a', 'Greeting', '/work', '2026-05-01', ?, NULL)", [config])
        connection.execute("INSERT INTO sessions VALUES ('b', '', '/work', '2026-05-01', NULL, 'a')")
        rows = [(1, "m1", "a", "user", text("Hi"), 10), (2, "m2", "a", "assistant", text("Hello"), 11)]
        connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, NULL)", rows)
        connection.executemany("INSERT INTO usage_ledger VALUES (?, 'a', 12, ?, ?, ?, ?, ?, ?, ?, ?)", ledger)
    connection.close()
    return path


def test_each_session_of_the_database_is_a_run_with_the_tokens_of_its_calls(tmp_path: Path) -> None:
    reply = (1, "gpt-5-mini", 100, 5, 90, 0, 0.25, "provider_reported", 0)
    compaction = (2, "gpt-5-mini", 50, 9, 0, 0, 0.75, "estimated", 1)
    path = database(tmp_path / "sessions.db", reply, compaction)

    run, child = nt.load_all(path, strict=True)

    assert (run.id, run.name, run.metadata[nt.keys.FIELDS]["working_dir"]) == ("a", "Greeting", "/work")
    assert [block.text for block in run.latest] == ["Hi", "Hello"]
    assert [call.usage for call in run.inferences] == [nt.Usage(100, 5, 90, 0), nt.Usage(50, 9, 0, 0)]
    assert [call.cost_source for call in run.inferences] == ["provider", "table"]
    assert run.inferences[0].inference_id == run.latest[1].inference_id
    assert child.parent_id == "a"


def test_a_database_without_the_column_of_contents_is_not_of_goose(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE sessions (id TEXT)")
        connection.execute("CREATE TABLE messages (id TEXT, content TEXT)")
    connection.close()

    assert goose.IMPORTER.score(Source.of_file(path).sample) == 0
