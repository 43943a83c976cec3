"""OpenClaw's telemetry (`telemetry.jsonl` of the plug-in telemetry-hal), and its sessions, which are written as Pi's.

`agent.start` and `agent.end` name a session by its key and repeat all its messages so far, which are those of Pi; a message
is read once, also where a later copy has other ids of calls. A session without messages has its prompt in `agent.start`, and its calls in
`tool.start` and `tool.end`, which have neither ids nor texts. The result of `sessions_spawn` names the session that it started. What
else happened (`message.in`, `message.out`, `llm.usage`) is kept in the fields of the first Run; a text of it that no
message has is an `other` block. Source: meridianlabs-ai/inspect_scout at 63b481d64db1,
examples/sources/openclaw_telemetry_hal/README.md, parse.py (`_consolidate`) and tests/fixtures; kenn-io/agentsview at 538600744d1b,
internal/parser/openclaw.go (sessions); messages: see `pi.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.provenance import BRANCH_OF, PARENT_TOOL_CALL
from ..values.turns import Kind, Run
from . import pi
from .kit.importer import SURE, Importer, try_read_all
from .kit.links import link_runs, mark_children
from .kit.record_fields import expect, json_or_none, objects, omit, omit_empty, text_or_empty
from .kit.reply_blocks import OpenCalls
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "openclaw"
AGENT_TYPES, TOOL_TYPES = ("agent.start", "agent.end"), ("tool.start", "tool.end")
OTHER_TYPES = ("message.in", "message.out", "message.sending", "llm.usage")
SUMMARY_ROLE = "compactionSummary"


def _is_event(value: Mapping[str, Any]) -> bool:
    event_type = value.get("type")
    if event_type in (*AGENT_TYPES, *TOOL_TYPES):
        return isinstance(value.get("sessionKey"), str)
    return event_type in OTHER_TYPES and ("channel" in value or "sessionKey" in value)


def score_openclaw(sample: Sample) -> int:
    """Return a score higher than SURE for telemetry, and for a session with a mark of OpenClaw."""
    records = sample.records if sample.container == "json" else []
    is_session = pi.has_openclaw_mark(records) and any(value.get("type") == "session" for value in records)
    return SURE + 6 if is_session or (records and all(map(_is_event, records[:1]))) else 0


def read_telemetry(source: Source) -> Iterator[Run]:
    """Yield each session of a telemetry file, the main one first, or the paths of a session."""
    if any(value.get("type") == "session" for value in source.sample.records):
        yield from pi.read_session(source, FORMAT)
    else:
        yield from try_read_all(source, "", lambda: _TelemetryReader(source).runs())


class _TelemetryReader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.sessions: dict[str, _Session] = {}
        self.other_events: list[Any] = []

    def runs(self) -> list[Run]:
        events = list(self.source.records())
        keys = [text_or_empty(record.get("sessionKey")) for _, record in events if isinstance(record, Mapping)]
        for key in sorted(dict.fromkeys(filter(None, keys)), key=_is_subagent):
            self.sessions[key] = _Session(self.source, key)
        for session in self.sessions.values():
            session.has_messages = any(
                isinstance(record, Mapping) and record.get("sessionKey") == session.key and record.get("messages")
                for _, record in events
            )
        for position, record in events:
            self.read_event(position, record)
        sessions = [session for session in self.sessions.values() if session.transcript.blocks]
        if not sessions:
            sessions = [_Session(self.source, "")]
        self.add_unknown_texts(sessions[0].transcript, sessions)
        runs = [session.to_run(sessions[0].key) for session in sessions]
        fields = omit_empty(
            events=[event for session in self.sessions.values() for event in session.events] + self.other_events
        )
        return link_runs([sessions[0].to_run("", fields), *runs[1:]])

    def read_event(self, position: str, record: Any) -> None:
        session = self.sessions.get(text_or_empty(record.get("sessionKey"))) if isinstance(record, Mapping) else None
        if session is not None:
            session.transcript.read_record(position, record, session.read_event)
        else:
            self.other_events.append(record)

    def add_unknown_texts(self, transcript: Transcript, sessions: Sequence[_Session]) -> None:
        """Add an `other` block for each text of a channel that no message has."""
        texts = "\0".join(block.text for session in sessions for block in session.transcript.blocks)
        for event in list(self.other_events):
            content = event.get("content") if isinstance(event, Mapping) else event
            if isinstance(event, Mapping) and (not isinstance(content, str) or content in texts):
                continue
            self.other_events.remove(event)
            transcript.add_other(event)


def _is_subagent(key: str) -> bool:
    return ":subagent:" in key


class _Session:
    """The messages of a session, each once."""

    def __init__(self, source: Source, key: str) -> None:
        self.key = key
        self.transcript = Transcript(source.notes(FORMAT, key))
        self.transcript.key = key or self.transcript.key
        self.reader = pi.EntryReader(self.transcript)
        self.open_calls = OpenCalls(self.transcript)
        self.places: dict[str, tuple[int, int]] = {}  # the blocks of each message
        self.call_ids: dict[str, str] = {}  # by the id that a later copy has
        self.events: list[Any] = []
        self.has_messages = False
        self.prompts: set[str] = set()

    def read_event(self, record: Any) -> None:
        event = expect(record, dict, "")
        event_type = event.get("type")
        if event_type in AGENT_TYPES:
            self.read_messages(objects(event.get("messages"), "messages"))
            prompt = text_or_empty(event.get("prompt"))
            if not self.has_messages and prompt and prompt not in self.prompts:
                self.prompts.add(prompt)
                self.transcript.add_block(Kind.USER, {"text": prompt}, "user", time=event.get("ts"))
            self.events.append(omit(event, "messages"))
        elif event_type in TOOL_TYPES and not self.has_messages and _is_subagent(self.key):
            self.read_tool_event(event)
        else:
            self.events.append(event)

    def read_messages(self, messages: Sequence[dict[str, Any]]) -> None:
        """Read the messages of a copy of the session that earlier copies do not have."""
        event_position = self.transcript.position
        for index, message in enumerate(messages):
            self.transcript.begin_record(f"{event_position}, messages[{index}]")
            key = _message_key(message)
            if key in self.places:
                continue
            is_summary = message.get("role") == SUMMARY_ROLE
            start = len(self.transcript.blocks)
            if is_summary:
                self.transcript.start_context()
                text = text_or_empty(message.get("summary"))
                fields = omit(message, "summary", "role", "timestamp")
                self.transcript.add_block(
                    Kind.USER, {"text": text}, "user", time=message.get("timestamp"), extra_fields=fields
                )
            elif message.get("role") == "custom":
                self.transcript.add_other(message)
            else:
                self.reader.add_message(message, {}, message.get("timestamp"))
            self.places[key] = (start, len(self.transcript.blocks))
            if is_summary:
                for later_message in messages[index + 1 :]:
                    if (place := self.places.get(_message_key(later_message))) is not None:
                        self.transcript.carry_blocks(*place)

    def read_tool_event(self, event: Mapping[str, Any]) -> None:
        name = text_or_empty(event.get("toolName"))
        if event.get("type") == "tool.start":
            call_id = f"{self.transcript.position} {name}"
            extra_fields = omit(event, "type", "toolName", "params", "sessionKey", "ts")
            self.transcript.add_call(
                call_id, name, event.get("params"), time=event.get("ts"), extra_fields=extra_fields
            )
            self.open_calls.add(call_id, name)
            return
        error = event.get("error") or ("the tool failed" if event.get("success") is False else "")
        call_id = self.open_calls.take("", name, is_ordered=True)
        extra_fields = omit(event, "type", "toolName", "success", "error", "sessionKey", "ts")
        self.transcript.add_result(call_id, None, error, time=event.get("ts"), extra_fields=extra_fields)

    def to_run(self, root_key: str, fields: Mapping[str, Any] | None = None) -> Run:
        """Return the Run of the session; `root_key` is that of the session which its file is of."""
        children = dict(_spawned_sessions(self.transcript))
        mark_children(self.transcript.blocks, children)
        is_child = _is_subagent(self.key) and root_key != self.key
        metadata = {PARENT_TOOL_CALL.name: self.key if is_child else "", BRANCH_OF.name: root_key if is_child else ""}
        return self.transcript.to_run(id=self.key, extra_fields=fields, metadata=metadata)


def _message_key(message: Mapping[str, Any]) -> str:
    """Return what the copies of a message have in common: its id, else its time and its content without ids of calls."""
    role = text_or_empty(message.get("role"))
    own_id = message.get("responseId") or message.get("idempotencyKey")
    if own_id:
        return f"{role} {own_id}"
    content = message.get("content")
    if isinstance(content, list):
        content = [
            omit(part, "id") if isinstance(part, Mapping) and part.get("type") == "toolCall" else part
            for part in content
        ]
    return json.dumps([role, message.get("timestamp"), content], sort_keys=True, default=repr)


def _spawned_sessions(transcript: Transcript) -> Iterator[tuple[str, str]]:
    """Yield the id of each call whose result names the session that it started, with the key of that session."""
    for block in transcript.blocks:
        value = block.payload.get("result") if block.kind == Kind.TOOL_USE else None
        if isinstance(value, str) and '"childSessionKey"' in value:
            result = json_or_none(value)
            key = result.get("childSessionKey") if isinstance(result, Mapping) else None
            if isinstance(key, str):
                yield block.tool_call_id, key


IMPORTER = Importer(FORMAT, score_openclaw, read_telemetry)
