"""Tools that a provider defines and the client runs: pending calls like any other, answered in the provider's own form."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt


def reply(provider: str, *items: dict[str, Any]) -> nt.Turn:
    """Return the blocks of a recorded reply."""
    if provider == "openai":
        body = {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x", "output": list(items), "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}}  # fmt: skip
    else:
        body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": list(items), "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    return nt.engines.decode(provider, body)


def shell(commands: list[str], timeout_ms: int | None = None, max_output_length: int | None = None) -> Any:
    """Run commands."""
    return f"ran {commands}"


def apply_patch(**operation: Any) -> str:
    """Apply a patch."""
    return f"patched {operation['path']}"


def mcp_approval(server_label: str, name: str, arguments: Any = None) -> bool:
    """Approve calls that only read."""
    return name.startswith("read")


def bash(command: str = "", restart: bool = False) -> str:
    """Run a command."""
    return f"ran {command}"


def edit(command: str, path: str, **more: Any) -> str:
    """Edit a file."""
    return f"{command} {path}"


CASES = [
    pytest.param("openai", "shell", shell, {"type": "shell"},
                 {"type": "shell_call", "id": "sh_1", "call_id": "c1", "status": "completed", "action": {"commands": ["ls"]}},
                 "shell_call_output", id="shell"),
    pytest.param("openai", "apply_patch", apply_patch, {"type": "apply_patch"},
                 {"type": "apply_patch_call", "id": "ap_1", "call_id": "c1", "status": "completed", "operation": {"type": "delete_file", "path": "a.py"}},
                 "apply_patch_call_output", id="patch"),
    pytest.param("openai", "mcp_approval", mcp_approval, {"type": "mcp", "server_label": "files", "server_url": "https://files.example"},
                 {"type": "mcp_approval_request", "id": "c1", "server_label": "files", "name": "read_file", "arguments": "{}"},
                 "mcp_approval_response", id="approval"),
    pytest.param("anthropic", "bash", bash, {"type": "bash_20250124"},
                 {"type": "tool_use", "id": "c1", "name": "bash", "input": {"command": "ls"}}, "tool_result", id="bash"),
    pytest.param("anthropic", "str_replace_based_edit_tool", edit, {"type": "text_editor_20250728", "max_characters": 1000},
                 {"type": "tool_use", "id": "c1", "name": "str_replace_based_edit_tool", "input": {"command": "view", "path": "a.py"}},
                 "tool_result", id="editor"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "name", "function", "options", "item", "answer_type"), CASES)
def test_a_call_is_stepped_run_and_answered(
    provider: str, name: str, function: Any, options: Any, item: Any, answer_type: str
) -> None:
    tool = nt.Tool(function, options={provider: options})
    recorded = reply(provider, item)
    assert [(call.name, call.tool_call_id) for call in recorded.pending] == [(name, "c1")]

    session = nt.Session(nt.scripted(list(recorded), "done"), tools=[tool], step={"post_inference"})
    execution = session.ask("q")
    pause = execution.next().result(60)
    assert pause is not None and [call.name for call in pause.turn.pending] == [name]
    execution.resume()
    turn = execution.result(60)

    answer = turn.of_kind("tool_use")[0]
    assert answer.error == "" and answer.result in ("ran ['ls']", "patched a.py", True, "ran ls", "view a.py")
    body = nt.engines.request(
        f"{provider}:{'gpt-5.1' if provider == 'openai' else 'claude-sonnet-4-5'}", turn, tools=[tool]
    )
    assert answer_type in str(body)
    sent_tool = body["tools"][0]
    assert sent_tool["type"] == options["type"] and "input_schema" not in sent_tool and "parameters" not in sent_tool


@pytest.mark.parametrize("provider", ["openai-chat:gpt-4.1", "gemini:gemini-3-pro-preview"])
def test_for_other_providers_it_is_an_ordinary_tool(provider: str) -> None:
    tool = nt.Tool(bash, options={"anthropic": {"type": "bash_20250124"}})

    assert "restart" in str(nt.engines.request(provider, nt.turn("x"), tools=[tool])["tools"])


def test_a_denied_call_of_such_a_tool_does_not_run() -> None:
    tool = nt.Tool(shell, options={"openai": {"type": "shell"}})
    recorded = reply("openai", {"type": "shell_call", "id": "sh_1", "call_id": "c1", "status": "completed", "action": {"commands": ["rm"]}})  # fmt: skip
    policy = [{"tool": "shell", "args": {"commands": "rm*"}, "decision": "deny", "reason": "no"}]
    turn = nt.Session(nt.scripted(list(recorded), "done"), tools=[tool], policy=policy).ask("q").result(60)

    assert turn.of_kind("tool_use")[0].error == "denied: no"
    assert "denied: no" in str(nt.engines.request("openai:gpt-5.1", turn, tools=[tool])["input"])
