"""Inspect logs: `.json`, and `.eval` archives (packed by deflate or zstd), a Run for each sample.

Facts: inspect_ai's log format. A sample is one member of the archive, or a folder of them with its
messages in a pool and its attachments by number ("chunked"). Long strings stand once, as attachments, and
are put in by reference: the same string object wherever it is named. The events repeat all messages for each
model call; of them only the calls' own records are read (model, usage, stop reason, duration), never the inputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ..errors import LoadError
from ..frozen import freeze
from ..keyed import keyed
from ..provenance import FIELDS
from ..turns import Run
from . import SURE, Importer, Notes, Sample, Source, attempt
from .archive import Archive
from .conversation import conversation, place_of
from .inspect_messages import Attachments, Calls, read_messages

FORMAT = "inspect"
HEADS = ("header.json", "_journal/start.json")
ABOUT_EVAL = ("eval_id", "run_id", "created", "task", "task_id", "model", "dataset")
Given = Callable[[Notes], Any]
NOT_BESIDE = frozenset({"messages", "events", "events_data", "attachments", "store", "message_refs", "input"})


def score(sample: Sample) -> int:
    if sample.container == "zip":
        return SURE if any(name in HEADS for name in sample.names) else 0
    record = sample.record
    is_log = sample.container == "json" and isinstance(record.get("eval"), Mapping)
    return SURE if is_log and ("version" in record or "status" in record) else 0


def read(source: Source) -> Iterator[Run]:
    for where, given, log in samples(source):
        run = attempt(source, where, read_one, given, log, source.notes(FORMAT, where))
        if run is not None:
            yield run


def read_one(given: Given, log: Any, notes: Notes) -> Run:
    """What `samples` gave, as a Run."""
    return read_sample(given(notes), log, notes)


def samples(source: Source) -> Iterator[tuple[str, Given, Any]]:
    """Each sample of the logs in a source: where it is, what gives it as parsed JSON, and the head of its log."""
    if source.sample.container == "zip":
        yield from _in_archive(source)
        return
    for position, log in source.values():
        listed = log.get("samples") if isinstance(log, Mapping) else None
        for place, sample in enumerate(listed if isinstance(listed, list) else ()):
            where = ", ".join(part for part in (position, f"samples[{place}]") if part)
            yield where, partial(_parsed, sample), log


def _parsed(sample: Any, _: Notes) -> Any:
    return sample


def _in_archive(source: Source) -> Iterator[tuple[str, Given, Any]]:
    with source.zip() as archive:
        names = archive.names
        log = next((_json(source, archive, name) for name in HEADS if name in names), None) or {}
        for name in names:
            folder, _, rest = name.partition("/")
            if folder != "samples" or not rest.endswith(".json"):
                continue
            if "/" not in rest:
                yield name, partial(_whole, archive, name), log
            elif rest.endswith("/sample.json"):
                yield name, partial(_in_pieces, archive, name), log


def _json(source: Source, archive: Archive, name: str) -> Any:
    try:
        return archive.json(name)
    except LoadError as error:
        source.problem(error.position, error.reason)
        return None


def _whole(archive: Archive, name: str, _: Notes) -> Any:
    return archive.json(name)


def _in_pieces(archive: Archive, name: str, notes: Notes) -> Any:
    """A sample whose messages, events and attachments are in members of their own, numbered by their first item."""
    folder = name.removesuffix("sample.json")

    def sequence(of: str) -> Iterator[Any]:
        begin = f"{folder}{of}/"
        starts = (one.removeprefix(begin).removesuffix(".json") for one in archive.names if one.startswith(begin))
        for start in sorted(int(start) for start in starts if start.isdigit()):
            items = archive.json(f"{begin}{start}.json")
            yield from items if isinstance(items, list) else ()

    sample = archive.json(name)
    if not isinstance(sample, Mapping):
        raise notes.refusal("", f"a sample is an object, not {type(sample).__name__}")
    pool = list(sequence("messages"))
    references = sample.get("message_refs")
    messages = list(_referred(pool, references, notes)) if isinstance(references, list) else pool
    attachments = {str(place): text for place, text in enumerate(sequence("attachments"))}
    return {**sample, "messages": messages, "attachments": attachments, "events": sequence("events")}


def _referred(pool: list[Any], references: list[Any], notes: Notes) -> Iterator[Any]:
    """The messages that ranges of the pool name: [start, end), …"""
    for reference in references:
        match reference:
            case [int(start), int(end)] if 0 <= start <= end <= len(pool):
                yield from pool[start:end]
            case _:
                notes.unknown("message_refs", f"a range of the {len(pool)} messages is expected, not {reference!r:.60}")


def read_sample(sample: Any, log: Any, notes: Notes) -> Run:
    """One sample of a log as a Run."""
    if not isinstance(sample, Mapping):
        raise notes.refusal("", f"a sample is an object, not {type(sample).__name__}")
    attachments = Attachments(sample.get("attachments"), notes)
    about = about_of(log)
    model = str(about.get("model") or "")
    calls = Calls(sample.get("events"), sample.get("output"), model)
    messages = messages_of(sample)
    blocks = read_messages(messages, attachments, calls, model, notes)
    _tell_left_out(sample, messages, notes)
    return conversation(
        blocks,
        notes,
        id=run_id(sample, about, notes),
        name=_name(sample, about),
        metadata=keyed({FIELDS.name: freeze(_beside(sample, about, calls.kinds))}),
    )


def about_of(log: Any) -> Mapping[str, Any]:
    """What the head of a log tells of its evaluation."""
    about = log.get("eval") if isinstance(log, Mapping) else None
    return about if isinstance(about, Mapping) else {}


def messages_of(sample: Mapping[str, Any]) -> list[Any]:
    """The conversation as it ended; of a sample that never began, what it was to begin with."""
    messages = sample.get("messages")
    if isinstance(messages, list) and messages:
        return messages
    given = sample.get("input")
    return given if isinstance(given, list) else [{"role": "user", "content": given}] if given else []


def _tell_left_out(sample: Mapping[str, Any], messages: list[Any], notes: Notes) -> None:
    """Messages in the pool that are not in the conversation as it ended: earlier model calls saw them."""
    pooled = sample.get("events_data")
    pool = pooled.get("messages") if isinstance(pooled, Mapping) else None
    if not isinstance(pool, list):
        return
    kept = {message.get("id") for message in messages if isinstance(message, Mapping)}
    gone = [one for one in pool if isinstance(one, Mapping) and one.get("id") and one["id"] not in kept]
    if gone:
        notes.drop("events_data.messages", f"{len(gone)} messages that only earlier model calls saw (compacted since)")


def run_id(sample: Mapping[str, Any], about: Mapping[str, Any], notes: Notes) -> str:
    """The sample's own id, else one of its evaluation, its name there and its epoch."""
    uuid = sample.get("uuid")
    if isinstance(uuid, str) and uuid:
        return uuid
    eval = about.get("eval_id") or about.get("run_id")
    here = f"{sample.get('id')}_epoch_{sample.get('epoch')}"
    return f"{eval}/{here}" if eval else f"{place_of(notes)}/{here}"


def _name(sample: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    task = about.get("task")
    epoch = f" epoch {sample['epoch']}" if sample.get("epoch") not in (None, 1) else ""
    return " ".join(str(part) for part in (task, sample.get("id")) if part is not None) + epoch


def _beside(sample: Mapping[str, Any], about: Mapping[str, Any], events: Counter[str]) -> dict[str, Any]:
    """What is told of the sample, and of the evaluation it is of; of its events how many there are of each."""
    beside = {name: value for name, value in sample.items() if name not in NOT_BESIDE and value is not None}
    if isinstance(output := beside.get("output"), Mapping):  # its message is the last of the conversation
        beside["output"] = {name: value for name, value in output.items() if name != "choices"}
    beside["eval"] = {name: about[name] for name in ABOUT_EVAL if name in about}
    return beside | ({"events": dict(events)} if events else {})


IMPORTER = Importer(FORMAT, score, read)
