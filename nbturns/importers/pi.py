"""Pi's sessions: `~/.pi/agent/sessions/…/….jsonl`.

After a header come entries: messages, changes of the model, compactions. Since version 2 entries form a tree by
`parentId`: the conversation is the path to the last entry, each other leaf is a Run of its own. `usage.input` does not
include the cache. Source: badlogic/pi-mono at 83378aad7e74, packages/coding-agent/src/core/session-manager.ts,
packages/coding-agent/docs/session.md (`bashExecution`, `branchSummary`, `compactionSummary`) and packages/ai/src/types.ts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import BRANCH_OF
from ..values.turns import Kind, Run
from .kit.entry_trees import Entry, entry_paths
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
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
from .kit.transcript import Transcript

FORMAT = "pi"
STATE_TYPES = ("model_change", "thinking_level_change", "label", "session_info", "custom", "session")
MESSAGE_FIELDS = ("role", "content", "model", "provider", "usage", "stopReason", "toolCallId", "isError")
USAGE_FIELDS = ("input", "output", "cacheRead", "cacheWrite")


def _is_header(value: Mapping[str, Any]) -> bool:
    return value.get("type") == "session" and isinstance(value.get("id"), str) and "cwd" in value


def score_pi(sample: Sample) -> int:
    """Return a score higher than SURE for a header and entries with messages."""
    records = sample.records if sample.container == "json" and sample.is_json_lines else []
    has_messages = any(value.get("type") == "message" and _message_of(value) for value in records)
    is_session = any(map(_is_header, records)) and (has_messages or len(records) == 1)
    return SURE + 6 if is_session and not has_openclaw_mark(records) else 0


def has_openclaw_mark(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return True for the entries of a session that OpenClaw wrote with Pi's code: they name its folder or its own entries."""
    names = [text_or_empty(record.get(name)) for record in records for name in ("cwd", "customType")]
    return any("/.openclaw" in name or name.startswith("openclaw") for name in names)


def _message_of(record: Mapping[str, Any]) -> Mapping[str, Any]:
    message = record.get("message")
    return message if isinstance(message, Mapping) and "role" in message else {}


def read_session(source: Source, format: str = FORMAT) -> Iterator[Run]:
    """Yield the path to the last entry of a session, then the paths to its other leaves."""
    entries: list[Entry] = []
    for position, value in source.records():
        if isinstance(value, Mapping):
            entries.append((position, value))
        else:
            source.add_problem(position, "not an entry of a session")
    header = next((record for _, record in entries if _is_header(record)), {})
    root_id = ""
    for number, path in enumerate(entry_paths(entries, "id", "parentId")):
        name = f"branch {number}" if number else ""
        notes = source.notes(format, name)
        for run in try_read(source, name, _read_path, path, header, number, notes):
            yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root_id)) if root_id else run
            root_id = root_id or run.id


def _read_path(path: Sequence[Entry], header: Mapping[str, Any], number: int, notes: Notes) -> Run:
    transcript = Transcript(notes)
    session_id = text_or_empty(header.get("id"))
    transcript.key = session_id or transcript.key
    reader = EntryReader(transcript)
    for index, (position, record) in enumerate(path):
        reader.index = index
        transcript.read_record(position, record, reader.read_entry)
    run_id = f"{session_id}/{notes.position}" if number else session_id
    name = next((text_or_empty(record.get("name")) for _, record in path if record.get("type") == "session_info"), "")
    fields = {"entries": reader.states}
    return transcript.to_run(id=run_id, name=name, time=header.get("timestamp"), extra_fields=fields)


class EntryReader:
    """Adds the blocks of each entry of a session."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.states: list[Any] = []  # entries that are not messages
        self.index = 0
        self.first_blocks: dict[Any, int] = {}  # by the id and by the index of an entry

    def read_entry(self, record: Any) -> None:
        transcript, entry_type = self.transcript, record.get("type")
        first_block = len(transcript.blocks)
        self.first_blocks[self.index] = first_block
        if isinstance(record.get("id"), str):
            self.first_blocks[record["id"]] = first_block
        if entry_type in ("message", "custom_message"):
            message = _message_of(record) or record
            self.add_message(message, omit(record, "type", "message", "timestamp"), record.get("timestamp"))
        elif entry_type in ("compaction", "branch_summary"):
            self.add_summary(record, entry_type == "compaction")
        elif entry_type in STATE_TYPES:
            self.states.append(record)
        else:
            transcript.add_unknown(record, unknown_value("type", entry_type))

    def add_summary(self, record: Mapping[str, Any], is_compaction: bool) -> None:
        """Add a summary; after a compaction the model sees it, and the entries from the first one that was kept."""
        transcript = self.transcript
        first_kept = record.get("firstKeptEntryId", record.get("firstKeptEntryIndex"))
        kept_block = self.first_blocks.get(first_kept) if isinstance(first_kept, (str, int)) else None
        end_block = len(transcript.blocks)
        if is_compaction:
            transcript.start_context()
        text = optional_text(record.get("summary"), "summary") or ""
        extra_fields = omit(record, "summary", "timestamp")
        transcript.add_block(Kind.USER, {"text": text}, "user", time=record.get("timestamp"), extra_fields=extra_fields)
        if is_compaction and kept_block is not None and kept_block < end_block:
            transcript.carry_blocks(kept_block, end_block)

    def add_message(self, message: Mapping[str, Any], extra: dict[str, Any], time: Any) -> None:
        transcript, role, first_block = self.transcript, message.get("role"), len(self.transcript.blocks)
        content = message.get("content")
        parts = objects([{"type": "text", "text": content}] if isinstance(content, str) else content, "content")
        if role == "assistant":
            result = self.call_result(message, any(part.get("type") == "toolCall" for part in parts))
            for part in parts:
                self.add_reply_part(part, result)
            if not parts:
                transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result)
        elif role == "toolResult":
            text, images, is_text = _split_parts(parts)
            value: Any = text if is_text and not images else parts
            is_error = message.get("isError") is True
            error = (text or "error") if is_error else ""
            transcript.add_result(message.get("toolCallId"), None if error == value else value, error)
        elif role == "user":
            text, images, is_whole = _split_parts(parts)
            transcript.add_block(Kind.USER, {"text": text} | omit_empty(images=images), "user")
            extra |= {} if is_whole else {"content": parts}
        elif role in ("bashExecution", "custom", "hookMessage", "branchSummary", "compactionSummary"):
            transcript.add_other(message)
        else:
            raise unexpected("role", role)
        transcript.set_times(first_block, time or message.get("timestamp"))
        transcript.add_extra_fields(first_block, extra | omit_empty(message=omit(message, *MESSAGE_FIELDS)))

    def add_reply_part(self, part: dict[str, Any], result: InferenceResult) -> None:
        transcript, part_type = self.transcript, part.get("type")
        if part_type == "text":
            text, extra_fields = expect(part.get("text"), str, "text"), omit(part, "type", "text")
            transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", result=result, extra_fields=extra_fields)
        elif part_type == "thinking":
            text = optional_text(part.get("thinking"), "thinking") or ""
            payload = {"text": text} | omit_empty(signature=part.get("thinkingSignature"))
            extra_fields = omit(part, "type", "thinking", "thinkingSignature")
            transcript.add_block(Kind.REASONING, payload, result=result, extra_fields=extra_fields)
        elif part_type == "toolCall":
            call = (part.get("id"), part.get("name"), part.get("arguments"))
            transcript.add_call(*call, result=result, extra_fields=omit(part, "type", "id", "name", "arguments"))
        else:
            raise unexpected("type", part_type)

    def call_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        usage, stop_reason = object_or_empty(message.get("usage"), "usage"), text_or_empty(message.get("stopReason"))
        cost = object_or_empty(usage.get("cost"), "cost")
        is_empty = stop_reason in ("aborted", "error") and not any(usage.get(name) for name in USAGE_FIELDS)
        return self.transcript.inference_result(
            provider=message.get("provider"),
            model=message.get("model"),
            stop_reason="interrupted" if stop_reason == "aborted" else stop_reason,
            pending=pending,
            usage=None if is_empty else _usage(usage),
            cost=None if is_empty else to_float(cost.get("total")),
            extra={"usage": usage, "stopReason": stop_reason, "error": message.get("errorMessage")},
        )


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    input_tokens, output_tokens, cache_read, cache_write = (usage.get(name) for name in USAGE_FIELDS)
    return token_usage(
        input_tokens,
        output_tokens,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        cache_in_input=False,
    )


def _split_parts(parts: Sequence[Mapping[str, Any]]) -> tuple[str, list[dict[str, Any]], bool]:
    """Return texts and images of a content, and whether that is all of it, one text at most."""
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    images = [
        omit_empty(content=part.get("data"), media_type=part.get("mimeType"))
        for part in parts
        if part.get("type") == "image"
    ]
    return "\n".join(texts), images, len(texts) < 2 and len(texts) + len(images) == len(parts)


IMPORTER = Importer(FORMAT, score_pi, read_session)
