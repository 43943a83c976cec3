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
from . import SURE, Importer, Notes, Sample, Source, attempt
from .listed import conversations, looked_at
from .transcript import (
    Misfit,
    Transcript,
    expected,
    list_or_none,
    messages_of,
    named,
    object_or_none,
    text_or_none,
    told,
    without,
)

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
    events, beside = messages_of(value, notes, name)
    return _run(events, beside, notes, name)


def _run(events: list[Any], beside: dict[str, Any], notes: Notes, name: str) -> Run:
    model = beside.get("llm_model")
    reader = _Reader(Transcript(notes), model if isinstance(model, str) else None)
    reader.said.records(name, events, reader.event)
    id = named(beside, "conversation_id", "id")
    return reader.said.run(id=id, name=named(beside, "title", "instance_id"), beside=beside)


class _Reader:
    def __init__(self, said: Transcript, model: str | None) -> None:
        self.said = said
        self.model = model

    def event(self, raw: Any) -> None:
        event = expected(raw, dict, "an event")
        kind = expected(event.get("kind"), str, "kind")
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
            self.said.other(event)
        else:
            raise Misfit(f"an event of the kind {kind!r}")

    def prompt(self, event: dict[str, Any]) -> None:
        """The system prompt, and what is added to it for one conversation."""
        rest = without(event, *TAKEN, "system_prompt", "dynamic_context")
        for name in ("system_prompt", "dynamic_context"):
            part = object_or_none(event.get(name), name)
            if part or name == "system_prompt":
                text = expected(part.get("text"), str, "a text")
                more = rest | told(without(part, "type", "text"))
                self.said.add(
                    Kind.SYSTEM, {"text": text}, "system", event.get("id"), at=event["timestamp"], beside=more
                )
                rest = {}

    def message(self, event: dict[str, Any]) -> None:
        said, at = self.said, event.get("timestamp")
        message = expected(event.get("llm_message"), dict, "llm_message")
        role, first = message.get("role"), len(said.blocks)
        texts, images = _content(message.get("content"))
        rest = without(event, *TAKEN, "llm_message", "extended_content")
        rest |= told(source=event.get("source"), llm_message=without(message, "role", "content", *THOUGHT))
        payload = {"text": "\n".join(texts)} | told(images=images)
        if role == "assistant":
            result = self.result(event, pending=False)
            self.thoughts(message, result, at)
            said.add(Kind.LLM_TEXT, payload, "assistant", result=result, at=at)
        elif role in ("user", "system"):
            said.add(Kind.USER if role == "user" else Kind.SYSTEM, payload, role, at=at)
        else:
            raise Misfit(f"a message of the role {role!r}")
        added, _ = _content(event.get("extended_content"))
        for text in added:  # by a skill, say: the model sees it behind the prompt
            said.add(Kind.USER, {"text": text}, "user", at=at)
        said.put_beside(first, rest | told(event=event.get("id")))

    def action(self, event: dict[str, Any]) -> None:
        """A call, behind what was thought before it."""
        said, at, first = self.said, event.get("timestamp"), len(self.said.blocks)
        result = self.result(event, pending=True)
        self.thoughts(event, result, at)
        texts, _ = _content(event.get("thought"))
        if texts:
            said.add(Kind.LLM_TEXT, {"text": "\n".join(texts)}, "assistant", result=result, at=at)
        call = object_or_none(event.get("tool_call"), "tool_call")
        function = object_or_none(call.get("function"), "function") or call  # in early versions as the model's own
        rest = without(event, *TAKEN, *THOUGHT, "tool_name", "tool_call_id", "tool_call")
        rest |= told(event=event.get("id"), tool_call=without(call, "id", "name", "arguments", "function"))
        id = text_or_none(event.get("tool_call_id"), "tool_call_id") or call.get("id")
        name = event.get("tool_name") or function.get("name")
        said.call(id, name, function.get("arguments"), result=result, at=at)
        said.put_beside(first, rest)

    def thoughts(self, record: Mapping[str, Any], result: InferenceResult, at: Any) -> None:
        """What was thought, once: as signed blocks, as an item of OpenAI's, or as a text."""
        said = self.said
        blocks = [expected(one, dict, "a thought") for one in list_or_none(record.get("thinking_blocks"), "thoughts")]
        item = object_or_none(record.get("responses_reasoning_item"), "responses_reasoning_item")
        text = text_or_none(record.get("reasoning_content"), "reasoning_content") or ""
        rest = told(reasoning_details=record.get("reasoning_details"))
        for one in blocks:
            thought = text_or_none(one.get("thinking"), "thinking") or ""
            rest |= without(one, "type", "thinking", "signature")
            payload = {"text": thought} | told(signature=one.get("signature"))
            said.add(Kind.REASONING, payload, result=result, at=at, beside=rest)
            text, rest = "" if text == thought else text, {}
        if item:
            parts = [*list_or_none(item.get("summary"), "summary"), *list_or_none(item.get("content"), "content")]
            whole = "\n".join(part for part in parts if isinstance(part, str))
            rest |= without(item, "id", "encrypted_content") if whole else {}
            payload = {"text": whole or text} | told(
                item_id=item.get("id"), encrypted_content=item.get("encrypted_content")
            )
            said.add(Kind.REASONING, payload, result=result, at=at, beside=rest)
            text, rest = "" if text in (whole, payload["text"]) else text, {}
        if text or rest:
            said.add(Kind.REASONING, {"text": text}, result=result, at=at, beside=rest)

    def result(self, event: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        id = text_or_none(event.get("llm_response_id"), "llm_response_id") or ""
        return self.said.called(id=id, response_id=id, model=self.model, pending=pending)

    def observation(self, event: dict[str, Any]) -> None:
        seen = expected(event.get("observation"), dict, "an observation")
        texts, images = _content(seen.get("content"))
        plain = bool(texts) and not images
        whole: Any = "\n".join(texts) if plain else seen.get("content", seen.get("output"))
        rest = without(event, *TAKEN, "tool_call_id", "observation")
        taken = ("content",) if "content" in seen else ("output",)
        rest |= told(event=event.get("id"), observation=without(seen, *taken))
        failed = seen.get("is_error") is True
        self.said.answer(
            event.get("tool_call_id"),
            None if failed else whole,
            whole or "it failed" if failed else "",
            at=event.get("timestamp"),
            beside=rest,
        )

    def refused(self, event: dict[str, Any]) -> None:
        """A call that was not run: the agent's error, or what somebody said against it."""
        why = event.get("error", event.get("rejection_reason")) or "it failed"
        rest = without(event, *TAKEN, "tool_call_id", "error", "rejection_reason") | told(event=event.get("id"))
        self.said.answer(event.get("tool_call_id"), None, why, at=event.get("timestamp"), beside=rest)


def _content(parts: Any) -> tuple[list[str], list[dict[str, Any]]]:
    """Texts and images of a message. Raises Misfit for what is neither."""
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in list_or_none([{"type": "text", "text": parts}] if isinstance(parts, str) else parts, "content"):
        about = expected(part, dict, "a part")
        if about.get("type") == "image":
            urls = [expected(url, str, "a URL") for url in list_or_none(about.get("image_urls"), "image_urls")]
            images += [{"url": url} for url in urls]
        else:
            texts.append(expected(about.get("text"), str, "a text"))
    return texts, images


# In files.


def score(sample: Sample) -> int:
    """Sure of events, and of a zip of them."""
    if sample.container == "zip":
        return SURE if any(map(MEMBER.search, sample.names)) else 0
    return SURE if any(map(is_event, looked_at(sample, *LISTED))) else 0


def read(source: Source) -> Iterator[Run]:
    if source.sample.container != "zip":
        yield from _read(source)
        return
    notes = source.notes(FORMAT)
    with source.zip() as archive:
        numbered = sorted((int(found[1]), name) for name in archive.names if (found := MEMBER.search(name)))
        events, about = list[Any](), dict[str, Any]()
        for name in [*(name for _, name in numbered), *filter(ABOUT.search, archive.names)]:
            try:
                value = archive.json(name)
            except LoadError as error:
                if source.strict:
                    raise
                source.problem(error.position, error.reason)
                continue
            if MEMBER.search(name):
                events.append(value)
            elif isinstance(value, dict):
                about |= value
    run = attempt(source, "", lambda value, notes: _run(value, about, notes, "events"), events, notes)
    if run is not None:
        yield run


_read = conversations(FORMAT, is_event, read_one)
IMPORTER = Importer(FORMAT, score, read)
