"""Mistral Vibe's sessions: `~/.vibe/logs/session/…/messages.jsonl`, with `meta.json` in the same folder.

A line is a message of OpenAI's chat with a `message_id`; `injected` marks a user message that the agent wrote. After a
compaction the model sees one injected message with the summary. The result of a tool that failed is in
`<tool_error>`. Tokens are counted for the session only (`stats`); `meta.json` is kept in the fields of the Run, and its model is
that of each reply. Source: mistralai/mistral-vibe at ac8f1a09fdfb, vibe/core/types.py (`LLMMessage`, `AgentStats`,
`SessionMetadata`), core/session/session_logger.py (`save_interaction`), core/compaction.py, core/agent_loop.py
(`TOOL_ERROR_TAG`); `config.active_model` and a `model` of messages: kenn-io/agentsview at 538600744d1b, internal/parser/vibe.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.provenance import PARENT_RUN
from ..values.turns import Run
from .kit.agent_messages import AgentMessageReader
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import omit, text_or_empty
from .kit.sample import Sample
from .kit.session_files import sibling_object
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "mistral-vibe"
COMPACTED = "You are continuing a trajectory after a context compaction."
ROLES = ("user", "assistant", "tool", "system")


def _is_message(value: Mapping[str, Any]) -> bool:
    role = value.get("role")
    if role not in ROLES or "type" in value or "id" in value or "timestamp" in value:
        return False
    return isinstance(value.get("message_id"), str) or (role == "tool" and isinstance(value.get("tool_call_id"), str))


def score_mistral_vibe(sample: Sample) -> int:
    """Return a score higher than that of OpenAI's chat for lines of messages with a `message_id`."""
    records = sample.records if sample.container == "json" and sample.is_json_lines else []
    if not records:  # one line is not JSON Lines
        records = [sample.record] if sample.container == "json" and isinstance(sample.value, dict) else []
    has_id = any("message_id" in value for value in records)
    return SURE + 4 if has_id and all(map(_is_message, records)) else 0


def read_session(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session."""
    records = [value for _, value in source.records()]
    meta = sibling_object(source, "meta.json")
    yield from try_read(source, "", _read_messages, records, meta, source.notes(FORMAT))


def _read_messages(records: Sequence[Any], meta: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    session_id, config = text_or_empty(meta.get("session_id")), meta.get("config")
    transcript.key = session_id or transcript.key
    model = text_or_empty(meta.get("model")) or text_or_empty(_value_of(config, "active_model"))
    transcript.read_records("messages", records, _MessageReader(transcript, model).read_message)
    return transcript.to_run(
        id=session_id,
        name=text_or_empty(meta.get("title")),
        time=meta.get("start_time"),
        extra_fields=omit(meta, "session_id", "title"),
        metadata={PARENT_RUN.name: meta.get("parent_session_id")},
    )


def _value_of(fields: Any, name: str) -> Any:
    return fields.get(name) if isinstance(fields, Mapping) else None


class _MessageReader(AgentMessageReader):
    id_name = "message_id"
    failures = ("<tool_error>",)

    def result_fields(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return {"provider": "mistral", "model": text_or_empty(message.get("model")) or None}

    def begin_message(self, message: Mapping[str, Any]) -> None:
        if message.get("injected") is True and text_or_empty(message.get("content")).startswith(COMPACTED):
            self.transcript.start_context()


IMPORTER = Importer(FORMAT, score_mistral_vibe, read_session)
