"""Model calls whose counts are not in their messages: statistics, user simulators, and totals."""

from __future__ import annotations

from typing import Any

import nbturns as nt


def test_the_statistics_of_openhands_give_tokens_cost_and_latency_by_response_id() -> None:
    usages = [
        {"model": "m", "prompt_tokens": 100, "completion_tokens": 9, "cache_read_tokens": 40, "response_id": "r1"},
        {"model": "condenser", "prompt_tokens": 7, "completion_tokens": 1, "response_id": "r2"},
    ]
    metrics = {
        "token_usages": usages,
        "costs": [{"model": "m", "cost": 0.5}, {"model": "condenser", "cost": 0.25}],
        "response_latencies": [{"model": "m", "latency": 1.5, "response_id": "r1"}],
    }
    event = {"id": "1", "timestamp": "2026-05-01T09:00:00", "kind": "MessageEvent"}
    reply = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]}
    state = {**event, "kind": "ConversationStateUpdateEvent", "source": "environment", "key": "stats"}
    state["value"] = {"usage_to_metrics": {"agent": metrics}}  # type: ignore[assignment]
    events = [state, {**event, "source": "agent", "llm_message": reply, "llm_response_id": "r1"}]

    first, second = nt.loads(events).inferences

    assert first.usage is not None
    assert (first.usage.input_tokens, first.usage.output_tokens, first.usage.cached_tokens) == (100, 9, 40)
    assert (first.model, first.cost, first.duration_ms, first.response_id) == ("m", 0.5, 1500, "r1")
    assert (second.model, second.cost, second.response_id) == ("condenser", 0.25, "r2")


def tau2() -> dict[str, Any]:
    def message(role: str, content: str, prompt: int, cost: float) -> dict[str, Any]:
        usage = {"prompt_tokens": prompt, "completion_tokens": 1}
        return {"role": role, "content": content, "usage": usage, "cost": cost}

    messages = [
        message("user", "Help", 10, 0.25),
        message("assistant", "Sure", 100, 0.5),
        message("user", "Thanks", 20, 0.25),
    ]
    rewards = {"reward": 1.0, "reward_breakdown": {"DB": 1.0}}
    simulation = {
        "id": "s1",
        "task_id": "0",
        "trial": 0,
        "messages": messages,
        "reward_info": rewards,
        "termination_reason": "max_steps",
    }
    info = {"agent_info": {"llm": "gpt-5"}, "user_info": {"llm": "gpt-5-mini"}}
    return {"info": info, "simulations": [simulation]}


def test_the_calls_of_a_user_simulator_are_counted_apart_from_the_agent() -> None:
    agent, user = _runs(tau2())

    assert ([call.model for call in agent.inferences], agent.usage.input_tokens, agent.cost) == (["gpt-5"], 100, 0.5)
    assert [call.model for call in user.inferences] == ["gpt-5-mini", "gpt-5-mini"]
    assert (user.usage.input_tokens, user.cost, len(user.latest)) == (30, 0.5, 0)
    assert nt.loads(tau2()).id == agent.id


def test_the_outcome_of_a_simulation_has_its_reward_its_parts_and_its_limit() -> None:
    outcome = nt.loads(tau2()).outcome

    assert outcome == nt.Outcome(reward=1.0, scores={"DB": 1.0}, limit="max_steps")


def test_reasoning_that_only_the_total_of_a_gemini_reply_has_is_counted() -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 40}
    reply = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}}], "usageMetadata": usage}

    (call,) = nt.loads(reply).inferences

    assert call.usage == nt.Usage(10, 30, 0, 0, 25)


def _runs(value: Any) -> list[nt.Run]:
    from nbturns.importers import Source, read_runs

    return [run for run in read_runs(Source.of_data(value)) if isinstance(run, nt.Run)]
