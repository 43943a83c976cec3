"""One wording and one notion of position for a fault, whatever the format it is in."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns import importers

PACKAGE = Path(importers.__file__).parent
CHAT = "openai-chat"
Conversation = dict[str, Any]


def chat(*messages: Any) -> Any:
    return [{"role": "user", "content": "q"}, *messages]


def chat_call(id: str | None) -> Any:
    call = {"type": "function", "function": {"name": "f", "arguments": "{}"}} | ({"id": id} if id else {})
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def claude(role: str, *parts: Any) -> Any:
    return {"role": role, "content": list(parts)}


def sample(*messages: Any) -> Any:
    return {"version": 2, "eval": {"task": "t"}, "samples": [{"id": 1, "epoch": 1, "messages": list(messages)}]}


def inspect_call(id: str | None) -> Any:
    call = {"function": "f", "arguments": {}} | ({"id": id} if id else {})
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def session(*messages: Any) -> Any:
    rows = [{"type": m["role"], "uuid": str(n), "sessionId": "s", "message": m} for n, m in enumerate(messages)]
    return {"loglines": rows}


ASK: Any = {"role": "user", "content": "q"}
CLAUDE_CALL: Any = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
CLAUDE_RESULT: Any = {"type": "tool_result", "tool_use_id": "zz", "content": "r"}
AI: Any = {"type": "ai", "data": {"content": "", "tool_calls": [{"id": "c", "name": "f", "args": {}}]}}
HUMAN: Any = {"type": "human", "data": {"content": "q"}}
PYDANTIC_CALL: Any = {"part_kind": "tool-call", "tool_name": "f", "args": {}, "tool_call_id": "c"}
PYDANTIC_ASK: Any = {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "q"}]}

RESULT_OF_NO_CALL: Conversation = {
    CHAT: (
        chat(
            {**chat_call("c"), "content": "two blocks of one message"},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
            {"role": "tool", "tool_call_id": "zz", "content": "r"},
        ),
        "messages[3]",
    ),
    "anthropic": ([ASK, claude("user", CLAUDE_RESULT)], "messages[1]"),
    "inspect": (sample(ASK, {"role": "tool", "tool_call_id": "zz", "content": "r"}), "samples[0], messages[1]"),
    "claude-code": (session(ASK, claude("user", CLAUDE_RESULT)), "loglines[1]"),
    "langchain": ([HUMAN, {"type": "tool", "data": {"content": "r", "tool_call_id": "zz"}}], "messages[1]"),
    "ag-ui": (chat({"id": "2", "role": "tool", "toolCallId": "zz", "content": "r"}), "messages[1]"),
    "pydantic-ai": (
        [PYDANTIC_ASK, {"kind": "request", "parts": [{"part_kind": "tool-return", "content": "r", "tool_call_id": "zz", "tool_name": "f"}]}],
        "messages[1]",
    ),
    "atif": (
        {"schema_version": "ATIF-v1.4", "steps": [{"source": "user", "message": "q"}, {"source": "agent", "message": "", "observation": {"results": [{"source_call_id": "zz", "content": "r"}]}}]},
        "steps[1]",
    ),
}  # fmt: skip
CALL_WITHOUT_RESULT: Conversation = {
    CHAT: (chat(chat_call("c"), ASK), "messages[1]"),
    "anthropic": ([ASK, claude("assistant", CLAUDE_CALL), ASK], "messages[1]"),
    "inspect": (sample(ASK, inspect_call("c"), ASK), "samples[0], messages[1]"),
    "claude-code": (session(ASK, claude("assistant", CLAUDE_CALL), ASK), "loglines[1]"),
    "langchain": ([HUMAN, AI, HUMAN], "messages[1]"),
    "pydantic-ai": ([PYDANTIC_ASK, {"kind": "response", "parts": [PYDANTIC_CALL]}, PYDANTIC_ASK], "messages[1]"),
}
CALL_ID_USED_TWICE: Conversation = {
    CHAT: (chat(chat_call("c"), chat_call("c")), "messages[2]"),
    "anthropic": ([ASK, claude("assistant", CLAUDE_CALL), claude("assistant", CLAUDE_CALL)], "messages[2]"),
    "inspect": (sample(ASK, inspect_call("c"), inspect_call("c")), "samples[0], messages[2]"),
    "langchain": ([HUMAN, AI, AI], "messages[2]"),
}
CALL_WITHOUT_ID: Conversation = {
    CHAT: (chat(chat_call(None)), "messages[1].tool_calls[0]"),
    "inspect": (sample(ASK, inspect_call(None)), "samples[0], messages[1].tool_calls[0]"),
    "langchain": ([HUMAN, {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "f", "args": {}}]}}], "messages[1]"),
}  # fmt: skip
UNKNOWN_ROLE: Conversation = {
    CHAT: (chat({"role": "cat", "content": "r"}), "messages[1]"),
    "inspect": (sample(ASK, {"role": "cat", "content": "r"}), "samples[0], messages[1]"),
    "ag-ui": ([{"id": "1", **ASK}, {"id": "2", "role": "cat", "content": "r"}], "messages[1]"),
    "vercel-ui": ([{"id": "1", "role": "user", "parts": []}, {"id": "2", "role": "cat", "parts": []}], "messages[1]"),
    "swe-agent": ({"history": [{"role": "user", "agent": "a", "content": "q"}, {"role": "cat", "agent": "a"}]}, "history[1]"),
}  # fmt: skip
NOT_AN_OBJECT: Conversation = {
    CHAT: ([ASK, 5], "messages[1]"),
    "anthropic": ([ASK, 5], "messages[1]"),
    "inspect": (sample(ASK, 5), "samples[0], messages[1]"),
    "langchain": ([HUMAN, 5], "messages[1]"),
    "vercel-ui": ([{"id": "1", "role": "user", "parts": []}, 5], "messages[1]"),
    "pydantic-ai": ([PYDANTIC_ASK, 5], "messages[1]"),
    "sharegpt": ({"conversations": [{"from": "human", "value": "q"}, 5]}, "conversations[1]"),
    "swe-agent": ({"history": [{"role": "user", "agent": "a", "content": "q"}, 5]}, "history[1]"),
    "openhands": ([{"action": "message", "source": "user", "args": {"content": "q"}}, 5], "history[1]"),
    "atif": ({"schema_version": "ATIF-v1.4", "steps": [{"source": "user", "message": "q"}, 5]}, "steps[1]"),
}
FAULTS = {
    r"tool result for 'zz', but no tool call has this id": RESULT_OF_NO_CALL,
    r"tool call 'c' has no result": CALL_WITHOUT_RESULT,
    r"tool call id 'c' is used twice; both calls are kept": CALL_ID_USED_TWICE,
    r"tool call without an id; '[^']+' is used": CALL_WITHOUT_ID,
    r"unknown role 'cat'": UNKNOWN_ROLE,
    r"expected an object, got a number: 5": NOT_AN_OBJECT,
}


@pytest.mark.parametrize(("sentence", "format"), [(fault, format) for fault, rows in FAULTS.items() for format in rows])
def test_a_fault_has_one_wording_and_one_notion_of_position_in_every_format(sentence: str, format: str) -> None:
    value, position = FAULTS[sentence][format]

    report = nt.loads(value, format=format).import_report

    notes = [*report.guessed, *report.unknown]
    assert [(note.position, bool(re.fullmatch(sentence, note.what))) for note in notes] == [(position, True)], notes


REPORTING = {"guess", "unknown", "add_guess", "add_unknown", "add_dropped", "add_problem", "load_error", "ShapeError"}


def literals_of_reports(path: Path) -> Iterator[str]:
    """The texts that a module itself writes into reports and errors."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            values = [value for argument in node.args for value in ast.walk(argument)] if name in REPORTING else []
            yield from (value.value for value in values if isinstance(value, ast.Constant) and type(value.value) is str)


def test_the_sentences_of_faults_are_in_one_module() -> None:
    beginnings = ("tool result ", "tool call id ", "unknown ", "expected a", "no field ", "parent ")
    elsewhere = {
        (path.name, text)
        for path in PACKAGE.rglob("*.py")
        if path.name != "faults.py"
        for text in literals_of_reports(path)
        if text.startswith(beginnings)
    }

    assert elsewhere == set()
