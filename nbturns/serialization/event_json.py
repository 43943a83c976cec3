"""Convert events to JSON-shaped dicts and back, for logs and other programs.

GEPPETTO_NAMES maps the name of each event class to the name of the same event in geppetto, "" without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .. import events
from ..errors import LoadError
from ..events import Delta, Ended, Event, Pause, Phase, stamp
from ..values.blocks import Block
from ..values.inference_results import InferenceResult
from ..values.turns import Turn
from .serde import block_from_dict, block_to_dict, turn_from_dict, turn_to_dict

EVENT_CLASSES: dict[str, type[Event]] = {
    name: getattr(events, name)
    for name in (
        "Started", "Snapshot", "InferenceStarted", "Delta", "InferenceFinished", "ToolStarted", "ToolFinished", "Paused", "Resumed", "Notice", "Ended",
    )
}  # fmt: skip

GEPPETTO_NAMES = {
    "Started": "run-started",
    "Snapshot": "",  # geppetto has no event for it, only a hook
    "InferenceStarted": "provider-call-started",
    "Delta": "",  # depends on the kind of block, see geppetto_name
    "InferenceFinished": "provider-call-finished",
    "ToolStarted": "tool-execution-started",
    "ToolFinished": "tool-result-ready",
    "Paused": "debugger.pause",
    "Resumed": "",  # geppetto reports no end of a pause
    "Notice": "info",
    "Ended": "",  # depends on the status
}
GEPPETTO_DELTA_NAMES = {
    "llm_text": "text-delta",
    "reasoning": "reasoning-delta",
    "tool_call": "tool-call-arguments-delta",
}
GEPPETTO_END_NAMES = {"done": "run-finished", "stopped": "run-stopped", "failed": "run-failed"}


def geppetto_name(event: Event) -> str:
    """Return the name of the same event in geppetto, "" without one."""
    if isinstance(event, Delta):
        return GEPPETTO_DELTA_NAMES.get(event.kind, "")
    if isinstance(event, Ended):
        return GEPPETTO_END_NAMES.get(event.status, "")
    return GEPPETTO_NAMES[type(event).__name__]


def event_to_dict(event: Event) -> dict[str, Any]:
    """Return the event as a dict that JSON can hold: `type`, `seq`, `at` (seconds since the epoch), `execution_id` and its fields."""
    event_fields = {f.name: _to_json(getattr(event, f.name)) for f in fields(event) if f.init}
    execution_fields = {"execution_id": event.execution_id} if event.execution_id else {}
    return {"type": type(event).__name__, "seq": event.seq, "at": event.at, **execution_fields, **event_fields}


def event_from_dict(raw: Mapping[str, Any]) -> Event:
    """Return the event of a dict that `event_to_dict` made. Raises LoadError for another dict."""
    event_class = EVENT_CLASSES.get(raw.get("type", ""))
    if event_class is None:
        raise LoadError(f"unknown event type {raw.get('type')!r}; the types are {', '.join(EVENT_CLASSES)}")
    field_names = [f.name for f in fields(event_class) if f.init]
    try:
        event = event_class(**{name: _from_json(name, raw[name]) for name in field_names if name in raw})
        stamp(event, int(raw.get("seq", 0)), float(raw.get("at", 0.0)), str(raw.get("execution_id", "")))
    except LoadError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise LoadError(f"invalid {event_class.__name__} event: {error}") from None
    return event


def _to_json(value: Any) -> Any:
    """Return the value of an event's field as JSON-shaped data."""
    match value:
        case Turn():
            return turn_to_dict(value)
        case Block():
            return block_to_dict(value)
        case InferenceResult():
            return value.to_dict()
        case Pause():
            return {f.name: _to_json(getattr(value, f.name)) for f in fields(value)}
        case tuple():
            return [_to_json(item) for item in value]
    return str(value) if isinstance(value, Phase) else value


def _from_json(name: str, raw: Any) -> Any:
    """Return the value of the field `name` from its JSON-shaped data."""
    match name:
        case "turn":
            return turn_from_dict(raw)
        case "call" | "answer":
            return block_from_dict(raw)
        case "blocks" | "answers":
            return tuple(map(block_from_dict, raw))
        case "result":
            return InferenceResult.from_dict(raw)
        case "phase":
            return Phase(raw)
        case "pause":
            return Pause(**{field: _from_json(field, value) for field, value in raw.items()})
    return raw
