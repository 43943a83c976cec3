"""Counts of the sessions of coding agents, taken from their raw JSON by code that shares nothing with the importers.

`python -m tests.raw_counts_of_agents FILE …` prints them. Counted is what `raw_counts.py` counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.raw_counts import Counts


def json_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def count_opencode(path: Path) -> Counts:
    """Count the events of a stream: the last state of each reply and of each part is counted."""
    counts, replies, tools = Counts(), dict[str, dict[str, Any]](), dict[str, dict[str, Any]]()
    for line in json_lines(path):
        properties = line["event"]["properties"]
        info, part = properties.get("info") or {}, properties.get("part") or {}
        if line["event"]["type"] == "message.updated" and info["role"] == "assistant":
            replies[info["id"]] = info
        if part.get("type") == "tool":
            tools[part["id"]] = part
    for info in replies.values():
        tokens = info["tokens"]
        counts.calls += 1
        counts.input_tokens += tokens["input"] + tokens["cache"]["read"] + tokens["cache"]["write"]
        counts.output_tokens += tokens["output"]  # which includes the reasoning, as `total` shows
        counts.cost += info["cost"]
    counts.tool_calls = len(tools)
    return counts


def parts_of(content: Any) -> Iterator[dict[str, Any]]:
    yield from content if isinstance(content, list) else ()


def count_cursor(path: Path) -> Counts:
    """Count the lines of the model; Cursor records no tokens."""
    replies = [line["message"] for line in json_lines(path) if line["role"] == "assistant"]
    calls = [part for reply in replies for part in parts_of(reply["content"]) if part["type"] == "tool_use"]
    return Counts(calls=len(replies), tool_calls=len(calls))


def count_qwenpaw(path: Path) -> Counts:
    """Count the messages of the agent; QwenPaw records no tokens."""
    pairs = json.loads(path.read_text(encoding="utf-8"))["agent"]["memory"]["content"]
    replies = [message for message, _ in pairs if message["role"] == "assistant"]
    calls = [part for reply in replies for part in parts_of(reply["content"]) if part["type"] == "tool_use"]
    return Counts(calls=len(replies), tool_calls=len(calls))


def count_kiro(path: Path) -> Counts:
    """Count the replies of a state; Kiro records no tokens."""
    replies = [entry["assistant"] for entry in json.loads(path.read_text(encoding="utf-8"))["history"]]
    calls = [call for reply in replies for call in reply.get("ToolUse", {}).get("tool_uses", [])]
    return Counts(calls=len(replies), tool_calls=len(calls))


def count_kimi(path: Path) -> Counts:
    """Count the replies of a context; a count that has both tokens is that of the next reply."""
    counts, tokens = Counts(), dict[str, Any]()
    for line in json_lines(path):
        if line.get("role") == "_usage":
            tokens = line["token_count"]
        if line.get("role") != "assistant":
            continue
        counts.calls += 1
        counts.input_tokens += tokens.get("input_tokens", 0)
        counts.output_tokens += tokens.get("output_tokens", 0)
        counts.tool_calls += len(line.get("tool_calls", []))
        tokens = {}
    return counts


def count_vscode_chat(path: Path) -> Counts:
    """Count the requests of a chat, whose tokens are in the metadata of its result."""
    counts = Counts()
    for request in json.loads(path.read_text(encoding="utf-8"))["requests"]:
        metadata = (request.get("result") or {}).get("metadata") or {}
        counts.calls += 1
        counts.input_tokens += metadata.get("promptTokens") or 0
        counts.output_tokens += metadata.get("outputTokens") or 0
        counts.tool_calls += sum(part.get("kind") == "toolInvocationSerialized" for part in request["response"])
    return counts


COUNTERS = {
    "opencode": count_opencode,
    "cursor": count_cursor,
    "qwenpaw": count_qwenpaw,
    "kiro": count_kiro,
    "kimi": count_kimi,
    "vscode-copilot-chat": count_vscode_chat,
}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        file = Path(argument)
        for name, counter in COUNTERS.items():
            if name in file.parts:
                sys.stdout.write(f"{file}: {counter(file).as_tuple()}\n")
