"""tau-bench's results: an array of runs of a task, whose `traj` is an OpenAI chat; and those of tau²-bench.

A run of a task becomes a Run: its messages as `openai_chat` reads them, with the task, its reward and the trial
in its metadata. tau²-bench has a document with `simulations`, whose messages have tool calls without a
`function` around name and arguments, and a cost and a usage each. Since 2026 it may have each simulation in a file of
its own, in a folder `simulations` next to `results.json`, and spoken simulations in ticks. Source: sierra-research/tau-bench
59a200c; sierra-research/tau2-bench a2c0247, src/tau2/data_model/simulation.py (`Results`, `SimulationRun`: all fields read)
and message.py (the messages).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import LoadError
from ..values.inference_results import InferenceResult
from ..values.metadata import metadata_from_dict
from ..values.outcome import Outcome
from ..values.provenance import BRANCH_OF, FIELDS
from ..values.turns import Kind, Run, Turn
from . import openai_chat
from .kit.import_report import ImportReport, Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.ledger import with_calls
from .kit.outcomes import error_text, outcome_metadata, outcome_of
from .kit.record_fields import (
    expect,
    field_of_document,
    object_or_empty,
    objects,
    omit,
    optional_text,
    text_or_empty,
    to_float,
    token_usage,
    unexpected,
)
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, freeze_or_json
from .tau_bench_ticks import messages_of_ticks

FORMAT = "tau-bench"


def is_result(value: Any) -> bool:
    """Return True for the result of one run of a task."""
    has_messages = isinstance(value, Mapping) and isinstance(value.get("traj"), list)
    return has_messages and ("task_id" in value or "reward" in value)


def is_simulations(value: Any) -> bool:
    """Return True for a document of tau²-bench; the simulations of its folder layout are files of their own."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get("simulation_index"), list) and not value.get("simulations"):
        return True
    if not isinstance(value.get("simulations"), list):
        return False
    first_simulation = next(iter(value["simulations"]), None)
    return is_simulation(first_simulation)


def is_simulation(value: Any) -> bool:
    """Return True for one simulation of tau²-bench, which its folder layout has in a file of its own."""
    if not isinstance(value, Mapping) or "task_id" not in value:
        return False
    return ("messages" in value or "ticks" in value) and not {"reward_info", "termination_reason"}.isdisjoint(value)


def read_result(task_result: Any, notes: Notes) -> Run:
    """Return the Run of the result of one run of a task."""
    messages = field_of_document(task_result, notes, "traj", (list, tuple))
    extra_fields = freeze_or_json(omit(task_result, "traj"))
    chat_run = openai_chat.read_chat(messages, notes)
    task_info = task_result.get("info")
    error = task_info.get("error") if isinstance(task_info, Mapping) else None  # of a run that raised
    metadata = {FIELDS.name: extra_fields, **outcome_metadata(outcome_of(task_result, error=error_text(error)))}
    return replace(chat_run, name=_run_name(task_result), metadata=metadata_from_dict(metadata))


def _run_name(task_run: Mapping[str, Any]) -> str:
    task_id, trial = task_run.get("task_id"), task_run.get("trial")
    if task_id is None:
        return ""
    return f"task {task_id}, trial {trial}" if isinstance(trial, int) else f"task {task_id}"


def read_simulations(document: Mapping[str, Any], position: str, source: Source) -> Iterator[Run]:
    """Yield each simulation of a document of tau²-bench; the fields of the document are kept with the first."""
    document_fields = omit(document, "simulations")
    models = _models_of(document_fields.get("info"))
    for index, record in enumerate(document["simulations"]):
        notes = source.notes(FORMAT, join_positions(position, f"simulations[{index}]"))
        yield from read_simulation(record, notes, models, {"document": document_fields} if index == 0 else {})


def read_simulation(
    record: Any, notes: Notes, models: tuple[str | None, str | None], document_fields: dict[str, Any]
) -> Iterator[Run]:
    """Yield the Run of a simulation, and one of the model calls of its user simulator."""
    transcript = Transcript(notes)
    simulation = record if isinstance(record, Mapping) else {}
    extra_fields = omit(simulation, "messages") | document_fields
    messages = simulation.get("messages")
    if not messages and isinstance(simulation.get("ticks"), list):
        messages = messages_of_ticks(simulation["ticks"])
    if not isinstance(messages, list):
        extra_fields["messages"], messages = messages, []
    if not isinstance(record, Mapping):
        extra_fields["simulation"] = record
    reader = _MessageReader(transcript, models)
    transcript.read_records("messages", messages, reader.read_message)
    simulation_id = text_or_empty(simulation.get("id"))
    metadata = outcome_metadata(_simulation_outcome(simulation))
    run = transcript.to_run(id=simulation_id, name=_run_name(simulation), extra_fields=extra_fields, metadata=metadata)
    yield run
    if reader.user_calls:
        yield _user_run(run, reader.user_calls)


def _models_of_folder(source: Source) -> tuple[str | None, str | None]:
    """Return the models that `results.json` names, in the folder above that of a simulation's file."""
    if source.path is None or source.path.parent.name != "simulations":
        return None, None
    results = source.path.parent.parent / "results.json"
    if not results.is_file():
        return None, None
    try:
        document = next((value for _, value in Source.of_file(results).values()), None)
    except LoadError:
        return None, None
    return _models_of(document.get("info") if isinstance(document, Mapping) else None)


def _models_of(info: Any) -> tuple[str | None, str | None]:
    """Return the models of the agent and of the user simulator, as the document names them."""
    sides = (info.get(name) if isinstance(info, Mapping) else None for name in ("agent_info", "user_info"))
    agent_model, user_model = (text_or_empty(side.get("llm")) if isinstance(side, Mapping) else "" for side in sides)
    return agent_model or None, user_model or None


def _user_run(run: Run, calls: list[InferenceResult]) -> Run:
    """Return a Run with the model calls of the user simulator, which are not the agent's; it has no blocks."""
    metadata = metadata_from_dict({BRANCH_OF.name: run.id})
    report = ImportReport(FORMAT, 0, 0, file=run.import_report.file if run.import_report else "", has_run_id=True)
    name = f"{run.name}, user simulator"
    user_run = Run((Turn(),), id=f"{run.id}/user", name=name, metadata=metadata, import_report=report)
    return with_calls(user_run, calls)


def _simulation_outcome(simulation: Mapping[str, Any]) -> Outcome | None:
    """Return the reward of a simulation, and the limit or the error that ended it."""
    rewards, reason = simulation.get("reward_info"), text_or_empty(simulation.get("termination_reason"))
    rewards = rewards if isinstance(rewards, Mapping) else {}
    breakdown = rewards.get("reward_breakdown")
    return outcome_of(
        rewards,
        scores=breakdown if isinstance(breakdown, Mapping) and breakdown else None,
        limit=reason if reason.startswith("max_") else None,
        error=reason if "error" in reason else None,
    )


class _MessageReader:
    def __init__(self, transcript: Transcript, models: tuple[str | None, str | None] = (None, None)) -> None:
        self.transcript = transcript
        self.agent_model, self.user_model = models
        self.user_calls: list[InferenceResult] = []  # of the user simulator

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
            extra_fields = self.add_user_call(message, extra_fields)
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
        timestamp = message.get("timestamp")
        inference_result = self.call_result(message, self.agent_model, bool(tool_calls))
        reply_text = optional_text(message.get("content") or None, "content") or ""
        if reply_text or not tool_calls:
            self.transcript.add_block(
                Kind.LLM_TEXT, {"text": reply_text}, "assistant", time=timestamp, result=inference_result
            )
        self.add_calls(tool_calls, timestamp, inference_result)
        return omit(extra_fields, "usage", "cost")

    def add_user_call(self, message: Mapping[str, Any], extra_fields: dict[str, Any]) -> dict[str, Any]:
        """Add the model call of a user simulator, if a message has one, and return the fields that no result holds."""
        if message.get("role") != "user" or not (message.get("usage") or message.get("cost")):
            return extra_fields
        self.user_calls.append(self.call_result(message, self.user_model, bool(message.get("tool_calls"))))
        return omit(extra_fields, "usage", "cost")

    def call_result(self, message: Mapping[str, Any], model: str | None, pending: bool) -> InferenceResult:
        token_counts = object_or_empty(message.get("usage"), "usage")
        details = token_counts.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
        other_counts = omit(token_counts, "prompt_tokens", "completion_tokens")
        return self.transcript.inference_result(
            model=model,
            pending=pending,
            cost=to_float(message.get("cost")),
            usage=token_usage(
                token_counts.get("prompt_tokens"), token_counts.get("completion_tokens"), cache_read_tokens=cached
            ),
            extra={"usage": other_counts},
        )

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
    return SURE if any(is_result(value) or is_simulations(value) or is_simulation(value) for value in values) else 0


def read_tau_bench(source: Source) -> Iterator[Run]:
    """Yield a Run for each run of a task."""
    for position, value in source.records():
        if is_simulation(value):
            yield from read_simulation(value, source.notes(FORMAT, position), _models_of_folder(source), {})
        elif is_simulations(value) and not value.get("simulations"):
            source.add_problem(position, "the simulations are in files of their own, in the folder 'simulations'")
        elif is_simulations(value):
            yield from read_simulations(value, position, source)
        else:
            yield from try_read(source, position, read_result, value, source.notes(FORMAT, position))


IMPORTER = Importer(FORMAT, score_tau_bench, read_tau_bench)
