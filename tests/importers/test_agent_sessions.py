"""Sessions of agents: order, compactions, failures, links, and the files beside a session."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import nbturns as nt

FIXTURES = Path(__file__).parents[2] / "fixtures" / "transcripts"


def write_lines(path: Path, *records: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, records)))
    return path


def texts(turn: nt.Turn) -> list[str]:
    return [block.text or str(block.result or block.error or block.name) for block in turn]


def step(index: int, source: str, type: str, content: Any = None, **fields: Any) -> dict[str, Any]:
    return {"step_index": index, "source": source, "type": type, "status": "DONE", "content": content, **fields}


def test_steps_of_antigravity_are_read_by_their_index_and_the_last_copy_of_each(tmp_path: Path) -> None:
    settings = (
        "<USER_SETTINGS_CHANGE>\nThe user changed setting `Model Selection` from None to Gemini 3.5 Flash (High). Ok."
    )
    path = write_lines(
        tmp_path / "transcript.jsonl",
        step(0, "USER_EXPLICIT", "USER_INPUT", f"Look {settings}"),
        step(2, "MODEL", "RUN_COMMAND", "half", status="RUNNING"),
        step(1, "MODEL", "PLANNER_RESPONSE", tool_calls=[{"name": "run", "args": {}}, {"name": "view", "args": {}}]),
        step(2, "MODEL", "RUN_COMMAND", "all of it"),
        step(3, "MODEL", "VIEW_FILE", "no such file", exit_code=1),
        step(4, "SYSTEM", "CHECKPOINT", "They looked."),
        step(5, "MODEL", "PLANNER_RESPONSE", "Done"),
    )

    run = nt.load(path, strict=True)

    assert [texts(turn)[1:] for turn in run] == [["run", "view", "all of it", "no such file"], ["Done"]]
    assert texts(run.latest) == ["They looked.", "Done"]
    results = run[0].of_kind("tool_use")
    assert [block.error for block in results] == ["", "no such file"]
    assert [block.tool_call_id for block in results] == [block.tool_call_id for block in run[0].of_kind("tool_call")]
    assert {result.model for result in run.inferences} == {"Gemini 3.5 Flash (High)"}


def test_a_trajectory_of_antigravity_has_the_tokens_of_each_generation(tmp_path: Path) -> None:
    def step(name: str, **fields: Any) -> dict[str, Any]:
        return {"type": f"CORTEX_STEP_TYPE_{name}", "metadata": {"createdAt": "2026-06-26T21:16:16Z"}, **fields}

    call = {"id": "a", "name": "run", "argumentsJson": '{"x": 1}'}
    usage = {"inputTokens": "100", "outputTokens": "7", "thinkingOutputTokens": "3", "cacheReadTokens": "50"}
    path = write_lines(
        tmp_path / "c.trajectory.json",
        {
            "cascadeId": "c",
            "steps": [
                step("USER_INPUT", userInput={"userResponse": "hi"}),
                step("PLANNER_RESPONSE", plannerResponse={"thinking": "t", "response": "r", "toolCalls": [call]}),
                step("RUN_COMMAND", runCommand={"combinedOutput": {"full": "x"}, "exitCode": 2, "cwd": "/work"}),
            ],
            "generatorMetadata": [{"stepIndices": [1], "chatModel": {"model": "gemini-3-pro", "usage": usage}}],
            "agyReader": {"parentCascadeId": "p"},
        },
    )

    run = nt.load(path, strict=True)

    assert (run.id, run.parent_id) == ("c", "p")
    (result,) = run.inferences
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.reasoning_tokens) == (150, 7, 3)
    assert run.latest.of_kind("tool_use")[0].error


def test_the_summary_and_the_updates_of_grok_build_name_the_session_and_its_tokens(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    write_lines(
        folder / "summary.json",
        {
            "info": {"id": "s", "cwd": "/work"},
            "generated_title": "Title",
            "parent_session_id": "p",
            "current_model_id": "grok-4.5",
        },
    )
    usage = {"inputTokens": 90, "cachedReadTokens": 40, "outputTokens": 7, "costUsdTicks": 5_000_000_000}
    write_lines(
        folder / "updates.jsonl",
        {"params": {"update": {"prompt_id": "1", "usage": {"inputTokens": 1}}}},
        {"params": {"update": {"prompt_id": "1", "usage": usage}}},
    )
    path = write_lines(
        folder / "chat_history.jsonl",
        {"type": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Greet"}]},
        {
            "type": "backend_tool_call",
            "kind": {"tool_type": "web_search", "id": "w", "status": "failed", "action": {"query": "x"}},
        },
        {"type": "assistant", "content": "Hi", "model_id": "grok-4.5"},
    )

    run = nt.load(path, strict=True)

    assert (run.id, run.name, run.fields["info"]["cwd"]) == ("s", "Title", "/work")
    (result,) = run.inferences
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.cached_tokens, result.cost, result.cost_source) == (
        90,
        40,
        0.5,
        "provider",
    )
    assert {block.inference_id for block in run.latest if block.kind in ("reasoning", "tool_call", "llm_text")} == {
        result.inference_id
    }
    assert run.latest.of_kind("tool_use")[0].error == "failed"


def test_the_metadata_of_mistral_vibe_names_model_and_parent_and_a_compaction_begins_a_context(tmp_path: Path) -> None:
    write_lines(
        tmp_path / "meta.json",
        {"session_id": "s", "parent_session_id": "p", "title": "Title", "config": {"active_model": "devstral-2"},
         "environment": {"working_directory": "/work"}, "stats": {"session_prompt_tokens": 100}},
    )  # fmt: skip
    summary = "You are continuing a trajectory after a context compaction.\n\nThey greeted."
    path = write_lines(
        tmp_path / "messages.jsonl",
        {"role": "user", "content": "Hello", "message_id": "1"},
        {"role": "assistant", "content": "Hi", "message_id": "2"},
        {"role": "user", "content": summary, "injected": True, "message_id": "3"},
        {"role": "assistant", "content": "On", "message_id": "4"},
    )

    run = nt.load(path, strict=True)

    assert (run.id, run.name, run.parent_id) == ("s", "Title", "p")
    assert run.fields["environment"]["working_directory"] == "/work"
    assert {result.model for result in run.inferences} == {"devstral-2"}
    assert texts(run.latest) == [summary, "On"]


def test_a_damaged_file_beside_a_session_is_reported_and_costs_no_message(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"session_id": oops')
    path = write_lines(tmp_path / "messages.jsonl", {"role": "user", "content": "Hello", "message_id": "1"})

    run = nt.load(path)

    assert texts(run.latest) == ["Hello"]
    assert any("meta.json" in note for note in run.import_report.dropped)


def test_a_code_block_with_an_example_of_a_call_of_gptme_is_no_call(tmp_path: Path) -> None:
    def reply(content: str) -> dict[str, Any]:
        return {"role": "assistant", "content": content, "timestamp": "2026-05-01T09:00:00", "metadata": {"usage": {}}}

    path = write_lines(
        tmp_path / "conversation.jsonl",
        reply('So:\n```\n@shell(call-1): {"cmd": "ls"}\n```\n'),
        reply('I run it.\n@shell(call-2): {"cmd": "ls"}\nThen I look.'),
    )

    run = nt.load(path)

    assert [(block.tool_call_id, dict(block.args)) for block in run.latest.of_kind("tool_call")] == [
        ("call-2", {"cmd": "ls"})
    ]
    assert run.latest.of_kind("llm_text")[1].text == "I run it.\n\nThen I look."


def node(id: str, parent: str, *numbers: int, active: bool = True) -> dict[str, Any]:
    return {"id": id, "parentId": parent, "isActive": active, "lmMessageIds": numbers}


def posit_line(number: int, role: str, text: str, **fields: Any) -> dict[str, Any]:
    options = {"providerMetadata": {"positai": {"timestamp": 1735689600000 + number, **fields}}}
    return {"id": number, "message": {"role": role, "content": text, "providerOptions": options}}


def test_the_tree_of_posit_assistant_is_read_with_the_messages_and_the_workspace_around_it(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "main" / "subagents" / "child"
    write_lines(tmp_path / "work" / "workspace.json", {"path": "/project"})
    root = {"id": "child", "title": "Title", "metadata": {"kind": "subagent", "parentTreeId": "main"}}
    nodes = [node("a", "child", 0), node("b", "a", 1), node("c", "a", 2, active=False)]
    path = write_lines(folder / "conversation.json", {"schemaVersion": "3", "root": root, "messages": nodes})
    usage = {"inputTokens": 12, "outputTokens": 3, "cacheReadTokens": 100, "cacheWriteTokens": 8}
    write_lines(
        folder / "lm-messages.jsonl",
        posit_line(0, "user", "Look"),
        posit_line(1, "assistant", "Done", modelId="claude-sonnet-4-6", usage=usage),
        posit_line(2, "assistant", "Left"),
    )

    run, branch = nt.load_all(tmp_path, strict=False)

    assert (run.id, run.name, run.parent_id, run.fields["workspace"]["path"]) == ("child", "Title", "main", "/project")
    assert [texts(turn) for turn in (run.latest, branch.latest)] == [["Look", "Done"], ["Look", "Left"]]
    result = run.inferences[0]
    assert result.usage is not None and (result.usage.input_tokens, result.model) == (120, "claude-sonnet-4-6")
    frames = nt.frames.read(path)
    assert (len(frames.inferences), len(frames.blocks)) == (2, 3)


def test_a_rewound_message_of_hermes_is_on_a_path_of_its_own_and_a_compaction_keeps_what_is_active(
    tmp_path: Path,
) -> None:
    def message(role: str, state: str, text: str) -> dict[str, Any]:
        return {"message_id": text, "role": role, "state": state, "text": text, "tool_calls": [], "tool_results": []}

    messages = [
        message("user", "active", "Hello"),
        message("assistant", "compacted", "Old"),
        message("assistant", "rewound", "Wrong"),
        message("assistant", "observed", "New"),
    ]
    document = {"producer": "hermes/0.9.0", "session_revision_hash": "x", "session_id": "s", "messages": messages}
    path = write_lines(tmp_path / "session.json", {**document, "repository_cwd": "/work"})

    run, branch = nt.load_all(path, strict=True)

    assert [texts(turn) for turn in run] == [["Hello", "Old"], ["Hello", "New"]]
    assert texts(branch.latest) == ["Hello", "Wrong"]
    assert run.fields["repository_cwd"] == "/work"


def test_the_database_of_hermes_has_its_sessions(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TABLE sessions (id TEXT, source TEXT, model TEXT, parent_session_id TEXT, started_at REAL, title TEXT,"
            " input_tokens INTEGER, api_call_count INTEGER)"
        )
        database.execute(
            "CREATE TABLE messages (id INTEGER, session_id TEXT, role TEXT, content TEXT, tool_call_id TEXT, tool_calls TEXT,"
            " timestamp REAL, finish_reason TEXT, reasoning TEXT)"
        )
        database.execute("INSERT INTO sessions VALUES ('s', 'cli', 'claude-sonnet-4-5', 'p', 1.0, 'Title', 90, 2)")
        call = json.dumps([{"id": "a", "function": {"name": "run", "arguments": "{}"}}])
        rows = [
            (1, "user", "Hello", None, None, None, None),
            (2, "assistant", "", None, call, "tool_calls", "Think"),
            (3, "tool", "ok", "a", None, None, None),
        ]
        for number, role, content, call_id, calls, reason, thought in rows:
            values = (number, "s", role, content, call_id, calls, float(number), reason, thought)
            database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    database.close()

    run = nt.load(path, strict=True)

    assert (run.id, run.name, run.parent_id, run.fields["input_tokens"]) == ("s", "Title", "p", 90)
    assert texts(run.latest) == ["Hello", "Think", "run", "ok"]


def test_a_subagent_of_openclaw_without_messages_has_its_prompt_and_its_calls(tmp_path: Path) -> None:
    main, child = "agent:main:main", "agent:main:subagent:1"
    spawn = {"type": "toolCall", "id": "s", "name": "sessions_spawn", "arguments": {"task": "look"}}
    accepted = json.dumps({"status": "accepted", "childSessionKey": child})
    copies = [
        [{"role": "assistant", "timestamp": 1, "content": [{**spawn, "id": name}], "usage": {"input": 5, "output": 1}},
         {"role": "toolResult", "timestamp": 2, "toolCallId": name, "content": [{"type": "text", "text": accepted}]}]
        for name in ("s", "s")
    ]  # fmt: skip
    copies[1].append({"role": "compactionSummary", "timestamp": 3, "summary": "They looked."})
    copies[1].append({"role": "user", "timestamp": 4, "content": "Go on"})
    path = write_lines(
        tmp_path / "telemetry.jsonl",
        {"type": "agent.start", "sessionKey": child, "prompt": "look"},
        {"type": "tool.start", "sessionKey": child, "toolName": "exec", "params": {"command": "ls"}},
        {"type": "tool.end", "sessionKey": child, "toolName": "exec", "success": False, "error": "denied"},
        *({"type": "agent.end", "sessionKey": main, "messages": messages} for messages in copies),
    )

    run, agent = nt.load_all(path, strict=True)

    assert [texts(turn) for turn in run] == [["sessions_spawn", accepted], ["They looked.", "Go on"]]
    assert (agent.parent_id, run[0].of_kind("tool_call")[0].child_run_id) == (main, child)
    assert texts(agent.latest) == ["look", "exec", "denied"]
    assert len(run.inferences) == 1


def test_a_session_that_openclaw_wrote_with_the_code_of_pi_is_known_by_its_folder(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}], "usage": {"input": 5, "output": 1}}
    path = write_lines(
        tmp_path / "s.jsonl",
        {"type": "session", "version": 3, "id": "s", "cwd": "/home/someone/.openclaw/workspace"},
        {"type": "message", "id": "1", "parentId": None, "message": message},
    )

    run = nt.load(path, strict=True)

    assert (run.import_report.format, run.id, texts(run.latest)) == ("openclaw", "s", ["Hi"])


def test_tools_of_specstory_may_print_another_session_and_sidechains_are_runs(tmp_path: Path) -> None:
    tool = '<tool-use data-tool-type="read" data-tool-name="Read"><details>'
    inner = f"_**User**_\n\n{tool}\ninner\n</details></tool-use>"
    path = tmp_path / "history.md"
    path.write_text(
        "<!-- Codex CLI Session s (2026-05-01 09:00:00Z) -->\n\n_**User**_\n\nRead it\n\n---\n\n"
        f"_**Agent (gpt-5 2026-05-01 09:00:01Z)**_\n\n{tool}\n`a.md`\n\n```\n{inner}\n```\n</details></tool-use>\n\n"
        "_**User - sidechain (2026-05-01 09:00:02Z)**_\n\nLook\n\n_**Agent - sidechain (haiku 2026-05-01 09:00:03Z)**_\n\nSeen\n"
    )

    run, sidechain = nt.load_all(path, strict=True)

    assert (run.id, run.fields["agent"], run.inferences[0].model) == ("s", "Codex CLI", "gpt-5")
    assert texts(run.latest) == ["Read it", "Read", inner]
    assert (sidechain.parent_id, texts(sidechain.latest)) == ("s", ["Look", "Seen"])


def test_the_sessions_of_a_stream_of_atof_are_linked_and_an_error_is_a_model_call(tmp_path: Path) -> None:
    def event(kind: str, category: str, session: str, **fields: Any) -> dict[str, Any]:
        return {
            "atof_version": "0.1",
            "kind": kind,
            "category": category,
            "metadata": {"session_id": session},
            **fields,
        }

    path = write_lines(
        tmp_path / "events.jsonl",
        event("scope", "llm", "main", scope_category="start", uuid="1", data={"content": "Look"}),
        event("scope", "llm", "main", scope_category="end", uuid="1", data={"error": {"message": "overloaded"}}),
        event("mark", "agent", "main", name="hermes.subagent.start", data={"child_session_id": "child"}),
        event("scope", "llm", "child", scope_category="end", uuid="2", data={"assistant_message": {"content": "Seen"}}),
    )

    run, child = nt.load_all(path, strict=True)

    assert (child.parent_id, run.child_ids, texts(child.latest)) == ("main", ("child",), ["Seen"])
    assert [str(result.finish_class) for result in run.inferences] == ["error"]


def test_a_transcript_of_agentv_is_a_run_for_each_test_with_the_results_of_its_calls() -> None:
    rhubarb, beans = nt.load_all(FIXTURES / "agentv.jsonl", strict=True)

    assert [(block.kind, block.name or block.text or block.result or block.error) for block in rhubarb.latest] == [
        ("user", "When was the rhubarb planted?"),
        ("llm_text", "I look into the notes."),
        ("tool_call", "Read"),
        ("tool_call", "Read"),
        ("tool_use", "plant,month\nrhubarb,March"),
        ("tool_use", "no such file"),
        ("llm_text", "In March."),
    ]
    assert rhubarb.latest[5].error and (rhubarb.usage.input_tokens, rhubarb.usage.output_tokens) == (310, 45)
    assert rhubarb.inferences[0].model == "gpt-5-mini" and rhubarb.inferences[0].duration_ms == 900
    assert (rhubarb.id, rhubarb.name, rhubarb.fields["cwd"]) == ("garden-session-1", "rhubarb", "/srv/garden")
    assert (beans.latest.text, beans.name) == ("None yet.", "beans") and beans.id != rhubarb.id
    assert len(nt.frames.inferences(FIXTURES / "agentv.jsonl")) == 3
