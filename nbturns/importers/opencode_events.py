"""OpenCode's stream of events, as sessions: each event changes a session, a message or a part.

Events come bare (`{type, properties}`), from a server for several projects (`payload`), as a bot records them
(`event`), and from `opencode run --format json` (a `part` with its session). Source: anomalyco/opencode,
packages/opencode/src/session/message-v2.ts at 007a9409bafe (`Event`) and session/index.ts at 0002b1fa7df4 (`Event`);
remorses/kimaki at 222134ca0d5f, cli/src/session-handler/event-stream-fixtures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.record_fields import omit, text_or_empty
from .opencode_messages import Session

WRAPPERS = ("event", "payload")
RUN_TYPES = ("step_start", "step_finish", "text", "reasoning", "tool_use", "error")
EVENT_FAMILIES = ("message", "session", "server", "permission", "question", "todo", "file", "storage", "lsp")


def event_of(value: Any) -> Mapping[str, Any] | None:
    """Return the event in a record; None for a record of another format."""
    if not isinstance(value, Mapping):
        return None
    event: Mapping[str, Any] = value
    for name in WRAPPERS:
        inner = event.get(name)
        if isinstance(inner, Mapping) and isinstance(inner.get("properties"), Mapping):
            event = inner
    family, dot, _ = text_or_empty(event.get("type")).partition(".")
    if family in EVENT_FAMILIES and dot and isinstance(event.get("properties"), Mapping):
        return event
    return _event_of_run(event)


def _event_of_run(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return an event that `opencode run --format json` prints as one of the stream."""
    session_id, event_type = value.get("sessionID"), value.get("type")
    if not isinstance(session_id, str) or event_type not in RUN_TYPES:
        return None
    if isinstance(value.get("part"), Mapping):
        return {"type": "message.part.updated", "properties": {"part": {"sessionID": session_id, **value["part"]}}}
    if event_type == "error":
        return {"type": "session.error", "properties": omit(value, "type")}
    return None


class EventReader:
    """The sessions as they are after each event."""

    def __init__(self) -> None:
        self.infos: dict[str, Mapping[str, Any]] = {}
        self.messages: dict[str, dict[str, Any]] = {}  # by id: the info and the parts, which are a dict by id
        self.positions: dict[str, str] = {}
        self.other_events: dict[str, list[Any]] = {}  # that change no message, by session
        self.envelopes: dict[str, Mapping[str, Any]] = {}  # fields around the first event of a session

    def take(self, position: str, record: Any, event: Mapping[str, Any]) -> None:
        event_type, properties = text_or_empty(event.get("type")), event["properties"]
        info, part = properties.get("info"), properties.get("part")
        if event is not record:
            self.envelopes.setdefault(_session_of(properties), omit(record, *WRAPPERS, "timestamp", "part", "type"))
        if event_type == "message.updated" and isinstance(info, Mapping):
            self._message(info.get("id"), info.get("sessionID"), position)["info"] = dict(info)
        elif event_type == "message.part.updated" and isinstance(part, Mapping):
            message = self._message(part.get("messageID"), part.get("sessionID"), position)
            message["parts"][text_or_empty(part.get("id"))] = dict(part)
        elif event_type == "message.part.delta":
            self._add_delta(properties)
        elif event_type == "message.removed":
            self.messages.pop(text_or_empty(properties.get("messageID")), None)
        elif event_type == "message.part.removed":
            message = self.messages.get(text_or_empty(properties.get("messageID")), {})
            message.get("parts", {}).pop(text_or_empty(properties.get("partID")), None)
        elif event_type.startswith("session.") and isinstance(info, Mapping):
            self.infos[text_or_empty(info.get("id"))] = info
        else:
            self.other_events.setdefault(text_or_empty(properties.get("sessionID")), []).append(record)

    def _message(self, message_id: Any, session_id: Any, position: str) -> dict[str, Any]:
        """Return the message with an id; a message without an info is a reply."""
        key = text_or_empty(message_id)
        self.positions.setdefault(key, position)
        unknown_info = {"id": key, "sessionID": session_id, "role": "assistant"}
        return self.messages.setdefault(key, {"info": unknown_info, "parts": {}})

    def _add_delta(self, properties: Mapping[str, Any]) -> None:
        message = self.messages.get(text_or_empty(properties.get("messageID")))
        part = message["parts"].get(text_or_empty(properties.get("partID"))) if message else None
        name, delta = properties.get("field"), properties.get("delta")
        if part is not None and isinstance(name, str) and isinstance(delta, str):
            part[name] = text_or_empty(part.get(name)) + delta

    def sessions(self) -> list[Session]:
        """Return the sessions, those that no other started first."""
        sessions = {session_id: Session(info) for session_id, info in self.infos.items()}
        for key, message in self.messages.items():
            session_id = text_or_empty(message["info"].get("sessionID"))
            session = sessions.setdefault(session_id, Session({"id": session_id} if session_id else {}))
            record = {"info": message["info"], "parts": list(message["parts"].values())}
            session.messages.append((self.positions[key], record))
        for session_id, session in sessions.items():
            session.extra = {"stream": self.envelopes.get(session_id), "events": self.other_events.get(session_id)}
        return sorted(sessions.values(), key=lambda session: bool(session.info.get("parentID")))


def _session_of(properties: Mapping[str, Any]) -> str:
    """Return the id of the session that an event is of."""
    candidates = (properties, properties.get("info"), properties.get("part"))
    objects = [value for value in candidates if isinstance(value, Mapping)]
    session_id = next((text_or_empty(value.get("sessionID")) for value in objects if value.get("sessionID")), "")
    info = properties.get("info")
    return session_id or (text_or_empty(info.get("id")) if isinstance(info, Mapping) else "")
