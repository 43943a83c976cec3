"""Times of blocks, where a format has them elsewhere than in its messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

START = 1_777_626_000_000  # milliseconds


def lm_studio() -> Any:
    step = {
        "type": "contentBlock",
        "stepIdentifier": f"{START + 2_000}-0.25",
        "content": [{"type": "text", "text": "Yes"}],
    }
    prompt, reply = (
        {"role": "user", "content": [{"type": "text", "text": "Dry?"}]},
        {"role": "assistant", "steps": [step]},
    )
    versions = [{"versions": [version], "currentlySelected": 0} for version in (prompt, reply)]
    return {"name": "n", "createdAt": START, "userLastMessagedAt": START + 1_000, "messages": versions}


def vscode_chat() -> Any:
    call = {
        "kind": "toolInvocationSerialized",
        "toolId": "read",
        "toolCallId": "c1",
        "isComplete": True,
        "resultDetails": ["a"],
    }
    rounds = [{"timestamp": START + 2_000, "toolCalls": [{"id": "c1", "name": "read", "arguments": "{}"}]}]
    request = {
        "requestId": "r",
        "message": {"text": "Dry?", "parts": []},
        "timestamp": START + 1_000,
        "response": [call, {"value": "Yes"}],
        "result": {"timings": {"totalElapsed": 2_000}, "metadata": {"toolCallRounds": rounds}},
    }
    return {"sessionId": "s", "requests": [request]}


def ag_ui() -> Any:
    messages = [{"id": "a", "role": "user", "content": "Dry?"}]
    return [
        {
            "type": "RUN_STARTED",
            "threadId": "t",
            "runId": "r",
            "timestamp": START + 1_000,
            "input": {"messages": messages},
        },
        {"type": "TEXT_MESSAGE_START", "messageId": "b", "role": "assistant", "timestamp": START + 2_000},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "b", "delta": "Yes"},
    ]


def smolagents() -> Any:
    step = {"timing": {"start_time": START / 1000 + 1, "end_time": START / 1000 + 2, "duration": 1.0}}
    plan = {"plan": "Look", "model_output_message": {"role": "assistant", "content": "Look"}, **step}
    return {"steps": [{"task": "Dry?"}, plan, {"step_number": 1, "model_output": "Yes", "observations": "a", **step}]}


@pytest.mark.parametrize(
    ("document", "seconds"),
    [(lm_studio(), [1, 2]), (vscode_chat(), [1, 2, None, 3]), (ag_ui(), [1, 2]), (smolagents(), [None, 1, 1, 1])],
    ids=["lm-studio", "vscode-chat", "ag-ui", "smolagents"],
)
def test_a_block_has_the_time_that_its_file_has_of_it(tmp_path: Path, document: Any, seconds: list[int | None]) -> None:
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(document))

    times = nt.frames.blocks(path)["at"]

    assert [
        None if time is None else time.timestamp() - START / 1000
        for time in times.astype(object).where(times.notna(), None)
    ] == seconds


def test_the_result_of_a_tool_has_the_end_of_its_span(tmp_path: Path) -> None:
    path = Path(__file__).parents[2] / "fixtures" / "transcripts" / "openinference.jsonl"
    blocks = nt.frames.blocks(path)

    assert blocks["at"][blocks.kind == "tool_use"].notna().any()
