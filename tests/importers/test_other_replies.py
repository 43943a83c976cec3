"""Replies and messages of other shapes: completions of texts, Ollama's own API, float counts, spoken answers, times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt

QUESTION: dict[str, Any] = {"role": "user", "content": "Is the door shut?"}
MESSAGE: dict[str, Any] = {"role": "assistant", "content": "It is."}


def completion(usage: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": MESSAGE, "finish_reason": "stop"}
    return {"id": "c1", "object": "chat.completion", "model": "gpt-4.1", "choices": [choice], "usage": usage}


REPLIES: dict[str, dict[str, Any]] = {
    "openai-chat": completion({"prompt_tokens": 5.0, "completion_tokens": 2.0}),
    "openai": {
        "object": "response",
        "status": "completed",
        "model": "gpt-5",
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "It is."}]}],
        "usage": {"input_tokens": 5.0, "output_tokens": 2.0},
    },
    "anthropic": {
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "It is."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 5.0, "output_tokens": 2.0},
    },
    "gemini": {
        "candidates": [{"content": {"parts": [{"text": "It is."}], "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 5.0, "candidatesTokenCount": 2.0, "totalTokenCount": 7.0},
        "modelVersion": "gemini-2.5-pro",
    },
}


@pytest.mark.parametrize("format", REPLIES)
def test_counts_that_are_written_as_floats_are_counts_and_priced(format: str) -> None:
    frame = nt.frames.inferences(nt.load(REPLIES[format]))
    assert (frame.input_tokens[0], frame.output_tokens[0]) == (5, 2)
    assert frame.cost[0] > 0


def test_a_count_with_a_fraction_or_a_total_alone_is_unknown() -> None:
    frame = nt.frames.inferences(nt.load(completion({"prompt_tokens": 5.5, "completion_tokens": 2})))
    assert frame.input_tokens.isna()[0]
    run = nt.load({**REPLIES["gemini"], "usageMetadata": {"totalTokenCount": 7}})
    assert run.usage.output_tokens == 0


TEXT = {
    "object": "text_completion",
    "model": "gpt-3.5-turbo-instruct",
    "choices": [{"index": 0, "text": "It is.", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2},
}
OLLAMA: dict[str, Any] = {
    "model": "llama3.2",
    "created_at": "2025-10-17T23:14:07.414671Z",
    "message": {**MESSAGE, "thinking": "I look."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 5,
    "eval_count": 2,
}
GENERATED = {**{name: value for name, value in OLLAMA.items() if name != "message"}, "response": "It is."}


@pytest.mark.parametrize(
    "record",
    [TEXT, {"request": {"prompt": "Is the door shut?"}, "response": TEXT}, {"prompt": "Is it?", "response": TEXT}],
)
def test_completions_of_texts_are_read(record: dict[str, Any]) -> None:
    run = nt.load(record, strict=True)
    assert [block.kind for block in run.latest] == (["llm_text"] if record is TEXT else ["user", "llm_text"])
    assert run.latest.text == "It is."
    assert run.inferences[0].stop_reason == "stop"
    assert run.usage.total_tokens == 7


@pytest.mark.parametrize(
    "record",
    [
        OLLAMA,
        {"messages": [QUESTION], "response": OLLAMA},
        {"request": {"model": "llama3.2", "messages": [QUESTION]}, "response": OLLAMA},
        {"prompt": "Is the door shut?", "response": GENERATED},
        GENERATED,
    ],
)
def test_replies_of_ollama_are_read_with_their_counts(record: dict[str, Any]) -> None:
    run = nt.load(record, strict=True)
    has_request = "response" in record and record is not GENERATED
    assert [block.kind for block in run.latest][0] == ("user" if has_request else run.latest[0].kind)
    assert run.latest.text == "It is."
    assert (run.inferences[0].model, run.inferences[0].stop_reason) == ("llama3.2", "stop")
    assert (run.usage.input_tokens, run.usage.output_tokens) == (5, 2)


def test_the_transcript_of_a_spoken_answer_is_in_its_block() -> None:
    audio = {"id": "audio-1", "data": "UklGRg==", "transcript": "It is shut.", "expires_at": 1760000000}
    spoken = {"role": "assistant", "content": None, "audio": audio}
    run = nt.load([QUESTION, spoken])
    assert run.latest[1].payload["media"][0]["transcript"] == "It is shut."
    assert run.to_messages("openai-chat")[1]["audio"]["id"] == "audio-1"


@pytest.mark.parametrize("name", ["timestamp", "created_at", "createdAt", "create_time", "time", "ts"])
@pytest.mark.parametrize("time", ["2025-10-09T10:53:20+02:00", 1760000000, 1760000000000, "1760000000"])
def test_chat_messages_with_times_have_times(tmp_path: Path, name: str, time: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [QUESTION, {**MESSAGE, "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "shut"}]
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps({"messages": [{**message, name: time} for message in messages]}) + "\n")
    for frame in (nt.frames.blocks(path), nt.frames.blocks(nt.load(path))):
        assert {moment.isoformat() for moment in frame["at"]} == {"2025-10-09T08:53:20+00:00"}


def test_a_field_that_is_no_time_gives_none(tmp_path: Path) -> None:
    run = nt.load([{**QUESTION, "time": 0.25}, {**MESSAGE, "ts": "soon"}, {**QUESTION, "timestamp": {"seconds": 1}}])
    assert nt.frames.blocks(run)["at"].isna().all()


def test_a_reply_has_the_time_at_which_it_was_made() -> None:
    run = nt.load({**completion(None), "created": 1760000000})
    assert nt.frames.blocks(run)["at"][0].isoformat() == "2025-10-09T08:53:20+00:00"


def test_the_error_of_a_failed_call_of_a_coding_agent_is_in_its_result() -> None:
    head = {"type": "session", "version": 3, "id": "s1", "timestamp": "2026-01-01T00:00:00Z", "cwd": "/w"}
    reply = {"role": "assistant", "content": [], "stopReason": "error", "errorMessage": "429 slow down", "model": "m"}
    prompt = {"role": "user", "content": "Look."}
    entries: list[dict[str, Any]] = [{"type": "message", "id": "e1", "parentId": None, "message": prompt}]
    entries.append({"type": "message", "id": "e2", "parentId": "e1", "message": reply})
    run = nt.loads("\n".join(json.dumps(record) for record in (head, *entries)))
    assert nt.frames.inferences(run).error[0] == "429 slow down"


def test_a_call_whose_messages_were_cut_by_a_limit_is_read_up_to_the_cut_and_counted() -> None:
    prompt = json.dumps([{"role": "user", "parts": [{"type": "text", "content": "Is the door shut, or open?"}]}])
    reply = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "It is shut."}]}])
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4.1", "gen_ai.usage.input_tokens": 9}
    attributes |= {"gen_ai.usage.output_tokens": 2, "gen_ai.output.messages": reply}
    for cut, kind, text in ((prompt[:-20], "user", "Is the door"), ("redacted", "other", "")):
        span = {"name": "chat", "context": {"trace_id": "0x1", "span_id": "0x2"}, "start_time": "2026-01-01T00:00:00Z"}
        run = nt.load({**span, "attributes": {**attributes, "gen_ai.input.messages": cut}})
        assert (run.latest[0].kind, run.latest[0].text) == (kind, text)
        assert run.latest.text == "It is shut."
        assert run.usage.total_tokens == 11
        assert any("gen_ai.input.messages" in str(note) for note in run.import_report.unknown)


def test_messages_of_langchain_with_few_fields_are_read() -> None:
    call = {"name": "look", "args": {"at": "door"}, "id": "c1", "type": "tool_call"}
    messages = [
        {"type": "system", "content": "Be brief."},
        {"type": "human", "content": "Is the door shut?"},
        {"type": "ai", "content": "", "tool_calls": [call]},
        {"type": "tool", "content": "shut", "tool_call_id": "c1"},
        {"type": "ai", "content": "It is."},
    ]
    for value in (messages, {"messages": messages, "remaining_steps": 5}):
        run = nt.load(value, strict=True)
        assert run.import_report.format == "langchain"
        assert [block.kind for block in run.latest] == ["system", "user", "tool_call", "tool_use", "llm_text"]


def test_a_failed_line_of_a_batch_is_an_error_with_the_reason_of_the_provider(tmp_path: Path) -> None:
    chat = {"custom_id": "a", "response": {"status_code": 200, "body": completion(None)}, "error": None}
    expired = {"custom_id": "b", "response": None, "error": {"code": "batch_expired", "message": "too late"}}
    refused = {"custom_id": "c", "response": {"status_code": 400, "body": {"error": {"message": "bad model"}}}}
    claude = {"custom_id": "a", "result": {"type": "succeeded", "message": REPLIES["anthropic"]}}
    errored = {
        "custom_id": "d",
        "result": {"type": "errored", "error": {"type": "error", "error": {"message": "busy"}}},
    }
    for lines, reasons in (((chat, expired, refused), ["too late", "bad model"]), ((claude, errored), ["busy"])):
        path = tmp_path / "batch.jsonl"
        path.write_text("\n".join(map(json.dumps, lines)))
        frames = nt.frames.read(path)
        assert len(frames.inferences) == 1
        assert [reason.rpartition(": ")[2] for reason in frames.errors.reason] == reasons
