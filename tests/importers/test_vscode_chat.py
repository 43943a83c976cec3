"""Chats of VS Code: tools, subagents, logs of changes, the directory of the workspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt


def tool(id: str, **fields: Any) -> dict[str, Any]:
    head = {"kind": "toolInvocationSerialized", "toolId": "copilot_readFile", "toolCallId": id, "isComplete": True}
    return {**head, "pastTenseMessage": {"value": "Read it"}, "isConfirmed": {"type": 1}, **fields}


def request(text: str, *response: Any, **fields: Any) -> dict[str, Any]:
    return {"requestId": f"r-{text}", "message": {"text": text}, "response": list(response), **fields}


def chat(*requests: Any) -> dict[str, Any]:
    return {"version": 3, "sessionId": "s", "requests": list(requests)}


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.error or block.result or block.name) for block in run.latest]


def test_tools_that_failed_or_did_not_run_have_an_error() -> None:
    terminal = {"kind": "terminal", "commandLine": {"original": "make"}, "terminalCommandState": {"exitCode": 2}}
    details = {"input": '{"a": 1}', "output": [{"type": "embed", "isText": True, "value": "no file"}], "isError": True}
    run = nt.loads(
        chat(
            request(
                "Go",
                tool("1", toolSpecificData=terminal, resultDetails=[{"value": "no rule"}]),
                tool("2", resultDetails=details),
                tool("3", isConfirmed={"type": 0}),
                tool("4", isConfirmed=False),
                tool("5", isConfirmed={"type": 5}),
                tool("6", isConfirmed={"type": 2, "id": "setting"}),
                tool("7", isComplete=False),
            )
        )
    )

    results = run.latest.of_kind("tool_use")
    denied = ["denied by the user", "denied by the user", "skipped by the user"]
    assert [result.error for result in results] == ["exit code 2", "no file", *denied, ""]
    assert results[0].result == "no rule"
    assert dict(run.latest.of_kind("tool_call")[0].args) == {"command": "make"}
    assert [block.tool_call_id for block in run.latest.pending] == ["7"]


def test_arguments_and_results_are_those_that_copilot_recorded() -> None:
    metadata = {
        "promptTokens": 100,
        "outputTokens": 5,
        "toolCallRounds": [{"toolCalls": [{"id": "1", "name": "read_file", "arguments": '{"path": "a"}'}]}],
        "toolCallResults": {"1": {"content": [{"value": "a line"}]}},
    }
    (run,) = nt.load_all(
        chat(request("Go", tool("1__vscode-17"), result={"metadata": metadata}, modelId="copilot/gpt-5"))
    )

    call, result = run.latest[1:]
    assert (call.name, dict(call.args), result.result) == ("read_file", {"path": "a"}, "a line")
    assert (run.usage.input_tokens, run.inferences[0].model, run.inferences[0].cost_source) == (100, "gpt-5", "table")


def test_texts_and_references_between_tools_are_one_text() -> None:
    reference = {"kind": "inlineReference", "inlineReference": {"fsPath": "/srv/a.py", "path": "/srv/a.py"}}
    located = {"kind": "inlineReference", "inlineReference": {"uri": {"path": "/srv/b.py"}, "range": {}}}
    named = {"kind": "inlineReference", "name": "main", "inlineReference": {"path": "/srv/c.py"}}

    run = nt.loads(
        chat(request("Go", {"value": "See "}, reference, {"value": ", "}, located, " and ", named, {"value": "."}))
    )

    assert texts(run) == ["Go", "See a.py, b.py and main."]


def test_the_parts_of_a_subagent_are_a_run_that_its_call_names() -> None:
    data = {"kind": "subagent", "description": "Look", "prompt": "Look around", "result": "Nothing there"}
    main, agent = nt.load_all(
        chat(
            request(
                "Go",
                tool("1", toolId="runSubagent", subAgentInvocationId="1", toolSpecificData=data),
                tool("2", subAgentInvocationId="1"),
                {"value": "Done"},
            )
        )
    )

    assert texts(main) == ["Go", "runSubagent", "Nothing there", "Done"]
    assert texts(agent) == ["Look around", "copilot_readFile", "Read it"]
    assert (main.latest[1].child_run_id, agent.parent_id) == (agent.id, "s")
    assert agent.metadata[nt.keys.PARENT_TOOL_CALL] == "1"


def test_a_log_of_changes_is_the_chat_as_it_is_after_them(tmp_path: Path) -> None:
    lines = [
        {"kind": 0, "v": chat()},
        {"kind": 2, "k": ["requests"], "v": [request("Hi", {"value": "Hel"})]},
        {"kind": 2, "k": ["requests", 0, "response"], "v": [{"value": "Hello"}], "i": 0},
        {"kind": 2, "k": ["requests", 0, "response"], "v": [{"value": " you"}]},
        {"kind": 1, "k": ["customTitle"], "v": "Greeting"},
        {"kind": 1, "k": ["nothing", "here"], "v": 1},
    ]
    folder = tmp_path / "workspace" / "chatSessions"
    folder.mkdir(parents=True)
    (folder / "s.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "workspace" / "workspace.json").write_text('{"folder": "file:///srv/my%20place"}')

    run = nt.load(folder / "s.jsonl")

    assert (texts(run), run.name) == (["Hi", "Hello you"], "Greeting")
    assert run.metadata[nt.keys.FIELDS]["cwd"] == "/srv/my place"
    assert run.import_report is not None and [note.position for note in run.import_report.dropped] == ["line 6"]
