"""Codex's rollouts: each model call with its tokens, each text once, compactions, failures, subagents, old files."""

from __future__ import annotations

import json
from typing import Any

import nbturns as nt
from nbturns.importers import Source, codex


def record(type: str, payload: dict[str, Any], second: int = 0) -> dict[str, Any]:
    return {"timestamp": f"2026-05-01T09:00:{second:02}Z", "type": type, "payload": payload}


def message(role: str, text: str) -> dict[str, Any]:
    part = {"type": "input_text" if role == "user" else "output_text", "text": text}
    return record("response_item", {"type": "message", "role": role, "content": [part]})


def event(type: str, **fields: Any) -> dict[str, Any]:
    return record("event_msg", {"type": type, **fields})


def tokens(last: tuple[int, int], total: tuple[int, int]) -> dict[str, Any]:
    last_counts, total_counts = ({"input_tokens": pair[0], "output_tokens": pair[1]} for pair in (last, total))
    return event("token_count", info={"last_token_usage": last_counts, "total_token_usage": total_counts})


def call(id: str, name: str = "shell") -> dict[str, Any]:
    return record("response_item", {"type": "function_call", "call_id": id, "name": name, "arguments": "{}"})


def output(id: str, text: str) -> dict[str, Any]:
    return record("response_item", {"type": "function_call_output", "call_id": id, "output": text})


META = record("session_meta", {"id": "s1", "timestamp": "2026-05-01T09:00:00Z", "cwd": "/work", "source": "cli"})
MODEL = record("turn_context", {"model": "gpt-5-codex"})


def load(*records: dict[str, Any], strict: bool = True) -> nt.Run:
    return nt.loads("\n".join(map(json.dumps, (META, MODEL, *records))), strict=strict)


def test_items_up_to_a_token_count_are_one_call_and_a_repeated_total_is_none() -> None:
    run = load(
        message("user", "List the files"),
        call("c1"),
        call("c2"),
        tokens((100, 5), (100, 5)),
        tokens((100, 5), (100, 5)),
        output("c1", "a.txt"),
        output("c2", "b.txt"),
        message("assistant", "Two files."),
        tokens((120, 6), (220, 11)),
    )

    assert [(one.model, one.usage and one.usage.total_tokens) for one in run.inferences] == [
        ("gpt-5-codex", 105),
        ("gpt-5-codex", 126),
    ]
    assert run.id == "s1" and run.fields["session"]["cwd"] == "/work"


def test_a_count_that_comes_after_the_results_belongs_to_the_calls() -> None:
    run = load(message("user", "Go"), call("c1"), output("c1", "done"), tokens((100, 5), (100, 5)))

    assert [block.inference_id for block in run.latest] == ["", run.inferences[0].inference_id, ""]
    assert run.usage.input_tokens == 100


def test_a_count_without_items_is_a_call_and_totals_give_missing_counts() -> None:
    first, second = tokens((100, 5), (100, 5)), tokens((0, 0), (250, 15))
    del second["payload"]["info"]["last_token_usage"]

    run = load(first, second)

    assert [one.usage and one.usage.input_tokens for one in run.inferences] == [100, 150]


def test_a_text_that_events_repeat_is_one_block_and_one_that_only_an_event_has_is_read() -> None:
    run = load(
        event("user_message", message="Hello"),
        message("user", "Hello"),
        event("agent_reasoning", text="They greet me."),
        event("agent_message", message="Hi"),
    )

    assert [(block.kind, block.text) for block in run.latest] == [
        ("user", "Hello"),
        ("reasoning", "They greet me."),
        ("llm_text", "Hi"),
    ]
    assert len(run.inferences) == 1


def test_the_turn_after_a_compaction_has_the_summary_and_the_history_that_was_kept() -> None:
    history = [message("user", "First")["payload"]]
    run = load(
        message("user", "First"),
        message("assistant", "One"),
        record("compacted", {"message": "They said first.", "replacement_history": history}),
        message("user", "Second"),
        message("assistant", "Two"),
    )

    assert [block.text for block in run.latest] == ["They said first.", "First", "Second", "Two"]
    assert [block.text for block in run[0]] == ["First", "One"]


def test_an_exit_code_and_a_missing_success_are_failures() -> None:
    failed = json.dumps({"output": "no such file", "metadata": {"exit_code": 2}})
    fine = json.dumps({"output": "ok", "metadata": {"exit_code": 0}})

    run = load(message("user", "Go"), call("c1"), call("c2"), output("c1", failed), output("c2", fine))

    assert [block.error for block in run.latest.of_kind("tool_use")] == ["exit code 2", ""]


def test_a_subagent_names_its_parent_and_the_call_names_the_subagent() -> None:
    spawn = json.dumps({"agent_id": "s2"})
    parent = load(message("user", "Go"), call("c1", "spawn_agent"), output("c1", spawn))
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "s1", "depth": 1}}}
    meta = record("session_meta", {"id": "s2", "source": source})
    child = nt.loads("\n".join(map(json.dumps, (meta, message("user", "Look")))), strict=True)

    assert parent.child_ids == ("s2",) == (child.id,)
    assert child.parent_id == parent.id


def test_an_old_file_of_bare_items_is_read() -> None:
    header = {"id": "old", "timestamp": "2025-06-01T09:00:00Z", "instructions": "Be brief.", "git": {"branch": "main"}}
    items = [header, {"record_type": "state"}, message("user", "Hi")["payload"], call("c1")["payload"]]

    run = nt.loads("\n".join(map(json.dumps, items)), strict=True)

    assert run.import_report is not None and run.import_report.format == "codex" and run.id == "old"
    assert [block.kind for block in run.latest] == ["user", "tool_call"]


def test_changing_parsed_records_after_the_import_changes_no_run() -> None:
    records = [META, MODEL, message("user", "Hi"), event("mcp_startup", servers=["a"]), message("assistant", "Hello")]
    records = json.loads(json.dumps(records))
    run = next(codex.read_rollout(Source.of_data(records)))
    expected_run = next(codex.read_rollout(Source.of_data(json.loads(json.dumps(records)))))

    records[0]["payload"]["cwd"] = records[3]["payload"]["servers"] = records[2]["payload"]["content"] = "changed"

    assert run == expected_run and run.fields["records"][-1]["payload"]["servers"] == ["a"]
