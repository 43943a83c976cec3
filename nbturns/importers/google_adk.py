"""Sessions and eval sets of Google's Agent Development Kit: `….session.json`, `….test.json`, `….evalset.json`.

An event of a session has an author and a content of Gemini; one of an agent that has more than results is a model call.
Tokens are in the event, in older files in the log of its request (`event_logs`). An eval case is a Run: each invocation has
a prompt, the tool calls that are expected, mostly without their results, and the final response, which together are one
model call, because the file does not say how many there were. Source: google/adk-python at 7c670f638bc1,
src/google/adk/events/event.py (`Event`), models/llm_response.py (`LlmResponse`), sessions/session.py (`Session`),
evaluation/eval_case.py (`EvalCase`, `Invocation`), evaluation/eval_set.py, evaluation/local_eval_sets_manager.py (lists
with `query` and `expected_tool_use`) and tests/integration/fixture; evaluation/eval_case.py at 13b8219eb56d
(`tool_responses`, `invocation_events`). `actions.compaction` with its `compacted_content` is of newer versions, and
untested on real files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import wrong_type
from .kit.gemini_parts import GeminiParts, snake_case, usage_of_metadata
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read
from .kit.record_fields import (
    expect,
    list_of_document,
    list_or_empty,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    without_lists,
)
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "google-adk"
EVENT_FIELDS = ("id", "author", "content", "timestamp", "usage_metadata", "finish_reason", "model_version")
SESSION_FIELDS = frozenset({"app_name", "appName", "event_logs", "past_events", "pending_events"})


def _is_event(value: Any) -> bool:
    return isinstance(value, Mapping) and "author" in value and ("invocation_id" in value or "invocationId" in value)


def _is_session(value: Any) -> bool:
    events = value.get("events") if isinstance(value, Mapping) else None
    if not isinstance(events, list):
        return False
    return all(map(_is_event, events[:-1])) and (any(map(_is_event, events)) or not SESSION_FIELDS.isdisjoint(value))


def _is_eval_set(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("eval_cases", value.get("evalCases")), list)


def _is_old_query(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("query"), str) and "expected_tool_use" in value


def score_google_adk(sample: Sample) -> int:
    """Return a score higher than SURE for a session, its events, an eval set, and for expected tool uses."""
    records = sample.records if sample.container == "json" else []
    is_own = any(_is_session(value) or _is_eval_set(value) or _is_old_query(value) for value in records)
    return SURE + 6 if is_own or (records and all(map(_is_event, records))) else 0


def read_documents(source: Source) -> Iterator[Run]:
    """Yield each session and each eval case."""
    events: list[Any] = []
    queries: list[Any] = []
    for position, value in source.records():
        if _is_eval_set(value):
            fields = snake_case(value)
            for index, case in enumerate(fields["eval_cases"]):
                notes = source.notes(FORMAT, f"eval_cases[{index}]")
                yield from try_read(source, position, _read_case, case, omit(fields, "eval_cases"), notes)
        elif _is_session(value):
            yield from try_read(source, position, _read_session, value, source.notes(FORMAT, position))
        else:
            (queries if _is_old_query(value) else events).append(value)
    if queries:
        yield from try_read(source, "", _read_queries, queries, source.notes(FORMAT))
    if events:
        yield from try_read(source, "", _read_session, {"events": events}, source.notes(FORMAT))


def _read_session(session: Mapping[str, Any], notes: Notes) -> Run:
    transcript, fields = Transcript(notes), snake_case(session)
    session_id = text_or_empty(fields.get("id"))
    transcript.key = session_id or transcript.key
    event_logs = list_of_document(fields.get("event_logs"), "event_logs", notes)
    logs = {str(log.get("event_id")): log for log in event_logs if isinstance(log, dict)}
    reader = _EventReader(transcript, logs)
    for name in ("past_events", "events"):
        for index, event in enumerate(list_of_document(fields.get(name), name, notes)):
            transcript.read_record(f"{name}[{index}]", event, reader.read_event)
    extra_fields = omit(without_lists(fields, "events", "past_events"), "id")
    return transcript.to_run(id=session_id, time=fields.get("last_update_time"), extra_fields=extra_fields)


class _EventReader:
    def __init__(self, transcript: Transcript, logs: Mapping[str, Any]) -> None:
        self.transcript = transcript
        self.parts = GeminiParts(transcript)
        self.logs = logs  # of model requests, by the id of their event

    def read_event(self, record: Any) -> None:
        event = snake_case(expect(record, dict, ""))
        content = object_or_empty(event.get("content"), "content")
        parts = list_or_empty(content.get("parts"), "parts")
        first_block, author = len(self.transcript.blocks), text_or_empty(event.get("author"))
        extra_fields = omit_empty(omit(event, *EVENT_FIELDS) | {"author": author if author != "user" else ""})
        is_compaction = self.add_compaction(event)
        is_reply = author != "user" and any(not _is_response(part) for part in parts)
        result = self.call_result(event, parts) if is_reply else None
        if event.get("partial") is True:
            self.transcript.add_other(record)  # a later event has all of its text
        else:
            added = self.parts.add(
                parts, is_model=author != "user", result=result, block_id=event.get("id"), extra_fields=extra_fields
            )
            if not added and (event.get("error_code") or event.get("error_message")):
                self.transcript.add_other(record)
            elif not added and is_reply:
                self.transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", event.get("id"), result=result)
            elif not added and not is_compaction:
                self.transcript.add_other(record)
        self.transcript.set_times(first_block, event.get("timestamp"))

    def add_compaction(self, event: Mapping[str, Any]) -> bool:
        """Begin a new context with the summary in the actions of an event; False for an event without one."""
        actions = snake_case(object_or_empty(event.get("actions"), "actions"))
        compaction = snake_case(object_or_empty(actions.get("compaction"), "compaction"))
        content = object_or_empty(compaction.get("compacted_content"), "compacted_content")
        if content:
            self.transcript.start_context()
            self.parts.add(list_or_empty(content.get("parts"), "parts"), is_model=False)
        return bool(content)

    def call_result(self, event: Mapping[str, Any], parts: list[Any]) -> InferenceResult:
        log = object_or_empty(self.logs.get(str(event.get("id"))), "event_logs")
        request = object_or_empty(log.get("model_request"), "model_request")
        response = snake_case(object_or_empty(log.get("model_response"), "model_response"))
        usage = event.get("usage_metadata") or response.get("usage_metadata")
        model = event.get("model_version") or response.get("model_version") or request.get("model")
        candidates = response.get("candidates")
        candidate = candidates[0] if isinstance(candidates, list) and candidates else {}
        reason = event.get("finish_reason") or (
            candidate.get("finish_reason") if isinstance(candidate, Mapping) else ""
        )
        return self.transcript.inference_result(
            id=text_or_empty(event.get("id")),
            provider="gemini" if str(model).startswith("gemini") else None,
            model=text_or_empty(model) or None,
            stop_reason=reason,
            pending=any(isinstance(part, Mapping) and "function_call" in snake_case(part) for part in parts),
            usage=usage_of_metadata(usage),
            extra={"usage": usage},
        )


def _is_response(part: Any) -> bool:
    return isinstance(part, Mapping) and "function_response" in snake_case(part)


# Eval sets.


def _read_case(case: Any, fields: Mapping[str, Any], notes: Notes) -> Run:
    if not isinstance(case, Mapping):
        raise notes.load_error("", wrong_type("eval case", case, dict))
    eval_case = snake_case(case)
    transcript = Transcript(notes)
    reader = _InvocationReader(transcript)
    conversation = list_of_document(eval_case.get("conversation"), "conversation", notes)
    transcript.read_records("conversation", conversation, reader.read)
    name = text_or_empty(eval_case.get("eval_id"))
    extra_fields = {"eval_set": fields, **omit(without_lists(eval_case, "conversation"), "eval_id")}
    return transcript.to_run(name=name, time=eval_case.get("creation_timestamp"), extra_fields=extra_fields)


def _read_queries(queries: list[Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.read_records("queries", queries, _InvocationReader(transcript).read_query)
    return transcript.to_run()


class _InvocationReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.parts = GeminiParts(transcript)
        transcript.keeps_results = False

    def read(self, record: Any) -> None:
        invocation = snake_case(expect(record, dict, ""))
        first_block, position = len(self.transcript.blocks), self.transcript.position
        prompt = object_or_empty(invocation.get("user_content"), "user_content")
        known_names = ("user_content", "final_response", "intermediate_data", "creation_timestamp")
        self.parts.add(
            list_or_empty(prompt.get("parts"), "parts"), is_model=False, extra_fields=omit(invocation, *known_names)
        )
        steps = snake_case(object_or_empty(invocation.get("intermediate_data"), "intermediate_data"))
        uses = objects(steps.get("tool_uses"), "tool_uses")
        response = object_or_empty(invocation.get("final_response"), "final_response")
        result = self.transcript.inference_result(id=position, pending=bool(uses) and not response)
        for event in objects(steps.get("invocation_events"), "invocation_events"):
            content = object_or_empty(event.get("content"), "content")
            self.parts.add(
                list_or_empty(content.get("parts"), "parts"),
                is_model=True,
                result=result,
                extra_fields=omit(event, "content"),
            )
        for use in uses:
            self.parts.add([{"function_call": use}], is_model=True, result=result)
        for tool_response in objects(steps.get("tool_responses"), "tool_responses"):
            self.parts.add_response(tool_response)
        for pair in list_or_empty(steps.get("intermediate_responses"), "intermediate_responses"):
            author, parts = expect(pair, list, "intermediate_responses")
            self.parts.add(list_or_empty(parts, "parts"), is_model=True, result=result, extra_fields={"author": author})
        if response and not self.parts.add(list_or_empty(response.get("parts"), "parts"), is_model=True, result=result):
            self.transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", result=result)
        self.transcript.set_times(first_block, invocation.get("creation_timestamp"))

    def read_query(self, record: Any) -> None:
        query = expect(record, dict, "")
        extra_fields = omit(query, "query", "expected_tool_use", "reference")
        self.transcript.add_block(
            Kind.USER, {"text": expect(query.get("query"), str, "query")}, "user", extra_fields=extra_fields
        )
        uses = objects(query.get("expected_tool_use"), "expected_tool_use")
        result = self.transcript.inference_result(pending=bool(uses))
        for use in uses:
            unread_fields = omit(use, "tool_name", "tool_input", "mock_tool_output")
            self.parts.add_call("", use.get("tool_name"), use.get("tool_input"), result, unread_fields)
            if "mock_tool_output" in use:
                name = text_or_empty(use.get("tool_name"))
                self.parts.add_response({"name": name, "response": use["mock_tool_output"]})
        reference = text_or_empty(query.get("reference"))
        self.transcript.add_block(Kind.LLM_TEXT, {"text": reference}, "assistant", result=result)


IMPORTER = Importer(FORMAT, score_google_adk, read_documents)
