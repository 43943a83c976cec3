"""Codex's rollouts: `~/.codex/sessions/…/rollout-….jsonl`, and the older files of bare items.

A line has a time, a type and a payload. A `response_item` is an item of the Responses API; an `event_msg` repeats it for
the screen, has the tokens of a call (`token_count`) or says what else happened; `turn_context` names the model; a
`compacted` record begins a new context with a summary. Items up to a token count are of one model call. Events whose text
no item has are blocks, the others are kept in the Run's metadata. Source: openai/codex, codex-rs/protocol/src/protocol.rs
at edb4efee49ae (`RolloutItem`, `EventMsg`, `TokenUsageInfo`, `SessionMeta`) and models.rs at 152e7caecdc1 (`ResponseItem`);
kenn-io/agentsview at 538600744d1b, internal/parser/codex.go (sessions of subagents).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.provenance import CHILD_RUN, PARENT_RUN
from ..values.turns import Block, Kind, Run
from . import openai_responses
from .codex_calls import CallTracker
from .kit.contexts import add_to_context
from .kit.faults import unknown_value, wrong_type
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.ledger import with_calls
from .kit.provider_requests import MODEL_KINDS
from .kit.record_fields import json_or_none, omit_empty, text_or_empty
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript, other_block

FORMAT = "codex"
RECORD_TYPES = frozenset({"session_meta", "turn_context", "response_item", "event_msg", "compacted", "world_state"})
TEXT_EVENTS = {
    "user_message": (Kind.USER, "user", "message"),
    "agent_message": (Kind.LLM_TEXT, "assistant", "message"),
    "agent_reasoning": (Kind.REASONING, "", "text"),
    "agent_reasoning_raw_content": (Kind.REASONING, "", "text"),
}
TEXT_KINDS = frozenset(str(kind) for kind, _, _ in TEXT_EVENTS.values())
OLD_HEADER = frozenset({"id", "timestamp", "instructions"})
OUTPUT_TYPES = ("function_call_output", "custom_tool_call_output")


def _is_record(value: Mapping[str, Any]) -> bool:
    record_type = value.get("type")
    return isinstance(record_type, str) and record_type in RECORD_TYPES and isinstance(value.get("payload"), Mapping)


def _is_old_header(value: Mapping[str, Any]) -> bool:
    return "type" not in value and "role" not in value and len(OLD_HEADER & value.keys()) > 2


def score_codex(sample: Sample) -> int:
    """Return a score higher than SURE for records with a payload: their items are those of the Responses API."""
    records = sample.records if sample.container == "json" else []
    if any(map(_is_record, records)):
        return SURE + 6
    has_items = any(value.get("type") in ("message", "reasoning", "function_call") for value in records[1:])
    return SURE + 6 if records and _is_old_header(records[0]) and (has_items or "git" in records[0]) else 0


def read_rollout(source: Source) -> Iterator[Run]:
    """Yield the conversation of a rollout."""
    source.has_priced_calls = True
    records = list(source.records())
    yield from try_read(source, "", _read_records, records, source.notes(FORMAT))


def _read_records(records: Sequence[tuple[str, Any]], notes: Notes) -> Run:
    items = [_item_of(record) for _, record in records]
    item_blocks = _item_blocks(items)
    reader = _RolloutReader(notes, item_blocks)
    notes.record_count += len(records)
    for (position, record), item, blocks in zip(records, items, item_blocks, strict=True):
        reader.read_record(position, record, item, blocks)
    return reader.to_run()


def _item_of(record: Any) -> Any:
    """Return the item of a record; None for a record of another type."""
    if not isinstance(record, (dict, Mapping)):
        return None
    if record.get("type") == "response_item":
        payload = record.get("payload")
        return _normal_item(payload) if isinstance(payload, (dict, Mapping)) else None
    return record if "payload" not in record and ("role" in record or "call_id" in record) else None


def _normal_item(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an item with its arguments as JSON text, which some programs write as an object."""
    if item.get("type") == "function_call":
        arguments = item.get("arguments")
        if not isinstance(arguments, str):
            return {**item, "arguments": json.dumps({} if arguments is None else arguments)}
    return item


def _item_blocks(items: Sequence[Any]) -> list[list[Block]]:
    """Return the blocks of each item; items are read together, because a result refers to an earlier call."""
    indexes = [index for index, item in enumerate(items) if item is not None]
    all_blocks: list[list[Block]] = [[] for _ in items]
    read_blocks = openai_responses.LAYOUT.message_blocks([items[index] for index in indexes])
    for index, blocks in zip(indexes, read_blocks, strict=True):
        all_blocks[index] = blocks if blocks is not None else [other_block(items[index])]
    return all_blocks


class _RolloutReader:
    """Adds the blocks of each record, and the model calls that the token counts name."""

    def __init__(self, notes: Notes, item_blocks: list[list[Block]]) -> None:
        self.transcript = Transcript(notes)
        self.item_texts = {
            (block.kind, text)
            for blocks in item_blocks
            for block in blocks
            if block.kind in TEXT_KINDS and block.text
            for text in _texts(block)
        }
        self.calls = CallTracker(self.transcript)
        self.session: dict[str, Any] = {}
        self.records: list[Any] = []  # of other types, for the metadata of the Run

    def read_record(self, position: str, record: Any, item: Any, blocks: list[Block]) -> None:
        transcript = self.transcript
        transcript.begin_record(position)
        if not isinstance(record, (dict, Mapping)):
            transcript.add_unknown(record, wrong_type("", record, dict))
            return
        record_type, payload = record.get("type"), record.get("payload")
        fields = payload if isinstance(payload, (dict, Mapping)) else {}
        if blocks:
            self.add_item(blocks, item, record)
        elif record_type == "response_item":
            transcript.add_unknown(record, wrong_type("payload", payload, dict))
        elif record_type == "event_msg":
            self.read_event(fields, record)
        elif record_type == "compacted":
            self.read_compaction(fields, record)
        elif record_type == "session_meta" or _is_old_header(record):
            self.session = self.session or dict(fields or record)
            self.records.append(record)
        else:
            if record_type == "turn_context":
                self.calls.model = text_or_empty(fields.get("model")) or self.calls.model
            elif not (record_type == "world_state" or record.get("record_type") == "state"):
                transcript.unknown(unknown_value("type", record_type))
            self.records.append(record)

    def add_item(self, blocks: list[Block], item: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        openai_responses.LAYOUT.report_blocks(transcript, blocks)
        is_model = all(block.kind in MODEL_KINDS or block.role == "assistant" for block in blocks)
        result = self.calls.result_of_blocks() if is_model else None
        if not is_model:
            self.calls.end_reply()
        transcript.add_blocks(blocks, result=result, time=record.get("timestamp"))
        if item.get("type") in OUTPUT_TYPES:
            self.add_failure(item, first_block)

    def add_failure(self, item: Mapping[str, Any], index: int) -> None:
        """Mark a result as failed whose output says so, and link a call whose output names the agent that it started."""
        output = item.get("output")
        parsed_output = json_or_none(output) if isinstance(output, str) and output[:1] == "{" else output
        if not isinstance(parsed_output, (dict, Mapping)):
            return
        metadata = parsed_output.get("metadata")
        exit_code = metadata.get("exit_code") if isinstance(metadata, (dict, Mapping)) else None
        blocks = self.transcript.blocks
        if parsed_output.get("success") is False or (type(exit_code) is int and exit_code):
            error = f"exit code {exit_code}" if exit_code else "the tool failed"
            blocks[index] = blocks[index].edit(error=error)
        agent_id = parsed_output.get("agent_id")
        for call_index, block in enumerate(blocks) if isinstance(agent_id, str) else ():
            if block.kind == Kind.TOOL_CALL and block.tool_call_id == item.get("call_id"):
                blocks[call_index] = block._with(metadata=block.metadata.with_raw(**{CHILD_RUN.name: agent_id}))

    def read_event(self, event: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        event_type = text_or_empty(event.get("type"))
        if event_type == "token_count":
            self.calls.count(event.get("info"))
            self.records.append(record)
            return
        if event_type not in TEXT_EVENTS:
            self.records.append(record)
            return
        kind, role, text_name = TEXT_EVENTS[event_type]
        text = text_or_empty(event.get(text_name))
        extra_fields = {name: value for name, value in event.items() if name not in ("type", text_name)}
        if (str(kind), text) in self.item_texts or not text:  # the item has it
            self.records.append({**record, "payload": {"type": event_type, **extra_fields}})
            return
        is_prompt = kind == Kind.USER
        if is_prompt:
            self.calls.end_reply()
        result = None if is_prompt else self.calls.result_of_blocks()
        time = record.get("timestamp")
        self.transcript.add_block(kind, {"text": text}, role, result=result, extra_fields=extra_fields, time=time)

    def read_compaction(self, fields: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        """Begin a new context: the summary, and the items of the history that replaces the old one."""
        transcript = self.transcript
        self.calls.end_reply()
        transcript.start_context()
        time, summary = record.get("timestamp"), text_or_empty(fields.get("message"))
        history = fields.get("replacement_history")
        if summary or not isinstance(history, list):
            transcript.add_block(Kind.USER, {"text": summary}, "user", time=time, extra_fields={"compacted": True})
        items = history if isinstance(history, list) else []
        add_to_context(transcript, [block for blocks in _item_blocks(items) for block in blocks], time)
        extra_fields = {name: value for name, value in fields.items() if name not in ("message", "replacement_history")}
        if extra_fields:
            self.records.append({**record, "payload": extra_fields})

    def fields_value(self) -> Any:
        if not (self.session or self.records):
            return None
        return self.transcript.fields_value(omit_empty, {"session": self.session, "records": self.records})

    def to_run(self) -> Run:
        self.calls.end_reply()
        session_id = text_or_empty(self.session.get("id"))
        metadata = {PARENT_RUN.name: _parent_of(self.session)}
        run = self.transcript.to_run(
            id=session_id,
            time=self.session.get("timestamp"),
            extra_fields=self.fields_value(),
            metadata=metadata,
        )
        return with_calls(run, self.calls.calls_without_blocks)


def _texts(block: Block) -> Iterator[str]:
    """Yield the texts by which an event may repeat a block."""
    yield block.text
    summary = block.payload.get("summary")
    for part in summary if isinstance(summary, (list, tuple)) else ():
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            yield part["text"]
    yield from block.text.split("\n\n")


def _parent_of(session: Mapping[str, Any]) -> str:
    """Return the id of the thread that started a session; "" without one."""
    source = session.get("source")
    subagent = source.get("subagent") if isinstance(source, Mapping) else None
    spawn = subagent.get("thread_spawn") if isinstance(subagent, Mapping) else None
    parent_id = spawn.get("parent_thread_id") if isinstance(spawn, Mapping) else None
    return text_or_empty(parent_id) or text_or_empty(session.get("parent_thread_id"))


IMPORTER = Importer(FORMAT, score_codex, read_rollout)
