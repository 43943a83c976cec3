"""Sessions of OpenCode: exports, the folder, the database and events; compactions, subagents, reverted messages."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

ZERO = {"input": 0, "output": 0, "reasoning": 0, "cache": {"read": 0, "write": 0}}


def tokens(input: int, output: int, reasoning: int = 0, **total: int) -> dict[str, Any]:
    return {**total, "input": input, "output": output, "reasoning": reasoning, "cache": {"read": 5, "write": 2}}


def info(id: str, role: str, **fields: Any) -> dict[str, Any]:
    own = {"modelID": "claude-sonnet-4-5", "providerID": "anthropic", "cost": 0.5, "tokens": tokens(10, 3)}
    base = {"id": id, "sessionID": "ses_a", "role": role, "time": {"created": 1_746_090_000_000}}
    return {**base, **(own if role == "assistant" else {}), **fields}


def part(id: str, type: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"prt_{id}", "sessionID": "ses_a", "messageID": f"msg_{id[0]}", "type": type, **fields}


def message(id: str, role: str, text: str, *parts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"info": info(f"msg_{id}", role, **fields), "parts": [part(f"{id}0", "text", text=text), *parts]}


def session(*messages: Any, **fields: Any) -> dict[str, Any]:
    head = {"id": "ses_a", "directory": "/work", "version": "1.1.65", "time": {"created": 1_746_090_000_000}}
    return {"info": {**head, **fields}, "messages": list(messages)}


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.result or block.name) for block in run.latest]


def task(id: str, **state: Any) -> dict[str, Any]:
    metadata = {"sessionId": "ses_child"}
    fields = {"status": "completed", "input": {"prompt": "look"}, "output": "done", "metadata": metadata, **state}
    return part(id, "tool", callID="call_1", tool="task", state=fields)


def test_the_context_after_a_summary_is_the_request_the_summary_and_the_messages_that_were_kept() -> None:
    request = {"info": info("msg_4", "user"), "parts": [part("40", "compaction", auto=True, tail_start_id="msg_3")]}

    run = nt.loads(
        session(
            message("1", "user", "Old"),
            message("2", "assistant", "Old answer"),
            message("3", "user", "Kept"),
            request,
            message("5", "assistant", "The summary", summary=True, finish="stop", parentID="msg_4"),
            message("6", "user", "New"),
        ),
        strict=True,
    )

    assert [block.text for block in run.latest] == ["Kept", "", "The summary", "New"]
    assert [block.text for block in run.turns[-2]] == ["Old", "Old answer", "Kept", "", "The summary"]
    assert len(run.inferences) == 2


def test_messages_that_were_taken_back_are_a_branch(tmp_path: Path) -> None:
    document = session(
        message("1", "user", "Hello"),
        message("2", "assistant", "Hi"),
        message("3", "user", "Taken back"),
        revert={"messageID": "msg_3"},
    )

    path = tmp_path / "export.json"
    path.write_text(json.dumps(document))
    main, branch = nt.load_all(path)

    assert texts(main) == ["Hello", "Hi"]
    assert texts(branch) == ["Hello", "Hi", "Taken back"]
    assert branch.metadata[nt.keys.BRANCH_OF] == main.id == "ses_a"
    assert len(nt.frames.inferences(path)) == 1


@pytest.mark.parametrize(
    ("counts", "output"),
    [
        (tokens(10, 30, 20, total=47), 30),  # the total shows that the output includes the reasoning
        (tokens(10, 30, 20, total=67), 50),
        (tokens(10, 30, 20), 30),
        (tokens(10, 5, 20), 25),  # it cannot include more than it has
    ],
)
def test_reasoning_is_counted_once(counts: dict[str, Any], output: int) -> None:
    (call,) = nt.loads(session(message("1", "user", "Hi"), message("2", "assistant", "Hi", tokens=counts))).inferences

    assert call.usage == nt.Usage(17, output, 5, 2, 20)


def test_a_reply_that_was_interrupted_has_no_tokens_and_a_free_model_is_priced() -> None:
    error = {"name": "MessageAbortedError", "data": {"message": "aborted"}}
    run = nt.loads(
        session(
            message("1", "user", "Hi"),
            message("2", "assistant", "Par", tokens=ZERO, cost=0, error=error),
            message("3", "assistant", "Whole", cost=0, finish="stop"),
        )
    )

    cut, whole = run.inferences
    assert (cut.usage, cut.cost, str(cut.finish_class)) == (None, None, "interrupted")
    assert (whole.cost_source, str(whole.finish_class)) == ("table", "completed")


def test_each_step_of_a_message_of_an_old_version_is_a_call() -> None:
    steps = [
        part("20", "step-start"),
        part("21", "tool", callID="c1", tool="bash", state={"status": "completed", "input": {}, "output": "x"}),
        part("22", "step-finish", reason="tool-calls", tokens=tokens(10, 3), cost=0.25),
        part("23", "step-start"),
        part("24", "text", text="Done"),
        part("25", "step-finish", reason="stop", tokens=tokens(20, 4), cost=0.125),
    ]
    reply = {"info": info("msg_2", "assistant", tokens=tokens(20, 4), cost=0.375), "parts": steps}

    run = nt.loads(session(message("1", "user", "Go"), reply), strict=True)

    assert [(call.usage.input_tokens, call.cost) for call in run.inferences if call.usage] == [(17, 0.25), (27, 0.125)]
    assert [block.kind for block in run.latest] == ["user", "tool_call", "tool_use", "llm_text"]


def test_a_command_that_failed_has_its_exit_code_as_the_error() -> None:
    state = {"status": "completed", "input": {"command": "make"}, "output": "no rule", "metadata": {"exit": 2}}
    reply = message("2", "assistant", "I build", part("21", "tool", callID="c1", tool="bash", state=state))

    (result,) = nt.loads(session(message("1", "user", "Go"), reply)).latest.of_kind("tool_use")

    assert (result.error, result.result) == ("exit code 2", "no rule")


def storage(tmp_path: Path) -> Path:
    """Write the folder of two sessions, the second started by the first."""
    root = tmp_path / "storage"

    def write(name: str, value: Any) -> None:
        path = root / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))

    documents = {
        "ses_a": session(message("1", "user", "Go"), message("2", "assistant", "I ask", task("21"))),
        "ses_child": session(message("3", "user", "look", sessionID="ses_child"), id="ses_child", parentID="ses_a"),
    }
    for session_id, document in documents.items():
        write(f"session/project/{session_id}", document["info"])
        for one in document["messages"]:
            write(f"message/{session_id}/{one['info']['id']}", one["info"])
            for own_part in one["parts"]:
                write(f"part/{one['info']['id']}/{own_part['id']}", own_part)
    return root


def test_a_folder_has_a_run_for_each_session_and_none_for_the_files_of_messages(tmp_path: Path) -> None:
    root = storage(tmp_path)
    runs = nt.load_all(root)

    main, child = sorted(runs, key=lambda run: run.id)

    assert not runs.errors
    assert texts(main) == ["Go", "I ask", "task", "done"] and texts(child) == ["look"]
    assert (main.latest.of_kind("tool_call")[0].child_run_id, child.parent_id) == ("ses_child", "ses_a")
    assert main.metadata[nt.keys.FIELDS]["directory"] == "/work"


def test_a_damaged_part_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    root = storage(tmp_path)
    (root / "part" / "msg_2" / "prt_21.json").write_text('{"id": "prt_21", "type": "too')

    run = nt.load(root / "session" / "project" / "ses_a.json")

    assert texts(run)[:2] == ["Go", "I ask"]
    assert run.import_report is not None
    assert any("prt_21.json" in note for note in run.import_report.dropped)


def test_messages_without_their_session_are_one_run(tmp_path: Path) -> None:
    root = storage(tmp_path)
    (root / "session" / "project" / "ses_a.json").unlink()

    (run,) = [run for run in nt.load_all(root) if run.id == "ses_a"]

    assert texts(run) == ["Go", "I ask", "task", "done"]


def test_a_name_in_a_file_leads_nowhere_else(tmp_path: Path) -> None:
    root = storage(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "msg_1.json").write_text(json.dumps(info("msg_1", "user")))
    path = root / "session" / "project" / "ses_x.json"
    path.write_text(json.dumps(session(id="ses_../../outside")["info"]))

    assert len(nt.load(path).latest) == 0


def test_the_database_has_the_same_sessions(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    document = session(message("1", "user", "Go"), message("2", "assistant", "I ask", task("21")))
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE session (id TEXT, parent_id TEXT, directory TEXT, version TEXT, time_created INT)"
        )
        database.execute("CREATE TABLE message (id TEXT, session_id TEXT, time_created INT, data TEXT)")
        database.execute("CREATE TABLE part (id TEXT, message_id TEXT, session_id TEXT, time_created INT, data TEXT)")
        database.execute("INSERT INTO session VALUES ('ses_child', 'ses_a', '/work', '1.2.0', 1)")
        database.execute("INSERT INTO session VALUES ('ses_a', NULL, '/work', '1.2.0', 2)")
        for one in document["messages"]:
            own = {name: value for name, value in one["info"].items() if name not in ("id", "sessionID")}
            row = (one["info"]["id"], "ses_a", 1, json.dumps(own))
            database.execute("INSERT INTO message VALUES (?, ?, ?, ?)", row)
            for own_part in one["parts"]:
                row = (own_part["id"], own_part["messageID"], "ses_a", 1, json.dumps(own_part))  # type: ignore[assignment]
                database.execute("INSERT INTO part VALUES (?, ?, ?, ?, ?)", row)
    database.close()

    main, child = nt.load_all(path, strict=True)

    assert texts(main) == texts(nt.loads(document))
    assert (main.inferences[0].cost, child.parent_id, child.metadata[nt.keys.ROOT_RUN]) == (0.5, "ses_a", "ses_a")


def test_events_change_what_earlier_ones_said(tmp_path: Path) -> None:
    def event(type: str, **properties: Any) -> dict[str, Any]:
        return {"directory": "/work", "payload": {"type": type, "properties": properties}}

    events = [
        event("session.updated", info=session(title="First title")["info"]),
        event("message.updated", info=info("msg_1", "user")),
        event("message.part.updated", part=part("10", "text", text="Hello")),
        event("message.updated", info=info("msg_2", "assistant", tokens=ZERO)),
        event("message.part.updated", part=part("20", "text", text="H")),
        event("message.part.delta", sessionID="ses_a", messageID="msg_2", partID="prt_20", field="text", delta="i"),
        event("message.part.updated", part=part("21", "text", text="Removed")),
        event("message.part.removed", sessionID="ses_a", messageID="msg_2", partID="prt_21"),
        event("message.updated", info=info("msg_2", "assistant", finish="stop")),
        event("session.updated", info=session(title="Title")["info"]),
        event("session.idle", sessionID="ses_a"),
    ]
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, events)))

    run = nt.load(path, strict=True)

    assert (texts(run), run.name, run.inferences[0].usage) == (["Hello", "Hi"], "Title", nt.Usage(17, 3, 5, 2, 0))


def test_the_lines_of_a_run_in_a_shell_are_a_reply(tmp_path: Path) -> None:
    def line(type: str, part: dict[str, Any]) -> str:
        return json.dumps({"type": type, "timestamp": 1, "sessionID": "ses_a", "part": part})

    finish = part("22", "step-finish", reason="stop", tokens=tokens(10, 3), cost=0.25)
    path = tmp_path / "run.jsonl"
    path.write_text("\n".join([line("text", part("21", "text", text="Hi")), line("step_finish", finish)]))

    run = nt.load(path, strict=True)

    assert (texts(run), run.cost, run.id) == (["Hi"], 0.25, "ses_a")
