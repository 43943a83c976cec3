"""Sessions of Kimi CLI and Kimi Code: tokens around replies, steps, compactions, subagents, files beside each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt


def write(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.error or block.result or block.name) for block in run.latest]


def event(name: str, /, **payload: Any) -> dict[str, Any]:
    return {"timestamp": 1746090000.5, "message": {"type": name, "payload": payload}}


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def status(input: int, output: int, cached: int = 0) -> dict[str, Any]:
    counts = {"input_other": input, "output": output, "input_cache_read": cached, "input_cache_creation": 0}
    return event("StatusUpdate", token_usage=counts, message_id=f"m{input}")


def shell(id: str, name: str = "Shell") -> dict[str, Any]:
    return event("ToolCall", type="function", id=id, function={"name": name, "arguments": '{"command": "ls"}'})


def result(id: str, output: Any, is_error: bool = False, message: str = "") -> dict[str, Any]:
    return event(
        "ToolResult", tool_call_id=id, return_value={"is_error": is_error, "output": output, "message": message}
    )


def test_the_counts_around_a_reply_are_its_input_and_the_total(tmp_path: Path) -> None:
    path = write(
        tmp_path / "s.jsonl",
        {"role": "_system_prompt", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "_usage", "token_count": 100},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "_usage", "token_count": 107},
        {"role": "user", "content": "Bye"},
        {"role": "assistant", "content": "Bye"},
        {"role": "_usage", "token_count": 120},
    )

    run = nt.load(path, strict=True)

    assert texts(run) == ["Be brief.", "Hi", "Hello", "Bye", "Bye"]
    assert [call.usage and (call.usage.input_tokens, call.usage.output_tokens) for call in run.inferences] == [
        (100, 7),
        None,
    ]


def test_a_step_is_a_call_with_its_parts_its_tools_and_its_tokens(tmp_path: Path) -> None:
    path = write(
        tmp_path / "wire.jsonl",
        {"type": "metadata", "protocol_version": "1.3"},
        event("TurnBegin", user_input=[text("Look")]),
        event("StepBegin", n=1),
        event("ContentPart", type="think", think="I lo", encrypted=None),
        event("ContentPart", type="think", think="ok.", encrypted="sig"),
        shell("c1"),
        event("ToolCallPart", arguments_part=""),
        status(10, 5, 90),
        result("c1", "a file", message="Command executed."),
        event("StepBegin", n=2),
        shell("c2"),
        result("c2", "", True, "No such command"),
        event("StepInterrupted"),
        event("TurnEnd"),
    )

    run = nt.load(path, strict=True)

    assert texts(run) == ["Look", "I look.", "Shell", "a file", "Shell", "No such command"]
    assert [call.usage for call in run.inferences] == [nt.Usage(100, 5, 90, 0), None]
    assert str(run.inferences[1].stop_reason) == "interrupted"


def test_the_events_of_a_subagent_are_a_run_that_its_call_names(tmp_path: Path) -> None:
    def inner(name: str, /, **payload: Any) -> dict[str, Any]:
        agent = {"parent_tool_call_id": "c1", "agent_id": "a7", "subagent_type": "explore"}
        return event("SubagentEvent", **agent, event={"type": name, "payload": payload})

    path = write(
        tmp_path / "project" / "session-1" / "wire.jsonl",
        event("TurnBegin", user_input="Go"),
        event("StepBegin", n=1),
        shell("c1", "Task"),
        inner("TurnBegin", user_input="Look"),
        inner("StepBegin", n=1),
        inner("ContentPart", **text("Nothing")),
        inner("StatusUpdate", token_usage={"input_other": 7, "output": 1}),
        result("c1", "Nothing"),
    )

    main, agent = nt.load_all(path, strict=True)

    assert (texts(main), texts(agent)) == (["Go", "Task", "Nothing"], ["Look", "Nothing"])
    assert main.latest[1].child_run_id == agent.id == "session-1/a7"
    assert (agent.parent_id, agent.metadata[nt.keys.PARENT_TOOL_CALL], agent.usage.input_tokens) == (
        "session-1",
        "c1",
        7,
    )


def test_a_session_with_both_files_is_read_once_with_its_prompt_and_title(tmp_path: Path) -> None:
    folder = tmp_path / "project" / "session-1"
    write(folder / "wire.jsonl", event("TurnBegin", user_input="Go"), event("ContentPart", **text("Gone")))
    prompt = {"role": "_system_prompt", "content": "Be brief."}
    write(folder / "context.jsonl", prompt, {"role": "user", "content": "Go"})
    write(folder / "state.json", {"custom_title": "Going"})
    other = tmp_path / "project" / "session-2"
    write(other / "wire.jsonl", {"timestamp": 1.5, "message": {"type": "TurnBegin"}})
    write(other / "context.jsonl", prompt, {"role": "user", "content": "Stay"})

    first, second = nt.load_all(
        [folder / "context.jsonl", folder / "wire.jsonl", other / "context.jsonl", other / "wire.jsonl"]
    )

    assert (first.id, first.name, texts(first)) == ("session-1", "Going", ["Be brief.", "Go", "Gone"])
    assert (second.id, texts(second)) == ("session-2", ["Be brief.", "Stay"])


def code(type: str, **fields: Any) -> dict[str, Any]:
    return {"type": type, "time": 1746090000000, **fields}


def loop(type: str, **fields: Any) -> dict[str, Any]:
    return code("context.append_loop_event", event={"type": type, **fields})


def turn(prompt: str, answer: str) -> list[dict[str, Any]]:
    usage = {"inputOther": 10, "output": 2, "inputCacheRead": 5, "inputCacheCreation": 0}
    return [
        code("turn.prompt", input=[text(prompt)]),
        code("context.append_message", message={"role": "user", "content": [text(prompt)], "toolCalls": []}),
        loop("step.begin", step=1),
        loop("content.part", part=text(answer)),
        loop("step.end", step=1, usage=usage, finishReason="end_turn"),
        code("usage.record", model="kimi-k2", usage=usage, usageScope="turn"),
    ]


def test_a_compaction_of_kimi_code_keeps_the_messages_after_those_it_counts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "wire.jsonl",
        code("config.update", modelAlias="kimi-for-coding", cwd="/work"),
        *turn("One", "First"),
        *turn("Two", "Second"),
        code("usage.record", model="kimi-k2", usage={"inputOther": 50, "output": 9}),
        code("context.apply_compaction", summary="One was first.", compactedCount=2, tokensBefore=60, tokensAfter=9),
        *turn("Three", "Third"),
    )

    run = nt.load(path, strict=True)

    assert texts(run) == ["One was first.", "Two", "Second", "Three", "Third"]
    assert [call.usage and call.usage.input_tokens for call in run.inferences] == [15, 15, 15, 50]
    assert {call.model for call in run.inferences} == {"kimi-k2"}
    assert run.metadata[nt.keys.FIELDS]["cwd"] == "/work"


def test_what_was_taken_back_is_not_in_the_context(tmp_path: Path) -> None:
    path = write(
        tmp_path / "wire.jsonl",
        *turn("One", "First"),
        *turn("Two", "Second"),
        code("context.undo", count=1),
        *turn("Three", "Third"),
        code("context.clear"),
        *turn("Four", "Fourth"),
    )

    run = nt.load(path, strict=True)

    assert [[block.text for block in one][-4:] for one in run][-2:] == [
        ["One", "First", "Three", "Third"],
        ["Four", "Fourth"],
    ]


def test_a_session_of_kimi_code_has_its_title_in_the_folder_above_its_agents(tmp_path: Path) -> None:
    session = tmp_path / "wd_app" / "ses_1"
    main = write(session / "agents" / "main" / "wire.jsonl", *turn("One", "First"))
    agent = write(session / "agents" / "agent-0" / "wire.jsonl", *turn("Look", "Found"))
    write(session / "state.json", {"id": "ses_1", "title": "Counting", "forkedFrom": "ses_0", "archived": False})

    run, child = nt.load_all([main, agent], strict=True)

    assert (run.id, run.name, run.metadata[nt.keys.FIELDS]["forkedFrom"]) == ("ses_1", "Counting", "ses_0")
    assert (child.id, child.name, child.parent_id) == ("ses_1/agent-0", "wire", "ses_1")
    assert "forkedFrom" not in (child.metadata.get(nt.keys.FIELDS) or {})
    assert set(nt.frames.runs(session).run_id) == {"ses_1", "ses_1/agent-0"}


def test_an_older_session_of_kimi_cli_has_its_title_in_its_metadata(tmp_path: Path) -> None:
    prompt = {"role": "user", "content": "Go"}
    context = write(tmp_path / "ses_1" / "context.jsonl", prompt)
    write(tmp_path / "ses_1" / "metadata.json", {"title": "Going", "archived": False})
    untitled = write(tmp_path / "ses_2" / "context.jsonl", {"role": "_checkpoint", "id": 0}, prompt)
    write(tmp_path / "ses_2" / "metadata.json", {"title": "Untitled"})
    wire = write(tmp_path / "ses_3" / "wire.jsonl", event("TurnBegin", user_input="Go"))
    write(tmp_path / "ses_3" / "metadata.json", {"title": "Old"})
    write(tmp_path / "ses_3" / "state.json", {"custom_title": "New"})

    runs = [*nt.load_all(context, format="kimi"), *nt.load_all([untitled, wire])]

    assert [run.name for run in runs] == ["Going", "context", "New"]
