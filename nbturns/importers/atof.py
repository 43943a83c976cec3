"""ATOF, the event stream of NVIDIA's NeMo Relay, which Hermes Agent and others write: lines of scopes and marks.

A scope has a start and an end with the same `uuid`; its category is an agent, a model call or a tool. The start of a model call has the
prompt (`data.content`, or those of its `messages` that no earlier call had), its end the answer
(`data.assistant_message`) or an error; the start of a tool has its arguments, the end its output. Events of a session
(`metadata.session_id`) are a Run; a mark that names a `child_session_id` links the Run of a subagent. Source: Sinity/polylogue at
d250e578bf73, polylogue/sources/parsers/hermes_spans.py, tests/fixtures/hermes/atof (redacted events of Hermes) and
tests/fixtures/origin-capability/hermes-session.jsonl; docs.nvidia.com/nemo/relay/about-nemo-relay/concepts/events (envelope).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import PARENT_RUN
from ..values.turns import Kind, Run
from .kit.agent_messages import requested_calls
from .kit.importer import SURE, Importer, try_read_all
from .kit.links import link_runs
from .kit.outcomes import error_text
from .kit.record_fields import expect, list_or_empty, object_or_empty, omit, omit_empty, text_or_empty, token_usage
from .kit.recorded_calls import usage_counts
from .kit.reply_blocks import add_reply_blocks, split_content
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "atof"
FAILED_STATES = ("error", "failed", "denied", "cancelled")
KNOWN_DATA = ("content", "assistant_message", "usage", "error", "messages")


def _is_event(value: Any) -> bool:
    return isinstance(value, Mapping) and "atof_version" in value and value.get("kind") in ("scope", "mark")


def score_atof(sample: Sample) -> int:
    """Return a score higher than SURE for events of ATOF."""
    return SURE + 6 if sample.container == "json" and any(map(_is_event, sample.records)) else 0


def read_events(source: Source) -> Iterator[Run]:
    """Yield each session of a stream, with links to those that it started."""
    yield from try_read_all(source, "", lambda: _read_sessions(source))


def _read_sessions(source: Source) -> list[Run]:
    readers: dict[str, _SessionReader] = {}
    parents: dict[str, str] = {}
    for position, record in source.records():
        metadata = record.get("metadata") if isinstance(record, Mapping) else None
        session_id = text_or_empty(metadata.get("session_id")) if isinstance(metadata, Mapping) else ""
        if session_id not in readers:
            readers[session_id] = _SessionReader(Transcript(source.notes(FORMAT, session_id)), session_id)
        readers[session_id].transcript.read_record(position, record, readers[session_id].read_event)
        data = record.get("data") if isinstance(record, Mapping) else None
        child_id = text_or_empty(data.get("child_session_id")) if isinstance(data, Mapping) else ""
        if child_id and child_id != session_id:
            parents.setdefault(child_id, session_id)
    return link_runs([reader.to_run(parents.get(session_id, "")) for session_id, reader in readers.items()])


class _SessionReader:
    """Adds the blocks of the events of a session."""

    def __init__(self, transcript: Transcript, session_id: str) -> None:
        self.transcript = transcript
        self.session_id = session_id
        transcript.key = session_id or transcript.key
        self.events: list[Any] = []  # that are neither model calls nor tools
        self.read_messages: set[tuple[str, str]] = set()  # role and text of the messages so far
        self.name = ""

    def to_run(self, parent_id: str) -> Run:
        metadata = {PARENT_RUN.name: parent_id}
        return self.transcript.to_run(
            id=self.session_id, name=self.name, extra_fields={"events": self.events}, metadata=metadata
        )

    def read_event(self, record: Any) -> None:
        event = expect(record, dict, "")
        data = event.get("data")
        fields = data if isinstance(data, dict) else omit_empty(content=data)
        metadata = object_or_empty(event.get("metadata"), "metadata")
        category, is_start = event.get("category"), event.get("scope_category") == "start"
        first_block = len(self.transcript.blocks)
        if event.get("kind") != "scope" or category not in ("llm", "tool"):
            self.name = self.name or (text_or_empty(event.get("name")) if category == "agent" and is_start else "")
            self.events.append(event)
        elif category == "tool" and is_start:
            call_id = self.call_id(event, metadata)
            call_fields = omit_empty(omit(metadata, "session_id", "tool_call_id") | {"uuid": event.get("uuid")})
            self.transcript.add_call(call_id, event.get("name"), data, extra_fields=call_fields)
        elif category == "tool":
            self.add_result(event, fields, metadata)
        elif is_start:
            self.add_prompts(fields)
        else:
            self.add_reply(event, fields, metadata)
        self.transcript.set_times(first_block, event.get("timestamp"))

    def call_id(self, event: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
        return text_or_empty(metadata.get("tool_call_id")) or text_or_empty(event.get("uuid"))

    def add_prompts(self, fields: Mapping[str, Any]) -> None:
        """Add the messages of a request that are new; a content alone is one of the user."""
        content = fields.get("content")
        messages = fields.get("messages", [] if content is None else [{"role": "user", "content": content}])
        kinds = {"user": Kind.USER, "system": Kind.SYSTEM, "developer": Kind.SYSTEM}
        for message in list_or_empty(messages, "messages"):
            role = message.get("role") if isinstance(message, Mapping) else None
            text = split_content(message.get("content")).text if role in kinds else ""
            if role in kinds and (role, text) not in self.read_messages:
                self.read_messages.add((role, text))
                self.transcript.add_block(kinds[role], {"text": text}, role, extra_fields=omit(fields, *KNOWN_DATA))

    def add_reply(self, event: Mapping[str, Any], fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        error, answer = error_text(fields.get("error")), fields.get("assistant_message", fields.get("content"))
        message = answer if isinstance(answer, Mapping) else {"content": answer}
        calls = [call for call in requested_calls(message.get("tool_calls")) if not self.has_call(call.id)]
        result = self.call_result(event, fields, metadata, bool(calls), error)
        if error and answer is None:
            self.transcript.add_other(event, result=result)
            return
        add_reply_blocks(
            self.transcript,
            result,
            text=split_content(message.get("content")).text,
            reasoning=[text_or_empty(message.get(name)) for name in ("reasoning_content", "reasoning")],
            extra_fields=omit(fields, *KNOWN_DATA)
            | omit(metadata, "session_id", "model", "provider")
            | omit_empty(name=event.get("name")),
        )

    def has_call(self, call_id: Any) -> bool:
        return any(block.kind == Kind.TOOL_CALL and block.tool_call_id == call_id for block in self.transcript.blocks)

    def call_result(
        self,
        event: Mapping[str, Any],
        fields: Mapping[str, Any],
        metadata: Mapping[str, Any],
        pending: bool,
        error: str | None,
    ) -> InferenceResult:
        usage = object_or_empty(fields.get("usage") or metadata.get("usage"), "usage")
        return self.transcript.inference_result(
            id=text_or_empty(event.get("uuid")),
            model=text_or_empty(metadata.get("model")) or None,
            provider=text_or_empty(metadata.get("provider")) or None,
            stop_reason="error" if error else text_or_empty(metadata.get("reason")),
            pending=pending,
            usage=token_usage(**usage_counts(usage)),
            extra=omit_empty(usage=usage, error=error),
        )

    def add_result(self, event: Mapping[str, Any], fields: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        status = text_or_empty(metadata.get("status"))
        error = error_text(fields.get("error")) or (status if status in FAILED_STATES else "")
        value = None if fields.keys() == {"error"} else event.get("data")
        extra_fields = omit_empty(status=status if status != "completed" else "")
        self.transcript.add_result(self.call_id(event, metadata), value, error, extra_fields=extra_fields)


IMPORTER = Importer(FORMAT, score_atof, read_events)
