"""Docent's agent runs: an object with `transcripts`, each with messages, or a list or lines of them.

Each transcript is a Run. A message is like one of a chat: its content is a text or parts (`text`, `reasoning`), a tool call names its
`function`, and the result of a tool that failed has an `error`. Model calls have no tokens. Source: TransluceAI/docent at
7ed31d280810, docent/docent/data_models/agent_run.py (`AgentRun`), transcript.py (`Transcript`, `TranscriptGroup`), chat/message.py,
chat/content.py, chat/tool.py (`ToolCall`). The samples that Docent ships are of tau-bench and of Inspect, and read as these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.turns import Run
from .kit.agent_messages import AgentMessageReader
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.outcomes import outcome_metadata, outcome_of
from .kit.record_fields import (
    object_of_document,
    omit,
    split_document,
    text_or_empty,
)
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "docent"
ROLES = ("system", "user", "assistant", "tool")


def _transcripts(value: Any) -> list[Any]:
    """Return the transcripts of an agent run; older ones have them by name."""
    transcripts = value.get("transcripts") if isinstance(value, Mapping) else None
    return (
        list(transcripts.values())
        if isinstance(transcripts, Mapping)
        else transcripts
        if isinstance(transcripts, list)
        else []
    )


def is_agent_run(value: Any) -> bool:
    """Return True for an object with transcripts that have messages."""
    transcripts = _transcripts(value)
    first = transcripts[0] if transcripts else None
    messages = first.get("messages") if isinstance(first, Mapping) else None
    return isinstance(messages, list) and all(
        isinstance(item, Mapping) and item.get("role") in ROLES for item in messages[:4]
    )


def score_docent(sample: Sample) -> int:
    """Return a score higher than SURE for agent runs."""
    return SURE + 6 if sample.container == "json" and any(map(is_agent_run, sample.records)) else 0


def read_agent_runs(source: Source) -> Iterator[Run]:
    """Yield each transcript of each agent run."""
    for position, value in source.records():
        for index, transcript in enumerate(_transcripts(value) or [None]):
            place = ", ".join(filter(None, (position, f"transcripts[{index}]")))
            yield from try_read(source, place, _read_transcript, transcript, value, source.notes(FORMAT, place))


def _read_transcript(value: Any, agent_run: Mapping[str, Any], notes: Notes) -> Run:
    messages, fields = split_document(value, notes)
    run_id, transcript_id = text_or_empty(agent_run.get("id")), text_or_empty(fields.get("id"))
    transcript = Transcript(notes)
    transcript.key = transcript_id or transcript.key
    transcript.read_records("messages", messages, _MessageReader(transcript).read_message)
    names = [text_or_empty(item.get("name")) for item in (fields, agent_run)]
    metadata = object_of_document(agent_run.get("metadata"), "metadata", notes)
    return transcript.to_run(
        id=transcript_id,
        name=next(filter(None, names), ""),
        time=fields.get("created_at"),
        extra_fields={"agent_run": omit(agent_run, "transcripts") | {"id": run_id}, **omit(fields, "id", "name")},
        metadata=outcome_metadata(outcome_of(metadata)),
    )


class _MessageReader(AgentMessageReader):
    known_fields = (*AgentMessageReader.known_fields, "model", "function")


IMPORTER = Importer(FORMAT, score_docent, read_agent_runs)
