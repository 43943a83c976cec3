"""Exports of chat pages and states of frameworks: versions, branches, teams, and other shapes of the same format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt


def load(tmp_path: Path, document: Any) -> list[nt.Run]:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(document))
    return list(nt.load_all(path, strict=True))


def texts(run: nt.Run) -> list[str]:
    return [block.text or str(block.result or block.error or block.name) for block in run.latest]


def test_an_earlier_version_of_an_answer_in_ai_studio_is_a_path_of_its_own(tmp_path: Path) -> None:
    chunks = [
        {"id": "u", "role": "user", "text": "Why?"},
        {"id": "a", "role": "model", "text": "First", "branchParent": {"id": "u"}, "tokenCount": 3},
        {"id": "b", "role": "model", "parts": [{"text": "Second"}], "branchParent": {"id": "u"}, "tokenCount": 4},
        {"id": "v", "role": "user", "text": "Look", "inlineFile": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
    ]

    run, branch = load(tmp_path, {"id": "p", "chunkedPrompt": {"chunks": chunks}})

    assert (texts(run), texts(branch)) == (["Why?", "Second", "Look"], ["Why?", "First"])
    assert len(run.latest[-1].images) == 1
    assert [call.usage.output_tokens for call in (run.inferences[0], branch.inferences[0]) if call.usage] == [4, 3]


def test_responses_of_grok_may_lie_flat_and_have_times_of_mongodb(tmp_path: Path) -> None:
    time = {"$date": {"$numberLong": "1785578401000"}}
    responses = [{"sender": "human", "message": "Hi", "create_time": time}, {"sender": "ASSISTANT", "message": "Hello"}]

    (run,) = load(tmp_path, {"conversations": [{"conversation": {"title": "T"}, "responses": responses}]})

    assert (run.name, texts(run), run.id) == ("T", ["Hi", "Hello"], "export.json#0")
    assert run.latest[0].metadata[nt.keys.TIMESTAMP] == "1785578401000"


def test_a_captured_page_of_grok_has_the_branches_thoughts_and_models_of_its_server(tmp_path: Path) -> None:
    def response(id: str, parent: str, sender: str, message: str, **fields: Any) -> dict[str, Any]:
        time = "2026-06-01T10:00:00Z"
        return {"responseId": id, "parentResponseId": parent, "sender": sender, "message": message, **fields} | {
            "createTime": time
        }

    steps = [{"text": ["It may", "rain."], "tags": ["header"]}]
    responses = [
        response("r1", "", "human", "Weather?"),
        response("r2", "r1", "ASSISTANT", "Rain", model="grok-4", steps=steps),
        response("r3", "r1", "ASSISTANT", "Sun", model="grok-4"),
    ]
    payload = {"conversationId": "c1", "title": "T", "createTime": "2026-06-01T09:00:00Z", "responses": responses}
    turns = [{"provider_turn_id": "r1", "role": "user", "text": "Weather?"}]
    session = {"provider": "grok", "provider_session_id": "c1", "turns": turns}

    run, branch = load(
        tmp_path, {"polylogue_capture_kind": "page", "session": session, "raw_provider_payload": payload}
    )

    assert (run.id, run.name, texts(run)) == ("c1", "T", ["Weather?", "Sun"])
    assert texts(branch) == ["Weather?", "It may\nrain.", "Rain"]
    assert [call.model for call in branch.inferences] == ["grok-4"]
    assert run.latest[0].metadata[nt.keys.TIMESTAMP] == "2026-06-01T10:00:00Z"
    assert branch.latest[1].metadata[nt.keys.FIELDS]["steps"][0]["tags"] == ["header"]


def test_the_agents_of_a_team_of_autogen_are_runs_that_have_the_model_calls(tmp_path: Path) -> None:
    message = {"type": "AssistantMessage", "content": "Done", "source": "writer"}
    context = {"type": "AssistantAgentState", "version": "1.0.0", "llm_context": {"messages": [message]}}
    thread = [
        {"type": "TextMessage", "source": "user", "content": "Write", "id": "1"},
        {"type": "TextMessage", "source": "writer", "content": "Done", "id": "2", "models_usage": None},
    ]
    agents = {
        "writer": {"type": "ChatAgentContainerState", "version": "1.0.0", "agent_state": context, "message_buffer": []},
        "RoundRobinGroupChatManager": {"type": "RoundRobinManagerState", "version": "1.0.0", "message_thread": thread},
    }

    team, writer = load(tmp_path, {"type": "TeamState", "version": "1.0.0", "agent_states": agents})

    assert (texts(team), texts(writer), writer.name) == (["Write", "Done"], ["Done"], "writer")
    assert (len(team.inferences), len(writer.inferences), writer.parent_id) == (0, 1, team.id)


def test_the_result_of_a_task_of_autogen_has_calls_results_and_tokens(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    call = {"id": "a", "name": "run", "arguments": "{}"}
    messages = [
        {"type": "TextMessage", "source": "user", "content": "Go"},
        {"type": "ToolCallRequestEvent", "source": "writer", "content": [call], "models_usage": usage},
        {
            "type": "ToolCallExecutionEvent",
            "source": "writer",
            "content": [{"call_id": "a", "content": "no", "is_error": True}],
        },
        {"type": "ToolCallSummaryMessage", "source": "writer", "content": "no"},
    ]

    (run,) = load(tmp_path, {"messages": messages, "stop_reason": "done"})

    assert (texts(run), run.fields["stop_reason"]) == (["Go", "run", "no", "no"], "done")
    assert run.usage.input_tokens == 9 and len(run.inferences) == 1
    assert run.latest.of_kind("tool_use")[0].error == "no"


def test_older_agent_runs_of_docent_have_their_transcripts_by_name(tmp_path: Path) -> None:
    transcripts = {name: {"messages": [{"role": "user", "content": name}]} for name in ("a", "b")}

    runs = load(tmp_path, {"id": "r", "transcripts": transcripts, "metadata": {"reward": 0.5}})

    assert [texts(run) for run in runs] == [["a"], ["b"]]
    assert runs[0].outcome is not None and runs[0].outcome.reward == 0.5


def test_a_legacy_chat_of_open_webui_has_a_list_of_messages(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "Hi", "files": [{"type": "image", "url": "data:image/png;base64,iVBORw0KGgo="}]},
        {
            "role": "assistant",
            "content": "Hello",
            "model": "llama3.2",
            "usage": {"prompt_eval_count": 7, "eval_count": 2},
        },
    ]

    (run,) = load(tmp_path, {"chat": {"title": "T", "messages": messages}})

    assert (run.name, texts(run), run.usage.input_tokens, run.usage.output_tokens) == ("T", ["Hi", "Hello"], 7, 2)
    assert len(run.latest[0].images) == 1


def test_a_recursive_export_of_librechat_is_a_tree(tmp_path: Path) -> None:
    def message(id: str, parent: str, is_user: bool, *children: Any) -> dict[str, Any]:
        fields = {
            "messageId": id,
            "parentMessageId": parent,
            "isCreatedByUser": is_user,
            "text": id,
            "conversationId": "c",
        }
        return {**fields, "children": list(children)}

    tree = [message("one", "root", True, message("two", "one", False), message("three", "one", False))]

    run, branch = load(tmp_path, {"conversationId": "c", "title": "T", "recursive": True, "messagesTree": tree})

    assert (run.id, texts(run), texts(branch)) == ("c", ["one", "three"], ["one", "two"])


def test_a_thought_of_lm_studio_is_of_the_call_whose_counts_come_after_it(tmp_path: Path) -> None:
    stats = {"promptTokensCount": 5, "predictedTokensCount": 3}
    steps = [
        {"type": "contentBlock", "style": {"type": "thinking"}, "content": [{"type": "text", "text": "Hm"}]},
        {
            "type": "contentBlock",
            "content": [{"type": "text", "text": "Yes"}],
            "genInfo": {"identifier": "m", "stats": stats},
        },
    ]
    messages = [
        {"versions": [{"role": "user", "content": [{"type": "text", "text": "Well?"}]}], "currentlySelected": 0},
        {"versions": [{"role": "assistant", "type": "multiStep", "steps": steps}], "currentlySelected": 0},
    ]

    (run,) = load(tmp_path, {"name": "T", "messages": messages})

    assert texts(run) == ["Well?", "Hm", "Yes"]
    assert len(run.inferences) == 1 and run.latest[1].inference == run.latest[2].inference
    assert run.usage.input_tokens == 5


def adk_event(author: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"invocationId": "i", "author": author, "content": {"parts": [{"text": text}]}, **fields}


def test_events_of_adk_may_be_in_camel_case_partial_or_a_compaction(tmp_path: Path) -> None:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 4}
    summary = {"compaction": {"compactedContent": {"parts": [{"text": "They greeted."}]}}}
    events = [
        adk_event("user", "Hello"),
        adk_event("gardener", "He", partial=True),
        adk_event("gardener", "Hello!", usageMetadata=usage, modelVersion="gemini-2.5-pro"),
        {"invocationId": "i", "author": "user", "actions": summary},
        adk_event("user", "Again"),
    ]

    (run,) = load(tmp_path, {"id": "s", "appName": "a", "events": events})

    assert [block.text for block in run.latest if block.kind == "user"] == ["They greeted.", "Again"]
    calls = [call for call in run.inferences if call.usage is not None]
    assert [(call.model, call.usage.output_tokens) for call in calls if call.usage] == [("gemini-2.5-pro", 6)]


def test_the_lists_of_queries_that_adk_had_before_eval_sets_are_one_conversation(tmp_path: Path) -> None:
    use = {"tool_name": "roll_die", "tool_input": {"sides": 6}}
    queries = [{"query": "Roll", "expected_tool_use": [use], "reference": "A 4."}]

    (run,) = load(tmp_path, queries)

    assert texts(run) == ["Roll", "roll_die", "A 4."]
    assert dict(run.latest.of_kind("tool_call")[0].args) == {"sides": 6}
