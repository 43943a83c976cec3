"""Inspect logs: `.json`, and `.eval` archives (compressed by deflate or zstd), a Run for each sample.

Source: inspect_ai's log format. A sample is one member of the archive, or a folder of members with its
messages in a pool and its attachments by number. A long string is written once, as an attachment, and
becomes one string object wherever it is referred to. The events repeat all messages for each model call;
of them only the outcome of the call is read (model, usage, stop reason, duration), never its input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ..errors import LoadError
from ..values.provenance import FIELDS
from ..values.turns import Run
from .inspect_messages import Attachments, SampleEvents, read_messages
from .kit import faults
from .kit.import_report import Notes, join_positions
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import omit
from .kit.source import Sample, Source
from .kit.transcript import Transcript, conversation_key
from .kit.zip_archive import Archive

FORMAT = "inspect"
HEADERS = ("header.json", "_journal/start.json")
EVALUATION_FIELDS = ("eval_id", "run_id", "created", "task", "task_id", "model", "dataset")
SampleLoader = Callable[[Notes], Any]
LARGE_FIELDS = frozenset({"messages", "events", "events_data", "attachments", "store", "message_refs", "input"})


def score(sample: Sample) -> int:
    """Return SURE for an archive with the header of a log, and for an object with an evaluation."""
    if sample.container == "zip":
        return SURE if any(name in HEADERS for name in sample.names) else 0
    record = sample.record
    is_log = sample.container == "json" and isinstance(record.get("eval"), Mapping)
    return SURE if is_log and ("version" in record or "status" in record) else 0


def read(source: Source) -> Iterator[Run]:
    """Yield a Run for each sample."""
    for position, load_sample, log in samples(source):
        yield from try_read(source, position, read_one, load_sample, log, source.notes(FORMAT, position))


def read_one(load_sample: SampleLoader, log: Any, notes: Notes) -> Run:
    """Return the Run of a sample of `samples`."""
    return read_sample(load_sample(notes), log, notes)


def samples(source: Source) -> Iterator[tuple[str, SampleLoader, Any]]:
    """Yield each sample in a source: its position, a function that returns its parsed JSON, and the header of its log."""
    if source.sample.container == "zip":
        yield from _in_archive(source)
        return
    for position, log in source.values():
        items = log.get("samples") if isinstance(log, Mapping) else None
        for index, sample in enumerate(items if isinstance(items, list) else ()):
            yield join_positions(position, f"samples[{index}]"), partial(_loaded_sample, sample), log


def _loaded_sample(sample: Any, _: Notes) -> Any:
    return sample


def _in_archive(source: Source) -> Iterator[tuple[str, SampleLoader, Any]]:
    with source.open_zip() as archive:
        names = archive.names
        log = next((_read_header(source, archive, name) for name in HEADERS if name in names), None) or {}
        for name in names:
            folder, _, path = name.partition("/")
            if folder != "samples" or not path.endswith(".json"):
                continue
            if "/" not in path:
                yield name, partial(_read_member, archive, name), log
            elif path.endswith("/sample.json"):
                yield name, partial(_read_folder, archive, name), log


def _read_header(source: Source, archive: Archive, name: str) -> Any:
    try:
        return archive.json(name)
    except LoadError as error:
        source.add_problem(error.position, error.reason)
        return None


def _read_member(archive: Archive, name: str, _: Notes) -> Any:
    return archive.json(name)


def _read_folder(archive: Archive, name: str, notes: Notes) -> Any:
    """Return a sample whose messages, events and attachments are in members named by the number of their first item."""
    folder = name.removesuffix("sample.json")

    def items_of(list_name: str) -> Iterator[Any]:
        prefix = f"{folder}{list_name}/"
        numbers = (
            member.removeprefix(prefix).removesuffix(".json") for member in archive.names if member.startswith(prefix)
        )
        for number in sorted(int(number) for number in numbers if number.isdigit()):
            items = archive.json(f"{prefix}{number}.json")
            yield from items if isinstance(items, list) else ()

    sample = archive.json(name)
    if not isinstance(sample, Mapping):
        raise notes.load_error("", faults.wrong_type("sample", sample, dict))
    pool = list(items_of("messages"))
    references = sample.get("message_refs")
    messages = list(_messages_in_ranges(pool, references, notes)) if isinstance(references, list) else pool
    attachments = {str(index): text for index, text in enumerate(items_of("attachments"))}
    return {**sample, "messages": messages, "attachments": attachments, "events": items_of("events")}


def _messages_in_ranges(pool: list[Any], references: list[Any], notes: Notes) -> Iterator[Any]:
    """Yield the messages of the pool that are in the ranges [start, end), …"""
    for index, reference in enumerate(references):
        match reference:
            case [int(start), int(end)] if 0 <= start <= end <= len(pool):
                yield from pool[start:end]
            case _:
                message = f"expected a range of the {len(pool)} messages, got {reference!r:.60}"
                notes.add_unknown(f"message_refs[{index}]", message)


def read_sample(sample: Any, log: Any, notes: Notes) -> Run:
    """Return the Run of a sample; `log` is the header of its log."""
    if not isinstance(sample, Mapping):
        raise notes.load_error("", faults.wrong_type("sample", sample, dict))
    evaluation = evaluation_of(log)
    model = str(evaluation.get("model") or "")
    events = SampleEvents(sample.get("events"), sample.get("output"), model)
    messages = messages_of(sample)
    transcript = Transcript(notes)
    read_messages(transcript, messages, Attachments(sample.get("attachments"), notes), events, model)
    _report_compacted(sample, messages, notes)
    return transcript.to_run(
        id=run_id(sample, evaluation, notes),
        name=_name(sample, evaluation),
        metadata={FIELDS.name: _extra_fields(sample, evaluation, events.counts)},
    )


def evaluation_of(log: Any) -> Mapping[str, Any]:
    """Return the fields of the evaluation in the header of a log."""
    evaluation = log.get("eval") if isinstance(log, Mapping) else None
    return evaluation if isinstance(evaluation, Mapping) else {}


def messages_of(sample: Mapping[str, Any]) -> list[Any]:
    """Return the messages at the end of a sample; the input of a sample that did not begin."""
    messages = sample.get("messages")
    if isinstance(messages, list) and messages:
        return messages
    prompt = sample.get("input")
    return prompt if isinstance(prompt, list) else [{"role": "user", "content": prompt}] if prompt else []


def _report_compacted(sample: Mapping[str, Any], messages: list[Any], notes: Notes) -> None:
    """Report messages of earlier model calls that are not in the conversation at its end."""
    events_data = sample.get("events_data")
    pool = events_data.get("messages") if isinstance(events_data, Mapping) else None
    if not isinstance(pool, list):
        return
    ids = {message.get("id") for message in messages if isinstance(message, Mapping)}
    pool_ids = [message.get("id") for message in pool if isinstance(message, Mapping)]
    count = sum(bool(id) and id not in ids for id in pool_ids)
    if count:
        notes.add_dropped(
            "events_data.messages", f"{count} messages of earlier model calls, compacted since, are left out"
        )


def run_id(sample: Mapping[str, Any], evaluation: Mapping[str, Any], notes: Notes) -> str:
    """Return the id of a sample, else one made of its evaluation, its name and its epoch."""
    uuid = sample.get("uuid")
    if isinstance(uuid, str) and uuid:
        return uuid
    evaluation_id = evaluation.get("eval_id") or evaluation.get("run_id") or conversation_key(notes)
    return f"{evaluation_id}/{sample.get('id')}_epoch_{sample.get('epoch')}"


def _name(sample: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    task = evaluation.get("task")
    epoch = f" epoch {sample['epoch']}" if sample.get("epoch") not in (None, 1) else ""
    return " ".join(str(part) for part in (task, sample.get("id")) if part is not None) + epoch


def _extra_fields(
    sample: Mapping[str, Any], evaluation: Mapping[str, Any], event_counts: Counter[str]
) -> dict[str, Any]:
    """Return the fields of a sample and its evaluation that no block holds, and the number of its events of each kind."""
    fields = {name: value for name, value in sample.items() if name not in LARGE_FIELDS and value is not None}
    if isinstance(output := fields.get("output"), Mapping):  # its message is the last of the conversation
        fields["output"] = omit(output, "choices")
    fields["eval"] = {name: evaluation[name] for name in EVALUATION_FIELDS if name in evaluation}
    return fields | ({"events": dict(event_counts)} if event_counts else {})


IMPORTER = Importer(FORMAT, score, read)
