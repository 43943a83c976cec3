"""Inspect logs: `.json`, and `.eval` archives (compressed by deflate or zstd), a Run for each sample.

Source: inspect_ai's log format. A sample is one member of the archive, or a folder of members with its
messages in a pool and its attachments by number. A long string is written once, as an attachment, and
becomes one string object wherever it is referred to. The events repeat all messages for each model call;
of them only the outcome of the call is read (model, usage, stop reason, duration), never its input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import LoadError
from ..values.inference_results import INFERENCES, InferenceResult
from ..values.persistent_list import PersistentList
from ..values.provenance import FIELDS
from ..values.turns import Run
from .inspect_messages import Attachments, SampleEvents, calls_outside, message_ids, read_messages
from .kit import faults
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import omit
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, conversation_key
from .kit.zip_archive import ZipArchive

FORMAT = "inspect"
HEADER_MEMBERS = ("header.json", "_journal/start.json")
EVALUATION_FIELDS = ("eval_id", "run_id", "created", "task", "task_id", "model", "dataset")
SampleLoader = Callable[[Notes], Any]
LARGE_FIELDS = frozenset({"messages", "events", "events_data", "attachments", "store", "message_refs", "input"})


def score_inspect_log(sample: Sample) -> int:
    """Return SURE for an archive with the header of a log, and for an object with an evaluation."""
    if sample.container == "zip":
        return SURE if any(name in HEADER_MEMBERS for name in sample.names) else 0
    record = sample.record
    is_log = sample.container == "json" and isinstance(record.get("eval"), Mapping)
    return SURE if is_log and ("version" in record or "status" in record) else 0


def read_inspect_log(source: Source) -> Iterator[Run]:
    """Yield a Run for each sample."""
    for position, load_sample, log_header in iter_samples(source):
        yield from try_read(
            source, position, read_loaded_sample, load_sample, log_header, source.notes(FORMAT, position)
        )


def read_loaded_sample(load_sample: SampleLoader, log_header: Any, notes: Notes) -> Run:
    """Return the Run of a sample that `iter_samples` yields."""
    return read_sample(load_sample(notes), log_header, notes)


def iter_samples(source: Source) -> Iterator[tuple[str, SampleLoader, Any]]:
    """Yield each sample in a source: its position, a function that returns its parsed JSON, and the header of its log."""
    if source.sample.container == "zip":
        yield from _iter_archive(source)
        return
    for position, log_header in source.values():
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
        for member_name in member_names:
            folder, _, member_path = member_name.partition("/")
            if folder != "samples" or not member_path.endswith(".json"):
                continue
            if "/" not in member_path:
                yield member_name, partial(_read_member, archive, member_name), log_header
            elif member_path.endswith("/sample.json"):
                yield member_name, partial(_read_folder, archive, member_name), log_header


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


def read_sample(sample: Any, log_header: Any, notes: Notes) -> Run:
    """Return the Run of a sample; `log_header` is the header of its log."""
    if not isinstance(sample, Mapping):
        raise notes.load_error("", faults.wrong_type("sample", sample, dict))
    evaluation = evaluation_of(log_header)
    model = str(evaluation.get("model") or "")
    events = SampleEvents(sample.get("events"), sample.get("output"), model)
    messages = final_messages(sample)
    transcript = Transcript(notes)
    read_messages(transcript, messages, Attachments(sample.get("attachments"), notes), events, model)
    _report_compacted(sample, messages, notes)
    run = transcript.to_run(
        id=run_id(sample, evaluation, notes),
        name=_run_name(sample, evaluation),
        metadata={FIELDS.name: _extra_fields(sample, evaluation, events.counts)},
    )
    return _with_calls(run, calls_outside(messages, events, transcript.key))


def _with_calls(run: Run, calls: Sequence[InferenceResult]) -> Run:
    """Return the Run with model calls that have no block listed in its last Turn."""
    if not calls:
        return run
    last_turn = run.turns[-1]
    ledger = PersistentList((*last_turn.inferences, *calls))
    return replace(run, turns=(*run.turns[:-1], last_turn.with_metadata(INFERENCES, ledger)))


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


def _run_name(sample: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
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
