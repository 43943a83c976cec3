"""What each provider can do beyond text and calls: read from an answer, kept, and sent back, feature by feature."""

from __future__ import annotations

from typing import Any

import pytest

import nbturns as nt
from nbturns.engines import decode, request
from nbturns.engines.openai_responses.client_calls import client_call_of

# OpenAI Responses: what its server does itself stands in the output as items of their own.

SERVER_ITEMS: dict[str, dict[str, Any]] = {
    "web search": {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "rain", "sources": [{"type": "url", "url": "https://example.org"}]},
    },
    "file search": {
        "type": "file_search_call",
        "id": "fs_1",
        "status": "completed",
        "queries": ["rain"],
        "results": [{"file_id": "file_1", "filename": "a.md", "score": 0.5, "text": "…"}],
    },
    "code interpreter": {
        "type": "code_interpreter_call",
        "id": "ci_1",
        "status": "completed",
        "code": "1 + 1",
        "container_id": "cntr_1",
        "outputs": [{"type": "logs", "logs": "2"}],
    },
    "MCP call": {
        "type": "mcp_call",
        "id": "mcp_1",
        "server_label": "s",
        "name": "roll",
        "arguments": '{"n": 1}',
        "output": "4",
        "error": None,
        "approval_request_id": None,
    },
    "MCP tools": {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "s", "tools": [{"name": "roll"}]},
    "MCP approval": {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "s",
        "name": "roll",
        "arguments": "{}",
    },
    "image generation": {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBO"},
    "computer use": {
        "type": "computer_call",
        "id": "cu_1",
        "call_id": "call_1",
        "status": "completed",
        "action": {"type": "click", "button": "left", "x": 1, "y": 2},
        "pending_safety_checks": [],
    },
    "shell": {"type": "shell_call", "id": "sh_1", "call_id": "call_2", "action": {"commands": ["ls"]}},
    "patch": {"type": "apply_patch_call", "id": "ap_1", "call_id": "call_3", "operation": {"type": "delete_file"}},
    "tool search": {"type": "tool_search_call", "id": "tsc_1", "arguments": {"paths": ["a"]}, "execution": "server"},
    "compaction": {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAA"},
}
TEXT_ITEM = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "phase": "final_answer",
    "content": [
        {
            "type": "output_text",
            "text": "Rain.",
            "annotations": [{"type": "url_citation", "url": "https://example.org", "start_index": 0, "end_index": 4}],
            "logprobs": [{"token": "Rain", "logprob": -0.1, "bytes": [82], "top_logprobs": []}],
        }
    ],
}


def response(*items: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x", "output": [*items], **beside}


@pytest.mark.parametrize("name", SERVER_ITEMS)
def test_what_openais_server_did_is_a_block_that_goes_back_after_its_thought(name: str) -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    items = [thought, SERVER_ITEMS[name], TEXT_ITEM]

    turn = decode("openai", response(*items))

    is_for_client = client_call_of(SERVER_ITEMS[name]) is not None
    assert [block.kind for block in turn] == ["reasoning", "tool_call" if is_for_client else "other", "llm_text"]
    assert is_for_client or turn[1].payload == SERVER_ITEMS[name]
    assert turn.inferences[0].finish_class == ("tool_calls_pending" if is_for_client else "completed")
    assert request("openai:gpt-x", nt.Turn.from_yaml(turn.to_yaml()))["input"] == items


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True},
        {"type": "computer_call_output", "call_id": "call_1", "output": {"type": "computer_screenshot"}},
        {"type": "shell_call_output", "call_id": "call_2", "output": []},
    ],
)
def test_what_openais_server_asks_of_its_client_can_be_answered(answer: dict[str, Any]) -> None:
    turn = nt.turn("Do it.") + nt.Block("other", answer, "user")

    assert request("openai:gpt-x", turn)["input"][-1] == answer


def test_phase_annotations_and_log_probabilities_are_kept_and_go_back() -> None:
    turn = decode("openai", response(TEXT_ITEM))

    assert turn[0].payload["annotations"][0]["url"] == "https://example.org"
    assert request("openai:gpt-x", turn)["input"] == [TEXT_ITEM]
    assert request("openai:gpt-x", turn.edit(0, text="Sun."))["input"][0]["phase"] == "final_answer"


def test_the_tier_that_served_and_a_moderation_stand_in_the_result() -> None:
    [result] = decode("openai", response(TEXT_ITEM, service_tier="flex", moderation={"flagged": False})).inferences

    assert (result.extra["service_tier"], result.extra["moderation"]) == ("flex", {"flagged": False})


def test_openai_is_told_of_shape_tools_choice_and_tier() -> None:
    asked: dict[str, Any] = {
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}, "verbosity": "low"},
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]},
        "parallel_tool_calls": False,
        "max_tool_calls": 3,
        "service_tier": "flex",
        "include": ["web_search_call.action.sources", "message.output_text.logprobs"],
        "prompt_cache_key": "k",
        "truncation": "auto",
    }
    body = request("openai:gpt-x", nt.turn("x"), tools=[{"type": "web_search"}], **asked)

    assert {name: body[name] for name in asked} == asked
    assert body["tools"] == [{"type": "web_search"}]


# Anthropic.

CLAUDE_ITEMS: dict[str, list[dict[str, Any]]] = {
    "web search": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "url": "https://example.org", "encrypted_content": "Eq"}],
        },
    ],
    "code execution": [
        {"type": "server_tool_use", "id": "srvtoolu_2", "name": "bash_code_execution", "input": {"command": "ls"}},
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "srvtoolu_2",
            "content": {"type": "bash_code_execution_result", "stdout": "a", "stderr": "", "return_code": 0},
        },
    ],
    "MCP": [
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "roll", "server_name": "s", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []},
    ],
    "upload": [{"type": "container_upload", "file_id": "file_1"}],
    "compaction": [{"type": "compaction", "content": "what was said"}],
}


def message(*content: dict[str, Any], **beside: Any) -> dict[str, Any]:
    made = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [*content]}
    return {**made, "stop_reason": "end_turn", **beside}


@pytest.mark.parametrize("name", CLAUDE_ITEMS)
def test_what_claudes_server_did_is_kept_in_its_place_and_goes_back(name: str) -> None:
    content = [{"type": "text", "text": "I look."}, *CLAUDE_ITEMS[name], {"type": "text", "text": "Rain."}]

    turn = nt.Turn.from_yaml(decode("anthropic", message(*content)).to_yaml())

    assert [block.payload for block in turn.of_kind("other")] == CLAUDE_ITEMS[name]
    assert request("anthropic:claude-x", turn)["messages"] == [{"role": "assistant", "content": content}]


def test_a_turn_that_claude_paused_is_sent_back_as_it_is_and_goes_on() -> None:
    begun = [{"type": "text", "text": "I look."}, CLAUDE_ITEMS["web search"][0]]

    turn = nt.turn("Rain?") + tuple(decode("anthropic", message(*begun, stop_reason="pause_turn")))

    assert turn[-1].inference is not None
    assert turn[-1].inference.finish_class == "continue"
    assert request("anthropic:claude-x", turn)["messages"][1:] == [{"role": "assistant", "content": begun}]


def test_a_refusal_of_claudes_says_why() -> None:
    why = {"type": "refusal", "category": "cyber", "explanation": "…"}

    [result] = decode("anthropic", message(stop_reason="refusal", stop_details=why)).inferences

    assert (result.finish_class, result.extra["stop_details"]) == ("refused", why)


def test_container_and_edits_of_the_context_stand_in_the_result() -> None:
    beside: dict[str, Any] = {"container": {"id": "container_1"}, "context_management": {"applied_edits": []}}

    [result] = decode("anthropic", message(**beside)).inferences

    assert beside.items() <= result.extra.items()


def test_cache_marks_go_where_they_are_set() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    blocks = [
        nt.Block("system", {"text": "Be brief.", "cache_control": mark}, "system"),
        nt.Block("user", {"text": "Read.", "cache_control": mark}, "user"),
        nt.tool_call("c1", "f"),
        nt.Block("tool_use", {"id": "c1", "result": "so", "cache_control": mark}),
    ]

    body = request("anthropic:claude-x", nt.Turn(blocks))

    assert body["system"][0]["cache_control"] == mark
    assert body["messages"][0]["content"][0]["cache_control"] == mark
    assert body["messages"][2]["content"][0]["cache_control"] == mark


def test_claude_is_told_of_thinking_choice_shape_and_servers() -> None:
    asked: dict[str, Any] = {
        "thinking": {"type": "adaptive", "display": "summarized"},
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        "mcp_servers": [{"type": "url", "url": "https://example.org", "name": "s"}],
        "container": "container_1",
        "context_management": {"edits": []},
        "metadata": {"user_id": "u"},
        "service_tier": "standard_only",
    }

    body = request("anthropic:claude-x", nt.turn("x"), tools=[{"name": "f", "input_schema": {}}], **asked)

    assert {name: body[name] for name in asked} == asked


# Gemini.


def candidates(*parts: dict[str, Any], reason: str = "STOP", **beside: Any) -> dict[str, Any]:
    one = {"content": {"role": "model", "parts": [*parts]}, "finishReason": reason, **beside}
    return {"candidates": [one], "modelVersion": "gemini-x", "responseId": "r1"}


GEMINI_PARTS: dict[str, list[dict[str, Any]]] = {
    "code execution": [
        {"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": "c2ln"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
    ],
    "a server's tool": [
        {
            "toolCall": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["rain"]}},
            "thoughtSignature": "Yg==",
        },
        {"toolResponse": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}, "thoughtSignature": "Yg=="},
    ],
    "an image": [{"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "Yw=="}],
    "a signed text": [{"text": "so", "thoughtSignature": "ZA=="}, {"text": "", "thoughtSignature": "ZQ=="}],
    "a thought": [{"text": "hm", "thought": True, "thoughtSignature": "Zg=="}],
}


@pytest.mark.parametrize("name", GEMINI_PARTS)
def test_each_part_of_geminis_goes_back_with_its_signature(name: str) -> None:
    parts = [*GEMINI_PARTS[name], {"text": "Rain."}]

    turn = nt.Turn.from_yaml(decode("gemini", candidates(*parts)).to_yaml())

    assert len(turn) == len(parts)
    assert request("gemini:gemini-x", turn)["contents"] == [{"role": "model", "parts": parts}]


@pytest.mark.parametrize(("model", "signed"), [("gemini-2.5-flash", False), ("gemini-3-pro-preview", True)])
def test_a_call_of_a_model_without_signatures_can_be_gone_on_from_by_one_that_wants_them(
    model: str, signed: bool
) -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    turn = decode("gemini", {**candidates(call), "modelVersion": "gemini-2.0-flash"})

    [part] = request(f"gemini:{model}", turn)["contents"][0]["parts"]

    assert part["functionCall"] == call["functionCall"]
    assert ("thoughtSignature" in part) is signed


@pytest.mark.parametrize(
    "name",
    ["groundingMetadata", "urlContextMetadata", "citationMetadata", "safetyRatings", "avgLogprobs", "finishMessage"],
)
def test_what_gemini_says_beside_its_parts_stands_in_the_result(name: str) -> None:
    said: Any = {"groundingChunks": [{"web": {"uri": "https://example.org"}}]}

    [result] = decode("gemini", candidates({"text": "so"}, **{name: said})).inferences

    assert result.extra[name] == said


@pytest.mark.parametrize("reason", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "MODEL_ARMOR"])
def test_what_gemini_filtered_is_told_and_what_came_before_is_kept(reason: str) -> None:
    turn = decode("gemini", candidates({"text": "It r"}, reason=reason))

    assert (turn.text, turn.inferences[0].finish_class) == ("It r", "filtered")


def test_gemini_is_told_of_shape_tools_safety_and_cache() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    body = request(
        "gemini:gemini-x",
        nt.turn("x"),
        tools=[{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}],
        response_json_schema=schema,
        thinking_config={"includeThoughts": True, "thinkingBudget": 100},
        toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}},
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        cached_content="cachedContents/1",
        labels={"team": "a"},
    )

    assert body["generationConfig"] == {
        "responseJsonSchema": schema,
        "responseMimeType": "application/json",
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 100},
    }
    assert body["tools"] == [{"googleSearch": {}}, {"codeExecution": {}}, {"urlContext": {}}]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    assert (body["cachedContent"], body["labels"]) == ("cachedContents/1", {"team": "a"})


def test_vertex_may_write_numbers_for_words() -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "so"}]}, "finishReason": 2}]}

    [result] = decode("gemini", body).inferences

    assert (result.stop_reason, result.finish_class, result.truncated) == ("MAX_TOKENS", "max_tokens", True)


# Chat Completions.


def completion(said: dict[str, Any], stop: str = "stop", **beside: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "model": "gpt-x",
        "choices": [{"index": 0, "message": said, "finish_reason": stop, **beside}],
    }


def test_sound_is_kept_and_named_when_it_goes_back() -> None:
    sound = {"id": "audio_1", "data": "UklG", "transcript": "Rain.", "expires_at": 1}

    turn = decode("openai-chat", completion({"role": "assistant", "content": None, "audio": sound}))

    assert turn[0].payload["media"] == [{"type": "audio", **sound}]
    [sent] = request("openai-chat:gpt-x", turn)["messages"]
    assert sent["audio"] == {"id": "audio_1"}


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_thought_is_read_under_each_of_its_names(name: str) -> None:
    turn = decode("openai-chat", completion({"role": "assistant", "content": "4", name: "2 and 2."}))

    assert [(block.kind, block.text) for block in turn] == [("reasoning", "2 and 2."), ("llm_text", "4")]


def test_a_chat_is_told_of_shape_choice_sound_and_tier() -> None:
    asked: dict[str, Any] = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}},
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
        "logprobs": True,
        "top_logprobs": 2,
        "service_tier": "flex",
        "web_search_options": {},
        "prediction": {"type": "content", "content": "x"},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}

    body = request("openai-chat:gpt-x", nt.turn("x"), tools=[tool], **asked)

    assert {name: body[name] for name in asked} == asked
