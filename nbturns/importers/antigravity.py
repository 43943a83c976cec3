"""Antigravity's conversations: `~/.gemini/antigravity*/brain/<id>/.system_generated/logs/transcript.jsonl`, and three exports.

A step has an index, a source and a type: `USER_INPUT` is a prompt, `PLANNER_RESPONSE` one model call, other steps of the
model are the results of its calls, in their order, because calls have no ids; `CHECKPOINT` is the summary after a
compaction. The settings in a prompt name the model. Steps may be out of order in the file, and a step that is written again
replaces the first. A trajectory (`<id>.trajectory.json`, `agy-reader`) has the same steps with their content in a field of
their own, ids of calls, and the tokens of each generation: the output includes the thoughts. The Markdown of the language
server has headings for prompts and replies. Source: getagentseal/codeburn at ed8fa3af3d58,
tests/fixtures/antigravity-cli-current (steps); kenn-io/agentsview at 538600744d1b, internal/parser/antigravity_cli.go
(`agyTrajectory`, `agyStep`, `agyChatModelUsage`); Sinity/polylogue at d250e578bf73,
polylogue/sources/parsers/antigravity.py (`markdown_export_payload`). `usage`, `exit_code` and `error` of a step are in
transcripts that other public repositories quote; no document describes them, nor the steps `USER_IMPLICIT`,
`EPHEMERAL_MESSAGE`, `CONVERSATION_HISTORY` and `KNOWLEDGE_ARTIFACTS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..values.frozen_json import EMPTY_DICT
from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import PARENT_RUN
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    first_number,
    list_of_document,
    object_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
    without_lists,
)
from .kit.reply_blocks import OpenCalls, RequestedCall, add_reply_blocks
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "antigravity"
SOURCES = ("USER_EXPLICIT", "USER_IMPLICIT", "USER", "MODEL", "SYSTEM")
STEP_FIELDS = (
    "step_index",
    "source",
    "type",
    "status",
    "created_at",
    "content",
    "thinking",
    "tool_calls",
    "model",
    "usage",
    "error",
)
PROMPT_TYPES = ("USER_INPUT", "USER_MESSAGE")
SYSTEM_TYPES = ("SYSTEM_MESSAGE", "EPHEMERAL_MESSAGE", "CONVERSATION_HISTORY", "KNOWLEDGE_ARTIFACTS")
FAILED_STATES = ("ERROR", "FAILED", "CANCELED", "CANCELLED")
MODEL_CHANGE = re.compile(r"changed setting `Model Selection` from .*? to (.+?)\.(?=\s|$|<)")
STEP_PREFIX, STATUS_PREFIX = "CORTEX_STEP_TYPE_", "CORTEX_STEP_STATUS_"
STEP_CONTENTS = {  # of a trajectory: the field with the content of a step, and the name of its text
    "USER_INPUT": ("userInput", "userResponse"),
    "PLANNER_RESPONSE": ("plannerResponse", "response"),
    "SYSTEM_MESSAGE": ("systemMessage", "message"),
    "CHECKPOINT": ("checkpoint", "sessionSummary"),
    "RUN_COMMAND": ("runCommand", "combinedOutput"),
    "VIEW_FILE": ("viewFile", "content"),
    "CODE_ACTION": ("codeAction", "actionResult"),
    "GREP_SEARCH": ("grepSearch", ""),
    "LIST_DIRECTORY": ("listDirectory", ""),
    "ERROR_MESSAGE": ("errorMessage", "error"),
}
USAGE_NAMES: dict[str, Any] = {
    "input_tokens": ("inputTokens", "input_tokens", "prompt_token_count"),
    "output_tokens": ("outputTokens", "output_tokens", "candidates_token_count"),
    "cache_read_tokens": ("cacheReadTokens", "cached_content_token_count"),
    "reasoning_tokens": ("thinkingOutputTokens", "thoughts_token_count"),
}
HEADING = re.compile(r"^### (User Input|Planner Response)[ \t]*$\n*", re.MULTILINE)


def _is_step(value: Mapping[str, Any]) -> bool:
    is_step = "step_index" in value and isinstance(value.get("type"), str)
    return is_step and (value.get("source") in SOURCES or value["type"] in ("PLANNER_RESPONSE", *PROMPT_TYPES))


def _is_trajectory(value: Mapping[str, Any]) -> bool:
    steps = value.get("steps")
    first_step = steps[0] if isinstance(steps, list) and steps else {}
    return isinstance(first_step, Mapping) and text_or_empty(first_step.get("type")).startswith(STEP_PREFIX)


def _is_markdown(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("cascadeId"), str) and isinstance(value.get("markdown"), str)


def score_antigravity(sample: Sample) -> int:
    """Return a score higher than SURE for steps, for a trajectory and for the Markdown of a conversation."""
    records = sample.records if sample.container == "json" else []
    is_own = any(map(_is_step, records)) or _is_trajectory(sample.record) or _is_markdown(sample.record)
    return SURE + 6 if records and is_own else 0


def read_conversations(source: Source) -> Iterator[Run]:
    """Yield the conversation of a transcript, and of each trajectory and export."""
    steps: list[tuple[str, Any]] = []
    for position, value in source.records():
        if isinstance(value, Mapping) and (_is_trajectory(value) or _is_markdown(value)):
            read = _read_trajectory if _is_trajectory(value) else _read_markdown
            yield from try_read(source, position, read, value, source.notes(FORMAT, position))
        else:
            steps.append((position, value))
    if steps:
        yield from try_read(source, "", _read_transcript, steps, source.notes(FORMAT))


def _read_transcript(records: Sequence[tuple[str, Any]], notes: Notes) -> Run:
    transcript = Transcript(notes)
    last_records: dict[Any, tuple[str, Any]] = {}
    for position, record in records:
        index = record.get("step_index") if isinstance(record, Mapping) else None
        last_records[index if isinstance(index, int) else position] = (position, record)
    reader = _StepReader(transcript)
    for position, record in sorted(last_records.values(), key=_step_index):
        transcript.read_record(position, record, reader.read_step)
    return transcript.to_run(extra_fields={"steps": reader.states})


def _step_index(numbered_record: tuple[str, Any]) -> float:
    record = numbered_record[1]
    return to_number(record.get("step_index") if isinstance(record, Mapping) else None) or 0


def _read_trajectory(trajectory: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    run_id = next((text for name in ("cascadeId", "trajectoryId") if (text := text_or_empty(trajectory.get(name)))), "")
    transcript.key = run_id or transcript.key
    generations = _generations(trajectory.get("generatorMetadata"), notes)
    reader = _StepReader(transcript)
    for index, step in enumerate(list_of_document(trajectory.get("steps"), "steps", notes)):
        transcript.read_record(
            f"steps[{index}]", step, partial(reader.read_trajectory_step, generations.get(index, EMPTY_DICT))
        )
    fields = omit(without_lists(trajectory, "steps"), "cascadeId") | {"states": reader.states}
    origin = trajectory.get("agyReader")
    parent_id = origin.get("parentCascadeId") if isinstance(origin, Mapping) else None
    return transcript.to_run(id=run_id, extra_fields=fields, metadata={PARENT_RUN.name: text_or_empty(parent_id)})


def _generations(value: Any, notes: Notes) -> dict[int, dict[str, Any]]:
    """Return model and tokens of each generation by the index of its first step."""
    generations: dict[int, dict[str, Any]] = {}
    for number, item in enumerate(list_of_document(value, "generatorMetadata", notes)):
        position = f"generatorMetadata[{number}]"
        generation = object_of_document(item, position, notes)
        indices = generation.get("stepIndices")
        chat_model = object_of_document(generation.get("chatModel"), f"{position}.chatModel", notes)
        if isinstance(indices, list) and indices and isinstance(indices[0], int):
            usage = object_of_document(chat_model.get("usage"), f"{position}.chatModel.usage", notes)
            generations[indices[0]] = {"model": chat_model.get("model") or usage.get("model"), "usage": usage}
    return generations


def _flat_step(step: Mapping[str, Any], generation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the step of a trajectory as a step of a transcript."""
    step_type = text_or_empty(step.get("type")).removeprefix(STEP_PREFIX)
    content_name, text_name = STEP_CONTENTS.get(step_type, ("", ""))
    content = object_or_empty(step.get(content_name), content_name)
    metadata = object_or_empty(step.get("metadata"), "metadata")
    exit_code = content.get("exitCode")
    return {
        **generation,
        "source": "SYSTEM" if step_type in SYSTEM_TYPES else "MODEL",
        "type": step_type,
        "status": text_or_empty(step.get("status")).removeprefix(STATUS_PREFIX),
        "created_at": metadata.get("createdAt"),
        "content": content.get(text_name) if text_name else content or None,
        "thinking": content.get("thinking"),
        "tool_calls": content.get("toolCalls"),
        **omit_empty(exit_code=exit_code, call_id=metadata.get("executionId")),
        **omit_empty(fields=omit(content, text_name, "thinking", "toolCalls", "exitCode") if text_name else {}),
        **omit_empty(step=omit(step, content_name, "type", "status", "metadata")),
    }


def _read_markdown(document: Mapping[str, Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.key = text_or_empty(document.get("cascadeId"))
    first_text, *sections = HEADING.split(str(document["markdown"]))
    reader = _StepReader(transcript)
    pairs = [("", first_text)] if first_text.strip() else []
    pairs += list(zip(sections[::2], sections[1::2], strict=True))
    for index, (title, text) in enumerate(pairs):
        step_type = {"User Input": "USER_INPUT", "Planner Response": "PLANNER_RESPONSE"}.get(title, "SYSTEM_MESSAGE")
        step = {"type": step_type, "content": text.strip()}
        transcript.read_record(f"section {index}", step, reader.read_step)
    fields = omit(document, "markdown", "cascadeId", "title")
    name = text_or_empty(document.get("title"))
    return transcript.to_run(id=transcript.key, name=name, time=document.get("lastModifiedTime"), extra_fields=fields)


class _StepReader:
    """Adds the blocks of each step."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.open_calls = OpenCalls(transcript)
        self.model = ""
        self.states: list[Any] = []  # steps without a content

    def read_trajectory_step(self, generation: Mapping[str, Any], record: Any) -> None:
        self.read_step(_flat_step(expect(record, dict, ""), generation))

    def read_step(self, record: Any) -> None:
        step = expect(record, dict, "")
        step_type, transcript = text_or_empty(step.get("type")), self.transcript
        content, time = step.get("content"), step.get("created_at")
        text = (
            content
            if isinstance(content, str)
            else text_or_empty(content.get("text") if isinstance(content, Mapping) else None)
        )
        first_block, extra_fields = len(transcript.blocks), omit(step, *STEP_FIELDS)
        if not isinstance(content, str) and content is not None and step_type in ("PLANNER_RESPONSE", *PROMPT_TYPES):
            extra_fields["content"] = content
        if step_type in PROMPT_TYPES:
            if changes := MODEL_CHANGE.findall(text):
                self.model = changes[-1]
            transcript.add_block(Kind.USER, {"text": text}, "user")
        elif step_type == "PLANNER_RESPONSE":
            self.add_reply(step, text)
        elif step_type == "CHECKPOINT" and (text or extra_fields):
            transcript.start_context()
            transcript.add_block(Kind.USER, {"text": text}, "user")
        elif step_type in SYSTEM_TYPES and text:
            transcript.add_block(Kind.SYSTEM, {"text": text}, "system")
        elif step.get("source") == "MODEL" and step_type not in SYSTEM_TYPES:
            self.add_result(step, step_type, content)
        elif content or step.get("error"):
            transcript.add_other(step)
            extra_fields = {}
        else:
            self.states.append(step)
            return
        transcript.set_times(first_block, time)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reply(self, step: Mapping[str, Any], text: str) -> None:
        calls = [
            _requested_call(call, f"{self.transcript.position} call {number}")
            for number, call in enumerate(objects(step.get("tool_calls"), "tool_calls"))
        ]
        call_ids = add_reply_blocks(
            self.transcript,
            self.call_result(step, bool(calls)),
            text=text,
            reasoning=[text_or_empty(step.get("thinking"))],
            calls=calls,
        )
        for call_id, call in zip(call_ids, calls, strict=True):
            self.open_calls.add(call_id, call.name)

    def call_result(self, step: Mapping[str, Any], pending: bool) -> InferenceResult:
        usage = object_or_empty(step.get("usage"), "usage")
        return self.transcript.inference_result(
            model=text_or_empty(step.get("model")) or self.model or None,
            pending=pending,
            usage=_usage(usage),
            extra=omit_empty(usage=usage, status=None if step.get("status") in ("DONE", None) else step.get("status")),
        )

    def add_result(self, step: Mapping[str, Any], step_type: str, content: Any) -> None:
        """Add the result of the call that waits for one; without such a call a message of the harness is kept as it is."""
        exit_code, error = step.get("exit_code"), step.get("error")
        has_failed = step.get("status") in FAILED_STATES or step_type == "ERROR_MESSAGE"
        has_failed = has_failed or bool(error) or (type(exit_code) is int and exit_code != 0)
        if not self.open_calls:
            self.transcript.add_other(step)
            return
        named_id = text_or_empty(step.get("call_id"))
        call_id = self.open_calls.take(named_id if named_id in self.open_calls else "", is_ordered=True)
        message = next((value for value in (error, content) if isinstance(value, str) and value), "")
        error_text = (message or "error") if has_failed else ""
        value = None if error_text == content else content
        self.transcript.add_result(call_id, value, error_text, extra_fields={"type": step_type})


def _requested_call(call: Mapping[str, Any], own_id: str) -> RequestedCall:
    """Return a call; one of a transcript has no id, and gets its position in the file as one."""
    arguments = call.get("args", call.get("argumentsJson"))
    extra_fields = omit(call, "id", "name", "args", "argumentsJson")
    return RequestedCall(call.get("id") or own_id, call.get("name"), arguments, extra_fields)


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a generation; the input of a trajectory does not include the cache."""
    counts: dict[str, Any] = {name: first_number(usage, names) for name, names in USAGE_NAMES.items()}
    if "inputTokens" in usage and counts["input_tokens"] is not None:
        counts["input_tokens"] += counts["cache_read_tokens"] or 0
    return token_usage(**counts)


IMPORTER = Importer(FORMAT, score_antigravity, read_conversations)
