"""Events as JSON, for logs and other programs; what is written is read back equal.

geppetto has 51 event types for what are 13 here; GEPPETTO says which name of its each
of ours answers to ("" where it has none).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from . import events
from .blocks import Block
from .errors import LoadError
from .events import Delta, Ended, Event, Pause, Phase, stamp
from .results import InferenceResult
from .serde import block_from_dict, block_to_dict, turn_from_dict, turn_to_dict
from .turns import Turn

TYPES: dict[str, type[Event]] = {
    name: getattr(events, name)
    for name in (
        "Started", "Snapshot", "InferenceStarted", "Delta", "InferenceFinished", "ToolStarted", "ToolFinished", "Paused", "Resumed", "Notice", "Ended",
    )
}  # fmt: skip

GEPPETTO = {
    "Started": "run-started",
    "Snapshot": "",  # its snapshot hook is no event
    "InferenceStarted": "provider-call-started",
    "Delta": "",  # by the kind of its block: see geppetto_name
    "InferenceFinished": "provider-call-finished",
    "ToolStarted": "tool-execution-started",
    "ToolFinished": "tool-result-ready",
    "Paused": "debugger.pause",
    "Resumed": "",  # its pauses end without a word
    "Notice": "info",
    "Ended": "",  # by its status
}
DELTAS = {"llm_text": "text-delta", "reasoning": "reasoning-delta", "tool_call": "tool-call-arguments-delta"}
ENDS = {"done": "run-finished", "stopped": "run-stopped", "failed": "run-failed"}


def geppetto_name(event: Event) -> str:
    """What geppetto calls this; "" where it has no such event."""
    if isinstance(event, Delta):
        return DELTAS.get(event.kind, "")
    if isinstance(event, Ended):
        return ENDS.get(event.status, "")
    return GEPPETTO[type(event).__name__]


def event_to_dict(event: Event) -> dict[str, Any]:
    """Plain data that JSON can hold: `type`, `seq`, `at` (seconds since the epoch), and what the event says."""
    said = {f.name: _plain(getattr(event, f.name)) for f in fields(event) if f.name not in ("seq", "at")}
    return {"type": type(event).__name__, "seq": event.seq, "at": event.at, **said}


def event_from_dict(raw: Mapping[str, Any]) -> Event:
    """The event that was written. Raises LoadError for what is none."""
    made = TYPES.get(raw.get("type", ""))
    if made is None:
        raise LoadError(f"no event has the type {raw.get('type')!r}; there are: {', '.join(TYPES)}")
    names = [f.name for f in fields(made) if f.name not in ("seq", "at")]
    try:
        event = made(**{name: _read(name, raw[name]) for name in names if name in raw})
        stamp(event, int(raw.get("seq", 0)), float(raw.get("at", 0.0)))
    except LoadError:
        raise
    except (TypeError, ValueError, KeyError) as error:
        raise LoadError(f"this is no {made.__name__} event: {error}") from None
    return event


def _plain(value: Any) -> Any:
    match value:
        case Turn():
            return turn_to_dict(value)
        case Block():
            return block_to_dict(value)
        case InferenceResult():
            return value.to_dict()
        case Pause():
            return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        case tuple():
            return [_plain(one) for one in value]
    return str(value) if isinstance(value, Phase) else value


def _read(name: str, raw: Any) -> Any:
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
            return Pause(**{field: _read(field, value) for field, value in raw.items()})
    return raw
