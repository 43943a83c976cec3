"""LM Studio's conversations: `~/.lmstudio/conversations/….conversation.json`.

A message has versions, one of which is selected; another version of a reply ends a path of its own. A version of one step
has a content, one of several has steps: content blocks, whose `genInfo` names the model and the tokens of their call, with
texts, thoughts (`style.type` "thinking"), tool calls and their results. Source: lmstudio.ai/docs/app/basics/chat;
lmstudio-ai/lmstudio-js, packages/lms-shared-types/src/ChatHistoryData.ts (`toolCallRequest`, `toolCallResult`);
YorkieDev/lm-studio-conversation-converter at a93e982acc21, script.js (`versions`, `currentlySelected`, `steps`, `genInfo`,
`lastUsedModel`, `perChatPredictionConfig`). A `stepIdentifier` is `<milliseconds>-<random>`, the time of its step;
`userLastMessagedAt` is that of the last prompt: of these two and of `senderInfo` no such source is known. Untested on real
files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import BRANCH_OF
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    list_of_document,
    list_or_empty,
    object_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_float,
    to_number,
    token_usage,
    unexpected,
)
from .kit.reply_blocks import OpenCalls, set_call_result
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "lm-studio"
VERSION_FIELDS = ("type", "role", "content", "steps", "senderInfo", "preprocessed", "processed")
Selection = list[tuple[int, Any]]  # the index of a message and the version of it


def _versions(message: Any) -> list[Any]:
    versions = message.get("versions") if isinstance(message, Mapping) else None
    return versions if isinstance(versions, list) else []


def is_conversation(value: Any) -> bool:
    """Return True for a conversation whose messages have versions."""
    messages = value.get("messages") if isinstance(value, Mapping) else None
    return (
        isinstance(messages, list)
        and bool(messages)
        and all("currentlySelected" in item and _versions(item) for item in messages[:4] if isinstance(item, Mapping))
    )


def score_lm_studio(sample: Sample) -> int:
    """Return a score higher than SURE for conversations with versions."""
    is_own = any(is_conversation(value) and _versions(value["messages"][0]) for value in sample.records)
    return SURE + 6 if sample.container == "json" and is_own else 0


def read_conversations(source: Source) -> Iterator[Run]:
    """Yield each conversation, then the paths to its other versions."""
    for position, document in source.records():
        root_id = ""
        for number, path in enumerate(_paths(document)):
            notes = source.notes(FORMAT, ", ".join(filter(None, (position, f"branch {number}" if number else ""))))
            for run in try_read(source, position, _read_path, document, path, number, notes):
                yield replace(run, metadata=run.metadata.with_(BRANCH_OF, root_id)) if root_id else run
                root_id = root_id or run.id


def _paths(document: Any) -> list[Selection]:
    """Return the selected versions, then the path to each other one."""
    messages = document.get("messages") if isinstance(document, Mapping) else None
    selected: Selection = []
    other_parts: list[Selection] = []
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        versions = _versions(message)
        choice = message.get("currentlySelected") if isinstance(message, Mapping) else None
        number = choice if isinstance(choice, int) and 0 <= choice < len(versions) else len(versions) - 1
        other_parts += [[*selected, (index, version)] for place, version in enumerate(versions) if place != number]
        selected.append((index, versions[number] if versions else message))
    return [selected, *other_parts]


def _read_path(document: Any, path: Selection, number: int, notes: Notes) -> Run:
    if not isinstance(document, Mapping) or not isinstance(document.get("messages"), list):
        raise notes.load_error("", "no conversation with messages")
    transcript = Transcript(notes)
    transcript.key = transcript.key.partition(",")[0].partition(":branch")[0]
    last_model = object_of_document(document.get("lastUsedModel"), "lastUsedModel", notes)
    model = text_or_empty(last_model.get("identifier"))
    prompts = [index for index, version in path if isinstance(version, Mapping) and version.get("role") == "user"]
    last_prompt = (prompts[-1], document.get("userLastMessagedAt")) if prompts and not number else (-1, None)
    reader = _VersionReader(transcript, model, last_prompt)
    prompt = text_or_empty(document.get("systemPrompt")) or _prompt_of_config(document, notes)
    if prompt:
        transcript.add_block(Kind.SYSTEM, {"text": prompt}, "system")
    for index, version in path:
        transcript.read_record(f"messages[{index}]", version, reader.read_version, index)
    fields = {} if number else omit(document, "messages", "name")
    return transcript.to_run(
        name=text_or_empty(document.get("name")), time=document.get("createdAt"), extra_fields=fields
    )


def _prompt_of_config(document: Mapping[str, Any], notes: Notes) -> str:
    """Return the system prompt in the settings of a conversation; "" without one."""
    config = object_of_document(document.get("perChatPredictionConfig"), "perChatPredictionConfig", notes)
    for field in list_of_document(config.get("fields"), "perChatPredictionConfig.fields", notes):
        if isinstance(field, Mapping) and field.get("key") == "llm.prediction.systemPrompt":
            return text_or_empty(field.get("value"))
    return ""


class _VersionReader:
    def __init__(self, transcript: Transcript, model: str, last_prompt: tuple[int, Any]) -> None:
        self.transcript = transcript
        self.model = model
        self.last_prompt = last_prompt  # its index, and its time
        self.open_calls = OpenCalls(transcript)

    def read_version(self, record: Any) -> None:
        version = expect(record, dict, "")
        role, transcript, first_block = version.get("role"), self.transcript, len(self.transcript.blocks)
        if role in ("user", "system"):
            parts = objects(version.get("content"), "content")
            texts = [text_or_empty(part.get("text")) for part in parts if part.get("type") == "text"]
            other_parts = [part for part in parts if part.get("type") != "text"]
            kind = Kind.USER if role == "user" else Kind.SYSTEM
            transcript.add_block(kind, {"text": "\n".join(texts)}, role, extra_fields=omit_empty(parts=other_parts))
        elif role == "assistant":
            self.read_reply(version)
        else:
            raise unexpected("role", role)
        if self.last_prompt[0] == transcript.index:
            transcript.set_times(first_block, self.last_prompt[1])
        transcript.add_extra_fields(first_block, omit(version, *VERSION_FIELDS))

    def read_reply(self, version: Mapping[str, Any]) -> None:
        """Add the steps of a reply; steps with a `genInfo` of their own are model calls of their own."""
        steps: Sequence[Any] = list_or_empty(version.get("steps"), "steps") or [
            {"type": "contentBlock", "content": version.get("content")}
        ]
        sender = text_or_empty(object_or_empty(version.get("senderInfo"), "senderInfo").get("senderName"))
        result: InferenceResult | None = None
        first_block, has_count = len(self.transcript.blocks), False
        for index, step_record in enumerate(steps):
            step = expect(step_record, dict, f"steps[{index}]")
            info = object_or_empty(step.get("genInfo"), "genInfo")
            if step.get("type") != "contentBlock":
                self.transcript.add_other(step)
                continue
            parts = objects(step.get("content"), "content")
            if all(part.get("type") == "toolCallResult" for part in parts) and parts:
                result, has_count = None, False
            elif result is None or (info and has_count):
                result, has_count = self.call_result(info, sender, index), bool(info)
            elif info:
                complete = self.call_result(info, sender, index).replace(inference_id=result.inference_id)
                set_call_result(self.transcript, complete)  # a thought before it has no counts
                result, has_count = complete, True
            self.add_parts(parts, step, result)
        if len(self.transcript.blocks) == first_block:
            self.transcript.add_block(
                Kind.LLM_TEXT, {"text": ""}, "assistant", result=result or self.call_result({}, sender, 0)
            )

    def add_parts(
        self, parts: Sequence[Mapping[str, Any]], step: Mapping[str, Any], result: InferenceResult | None
    ) -> None:
        transcript = self.transcript
        is_thought = object_or_empty(step.get("style"), "style").get("type") == "thinking"
        texts = [text_or_empty(part.get("text")) for part in parts if part.get("type") == "text"]
        block_id, first_block = text_or_empty(step.get("stepIdentifier")), len(transcript.blocks)
        if texts and is_thought:
            transcript.add_block(Kind.REASONING, {"text": "".join(texts)}, "", block_id, result=result)
        elif texts:
            transcript.add_block(Kind.LLM_TEXT, {"text": "".join(texts)}, "assistant", block_id, result=result)
        for part in parts:
            if part.get("type") == "toolCallRequest":
                call_id = text_or_empty(part.get("toolCallRequestId")) or str(part.get("callId", ""))
                extra_fields = omit(part, "type", "callId", "toolCallRequestId", "name", "parameters")
                call_id = transcript.add_call(
                    call_id, part.get("name"), part.get("parameters"), result=result, extra_fields=extra_fields
                )
                self.open_calls.add(call_id, part.get("name"))
            elif part.get("type") == "toolCallResult":
                named_id = text_or_empty(part.get("toolCallRequestId")) or str(
                    part.get("toolCallId", part.get("callId", ""))
                )
                call_id = self.open_calls.take(named_id if named_id in self.open_calls else "", is_ordered=True)
                extra_fields = omit(part, "type", "toolCallId", "callId", "toolCallRequestId", "content")
                transcript.add_result(call_id, part.get("content"), extra_fields=extra_fields)
            elif part.get("type") != "text":
                transcript.add_other(part, result=result)
        milliseconds, dash, _ = block_id.partition("-")
        if dash and milliseconds.isdigit():
            transcript.set_times(first_block, int(milliseconds))
        if len(transcript.blocks) > first_block and not texts:
            transcript.add_extra_fields(first_block, {"stepIdentifier": block_id})

    def call_result(self, info: Mapping[str, Any], sender: str, index: int) -> InferenceResult:
        stats = object_or_empty(info.get("stats"), "stats")
        names = [text_or_empty(info.get(name)) for name in ("identifier", "indexedModelIdentifier")]
        seconds = to_float(stats.get("totalTimeSec"))
        return self.transcript.inference_result(
            id=f"{self.transcript.position}.{index}",
            model=next(filter(None, (*names, sender, self.model)), None),
            stop_reason=text_or_empty(stats.get("stopReason")),
            usage=token_usage(to_number(stats.get("promptTokensCount")), to_number(stats.get("predictedTokensCount"))),
            duration_ms=None if seconds is None else round(seconds * 1000),
            extra=omit_empty(stats=stats),
        )


IMPORTER = Importer(FORMAT, score_lm_studio, read_conversations)
