"""Exports of trackers: counts against the raw files, links, failed tools, wrappers, and time by the number of calls."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

import nbturns as nt
from nbturns.importers.kit.message_values import MessageReader
from tests import raw_tracker_counts
from tests.importers.test_spans import chat, lines, text, tool_part

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"
TRACKERS = ["langfuse.jsonl", "langsmith.jsonl", "mlflow.jsonl", "weave.jsonl", "braintrust.jsonl", "helicone.json"]
TRACKERS += ["logfire.json", "phoenix.json"]


def test_langfuse_counts_what_its_files_have(shared: Path) -> None:
    paths = sorted((shared / "transcripts" / "more" / "langfuse-export").iterdir())
    assert len(paths) >= 10
    for path in paths:
        frames = nt.frames.read(path)
        calls = frames.inferences

        counted = (len(calls), int(calls.input_tokens.fillna(0).sum()), int(calls.output_tokens.fillna(0).sum()))
        cost = float(calls.cost[calls.cost_source == "provider"].sum())
        *expected, expected_cost = raw_tracker_counts.count_langfuse(path)
        assert counted == tuple(expected), path
        assert cost == pytest.approx(expected_cost), path
        assert not len(frames.errors)


def test_rollouts_count_what_their_files_have(shared: Path) -> None:
    for path in (shared / "transcripts" / "more" / "nemo-gym").iterdir():
        frames = nt.frames.read(path)
        calls = frames.inferences
        rewards = [run.outcome.reward for run in nt.load_all(path) if run.outcome]

        counted = (len(rewards), int(calls.input_tokens.fillna(0).sum()), int(calls.output_tokens.fillna(0).sum()))
        *expected, tool_calls, reward = raw_tracker_counts.count_rollouts(path)
        assert counted == tuple(expected)
        assert (len(frames.tool_calls), sum(filter(None, rewards))) == (tool_calls, reward)


def test_the_counting_script_shares_no_code_with_the_importers() -> None:
    tree = ast.parse(Path(raw_tracker_counts.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert imported <= {"__future__", "pathlib", "typing"}


@pytest.mark.parametrize("name", TRACKERS)
def test_an_export_has_tokens_costs_times_and_the_failed_tool(name: str) -> None:
    run = nt.load(FIXTURES / name)
    frames = nt.frames.read(FIXTURES / name)

    calls, tools = frames.inferences, frames.tool_calls
    assert (len(calls), int(calls.input_tokens.sum()), int(calls.output_tokens.sum())) == (4, 550, 61)
    assert int(calls.cached_tokens.sum()) == 430 and int(calls.reasoning_tokens.sum()) in (32, 0)
    assert set(calls.model) == {"gpt-5-mini-2025-08-07"} and calls.cost.notna().all()
    assert len(tools) == 2 and [turn.of_kind("llm_text")[-1].text[:3] for turn in run] == ["Yes", "I c"]
    assert list(tools.failed) == [
        False,
        name != "helicone.json",
    ]  # Helicone has no tools, only their results as messages


OPENAI_REPLY = {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-5", "choices": [
    {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at": "roof"}'}}]}}]}  # fmt: skip
ONE_CALL: list[tuple[str, Any]] = [
    ("a reply of Chat Completions", OPENAI_REPLY),
    ("its message", OPENAI_REPLY["choices"][0]["message"]),  # type: ignore[index]
    ("a reply of Anthropic", {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"at": "roof"}}]}),
    ("items of Responses", [{"type": "function_call", "call_id": "c1", "id": "fc", "name": "look", "arguments": '{"at": "roof"}'}]),
    ("a reply of Converse", {"output": {"message": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "look", "input": {"at": "roof"}}}]}}}),
    ("parts of GenAI", [{"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"at": "roof"}}]}]),
    ("calls of the AI SDK", [{"toolCallId": "c1", "toolName": "look", "input": '{"at": "roof"}'}]),
    ("a message of LangChain", {"lc": 1, "type": "constructor", "id": ["langchain", "AIMessage"], "kwargs": {"content": "", "tool_calls": [{"name": "look", "args": {"at": "roof"}, "id": "c1", "type": "tool_call"}]}}),
    ("generations of LangChain", {"generations": [[{"text": "", "message": {"type": "ai", "data": {"content": "", "additional_kwargs": {"tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": '{"at": "roof"}'}}]}}}}]]}),
    ("calls as the text of a message", [{"role": "assistant", "content": '[{"function": {"name": "look", "arguments": "{\\"at\\": \\"roof\\"}"}, "id": "c1", "type": "function"}]'}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "output"), ONE_CALL, ids=[name for name, _ in ONE_CALL])
@pytest.mark.parametrize("as_text", [False, True])
def test_a_tool_call_is_read_from_the_reply_of_any_api(name: str, output: Any, as_text: bool) -> None:
    reader = MessageReader()

    reader.read(json.dumps(output) if as_text else output, "assistant")

    (draft,) = reader.messages.drafts
    assert (draft.kind, draft.payload) == ("tool_call", {"id": "c1", "name": "look", "args": {"at": "roof"}}), name


def langfuse(id: str, parent: str | None, type: str, second: int, **fields: Any) -> dict[str, Any]:
    times = {"startTime": f"2026-11-02T09:00:{second:02d}Z", "endTime": f"2026-11-02T09:00:{second + 1:02d}Z"}
    return {"id": id, "traceId": "t", "parentObservationId": parent, "type": type, "name": "x", **times, **fields}


def trace(*observations: dict[str, Any]) -> dict[str, Any]:
    return {"trace": {"id": "t", "name": "trip"}, "observations": list(observations)}


def test_a_call_that_two_instrumentations_saw_counts_once_with_the_better_reply() -> None:
    outer = langfuse(
        "a",
        None,
        "GENERATION",
        0,
        model="gpt-5",
        input="look",
        output=OPENAI_REPLY,
        usageDetails={"input": 9, "output": 9},
    )
    inner = langfuse(
        "b", "a", "GENERATION", 0, model="gpt-5", input="user: look", usageDetails={"input": 5, "output": 2}
    )

    run = nt.loads(trace(outer, inner))

    assert [block.kind for block in run.latest] == ["user", "tool_call"]
    assert [result.usage.input_tokens for result in run.inferences if result.usage] == [5]


def test_a_conversation_in_an_observation_of_a_tool_is_a_subagent() -> None:
    call = {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "function": {"name": "ask", "arguments": "{}"}}],
    }
    first = langfuse("a", None, "GENERATION", 0, model="gpt-5", input=[{"role": "user", "content": "hi"}], output=call)
    tool = langfuse("b", None, "TOOL", 2, input={}, output="42", level="DEFAULT") | {"name": "ask"}
    inner = langfuse("c", "b", "GENERATION", 3, model="gpt-5", input=[{"role": "user", "content": "sum"}], output="42")

    outer_run, inner_run = nt.load_all([trace(first, tool, inner)])

    assert inner_run.parent_id == outer_run.id and outer_run.child_ids == (inner_run.id,)
    assert outer_run.latest.of_kind("tool_call")[0].child_run_id == inner_run.id


def test_spans_with_their_new_messages_alone_are_one_conversation() -> None:
    spans, messages = [], [text("user", "Count")]
    for number in range(4):
        call = {"role": "assistant", "parts": [tool_part(f"c{number}", "count", {"n": number})]}
        spans.append(chat("a" * 32, f"{number:016x}", "", number, messages, call))
        messages = [
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": f"c{number}", "response": str(number)}]}
        ]

    run = nt.loads(lines(spans))

    assert len(run.latest) == 8 and len(run.inferences) == 4


def test_the_messages_of_a_conversation_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts the messages that are read: a file of n calls has n² of them, and 2n are new."""
    counts: list[int] = []
    original = MessageReader.message_drafts

    def counting(self: MessageReader, *arguments: Any) -> Any:
        counts[-1] += 1
        return original(self, *arguments)

    monkeypatch.setattr(MessageReader, "message_drafts", counting)
    for length in (20, 40, 80):
        counts.append(0)
        messages: list[Any] = [text("user", "Count")]
        spans = []
        for number in range(length):
            call = {"role": "assistant", "parts": [tool_part(f"c{number}", "count", {"n": number})]}
            spans.append(chat("a" * 32, f"{number:016x}", "", number, list(messages), call))
            result = {"type": "tool_call_response", "id": f"c{number}", "response": str(number)}
            messages += [call, {"role": "tool", "parts": [result]}]
        assert len(nt.loads(lines(spans)).inferences) == length

    assert counts[1] < 2.2 * counts[0] and counts[2] < 2.2 * counts[1]
