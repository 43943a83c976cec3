"""Recorded traffic: HAR, VCR cassettes, our own recordings, event streams, batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import nbturns as nt
from nbturns.testing import serve

CALL = {"id": "c1", "type": "function", "function": {"name": "water", "arguments": '{"bed": 3}'}}
ASK = {"role": "user", "content": "Water bed 3"}
FIRST = {"model": "gpt-5", "temperature": 0.5, "messages": [ASK]}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SECOND = {**FIRST, "messages": [ASK, CALLING, {"role": "tool", "tool_call_id": "c1", "content": "done"}]}


def completion(message: dict[str, Any], reason: str, tokens: int) -> dict[str, Any]:
    usage = {"prompt_tokens": tokens, "completion_tokens": 5, "total_tokens": tokens + 5}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {
        "id": f"chatcmpl-{tokens}",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-5",
        "choices": [choice],
        "usage": usage,
    }


ANSWERS = [completion(CALLING, "tool_calls", 20), completion({"content": "Done."}, "stop", 40)]
ADDRESS = "https://api.openai.com/v1/chat/completions"


def chunk(delta: dict[str, Any], reason: str | None = None, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-5",
        "choices": [choice],
        **fields,
    }


CHUNKS = [
    chunk({"role": "assistant", "content": "Do"}),
    chunk({"content": "ne."}, "stop", usage={"prompt_tokens": 40, "completion_tokens": 5, "total_tokens": 45}),
]
STREAM = "".join(f"data: {json.dumps(event)}\n\n" for event in CHUNKS) + "data: [DONE]\n\n"


def har() -> Any:
    entries = [
        {
            "startedDateTime": f"2026-05-01T10:00:0{index}Z",
            "time": 250.0,
            "request": {"method": "POST", "url": ADDRESS, "postData": {"text": json.dumps(request)}},
            "response": {"status": 200, "content": {"mimeType": "application/json", "text": json.dumps(answer)}},
        }
        for index, (request, answer) in enumerate(zip([FIRST, SECOND], ANSWERS, strict=True))
    ]
    return {"log": {"version": "1.2", "creator": {"name": "browser"}, "entries": entries}}


def vcr() -> Any:
    interactions = [
        {
            "request": {"method": "POST", "uri": ADDRESS, "body": json.dumps(request), "headers": {}},
            "response": {"status": {"code": 200, "message": "OK"}, "headers": {}, "body": {"string": body}},
        }
        for request, body in ((FIRST, json.dumps(ANSWERS[0])), (SECOND, STREAM))
    ]
    return {"version": 1, "interactions": interactions}


def recorded() -> str:
    lines = [
        {
            "request": {"method": "POST", "path": "/v1/chat/completions", "headers": {}, "json": request},
            "response": {"status": 200, "headers": {}, "body": body},
        }
        for request, body in ((FIRST, json.dumps(ANSWERS[0])), (SECOND, STREAM))
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    "text",
    [json.dumps(har()), yaml.safe_dump(vcr()), json.dumps(vcr()), recorded()],
    ids=["har", "vcr", "vcr json", "record="],
)
def test_a_recorded_tool_loop_is_one_run_with_the_usage_of_each_call(tmp_path: Path, text: str) -> None:
    path = tmp_path / "traffic"
    path.write_text(text)
    run = nt.load(path, strict=True)

    assert [block.kind for block in run.latest] == ["user", "tool_call", "tool_use", "llm_text"]
    assert [result.usage and result.usage.input_tokens for result in run.inferences] == [20, 40]
    assert [result.model for result in run.inferences] == ["gpt-5", "gpt-5"]
    assert run.latest[1].inference_id != run.latest[3].inference_id
    assert run.latest[1].args == {"bed": 3} and run.latest.text == "Done."
    assert "temperature" in str(run.to_dict())  # of the request


def test_times_and_durations_of_a_har_file_are_kept() -> None:
    run = nt.load(har())
    assert [result.duration_ms for result in run.inferences] == [250, 250]
    assert str(nt.frames.blocks(run)["at"].iloc[-1]).startswith("2026-05-01 10:00:01")


@pytest.mark.parametrize("as_lines", [True, False])
def test_chunks_are_the_reply_they_make(tmp_path: Path, as_lines: bool) -> None:
    path = tmp_path / "stream"
    path.write_text("\n".join(map(json.dumps, CHUNKS)) if as_lines else STREAM)
    assert nt.load(path).latest.text == nt.load(CHUNKS).latest.text == "Done."
    assert nt.load(path).usage.input_tokens == 40


def test_event_streams_of_the_other_apis_are_read() -> None:
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 7, "output_tokens": 1},
    }
    anthropic = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Done."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    item = {
        "type": "message",
        "role": "assistant",
        "id": "msg_1",
        "content": [{"type": "output_text", "text": "Done.", "annotations": []}],
    }
    reply = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-5",
        "output": [item],
        "usage": {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12},
    }
    responses = [
        {"type": "response.created", "response": {**reply, "output": [], "status": "in_progress"}},
        {"type": "response.completed", "response": reply},
    ]
    part = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Do"}]}}], "modelVersion": "gemini-2.5-pro"}
    end = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "ne."}]}, "finishReason": "STOP"}],
        "modelVersion": "gemini-2.5-pro",
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12},
    }

    for events in (anthropic, responses, [part, end]):
        run = nt.load(events)
        assert (run.latest.text, run.usage.input_tokens, run.usage.output_tokens) == ("Done.", 7, 5)


def test_a_failed_call_is_counted_with_its_error_and_another_request_is_reported() -> None:
    recording = har()
    recording["log"]["entries"][1]["response"] = {
        "status": 429,
        "content": {"text": json.dumps({"error": {"message": "slow down", "type": "rate_limit"}})},
    }
    recording["log"]["entries"].append(
        {
            "request": {"method": "GET", "url": "https://api.openai.com/v1/models"},
            "response": {"status": 200, "content": {"text": "{}"}},
        }
    )
    run = nt.load(recording)

    assert [block.kind for block in run.latest] == ["user", "tool_call", "tool_use"]
    inferences = nt.frames.inferences(run)
    assert len(inferences) == 2 and "slow down" in str(inferences["error"].iloc[1])
    assert [str(note) for note in run.import_report.unknown] == ["log.entries[2]: no model call: /v1/models"]


def test_two_conversations_of_one_recording_are_two_runs() -> None:
    recording = har()
    other = {**FIRST, "messages": [{"role": "user", "content": "Another matter"}]}
    recording["log"]["entries"][1]["request"]["postData"]["text"] = json.dumps(other)
    assert [run.latest[0].text for run in nt.load_all(recording)] == ["Water bed 3", "Another matter"]


def test_what_our_own_recorder_writes_is_read(tmp_path: Path) -> None:
    sent = nt.engines.request("openai-chat:gpt-5", nt.turn("Water bed 3"), stream=False)
    exchange = {
        "request": {"method": "POST", "path": "/v1/chat/completions", "json": sent},
        "response": {"status": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(ANSWERS[1])},
    }
    path = tmp_path / "calls.jsonl"
    served = tmp_path / "served.jsonl"
    served.write_text(json.dumps(exchange))
    with serve(served) as server:
        engine = nt.engine(
            "openai-chat:gpt-5", base_url=f"{server.url}/v1", api_key="sk-not-a-key", record=path, stream=False
        )
        asked = nt.Session(engine).ask("Water bed 3").result(30)

    run = nt.load(path)
    assert run.latest.text == asked.text == "Done."
    assert run.usage == asked.usage


def test_batches_of_anthropic_are_requests_and_replies_with_their_ids(tmp_path: Path) -> None:
    requests = [
        {"custom_id": f"q{n}", "params": {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": [ASK]}}
        for n in (1, 2)
    ]
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Done."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 7, "output_tokens": 5},
    }
    results = [
        {"custom_id": "q1", "result": {"type": "succeeded", "message": message}},
        {"custom_id": "q2", "result": {"type": "errored", "error": {"type": "api_error"}}},
    ]

    assert [(run.name, run.latest[0].text) for run in nt.load_all(requests)] == [
        ("q1", "Water bed 3"),
        ("q2", "Water bed 3"),
    ]
    (run,) = nt.load_all(results)
    assert (run.name, run.latest.text, run.usage.input_tokens) == ("q1", "Done.", 7)
    assert any("q2" in note for note in run.import_report.dropped)


def test_model_messages_of_the_vercel_sdk_have_calls_results_and_errors() -> None:
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Water it"}, {"type": "image", "image": "https://example.org/a.png"}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "reasoning", "text": "Bed 3."},
                {"type": "tool-call", "toolCallId": "c1", "toolName": "water", "input": {"bed": 3}},
            ],
        },
        {
            "role": "tool",
            "content": [
                {
                    "type": "tool-result",
                    "toolCallId": "c1",
                    "toolName": "water",
                    "output": {"type": "error-text", "value": "no water"},
                }
            ],
        },
        {"role": "assistant", "content": "There is no water."},
    ]
    run = nt.load(messages, strict=True)
    assert [block.kind for block in run.latest] == [
        "system",
        "user",
        "user",
        "reasoning",
        "tool_call",
        "tool_use",
        "llm_text",
    ]
    assert (run.latest[5].error, run.latest[4].args) == ("no water", {"bed": 3})


def test_a_sample_of_inspect_alone_and_its_messages_alone_are_read() -> None:
    message = {"source": None, "metadata": None}
    messages = [
        {"id": "m1", "role": "user", "content": "Water it", **message},
        {
            "id": "m2",
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "c1", "function": "water", "arguments": {"bed": 3}, "type": "function"}],
            **message,
        },
        {"id": "m3", "role": "tool", "content": "done", "tool_call_id": "c1", "function": "water", **message},
    ]
    sample = {"id": 1, "epoch": 1, "input": "Water it", "target": "done", "messages": messages}
    for value in (sample, messages, messages[:1] * 2):
        run = nt.load(value)
        assert run.import_report.format == "inspect"
    assert [block.kind for block in nt.load(messages).latest] == ["user", "tool_call", "tool_use"]
    assert nt.load(sample).latest.same_content(nt.load(messages).latest)


COMPLETION = {"id": "c", "object": "text_completion", "model": "gpt-3.5-turbo-instruct"}


@pytest.mark.parametrize(
    ("address", "body"),
    [
        (
            "https://api.openai.com/v1/completions",
            json.dumps({**COMPLETION, "choices": [{"index": 0, "text": "Foo", "finish_reason": "stop"}], "usage": {}}),
        ),
        (
            "https://api.openai.com/v1/completions",
            "".join(
                f"data: {json.dumps({**COMPLETION, 'choices': [{'index': 0, 'text': text}]})}\n\n"
                for text in ("Fo", "o")
            )
            + "data: [DONE]\n\n",
        ),
        ("https://api.anthropic.com/v1/complete", json.dumps({"completion": "Foo", "stop_reason": "stop_sequence"})),
        (
            "https://api.anthropic.com/v1/complete",
            "".join(f"event: completion\ndata: {json.dumps({'completion': text})}\n\n" for text in ("Fo", "o")),
        ),
    ],
)
def test_a_completion_of_a_text_is_a_model_call(tmp_path: Path, address: str, body: str) -> None:
    request = {"method": "POST", "uri": address, "body": json.dumps({"prompt": "Say Foo", "model": "m"})}
    interaction = {"request": request, "response": {"status": {"code": 200}, "body": {"string": body}}}
    path = tmp_path / "cassette.json"
    path.write_text(json.dumps({"version": 1, "interactions": [interaction]}))

    (run,) = nt.load_all(path)

    assert [(block.kind, block.text) for block in run.latest] == [("user", "Say Foo"), ("llm_text", "Foo")]
    assert len(run.inferences) == 1
