"""Counts of transcripts, taken from their raw JSON by code that shares nothing with the importers.

`python tests/raw_counts.py FILE …` prints them. Counted are model calls, input tokens (the cache included), output
tokens, tool calls, and the cost in USD that the file itself names.
"""

from __future__ import annotations

import json
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Counts:
    """What was counted; tokens that a file does not have are 0."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    cost: float = 0.0
    models: set[str] = field(default_factory=set)

    def as_tuple(self) -> tuple[int, int, int, int, float]:
        return self.calls, self.input_tokens, self.output_tokens, self.tool_calls, round(self.cost, 9)


def count_claude_code(path: Path) -> Counts:
    """Count a session: a call is a message id, its tokens are those of the line with the largest output."""
    counts, messages, tools = Counts(), dict[str, dict[str, Any]](), set[str]()
    costs: dict[str, float] = {}
    text = path.read_text(encoding="utf-8")
    document = json.loads(text) if path.suffix == ".json" else None
    lines = document["loglines"] if document else [json.loads(line) for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines):
        message = line.get("message") or {}
        if line.get("type") != "assistant":
            continue
        key = message.get("id") or line.get("requestId") or line.get("uuid") or f"line {number}"
        usage = message.get("usage") or {}
        if key not in messages or usage.get("output_tokens", 0) >= messages[key].get("output_tokens", 0):
            messages[key] = {} if message.get("model") == "<synthetic>" else usage
        costs[key] = line.get("costUSD") or costs.get(key, 0.0)
        content = message.get("content")
        tools |= {part["id"] for part in content if part["type"] == "tool_use"} if isinstance(content, list) else set()
    for usage in messages.values():
        counts.calls += 1
        counts.output_tokens += usage.get("output_tokens", 0)
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"):
            counts.input_tokens += usage.get(name, 0)
    counts.tool_calls, counts.cost = len(tools), sum(costs.values())
    return counts


def count_atif(path: Path) -> Counts:
    """Count a trajectory and those in it: a step of the agent is a call, copied context has no tokens."""
    counts = Counts()
    trajectories = [json.loads(path.read_text(encoding="utf-8"))]
    while trajectories:
        trajectory = trajectories.pop()
        trajectories += trajectory.get("subagent_trajectories") or []
        for step in trajectory["steps"]:
            if step["source"] != "agent":
                continue
            counts.tool_calls += len(step.get("tool_calls") or [])
            if step.get("llm_call_count") == 0:
                continue
            counts.calls += 1
            metrics = {} if step.get("is_copied_context") else step.get("metrics") or {}
            counts.input_tokens += metrics.get("prompt_tokens") or 0
            counts.output_tokens += metrics.get("completion_tokens") or 0
            counts.cost += metrics.get("cost_usd") or 0.0
    return counts


def inspect_samples(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".json":
        samples: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")).get("samples") or []
        return samples
    with zipfile.ZipFile(path) as archive:
        names = dict.fromkeys(name for name in archive.namelist() if name.startswith("samples/"))
        return [json.loads(archive.read(name)) for name in names]


def count_inspect(path: Path) -> Counts:
    """Count the model events of each sample; where a log has no events, its replies and the usage of the last one."""
    counts = Counts()
    for sample in inspect_samples(path):
        for message in sample.get("messages") or []:
            counts.tool_calls += len(message.get("tool_calls") or [])
        events = [event for event in sample.get("events") or [] if event["event"] == "model"]
        if not events:
            replies = [message for message in sample["messages"] if message["role"] == "assistant"]
            counts.calls += len(replies)
            events = [{"output": sample.get("output") or {}}]
        else:
            counts.calls += len(events)
        for event in events:
            usage = (event["output"].get("usage") or {}) if event.get("cache") != "read" else {}
            output = usage.get("output_tokens") or 0
            counts.output_tokens += output
            counts.input_tokens += (usage.get("total_tokens") or 0) - output if usage else 0
            counts.cost += usage.get("total_cost") or 0.0
    return counts


COUNTERS = {"claude-code": count_claude_code, "atif": count_atif, "inspect": count_inspect}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        file = Path(argument)
        for name, counter in COUNTERS.items():
            if name in file.parts:
                sys.stdout.write(f"{file}: {counter(file).as_tuple()}\n")
