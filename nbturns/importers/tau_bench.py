"""tau-bench's results: an array of runs of a task, whose `traj` is an OpenAI chat; and those of tau²-bench.

A run of a task is a Run: its messages as `openai_chat` reads them, the task, its reward and the trial beside it.
tau²-bench has a document with `simulations`, whose messages have calls without a `function` around name and
arguments, a cost and a usage each. Source: sierra-research/tau-bench and tau2-bench.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..keyed import keyed
from ..provenance import FIELDS
from ..turns import Kind, Run
from . import openai_chat
from .importer import SURE, Importer, try_read
from .record_fields import (
    ShapeError,
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    to_number,
    token_usage,
)
from .report import Notes
from .source import Sample, Source
from .transcript import Transcript, conversation_key, freeze_or_json

FORMAT = "tau-bench"


def is_result(value: Any) -> bool:
    """Whether this is the result of one run of a task."""
    return (
        isinstance(value, Mapping) and isinstance(value.get("traj"), list) and ("task_id" in value or "reward" in value)
    )


def is_simulations(value: Any) -> bool:
    """Whether this is a document of tau²-bench's."""
    if not isinstance(value, Mapping) or not isinstance(value.get("simulations"), list):
        return False
    first = next(iter(value["simulations"]), None)
    return isinstance(first, Mapping) and "messages" in first and "task_id" in first


def read_one(value: Any, notes: Notes) -> Run:
    """The result of one run of a task."""
    if not isinstance(value, Mapping) or not isinstance(value.get("traj"), (list, tuple)):
        raise notes.load_error("", "a result of tau-bench has a traj")
    other_fields = freeze_or_json(omit(value, "traj"))
    chat = openai_chat.read_one(value["traj"], notes)
    return replace(chat, name=_named(value), metadata=keyed({FIELDS.name: other_fields}))


def _named(value: Mapping[str, Any]) -> str:
    task, trial = value.get("task_id"), value.get("trial")
    return f"task {task}" + (f", trial {trial}" if isinstance(trial, int) else "") if task is not None else ""


def read_simulations(value: Mapping[str, Any], position: str, source: Source) -> Iterator[Run]:
    """Each simulation of a document of tau²-bench's; what is of all of them stands beside the first."""
    shared = omit(value, "simulations")
    for index, one in enumerate(value["simulations"]):
        notes = source.notes(FORMAT, ", ".join(part for part in (position, f"simulations[{index}]") if part))
        transcript = Transcript(notes)
        held = one if isinstance(one, Mapping) else {}
        messages = held.get("messages")
        transcript.read_records("messages", messages if isinstance(messages, list) else [], _Reader(transcript).message)
        other_fields = omit(held, "messages") | ({} if isinstance(messages, list) else {"messages": messages})
        other_fields |= {} if isinstance(one, Mapping) else {"simulation": one}
        id = held.get("id")
        yield transcript.to_run(
            id=id if isinstance(id, str) else conversation_key(notes),
            name=_named(held),
            extra_fields=other_fields | ({"document": shared} if index == 0 else {}),
        )


class _Reader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "a message")
        role, content, time = message.get("role"), message.get("content"), message.get("timestamp")
        transcript, before = self.transcript, len(self.transcript.blocks)
        extra_fields = omit(message, "role", "content", "tool_calls", "timestamp")
        calls = [expect(call, dict, "a call") for call in list_or_empty(message.get("tool_calls"), "tool_calls")]
        if role == "tool" and isinstance(message.get("tool_messages"), list):
            for one in message["tool_messages"]:
                self.message(one)
            return
        if role in ("system", "user"):
            text = optional_text(content, "content") or ""
            if text or not calls:
                transcript.add(Kind.SYSTEM if role == "system" else Kind.USER, {"text": text}, role, time=time)
            self.calls(calls, time, None)
        elif role == "assistant":
            counts = object_or_empty(message.get("usage"), "usage")
            cost = to_number(message.get("cost"))
            result = transcript.inference_result(
                pending=bool(calls),
                cost=None if cost is None else float(cost),
                usage=token_usage(counts.get("prompt_tokens"), counts.get("completion_tokens")),
            )
            extra_fields = omit(extra_fields, "usage", "cost") | omit_empty(
                usage=omit(counts, "prompt_tokens", "completion_tokens")
            )
            if content or not calls:
                transcript.add(
                    Kind.LLM_TEXT,
                    {"text": optional_text(content, "content") or ""},
                    "assistant",
                    time=time,
                    result=result,
                )
            self.calls(calls, time, result)
        elif role == "tool":
            extra_fields = omit(extra_fields, "id", "error")
            failed = message.get("error") is True
            error = (content if isinstance(content, str) and content else "error") if failed else ""
            transcript.add_result(
                message.get("id") or message.get("tool_call_id"), None if failed else content, error, time=time
            )
        else:
            raise ShapeError(f"a message of the role {role!r}")
        transcript.add_extra_fields(before, extra_fields)

    def calls(self, calls: list[dict[str, Any]], time: Any, result: Any) -> None:
        for call in calls:
            function = call.get("function") if isinstance(call.get("function"), Mapping) else call
            assert isinstance(function, Mapping)
            extra_fields = omit(call, "id", "name", "arguments", "function")
            given = function.get("arguments")
            if not isinstance(given, (str, Mapping)):
                given = json.dumps(given)
            self.transcript.add_call(
                call.get("id"), function.get("name"), given, time=time, result=result, extra_fields=extra_fields
            )


# In files.


def score(sample: Sample) -> int:
    known = sample.container == "json" and any(is_result(one) or is_simulations(one) for one in sample.records)
    return SURE if known else 0


def read(source: Source) -> Iterator[Run]:
    for position, value in source.records():
        if is_simulations(value):
            yield from read_simulations(value, position, source)
        else:
            yield from try_read(source, position, read_one, value, source.notes(FORMAT, position))


IMPORTER = Importer(FORMAT, score, read)
