"""A record with a request and its reply is one model call, whatever its program calls the two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

PROMPT = {"role": "user", "content": "Is the kettle on?"}
MESSAGE = {"role": "assistant", "content": "It boils."}
COMPLETION = {
    "id": "chatcmpl-7",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "finish_reason": "stop", "message": MESSAGE}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}
CLAUDE_REPLY = {
    "id": "msg_7",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "It boils."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 12, "output_tokens": 3},
}
GEMINI_REPLY = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "It boils."}]}, "finishReason": "STOP"}]
}
RESPONSE = {
    "id": "resp_7",
    "object": "response",
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It boils."}]}],
}
DSPY = {
    "prompt": None,
    "messages": [PROMPT],
    "kwargs": {"temperature": 0},
    "outputs": ["It boils."],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3},
    "cost": 0.25,
    "timestamp": "2026-05-01T09:00:00",
    "uuid": "9a",
    "model": "openai/gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
}
LITELLM = {
    "call_type": "acompletion",
    "messages": [PROMPT],
    "response": COMPLETION,
    "response_cost": 0.25,
    "startTime": 1746090000.0,
    "endTime": 1746090001.5,
}
CALLS: list[tuple[str, str, Any]] = [
    ("pair", "openai-chat", {"request": {"model": "gpt-4o", "messages": [PROMPT]}, "response": COMPLETION}),
    ("reply as text", "openai-chat", {"request": {"messages": [PROMPT]}, "response": json.dumps(COMPLETION)}),
    ("span", "openai-chat", {"input": [PROMPT], "output": [{"message": MESSAGE}]}),
    ("span of objects", "openai-chat", {"input": {"messages": [PROMPT]}, "output": MESSAGE}),
    ("span of a completion", "openai-chat", {"inputs": {"messages": [PROMPT]}, "outputs": COMPLETION}),
    ("text", "openai-chat", {"messages": [PROMPT], "completion": "It boils."}),
    ("prompt", "openai-chat", {"prompt": "Is the kettle on?", "completion": "It boils."}),
    ("merged", "openai-chat", {"messages": [PROMPT], **COMPLETION}),
    ("DSPy", "openai-chat", {**DSPY, "response": COMPLETION}),
    ("DSPy saved as text", "openai-chat", {**DSPY, "response": "ModelResponse(id='chatcmpl-7')"}),
    ("LiteLLM", "openai-chat", LITELLM),
    ("Claude", "anthropic", {"request": {"messages": [PROMPT]}, "response": CLAUDE_REPLY}),
    ("Claude in a span", "anthropic", {"input": {"messages": [PROMPT]}, "output": CLAUDE_REPLY}),
    ("Gemini", "gemini", {"request": {"contents": [{"parts": [{"text": PROMPT["content"]}]}]}, "response": GEMINI_REPLY}),
    ("Responses", "openai", {"request": {"input": [PROMPT]}, "response": RESPONSE}),
    ("rollout", "nemo-gym", {"responses_create_params": {"input": [PROMPT]}, "response": RESPONSE, "reward": 1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("format", "record"), [call[1:] for call in CALLS], ids=[call[0] for call in CALLS])
def test_the_answer_of_a_recorded_call_is_a_block_of_a_model_call(format: str, record: Any) -> None:
    run = nt.loads(json.dumps(record))

    assert run.import_report is not None and run.import_report.format == format
    assert [(block.kind, block.text) for block in run.latest] == [
        ("user", "Is the kettle on?"),
        ("llm_text", "It boils."),
    ]
    assert len(run.inferences) == 1 and run.import_report.complete
    assert nt.loads(json.dumps(record), strict=True) == run


@pytest.mark.parametrize("reply", [COMPLETION, CLAUDE_REPLY, GEMINI_REPLY, RESPONSE])
def test_a_reply_alone_and_in_the_output_of_a_batch_is_read(reply: Any) -> None:
    batch = {"id": "b", "custom_id": "q1", "response": {"status_code": 200, "body": reply}, "error": None}

    for record in (reply, batch):
        run = nt.loads(json.dumps(record))
        assert run.latest.text == "It boils." and len(run.inferences) == 1


@pytest.mark.parametrize("record", [DSPY, LITELLM, {**DSPY, "response": COMPLETION}])
def test_tokens_and_cost_are_those_of_the_record_where_the_reply_has_none(record: Any) -> None:
    (inference,) = nt.loads(json.dumps(record)).inferences

    assert inference.usage is not None and inference.usage.total_tokens == 15
    assert inference.cost == 0.25
    assert inference.duration_ms == (1500 if "startTime" in record else None)


def test_every_other_choice_is_a_block() -> None:
    other = {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "It is off."}}
    run = nt.loads({"messages": [PROMPT], "response": {**COMPLETION, "choices": [*COMPLETION["choices"], other]}})

    assert [block.kind for block in run.latest] == ["user", "llm_text", "other"]
    assert "It is off." in json.dumps(run.latest[-1].to_dict())


def test_messages_in_a_field_that_is_not_read_are_a_block_and_unknown() -> None:
    record = {"messages": [PROMPT, MESSAGE], "earlier": {"turns": [{"role": "user", "content": "Hello?"}]}}

    run = nt.loads(json.dumps(record))

    assert [block.kind for block in run.latest] == ["user", "llm_text", "other"]
    assert [note.position for note in run.import_report.unknown] == ["earlier"]
    with pytest.raises(nt.LoadError, match="not read"):
        nt.loads(json.dumps(record), strict=True)


def test_tools_and_parameters_of_a_request_are_no_messages() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"role": {}, "content": {}}}}}

    assert nt.loads({"messages": [PROMPT], "tools": [tool], "metadata": {"a": "b"}}, strict=True).latest[0].text


def test_the_frames_of_recorded_calls_are_those_of_their_runs(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    chats = [{"messages": [PROMPT, MESSAGE]}, *(record for _, format, record in CALLS if format == "openai-chat")]
    path.write_text("\n".join(json.dumps(record) for record in chats))

    blocks = nt.frames.blocks(path, repeat=True)  # several have one response id, which counts once

    assert blocks.kind.tolist() == ["user", "llm_text"] * len(chats)
    assert blocks.text.tolist() == ["Is the kettle on?", "It boils."] * len(chats)


# Formats whose marks come late.


def chat(count: int) -> list[dict[str, Any]]:
    return [{"role": "user" if index % 2 == 0 else "assistant", "content": f"text {index}"} for index in range(count)]


FUNCTION_CALL = [
    {"type": "function_call", "call_id": "c1", "name": "boil", "arguments": '{"cups": 2}'},
    {"type": "function_call_output", "call_id": "c1", "output": "done"},
]
TOOL_USE = [
    {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "boil", "input": {"cups": 2}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "done"}]},
]
CONVERSE = [
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "boil", "input": {"cups": 2}}}]},
    {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "done"}]}}]},
]


@pytest.mark.parametrize("count", [0, 1, 30, 31, 32, 33, 150])
@pytest.mark.parametrize("as_lines", [False, True])
@pytest.mark.parametrize(
    ("call", "format"), [(FUNCTION_CALL, "openai"), (TOOL_USE, "anthropic"), (CONVERSE, "bedrock-converse")]
)
def test_a_tool_call_behind_any_number_of_plain_messages_is_read(
    call: list[Any], format: str, as_lines: bool, count: int
) -> None:
    messages = [*chat(count), *call]
    text = "\n".join(map(json.dumps, messages)) if as_lines else json.dumps(messages)

    run = nt.loads(text)

    assert run.import_report.format == format and run.import_report.complete
    (tool_call,), (result,) = run.latest.of_kind("tool_call"), run.latest.of_kind("tool_use")
    assert (tool_call.name, dict(tool_call.args)) == ("boil", {"cups": 2})
    assert (result.tool_call_id, result.result) == ("c1", "done")
    assert len(run.latest) == count + 2


def test_a_responses_list_may_begin_with_a_system_message() -> None:
    run = nt.loads([{"role": "system", "content": "Be brief."}, *FUNCTION_CALL])

    assert run.import_report.format == "openai"
    assert [block.kind for block in run.latest] == ["system", "tool_call", "tool_use"]


def test_chat_calls_behind_plain_messages_with_ids_are_read() -> None:
    messages = [{"id": f"m{index}", **message} for index, message in enumerate(chat(20))]
    call = {"id": "c1", "type": "function", "function": {"name": "boil", "arguments": "{}"}}
    messages.append({"id": "m20", "role": "assistant", "content": None, "tool_calls": [call]})

    assert nt.loads(json.dumps(messages)).latest.of_kind("tool_call")[0].name == "boil"


def test_a_recorded_http_request_has_its_messages_in_blocks() -> None:
    message = {"role": "assistant", "content": "In March."}
    reply = {"id": "c", "object": "chat.completion", "model": "gpt-5", "choices": [{"index": 0, "message": message}]}
    request = {"model": "gpt-5", "messages": [{"role": "user", "content": "When?"}]}

    run = nt.loads({"request": {"url": "https://api", "body": request}, "response": {"status": 200, "body": reply}})

    assert [block.text for block in run.latest] == ["When?", "In March."] and len(run.inferences) == 1
    assert "https://api" in str(run.to_dict())
