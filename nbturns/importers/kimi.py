"""Kimi's sessions: `context.jsonl` and `wire.jsonl` of Kimi CLI, `wire.jsonl` of Kimi Code.

A `context.jsonl` has the messages that the model sees, like those of an OpenAI chat, with `_usage` before and after a
reply. A `wire.jsonl` has all that happened: prompts, parts of replies, tools, tokens, compactions, events of subagents.
Where a session has both, the one with all that happened is read. `state.json` has the title, in the same folder or, of
Kimi Code, in that of the session; older sessions have it in `metadata.json`. Source: MoonshotAI/kimi-cli at 4a550effdfcb,
src/kimi_cli/soul/context.py (`_system_prompt`, `_usage`, `_checkpoint`), soul/kimisoul.py (`_usage` is the input of a
call, then the total), soul/message.py (`<system>ERROR:`), session_state.py (`custom_title`; `metadata.json` with a
`title`), wire/file.py and wire/types.py (`TurnBegin`, `StepBegin`, `SubagentEvent`, `CompactionEnd`);
MoonshotAI/kimi-code, packages/agent-core/src/agent/records/types.ts at d758aa6a0d80 (types of records) and
agent/context/index.ts at 041ae7be2c8f (compaction, `compactedCount`), docs/en/configuration/data-locations.md at
d723cc47ee43 (the folders) and packages/agent-core-v2/src/session/sessionMetadata/sessionMetadata.ts (`title`,
`forkedFrom`); kenn-io/agentsview at 538600744d1b, internal/parser/kimi.go (`config.update`, `turn.prompt`, folders).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import PARENT_RUN, PARENT_TOOL_CALL
from ..values.turns import Run
from .kimi_wire import WireReader, has_content, is_wire_record
from .kit.content_parts import add_parts, content_parts, has_calls, plain_result
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read, try_read_all
from .kit.ledger import with_calls
from .kit.links import link_runs, mark_children
from .kit.record_fields import (
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
    unexpected,
)
from .kit.sample import Sample
from .kit.side_files import side_value, side_values
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "kimi"
SCORE = SURE + 6  # higher than SURE: messages are those of an OpenAI chat
STATE_ROLES = ("_system_prompt", "_usage", "_checkpoint")
ROLES = ("system", "user", "assistant", "tool")
MESSAGE_FIELDS = ("role", "content", "tool_calls", "tool_call_id")
FAILURE = "<system>ERROR:"


def score_kimi(sample: Sample) -> int:
    """Return a score higher than SURE for messages with records of Kimi among them, and for records of a wire."""
    records = sample.records if sample.container == "json" else []
    is_context = any(text_or_empty(record.get("role")) in STATE_ROLES or _has_thoughts(record) for record in records)
    return SCORE if is_context or any(map(is_wire_record, records)) else 0


def _has_thoughts(record: Mapping[str, Any]) -> bool:
    content = record.get("content") if record.get("role") == "assistant" else None
    parts = [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []
    return any(part.get("type") == "think" and "think" in part for part in parts)


def read_sessions(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session, then those of its subagents."""
    records = list(source.records())
    if any(is_wire_record(record) for _, record in records):
        yield from try_read_all(source, "", _read_wire, source, records)
        return
    wire = source.path.with_name("wire.jsonl") if source.path is not None else None
    if wire is not None and has_content(value for _, value in side_values(source, wire)):
        return  # which is read itself
    yield from try_read(source, "", _read_context, source, records, source.notes(FORMAT))


def _ids_of(source: Source) -> tuple[str, str]:
    """Return the id of a session and that of the agent in it, as the names of folders have them."""
    if source.path is None or not source.path.name.startswith(("wire.", "context")):
        return "", ""
    folder = source.path.absolute().parent
    if folder.parent.name in ("agents", "subagents"):
        return folder.parent.parent.name, "" if folder.name == "main" else folder.name
    return folder.name, ""


def _state_of(source: Source, agent_id: str) -> Mapping[str, Any]:
    """Return the state of a session, with the title of an older one; of a subagent only the state in its own folder."""
    if source.path is None:
        return {}
    folder = source.path.absolute().parent
    if folder.parent.name == "agents" and not agent_id:
        folder = folder.parent.parent
    state, metadata = (side_value(source, folder / name) for name in ("state.json", "metadata.json"))
    fields = state if isinstance(state, Mapping) else {}
    title = text_or_empty(metadata.get("title")) if isinstance(metadata, Mapping) else ""
    if text_or_empty(fields.get("custom_title")) or title in ("", "Untitled"):
        return fields
    return {**fields, "custom_title": title}


def _title_of(state: Mapping[str, Any]) -> str:
    return text_or_empty(state.get("custom_title")) or text_or_empty(state.get("title"))


# The messages that the model sees.


def _read_context(source: Source, records: Sequence[tuple[str, Any]], notes: Notes) -> Run:
    transcript = Transcript(notes)
    session_id, agent_id = _ids_of(source)
    state = _state_of(source, agent_id)
    run_id = "/".join(part for part in (session_id, agent_id) if part)
    transcript.key = run_id or transcript.key
    reader = _ContextReader(transcript, _usages(records))
    for position, record in records:
        transcript.read_record(position, record, reader.read_record)
    name = _title_of(state)
    metadata = {PARENT_RUN.name: session_id if agent_id else ""}
    fields = {**omit(state, "custom_title"), "records": reader.states}
    return transcript.to_run(id=run_id, name=name, extra_fields=fields, metadata=metadata)


def _usages(records: Sequence[tuple[str, Any]]) -> Iterator[tuple[Usage | None, list[Any]]]:
    """Yield for each reply its tokens, and the counts around it: the input before it, and the total after it."""
    values = [record if isinstance(record, Mapping) else {} for _, record in records]
    for index, value in enumerate(values):
        if value.get("role") != "assistant":
            continue
        before, after = _count_near(values, index, -1), _count_near(values, index, 1)
        counts = [count for count in (before, after) if count is not None]
        if isinstance(before, Mapping):
            yield token_usage(before.get("input_tokens"), before.get("output_tokens")), counts
            continue
        tokens, total = to_number(before), to_number(after)
        output = total - tokens if tokens is not None and total is not None and total >= tokens else None
        yield token_usage(tokens, output), counts


def _count_near(values: Sequence[Mapping[str, Any]], index: int, step: int) -> Any:
    """Return the count that is nearest to a reply, before the next message; None without one."""
    index += step
    while 0 <= index < len(values) and str(values[index].get("role")).startswith("_"):
        if values[index].get("role") == "_usage":
            return values[index].get("token_count")
        index += step
    return None


class _ContextReader:
    def __init__(self, transcript: Transcript, usages: Iterator[tuple[Usage | None, list[Any]]]) -> None:
        self.transcript = transcript
        self.usages = usages
        self.states: list[Any] = []  # records that are not messages

    def read_record(self, record: Any) -> None:
        message, transcript = expect(record, dict, ""), self.transcript
        role, first_block = message.get("role"), len(transcript.blocks)
        if role == "_system_prompt":
            add_parts(transcript, "system", content_parts(message.get("content")))
            return
        if role in STATE_ROLES:
            self.states.append(message)
            return
        if role not in ROLES:
            raise unexpected("role", role)
        parts = content_parts(message.get("content"))
        if role == "tool":
            self.add_result(message, parts)
        elif role == "assistant":
            self.add_reply(message, parts)
        else:
            add_parts(transcript, role, parts)
        transcript.add_extra_fields(first_block, omit(message, *MESSAGE_FIELDS))

    def add_reply(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        calls = [_call_part(call) for call in objects(message.get("tool_calls"), "tool_calls")]
        usage, counts = next(self.usages, (None, []))
        result: InferenceResult = self.transcript.inference_result(
            pending=bool(calls) or has_calls(parts), usage=usage, extra={"token_counts": counts}
        )
        add_parts(self.transcript, "assistant", [*parts, *calls], result)

    def add_result(self, message: Mapping[str, Any], parts: list[dict[str, Any]]) -> None:
        value = plain_result(parts)
        first_text = text_or_empty(parts[0].get("text")) if parts else ""
        error = "\n".join(text_or_empty(part.get("text")) for part in parts) if first_text.startswith(FAILURE) else ""
        self.transcript.add_result(message.get("tool_call_id"), None if error else value, error)


def _call_part(call: Mapping[str, Any]) -> dict[str, Any]:
    function = object_or_empty(call.get("function"), "function")
    fields = omit(call, "type", "id", "function") | omit(function, "name", "arguments")
    return {
        **omit_empty(fields),
        "type": "tool_use",
        "id": call.get("id"),
        "name": function.get("name"),
        "input": function.get("arguments"),
    }


# All that happened.


def _read_wire(source: Source, records: Sequence[tuple[str, Any]]) -> list[Run]:
    session_id, agent_id = _ids_of(source)
    state = _state_of(source, agent_id)
    run_id = "/".join(part for part in (session_id, agent_id) if part)
    if not has_content(record for _, record in records) and _has_context(source):
        return []  # the messages are in `context.jsonl` of the same folder
    reader = WireReader(source, FORMAT, run_id)
    prompt = _system_prompt(source)
    if prompt:
        reader.main.add_prompt("context.jsonl", prompt, None, {}, "system")
    for position, record in records:
        reader.main.transcript.read_record(position, record, partial(reader.read_record, position))
    name = _title_of(state)
    fields = {"cwd": reader.cwd, "model": reader.main.model, **omit(state, "custom_title"), "records": reader.states}
    metadata = {PARENT_RUN.name: session_id if agent_id else ""}
    runs: list[Run] = []
    for thread, steps in reader.threads.items():
        steps.end_step()
        mark_children(steps.transcript.blocks, reader.child_ids)
        if thread:
            metadata = {PARENT_RUN.name: runs[0].id, PARENT_TOOL_CALL.name: reader.parent_calls.get(thread, "")}
        run = steps.transcript.to_run(
            id=f"{runs[0].id}/{thread}" if thread else run_id,
            name="" if thread else name,
            extra_fields={} if thread else fields,
            metadata=metadata,
        )
        runs.append(with_calls(run, steps.calls_without_blocks))
    return link_runs(runs)


def _has_context(source: Source) -> bool:
    return source.path is not None and source.path.with_name("context.jsonl").is_file()


def _system_prompt(source: Source) -> str:
    """Return the system prompt, which only the file with the messages has."""
    path = source.path.with_name("context.jsonl") if source.path is not None else None
    first_record = next((value for _, value in side_values(source, path)), None)
    is_prompt = isinstance(first_record, Mapping) and first_record.get("role") == "_system_prompt"
    return text_or_empty(first_record.get("content")) if is_prompt and isinstance(first_record, Mapping) else ""


IMPORTER = Importer(FORMAT, score_kimi, read_sessions)
