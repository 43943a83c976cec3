"""The export of one's data from Grok's pages: `prod-grok-backend.json`, conversations with their responses.

A response is an object, in newer files within `response`, with a sender, a message and a time, which may be MongoDB's
`{"$date": {"$numberLong": …}}`. Where responses name the one before them, each path to a last one is a Run; else they follow each
other. Source: Sinity/polylogue at d250e578bf73, polylogue/sources/parsers/grok.py, which names its three sources; xAI does
not document the shape. `parent_response_id`, `model` and `thinking_trace` are in files that other public repositories read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.provenance import FIELDS, TIMESTAMP
from ..values.turns import Kind, Run
from .kit.branches import BranchReader, Tree, export_reader, export_score
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    expect,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    unexpected,
)
from .kit.reply_blocks import add_reply_blocks
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "grok-export"
PROMPT_SENDERS, REPLY_SENDERS = ("human", "user"), ("assistant", "grok")
KNOWN_FIELDS = ("message", "sender", "create_time", "_id", "parent_response_id", "model", "thinking_trace")


def is_conversation(value: Any) -> bool:
    """Return True for a conversation with responses, and for an export with a list of them."""
    if not isinstance(value, Mapping):
        return False
    conversations = value.get("conversations")
    if isinstance(conversations, list):
        return bool(conversations) and is_conversation(conversations[0])
    return isinstance(value.get("conversation"), Mapping) and isinstance(value.get("responses"), list)


def read_branches(value: Any, notes: Notes) -> Iterator[Run]:
    """Yield the branches of a conversation, or of each one of an export."""
    if not is_conversation(value):
        raise notes.load_error("", "no conversation with responses")
    conversations = value.get("conversations")
    if not isinstance(conversations, list):
        yield from _read_conversation(value, notes)
        return
    for index, conversation in enumerate(conversations):
        part_notes = Notes(notes.format, notes.file, f"conversations[{index}]", strict=notes.strict)
        if is_conversation(conversation):
            yield from _read_conversation(conversation, part_notes)
        else:
            notes.add_dropped(f"conversations[{index}]", "no conversation with responses")


def _read_conversation(value: Mapping[str, Any], notes: Notes) -> Iterator[Run]:
    conversation = value["conversation"]
    nodes: dict[str, Any] = {}
    last_id: str | None = None
    for index, entry in enumerate(value["responses"]):
        response = entry.get("response") if isinstance(entry, Mapping) else entry
        fields = response if isinstance(response, Mapping) else entry
        response_id = text_or_empty(fields.get("_id")) if isinstance(fields, Mapping) else ""
        parent_id = fields.get("parent_response_id") if isinstance(fields, Mapping) else None
        node_id = response_id if response_id and response_id not in nodes else f"response {index}"
        nodes[node_id] = {
            "parent": parent_id if isinstance(parent_id, str) and parent_id in nodes else last_id,
            "message": fields,
        }
        last_id = node_id

    def metadata() -> dict[str, Any]:
        time = time_text(conversation.get("create_time"))
        fields = omit(conversation, "title") | omit(value, "conversation", "responses")
        return {FIELDS.name: freeze_or_json(omit_empty(fields))} | ({TIMESTAMP.name: time} if time else {})

    conversation_id = next((text for name in ("id", "_id") if (text := text_or_empty(conversation.get(name)))), "")
    reader = _ResponseReader(Transcript(notes))
    yield from reader.read_runs(
        Tree(nodes, notes, "responses"),
        last_id,
        conversation_id=conversation_id,
        name=conversation.get("title"),
        metadata=metadata,
    )


class _ResponseReader(BranchReader):
    def read_node_message(self, record: Any) -> None:
        response, transcript = expect(record, dict, ""), self.transcript
        sender = text_or_empty(response.get("sender")).strip().lower()
        text = optional_text(response.get("message"), "message") or ""
        first_block, response_id = len(transcript.blocks), text_or_empty(response.get("_id"))
        if sender in PROMPT_SENDERS:
            transcript.add_block(Kind.USER, {"text": text}, "user", response_id)
        elif sender in REPLY_SENDERS:
            result = transcript.inference_result(
                id=response_id, provider="xai", model=text_or_empty(response.get("model")) or None
            )
            thoughts = response.get("thinking_trace")
            add_reply_blocks(transcript, result, text=text, reasoning=[text_or_empty(thoughts)], id=response_id)
        else:
            raise unexpected("sender", response.get("sender"))
        transcript.set_times(first_block, time_text(response.get("create_time")))
        transcript.add_extra_fields(first_block, omit(response, *KNOWN_FIELDS))


def time_text(value: Any) -> str:
    """Return a time as a text: ISO 8601, or milliseconds of MongoDB's extended JSON; "" without one."""
    if isinstance(value, Mapping):
        date = value.get("$date")
        value = date.get("$numberLong") if isinstance(date, Mapping) else date
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, is_conversation, read_branches))
