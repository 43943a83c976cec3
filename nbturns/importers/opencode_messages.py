"""The messages of an OpenCode session as blocks: each has an `info` and `parts`.

Source: anomalyco/opencode, packages/opencode/src/session/message-v2.ts at 007a9409bafe, which names each field: of a
user `role`, `time.created`, `system`, `agent`, `model`; of an assistant `modelID`, `providerID`, `path.cwd`, `cost`,
`tokens` (`input` without the cache, `output`, `reasoning`, `cache.read`, `cache.write`, `total`), `finish`, `error`,
`summary`, `parentID`; of parts `type`, `text`, `callID`, `tool`, `state` (`status`, `input`, `output`, `error`,
`metadata`, `time`), `mime`, `url`, `filename`, `reason`, `tail_start_id`. `filterCompacted` there says what the model
sees after a compaction. packages/opencode/src/tool/task.ts at 005201e9a25c: `state.metadata.sessionId` is the session
that a call started. `output` includes `reasoning` in versions whose `total` is the sum without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import BRANCH_OF, PARENT_RUN
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.links import mark_children
from .kit.record_fields import (
    expect,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    text_or_empty,
    to_float,
    to_number,
    token_usage,
    unexpected,
)
from .kit.transcript import Transcript

FORMAT = "opencode"
KEPT_TYPES = ("step-start", "step-finish", "snapshot", "patch", "agent", "retry", "compaction")  # that are not blocks
INFO_FIELDS = (
    "id",
    "sessionID",
    "role",
    "time",
    "modelID",
    "providerID",
    "cost",
    "tokens",
    "finish",
    "error",
    "system",
)
PART_IDS = ("sessionID", "messageID", "type")
STATE_FIELDS = ("status", "input", "output", "error")
Part = Mapping[str, Any]
Message = tuple[str, Any]  # a position, and an object with the `info` and the `parts` of a message


@dataclass(slots=True)
class Session:
    """A session: its info, its messages in order, and other things that are kept with it."""

    info: Mapping[str, Any] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_conversation(session: Session, notes: Notes, branch: str = "") -> Run:
    """Return the conversation of a session; `branch` names the one with messages that were taken back."""
    transcript, info = Transcript(notes), session.info
    session_id = text_or_empty(info.get("id")) or next(
        (text_or_empty(info_of(message).get("sessionID")) for _, message in session.messages), ""
    )
    transcript.key = session_id or transcript.key
    reader = _MessageReader(transcript)
    messages = session.messages if branch else session.messages[: _kept_count(session)]
    for position, message in messages:
        transcript.read_record(position, message, reader.read_message)
    reader.end_compaction()
    mark_children(transcript.blocks, reader.child_ids)
    times = object_or_empty(info.get("time") if isinstance(info.get("time"), Mapping) else None, "time")
    return transcript.to_run(
        id="/".join(part for part in (session_id, branch) if part),
        name=text_or_empty(info.get("title")),
        time=times.get("created"),
        extra_fields={} if branch else {**omit(info, "id", "title"), **session.extra},
        metadata={PARENT_RUN.name: text_or_empty(info.get("parentID")), BRANCH_OF.name: session_id if branch else ""},
    )


def info_of(message: Any) -> Mapping[str, Any]:
    """Return the info of a message; an empty one for anything else."""
    info = message.get("info") if isinstance(message, Mapping) else None
    return info if isinstance(info, Mapping) else {}


def has_reverted_messages(session: Session) -> bool:
    """Return True for a session whose last messages were taken back, and are still stored."""
    return _kept_count(session) < len(session.messages)


def _kept_count(session: Session) -> int:
    """Return the number of messages before the one that the session was reverted to."""
    revert = session.info.get("revert")
    message_id = revert.get("messageID") if isinstance(revert, Mapping) else None
    ids = [info_of(message).get("id") for _, message in session.messages]
    return ids.index(message_id) if isinstance(message_id, str) and message_id in ids else len(ids)


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.child_ids: dict[str, str] = {}  # the session that a tool call started
        self.starts: dict[str, int] = {}  # the first block of each message
        self.system = ""
        self.kept_from: str | None = None  # the first message that a compaction keeps as it is
        self.summary_start: int | None = None  # the first block of a compaction whose summary was read

    def read_message(self, record: Any) -> None:
        message, transcript = expect(record, dict, ""), self.transcript
        info, parts = expect(message.get("info"), dict, "info"), objects(message.get("parts"), "parts")
        role, first_block = info.get("role"), len(transcript.blocks)
        if role not in ("user", "assistant"):
            raise unexpected("role", role)
        self.end_compaction()
        if role == "user":
            self.add_prompt(info, parts)
        else:
            self.add_reply(info, parts)
        times = object_or_empty(info.get("time"), "time")
        transcript.set_times(first_block, times.get("created"))
        kept_parts = [omit(part, "sessionID", "messageID") for part in parts if part.get("type") in KEPT_TYPES]
        kept_fields = omit_empty(parts=kept_parts, time=omit(times, "created"))
        transcript.add_extra_fields(first_block, omit(info, *INFO_FIELDS) | kept_fields)
        self.starts[text_or_empty(info.get("id"))] = first_block
        self.note_compaction(info, parts, first_block)

    def note_compaction(self, info: Mapping[str, Any], parts: Sequence[Part], first_block: int) -> None:
        """Note a request for a summary, and the summary that answers it."""
        request = next((part for part in parts if part.get("type") == "compaction"), None)
        if request is not None:
            self.kept_from = text_or_empty(request.get("tail_start_id"))
        elif info.get("role") == "assistant" and info.get("summary") is True and not info.get("error"):
            parent_id = text_or_empty(info.get("parentID"))
            is_requested = self.kept_from is not None and parent_id in self.starts
            self.summary_start = self.starts[parent_id] if is_requested else first_block

    def end_compaction(self) -> None:
        """Begin the context after a summary: the request, the summary, and the last messages before them if kept."""
        start, transcript = self.summary_start, self.transcript
        if start is None:
            return
        end, kept_from, self.summary_start, self.kept_from = len(transcript.blocks), self.kept_from, None, None
        transcript.start_context()
        if kept_from and kept_from in self.starts:
            transcript.carry_blocks(self.starts[kept_from], start)
        transcript.carry_blocks(start, end)

    def add_prompt(self, info: Mapping[str, Any], parts: Sequence[Part]) -> None:
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        system = optional_text(info.get("system"), "system") or ""
        if system and system != self.system:
            transcript.add_block(Kind.SYSTEM, {"text": system}, "system")
        self.system = system or self.system
        for part in parts:
            part_type = part.get("type")
            if part_type == "text":
                text, extra_fields = expect(part.get("text"), str, "text"), omit(part, "id", *PART_IDS, "text")
                transcript.add_block(Kind.USER, {"text": text}, "user", part.get("id"), extra_fields=extra_fields)
            elif part_type == "file":
                self.add_file(part)
            elif part_type not in KEPT_TYPES:
                self.add_other(part)
        if len(transcript.blocks) == first_block:
            transcript.add_block(Kind.USER, {"text": ""}, "user")

    def add_file(self, part: Part) -> None:
        """Add an image as a prompt; any other file is kept as it is, because its text is in a part of its own."""
        media_type = text_or_empty(part.get("mime"))
        if not media_type.startswith("image/"):
            self.transcript.add_other(omit(part, "sessionID", "messageID"))
            return
        image = omit_empty(media_type=media_type, url=part.get("url"), filename=part.get("filename"))
        extra_fields = omit(part, "id", *PART_IDS, "mime", "url", "filename")
        payload = {"text": "", "images": [image]}
        self.transcript.add_block(Kind.USER, payload, "user", part.get("id"), extra_fields=extra_fields)

    def add_other(self, part: Part, result: InferenceResult | None = None) -> None:
        if part.get("type") not in ("file", "subtask"):
            self.transcript.unknown(unknown_value("type", part.get("type")))
        self.transcript.add_other(omit(part, "sessionID", "messageID"), result=result)

    def add_reply(self, info: Mapping[str, Any], parts: Sequence[Part]) -> None:
        steps = list(_steps(parts)) or [[]]
        for number, step in enumerate(steps):
            name = f"{text_or_empty(info.get('id'))}/step {number + 1}" if number else text_or_empty(info.get("id"))
            counts = info if len(steps) == 1 and _has_tokens(info) else _finish_of(step)
            self.add_step(step, _call_result(self.transcript, name, info, counts, step, len(steps) == 1))

    def add_step(self, step: Sequence[Part], result: InferenceResult) -> None:
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        tools: list[Part] = []
        for part in step:
            part_type, extra_fields = part.get("type"), omit(part, "id", *PART_IDS, "text")
            if part_type in ("text", "reasoning"):
                kind, role = (Kind.LLM_TEXT, "assistant") if part_type == "text" else (Kind.REASONING, "")
                payload = {"text": expect(part.get("text"), str, "text")}
                transcript.add_block(kind, payload, role, part.get("id"), result=result, extra_fields=extra_fields)
            elif part_type == "tool":
                tools.append(part)
                self.add_call(part, result)
            elif part_type not in KEPT_TYPES:
                self.add_other(part, result)
        if len(transcript.blocks) == first_block:
            transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result)
        for part in tools:
            self.add_result(part)

    def add_call(self, part: Part, result: InferenceResult) -> None:
        state = object_or_empty(part.get("state"), "state")
        extra_fields = omit(part, *PART_IDS, "callID", "tool", "state")
        metadata = state.get("metadata")
        child_id = metadata.get("sessionId") or metadata.get("sessionID") if isinstance(metadata, Mapping) else None
        call = (part.get("callID"), part.get("tool"), state.get("input") or state.get("raw"))
        call_id = self.transcript.add_call(*call, result=result, extra_fields=extra_fields)
        if isinstance(child_id, str) and child_id:
            self.child_ids[call_id] = child_id

    def add_result(self, part: Part) -> None:
        """Add the result of a call; one that is pending or running has none."""
        state = object_or_empty(part.get("state"), "state")
        status, output, error = state.get("status"), state.get("output"), text_or_empty(state.get("error"))
        if status not in ("completed", "error"):
            return
        metadata = state["metadata"] if isinstance(state.get("metadata"), Mapping) else {}
        exit_code = metadata.get("exit")
        if status == "error":
            error = error or "error"
        elif type(exit_code) is int and exit_code:
            error = f"exit code {exit_code}"
        elif part.get("tool") == "invalid":  # the arguments of a call that no tool takes
            error = text_or_empty(output) or "error"
        value = None if output == error else output
        times = object_or_empty(state.get("time"), "time")
        extra_fields = omit(state, *STATE_FIELDS)
        self.transcript.add_result(part.get("callID"), value, error, extra_fields=extra_fields, time=times.get("end"))


def _steps(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield the parts of each model call; messages of old versions have several."""
    step: list[Part] = []
    is_finished = False
    for part in parts:
        if part.get("type") == "step-start" or (is_finished and part.get("type") not in KEPT_TYPES):
            if is_finished or any(entry.get("type") not in KEPT_TYPES for entry in step):
                yield step
                step = []
            is_finished = False
        step.append(part)
        is_finished = is_finished or part.get("type") == "step-finish"
    if step:
        yield step


def _finish_of(step: Sequence[Part]) -> Part:
    return next((part for part in step if part.get("type") == "step-finish"), {})


def _has_tokens(counts: Mapping[str, Any]) -> bool:
    """Return True for counts that are not those of a message whose reply has not come."""
    tokens = object_or_empty(counts.get("tokens"), "tokens")
    return any(
        to_number(value) for value in (*tokens.values(), *object_or_empty(tokens.get("cache"), "cache").values())
    )


def _call_result(
    transcript: Transcript,
    name: str,
    info: Mapping[str, Any],
    counts: Mapping[str, Any],
    step: Sequence[Part],
    is_only_step: bool,
) -> InferenceResult:
    tokens, times = object_or_empty(counts.get("tokens"), "tokens"), object_or_empty(info.get("time"), "time")
    error = object_or_empty(info.get("error"), "error")
    is_finished = bool(info.get("finish") or _finish_of(step))
    usage = _usage(tokens) if _has_tokens(counts) or is_finished else None
    cost = to_float(counts.get("cost"))
    created, completed = to_number(times.get("created")), to_number(times.get("completed"))
    stop_reason = counts.get("finish") or counts.get("reason") or info.get("finish") or ""
    if error:
        stop_reason = "interrupted" if error.get("name") == "MessageAbortedError" else "error"
    return transcript.inference_result(
        id=name,
        provider=info.get("providerID"),
        model=info.get("modelID"),
        stop_reason=text_or_empty(stop_reason).replace("-", "_"),
        pending=not error and any(part.get("type") == "tool" for part in step),
        usage=usage,
        cost=cost or (cost if not _has_tokens(counts) and is_finished else None),  # 0 of a model without a price
        duration_ms=int(completed - created)
        if is_only_step and created is not None and completed is not None
        else None,
        extra={"tokens": tokens, "error": error, "finish": info.get("finish")},
    )


def _usage(tokens: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a call, the cache in the input and the reasoning in the output."""
    cache = object_or_empty(tokens.get("cache"), "cache")
    names = ("input", "output", "reasoning", "total")
    input_tokens, output_tokens, reasoning, total = (to_number(tokens.get(name)) for name in names)
    cache_read, cache_write = to_number(cache.get("read")), to_number(cache.get("write"))
    whole_input = (input_tokens or 0) + (cache_read or 0) + (cache_write or 0)
    if output_tokens is not None and reasoning:
        is_included = reasoning <= output_tokens if total is None else total == whole_input + output_tokens
        output_tokens += 0 if is_included else reasoning
    return token_usage(
        input_tokens,
        output_tokens,
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
        cache_in_input=False,
    )
