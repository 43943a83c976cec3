"""Conversations of OpenHands' agent SDK (version 1): its events in a list, in lines, or in the zip of a trajectory.

An event has a `kind`: a message, an action (a tool call, with the reasoning before it), an observation with
its result (by `tool_call_id`), an error, a rejection. Actions of one model call have its `llm_response_id`.
Events that are nobody's message (a change of state, a pause, a condensation) are `other` blocks. Source:
`openhands.sdk.event` and `openhands.sdk.llm.message`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import LoadError
from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    pop_text,
    split_document,
    unexpected,
)
from .kit.record_lists import first_items, list_reader
from .kit.source import Sample, Source
from .kit.transcript import Transcript

FORMAT = "openhands-sdk"
LIST_NAMES = ("events", "history", "items")
MESSAGE_KINDS = frozenset({"MessageEvent", "ActionEvent", "ObservationEvent", "SystemPromptEvent"})
FAILURE_KINDS = frozenset({"AgentErrorEvent", "UserRejectObservation"})
KIND_ENDINGS = ("Event", "Condensation", "CondensationRequest", "Error")
SOURCES = frozenset({"agent", "user", "environment", "hook"})
EVENT_FIELDS = ("id", "kind", "timestamp", "source")
REASONING_FIELDS = (
    "thought",
    "reasoning_content",
    "thinking_blocks",
    "responses_reasoning_item",
    "reasoning_details",
)
EVENT_MEMBER = re.compile(r"(?:^|/)event[-_](\d{1,9})[-_][^/]*\.json$")
METADATA_MEMBER = re.compile(r"(?:^|/)(?:meta|base_state)\.json$")


def is_event(value: Any) -> bool:
    """Return True for an event of the SDK."""
    if not isinstance(value, Mapping) or not isinstance(kind := value.get("kind"), str) or "timestamp" not in value:
        return False
    source = value.get("source")
    is_known = kind in MESSAGE_KINDS or kind in FAILURE_KINDS or kind.endswith(KIND_ENDINGS)
    return is_known and isinstance(source, str) and source in SOURCES


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of a list of events, of one event, or of an object with `events`, `history` or `items`."""
    if is_event(value):
        value = [value]
    fields = value if isinstance(value, Mapping) else {}
    name = next((name for name in LIST_NAMES if isinstance(fields.get(name), list)), LIST_NAMES[0])
    events, extra_fields = split_document(value, notes, name)
    return _run_of(events, extra_fields, notes, name)


def _run_of(events: list[Any], extra_fields: dict[str, Any], notes: Notes, name: str) -> Run:
    model = extra_fields.get("llm_model")
    transcript = Transcript(notes)
    reader = _EventReader(transcript, model if isinstance(model, str) else None)
    transcript.read_records(name, events, reader.read_event)
    id, title = pop_text(extra_fields, "conversation_id", "id"), pop_text(extra_fields, "title", "instance_id")
    return transcript.to_run(id=id, name=title, extra_fields=extra_fields)


class _EventReader:
    def __init__(self, transcript: Transcript, model: str | None) -> None:
        self.transcript = transcript
        self.model = model

    def read_event(self, record: Any) -> None:
        event = expect(record, dict, "")
        kind = expect(event.get("kind"), str, "kind")
        if kind == "SystemPromptEvent":
            self.add_system_prompt(event)
        elif kind == "MessageEvent":
            self.add_message(event)
        elif kind == "ActionEvent":
            self.add_action(event)
        elif kind == "ObservationEvent":
            self.add_observation(event)
        elif kind in FAILURE_KINDS:
            self.add_failure(event)
        elif kind.endswith(KIND_ENDINGS):
            self.transcript.add_other(event)
        else:
            raise unexpected("kind", kind)

    def add_system_prompt(self, event: dict[str, Any]) -> None:
        """Add the system prompt, and the context that is added to it for one conversation."""
        extra_fields = omit(event, *EVENT_FIELDS, "system_prompt", "dynamic_context")
        for name in ("system_prompt", "dynamic_context"):
            part = object_or_empty(event.get(name), name)
            if part or name == "system_prompt":
                payload = {"text": expect(part.get("text"), str, "text")}
                fields = extra_fields | omit_empty(omit(part, "type", "text"))
                id, time = event.get("id"), event["timestamp"]
                self.transcript.add(Kind.SYSTEM, payload, "system", id, time=time, extra_fields=fields)
                extra_fields = {}

    def add_message(self, event: dict[str, Any]) -> None:
        transcript, time = self.transcript, event.get("timestamp")
        message = expect(event.get("llm_message"), dict, "llm_message")
        role, first_block = message.get("role"), len(transcript.blocks)
        texts, images = _content(message.get("content"))
        message_fields = omit(message, "role", "content", *REASONING_FIELDS)
        extra_fields = omit(event, *EVENT_FIELDS, "llm_message", "extended_content")
        extra_fields |= omit_empty(source=event.get("source"), llm_message=message_fields)
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        if role == "assistant":
            result = self.inference_result(event, pending=False)
            self.add_reasoning(message, result, time)
            transcript.add(Kind.LLM_TEXT, payload, "assistant", result=result, time=time)
        elif role in ("user", "system"):
            transcript.add(Kind.USER if role == "user" else Kind.SYSTEM, payload, role, time=time)
        else:
            raise unexpected("role", role)
        extended_texts, _ = _content(event.get("extended_content"))
        for text in extended_texts:  # of a skill, for example: the model gets it after the prompt
            transcript.add(Kind.USER, {"text": text}, "user", time=time)
        transcript.add_extra_fields(first_block, extra_fields | omit_empty(event=event.get("id")))

    def add_action(self, event: dict[str, Any]) -> None:
        """Add a tool call, after the reasoning and the text before it."""
        transcript, time, first_block = self.transcript, event.get("timestamp"), len(self.transcript.blocks)
        result = self.inference_result(event, pending=True)
        self.add_reasoning(event, result, time)
        texts, _ = _content(event.get("thought"))
        if texts:
            transcript.add(Kind.LLM_TEXT, {"text": "\n".join(texts)}, "assistant", result=result, time=time)
        call = object_or_empty(event.get("tool_call"), "tool_call")
        function = object_or_empty(call.get("function"), "function") or call  # early versions have the model's shape
        call_fields = omit(call, "id", "name", "arguments", "function")
        extra_fields = omit(event, *EVENT_FIELDS, *REASONING_FIELDS, "tool_name", "tool_call_id", "tool_call")
        extra_fields |= omit_empty(event=event.get("id"), tool_call=call_fields)
        id = optional_text(event.get("tool_call_id"), "tool_call_id") or call.get("id")
        name = event.get("tool_name") or function.get("name")
        transcript.add_call(id, name, function.get("arguments"), result=result, time=time)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reasoning(self, record: Mapping[str, Any], result: InferenceResult, time: Any) -> None:
        """Add the reasoning once, of the three fields that may have it: signed blocks, an item of OpenAI's, a text."""
        options: dict[str, Any] = {"result": result, "time": time}
        blocks = objects(record.get("thinking_blocks"), "thinking_blocks")
        item = object_or_empty(record.get("responses_reasoning_item"), "responses_reasoning_item")
        text = optional_text(record.get("reasoning_content"), "reasoning_content") or ""
        extra_fields = omit_empty(reasoning_details=record.get("reasoning_details"))
        for block in blocks:
            thinking = optional_text(block.get("thinking"), "thinking") or ""
            extra_fields |= omit(block, "type", "thinking", "signature")
            payload = {"text": thinking} | omit_empty(signature=block.get("signature"))
            self.transcript.add(Kind.REASONING, payload, extra_fields=extra_fields, **options)
            text, extra_fields = "" if text == thinking else text, {}
        if item:
            parts = [*list_or_empty(item.get("summary"), "summary"), *list_or_empty(item.get("content"), "content")]
            item_text = "\n".join(part for part in parts if isinstance(part, str))
            extra_fields |= omit(item, "id", "encrypted_content") if item_text else {}
            payload = {"text": item_text or text}
            payload |= omit_empty(item_id=item.get("id"), encrypted_content=item.get("encrypted_content"))
            self.transcript.add(Kind.REASONING, payload, extra_fields=extra_fields, **options)
            text, extra_fields = "" if text in (item_text, payload["text"]) else text, {}
        if text or extra_fields:
            self.transcript.add(Kind.REASONING, {"text": text}, extra_fields=extra_fields, **options)

    def inference_result(self, event: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        id = optional_text(event.get("llm_response_id"), "llm_response_id") or ""
        return self.transcript.inference_result(id=id, response_id=id, model=self.model, pending=pending)

    def add_observation(self, event: dict[str, Any]) -> None:
        observation = expect(event.get("observation"), dict, "observation")
        texts, images = _content(observation.get("content"))
        value: Any = observation.get("content", observation.get("output"))
        if texts and not images:
            value = "\n".join(texts)
        content_name = "content" if "content" in observation else "output"
        extra_fields = omit(event, *EVENT_FIELDS, "tool_call_id", "observation")
        extra_fields |= omit_empty(event=event.get("id"), observation=omit(observation, content_name))
        failed = observation.get("is_error") is True
        self.transcript.add_result(
            event.get("tool_call_id"),
            None if failed else value,
            value or "it failed" if failed else "",
            time=event.get("timestamp"),
            extra_fields=extra_fields,
        )

    def add_failure(self, event: dict[str, Any]) -> None:
        """Add the result of a tool call that was not run: the error of the agent, or the reason of a rejection."""
        error = event.get("error", event.get("rejection_reason")) or "it failed"
        extra_fields = omit(event, *EVENT_FIELDS, "tool_call_id", "error", "rejection_reason")
        extra_fields |= omit_empty(event=event.get("id"))
        call_id, time = event.get("tool_call_id"), event.get("timestamp")
        self.transcript.add_result(call_id, None, error, time=time, extra_fields=extra_fields)


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return texts and images of a message. Raises ShapeError for another part."""
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in objects([{"type": "text", "text": content}] if isinstance(content, str) else content, "content"):
        if part.get("type") == "image":
            urls = [expect(url, str, "image_urls") for url in list_or_empty(part.get("image_urls"), "image_urls")]
            images += [{"url": url} for url in urls]
        else:
            texts.append(expect(part.get("text"), str, "text"))
    return texts, images


# In files.


def score(sample: Sample) -> int:
    """Return SURE for events, and for a zip of them."""
    if sample.container == "zip":
        return SURE if any(map(EVENT_MEMBER.search, sample.names)) else 0
    return SURE if any(map(is_event, first_items(sample, *LIST_NAMES))) else 0


def read(source: Source) -> Iterator[Run]:
    """Yield the conversations of a source; a zip of events is one."""
    if source.sample.container != "zip":
        yield from read_lists(source)
        return
    events, metadata = _read_zip(source)
    yield from try_read(source, "", _run_of, events, metadata, source.notes(FORMAT), "events")


def _read_zip(source: Source) -> tuple[list[Any], dict[str, Any]]:
    """Return the events in a zip in the order of their numbers, and the fields of the conversation."""
    events, metadata = list[Any](), dict[str, Any]()
    with source.open_zip() as archive:
        matches = ((EVENT_MEMBER.search(name), name) for name in archive.names)
        numbers = sorted((int(match[1]), name) for match, name in matches if match)
        for name in [*(name for _, name in numbers), *filter(METADATA_MEMBER.search, archive.names)]:
            try:
                value = archive.json(name)
            except LoadError as error:
                source.add_problem(error.position, error.reason)
                continue
            if EVENT_MEMBER.search(name):
                events.append(value)
            elif isinstance(value, dict):
                metadata |= value
    return events, metadata


read_lists = list_reader(FORMAT, is_event, read_one)
IMPORTER = Importer(FORMAT, score, read)
