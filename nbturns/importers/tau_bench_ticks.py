"""Ticks of tau²-bench: a spoken simulation in which both sides may talk at once, as messages.

A tick has a chunk of each side, and the tool calls and results of the tick. Chunks of one side that follow each other
are one message. Source: sierra-research/tau2-bench a2c0247, src/tau2/data_model/message.py (`Tick`, `MultiToolMessage`,
`ParticipantMessageBase`) and simulation.py (`SimulationRun.ticks`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .kit.record_fields import list_or_empty, to_number

SIDES = (("user", "user_chunk", "user"), ("agent", "agent_chunk", "assistant"))


def messages_of_ticks(ticks: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the messages of a simulation in ticks, in the layout of messages without ticks."""
    messages: list[dict[str, Any]] = []
    for tick in ticks:
        if not isinstance(tick, Mapping):
            messages.append({"role": "tick", "content": tick})
            continue
        for side, chunk_name, role in SIDES:
            calls = list_or_empty(tick.get(f"{side}_tool_calls"), f"{side}_tool_calls")
            _add_chunk(messages, tick.get(chunk_name), role, calls, tick)
            results = list_or_empty(tick.get(f"{side}_tool_results"), f"{side}_tool_results")
            if results:
                messages.append({"role": "tool", "tool_messages": results})
    return messages


def _add_chunk(
    messages: list[dict[str, Any]], chunk: Any, role: str, calls: list[Any], tick: Mapping[str, Any]
) -> None:
    """Add what one side said in a tick; silence is not a message."""
    chunk = chunk if isinstance(chunk, Mapping) else {}
    text = chunk.get("content")
    text = text if isinstance(text, str) else ""
    counts = {name: chunk[name] for name in ("cost", "usage") if chunk.get(name)}
    if not text and not calls and not counts:
        return
    last = messages[-1] if messages else {}
    if last.get("role") == role and not calls and not last.get("tool_calls"):
        last["content"] = f"{last['content']}{text}"
        _add_counts(last, counts)
        return
    time = chunk.get("timestamp") or tick.get("timestamp")
    messages.append({"role": role, "content": text, "tool_calls": calls, "timestamp": time, **counts})


def _add_counts(message: dict[str, Any], counts: Mapping[str, Any]) -> None:
    """Add the cost and the tokens of a chunk to those of its message."""
    if "cost" in counts:
        message["cost"] = (to_number(message.get("cost")) or 0) + (to_number(counts["cost"]) or 0)
    usage = counts.get("usage")
    if isinstance(usage, Mapping):
        usage_fields = message.get("usage")
        usage_fields = dict(usage_fields) if isinstance(usage_fields, Mapping) else {}
        for name, value in usage.items():
            number = to_number(value)
            usage_fields[name] = value if number is None else (to_number(usage_fields.get(name)) or 0) + number
        message["usage"] = usage_fields
