"""Inspect logs of any size, in the shape Inspect writes them: a zip with pooled messages and model events."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

HEADER = {
    "version": 2,
    "status": "success",
    "eval": {
        "eval_id": "evalevalevalevalevalev",
        "run_id": "runrunrunrunrunrunrunr",
        "created": "2026-01-01T10:00:00+00:00",
        "task": "sums",
        "task_id": "tasktasktasktasktaskta",
        "task_version": 0,
        "task_attribs": {},
        "task_args": {},
        "dataset": {"name": "sums", "samples": 2, "sample_ids": [1, 2], "shuffled": False},
        "model": "mockllm/model",
        "model_args": {},
        "config": {},
        "packages": {},
    },
    "plan": {"name": "plan", "steps": [], "config": {}},
    "results": {"total_samples": 2, "completed_samples": 2, "scores": []},
    "stats": {
        "started_at": "2026-01-01T10:00:00+00:00",
        "completed_at": "2026-01-01T10:00:01+00:00",
        "model_usage": {},
    },
}
AT = "2026-01-01T10:00:00.000000+00:00"


def write_log(path: Path, samples: int, messages: int) -> Path:
    """A log of so many samples with so many messages each: a prompt, then a call, its result, and so on."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as log:
        log.writestr("header.json", json.dumps({**HEADER, "eval": {**HEADER["eval"], "eval_id": path.stem}}))  # type: ignore[dict-item]
        log.writestr("_journal/start.json", json.dumps({name: HEADER[name] for name in ("version", "eval", "plan")}))
        summaries = []
        for number in range(1, samples + 1):
            sample = _sample(f"{path.stem}-{number}", number, messages)
            log.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
            summaries.append({name: sample[name] for name in ("id", "epoch", "input", "target", "uuid")})
        log.writestr("summaries.json", json.dumps(summaries))
        log.writestr("_journal/summaries/1.json", json.dumps(summaries))
    return path


def _sample(uuid: str, number: int, length: int) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [
        {"id": f"{uuid}-s", "role": "system", "content": "Add what you are given, step by step."},
        {"id": f"{uuid}-u", "role": "user", "content": "What is the sum of all of them?", "source": "input"},
    ]
    events: list[dict[str, Any]] = []
    while len(messages) < length:
        step = len(messages)
        last = step + 1 >= length
        call = {
            "id": f"call_{uuid}_{step}",
            "function": "add",
            "arguments": {"a": step, "b": step + 1},
            "type": "function",
        }
        reply: dict[str, Any] = {
            "id": f"{uuid}-{step}",
            "role": "assistant",
            "content": "That is all." if last else f"Now the two of step {step}.",
            "source": "generate",
            "model": "mockllm/model",
        }
        if not last:
            reply["tool_calls"] = [call]
        events.append(_model_event(uuid, step, reply))
        messages.append(reply)
        if not last:
            content = f"The sum is {2 * step + 1}."
            messages.append(
                {
                    "id": f"{uuid}-{step}-r",
                    "role": "tool",
                    "content": content,
                    "tool_call_id": call["id"],
                    "function": "add",
                }
            )
    usage = {"mockllm/model": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}
    return {
        "id": number,
        "epoch": 1,
        "input": messages[1]["content"],
        "target": "",
        "messages": messages,
        "output": {"model": "mockllm/model", "choices": [{"message": messages[-1], "stop_reason": "stop"}]},
        "scores": {},
        "metadata": {},
        "store": {},
        "events": events,
        "events_data": {"messages": messages, "calls": []},
        "model_usage": usage,
        "uuid": uuid,
        "attachments": {},
    }


def _model_event(uuid: str, step: int, reply: dict[str, Any]) -> dict[str, Any]:
    """The model call that made `reply`; its input are the messages before, named by their range in the pool."""
    stop = "tool_calls" if "tool_calls" in reply else "stop"
    return {
        "uuid": f"{uuid}-e{step}",
        "span_id": uuid,
        "timestamp": AT,
        "working_start": float(step),
        "event": "model",
        "model": "mockllm/model",
        "input": [],
        "input_refs": [[0, step]],
        "tools": [],
        "tool_choice": "auto",
        "config": {},
        "output": {
            "model": "mockllm/model",
            "choices": [{"message": reply, "stop_reason": stop}],
            "usage": {"input_tokens": 10 * step, "output_tokens": 5, "total_tokens": 10 * step + 5},
        },
    }
