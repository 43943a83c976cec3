"""Pi's sessions and those of Copilot CLI: branches, compactions, subagents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt

HEADER = {"type": "session", "version": 3, "id": "s", "timestamp": "2026-05-01T09:00:00Z", "cwd": "/work"}


def entry(id: str, parent: str | None, role: str, text: str, **fields: Any) -> dict[str, Any]:
    message = {"role": role, "content": [{"type": "text", "text": text}], **fields}
    return {"type": "message", "id": id, "parentId": parent, "timestamp": "2026-05-01T09:00:01Z", "message": message}


def load(tmp_path: Path, *records: dict[str, Any]) -> list[nt.Run]:
    path = tmp_path / "session.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return list(nt.load_all(path, strict=True))


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.result or block.name) for block in run.latest]


def test_each_leaf_of_a_session_of_pi_is_a_run_and_the_last_entry_is_on_the_first(tmp_path: Path) -> None:
    main, branch = load(
        tmp_path,
        HEADER,
        entry("1", None, "user", "Hello"),
        entry("2", "1", "assistant", "Hi"),
        entry("3", "2", "user", "Old question"),
        entry("4", "2", "user", "New question"),
    )

    assert texts(main) == ["Hello", "Hi", "New question"] and main.id == "s"
    assert texts(branch) == ["Hello", "Hi", "Old question"]
    assert nt.frames.inferences(tmp_path / "session.jsonl").inference_id.nunique() == 1
    assert nt.load(tmp_path / "session.jsonl").id == "s"


def test_the_turn_after_a_compaction_of_pi_has_the_summary_and_what_was_kept(tmp_path: Path) -> None:
    compaction = {"type": "compaction", "id": "5", "parentId": "4", "summary": "They greeted.", "firstKeptEntryId": "3"}

    (run,) = load(
        tmp_path,
        HEADER,
        entry("1", None, "user", "Hello"),
        entry("2", "1", "assistant", "Hi"),
        entry("3", "2", "user", "Kept"),
        entry("4", "3", "assistant", "Kept answer"),
        compaction,
        entry("6", "5", "user", "New"),
    )

    assert texts(run) == ["They greeted.", "Kept", "Kept answer", "New"]


def test_an_aborted_request_of_pi_has_unknown_tokens(tmp_path: Path) -> None:
    usage = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "cost": {"total": 0}}

    (run,) = load(tmp_path, HEADER, entry("1", None, "assistant", "", usage=usage, stopReason="aborted"))

    assert (run.inferences[0].usage, run.inferences[0].cost) == (None, None)
    assert str(run.inferences[0].finish_class) == "interrupted"


def event(type: str, **data: Any) -> dict[str, Any]:
    return {"type": type, "id": "e", "timestamp": "2026-05-01T09:00:00Z", "data": data}


def test_the_events_of_a_subagent_of_copilot_are_a_run_that_its_call_names(tmp_path: Path) -> None:
    main, agent = load(
        tmp_path,
        event("session.start", sessionId="s", selectedModel="gpt-5"),
        event("user.message", content="Look around"),
        event("assistant.message", messageId="m1", content="", toolRequests=[{"toolCallId": "t1", "name": "task"}]),
        event("tool.execution_start", toolCallId="t1", toolName="task", arguments={"prompt": "look"}),
        event(
            "assistant.message",
            messageId="m2",
            content="",
            parentToolCallId="t1",
            toolRequests=[{"toolCallId": "t2", "name": "view"}],
        ),
        event("tool.execution_complete", toolCallId="t2", success=True, result={"content": "a file"}),
        event("tool.execution_complete", toolCallId="t1", success=False, error="it gave up"),
        event("assistant.message", messageId="m3", content="Done"),
    )

    (call,) = main.latest.of_kind("tool_call")
    assert (dict(call.args), call.child_run_id, agent.parent_id) == ({"prompt": "look"}, agent.id, main.id)
    assert texts(agent) == ["view", "a file"]
    assert [block.error for block in main.latest.of_kind("tool_use")] == ["it gave up"]
    assert [len(run.inferences) for run in (main, agent)] == [2, 1]
