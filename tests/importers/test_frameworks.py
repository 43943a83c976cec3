"""Objects and exports of agent frameworks: smolagents, openai-agents, LangChain's `model_dump` form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt
from nbturns.values.provenance import FIELDS

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"


def kinds(run: nt.Run) -> list[str]:
    return [block.kind for block in run.latest]


def test_a_memory_of_smolagents_has_its_prompt_plan_steps_and_usage() -> None:
    run = nt.load(FIXTURES / "smolagents.json", strict=True)

    step = ["llm_text", "tool_call", "tool_use"]
    assert kinds(run) == ["system", "user", "llm_text", *step, *step, "tool_call", "tool_use"]
    assert run.latest[5].result == "31 °C"
    assert (run.latest[8].tool_call_id, run.latest[8].error) == ("call_soil2", "the sensor is offline")
    assert (run.usage.input_tokens, run.usage.output_tokens) == (30 + 3 * 40, 5 + 3 * 6)
    assert [result.duration_ms for result in run.inferences] == [400, 1500, 1500, 1500]


def test_observations_of_several_calls_are_the_result_of_the_last_and_reported() -> None:
    memory = json.loads((FIXTURES / "smolagents.json").read_text())
    action = memory["steps"][2]
    action["tool_calls"].append(
        {"id": "call_b", "type": "function", "function": {"name": "water", "arguments": "bed = 3"}}
    )
    run = nt.load(memory)

    assert [(block.tool_call_id, block.result) for block in run.latest.of_kind("tool_use")][:2] == [
        ("call_warm1", None),
        ("call_b", "31 °C"),
    ]
    assert run.latest.of_kind("tool_call")[1].args == {"arguments": "bed = 3"}
    assert any("observations of 2 tool calls" in note for note in run.import_report.guessed)


def test_a_state_of_openai_agents_has_its_items_and_the_usage_of_each_model_call() -> None:
    run = nt.load(FIXTURES / "openai-agents.json", strict=True)

    assert kinds(run) == ["user", "tool_call", "tool_use", "llm_text"]
    first, second = run.inferences
    assert (first.response_id, second.response_id) == ("resp_1", "resp_2")
    assert first.usage is not None and second.usage is not None
    assert (first.usage.input_tokens, first.usage.cached_tokens, first.usage.reasoning_tokens) == (52, 32, 4)
    assert (second.usage.input_tokens, second.usage.output_tokens) == (71, 12)
    assert run.latest[1].inference_id != run.latest[3].inference_id
    assert run.name == "Greenhouse"


def test_a_result_of_openai_agents_is_its_input_list_and_its_responses() -> None:
    state = json.loads((FIXTURES / "openai-agents.json").read_text())

    class Result:
        raw_responses = state["model_responses"]
        final_output = "Yes"

        def to_input_list(self) -> list[Any]:
            return [
                {"role": "user", "content": state["original_input"]},
                *(item["raw_item"] for item in state["generated_items"]),
            ]

    run = nt.load(Result())
    assert run.latest.same_content(nt.load(state).latest)
    assert run.usage == nt.load(state).usage
    assert run.metadata[FIELDS]["final_output"] == "Yes"


def test_messages_of_langchain_as_model_dump_writes_them_have_the_usage_and_the_server_tools() -> None:
    common: dict[str, Any] = {"additional_kwargs": {}, "response_metadata": {}, "name": None, "id": None}
    call = {"name": "water", "args": {"bed": 3}, "id": "c1", "type": "tool_call"}
    reply = [
        {"type": "reasoning", "reasoning": "Look it up."},
        {"type": "server_tool_call", "id": "s1", "name": "web_search", "args": {"query": "rain"}},
        {"type": "server_tool_result", "tool_call_id": "s1", "status": "success", "output": "no rain"},
        {"type": "text", "text": "I water it."},
        call,
    ]
    messages = [
        {"type": "human", "content": "Water it", **common},
        {
            "type": "ai",
            "content": reply,
            **common,
            "tool_calls": [call],
            "invalid_tool_calls": [],
            "usage_metadata": {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13},
        },
        {"type": "tool", "content": "done", "tool_call_id": "c1", "status": "success", "artifact": None, **common},
    ]
    run = nt.load({"messages": messages}, strict=True)

    assert run.import_report.format == "langchain"
    assert kinds(run) == ["user", "reasoning", "other", "other", "llm_text", "tool_call", "tool_use"]
    assert run.latest[2].payload["args"] == {"query": "rain"}
    assert (run.usage.input_tokens, run.usage.output_tokens) == (9, 4)


def test_a_response_of_google_genai_is_dumped_under_the_names_of_the_api() -> None:
    """The SDK's models are in snake case and hold bytes; `by_alias` and JSON give what the API sent."""

    class Response:
        def model_dump(self, *, mode: str, by_alias: bool, warnings: bool, exclude_none: bool = False) -> Any:
            assert (mode, by_alias, exclude_none) == ("json", True, True)
            parts = [{"text": "It is dry.", "thoughtSignature": "AAECAw=="}]
            candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
            return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 4}}

    Response.__module__ = "google.genai.types"
    run = nt.load(Response())
    assert (run.latest.text, run.usage.input_tokens) == ("It is dry.", 11)


def test_failed_returns_and_retries_of_pydantic_ai_keep_all_that_they_say() -> None:
    errors = [{"type": "missing", "loc": ["x"], "msg": "Field required"}]
    call = {"part_kind": "tool-call", "tool_name": "g", "args": "{}", "tool_call_id": "c"}
    failed = {"part_kind": "tool-return", "tool_name": "g", "tool_call_id": "c", "content": {"a": 1}}
    messages = [
        {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": "q"}]},
        {"kind": "response", "parts": [call]},
        {
            "kind": "request",
            "parts": [{**failed, "outcome": "failed"}, {"part_kind": "retry-prompt", "content": errors}],
        },
    ]

    _, _, result, retry = nt.loads(messages).latest

    assert (result.error, result.metadata[nt.keys.FIELDS]["outcome"]) == ('{"a": 1}', "failed")
    assert json.loads(retry.text) == errors
