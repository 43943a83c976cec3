"""Tasks of Cline, Roo Code and Kilo Code with the files beside them, and sessions of Cline's command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt

ENVIRONMENT = "<environment_details>\n# Current Working Directory (/work) Files\n<model>claude-sonnet-4</model>\n</environment_details>"


def message(role: str, *texts: str, **fields: Any) -> dict[str, Any]:
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts], **fields}


def request(time: int, **counts: Any) -> dict[str, Any]:
    return {"ts": time, "type": "say", "say": "api_req_started", "text": json.dumps({"request": "…", **counts})}


def say(time: int, kind: str, text: str, type: str = "say") -> dict[str, Any]:
    return {"ts": time, "type": type, type: kind, "text": text}


def task(tmp_path: Path, **files: Any) -> Path:
    """Write the files of a task and return its folder."""
    folder = tmp_path / "1746090000000"
    folder.mkdir()
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.error or block.result or block.name) for block in run.latest]


def test_a_task_has_the_tokens_of_its_page_and_the_model_and_folder_of_its_texts(tmp_path: Path) -> None:
    folder = task(
        tmp_path,
        api_conversation_history=[
            message("user", "<task>\nRead it\n</task>", ENVIRONMENT),
            message("assistant", "I read it.\n\n<read_file>\n<path>a.txt</path>\n</read_file>"),
            message("user", "[read_file for 'a.txt'] Result:", "a line", ENVIRONMENT),
            message("assistant", "<execute_command>\n<command>make</command>\n</execute_command>"),
            message(
                "user",
                "[execute_command for 'make'] Result:",
                "The tool execution failed with the following error:\nno",
            ),
        ],
        ui_messages=[
            say(1, "text", "Read it"),
            request(2, tokensIn=10, tokensOut=5, cacheReads=90, cacheWrites=7, cost=0.25),
            request(3, cancelReason="user_cancelled"),
            request(4, tokensIn=20, tokensOut=6, cost=0.5),
            request(5, tokensIn=1, tokensOut=1, cost=0.125),
        ],
        history_item={"id": "x", "task": "Read it", "ts": 1746090000000, "parentTaskId": "17460", "workspace": "/work"},
        task_metadata={"files_in_context": [], "model_usage": []},
    )
    runs = nt.load_all(folder)

    (run,) = runs

    assert texts(run)[2:6] == ["I read it.", "read_file", "a line", ENVIRONMENT]
    assert [dict(call.args) for call in run.latest.of_kind("tool_call")] == [{"path": "a.txt"}, {"command": "make"}]
    assert [result.error[:23] for result in run.latest.of_kind("tool_use")] == ["", "The tool execution fail"]
    assert [call.usage for call in run.inferences] == [nt.Usage(107, 5, 90, 7, 0), nt.Usage(20, 6), nt.Usage(1, 1)]
    assert (run.cost, {call.model for call in run.inferences}) == (0.875, {"claude-sonnet-4"})
    assert (run.id, run.name, run.parent_id) == ("1746090000000", "Read it", "17460")
    assert run.metadata[nt.keys.FIELDS]["cwd"] == "/work"


def test_the_request_of_a_reply_is_the_last_one_before_it(tmp_path: Path) -> None:
    usage = [{"ts": 1, "model_id": "gpt-5"}, {"ts": 35, "model_id": "gpt-5-mini"}]
    folder = task(
        tmp_path,
        api_conversation_history=[
            message("user", "Hi", ts=5),
            message("assistant", "Hello", ts=20),
            message("user", "Bye", ts=25),
            message("assistant", "Bye", ts=40),
        ],
        ui_messages=[
            request(10, tokensIn=1, tokensOut=1),
            request(15, tokensIn=2, tokensOut=1, cacheReads=1, apiProtocol="openai"),
            request(36, tokensIn=3, tokensOut=1, apiProtocol="openai"),
        ],
        task_metadata={"model_usage": usage},
    )

    run = nt.load(folder / "api_conversation_history.json", strict=True)

    first, second, left = run.inferences
    assert [call.usage and call.usage.input_tokens for call in (first, second, left)] == [2, 3, 1]
    assert [call.model for call in (first, second)] == ["gpt-5", "gpt-5-mini"]


def test_a_page_alone_is_the_conversation_of_its_task(tmp_path: Path) -> None:
    folder = task(
        tmp_path,
        ui_messages=[
            say(1, "text", "Read it"),
            request(2, tokensIn=10, tokensOut=5),
            say(3, "reasoning", "I should read."),
            say(4, "tool", '{"tool": "readFile", "path": "a.txt"}', "ask"),
            request(5, tokensIn=20, tokensOut=6),
            say(6, "command", "make", "ask"),
            say(7, "command_output", "no rule"),
            say(8, "command_output", "stop"),
            say(9, "completion_result", "Done"),
            say(10, "completion_result", "", "ask"),
            say(11, "user_feedback", "Thanks"),
        ],
    )

    run = nt.load(folder / "ui_messages.json", strict=True)

    assert texts(run) == ["Read it", "I should read.", "readFile", "execute_command", "no rule\nstop", "Done", "Thanks"]
    assert [call.usage and call.usage.input_tokens for call in run.inferences] == [10, 20]
    assert run.inferences[0].inference_id == run.latest[1].inference_id == run.latest[2].inference_id


def test_a_summary_of_roo_begins_a_context_and_a_mark_keeps_what_it_does_not_hide() -> None:
    run = nt.loads(
        [
            message("user", "First", ts=1, truncationParent="t"),
            message("assistant", "Second", ts=2, truncationParent="t"),
            message("user", "Third", ts=3),
            message("assistant", "Fourth", ts=4),
            message("user", "[hidden]", ts=5, isTruncationMarker=True, truncationId="t"),
            message("assistant", "Fifth", ts=6, condenseParent="c"),
            message("user", "The summary", ts=7, isSummary=True, condenseId="c"),
        ],
        strict=True,
    )

    assert [[block.text for block in turn] for turn in run][-2:] == [
        ["Third", "Fourth", "[hidden]", "Fifth"],
        ["The summary"],
    ]


def test_a_session_of_the_command_line_has_its_counts_and_its_fork(tmp_path: Path) -> None:
    metrics = {"inputTokens": 100, "outputTokens": 5, "cacheReadTokens": 90, "cacheWriteTokens": 2, "cost": 0.5}
    reply = message("assistant", "Hi", id="m2", ts=2, metrics=metrics, modelInfo={"id": "claude", "provider": "cline"})
    attached = {"type": "file", "path": "/srv/a.txt", "content": "a line"}
    prompt = {"id": "m1", "role": "user", "content": [{"type": "text", "text": "Hello"}, attached], "ts": 1}
    document = {
        "version": 1,
        "updated_at": "2026-05-01",
        "agent": "lead",
        "sessionId": "s",
        "messages": [prompt, reply],
    }
    (tmp_path / "s.messages.json").write_text(json.dumps({**document, "system_prompt": "Be brief."}))
    fork = {"fork": {"forkedFromSessionId": "earlier"}, "title": "Greeting"}
    (tmp_path / "s.json").write_text(json.dumps({"session_id": "s", "cwd": "/work", "metadata": fork}))

    run = nt.load(tmp_path / "s.messages.json", strict=True)

    assert texts(run) == ["Be brief.", "Hello", "a line", "Hi"]
    assert (run.usage, run.cost) == (nt.Usage(100, 5, 90, 2, 0), 0.5)
    assert (run.name, run.metadata[nt.keys.BRANCH_OF]) == ("Greeting", "earlier")


def test_messages_of_the_api_are_not_of_cline() -> None:
    run = nt.loads([message("user", "Hi"), {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]}])

    assert run.import_report is not None and run.import_report.format != "cline"


def test_a_folder_has_no_errors_for_the_files_beside_a_task(tmp_path: Path) -> None:
    folder = task(
        tmp_path,
        api_conversation_history=[message("user", "<task>Read it</task>", ENVIRONMENT), message("assistant", "Done.")],
        task_metadata={"files_in_context": [], "model_usage": []},
        context_history=[[0, [0, []]]],
        settings={},
    )
    (folder / "focus_chain_taskid_1.md").write_text("- [ ] read it\n")

    frames, runs = nt.frames.read(folder), nt.load_all(folder)

    assert len(list(runs)) == 1 and not runs.errors and not len(frames.errors)
    (folder / "api_conversation_history.json").unlink()
    assert "task_metadata.json" in " ".join(nt.frames.read(folder).errors.file)  # alone it is no part of a task
