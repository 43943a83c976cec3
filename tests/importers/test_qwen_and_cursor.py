"""Sessions of Qwen Code, QwenPaw and Cursor: branches, compactions, subagents, files beside a session."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

SESSION = "5f0c3a52-7f1e-4c55-9a55-1f6a2f0c9d11"


def record(number: int, parent: int | None, type: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    role = "model" if type == "assistant" else "user"
    message = {"message": {"role": role, "parts": list(parts)}} if parts else {}
    head = {"uuid": f"u{number}", "parentUuid": None if parent is None else f"u{parent}", "sessionId": SESSION}
    return {**head, "timestamp": f"2026-05-01T09:00:{number:02d}Z", "type": type, "cwd": "/work", **message, **fields}


def call(id: str, name: str = "read") -> dict[str, Any]:
    return {"functionCall": {"id": id, "name": name, "args": {}}}


def output(id: str, **response: str) -> dict[str, Any]:
    return {"functionResponse": {"id": id, "name": "read", "response": response}}


def write(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.error or block.result or block.name) for block in run.latest]


def test_the_path_that_a_rewind_of_qwen_left_is_a_branch(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.jsonl",
        record(1, None, "user", {"text": "Hello"}),
        record(2, 1, "assistant", {"text": "Hi"}, usageMetadata={"promptTokenCount": 5, "candidatesTokenCount": 2}),
        record(3, 2, "user", {"text": "Old"}),
        record(4, 2, "system", subtype="rewind", systemPayload={"truncatedCount": 1}),
        record(5, 4, "user", {"text": "New"}),
        record(6, 2, "system", subtype="custom_title", systemPayload={"customTitle": "Greeting"}),
        record(7, 5, "assistant", {"text": "Newer"}),
    )

    main, branch = nt.load_all(path, strict=True)

    assert texts(main) == ["Hello", "Hi", "New", "Newer"] and texts(branch) == ["Hello", "Hi", "Old"]
    assert branch.metadata[nt.keys.BRANCH_OF] == main.id == SESSION
    assert nt.frames.inferences(path).input_tokens.sum() == 5
    assert main.metadata[nt.keys.FIELDS]["cwd"] == "/work"


def test_a_compression_of_qwen_begins_a_context_with_the_summary_and_what_is_kept(tmp_path: Path) -> None:
    history = [
        {"role": "user", "parts": [{"text": "They greeted."}]},
        {"role": "model", "parts": [call("c1")]},
        {"role": "user", "parts": [output("c1", output="a file")]},
    ]
    path = write(
        tmp_path / "s.jsonl",
        record(1, None, "user", {"text": "Hello"}),
        record(2, 1, "assistant", call("c1")),
        record(
            3, 2, "tool_result", output("c1", output="a file"), toolCallResult={"callId": "c1", "status": "success"}
        ),
        record(4, 3, "system", subtype="chat_compression", systemPayload={"compressedHistory": history}),
        record(5, 4, "user", {"text": "New"}),
    )

    run = nt.load(path, strict=True)

    assert texts(run) == ["They greeted.", "read", "a file", "New"]
    assert texts(nt.Run((run.turns[0],))) == ["Hello", "read", "a file"]
    assert len(run.inferences) == 1


@pytest.mark.parametrize(("total", "tokens"), [(130, 30), (150, 50)])
def test_the_thoughts_of_qwen_are_counted_once(tmp_path: Path, total: int, tokens: int) -> None:
    counts = {"promptTokenCount": 100, "candidatesTokenCount": 30, "thoughtsTokenCount": 20, "totalTokenCount": total}
    path = write(tmp_path / "s.jsonl", record(1, None, "assistant", {"text": "Hi"}, usageMetadata=counts))

    assert nt.load(path).usage.output_tokens == tokens


def test_a_tool_of_qwen_that_was_cancelled_has_an_error(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.jsonl",
        record(1, None, "assistant", call("c1")),
        record(
            2, 1, "tool_result", output("c1", output="[Operation Cancelled]"), toolCallResult={"status": "cancelled"}
        ),
    )

    assert nt.load(path, strict=True).latest[-1].error == "[Operation Cancelled]"


def test_a_subagent_of_qwen_is_linked_by_the_file_beside_its_own(tmp_path: Path) -> None:
    main_path = write(tmp_path / "chats" / f"{SESSION}.jsonl", record(1, None, "assistant", call("c1", "agent")))
    agent = {"agentId": "explore-1", "isSidechain": True, "agentRunId": "r", "agentRound": 1}
    counts = {"promptTokenCount": 9, "candidatesTokenCount": 1}
    agent_path = write(
        tmp_path / "subagents" / SESSION / "agent-explore-1.jsonl",
        record(1, None, "user", {"text": "look"}, **agent),
        record(2, 1, "assistant", {"text": "I look"}, usageMetadata=counts, **agent),
        record(3, 2, "assistant", call("c2"), **agent),
    )
    meta = {"agentId": "explore-1", "toolUseId": "c1", "description": "Look around", "parentAgentId": None}
    write(agent_path.with_name("agent-explore-1.meta.json"), meta)

    main, child = nt.load(main_path), nt.load(agent_path)

    assert main.latest[-1].child_run_id == child.id == f"{SESSION}/explore-1"
    assert (child.parent_id, child.name) == (SESSION, "Look around")
    assert child.metadata[nt.keys.PARENT_TOOL_CALL] == "c1"
    assert [call.usage and call.usage.input_tokens for call in child.inferences] == [9]


def test_the_copies_of_a_fork_of_qwen_are_the_calls_of_the_first_session(tmp_path: Path) -> None:
    fork = {"forkedFrom": {"sessionId": "first", "messageUuid": "u1"}}
    path = write(tmp_path / "s.jsonl", record(1, None, "assistant", {"text": "Hi"}, **fork))

    run = nt.load(path)

    assert (run.inferences[0].inference_id, run.metadata[nt.keys.BRANCH_OF]) == ("first/u1", "first")


def pair(role: str, part: dict[str, Any], *marks: str) -> list[Any]:
    return [
        {"id": "m", "name": role, "role": role, "content": [part], "timestamp": "2026-05-01 09:00:00.000"},
        [*marks],
    ]


def test_what_qwenpaw_compressed_is_in_the_context_before() -> None:
    memory = {
        "content": [
            pair("user", {"type": "text", "text": "Hello"}, "compressed"),
            pair("assistant", {"type": "text", "text": "Hi"}, "compressed"),
            pair("user", {"type": "text", "text": "New"}),
        ],
        "_compressed_summary": "They greeted.",
    }

    run = nt.loads({"agent": {"memory": memory, "name": "Friday"}}, strict=True)

    assert texts(run) == ["They greeted.", "New"] and len(run) == 2


def line(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "message": {"content": list(parts)}}


def test_a_transcript_of_cursor_has_the_model_and_the_title_of_its_database(tmp_path: Path) -> None:
    folder = tmp_path / "projects" / "work" / "agent-transcripts" / SESSION
    path = write(
        folder / f"{SESSION}.jsonl",
        line("user", {"type": "text", "text": "Hi"}),
        line("assistant", {"type": "tool_use", "name": "Read", "input": {"path": "a"}}),
        line("user", {"type": "text", "text": "Go on"}),
    )
    child_path = write(folder / "subagents" / f"{SESSION[::-1]}.jsonl", line("user", {"type": "text", "text": "look"}))
    (tmp_path / "ai-tracking").mkdir()
    with sqlite3.connect(tmp_path / "ai-tracking" / "ai-code-tracking.db") as database:
        database.execute("CREATE TABLE conversation_summaries (conversationId TEXT, title TEXT, model TEXT)")
        database.execute("INSERT INTO conversation_summaries VALUES (?, 'Greeting', 'gpt-5')", [SESSION])
    database.close()

    run = nt.load(path, strict=True)

    assert (run.id, run.name, run.inferences[0].model) == (SESSION, "Greeting", "gpt-5")
    assert dict(run.latest.of_kind("tool_call")[0].args) == {"path": "a"}
    assert nt.load(child_path).parent_id == SESSION


def test_an_older_transcript_of_cursor_is_a_text_with_marks(tmp_path: Path) -> None:
    path = tmp_path / "transcript.txt"
    path.write_text(
        "user:\n<user_query>\nRead it\n</user_query>\n\n"
        "assistant:\n[Thinking]\n  I should read.\n[Tool call] Read\n  path=a.txt\n  limit=5\n[Tool result] Read\n  a line\n"
        "That is a line.\n"
    )

    run = nt.load(path)

    kinds = [block.kind for block in run.latest]
    assert kinds == ["user", "reasoning", "tool_call", "tool_use", "llm_text"]
    assert dict(run.latest[2].args) == {"path": "a.txt", "limit": "5"}
    assert run.latest[3].tool_call_id == run.latest[2].tool_call_id
    assert [run.latest[index].text for index in (1, 4)] == ["I should read.", "That is a line."]


def test_a_text_that_only_names_a_user_is_not_of_cursor(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("user:\n  name: Ada\nassistant:\n  name: Friday\n")

    with pytest.raises(nt.LoadError, match="no format matches"):
        nt.load(path)
