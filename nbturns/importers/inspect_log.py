"""Inspect logs: `.json`, and `.eval` archives (compressed by deflate or zstd), a Run for each sample.

Source: UKGovernmentBEIS/inspect_ai at 499e6152e7b8, src/inspect_ai/log/_log.py and log/_recorders/eval.py (members of the
archive). A sample is one member of the archive, or a folder of members with its messages in a pool and its attachments by
number. A long string is written once, as an attachment, and becomes one string object wherever it is referred to. The
events repeat all messages for each model call; of them only the outcome of the call is read (model, usage, stop reason,
duration), never its input.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ..errors import LoadError
from ..values.outcome import Outcome
from ..values.provenance import BRANCH_OF, FIELDS, PARENT_TOOL_CALL
from ..values.turns import Run
from .inspect_events import SampleEvents, Subagent, calls_outside, choices_of, message_ids
from .inspect_messages import Attachments, read_messages
from .kit import faults
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read_all
from .kit.ledger import with_calls
from .kit.links import link_runs, mark_children
from .kit.outcomes import outcome_metadata, outcome_of
from .kit.record_fields import omit, text_or_empty
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, conversation_key
from .kit.zip_archive import ZipArchive

FORMAT = "inspect"
HEADER_MEMBERS = ("header.json", "_journal/start.json")
EVALUATION_FIELDS = ("eval_id", "run_id", "created", "task", "task_id", "model", "dataset")
SAMPLE_FIELDS = frozenset({"id", "epoch", "target", "messages"})
MESSAGE_FIELDS = frozenset(
    {"id", "content", "role", "source", "metadata"}
)  # of a message of Inspect as a dump of its model
NUMBER = re.compile(r"(\d{1,18})")
MAX_MESSAGES = 32  # that a score checks
SampleLoader = Callable[[Notes], Any]
LARGE_FIELDS = frozenset({"messages", "events", "events_data", "attachments", "store", "message_refs", "input"})


def score_inspect_log(sample: Sample) -> int:
    """Return SURE for an archive with the header of a log, and for an object with an evaluation."""
    if sample.container == "zip":
        return SURE if any(name in HEADER_MEMBERS for name in sample.names) else 0
    record = sample.record
    if sample.container == "json" and (_is_sample(record) or _are_messages(sample.value)):
        return SURE
    is_log = sample.container == "json" and isinstance(record.get("eval"), Mapping)
    return SURE if is_log and ("version" in record or "status" in record) else 0


def _is_sample(record: Any) -> bool:
    """Return True for a sample alone, as `EvalSample.model_dump()` and a line of samples have it."""
    return isinstance(record, Mapping) and record.keys() >= SAMPLE_FIELDS and isinstance(record["messages"], list)


def _are_messages(messages: Any) -> bool:
    """Return True for messages of Inspect without their sample: calls with a plain function name, or their fields."""
    first_messages = messages[:MAX_MESSAGES] if isinstance(messages, list) else []
    if not first_messages or not all(isinstance(message, Mapping) and "role" in message for message in first_messages):
        return False
    calls = [
        call for message in first_messages for call in message.get("tool_calls") or () if isinstance(call, Mapping)
    ]
    if calls:
        return all(isinstance(call.get("function"), str) and "arguments" in call for call in calls)
    return all(message.keys() >= MESSAGE_FIELDS for message in first_messages)


def read_inspect_log(source: Source) -> Iterator[Run]:
    """Yield a Run for each sample, and after it one for each of its subagents."""
    for position, load_sample, log_header in iter_samples(source):
        yield from runs_of_sample(source, position, load_sample, log_header)


def runs_of_sample(source: Source, position: str, load_sample: SampleLoader, log_header: Any) -> Iterator[Run]:
    """Yield the Runs of a sample that `iter_samples` yields."""
    notes = source.notes(FORMAT, position)
    yield from try_read_all(source, position, read_loaded_sample, load_sample, log_header, notes)


def read_loaded_sample(load_sample: SampleLoader, log_header: Any, notes: Notes) -> list[Run]:
    """Return the Run of a sample that `iter_samples` yields, and those of its subagents."""
    return read_sample(load_sample(notes), log_header, notes)


def iter_samples(source: Source) -> Iterator[tuple[str, SampleLoader, Any]]:
    """Yield each sample in a source: its position, a function that returns its parsed JSON, and the header of its log."""
    if source.sample.container == "zip":
        yield from _iter_archive(source)
        return
    if _are_messages(source.sample.value):
        for position, messages in source.values():
            yield position, partial(_loaded_sample, {"messages": messages}), {}
        return
    for position, log_header in source.records():
        if _is_sample(log_header):
            yield position, partial(_loaded_sample, log_header), {}
            continue
        sample_list = log_header.get("samples") if isinstance(log_header, Mapping) else None
        for index, sample in enumerate(sample_list if isinstance(sample_list, list) else ()):
            yield join_positions(position, f"samples[{index}]"), partial(_loaded_sample, sample), log_header


def _loaded_sample(sample: Any, _: Notes) -> Any:
    return sample


def _iter_archive(source: Source) -> Iterator[tuple[str, SampleLoader, Any]]:
    with source.open_zip() as archive:
        member_names = archive.names
        log_header = (
            next(
                (
                    _read_header(source, archive, member_name)
                    for member_name in HEADER_MEMBERS
                    if member_name in member_names
                ),
                None,
            )
            or {}
        )
        for member_name in sorted(member_names, key=sample_order):
            folder, _, member_path = member_name.partition("/")
            if folder != "samples" or not member_path.endswith(".json"):
                continue
            if "/" not in member_path:
                yield member_name, partial(_read_member, archive, member_name), log_header
            elif member_path.endswith("/sample.json"):
                yield member_name, partial(_read_folder, archive, member_name), log_header


def sample_order(member_name: str) -> tuple[list[tuple[int, int, str]], int]:
    """Return what samples are sorted by: their id, with numbers as numbers, and their epoch."""
    sample_id, _, epoch = member_name.removesuffix("/sample.json").removesuffix(".json").rpartition("_epoch_")
    id_parts = NUMBER.split(sample_id or epoch)
    order = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in id_parts]
    return order, int(epoch) if sample_id and epoch.isdecimal() else 0


def _read_header(source: Source, archive: ZipArchive, member_name: str) -> Any:
    try:
        return archive.json(member_name)
    except LoadError as error:
        source.add_problem(error.position, error.reason)
        return None


def _read_member(archive: ZipArchive, member_name: str, _: Notes) -> Any:
    return archive.json(member_name)


def _read_folder(archive: ZipArchive, member_name: str, notes: Notes) -> Any:
    """Return a sample whose messages, events and attachments are in members named by the number of their first item."""
    member_prefix = member_name.removesuffix("sample.json")

    def items_of(list_name: str) -> Iterator[Any]:
        list_prefix = f"{member_prefix}{list_name}/"
        member_numbers = (
            member.removeprefix(list_prefix).removesuffix(".json")
            for member in archive.names
            if member.startswith(list_prefix)
        )
        for member_number in sorted(int(member_number) for member_number in member_numbers if member_number.isdigit()):
            member_items = archive.json(f"{list_prefix}{member_number}.json")
            yield from member_items if isinstance(member_items, list) else ()

    sample = archive.json(member_name)
    if not isinstance(sample, Mapping):
        raise notes.load_error("", faults.wrong_type("sample", sample, dict))
    message_pool = list(items_of("messages"))
    references = sample.get("message_refs")
    messages = (
        list(_messages_in_ranges(message_pool, references, notes)) if isinstance(references, list) else message_pool
    )
    attachments = {str(index): text for index, text in enumerate(items_of("attachments"))}
    return {**sample, "messages": messages, "attachments": attachments, "events": items_of("events")}


def _messages_in_ranges(message_pool: list[Any], references: list[Any], notes: Notes) -> Iterator[Any]:
    """Yield the messages of the pool that are in the ranges [start, end), …"""
    for index, reference in enumerate(references):
        match reference:
            case [int(start), int(end)] if 0 <= start <= end <= len(message_pool):
                yield from message_pool[start:end]
            case _:
                range_error = f"expected a range of the {len(message_pool)} messages, got {reference!r:.60}"
                notes.add_unknown(f"message_refs[{index}]", range_error)


def read_sample(sample: Any, log_header: Any, notes: Notes) -> list[Run]:
    """Return the Run of a sample, and those of its subagents; `log_header` is the header of its log."""
    if not isinstance(sample, Mapping):
        raise notes.load_error("", faults.wrong_type("sample", sample, dict))
    evaluation = evaluation_of(log_header)
    model = str(evaluation.get("model") or "")
    events = SampleEvents(sample.get("events"), sample.get("output"), model)
    messages, attachments = final_messages(sample), Attachments(sample.get("attachments"), notes)
    transcript, sample_id = Transcript(notes), run_id(sample, evaluation, notes)
    transcript.key = sample_id
    read_messages(transcript, messages, attachments, events, model)
    _report_compacted(sample, messages, notes)
    subagents = list(events.take_subagents(message_ids(messages)))
    links = {agent.tool_call_id: f"{sample_id}/{agent.span_id}" for agent in reversed(subagents)}
    agent_runs = [
        _subagent_run(agent, sample, sample_id, links, notes.strict, transcript, events) for agent in subagents
    ]
    mark_children(transcript.blocks, links)
    run = transcript.to_run(
        id=sample_id,
        name=run_name(sample, evaluation),
        metadata={
            FIELDS.name: _extra_fields(sample, evaluation, events.counts),
            **outcome_metadata(_outcome(sample)),
        },
    )
    return link_runs([with_calls(run, calls_outside(messages, events, transcript.key)), *agent_runs])


def _subagent_run(
    agent: Subagent,
    sample: Mapping[str, Any],
    sample_id: str,
    links: Mapping[str, str],
    is_strict: bool,
    main: Transcript,
    events: SampleEvents,
) -> Run:
    """Return the Run of a subagent: the messages of its last model call, and the reply."""
    notes = Notes(FORMAT, main.notes.file, main.notes.position, strict=is_strict)
    transcript = Transcript(notes)
    transcript.key = sample_id
    messages = _messages_of_event(agent.last_event, sample, notes)
    last_event = agent.last_event
    model = str(last_event.get("model") or "")
    read_messages(transcript, messages, Attachments(sample.get("attachments"), notes), events, model)
    mark_children(transcript.blocks, links)
    known_ids = message_ids(messages)
    calls = {call_key: events.calls.pop(call_key, None) for call_key in agent.call_keys}
    id_prefix = f"{transcript.key}/" if transcript.key else ""
    other_calls = [
        result.replace(inference_id=f"{id_prefix}{call_key}")
        for call_key, result in calls.items()
        if result is not None and call_key not in known_ids
    ]
    metadata = {PARENT_TOOL_CALL.name: agent.tool_call_id, BRANCH_OF.name: sample_id}
    run = transcript.to_run(id=f"{sample_id}/{agent.span_id}", name=agent.name, metadata=metadata)
    return with_calls(run, other_calls)


def _messages_of_event(event: Mapping[str, Any], sample: Mapping[str, Any], notes: Notes) -> list[Any]:
    """Return the messages that a model call was sent, and its reply."""
    messages, references = event.get("input"), event.get("input_refs")
    events_data = sample.get("events_data")
    message_pool = events_data.get("messages") if isinstance(events_data, Mapping) else sample.get("message_pool")
    if isinstance(references, list) and isinstance(message_pool, list):
        messages = list(_messages_in_ranges(message_pool, references, notes))
    output = event.get("output")
    choices = choices_of(output) if isinstance(output, Mapping) else ()
    replies = [choice.get("message") for choice in choices if isinstance(choice, Mapping)]
    return [*(messages if isinstance(messages, list) else ()), *replies[:1]]


def _outcome(sample: Mapping[str, Any]) -> Outcome | None:
    """Return the scores of a sample, its answer and target, and the error or the limit that ended it."""
    scores, limit = sample.get("scores"), sample.get("limit")
    if not isinstance(scores, Mapping):  # of old logs, which have the score alone
        scores = {"score": sample["score"]} if isinstance(sample.get("score"), Mapping) else {}
    values = {name: score.get("value") if isinstance(score, Mapping) else score for name, score in scores.items()}
    answers = [score["answer"] for score in scores.values() if isinstance(score, Mapping) and score.get("answer")]
    target = sample.get("target")
    return outcome_of(
        {"error": sample.get("error")},
        scores=values or None,
        answer=answers[0] if answers else None,
        target=target if target not in ("", [], None) else None,
        limit=text_or_empty(limit.get("type")) or None if isinstance(limit, Mapping) else None,
    )


def evaluation_of(log_header: Any) -> Mapping[str, Any]:
    """Return the fields of the evaluation in the header of a log."""
    evaluation = log_header.get("eval") if isinstance(log_header, Mapping) else None
    return evaluation if isinstance(evaluation, Mapping) else {}


def final_messages(sample: Mapping[str, Any]) -> list[Any]:
    """Return the messages at the end of a sample; the input of a sample that did not begin."""
    messages = sample.get("messages")
    if isinstance(messages, list) and messages:
        return messages
    sample_input = sample.get("input")
    return (
        sample_input
        if isinstance(sample_input, list)
        else [{"role": "user", "content": sample_input}]
        if sample_input
        else []
    )


def _report_compacted(sample: Mapping[str, Any], messages: list[Any], notes: Notes) -> None:
    """Report messages of earlier model calls that are not in the conversation at its end."""
    events_data = sample.get("events_data")
    message_pool = events_data.get("messages") if isinstance(events_data, Mapping) else None
    if not isinstance(message_pool, list):
        return
    final_ids = message_ids(messages)
    compacted_count = len(message_ids(message_pool) - final_ids)
    if compacted_count:
        notes.add_dropped(
            "events_data.messages", f"{compacted_count} messages of earlier model calls, compacted since, are left out"
        )


def run_id(sample: Mapping[str, Any], evaluation: Mapping[str, Any], notes: Notes) -> str:
    """Return the id of a sample, else one made of its evaluation, its name and its epoch."""
    sample_uuid = sample.get("uuid")
    if isinstance(sample_uuid, str) and sample_uuid:
        return sample_uuid
    evaluation_id = evaluation.get("eval_id") or evaluation.get("run_id") or conversation_key(notes)
    return f"{evaluation_id}/{sample.get('id')}_epoch_{sample.get('epoch')}"


def run_name(sample: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    task_name = evaluation.get("task")
    epoch_suffix = f" epoch {sample['epoch']}" if sample.get("epoch") not in (None, 1) else ""
    return " ".join(str(part) for part in (task_name, sample.get("id")) if part is not None) + epoch_suffix


def _extra_fields(
    sample: Mapping[str, Any], evaluation: Mapping[str, Any], event_counts: Counter[str]
) -> dict[str, Any]:
    """Return the fields of a sample and its evaluation that no block holds, and the number of its events of each kind."""
    sample_fields = {
        field_name: field_value
        for field_name, field_value in sample.items()
        if field_name not in LARGE_FIELDS and field_value is not None
    }
    if isinstance(output_fields := sample_fields.get("output"), Mapping):  # its message is the last of the conversation
        sample_fields["output"] = omit(output_fields, "choices")
    sample_fields["eval"] = {
        field_name: evaluation[field_name] for field_name in EVALUATION_FIELDS if field_name in evaluation
    }
    return sample_fields | ({"events": dict(event_counts)} if event_counts else {})


IMPORTER = Importer(FORMAT, score_inspect_log, read_inspect_log)
