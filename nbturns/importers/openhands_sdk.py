"""Conversations of OpenHands' agent SDK (version 1): its events in a list, a line each, or in the zip of a trajectory.

An event has a `kind`: a message, an action (a call, with what the model thought before it), an observation that
answers it by `tool_call_id`, an error, a rejection. Actions of one model call have its `llm_response_id`.
Events that are nobody's message (a change of state, a pause, a condensation) are `other` blocks. Source:
`openhands.sdk.event` and `openhands.sdk.llm.message`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import LoadError
from ..results import InferenceResult
from ..turns import Kind, Run
from .importer import SURE, Importer, try_read
from .listed import first_items, list_reader
from .record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    pop_text,
    split_document,
    unexpected,
)
from .report import Notes
from .source import Sample, Source
from .transcript import Transcript

FORMAT = "openhands-sdk"
LISTED = ("events", "history", "items")
SAID = frozenset({"MessageEvent", "ActionEvent", "ObservationEvent", "SystemPromptEvent"})
REFUSED = frozenset({"AgentErrorEvent", "UserRejectObservation"})
SOURCES = frozenset({"agent", "user", "environment", "hook"})
ENDINGS = ("Event", "Condensation", "CondensationRequest", "Error")
TAKEN = ("id", "kind", "timestamp", "source")
THOUGHT = ("thought", "reasoning_content", "thinking_blocks", "responses_reasoning_item", "reasoning_details")
MEMBER = re.compile(r"(?:^|/)event[-_](\d{1,9})[-_][^/]*\.json$")
ABOUT = re.compile(r"(?:^|/)(?:meta|base_state)\.json$")


def is_event(value: Any) -> bool:
    """Whether this is an event of the SDK's."""
    if not isinstance(value, Mapping) or not isinstance(kind := value.get("kind"), str) or "timestamp" not in value:
        return False
    source = value.get("source")
    known = kind in SAID or kind in REFUSED or kind.endswith(ENDINGS)
    return known and isinstance(source, str) and source in SOURCES


def read_one(value: Any, notes: Notes) -> Run:
    """A list of events, one of them, or an object that has them as `events`, `history` or `items`."""
    if is_event(value):
        value = [value]
    name = next((one for one in LISTED if isinstance(value, Mapping) and isinstance(value.get(one), list)), LISTED[0])
    events, other_fields = split_document(value, notes, name)
    return _run(events, other_fields, notes, name)


def _run(events: list[Any], other_fields: dict[str, Any], notes: Notes, name: str) -> Run:
    model = other_fields.get("llm_model")
    reader = _Reader(Transcript(notes), model if isinstance(model, str) else None)
    reader.transcript.read_records(name, events, reader.event)
    id = pop_text(other_fields, "conversation_id", "id")
    return reader.transcript.to_run(
        id=id, name=pop_text(other_fields, "title", "instance_id"), extra_fields=other_fields
    )


class _Reader:
    def __init__(self, transcript: Transcript, model: str | None) -> None:
        self.transcript = transcript
        self.model = model

    def event(self, raw: Any) -> None:
        event = expect(raw, dict, "")
        kind = expect(event.get("kind"), str, "kind")
        if kind == "SystemPromptEvent":
            self.prompt(event)
        elif kind == "MessageEvent":
            self.message(event)
        elif kind == "ActionEvent":
            self.action(event)
        elif kind == "ObservationEvent":
            self.observation(event)
        elif kind in REFUSED:
            self.refused(event)
        elif kind.endswith(ENDINGS):
            self.transcript.add_other(event)
        else:
            raise unexpected("kind", kind)

    def prompt(self, event: dict[str, Any]) -> None:
        """The system prompt, and what is added to it for one conversation."""
        extra_fields = omit(event, *TAKEN, "system_prompt", "dynamic_context")
        for name in ("system_prompt", "dynamic_context"):
            part = object_or_empty(event.get(name), name)
            if part or name == "system_prompt":
                text = expect(part.get("text"), str, "a text")
                more = extra_fields | omit_empty(omit(part, "type", "text"))
                self.transcript.add(
                    Kind.SYSTEM, {"text": text}, "system", event.get("id"), time=event["timestamp"], extra_fields=more
                )
                extra_fields = {}

    def message(self, event: dict[str, Any]) -> None:
        transcript, time = self.transcript, event.get("timestamp")
        message = expect(event.get("llm_message"), dict, "llm_message")
        role, first = message.get("role"), len(transcript.blocks)
        texts, images = _content(message.get("content"))
        extra_fields = omit(event, *TAKEN, "llm_message", "extended_content")
        extra_fields |= omit_empty(source=event.get("source"), llm_message=omit(message, "role", "content", *THOUGHT))
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        if role == "assistant":
            result = self.result(event, pending=False)
            self.thoughts(message, result, time)
            transcript.add(Kind.LLM_TEXT, payload, "assistant", result=result, time=time)
        elif role in ("user", "system"):
            transcript.add(Kind.USER if role == "user" else Kind.SYSTEM, payload, role, time=time)
        else:
            raise unexpected("role", role)
        added, _ = _content(event.get("extended_content"))
        for text in added:  # by a skill, say: the model sees it behind the prompt
            transcript.add(Kind.USER, {"text": text}, "user", time=time)
        transcript.add_extra_fields(first, extra_fields | omit_empty(event=event.get("id")))

    def action(self, event: dict[str, Any]) -> None:
        """A call, behind what was thought before it."""
        transcript, time, first = self.transcript, event.get("timestamp"), len(self.transcript.blocks)
        result = self.result(event, pending=True)
        self.thoughts(event, result, time)
        texts, _ = _content(event.get("thought"))
        if texts:
            transcript.add(Kind.LLM_TEXT, {"text": "\n".join(texts)}, "assistant", result=result, time=time)
        call = object_or_empty(event.get("tool_call"), "tool_call")
        function = object_or_empty(call.get("function"), "function") or call  # in early versions as the model's own
        extra_fields = omit(event, *TAKEN, *THOUGHT, "tool_name", "tool_call_id", "tool_call")
        extra_fields |= omit_empty(event=event.get("id"), tool_call=omit(call, "id", "name", "arguments", "function"))
        id = optional_text(event.get("tool_call_id"), "tool_call_id") or call.get("id")
        name = event.get("tool_name") or function.get("name")
        transcript.add_call(id, name, function.get("arguments"), result=result, time=time)
        transcript.add_extra_fields(first, extra_fields)

    def thoughts(self, record: Mapping[str, Any], result: InferenceResult, time: Any) -> None:
        """What was thought, once: as signed blocks, as an item of OpenAI's, or as a text."""
        transcript = self.transcript
        blocks = [expect(one, dict, "a thought") for one in list_or_empty(record.get("thinking_blocks"), "thoughts")]
        item = object_or_empty(record.get("responses_reasoning_item"), "responses_reasoning_item")
        text = optional_text(record.get("reasoning_content"), "reasoning_content") or ""
        extra_fields = omit_empty(reasoning_details=record.get("reasoning_details"))
        for one in blocks:
            thought = optional_text(one.get("thinking"), "thinking") or ""
            extra_fields |= omit(one, "type", "thinking", "signature")
            payload = {"text": thought} | omit_empty(signature=one.get("signature"))
            transcript.add(Kind.REASONING, payload, result=result, time=time, extra_fields=extra_fields)
            text, extra_fields = "" if text == thought else text, {}
        if item:
            parts = [*list_or_empty(item.get("summary"), "summary"), *list_or_empty(item.get("content"), "content")]
            whole = "\n".join(part for part in parts if isinstance(part, str))
            extra_fields |= omit(item, "id", "encrypted_content") if whole else {}
            payload = {"text": whole or text} | omit_empty(
                item_id=item.get("id"), encrypted_content=item.get("encrypted_content")
            )
            transcript.add(Kind.REASONING, payload, result=result, time=time, extra_fields=extra_fields)
            text, extra_fields = "" if text in (whole, payload["text"]) else text, {}
        if text or extra_fields:
            transcript.add(Kind.REASONING, {"text": text}, result=result, time=time, extra_fields=extra_fields)

    def result(self, event: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        id = optional_text(event.get("llm_response_id"), "llm_response_id") or ""
        return self.transcript.inference_result(id=id, response_id=id, model=self.model, pending=pending)

    def observation(self, event: dict[str, Any]) -> None:
        seen = expect(event.get("observation"), dict, "an observation")
        texts, images = _content(seen.get("content"))
        plain = bool(texts) and not images
        whole: Any = "\n".join(texts) if plain else seen.get("content", seen.get("output"))
        extra_fields = omit(event, *TAKEN, "tool_call_id", "observation")
        taken = ("content",) if "content" in seen else ("output",)
        extra_fields |= omit_empty(event=event.get("id"), observation=omit(seen, *taken))
        failed = seen.get("is_error") is True
        self.transcript.add_result(
            event.get("tool_call_id"),
            None if failed else whole,
            whole or "it failed" if failed else "",
            time=event.get("timestamp"),
            extra_fields=extra_fields,
        )

    def refused(self, event: dict[str, Any]) -> None:
        """A call that was not run: the agent's error, or what somebody said against it."""
        why = event.get("error", event.get("rejection_reason")) or "it failed"
        extra_fields = omit(event, *TAKEN, "tool_call_id", "error", "rejection_reason") | omit_empty(
            event=event.get("id")
        )
        self.transcript.add_result(
            event.get("tool_call_id"), None, why, time=event.get("timestamp"), extra_fields=extra_fields
        )


def _content(parts: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Texts and images of a message. Raises Misfit for what is neither."""
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in list_or_empty([{"type": "text", "text": parts}] if isinstance(parts, str) else parts, "content"):
        about = expect(part, dict, "a part")
        if about.get("type") == "image":
            urls = [expect(url, str, "a URL") for url in list_or_empty(about.get("image_urls"), "image_urls")]
            images += [{"url": url} for url in urls]
        else:
            texts.append(expect(about.get("text"), str, "a text"))
    return texts, images


# In files.


def score(sample: Sample) -> int:
    """Sure of events, and of a zip of them."""
    if sample.container == "zip":
        return SURE if any(map(MEMBER.search, sample.names)) else 0
    return SURE if any(map(is_event, first_items(sample, *LISTED))) else 0


def read(source: Source) -> Iterator[Run]:
    if source.sample.container != "zip":
        yield from _read(source)
        return
    notes = source.notes(FORMAT)
    with source.open_zip() as archive:
        numbered = sorted((int(found[1]), name) for name in archive.names if (found := MEMBER.search(name)))
        events, about = list[Any](), dict[str, Any]()
        for name in [*(name for _, name in numbered), *filter(ABOUT.search, archive.names)]:
            try:
                value = archive.json(name)
            except LoadError as error:
                if source.strict:
                    raise
                source.add_problem(error.position, error.reason)
                continue
            if MEMBER.search(name):
                events.append(value)
            elif isinstance(value, dict):
                about |= value
    yield from try_read(source, "", _run, events, about, notes, "events")


_read = list_reader(FORMAT, is_event, read_one)
IMPORTER = Importer(FORMAT, score, read)
