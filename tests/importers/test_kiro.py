"""Sessions of Kiro and Amazon Q: states, their database, and lines with a file beside them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import nbturns as nt


def entry(prompt: str, reply: str, **user: Any) -> dict[str, Any]:
    content = {"content": {"Prompt": {"prompt": prompt}}, "timestamp": "2026-05-01T09:00:00Z"}
    return {"user": {**content, **user}, "assistant": {"Response": {"message_id": reply, "content": reply}}}


def state(*history: Any, **fields: Any) -> dict[str, Any]:
    return {"conversation_id": "c", "history": list(history), **fields}


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.error or block.result or block.name) for block in run.latest]


def test_the_summary_stands_for_what_the_model_no_longer_sees() -> None:
    entries = [entry("Old", "Old answer"), entry("New", "New answer")]
    drained = nt.loads(state(entries[1], latest_summary=["They greeted.", {}]), strict=True)

    kept = nt.loads(state(*entries, latest_summary=["They greeted.", {}], valid_history_range=[1, 2]), strict=True)

    assert texts(drained) == texts(kept) == ["They greeted.", "New", "New answer"]
    assert [block.text for block in kept.turns[0]] == ["Old", "Old answer"]


def test_tools_that_were_cancelled_have_an_error() -> None:
    results = [{"tool_use_id": "t", "content": [{"Text": "Tool use was cancelled by the user"}], "status": "Error"}]
    cancelled = {"CancelledToolUses": {"prompt": "Stop", "tool_use_results": results}}
    call = {
        "ToolUse": {
            "message_id": "m",
            "content": "",
            "tool_uses": [{"id": "t", "name": "shell", "args": {"command": "ls"}}],
        }
    }
    first = {**entry("Go", ""), "assistant": call}

    run = nt.loads(state(first, entry("", "Stopped", content=cancelled)), strict=True)

    assert texts(run) == ["Go", "shell", "Tool use was cancelled by the user", "Stop", "Stopped"]


def test_each_row_of_the_database_is_a_run_and_a_damaged_one_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "data.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE auth_kv (key TEXT, value TEXT)")
        database.execute("INSERT INTO auth_kv VALUES ('token', 'secret')")
        database.execute(
            "CREATE TABLE conversations_v2 (key TEXT, conversation_id TEXT, value TEXT, created_at INT, updated_at INT)"
        )
        rows = [("/work", "a", json.dumps(state(entry("Hi", "Hello"), conversation_id="a"))), ("/work", "b", "{")]
        database.executemany("INSERT INTO conversations_v2 VALUES (?, ?, ?, 1746090000000, 2)", rows)
    database.close()

    (run,) = nt.load_all(path)

    assert (run.id, texts(run), run.metadata[nt.keys.FIELDS]["cwd"]) == ("a", ["Hi", "Hello"], "/work")
    assert run.import_report is not None
    assert ["not JSON" in note for note in run.import_report.dropped] == [True]
    assert "secret" not in json.dumps(run.to_dict())


def test_lines_are_a_session_with_the_file_beside_them(tmp_path: Path) -> None:
    def line(kind: str, *content: dict[str, Any]) -> str:
        return json.dumps({"version": "v1", "kind": kind, "data": {"message_id": "m", "content": list(content)}})

    call = {"kind": "toolUse", "data": {"toolUseId": "t", "name": "read", "input": {"path": "a"}}}
    result = {
        "kind": "toolResult",
        "data": {"toolUseId": "t", "content": [{"kind": "text", "data": "no file"}], "status": "error"},
    }
    lines = [
        line("Prompt", {"kind": "text", "data": "Read it"}),
        line("AssistantMessage", {"kind": "text", "data": "I read"}, call),
        line("ToolResults", result),
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(lines))
    (tmp_path / "s.json").write_text(json.dumps({"session_id": "own-id", "cwd": "/work", "title": "Reading"}))

    run = nt.load(tmp_path / "s.jsonl", strict=True)

    assert texts(run) == ["Read it", "I read", "read", "no file"]
    assert (run.id, run.name, run.metadata[nt.keys.FIELDS]["cwd"]) == ("own-id", "Reading", "/work")
