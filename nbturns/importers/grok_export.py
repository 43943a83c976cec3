"""The export of one's data from Grok's pages: `prod-grok-backend.json`, conversations with their responses.

A response is an object, in newer files within `response`, with a sender, a message and a time, which may be MongoDB's
`{"$date": {"$numberLong": …}}`. Where responses name the one before them, each path to a last one is a Run; else they
follow each other. The page's own server has the same conversation with other names (`responseId`, `parentResponseId`,
`createTime`) and the thoughts in `steps`; `browser_capture.py` reads such a one. xAI does not document the shape. Source:
Sinity/polylogue at d250e578bf73, polylogue/sources/parsers/grok.py, which names its three sources, and
browser-extension/src/content/grok.js (the server's names, `model`, `steps`). No such source is known of
`parent_response_id` and `thinking_trace` in an export, which are untested on real files.
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
SERVER_NAMES = {"responseId": "_id", "parentResponseId": "parent_response_id", "createTime": "create_time"}
READ_FIELDS = ("message", "sender", "create_time", "_id", "parent_response_id", "model", "thinking_trace", "steps")


def is_conversation(value: Any) -> bool:
    """Return True for a conversation with responses, and for an export with a list of them."""
    if not isinstance(value, Mapping):
        return False
    conversations = value.get("conversations")
    if isinstance(conversations, list):
        return bool(conversations) and is_conversation(conversations[0])
    responses = value.get("responses")
    return isinstance(responses, list) and (
        isinstance(value.get("conversation"), Mapping) or _is_of_server(value, responses)
    )


def _is_of_server(value: Mapping[str, Any], responses: list[Any]) -> bool:
    first_response = responses[0] if responses else None
    return "conversationId" in value and isinstance(first_response, Mapping) and "responseId" in first_response


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
    conversation = value["conversation"] if isinstance(value.get("conversation"), Mapping) else value
    nodes: dict[str, Any] = {}
    last_id: str | None = None
    for index, entry in enumerate(value["responses"]):
        response = entry.get("response") if isinstance(entry, Mapping) else entry
        fields = _with_export_names(response if isinstance(response, Mapping) else entry)
        response_id = text_or_empty(fields.get("_id")) if isinstance(fields, Mapping) else ""
        parent_id = fields.get("parent_response_id") if isinstance(fields, Mapping) else None
        node_id = response_id if response_id and response_id not in nodes else f"response {index}"
        nodes[node_id] = {
            "parent": parent_id if isinstance(parent_id, str) and parent_id in nodes else last_id,
            "message": fields,
        }
        last_id = node_id

    def metadata() -> dict[str, Any]:
        time = time_text(conversation.get("create_time", conversation.get("createTime")))
        fields = omit(conversation, "title", "responses") | omit(value, "title", "conversation", "responses")
        return {FIELDS.name: freeze_or_json(omit_empty(fields))} | ({TIMESTAMP.name: time} if time else {})

    conversation_id = next(
        (text for name in ("id", "_id", "conversationId") if (text := text_or_empty(conversation.get(name)))), ""
    )
    reader = _ResponseReader(Transcript(notes))
    yield from reader.read_runs(
        Tree(nodes, notes, "responses"),
        last_id,
        conversation_id=conversation_id,
        name=conversation.get("title"),
        metadata=metadata,
    )


def _with_export_names(response: Any) -> Any:
    """Return a response with the names of an export, also one with those of the server."""
    is_object = isinstance(response, Mapping)
    return {SERVER_NAMES.get(name, name): value for name, value in response.items()} if is_object else response


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
            thoughts = [text_or_empty(response.get("thinking_trace")), *_step_texts(response)]
            add_reply_blocks(transcript, result, text=text, reasoning=thoughts, id=response_id)
        else:
            raise unexpected("sender", response.get("sender"))
        transcript.set_times(first_block, time_text(response.get("create_time")))
        has_only_texts = all(isinstance(step, Mapping) and set(step) <= {"text"} for step in _steps(response))
        read_fields = READ_FIELDS if has_only_texts else READ_FIELDS[:-1]
        transcript.add_extra_fields(first_block, omit(response, *read_fields))


def _steps(response: Mapping[str, Any]) -> list[Any]:
    steps = response.get("steps")
    return steps if isinstance(steps, list) else []


def _step_texts(response: Mapping[str, Any]) -> list[str]:
    """Return the thought of each step, which is a list of lines; a step may have tools of the server, too."""
    lines = [step.get("text") for step in _steps(response) if isinstance(step, Mapping)]
    return ["\n".join(filter(None, map(text_or_empty, texts))) for texts in lines if isinstance(texts, list)]


def time_text(value: Any) -> str:
    """Return a time as a text: ISO 8601, or milliseconds of MongoDB's extended JSON; "" without one."""
    if isinstance(value, Mapping):
        date = value.get("$date")
        value = date.get("$numberLong") if isinstance(date, Mapping) else date
    return str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, is_conversation, read_branches))
