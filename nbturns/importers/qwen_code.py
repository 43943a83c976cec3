"""Qwen Code's sessions: `~/.qwen/projects/<project>/chats/<session>.jsonl`, and those of its subagents.

A record has the fields of Claude Code's and a message of Gemini's API. Records form a tree by `parentUuid`: the
conversation is the path to the last one, each path that a rewind left is a Run of its own. `chat_compression` begins a
new context. A subagent has a file of its own below `subagents/<session>`, next to a `.meta.json` that names the tool
call. Source: QwenLM/qwen-code, packages/core/src/services/chatRecordingService.ts at 015346f1d5d7 (`ChatRecord`:
`uuid`, `parentUuid`, `sessionId`, `timestamp`, `type`, `subtype`, `cwd`, `version`, `message`, `usageMetadata`, `model`,
`toolCallResult`, `systemPayload`, `agentId`, `agentRunId`, `agentRound`, `isSidechain`, `forkedFrom`;
`ChatCompressionRecordPayload`) and packages/core/src/agents/agent-transcript.ts at 015f28383a8f (`AgentMeta`, the
folders). `candidatesTokenCount` includes the thoughts where `totalTokenCount` is the sum without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import BRANCH_OF, PARENT_RUN, PARENT_TOOL_CALL
from ..values.turns import Block, Run
from . import gemini
from .kit.contexts import add_to_context
from .kit.entry_trees import Entry, entry_paths
from .kit.faults import unknown_value, wrong_type
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.links import mark_children
from .kit.record_fields import object_or_empty, objects, omit, omit_empty, text_or_empty, to_number, token_usage
from .kit.sample import Sample
from .kit.side_files import names_in, path_in, side_value
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "qwen-code"
SCORE = SURE + 10  # higher than that of Claude Code, whose records have the same fields
TYPES = ("user", "assistant", "tool_result", "system")
COUNT_NAMES = ("promptTokenCount", "candidatesTokenCount", "cachedContentTokenCount", "thoughtsTokenCount")
RECORD_FIELDS = ("sessionId", "timestamp", "type", "message", "usageMetadata", "model")
SESSION_FIELDS = ("cwd", "version", "gitBranch")
FAILED_STATES = ("error", "cancelled")


def _is_record(value: Any) -> bool:
    if not isinstance(value, Mapping) or value.get("type") not in TYPES or "sessionId" not in value:
        return False
    message = value.get("message")
    return "systemPayload" in value or (isinstance(message, Mapping) and isinstance(message.get("parts"), list))


def score_qwen_code(sample: Sample) -> int:
    """Return a score higher than that of Claude Code for records whose messages have parts."""
    records = sample.records if sample.container == "json" else []
    return SCORE if any(map(_is_record, records)) else 0


def read_session(source: Source) -> Iterator[Run]:
    """Yield the path to the last record of a session, then the paths that were left, and each subagent in the file."""
    threads: dict[str, list[Entry]] = {"": []}
    for position, value in source.records():
        if not isinstance(value, Mapping):
            source.add_problem(position, wrong_type("", value, dict))
            continue
        agent_id = text_or_empty(value.get("agentId")) if value.get("isSidechain") is True else ""
        threads.setdefault(agent_id, []).append((position, value))
    for agent_id, entries in threads.items():
        yield from _runs_of_thread(source, agent_id, entries)


def _runs_of_thread(source: Source, agent_id: str, entries: Sequence[Entry]) -> Iterator[Run]:
    root_id, read_records = "", set[int]()
    for path in entry_paths(entries, "uuid", "parentUuid"):
        own_records = [record for _, record in path if id(record) not in read_records]
        if root_id and not any(record.get("type") in ("user", "assistant") for record in own_records):
            continue  # the path that a rewind or a title left has nothing of its own
        name = f"branch {len(read_records)}" if root_id else ""
        read_records |= {id(record) for _, record in path}
        for run in try_read(source, name, _read_path, source, agent_id, path, root_id, source.notes(FORMAT, name)):
            yield run
            root_id = root_id or run.id


def _read_path(source: Source, agent_id: str, path: Sequence[Entry], root_id: str, notes: Notes) -> Run:
    transcript, first = Transcript(notes), next((record for _, record in path), {})
    session_id = text_or_empty(first.get("sessionId"))
    transcript.key = session_id or transcript.key
    reader = _RecordReader(transcript, [record.get("message") for _, record in path])
    for position, record in path:
        transcript.read_record(position, record, reader.read_record)
    run_id = root_id or "/".join(part for part in (session_id, agent_id) if part)
    meta = _agent_meta(source, agent_id)
    mark_children(transcript.blocks, _started_agents(source, session_id))
    fork = first.get("forkedFrom")
    fork_id = text_or_empty(fork.get("sessionId")) if isinstance(fork, Mapping) else ""
    parent_id = "/".join(part for part in (session_id, text_or_empty(meta.get("parentAgentId"))) if part)
    return transcript.to_run(
        id=f"{root_id}/{notes.position}" if root_id else run_id,
        name=reader.title or text_or_empty(meta.get("description")),
        time=first.get("timestamp"),
        extra_fields={
            **{name: first.get(name) for name in SESSION_FIELDS},
            "agent": meta or omit_empty(agentId=agent_id, agentName=first.get("agentName")),
            "records": reader.states,
        },
        metadata={
            BRANCH_OF.name: root_id or fork_id,
            PARENT_RUN.name: parent_id if agent_id else reader.parent_id,
            PARENT_TOOL_CALL.name: text_or_empty(meta.get("toolUseId")),
        },
    )


def _agent_meta(source: Source, agent_id: str) -> Mapping[str, Any]:
    """Return the metadata next to the file of a subagent: its parent, and the tool call that started it."""
    if not agent_id or source.path is None:
        return {}
    meta = side_value(source, source.path.with_suffix(".meta.json"))
    return meta if isinstance(meta, Mapping) else {}


def _started_agents(source: Source, session_id: str) -> dict[str, str]:
    """Return the ids of the Runs of the subagents of a session, by the tool call that started each."""
    if source.path is None or source.path.parent.name != "chats":
        return {}
    folder = path_in(source.path.parent.parent / "subagents", session_id)
    agents: dict[str, str] = {}
    for name in names_in(folder, ".meta.json") if folder is not None else ():
        meta = side_value(source, folder / name if folder is not None else None)
        call_id = meta.get("toolUseId") if isinstance(meta, Mapping) else None
        if isinstance(call_id, str):
            agents[call_id] = f"{session_id}/{meta.get('agentId')}"
    return agents


class _RecordReader:
    def __init__(self, transcript: Transcript, messages: Sequence[Any]) -> None:
        self.transcript = transcript
        readable = [message if isinstance(message, Mapping) else None for message in messages]
        found = [message for message in readable if message is not None]
        blocks = iter(gemini.LAYOUT.message_blocks(found))
        self.blocks = iter([next(blocks) if message is not None else None for message in readable])
        self.states: list[Any] = []  # records that are not messages
        self.title = ""
        self.parent_id = ""
        self.round: Any = None  # of a subagent, which has a record for each part of a reply
        self.result: InferenceResult | None = None

    def read_record(self, record: Any) -> None:
        transcript, blocks, record_type = self.transcript, next(self.blocks), record.get("type")
        if record_type == "system" or blocks is None:
            self.read_state(record)
            return
        first_block = len(transcript.blocks)
        gemini.LAYOUT.report_blocks(transcript, blocks)
        result = self.call_result(record, blocks) if record_type == "assistant" else None
        transcript.add_blocks(blocks, result=result, time=record.get("timestamp"))
        if record_type not in TYPES:
            transcript.unknown(unknown_value("type", record_type))
        call = object_or_empty(record.get("toolCallResult"), "toolCallResult")
        self.add_failure(first_block, call)
        extra_fields = omit(record, *RECORD_FIELDS, *SESSION_FIELDS, "toolCallResult")
        transcript.add_extra_fields(first_block, extra_fields | omit_empty(toolCallResult=omit(call, "responseParts")))

    def call_result(self, record: Mapping[str, Any], blocks: Sequence[Block]) -> InferenceResult:
        """Return the result of a model call: that of a record, or of all records of one round of a subagent."""
        counts = object_or_empty(record.get("usageMetadata"), "usageMetadata")
        round_key = (record.get("agentRunId"), record.get("agentRound"))
        if self.result is not None and round_key == self.round and round_key[1] is not None and not counts:
            return self.result
        fork = object_or_empty(record.get("forkedFrom"), "forkedFrom")
        self.transcript.key = text_or_empty(fork.get("sessionId")) or self.transcript.key
        self.round = round_key
        self.result = self.transcript.inference_result(
            id=text_or_empty(record.get("uuid")),
            model=record.get("model"),
            pending=any(block.kind == "tool_call" for block in blocks),
            usage=_usage(counts),
            extra={"usageMetadata": counts},
        )
        return self.result

    def add_failure(self, index: int, call: Mapping[str, Any]) -> None:
        """Mark the result of a tool that failed or was not allowed to run."""
        blocks, state = self.transcript.blocks, call.get("status")
        for block_index in range(index, len(blocks) if state in FAILED_STATES else index):
            block = blocks[block_index]
            if block.kind == "tool_use" and not block.error:
                text = block.result if isinstance(block.result, str) else ""
                blocks[block_index] = block.edit(error=text or str(state))

    def read_state(self, record: Mapping[str, Any]) -> None:
        """Keep a record that is not a message; a compression begins a new context."""
        payload = object_or_empty(record.get("systemPayload"), "systemPayload")
        if record.get("subtype") == "chat_compression":
            history = objects(payload.get("compressedHistory"), "compressedHistory")
            blocks = [block for blocks in gemini.LAYOUT.message_blocks(history) for block in blocks or ()]
            self.transcript.start_context()
            add_to_context(self.transcript, blocks, record.get("timestamp"))
            record = {**record, "systemPayload": omit(payload, "compressedHistory")}
        self.title = text_or_empty(payload.get("customTitle")) or self.title
        self.parent_id = text_or_empty(payload.get("parentSessionId")) or self.parent_id
        self.states.append(record)


def _usage(counts: Mapping[str, Any]) -> Usage | None:
    prompt, candidates, cached, thoughts = (to_number(counts.get(name)) for name in COUNT_NAMES)
    total = to_number(counts.get("totalTokenCount"))
    if candidates is not None and thoughts and total != (prompt or 0) + candidates:
        candidates += thoughts
    return token_usage(prompt, candidates, cache_read_tokens=cached, reasoning_tokens=thoughts)


IMPORTER = Importer(FORMAT, score_qwen_code, read_session)
