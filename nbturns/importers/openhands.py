"""OpenHands' event streams: `output.jsonl` of an evaluation, and trajectories that are saved or downloaded.

An event is an action (of the user, the agent or the environment) or an observation (the outcome of an action,
which is its `cause`). Events of the model carry its whole reply, from which its text, its tool calls with
their exact arguments, and its tokens are read. Events that belong to no message (`recall`, a change of state)
are `other` blocks. Source: All-Hands-AI/OpenHands at 156d0686c46a, openhands/events, openhands/core/schema,
evaluation/utils/shared.py (`EvalOutput`) and evaluation/benchmarks/multi_swe_bench/examples/output.jsonl.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.outcome import Outcome
from ..values.turns import Kind, Run
from .kit.faults import missing_field
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.ledger import with_calls
from .kit.outcomes import error_text, outcome_metadata, outcome_of
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    split_document,
    text_or_empty,
    token_usage,
)
from .kit.record_lists import list_reader
from .kit.sample import Sample
from .kit.transcript import Transcript
from .openhands_stats import CallStats

FORMAT = "openhands"
REASONING_FIELDS = ("thought", "final_thought")
ACTION_FIELDS = ("action", "args", "timestamp", "source", "message", "tool_call_metadata")
AGENT_ACTIONS = ("run", "run_ipython", "finish", "reject", "delegate")
STATE_ACTIONS = ("recall", "change_agent_state", "null", "condensation")


def is_event(value: Any) -> bool:
    """Return True for an action or an observation."""
    if not isinstance(value, Mapping) or not isinstance(value.get("source", ""), str):
        return False
    if isinstance(value.get("action"), str) and isinstance(value.get("args"), Mapping):
        return True
    return isinstance(value.get("observation"), str) and "content" in value and "extras" in value


def is_history(value: Any) -> bool:
    """Return True for a line of `output.jsonl`, and for a list of events."""
    history = value.get("history") if isinstance(value, Mapping) else value
    return isinstance(history, list) and any(map(is_event, _flatten_history(history[:4])))


def _flatten_history(history: list[Any]) -> list[Any]:
    """Return the events of a history, which in older files has pairs of an action and its observation."""
    return [
        event
        for history_item in history
        for event in (history_item if isinstance(history_item, list) else [history_item])
    ]


def read_history(document: Any, notes: Notes) -> Run:
    """Return the Run of one stream of events: a Turn for each message of the user."""
    history, extra_fields = split_document([document] if is_event(document) else document, notes, "history")
    events = _flatten_history(history)
    transcript = Transcript(notes)
    stats = CallStats()
    for event in events:
        if isinstance(event, Mapping) and "llm_metrics" in event:
            stats.add(event)
    stats.add(extra_fields)
    transcript.read_records("history", events, _EventReader(transcript, events, stats).read_event)
    run = transcript.to_run(
        name=text_or_empty(extra_fields.get("instance_id")),
        extra_fields=extra_fields,
        metadata=outcome_metadata(_outcome(extra_fields)),
    )
    return with_calls(run, stats.other_calls(transcript.inference_result))


def _outcome(fields: Mapping[str, Any]) -> Outcome | None:
    """Return the result of an evaluation: whether its report says that the task is resolved, and the error."""
    test_result = fields.get("test_result")
    test_result = test_result if isinstance(test_result, Mapping) else {}
    report, patch = test_result.get("report"), test_result.get("git_patch")
    report = report if isinstance(report, Mapping) else {}
    answer = patch if isinstance(patch, str) and patch else None
    return outcome_of({**test_result, **report}, answer=answer, error=error_text(fields.get("error")))


class _EventReader:
    def __init__(self, transcript: Transcript, events: list[Any], stats: CallStats) -> None:
        self.transcript = transcript
        self.stats = stats
        self.observed_actions = {
            str(event.get("cause")) for event in events if isinstance(event, Mapping) and "cause" in event
        }
        self.reply_keys: set[str] = set()  # of replies whose text was added
        self.call_ids: dict[str, str] = {}  # by the id of the action
        self.model_call_ids: set[str] = set()  # of calls in a reply of the model

    def read_event(self, record: Any) -> None:
        event = expect(record, dict, "")
        if "observation" in event:
            self.add_observation(event)
        elif "action" in event:
            self.add_action(event, object_or_empty(event.get("args"), "args"))
        else:
            self.transcript.add_unknown(event, missing_field("action", event))

    def add_action(self, event: dict[str, Any], action_args: dict[str, Any]) -> None:
        transcript, action_name, event_source, timestamp = (
            self.transcript,
            event["action"],
            event.get("source"),
            event.get("timestamp"),
        )
        extra_fields = omit(event, *ACTION_FIELDS)
        if action_name == "system" or (action_name == "message" and event_source != "agent"):
            self.add_prompt(event, action_args, extra_fields)
        elif event.get("tool_call_metadata") is not None:
            self.add_tool_call(event, action_args, extra_fields)
        elif action_name == "message":
            message_text = expect(action_args.get("content", event.get("message")), str, "content")
            inference_result = self.inference_result({}, pending=False)
            extra_fields |= omit_empty(args=omit(action_args, "content"))
            transcript.add_block(
                Kind.LLM_TEXT,
                {"text": message_text},
                "assistant",
                time=timestamp,
                result=inference_result,
                extra_fields=extra_fields,
            )
        elif event_source == "agent" and (action_name in AGENT_ACTIONS or self._has_observation(event)):
            self.add_text_action(event, action_args, extra_fields)
        else:
            transcript.add_other(event)

    def _has_observation(self, event: Mapping[str, Any]) -> bool:
        return event.get("action") not in STATE_ACTIONS and str(event.get("id")) in self.observed_actions

    def add_prompt(self, event: dict[str, Any], action_args: dict[str, Any], extra_fields: dict[str, Any]) -> None:
        kind = Kind.SYSTEM if event["action"] == "system" else Kind.USER
        prompt_text = expect(action_args.get("content", event.get("message")), str, "content")
        image_urls = list_or_empty(action_args.get("image_urls"), "image_urls")
        images = [{"url": image_url} for image_url in image_urls if isinstance(image_url, str)]
        other_args = omit(action_args, "content", "image_urls")
        extra_fields |= omit_empty(args=other_args, source=event.get("source"))
        payload = {"text": prompt_text} | omit_empty(images=images)
        self.transcript.add_block(kind, payload, str(kind), time=event.get("timestamp"), extra_fields=extra_fields)

    def add_tool_call(self, event: dict[str, Any], action_args: dict[str, Any], extra_fields: dict[str, Any]) -> None:
        """Add a tool call of the model with the arguments of its reply."""
        transcript, timestamp = self.transcript, event.get("timestamp")
        call_metadata = expect(event["tool_call_metadata"], dict, "tool_call_metadata")
        reply = object_or_empty(call_metadata.get("model_response"), "model_response")
        message = _reply_message(reply)
        reply_call_id = optional_text(call_metadata.get("tool_call_id"), "tool_call_id")
        inference_result = self.inference_result(reply, pending=True)
        reply_id = reply.get("id")
        reply_key = reply_id if isinstance(reply_id, str) else transcript.position
        if reply_key not in self.reply_keys:
            self.reply_keys.add(reply_key)
            reasoning = text_or_empty(message.get("reasoning_content"))
            if reasoning:
                transcript.add_block(Kind.REASONING, {"text": reasoning}, result=inference_result, time=timestamp)
            thought_texts = (action_args[tool_name] for tool_name in REASONING_FIELDS if action_args.get(tool_name))
            reply_text = text_or_empty(message.get("content") or next(thought_texts, None))
            if reply_text:
                transcript.add_block(
                    Kind.LLM_TEXT, {"text": reply_text}, "assistant", result=inference_result, time=timestamp
                )
            extra_fields["tool_call_metadata"] = omit(call_metadata, "function_name", "tool_call_id")
        call_function = next(
            (call_function for call_id, call_function in _reply_calls(message) if call_id == reply_call_id), None
        )
        arguments = action_args if call_function is None else call_function.get("arguments")
        extra_fields |= omit_empty(
            source=event.get("source"), message=event.get("message"), action=event["action"], args=action_args
        )
        tool_name = call_metadata.get("function_name") or event["action"]
        call_id = transcript.add_call(
            reply_call_id, tool_name, arguments, result=inference_result, time=timestamp, extra_fields=extra_fields
        )
        self.call_ids[str(event.get("id"))] = call_id
        self.model_call_ids.add(call_id)

    def add_text_action(self, event: dict[str, Any], action_args: dict[str, Any], extra_fields: dict[str, Any]) -> None:
        """Add an action that the model wrote as text, as a tool call with the id of its event."""
        transcript, timestamp = self.transcript, event.get("timestamp")
        inference_result = self.inference_result({}, pending=True)
        if thought := text_or_empty(action_args.get("thought")):
            transcript.add_block(Kind.LLM_TEXT, {"text": thought}, "assistant", result=inference_result, time=timestamp)
        extra_fields |= omit_empty(source=event.get("source"), message=event.get("message"))
        event_call_id = f"event-{event.get('id', transcript.position)}"
        action_name = expect(event["action"], str, "action")
        arguments = omit(action_args, "thought")
        self.call_ids[str(event.get("id"))] = transcript.add_call(
            event_call_id, action_name, arguments, result=inference_result, time=timestamp, extra_fields=extra_fields
        )

    def add_observation(self, event: dict[str, Any]) -> None:
        call_metadata = object_or_empty(event.get("tool_call_metadata"), "tool_call_metadata")
        call_id = call_metadata.get("tool_call_id") or self.call_ids.get(str(event.get("cause")))
        if call_id is None:
            self.transcript.add_other(event)
            return
        content = event.get("content")
        is_error = event.get("observation") == "error"
        error_text = (content if isinstance(content, str) and content else "it failed") if is_error else ""
        extra_fields = omit(event, "content", "timestamp", "tool_call_metadata")
        if call_metadata and call_id not in self.model_call_ids:  # else it repeats that of the action
            extra_fields["tool_call_metadata"] = call_metadata
        result_content = None if error_text else content
        self.transcript.add_result(
            call_id, result_content, error_text, time=event.get("timestamp"), extra_fields=extra_fields
        )

    def inference_result(self, reply: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        """Return the result of the model call of an action."""
        token_counts = object_or_empty(reply.get("usage"), "usage")
        input_details = object_or_empty(token_counts.get("prompt_tokens_details"), "prompt_tokens_details")
        output_details = object_or_empty(token_counts.get("completion_tokens_details"), "completion_tokens_details")
        response_id = optional_text(reply.get("id"), "id") or ""
        call_fields = self.stats.take(response_id)
        listed_usage = call_fields.get("usage")
        return self.transcript.inference_result(
            id=response_id,
            model=reply.get("model"),
            response_id=response_id,
            stop_reason=_first_choice(reply).get("finish_reason"),
            pending=pending,
            usage=token_usage(
                token_counts.get("prompt_tokens"),
                token_counts.get("completion_tokens"),
                cache_read_tokens=input_details.get("cached_tokens", listed_usage and listed_usage.cached_tokens),
                cache_write_tokens=listed_usage and listed_usage.cache_creation_input_tokens,
                reasoning_tokens=output_details.get("reasoning_tokens"),
            )
            or listed_usage,
            cost=call_fields.get("cost"),
            duration_ms=call_fields.get("duration_ms"),
        )


def _first_choice(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = reply.get("choices")
    first_choice = choices[0] if isinstance(choices, list) and choices else {}
    return first_choice if isinstance(first_choice, Mapping) else {}


def _reply_message(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    message = _first_choice(reply).get("message")
    return message if isinstance(message, Mapping) else {}


def _reply_calls(message: Mapping[str, Any]) -> list[tuple[Any, Mapping[str, Any]]]:
    """Return the tool calls of a message: id and function of each."""
    call_records = message.get("tool_calls")
    tool_calls = (
        [tool_call for tool_call in call_records if isinstance(tool_call, Mapping)]
        if isinstance(call_records, list)
        else []
    )
    call_functions = [(tool_call.get("id"), tool_call.get("function")) for tool_call in tool_calls]
    return [(call_id, call_function) for call_id, call_function in call_functions if isinstance(call_function, Mapping)]


def score_openhands(sample: Sample) -> int:
    """Return SURE for a history of actions and observations, and for a list of them."""
    if sample.container != "json":
        return 0
    return SURE if any(is_event(value) or is_history(value) for value in sample.records) else 0


IMPORTER = Importer(FORMAT, score_openhands, list_reader(FORMAT, is_event, read_history))
