"""What today's models refuse is not sent to them, and a Notice says so: one test for each kind of rule."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, create_model

import nbturns as nt
from nbturns.engines import decode, find, request
from nbturns.events import Notice
from nbturns.middleware.checked_output import CheckedOutput
from tests.engines.scripted_server import Script, served

KEY = "k-of-these-tests"


def weather(city: str, day: str = "today") -> str:
    "Weather in a city."
    return f"rain in {city}"


def notices(name: str, turn: nt.Turn, tools: Any = (), **params: Any) -> str:
    """The sentences that a request of this Turn is told with."""
    engine = nt.engine(name, api_key=KEY, **params)
    return " | ".join(engine.prepared(turn, nt.Scope(tools=nt.Session(nt.scripted("x"), tools=tools).tools))[1])


def as_json(body: Any) -> Script:
    return Script(json.dumps(body).encode(), content_type="application/json")


def claude_reply(*content: Any, stop: str = "end_turn", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    head = {"id": "m1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "usage": usage}
    return {**head, "content": list(content), "stop_reason": stop, **fields}


# Claude.

LATER = nt.turn("q") + nt.system("In German.")


@pytest.mark.parametrize(
    "model", ["sonnet-4-6", "sonnet-5", "sonnet-5-5", "haiku-5-5", "opus-4-7", "3-7-sonnet-latest"]
)
def test_a_model_without_later_system_blocks_hears_them_from_the_user(model: str) -> None:
    [message] = request(f"anthropic:claude-{model}", LATER)["messages"]

    assert [part["text"] for part in message["content"]] == ["q", "In German."]
    assert "user text" in notices(f"anthropic:claude-{model}", LATER)


@pytest.mark.parametrize("model", ["opus-4-8", "opus-5", "opus-5-5", "fable-5-1", "mythos-5"])
def test_a_later_system_block_stands_behind_the_user_and_before_the_answer(model: str) -> None:
    turn = nt.turn("q") + nt.assistant("a") + nt.system("In German.") + nt.system("Be brief.") + nt.user("more")

    roles = [message["role"] for message in request(f"anthropic:claude-{model}", turn)["messages"]]
    alone = request(f"anthropic:claude-{model}", nt.turn("q") + nt.assistant("a") + nt.system("s") + nt.assistant("b"))

    assert roles == ["user", "assistant", "user", "system"]
    assert [message["role"] for message in alone["messages"]] == ["user", "assistant", "user", "assistant"]


@pytest.mark.parametrize(
    ("model", "asked", "thinking", "effort"),
    [
        ("opus-4-8", {"thinking_budget": 20_000}, "adaptive", "xhigh"),
        ("fable-5", {"thinking_budget": 0}, None, None),
        ("haiku-5-5", {"thinking_budget": 0}, "disabled", None),
        ("sonnet-5-5", {"thinking_budget": 0, "reasoning_effort": "max"}, "between_tools", "high"),
        ("haiku-4-5", {"reasoning_effort": "high"}, "enabled", None),
        ("haiku-4-5", {"thinking_type": "adaptive"}, "enabled", None),
        ("haiku-4-5", {"reasoning_effort": "high", "temperature": 0.2}, None, None),
        ("3-5-haiku-latest", {"reasoning_effort": "high"}, None, None),
        ("opus-4-6", {"reasoning_effort": "xhigh"}, None, "high"),
        ("opus-4-5", {"reasoning_effort": "max"}, None, "high"),
        ("sonnet-4-6", {"reasoning_effort": "max"}, None, "max"),
    ],
)
def test_claude_thinks_in_the_way_that_the_model_takes(
    model: str, asked: dict[str, Any], thinking: str | None, effort: str | None
) -> None:
    body = request(f"anthropic:claude-{model}", nt.turn("x"), **asked)

    assert body.get("thinking", {}).get("type") == thinking
    assert body.get("output_config", {}).get("effort") == effort


@pytest.mark.parametrize("model", ["opus-4-1", "sonnet-4-5", "haiku-4-5", "opus-4-6"])
def test_temperature_goes_without_top_p(model: str) -> None:
    body = request(f"anthropic:claude-{model}", nt.turn("x"), temperature=0.5, top_p=0.9)

    assert (body["temperature"], "top_p" in body) == (0.5, False)
    assert "top_p=0.9" in notices(f"anthropic:claude-{model}", nt.turn("x"), temperature=0.5, top_p=0.9)


@pytest.mark.parametrize(("model", "choice"), [("fable-5-1", "auto"), ("fable-5", "any"), ("sonnet-5-5", "auto")])
def test_a_forced_tool_is_free_where_the_model_refuses_one(model: str, choice: str) -> None:
    required = nt.ToolConfig(tool_choice="required", max_parallel_tools=1)

    body = request(f"anthropic:claude-{model}", nt.turn("x"), [weather], required)

    assert body["tool_choice"] == {"type": choice, "disable_parallel_tool_use": True}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "SIG"}


def test_a_thought_whose_past_has_changed_is_dropped_by_claude_and_told() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}
    replies = [claude_reply(THOUGHT, call, stop="tool_use"), claude_reply({"type": "text", "text": "Rain."}, id="m2")]
    told: list[str] = []
    with served("anthropic:claude-sonnet-5-5", KEY) as server:
        engine = server.engine(*map(as_json, replies), as_json(replies[1]), stream=False)
        sinks = [lambda event: told.append(event.text) if isinstance(event, Notice) else None]
        turn = nt.Session(engine, tools=[weather], sinks=sinks).ask("Oslo?").result(30)
        nt.Session(engine, tools=[weather], sinks=sinks).ask(turn.edit(0, text="Rome?") + nt.user("Sure?")).result(30)

    unedited, edited = server.asked[1], server.asked[2]
    assert "thinking" not in unedited
    assert edited["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    assert "anthropic-beta" not in server.headers[1]
    assert "thinking-binding-controls" in server.headers[2]["anthropic-beta"]
    assert [sentence for sentence in told if "has changed" in sentence] == told


def test_a_thought_is_left_out_where_claude_has_no_switch_and_stays_where_it_is_not_bound() -> None:
    turn = (
        nt.turn("x") + tuple(decode("anthropic", claude_reply(THOUGHT, {"type": "text", "text": "y"}))) + nt.user("z")
    )

    off = request("anthropic:claude-sonnet-5-5", turn, thinking_budget=0)
    unbound = request("anthropic:claude-sonnet-5", turn)

    assert "SIG" not in json.dumps(off)
    assert "SIG" in json.dumps(unbound) and "thinking" not in unbound


def test_the_container_goes_along_where_its_code_waits_for_us() -> None:
    box = {"id": "c9", "expires_at": "x"}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "code_execution_20260120"}}
    calling = decode("anthropic", claude_reply(call, stop="tool_use", container=box))
    going_on = decode("anthropic", claude_reply({"type": "text", "text": "y"}, stop="pause_turn", container=box))
    ended = decode("anthropic", claude_reply({"type": "text", "text": "y"}, container=box))

    def container(turn: nt.Turn) -> Any:
        return request("anthropic:claude-sonnet-5", nt.turn("x") + tuple(turn)).get("container")

    assert (container(calling + nt.tool_use("t", 1)), container(going_on), container(ended)) == ("c9", "c9", None)


@pytest.mark.parametrize("kind", ["compaction", "advisor_message", "fallback_message"])
def test_iterations_that_claude_leaves_out_are_counted(kind: str) -> None:
    rounds = [
        {"type": kind, "input_tokens": 500, "output_tokens": 30, "cache_read_input_tokens": 7},
        {"type": "message", "input_tokens": 10, "output_tokens": 2},
    ]
    usage = {"input_tokens": 10, "output_tokens": 2, "iterations": rounds}

    turn = decode("anthropic", claude_reply({"type": "text", "text": "y"}, usage=usage))

    assert (turn.usage.input_tokens, turn.usage.output_tokens, turn.usage.cached_tokens) == (517, 32, 7)


# Tools.


@pytest.mark.parametrize(
    ("name", "theirs", "sent"),
    [
        ("anthropic:claude-sonnet-5", {"type": "memory_20250818", "name": "weather"}, "memory_20250818"),
        ("anthropic:claude-sonnet-5", {"name": "weather", "defer_loading": True}, "input_schema"),
        ("openai:gpt-5", {"type": "custom", "name": "weather"}, "custom"),
        ("openai-chat:gpt-5", {"type": "function", "function": {"name": "weather", "strict": True}}, "strict"),
        ("gemini:gemini-3-flash", {"functionDeclarations": [{"name": "weather", "behavior": "BLOCKING"}]}, "BLOCKING"),
    ],
)
def test_what_tools_says_of_a_name_is_said_once(name: str, theirs: dict[str, Any], sent: str) -> None:
    tools = request(name, nt.turn("x"), tools=[weather, theirs])["tools"]

    assert len(tools) == 1 and json.dumps(tools).count('"weather"') == 1
    assert sent in json.dumps(tools)


@pytest.mark.parametrize("name", ["openai:gpt-5", "openai-chat:gpt-5"])
def test_a_strict_tool_requires_all_and_takes_null_for_what_is_optional(name: str) -> None:
    provider = name.partition(":")[0]
    tool = nt.Tool(weather, options={provider: {"strict": True}})

    [sent] = request(name, nt.turn("x"), tools=[tool])["tools"]
    function = sent.get("function", sent)

    assert function["strict"] is True
    assert function["parameters"]["required"] == ["city", "day"]
    assert function["parameters"]["properties"]["day"]["anyOf"][1] == {"type": "null"}


def test_a_tool_that_cannot_be_strict_is_not_and_it_is_told() -> None:
    def save(fields: dict[str, int]) -> str:
        "Save."
        return "ok"

    tool = nt.Tool(save, options={"openai": {"strict": True}})

    assert request("openai:gpt-5", nt.turn("x"), tools=[tool])["tools"][0]["strict"] is False
    assert "not strict: save" in notices("openai:gpt-5", nt.turn("x"), [tool])


class Pair(NamedTuple):
    left: int
    right: str


@pytest.mark.parametrize("name", ["openai:gpt-5", "openai-chat:gpt-4.1", "groq:llama"])
def test_a_tuple_is_a_list_of_that_length_for_openai(name: str) -> None:
    def f(pair: Pair, all_of_them: list[tuple[int, int]]) -> str:
        "f"
        return "ok"

    [tool] = request(name, nt.turn("x"), tools=[f])["tools"]
    text = json.dumps(tool)

    assert "prefixItems" not in text
    assert text.count('"items"') >= 3


@pytest.mark.parametrize(
    "choice", [{"tool_choice": "required"}, {"tool_choice": {"type": "function", "name": "weather"}}]
)
def test_a_forced_tool_is_free_after_its_first_result(choice: dict[str, Any]) -> None:
    turn = nt.turn("x") + nt.tool_call("a", "weather", {"city": "Oslo"})

    assert request("openai:gpt-4.1", turn, [weather], **choice)["tool_choice"] == choice["tool_choice"]
    assert request("openai:gpt-4.1", turn + nt.tool_use("a", "rain"), [weather], **choice)["tool_choice"] == "auto"
    assert request("anthropic:claude-sonnet-4-6", turn + nt.tool_use("a", 1), [weather], tool_choice={"type": "any"})[
        "tool_choice"
    ] == {"type": "auto"}


# Shapes of answers.


class Tree(BaseModel):
    name: str
    children: list["Tree"] = []


@pytest.mark.parametrize("provider", ["openai", "openai-chat"])
def test_a_recursive_answer_keeps_its_definitions(provider: str) -> None:
    structured_output = find(provider).structured_output
    assert structured_output is not None
    said = structured_output.parameters(CheckedOutput(Tree).config)
    shape = said["text"]["format"] if provider == "openai" else said["response_format"]["json_schema"]

    assert (shape["schema"]["type"], shape["strict"]) == ("object", True)
    assert shape["schema"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}
    assert shape["schema"]["$defs"]["Tree"]["required"] == ["name", "children"]


def test_claude_hears_of_a_recursive_answer_in_words() -> None:
    turn = nt.turn("x").with_data(nt.keys.STRUCTURED_OUTPUT_CONFIG, CheckedOutput(Tree).config)

    body = request("anthropic:claude-sonnet-5", turn)

    assert "output_config" not in body
    assert "$defs" in body["system"][0]["text"]


@pytest.mark.parametrize("hint", [dict[str, int], tuple[int, int], list[Any], Any, frozenset[str]])
def test_an_answer_is_strict_only_where_openai_takes_it(hint: Any) -> None:
    model = create_model("M", x=(hint, ...))
    structured_output = find("openai").structured_output
    assert structured_output is not None
    shape = structured_output.parameters(CheckedOutput(model).config)["text"]["format"]

    assert shape["strict"] is (hint == frozenset[str])
    assert "uniqueItems" not in shape["schema"]["properties"]["x"] or not shape["strict"]


def test_a_shape_without_a_schema_is_refused() -> None:
    shape = nt.keys.STRUCTURED_OUTPUT_CONFIG.type(name="p", require_valid=True)

    with pytest.raises(nt.EngineError, match="'p' has no schema"):
        request("openai:gpt-5", nt.turn("x").with_data(nt.keys.STRUCTURED_OUTPUT_CONFIG, shape))


# OpenAI.


@pytest.mark.parametrize("model", ["gpt-6-luna", "gpt-6.1-terra", "gpt-6.2-sol", "openai/gpt-6-astra", "gpt-7"])
def test_newer_families_reason(model: str) -> None:
    body = request(f"openai-chat:{model}", nt.turn("x"), temperature=0, max_tokens=9)

    assert body["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature"} & body.keys()


@pytest.mark.parametrize(
    ("name", "asked", "sent"),
    [
        ("openai:gpt-6-astra", "none", "low"),
        ("openai:gpt-6-sol", "none", "none"),
        ("openai:gpt-5.6", "minimal", "low"),
        ("openai:gpt-5.6", "max", "max"),
        ("openai-chat:gpt-5.6", "max", "xhigh"),
        ("openai:o4-mini", "xhigh", "high"),
        ("openai:gpt-5", "none", "minimal"),
    ],
)
def test_an_effort_is_the_nearest_that_the_model_takes(name: str, asked: str, sent: str) -> None:
    body = request(name, nt.turn("x"), reasoning_effort=asked)

    assert (body.get("reasoning") or {"effort": body.get("reasoning_effort")})["effort"] == sent


@pytest.mark.parametrize("name", ["openai-chat:gpt-4o", "deepseek:deepseek-chat", "mistral:m", "ollama:llama3"])
def test_a_limit_of_a_turn_wins_and_there_is_one(name: str) -> None:
    limit = nt.keys.INFERENCE_CONFIG.type(max_response_tokens=2048)

    body = request(name, nt.turn("x").with_data(nt.keys.INFERENCE_CONFIG, limit), max_tokens=1024)

    assert [value for field, value in body.items() if field.startswith("max")] == [2048]


CALLS: list[tuple[dict[str, Any], str, dict[str, Any], Any, dict[str, Any]]] = [
    (
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
        "shell",
        {"commands": ["ls"]},
        "a.txt",
        {"output": [{"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    ),
    (
        {
            "type": "local_shell_call",
            "id": "l",
            "call_id": "c",
            "action": {"type": "exec", "command": ["ls"], "env": {}},
        },
        "local_shell",
        {"type": "exec", "command": ["ls"], "env": {}},
        "a.txt",
        {"id": "c", "output": "a.txt"},
    ),
    (
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        "apply_patch",
        {"type": "delete_file", "path": "a"},
        "done",
        {"status": "completed", "output": "done"},
    ),
    (
        {"type": "computer_call", "call_id": "c", "action": {"type": "wait"}, "pending_safety_checks": [{"id": "s"}]},
        "computer",
        {"action": {"type": "wait"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {
            "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AAAA"},
            "acknowledged_safety_checks": [{"id": "s"}],
        },
    ),
    (
        {"type": "tool_search_call", "call_id": "c", "execution": "client", "arguments": {"q": "x"}},
        "tool_search",
        {"q": "x"},
        [{"type": "function", "name": "f"}],
        {"tools": [{"type": "function", "name": "f"}], "execution": "client"},
    ),
    (
        {"type": "mcp_approval_request", "id": "c", "server_label": "s", "name": "f", "arguments": '{"a": 1}'},
        "mcp_approval",
        {"server_label": "s", "name": "f", "arguments": {"a": 1}},
        True,
        {"approval_request_id": "c", "approve": True},
    ),
]


@pytest.mark.parametrize(("item", "name", "args", "result", "output"), CALLS)
def test_a_call_of_openais_own_tools_is_pending_and_its_result_goes_back_in_kind(
    item: dict[str, Any], name: str, args: dict[str, Any], result: Any, output: dict[str, Any]
) -> None:
    reply = decode("openai", {"id": "r", "object": "response", "status": "completed", "output": [item]})
    [call] = reply.pending

    answered = nt.turn("x") + tuple(reply) + nt.tool_use(call.tool_call_id, result)
    denied = nt.turn("x") + tuple(reply) + nt.tool_use(call.tool_call_id, error="denied")
    sent = request("openai:gpt-5.5", answered)["input"]

    assert (call.name, call.args) == (name, args)
    assert reply.inferences[0].finish_class == nt.FinishClass.TOOL_CALLS_PENDING
    assert sent[1] == item
    assert output.items() <= sent[2].items()
    assert sent[2]["type"].endswith(("_output", "_response"))
    assert request("openai:gpt-5.5", denied)["input"][2] != sent[2]


def test_a_call_that_the_server_has_run_is_not_pending() -> None:
    call = {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}}
    output = {"type": "shell_call_output", "call_id": "c", "output": []}

    turn = decode("openai", {"id": "r", "object": "response", "status": "completed", "output": [call, output]})

    assert ([block.kind for block in turn], turn.pending) == (["other", "other"], ())


def test_items_without_an_index_are_told_apart_by_their_ids() -> None:
    def events(*pairs: tuple[str, dict[str, Any]]) -> str:
        return "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in pairs)

    stream = events(
        ("response.output_item.added", {"item": {"type": "reasoning", "id": "a"}}),
        ("response.reasoning_summary_text.delta", {"item_id": "a", "summary_index": 0, "delta": "One."}),
        ("response.reasoning_summary_text.delta", {"item_id": "a", "summary_index": 1, "delta": "Two."}),
        ("response.output_item.added", {"item": {"type": "message", "id": "b"}}),
        ("response.output_text.delta", {"item_id": "b", "delta": "Yes."}),
        ("response.output_item.done", {"item": {"type": "reasoning", "id": "a"}}),
        ("response.output_item.done", {"item": {"type": "message", "id": "b"}}),
        ("response.completed", {"response": {"id": "r"}}),
    )

    turn = decode("openai", stream)

    assert [(block.kind, block.text) for block in turn] == [("reasoning", "One.\n\nTwo."), ("llm_text", "Yes.")]
    assert [block.metadata[nt.keys.OPENAI_RESPONSES_ITEM_TYPE] for block in turn] == ["reasoning", "message"]


@pytest.mark.parametrize("kind", ["configuration_update", "compaction_trigger", "web_search_call"])
def test_an_item_of_the_users_own_is_sent(kind: str) -> None:
    turn = nt.turn("x") + nt.Block("other", {"type": kind, "reasoning": {"effort": "low"}}, "assistant")

    assert request("openai:gpt-5.6", turn)["input"][1]["type"] == kind


@pytest.mark.parametrize(
    "name", ["openai:gpt-5.6", "openai-chat:gpt-4.1", "anthropic:claude-sonnet-5", "gemini:gemini-3-flash"]
)
def test_an_item_that_is_not_sent_is_told(name: str) -> None:
    told: list[str] = []
    turn = nt.turn("x") + nt.Block("other", {"type": "of_the_future", "a": [1]}, "assistant") + nt.user("y")
    sinks = [lambda event: told.append(event.text) if isinstance(event, Notice) else None]
    engine = nt.engine(name, base_url="http://127.0.0.1:9", api_key=KEY, retries=0)

    with pytest.raises(nt.EngineError):
        nt.Session(engine, sinks=sinks).ask(turn).result(30)

    assert "of_the_future" in " ".join(told)


def test_a_mark_of_what_to_cache_is_sent_or_told() -> None:
    turn = nt.Turn((nt.user("long").edit(prompt_cache_breakpoint={"mode": "explicit"}),))
    claude = nt.Turn((nt.user("long").edit(cache_control={"type": "ephemeral"}),))

    assert "prompt_cache_breakpoint" in json.dumps(request("openai:gpt-5.6", turn))
    assert "prompt_cache_breakpoint" in json.dumps(request("openai-chat:gpt-6-sol", turn))
    assert "prompt_cache_breakpoint" not in json.dumps(request("openai:gpt-5", turn))
    assert "prompt_cache_breakpoint" in notices("openai:gpt-5", turn)
    assert "cache_control" in json.dumps(request("openrouter:anthropic/claude-sonnet-5", claude))
    assert "marks of what to cache" in notices("groq:llama", claude)


# Gemini and compatible servers.


def test_a_continued_reply_is_asked_for_by_the_same_request_and_its_token() -> None:
    def reply(text: str, **fields: Any) -> Script:
        return as_json({"candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP", **fields}]})

    more = {"finishReason": "CONTINUATION", "continuationToken": "dG9r"}
    with served("gemini:gemini-4-argon", KEY) as server:
        engine = server.engine(reply("Once ", **more), reply("upon ", **more), reply("a time."), stream=False)
        turn = nt.Session(engine).ask("q").result(30)

    assert [body.get("continuationToken") for body in server.asked] == [None, "dG9r", "dG9r"]
    assert server.asked[0]["contents"] == server.asked[1]["contents"] == server.asked[2]["contents"]
    assert "".join(block.text for block in turn[1:]) == "Once upon a time."


def test_results_stand_directly_behind_geminis_calls() -> None:
    calls = (nt.tool_call("a", "f"), nt.tool_call("b", "g"))
    turn = nt.Turn((nt.user("q"), *calls, nt.user("hurry"), nt.tool_use("a", 1), nt.system("s"), nt.tool_use("b", 2)))

    contents = request("gemini:gemini-3-flash", turn, later_system="user")["contents"]

    assert [[next(iter(part)) for part in content["parts"]] for content in contents[1:]] == [
        ["functionCall", "functionCall"],
        ["functionResponse", "functionResponse"],
        ["text", "text"],
    ]


@pytest.mark.parametrize(
    ("model", "inside"), [("gemini-2.5-flash", False), ("gemini-3-flash", True), ("gemini-4-argon", True)]
)
def test_a_picture_of_a_tool_is_in_its_result_where_the_model_takes_it_there(model: str, inside: bool) -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    turn = nt.turn("q") + nt.tool_call("a", "f") + nt.tool_use("a", [picture])

    contents = request(f"gemini:{model}", turn)["contents"]

    assert ("parts" in contents[2]["parts"][0]["functionResponse"]) is inside
    assert "AAAA" in json.dumps(contents[2] if inside else contents[3])


def test_gemini_gets_the_keywords_it_knows() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"const": "a"},
            "n": {"type": "integer", "exclusiveMinimum": 3},
            "link": {"type": "string", "format": "uri", "description": "a link"},
            "both": {"allOf": [{"type": "object", "properties": {"x": {"type": "string"}}}], "title": "B"},
        },
    }

    [tool] = request("gemini:gemini-3-flash", nt.turn("x"), tools=[nt.Tool(weather, parameters=schema)])["tools"]
    properties = tool["functionDeclarations"][0]["parametersJsonSchema"]["properties"]

    assert properties["kind"] == {"enum": ["a"], "type": "string"}
    assert properties["n"] == {"type": "integer", "description": "exclusiveMinimum 3"}
    assert properties["link"] == {"type": "string", "description": "a link; format uri"}
    assert properties["both"]["properties"] == {"x": {"type": "string"}}


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("gemini-2.5-flash", {"reasoning_effort": "low"}, {"thinkingBudget": 1024}),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinking_budget": 0}, {"thinkingBudget": 128}),
        ("gemini-3-flash", {"thinking_budget": 9000}, {"thinkingLevel": "HIGH"}),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, {"thinkingLevel": "LOW"}),
        ("gemini-2.0-flash", {"reasoning_effort": "low"}, None),
    ],
)
def test_gemini_thinks_by_level_or_by_budget(model: str, asked: dict[str, Any], sent: dict[str, Any] | None) -> None:
    config = request(f"gemini:{model}", nt.turn("x"), **asked).get("generationConfig", {})

    assert config.get("thinkingConfig") == sent
    assert notices(f"gemini:{model}", nt.turn("x"), **asked) or sent in (
        {"thinkingBudget": 0},
        {"thinkingBudget": 1024},
    )


@pytest.mark.parametrize(
    "result", [{"error": "stopped"}, {"result": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}]
)
def test_mistral_hears_a_word_between_a_tool_and_the_user(result: dict[str, Any]) -> None:
    turn = nt.turn("q") + nt.tool_call("a", "f") + nt.tool_use("a", **result) + nt.user("never mind")

    roles = [message["role"] for message in request("mistral:mistral-large", turn)["messages"]]

    assert roles[:4] == ["user", "assistant", "tool", "assistant"]
    assert ("tool", "user") not in set(zip(roles, roles[1:], strict=False))


def test_an_answer_cut_at_its_limit_is_not_asked_for_again() -> None:
    reply = {"choices": [{"message": {"content": '{"name": "a'}, "finish_reason": "length"}]}
    with served("openai-chat:m", KEY) as server:
        session = nt.Session(server.engine(as_json(reply), stream=False))
        with pytest.raises(nt.EngineError, match="raise max_tokens"):
            session.ask("x", output=Tree).result(30)

    assert len(server.asked) == 1
