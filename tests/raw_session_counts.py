"""Counts of agents' sessions, taken from their raw lines by code that shares nothing with the importers.

`python tests/raw_session_counts.py FORMAT FILE …` prints them. Counted are prompts of the user, model calls, input tokens (the
cache included), output tokens, tool calls, results of tools, and the cost in USD that the file itself names.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any


@dataclass
class Counts:
    """What was counted; tokens that a file does not have are 0."""

    prompts: int = 0
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    tool_calls: int = 0
    results: int = 0
    cost: float = 0.0

    def as_tuple(self) -> tuple[Any, ...]:
        return (*astuple(self)[:-1], round(self.cost, 9))


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def count_roles(lines: list[dict[str, Any]], name: str = "role", result: str = "tool") -> Counts:
    roles = [line.get(name) for line in lines]
    return Counts(roles.count("user"), roles.count("assistant"), results=roles.count(result))


def count_antigravity(path: Path) -> Counts:
    """Count the steps of a transcript."""
    steps = lines_of(path)
    types = [step["type"] for step in steps]
    counts = Counts(types.count("USER_INPUT"), types.count("PLANNER_RESPONSE"))
    counts.tool_calls = sum(len(step.get("tool_calls") or []) for step in steps)
    own = [step for step in steps if step["source"] == "MODEL" and step["type"] != "PLANNER_RESPONSE"]
    counts.results = min(len(own), counts.tool_calls)
    return counts


def count_gptme(path: Path) -> Counts:
    """Count messages; tokens are in the metadata of a reply, those of the cache apart from the input."""
    lines = lines_of(path)
    counts = count_roles(lines)
    counts.results += sum(1 for line in lines if line["role"] == "system" and line.get("call_id"))
    counts.tool_calls = sum(
        len(re.findall(r"^@[\w.]+\([\w\-:.]+\): *\{", line["content"], re.MULTILINE))
        for line in lines
        if line["role"] == "assistant"
    )
    for metadata in [line.get("metadata") or {} for line in lines]:
        usage = metadata.get("usage") or metadata
        counts.input_tokens += sum(
            usage.get(name, 0) for name in ("input_tokens", "cache_read_tokens", "cache_creation_tokens")
        )
        counts.output_tokens += usage.get("output_tokens", 0)
        counts.cost += metadata.get("cost", 0.0)
    return counts


def count_grok_build(path: Path) -> Counts:
    """Count items; the call of a backend tool is its result, too."""
    lines = lines_of(path)
    counts = count_roles(lines, "type", "tool_result")
    backend_calls = sum(line["type"] == "backend_tool_call" for line in lines)
    counts.tool_calls = backend_calls + sum(len(line.get("tool_calls") or []) for line in lines)
    counts.results += backend_calls
    return counts


def count_mistral_vibe(path: Path) -> Counts:
    """Count messages; their tokens are not in the file."""
    lines = lines_of(path)
    counts = count_roles(lines)
    counts.tool_calls = sum(len(line.get("tool_calls") or []) for line in lines)
    return counts


def count_hermes(path: Path) -> Counts:
    """Count the messages of an archival export."""
    messages = json.loads(path.read_text(encoding="utf-8"))["messages"]
    counts = count_roles(messages)
    counts.results = sum(len(message["tool_results"]) for message in messages)
    counts.tool_calls = sum(len(message["tool_calls"]) for message in messages)
    return counts


def count_openclaw(path: Path) -> Counts:
    """Count the messages in all copies of each session, each once by its time and its texts."""
    counts, seen = Counts(), set[str]()
    for event in lines_of(path):
        for message in event.get("messages") or []:
            parts = message["content"] if isinstance(message["content"], list) else [{"text": message["content"]}]
            names = [[part.get("text"), part.get("thinking"), part.get("name")] for part in parts]
            key = json.dumps([message["role"], message["timestamp"], names])
            if key in seen:
                continue
            seen.add(key)
            counts.prompts += message["role"] == "user"
            counts.calls += message["role"] == "assistant"
            counts.results += message["role"] == "toolResult"
            counts.tool_calls += sum(part.get("type") == "toolCall" for part in parts)
            usage = message.get("usage") or {}
            counts.input_tokens += sum(usage.get(name, 0) for name in ("input", "cacheRead", "cacheWrite"))
            counts.output_tokens += usage.get("output", 0)
            counts.cost += (usage.get("cost") or {}).get("total", 0.0)
    return counts


def count_posit_assistant(path: Path) -> Counts:
    """Count nothing: the messages of a tree are in another file, which is not among the public ones."""
    assert json.loads(path.read_text(encoding="utf-8"))["messages"]
    return Counts()


def count_specstory(path: Path) -> Counts:
    """Count the headers of messages, and the elements of tools."""
    text = path.read_text(encoding="utf-8")
    tools = len(re.findall(r"^<tool-use data-tool-type=", text, re.MULTILINE))
    headers = re.findall(r"^_\*\*(User|Agent)\b.*\*\*_$", text, re.MULTILINE)
    return Counts(headers.count("User"), headers.count("Agent"), tool_calls=tools, results=tools)


def count_ai_studio(path: Path) -> Counts:
    """Count the chunks of a prompt: those of the model up to a prompt, or up to a reason to finish, are one call."""
    counts, is_open = Counts(), False
    for chunk in json.loads(path.read_text(encoding="utf-8"))["chunkedPrompt"]["chunks"]:
        if chunk["role"] == "user":
            counts.prompts, is_open = counts.prompts + 1, False
            continue
        counts.calls += not is_open
        is_open = not (chunk.get("finishReason") or chunk.get("branchParent"))
        counts.output_tokens += chunk.get("tokenCount", 0)
        counts.tool_calls += "executableCode" in chunk
        counts.results += "codeExecutionResult" in chunk
    return counts


def count_autogen(path: Path) -> Counts:
    """Count messages: an assistant's is a call, with a text or with calls of tools."""
    messages = json.loads(path.read_text(encoding="utf-8"))["messages"]
    types = [message["type"] for message in messages]
    counts = Counts(types.count("UserMessage"), types.count("AssistantMessage"))
    lists = [(message["type"], message["content"]) for message in messages if isinstance(message["content"], list)]
    counts.tool_calls = sum(len(content) for type, content in lists if type == "AssistantMessage")
    counts.results = sum(len(content) for type, content in lists if type == "FunctionExecutionResultMessage")
    return counts


def count_browser_capture(path: Path) -> Counts:
    """Count the nodes of ChatGPT's tree; a tool is a recipient of a message."""
    mapping = json.loads(path.read_text(encoding="utf-8"))["raw_provider_payload"]["mapping"]
    messages = [node["message"] for node in mapping.values() if node["message"]]
    replies = [message for message in messages if message["author"]["role"] == "assistant"]
    replies = [message for message in replies if message["content"]["content_type"] != "reasoning_recap"]
    roles = [message["author"]["role"] for message in messages]
    calls = sum(message["recipient"] != "all" for message in replies)
    return Counts(roles.count("user"), len(replies), tool_calls=calls, results=roles.count("tool"))


def count_google_adk(path: Path) -> Counts:
    """Count the events of a session, with the tokens in its log, or the invocations of an eval set."""
    document = json.loads(path.read_text(encoding="utf-8"))
    counts = Counts()
    for case in document.get("eval_cases", []):
        for invocation in case["conversation"]:
            counts.prompts += 1
            counts.calls += 1
            counts.tool_calls += len(invocation["intermediate_data"]["tool_uses"])
    for event in document.get("events", []):
        names = [name for part in event["content"]["parts"] for name in part]
        counts.prompts += event["author"] == "user"
        counts.calls += event["author"] != "user" and "function_response" not in names
        counts.tool_calls += names.count("function_call")
        counts.results += names.count("function_response")
    for log in document.get("event_logs", []):
        usage = log["model_response"]["usage_metadata"]
        counts.input_tokens += usage["prompt_token_count"]
        counts.output_tokens += usage["candidates_token_count"]
    return counts


COUNTERS: dict[str, Callable[[Path], Counts]] = {
    "ai-studio": count_ai_studio,
    "antigravity": count_antigravity,
    "autogen": count_autogen,
    "chatgpt": count_browser_capture,
    "google-adk": count_google_adk,
    "gptme": count_gptme,
    "grok-build": count_grok_build,
    "hermes": count_hermes,
    "mistral-vibe": count_mistral_vibe,
    "openclaw": count_openclaw,
    "posit-assistant": count_posit_assistant,
    "specstory": count_specstory,
}


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        sys.stdout.write(f"{argument}: {COUNTERS[sys.argv[1]](Path(argument)).as_tuple()}\n")
