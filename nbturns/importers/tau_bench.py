"""tau-bench's results: an array of runs of a task, whose `traj` is an OpenAI chat; and those of tau²-bench.

A run of a task becomes a Run: its messages as `openai_chat` reads them, with the task, its reward and the trial
in its metadata. tau²-bench has a document with `simulations`, whose messages have tool calls without a
`function` around name and arguments, and a cost and a usage each. Source: sierra-research/tau-bench and
tau2-bench.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..values.metadata import metadata_from_dict
from ..values.provenance import FIELDS
from ..values.turns import Kind, Run
from . import openai_chat
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    field_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    to_float,
    token_usage,
    unexpected,
)
from .kit.source import Sample, Source
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "tau-bench"


def is_result(value: Any) -> bool:
    """Return True for the result of one run of a task."""
    has_messages = isinstance(value, Mapping) and isinstance(value.get("traj"), list)
    return has_messages and ("task_id" in value or "reward" in value)


def is_simulations(value: Any) -> bool:
    """Return True for a document of tau²-bench."""
    if not isinstance(value, Mapping) or not isinstance(value.get("simulations"), list):
        return False
    first = next(iter(value["simulations"]), None)
    return isinstance(first, Mapping) and "messages" in first and "task_id" in first


def read_result(value: Any, notes: Notes) -> Run:
    """Return the Run of the result of one run of a task."""
    messages = field_of_document(value, notes, "traj", (list, tuple))
    extra_fields = freeze_or_json(omit(value, "traj"))
    chat = openai_chat.read_one(messages, notes)
    return replace(chat, name=_name(value), metadata=metadata_from_dict({FIELDS.name: extra_fields}))


def _name(value: Mapping[str, Any]) -> str:
    task, trial = value.get("task_id"), value.get("trial")
    if task is None:
        return ""
    return f"task {task}, trial {trial}" if isinstance(trial, int) else f"task {task}"


def read_simulations(value: Mapping[str, Any], position: str, source: Source) -> Iterator[Run]:
    """Yield each simulation of a document of tau²-bench; the fields of the document are kept with the first."""
    document_fields = omit(value, "simulations")
    for index, record in enumerate(value["simulations"]):
        transcript = Transcript(source.notes(FORMAT, join_positions(position, f"simulations[{index}]")))
        simulation = record if isinstance(record, Mapping) else {}
        extra_fields = omit(simulation, "messages")
        messages = simulation.get("messages")
        if not isinstance(messages, list):
            extra_fields["messages"], messages = messages, []
        if not isinstance(record, Mapping):
            extra_fields["simulation"] = record
        if index == 0:
            extra_fields["document"] = document_fields
        transcript.read_records("messages", messages, _MessageReader(transcript).read_message)
        id = text_or_empty(simulation.get("id"))
        yield transcript.to_run(id=id, name=_name(simulation), extra_fields=extra_fields)


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        role, content, time = message.get("role"), message.get("content"), message.get("timestamp")
        if role == "tool" and isinstance(message.get("tool_messages"), list):
            for tool_message in message["tool_messages"]:
                self.read_message(tool_message)
            return
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        extra_fields = omit(message, "role", "content", "tool_calls", "timestamp")
        calls = objects(message.get("tool_calls"), "tool_calls")
        if role in ("system", "user"):
            text = optional_text(content, "content") or ""
            if text or not calls:
                transcript.add(Kind.SYSTEM if role == "system" else Kind.USER, {"text": text}, role, time=time)
            self.add_calls(calls, time, None)
        elif role == "assistant":
            extra_fields = self.add_reply(message, calls, extra_fields)
        elif role == "tool":
            extra_fields = omit(extra_fields, "id", "error")
            failed = message.get("error") is True
            error = (content if isinstance(content, str) and content else "error") if failed else ""
            call_id = message.get("id") or message.get("tool_call_id")
            transcript.add_result(call_id, None if failed else content, error, time=time)
        else:
            raise unexpected("role", role)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reply(
        self, message: Mapping[str, Any], calls: list[dict[str, Any]], extra_fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Add a reply and return the fields that no block holds."""
        time, counts = message.get("timestamp"), object_or_empty(message.get("usage"), "usage")
        result = self.transcript.inference_result(
            pending=bool(calls),
            cost=to_float(message.get("cost")),
            usage=token_usage(counts.get("prompt_tokens"), counts.get("completion_tokens")),
        )
        content = optional_text(message.get("content") or None, "content") or ""
        if content or not calls:
            self.transcript.add(Kind.LLM_TEXT, {"text": content}, "assistant", time=time, result=result)
        self.add_calls(calls, time, result)
        other_counts = omit(counts, "prompt_tokens", "completion_tokens")
        return omit(extra_fields, "usage", "cost") | omit_empty(usage=other_counts)

    def add_calls(self, calls: list[dict[str, Any]], time: Any, result: Any) -> None:
        for call in calls:
            function = call["function"] if isinstance(call.get("function"), Mapping) else call
            extra_fields = omit(call, "id", "name", "arguments", "function")
            arguments = function.get("arguments")
            if not isinstance(arguments, (str, Mapping)):
                arguments = json.dumps(arguments)
            self.transcript.add_call(
                call.get("id"), function.get("name"), arguments, time=time, result=result, extra_fields=extra_fields
            )


# In files.


def score(sample: Sample) -> int:
    """Return SURE for results of either benchmark."""
    values = sample.records if sample.container == "json" else []
    return SURE if any(is_result(value) or is_simulations(value) for value in values) else 0


def read(source: Source) -> Iterator[Run]:
    """Yield a Run for each run of a task."""
    for position, value in source.records():
        if is_simulations(value):
            yield from read_simulations(value, position, source)
        else:
            yield from try_read(source, position, read_result, value, source.notes(FORMAT, position))


IMPORTER = Importer(FORMAT, score, read)
