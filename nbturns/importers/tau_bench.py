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
from .kit.sample import Sample
from .kit.source import Source
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
    first_simulation = next(iter(value["simulations"]), None)
    return isinstance(first_simulation, Mapping) and "messages" in first_simulation and "task_id" in first_simulation


def read_result(task_result: Any, notes: Notes) -> Run:
    """Return the Run of the result of one run of a task."""
    messages = field_of_document(task_result, notes, "traj", (list, tuple))
    extra_fields = freeze_or_json(omit(task_result, "traj"))
    chat_run = openai_chat.read_chat(messages, notes)
    return replace(chat_run, name=_run_name(task_result), metadata=metadata_from_dict({FIELDS.name: extra_fields}))


def _run_name(task_run: Mapping[str, Any]) -> str:
    task_id, trial = task_run.get("task_id"), task_run.get("trial")
    if task_id is None:
        return ""
    return f"task {task_id}, trial {trial}" if isinstance(trial, int) else f"task {task_id}"


def read_simulations(document: Mapping[str, Any], position: str, source: Source) -> Iterator[Run]:
    """Yield each simulation of a document of tau²-bench; the fields of the document are kept with the first."""
    document_fields = omit(document, "simulations")
    for index, record in enumerate(document["simulations"]):
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
        simulation_id = text_or_empty(simulation.get("id"))
        yield transcript.to_run(id=simulation_id, name=_run_name(simulation), extra_fields=extra_fields)


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        role, content, timestamp = message.get("role"), message.get("content"), message.get("timestamp")
        if role == "tool" and isinstance(message.get("tool_messages"), list):
            for tool_message in message["tool_messages"]:
                self.read_message(tool_message)
            return
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        extra_fields = omit(message, "role", "content", "tool_calls", "timestamp")
        tool_calls = objects(message.get("tool_calls"), "tool_calls")
        if role in ("system", "user"):
            message_text = optional_text(content, "content") or ""
            if message_text or not tool_calls:
                transcript.add_block(
                    Kind.SYSTEM if role == "system" else Kind.USER, {"text": message_text}, role, time=timestamp
                )
            self.add_calls(tool_calls, timestamp, None)
        elif role == "assistant":
            extra_fields = self.add_reply(message, tool_calls, extra_fields)
        elif role == "tool":
            extra_fields = omit(extra_fields, "id", "error")
            is_error = message.get("error") is True
            error_text = (content if isinstance(content, str) and content else "error") if is_error else ""
            call_id = message.get("id") or message.get("tool_call_id")
            transcript.add_result(call_id, None if is_error else content, error_text, time=timestamp)
        else:
            raise unexpected("role", role)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reply(
        self, message: Mapping[str, Any], tool_calls: list[dict[str, Any]], extra_fields: dict[str, Any]
    ) -> dict[str, Any]:
        """Add a reply and return the fields that no block holds."""
        timestamp, token_counts = message.get("timestamp"), object_or_empty(message.get("usage"), "usage")
        inference_result = self.transcript.inference_result(
            pending=bool(tool_calls),
            cost=to_float(message.get("cost")),
            usage=token_usage(token_counts.get("prompt_tokens"), token_counts.get("completion_tokens")),
        )
        reply_text = optional_text(message.get("content") or None, "content") or ""
        if reply_text or not tool_calls:
            self.transcript.add_block(
                Kind.LLM_TEXT, {"text": reply_text}, "assistant", time=timestamp, result=inference_result
            )
        self.add_calls(tool_calls, timestamp, inference_result)
        other_counts = omit(token_counts, "prompt_tokens", "completion_tokens")
        return omit(extra_fields, "usage", "cost") | omit_empty(usage=other_counts)

    def add_calls(self, tool_calls: list[dict[str, Any]], timestamp: Any, inference_result: Any) -> None:
        for tool_call in tool_calls:
            call_function = tool_call["function"] if isinstance(tool_call.get("function"), Mapping) else tool_call
            extra_fields = omit(tool_call, "id", "name", "arguments", "function")
            arguments = call_function.get("arguments")
            if not isinstance(arguments, (str, Mapping)):
                arguments = json.dumps(arguments)
            self.transcript.add_call(
                tool_call.get("id"),
                call_function.get("name"),
                arguments,
                time=timestamp,
                result=inference_result,
                extra_fields=extra_fields,
            )


# Files.


def score_tau_bench(sample: Sample) -> int:
    """Return SURE for results of either benchmark."""
    values = sample.records if sample.container == "json" else []
    return SURE if any(is_result(value) or is_simulations(value) for value in values) else 0


def read_tau_bench(source: Source) -> Iterator[Run]:
    """Yield a Run for each run of a task."""
    for position, value in source.records():
        if is_simulations(value):
            yield from read_simulations(value, position, source)
        else:
            yield from try_read(source, position, read_result, value, source.notes(FORMAT, position))


IMPORTER = Importer(FORMAT, score_tau_bench, read_tau_bench)
