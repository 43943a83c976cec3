"""iFlow's sessions: records like those of Claude Code, with a new copy of the reply for each of its tool calls.

Every record of the model has the parent of the first one, and repeats the tool call that the record before it ended
with; records between two results are of one model call. iFlow writes 0 for tokens that it does not know. Source:
kenn-io/agentsview at 538600744d1b, internal/parser/iflow.go and its test data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..values.turns import Run
from .claude_code import iter_records, runs_of_records
from .claude_code_records import Record
from .kit.importer import SURE, Importer
from .kit.record_fields import omit
from .kit.sample import Sample
from .kit.source import Source

FORMAT = "iflow"
SCORE = SURE + 10  # higher than that of Claude Code, which has the same fields
REPLY_ID = re.compile(r"response-\d{6,}")


def score_iflow(sample: Sample) -> int:
    """Return a score higher than that of Claude Code for records whose replies have ids of iFlow."""
    is_iflow = sample.container == "json" and any(map(_is_reply, sample.records))
    return SCORE if is_iflow else 0


def _is_reply(value: Mapping[str, Any]) -> bool:
    message = value.get("message")
    message_id = message.get("id") if isinstance(message, Mapping) and "sessionId" in value else None
    return isinstance(message_id, str) and REPLY_ID.match(message_id) is not None


def read_session(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session, which has no branches."""
    yield from runs_of_records(source, list(_single_calls(iter_records(source))), FORMAT)


def _single_calls(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records in one line, each tool call once, with one message id for each model call."""
    seen_calls: set[str] = set()
    call_id, last_uuid = "", ""
    for record in records:
        raw = dict(record.raw)
        if record.type == "assistant" and record.message:
            call_id = call_id or record.message_id
            content = record.message.get("content")
            own_parts = (
                [part for part in content if not _is_repeated(part, seen_calls)]
                if isinstance(content, list)
                else content
            )
            if own_parts == [] and content:
                yield Record({**raw, "type": "content-replacement"}, record.position, record.number)
                continue
            usage = record.message.get("usage")
            counts = usage.values() if isinstance(usage, Mapping) else ()
            message = omit(record.message, "usage") if not any(counts) else dict(record.message)
            raw["message"] = {**message, "id": call_id, "content": own_parts, "record_id": record.message_id}
        elif record.type == "user":
            call_id = ""
        if isinstance(raw.get("uuid"), str):
            raw["parentUuid"], last_uuid = last_uuid or None, raw["uuid"]
        yield Record(raw, record.position, record.number)


def _is_repeated(part: Any, seen_calls: set[str]) -> bool:
    """Return True for a tool call that an earlier record has, too."""
    part_id = part.get("id") if isinstance(part, Mapping) and part.get("type") == "tool_use" else None
    if not isinstance(part_id, str):
        return False
    is_known = part_id in seen_calls
    seen_calls.add(part_id)
    return is_known


IMPORTER = Importer(FORMAT, score_iflow, read_session)
