"""Cursor's agent transcripts: `~/.cursor/projects/<project>/agent-transcripts/<id>/<id>.jsonl`, and older texts.

A line has a role and a message with parts as in Anthropic's API, whose tool calls have no ids; results of tools, models
and tokens are not recorded. The database `~/.cursor/ai-tracking/ai-code-tracking.db`, if it is there, names the model
and the title. A file in a folder `subagents` is of a subagent of the session that the folder is of. In a text `user:`
and `assistant:` (or `A:`) begin a message, `[Thinking]`, `[Tool call] name` and `[Tool result]` a part.
Source: kenn-io/agentsview at 538600744d1b, internal/parser/cursor.go (`role`, `message.content`, `user_query`, the
marks of a text and its `name=value` arguments); getagentseal/codeburn at ed8fa3af3d58, src/providers/cursor-agent.ts
(the folders, `conversation_summaries` with `conversationId`, `model`, `title`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import PARENT_RUN
from ..values.turns import Run
from .kit.content_parts import add_parts, content_parts, has_calls
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import expect, json_or_none, object_or_empty, omit, omit_empty, text_or_empty, unexpected
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "cursor"
SCORE = SURE + 6  # higher than SURE: contents are those of other formats as well
ROLES = ("user", "assistant", "system")
RECORD_FIELDS = frozenset({"role", "message", "timestamp", "timestamp_ms"})
MARK = re.compile(r"^\s*(user|assistant|A):[ \t]*(.*)$")
PART = re.compile(r"^\s*\[(Thinking|Tool call|Tool result)\][ \t]*(.*)$")
ARGUMENT = re.compile(r"^\s+([^\s=]+)=(.*)$")
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DATABASE = ("ai-tracking", "ai-code-tracking.db")


def _is_record(value: Any) -> bool:
    message = value.get("message") if isinstance(value, Mapping) and value.keys() <= RECORD_FIELDS else None
    if not isinstance(message, Mapping) or value.get("role") not in ROLES or "role" in message:
        return False
    return isinstance(message.get("content"), (list, str))


def score_cursor(sample: Sample) -> int:
    """Return a score higher than SURE for lines with a role and a message, and for texts with Cursor's marks."""
    if sample.container == "json":
        return SCORE if any(map(_is_record, sample.records)) else 0
    lines = sample.text.split("\n") if sample.container == "text" else []
    first_line = next((line.strip() for line in lines if line.strip()), "")
    has_mark = "<user_query>" in sample.text or any(map(PART.match, lines))
    return SCORE if MARK.match(first_line) and has_mark else 0


def read_transcript(source: Source) -> Iterator[Run]:
    """Yield the conversation of a transcript."""
    is_text = source.sample.container == "text"
    records = list(_records_of_text(source.read_text())) if is_text else list(source.records())
    yield from try_read(source, "", _read_records, records, source, source.notes(FORMAT))


def _read_records(records: Sequence[tuple[str, Any]], source: Source, notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.keeps_results = False
    session_id, parent_id = _ids_of(source)
    transcript.key = session_id or transcript.key
    summary = _summary_of(source, session_id)
    model = text_or_empty(summary.get("model"))
    reader = _RecordReader(transcript, "" if model == "default" else model)
    for position, record in records:
        transcript.read_record(position, record, reader.read_record)
    metadata = {PARENT_RUN.name: parent_id}
    name = text_or_empty(summary.get("title"))
    return transcript.to_run(id=session_id, name=name, extra_fields={"summary": summary}, metadata=metadata)


def _ids_of(source: Source) -> tuple[str, str]:
    """Return the id of a transcript, which its file is named by, and that of the session it is a subagent of."""
    if source.path is None:
        return "", ""
    folder = source.path.absolute().parent
    session_id = source.path.name.partition(".")[0]
    return session_id if UUID.fullmatch(session_id) else "", folder.parent.name if folder.name == "subagents" else ""


def _summary_of(source: Source, session_id: str) -> dict[str, Any]:
    """Return the row of a session in Cursor's database; an empty one without."""
    from .kit.sqlite_database import open_database

    folders = list(source.path.absolute().parents)[:7] if source.path is not None and session_id else []
    path = next((folder.joinpath(*DATABASE) for folder in folders if folder.joinpath(*DATABASE).is_file()), None)
    if path is None:
        return {}
    table = "conversation_summaries"
    try:
        with open_database(path, str(path)) as database:
            database.require_tables([table])
            database.columns(table)  # refuses computed ones
            rows = database.rows("SELECT * FROM conversation_summaries WHERE conversationId = ?", [session_id])
            return omit_empty(next(rows, {}))
    except Exception as error:  # a database of another version, or one that Cursor writes just now
        source.add_problem(path.name, f"the model and the title cannot be read: {error}")
        return {}


class _RecordReader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model
        self.call_count = 0

    def read_record(self, record: Any) -> None:
        value, transcript = expect(record, dict, ""), self.transcript
        role = value.get("role")
        if role not in ROLES:
            raise unexpected("role", role)
        message = object_or_empty(value.get("message"), "message")
        parts, first_block = content_parts(message.get("content")), len(transcript.blocks)
        parts = [self.with_id(part) for part in parts]
        result: InferenceResult | None = None
        if role == "assistant":
            result = transcript.inference_result(model=self.model or None, pending=has_calls(parts))
        add_parts(transcript, role, parts, result)
        transcript.set_times(first_block, value.get("timestamp", value.get("timestamp_ms")))
        extra_fields = omit(value, "role", "message", "timestamp", "timestamp_ms") | omit(message, "content")
        transcript.add_extra_fields(first_block, extra_fields)

    def with_id(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return a tool call with an id, which Cursor's do not have, and a result with that of the call before it."""
        self.call_count += part.get("type") == "tool_use"
        name = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(part.get("type")), "")
        return {**part, name: f"call-{self.call_count}"} if name and not part.get(name) else part


# Texts.


def _records_of_text(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the messages of a text as records with the line that each begins in."""
    start, role, lines = 0, "", list[str]()
    for number, line in enumerate([*text.split("\n"), "user:"], 1):
        if (mark := MARK.match(line)) is None or (mark[2] and mark[1] != "A"):
            lines.append(line)
            continue
        if role:
            content = _parts_of_lines(lines) if role == "assistant" else "\n".join(lines).strip()
            yield f"line {start}", {"role": role, "message": {"content": content}}
        start, role, lines = number, "user" if mark[1] == "user" else "assistant", [mark[2]] if mark[2] else []


def _parts_of_lines(lines: Sequence[str]) -> list[dict[str, Any]]:
    """Return the parts of a reply; the body of a part is indented, and a line at the margin is text."""
    parts: list[tuple[str, str, list[str]]] = [("text", "", [])]
    for line in lines:
        if (mark := PART.match(line)) is not None:
            parts.append((mark[1], mark[2].strip(), []))
        elif parts[-1][0] != "text" and line.strip() and not line[:1].isspace():
            parts.append(("text", "", [line]))
        else:
            parts[-1][2].append(line)
    return [part for kind, head, body in parts if (part := _part_of(kind, head, body)) is not None]


def _part_of(kind: str, head: str, body: Sequence[str]) -> dict[str, Any] | None:
    text = "\n".join(body).strip()
    if kind == "Tool call":
        arguments = {match[1]: match[2] for line in body if (match := ARGUMENT.match(line))}
        parsed = json_or_none(text) if text[:1] == "{" else None
        has_only_arguments = len(arguments) == sum(bool(line.strip()) for line in body)
        return {"type": "tool_use", "name": head, "input": parsed or (arguments if has_only_arguments else text)}
    text = "\n".join(part for part in (head, text) if part)
    if kind == "Thinking":
        return {"type": "thinking", "thinking": text}
    if kind == "Tool result":
        return {"type": "tool_result", "content": text}
    return {"type": "text", "text": text} if text else None


IMPORTER = Importer(FORMAT, score_cursor, read_transcript)
