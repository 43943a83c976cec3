"""Conversations of OpenHands' agent SDK (version 1): its events in a list, in lines, or in the zip of a trajectory.

An event has a `kind`: a message, an action (a tool call, with the reasoning before it), an observation with
its result (by `tool_call_id`), an error, a rejection. Actions of one model call have its `llm_response_id`.
Events that belong to no message (a change of state, a pause, a condensation) are `other` blocks. Source:
OpenHands/software-agent-sdk at 611629e6999a, openhands-sdk/openhands/sdk/event and openhands/sdk/llm/message.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import LoadError
from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.ledger import with_calls
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
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript
from .openhands_stats import CallStats

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
    if (
        not isinstance(value, Mapping)
        or not isinstance(event_kind := value.get("kind"), str)
        or "timestamp" not in value
    ):
        return False
    event_source = value.get("source")
    is_known = event_kind in MESSAGE_KINDS or event_kind in FAILURE_KINDS or event_kind.endswith(KIND_ENDINGS)
    return is_known and isinstance(event_source, str) and event_source in SOURCES


def read_event_list(document: Any, notes: Notes) -> Run:
    """Return the Run of a list of events, of one event, or of an object with `events`, `history` or `items`."""
    if is_event(document):
        document = [document]
    document_fields = document if isinstance(document, Mapping) else {}
    list_name = next(
        (list_name for list_name in LIST_NAMES if isinstance(document_fields.get(list_name), list)), LIST_NAMES[0]
    )
    events, extra_fields = split_document(document, notes, list_name)
    return _run_of(events, extra_fields, notes, list_name)


def _run_of(events: list[Any], extra_fields: dict[str, Any], notes: Notes, list_name: str) -> Run:
    model = extra_fields.get("llm_model")
    transcript = Transcript(notes)
    stats = CallStats()
    stats.add(extra_fields)
    for event in events:
        if isinstance(event, Mapping) and event.get("kind") == "ConversationStateUpdateEvent":
            stats.add({"stats": event.get("value")} if event.get("key") == "stats" else event.get("value"))
    reader = _EventReader(transcript, model if isinstance(model, str) else None, stats)
    transcript.read_records(list_name, events, reader.read_event)
    conversation_id, title = (
        pop_text(extra_fields, "conversation_id", "id"),
        pop_text(extra_fields, "title", "instance_id"),
    )
    run = transcript.to_run(id=conversation_id, name=title, extra_fields=extra_fields)
    return with_calls(run, stats.other_calls(transcript.inference_result))


class _EventReader:
    def __init__(self, transcript: Transcript, model: str | None, stats: CallStats) -> None:
        self.transcript = transcript
        self.stats = stats
        self.model = model

    def read_event(self, record: Any) -> None:
        event = expect(record, dict, "")
        event_kind = expect(event.get("kind"), str, "kind")
        if event_kind == "SystemPromptEvent":
            self.add_system_prompt(event)
        elif event_kind == "MessageEvent":
            self.add_message(event)
        elif event_kind == "ActionEvent":
            self.add_action(event)
        elif event_kind == "ObservationEvent":
            self.add_observation(event)
        elif event_kind in FAILURE_KINDS:
            self.add_failure(event)
        elif event_kind.endswith(KIND_ENDINGS):
            self.transcript.add_other(event)
        else:
            raise unexpected("kind", event_kind)

    def add_system_prompt(self, event: dict[str, Any]) -> None:
        """Add the system prompt, and the context that is added to it for one conversation."""
        extra_fields = omit(event, *EVENT_FIELDS, "system_prompt", "dynamic_context")
        for field_name in ("system_prompt", "dynamic_context"):
            prompt_part = object_or_empty(event.get(field_name), field_name)
            if prompt_part or field_name == "system_prompt":
                payload = {"text": expect(prompt_part.get("text"), str, "text")}
                part_fields = extra_fields | omit_empty(omit(prompt_part, "type", "text"))
                event_id, timestamp = event.get("id"), event["timestamp"]
                self.transcript.add_block(
                    Kind.SYSTEM, payload, "system", event_id, time=timestamp, extra_fields=part_fields
                )
                extra_fields = {}

    def add_message(self, event: dict[str, Any]) -> None:
        transcript, timestamp = self.transcript, event.get("timestamp")
        message = expect(event.get("llm_message"), dict, "llm_message")
        role, first_block = message.get("role"), len(transcript.blocks)
        text_parts, images = _split_content(message.get("content"))
        message_fields = omit(message, "role", "content", *REASONING_FIELDS)
        extra_fields = omit(event, *EVENT_FIELDS, "llm_message", "extended_content")
        extra_fields |= omit_empty(source=event.get("source"), llm_message=message_fields)
        payload = {"text": "\n".join(text_parts)} | omit_empty(images=images)
        if role == "assistant":
            inference_result = self.inference_result(event, pending=False)
            self.add_reasoning(message, inference_result, timestamp)
            transcript.add_block(Kind.LLM_TEXT, payload, "assistant", result=inference_result, time=timestamp)
        elif role in ("user", "system"):
            transcript.add_block(Kind.USER if role == "user" else Kind.SYSTEM, payload, role, time=timestamp)
        else:
            raise unexpected("role", role)
        extended_texts, _ = _split_content(event.get("extended_content"))
        for extended_text in extended_texts:  # of a skill, for example: the model gets it after the prompt
            transcript.add_block(Kind.USER, {"text": extended_text}, "user", time=timestamp)
        transcript.add_extra_fields(first_block, extra_fields | omit_empty(event=event.get("id")))

    def add_action(self, event: dict[str, Any]) -> None:
        """Add a tool call, after the reasoning and the text before it."""
        transcript, timestamp, first_block = self.transcript, event.get("timestamp"), len(self.transcript.blocks)
        inference_result = self.inference_result(event, pending=True)
        self.add_reasoning(event, inference_result, timestamp)
        text_parts, _ = _split_content(event.get("thought"))
        if text_parts:
            transcript.add_block(
                Kind.LLM_TEXT, {"text": "\n".join(text_parts)}, "assistant", result=inference_result, time=timestamp
            )
        tool_call = object_or_empty(event.get("tool_call"), "tool_call")
        call_function = (
            object_or_empty(tool_call.get("function"), "function") or tool_call
        )  # early versions have the model's shape
        call_fields = omit(tool_call, "id", "name", "arguments", "function")
        extra_fields = omit(event, *EVENT_FIELDS, *REASONING_FIELDS, "tool_name", "tool_call_id", "tool_call")
        extra_fields |= omit_empty(event=event.get("id"), tool_call=call_fields)
        call_id = optional_text(event.get("tool_call_id"), "tool_call_id") or tool_call.get("id")
        tool_name = event.get("tool_name") or call_function.get("name")
        transcript.add_call(call_id, tool_name, call_function.get("arguments"), result=inference_result, time=timestamp)
        transcript.add_extra_fields(first_block, extra_fields)

    def add_reasoning(self, record: Mapping[str, Any], inference_result: InferenceResult, timestamp: Any) -> None:
        """Add the reasoning once, of the three fields that may have it: signed blocks, an item of OpenAI's, a text."""
        block_options: dict[str, Any] = {"result": inference_result, "time": timestamp}
        thinking_blocks = objects(record.get("thinking_blocks"), "thinking_blocks")
        reasoning_item = object_or_empty(record.get("responses_reasoning_item"), "responses_reasoning_item")
        remaining_text = optional_text(record.get("reasoning_content"), "reasoning_content") or ""
        extra_fields = omit_empty(reasoning_details=record.get("reasoning_details"))
        for thinking_block in thinking_blocks:
            thinking = optional_text(thinking_block.get("thinking"), "thinking") or ""
            extra_fields |= omit(thinking_block, "type", "thinking", "signature")
            payload = {"text": thinking} | omit_empty(signature=thinking_block.get("signature"))
            self.transcript.add_block(Kind.REASONING, payload, extra_fields=extra_fields, **block_options)
            remaining_text, extra_fields = "" if remaining_text == thinking else remaining_text, {}
        if reasoning_item:
            item_parts = [
                *list_or_empty(reasoning_item.get("summary"), "summary"),
                *list_or_empty(reasoning_item.get("content"), "content"),
            ]
            item_text = "\n".join(item_part for item_part in item_parts if isinstance(item_part, str))
            extra_fields |= omit(reasoning_item, "id", "encrypted_content") if item_text else {}
            payload = {"text": item_text or remaining_text}
            payload |= omit_empty(
                item_id=reasoning_item.get("id"), encrypted_content=reasoning_item.get("encrypted_content")
            )
            self.transcript.add_block(Kind.REASONING, payload, extra_fields=extra_fields, **block_options)
            remaining_text, extra_fields = "" if remaining_text in (item_text, payload["text"]) else remaining_text, {}
        if remaining_text or extra_fields:
            self.transcript.add_block(
                Kind.REASONING, {"text": remaining_text}, extra_fields=extra_fields, **block_options
            )

    def inference_result(self, event: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        response_id = optional_text(event.get("llm_response_id"), "llm_response_id") or ""
        call_fields = {"model": self.model, **self.stats.take(response_id)}
        return self.transcript.inference_result(id=response_id, response_id=response_id, pending=pending, **call_fields)

    def add_observation(self, event: dict[str, Any]) -> None:
        observation = expect(event.get("observation"), dict, "observation")
        text_parts, images = _split_content(observation.get("content"))
        result_content: Any = observation.get("content", observation.get("output"))
        if text_parts and not images:
            result_content = "\n".join(text_parts)
        content_name = "content" if "content" in observation else "output"
        extra_fields = omit(event, *EVENT_FIELDS, "tool_call_id", "observation")
        extra_fields |= omit_empty(event=event.get("id"), observation=omit(observation, content_name))
        is_error = observation.get("is_error") is True
        self.transcript.add_result(
            event.get("tool_call_id"),
            None if is_error else result_content,
            result_content or "it failed" if is_error else "",
            time=event.get("timestamp"),
            extra_fields=extra_fields,
        )

    def add_failure(self, event: dict[str, Any]) -> None:
        """Add the result of a tool call that was not run: the error of the agent, or the reason of a rejection."""
        error = event.get("error", event.get("rejection_reason")) or "it failed"
        extra_fields = omit(event, *EVENT_FIELDS, "tool_call_id", "error", "rejection_reason")
        extra_fields |= omit_empty(event=event.get("id"))
        call_id, timestamp = event.get("tool_call_id"), event.get("timestamp")
        self.transcript.add_result(call_id, None, error, time=timestamp, extra_fields=extra_fields)


def _split_content(content: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Return texts and images of a message. Raises ShapeError for another part."""
    text_parts: list[str] = []
    images: list[dict[str, Any]] = []
    for content_part in objects(
        [{"type": "text", "text": content}] if isinstance(content, str) else content, "content"
    ):
        if content_part.get("type") == "image":
            image_urls = [
                expect(image_url, str, "image_urls")
                for image_url in list_or_empty(content_part.get("image_urls"), "image_urls")
            ]
            images += [{"url": image_url} for image_url in image_urls]
        else:
            text_parts.append(expect(content_part.get("text"), str, "text"))
    return text_parts, images


# Files.


def score_openhands_sdk(sample: Sample) -> int:
    """Return SURE for events, and for a zip of them."""
    if sample.container == "zip":
        return SURE if any(map(EVENT_MEMBER.search, sample.names)) else 0
    return SURE if any(map(is_event, first_items(sample, *LIST_NAMES))) else 0


def read_openhands_sdk(source: Source) -> Iterator[Run]:
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
        member_matches = ((EVENT_MEMBER.search(member_name), member_name) for member_name in archive.names)
        numbered_members = sorted(
            (int(member_match[1]), member_name) for member_match, member_name in member_matches if member_match
        )
        for member_name in [
            *(member_name for _, member_name in numbered_members),
            *filter(METADATA_MEMBER.search, archive.names),
        ]:
            try:
                member_value = archive.json(member_name)
            except LoadError as error:
                source.add_problem(error.position, error.reason)
                continue
            if EVENT_MEMBER.search(member_name):
                events.append(member_value)
            elif isinstance(member_value, dict):
                metadata |= member_value
    return events, metadata


read_lists: Callable[[Source], Iterator[Run]] = list_reader(FORMAT, is_event, read_event_list)
IMPORTER = Importer(FORMAT, score_openhands_sdk, read_openhands_sdk)
