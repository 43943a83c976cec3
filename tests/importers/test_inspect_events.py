"""Inspect logs: each model call once, with its attempts, cost and role; subagents; and the outcome of a sample."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbturns as nt


def model_event(id: str | None, text: str, tokens: int, span: str = "main", **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **({"id": id} if id else {}), **fields.pop("message", {})}
    usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1, **fields.pop("usage", {})}
    output = {"model": "claude-x", "choices": [{"message": message, "stop_reason": "stop"}], "usage": usage}
    return {"event": "model", "span_id": span, "model": "anthropic/claude-x", "output": output, "input": [], **fields}


def log(messages: list[Any], events: list[Any], **fields: Any) -> dict[str, Any]:
    sample = {"id": 1, "epoch": 1, "uuid": "u", "messages": messages, "events": events, **fields}
    return {
        "version": 2,
        "status": "success",
        "eval": {"eval_id": "e", "model": "anthropic/claude-x"},
        "samples": [sample],
    }


def user(text: str) -> dict[str, Any]:
    return {"id": f"id of {text}", "role": "user", "content": text}


def write(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(value))
    return path


def test_calls_of_logs_without_ids_are_found_by_what_they_say(tmp_path: Path) -> None:
    def without_id(text: str) -> dict[str, Any]:
        return {"role": "assistant", "content": text}

    messages = [{"role": "user", "content": "q"}, without_id("a"), without_id("b"), without_id("a")]
    events = [model_event(None, text, tokens) for text, tokens in (("a", 10), ("b", 20), ("lost", 5), ("a", 40))]
    path = write(tmp_path, log(messages, events))

    inferences = nt.frames.inferences(path)

    assert inferences.input_tokens.tolist() == [10, 20, 40, 5]
    assert nt.frames.blocks(path).kind.tolist() == ["user", "llm_text", "llm_text", "llm_text"]


def test_cost_attempts_and_role_of_a_call_are_read(tmp_path: Path) -> None:
    events = [
        model_event("m1", "a", 10, retries=2, usage={"total_cost": 0.5}),
        model_event("g1", "GRADE: C", 7, role="grader", usage={"reasoning_tokens": 3, "total_cost": 0.25}),
    ]

    run = nt.loads(log([user("q"), {"id": "m1", "role": "assistant", "content": "a"}], events))

    reply, grade = run.inferences
    assert (reply.cost, reply.cost_source, reply.attempts) == (0.5, "provider", 3)
    assert (grade.extra["role"], grade.usage and grade.usage.reasoning_tokens) == ("grader", 3)
    assert run.cost == 0.75


def test_a_call_from_the_cache_has_neither_tokens_nor_cost() -> None:
    event = model_event("m1", "a", 10, cache="read", usage={"total_cost": 0.5})

    (call,) = nt.loads(log([user("q"), {"id": "m1", "role": "assistant", "content": "a"}], [event])).inferences

    assert (call.usage, call.cost, call.extra["cache"]) == (None, None, "read")
    assert call.extra["usage"]["input_tokens"] == 10


def test_a_call_that_failed_is_an_error() -> None:
    event = {
        "event": "model",
        "model": "m/x",
        "uuid": "ev",
        "output": {"model": "x", "choices": []},
        "error": "overloaded",
    }

    (call,) = nt.loads(log([user("q")], [event])).inferences

    assert (str(call.finish_class), call.extra["error"]) == ("error", "overloaded")
    assert call.error == {"type": "", "message": "overloaded"}


# Subagents.


def log_with_a_subagent() -> dict[str, Any]:
    call = {"id": "c1", "function": "research", "arguments": {"topic": "bees"}, "type": "function"}
    spans = [
        {"event": "span_begin", "id": "main", "parent_id": None, "type": "agent", "name": "react"},
        {"event": "span_begin", "id": "tool", "parent_id": "main", "type": "tool", "name": "research"},
        {"event": "span_begin", "id": "sub", "parent_id": "tool", "type": "agent", "name": "researcher"},
    ]
    events = [
        *spans,
        model_event("m1", "", 10, message={"tool_calls": [call]}),
        model_event("s1", "looking", 100, "sub", input=[user("bees?")]),
        model_event(
            "s2", "They dance.", 200, "sub",
            input=[user("bees?"), {"id": "s1", "role": "assistant", "content": "looking"}],
        ),
        {"event": "tool", "id": "c1", "function": "research", "span_id": "tool", "working_time": 2.5},
        model_event("m2", "Bees dance.", 20),
    ]  # fmt: skip
    messages = [
        user("Tell me about bees"),
        {"id": "m1", "role": "assistant", "content": "", "tool_calls": [call]},
        {"id": "t1", "role": "tool", "content": "They dance.", "tool_call_id": "c1"},
        {"id": "m2", "role": "assistant", "content": "Bees dance."},
    ]
    return log(messages, events)


def test_a_subagent_is_a_run_that_its_tool_call_names(tmp_path: Path) -> None:
    path = write(tmp_path, log_with_a_subagent())
    main, agent = nt.load_all(path)

    (call,) = main.latest.of_kind("tool_call")
    assert (call.child_run_id, agent.parent_id, main.child_ids) == (agent.id, main.id, (agent.id,))
    assert agent.metadata[nt.keys.PARENT_TOOL_CALL] == "c1" and agent.name == "researcher"
    assert [block.text for block in agent.latest] == ["bees?", "looking", "They dance."]
    assert [run.usage.input_tokens for run in (main, agent)] == [30, 300]
    assert nt.load(path) == main


def test_the_frames_of_a_log_with_subagents_count_each_call_once(tmp_path: Path) -> None:
    path = write(tmp_path, log_with_a_subagent())

    assert nt.frames.inferences(path).input_tokens.sum() == 330
    assert len(nt.frames.blocks(path)) == 7
    assert nt.frames.blocks(path).run_id.nunique() == 2


def test_the_first_agent_and_a_handoff_are_no_subagents() -> None:
    value = log_with_a_subagent()
    events = value["samples"][0]["events"]
    value["samples"][0]["messages"][3:3] = [event["output"]["choices"][0]["message"] for event in events[4:6]]

    assert nt.loads(value).child_ids == ()


# Outcomes.


def test_the_outcome_has_scores_answer_target_error_and_limit_as_they_are_written() -> None:
    scores = {"match": {"value": "C", "answer": "42", "explanation": "equal"}, "speed": {"value": 0.5}}
    value = log(
        [user("q")],
        [],
        scores=scores,
        target=["42", "forty-two"],
        error={"message": "timed out", "traceback": "…"},
        limit={"type": "token", "limit": 100.0},
    )

    outcome = nt.loads(value).outcome

    assert outcome == nt.Outcome(
        scores={"match": "C", "speed": 0.5}, answer="42", target=["42", "forty-two"], error="timed out", limit="token"
    )
    assert outcome is not None and outcome.success is None
    assert nt.loads(log([user("q")], [])).outcome is None
