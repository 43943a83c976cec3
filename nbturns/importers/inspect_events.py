"""The model calls and the tool calls of an Inspect sample, from its events; and the subagents among them.

A model call is known by the id of its reply; where a log has no ids, by what the reply says. A call whose reply is not in
the messages at the end was made before a compaction, by a subagent or by a grader. A span of an agent inside the span
of a tool call is a subagent. Source: UKGovernmentBEIS/inspect_ai at 499e6152e7b8, src/inspect_ai/event/_model.py, _tool.py
and _span.py, model/_model_output.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..values.frozen_json import EMPTY_DICT, FrozenDict, freeze
from ..values.inference_results import FinishClass, InferenceResult, Usage
from .kit.outcomes import error_record, error_text
from .kit.record_fields import omit_empty, text_or_empty, to_float, token_count

MAPPING_TYPES = (dict, Mapping)  # dict first: nearly all are one, and a test for Mapping is slow
PLAIN_COUNTS = frozenset({"input_tokens", "output_tokens", "total_tokens", "total_cost"})


@dataclass(frozen=True, slots=True)
class Subagent:
    """An agent that a tool call of another one started: its span, the call, its model calls, its last model event."""

    span_id: str
    name: str
    tool_call_id: str
    call_keys: tuple[str, ...]
    last_event: Mapping[str, Any]


class SampleEvents:
    """The results of a sample's model calls, and the durations of its tool calls, from its events."""

    def __init__(self, events: Any, output: Any = None, model: str = "") -> None:
        self.last_result: InferenceResult | None = (
            _result_of_output(output, model, None) if isinstance(output, Mapping) else None
        )
        self.counts: Counter[str] = Counter()
        self.results: dict[str, InferenceResult] = {}  # by the id of the reply
        self.calls: dict[str, InferenceResult] = {}  # all model calls, by the id of the reply, else of the event
        self.durations: dict[str, float] = {}
        self._unnamed_calls: dict[Hashable, list[str]] = {}  # calls whose reply has no id, by what it says
        self._spans: dict[str, tuple[str, str, str]] = {}  # parent, type and name of a span
        self._tool_calls: dict[str, str] = {}  # the tool call of a span
        self._span_calls: dict[str, list[str]] = {}
        self._last_events: dict[str, Mapping[str, Any]] = {}  # of the model calls of a span
        for event in events if isinstance(events, Iterable) and not isinstance(events, (str, Mapping)) else ():
            if isinstance(event, Mapping):
                self._add_event(event)

    def _add_event(self, event: Mapping[str, Any]) -> None:
        event_kind, span_id = str(event.get("event")), event.get("span_id")
        self.counts[event_kind] += 1
        if event_kind == "model":
            call_key = self._add_model_call(event)
            if call_key and isinstance(span_id, str):
                self._span_calls.setdefault(span_id, []).append(call_key)
                self._last_events[span_id] = event
        elif event_kind == "tool" and isinstance(event.get("id"), str):
            if (working_seconds := finite_or_none(event.get("working_time"))) is not None:
                self.durations[event["id"]] = working_seconds * 1000
            if isinstance(span_id, str):
                self._tool_calls[span_id] = event["id"]
        elif event_kind == "span_begin" and isinstance(event.get("id"), str):
            parent, span_type, name = (text_or_empty(event.get(field)) for field in ("parent_id", "type", "name"))
            self._spans[event["id"]] = (parent, span_type, name)

    def _add_model_call(self, event: Mapping[str, Any]) -> str:
        """Add the result of a model call and return its key; "" for an event without an output."""
        output = event.get("output")
        if not isinstance(output, Mapping):
            return ""
        duration_seconds = finite_or_none(event.get("working_time"))
        inference_result = _result_of_output(output, str(event.get("model") or ""), duration_seconds)
        changes = _event_fields(event, output)
        if event.get("cache") == "read":  # served from Inspect's own cache, which Inspect does not count
            extra = {
                **inference_result.extra,
                **changes.get("extra", {}),
                "cache": "read",
                "usage": output.get("usage"),
            }
            changes |= {"usage": None, "cost": None, "cost_source": None, "extra": freeze(extra)}
        inference_result = inference_result.replace(**changes) if changes else inference_result
        message_id = first_message_id(output)
        call_key = message_id or str(event.get("uuid") or f"event-{sum(self.counts.values())}")
        self.calls[call_key] = inference_result
        for choice in choices_of(output):
            message = choice.get("message") if isinstance(choice, Mapping) else None
            if isinstance(message, Mapping):
                if isinstance(message.get("id"), str):
                    self.results[message["id"]] = inference_result
                elif not message_id:
                    self._unnamed_calls.setdefault(_content_key(message), []).append(call_key)
        return call_key

    def take_result(self, message: Mapping[str, Any]) -> InferenceResult | None:
        """Return the result of the call that made a reply: by its id, else by what it says; None for an unknown one."""
        message_id = message.get("id")
        if isinstance(message_id, str) and message_id:
            return self.results.get(message_id)
        call_keys = self._unnamed_calls.get(_content_key(message)) if self._unnamed_calls else None
        return self.calls.pop(call_keys.pop(0)) if call_keys else None

    def take_subagents(self, final_ids: set[str]) -> Iterator[Subagent]:
        """Yield the subagents whose replies are not among the final messages, and take their calls from `calls`."""
        span_agents = {span_id: agent for span_id in self._span_calls if (agent := self._agent_of(span_id))}
        for agent_span in dict.fromkeys(span_agents.values()):
            own_spans = [span_id for span_id, agent in span_agents.items() if agent == agent_span]
            call_keys = [call_key for span_id in own_spans for call_key in self._span_calls[span_id]]
            if final_ids.issuperset(call_keys):  # a handoff: the agent goes on with the same messages
                continue
            name, last_event = self._spans[agent_span][2], self._last_events[own_spans[-1]]
            yield Subagent(agent_span, name, self._starting_call(agent_span), tuple(call_keys), last_event)

    def _agent_of(self, span_id: str) -> str:
        """Return the span of the subagent that a span is in; "" for a span of the first agent."""
        seen_spans: set[str] = set()
        while span_id in self._spans and span_id not in seen_spans:
            seen_spans.add(span_id)
            if self._spans[span_id][1] == "agent" and self._starting_call(span_id):
                return span_id
            span_id = self._spans[span_id][0]
        return ""

    def _starting_call(self, span_id: str) -> str:
        """Return the tool call that the span of an agent is directly in; "" without one."""
        seen_spans = {span_id}
        span_id = self._spans[span_id][0]
        while span_id in self._spans and span_id not in seen_spans:
            if self._spans[span_id][1] == "tool" and span_id in self._tool_calls:
                return self._tool_calls[span_id]
            if self._spans[span_id][1] == "agent":
                return ""
            seen_spans.add(span_id)
            span_id = self._spans[span_id][0]
        return ""


def _event_fields(event: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a result that an event has: the number of attempts, the error, the role of the model."""
    changes: dict[str, Any] = {}
    retries, error = finite_or_none(event.get("retries")), error_text(event.get("error") or output.get("error"))
    if retries:
        changes["attempts"] = int(retries) + 1
    if error and not output.get("choices"):
        changes |= {"finish_class": FinishClass.ERROR, "error": error_record(event.get("error") or output.get("error"))}
    role = event.get("role")
    if extra := omit_empty(error=error, role=role if isinstance(role, str) else None):
        changes["extra"] = freeze({**_extra_usage(output.get("usage")), **extra})
    return changes


def _content_key(message: Mapping[str, Any]) -> Hashable:
    """Return the text and the tool calls of a message, by which a reply without an id is found."""
    content, tool_calls = message.get("content"), message.get("tool_calls")
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    calls = tool_calls if isinstance(tool_calls, list) else ()
    return (
        (
            *(text for text in texts if isinstance(text, str)),
            *((call.get("function"), str(call.get("id"))) for call in calls if isinstance(call, Mapping)),
        )
        if all(isinstance(call.get("function"), str) for call in calls if isinstance(call, Mapping))
        else str(message)
    )


def choices_of(output: Mapping[str, Any]) -> Sequence[Any]:
    """Return the choices of an output; () where they are no list."""
    choices = output.get("choices")
    return choices if isinstance(choices, (list, tuple)) else ()


def first_message_id(output: Mapping[str, Any]) -> str:
    """Return the id of the reply in an output; "" without one."""
    for choice in choices_of(output):
        message = choice.get("message") if isinstance(choice, Mapping) else None
        if isinstance(message, Mapping) and isinstance(message.get("id"), str):
            return str(message["id"])
    return ""


def message_ids(messages: Iterable[Any]) -> set[str]:
    """Return the ids of messages, without those that are not a text."""
    return {
        message["id"] for message in messages if isinstance(message, Mapping) and isinstance(message.get("id"), str)
    }


def find_last_reply(messages: Sequence[Any]) -> int:
    """Return the index of the last reply, which the output of a sample is about; -1 without one."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if isinstance(message, Mapping) and message.get("role") == "assistant":
            return index
    return -1


def calls_outside(messages: Sequence[Any], events: SampleEvents, key: str) -> list[InferenceResult]:
    """Return the model calls whose reply is not in the messages: those before a compaction, of subagents, of graders."""
    final_ids = message_ids(messages)
    calls = {call_id: result for call_id, result in events.calls.items() if call_id not in final_ids}
    final_index = find_last_reply(messages)
    if events.last_result and final_index >= 0 and str(messages[final_index].get("id")) not in events.results:
        own_ids = [call_id for call_id, result in calls.items() if result.usage == events.last_result.usage]
        for call_id in own_ids[-1:]:  # the last reply, whose event has another id
            del calls[call_id]
    id_prefix = f"{key}/" if key else ""
    return [result.replace(inference_id=f"{id_prefix}{call_id}") for call_id, result in calls.items()]


def _result_of_output(output: Mapping[str, Any], model: str, duration_seconds: float | None) -> InferenceResult:
    """Return the result of a model call from its output; `duration_seconds` is the duration of the call in seconds."""
    provider, answered_by, stop_reason, finish_class = call_outcome(output, model)
    duration_seconds = finite_or_none(output.get("time")) if duration_seconds is None else duration_seconds
    usage = output.get("usage")
    cost = to_float(usage.get("total_cost")) if isinstance(usage, Mapping) else None
    return InferenceResult(
        cost=cost,
        cost_source=None if cost is None else "provider",
        extra=_extra_usage(usage),
        provider=provider,
        model=answered_by,
        stop_reason=stop_reason,
        finish_class=finish_class,
        truncated=FinishClass.of(stop_reason) is FinishClass.MAX_TOKENS,
        usage=read_usage(usage),
        duration_ms=None if duration_seconds is None else round(duration_seconds * 1000),
    )


def call_outcome(output: Mapping[str, Any], model: str) -> tuple[str, str, str, FinishClass]:
    """Return provider, model, stop reason and finish class of a model call. `model` is "provider/model"."""
    output_choices = output.get("choices")
    first_choice = output_choices[0] if isinstance(output_choices, list) and output_choices else None
    stop_reason, choice_message = (
        (first_choice.get("stop_reason"), first_choice.get("message"))
        if isinstance(first_choice, MAPPING_TYPES)
        else (None, None)
    )
    has_tool_calls = isinstance(choice_message, MAPPING_TYPES) and bool(choice_message.get("tool_calls"))
    return _cached_outcome(str(output.get("model") or ""), model, str(stop_reason or ""), has_tool_calls)


@lru_cache(1_024)  # a log has thousands of calls with few outcomes
def _cached_outcome(
    answered_by: str, model: str, stop_reason: str, has_tool_calls: bool
) -> tuple[str, str, str, FinishClass]:
    provider, _, model_name = model.partition("/")
    return (
        provider if model_name else "",
        answered_by or model_name or model,
        stop_reason,
        FinishClass.of(stop_reason, pending=has_tool_calls),
    )


def _extra_usage(token_counts: Any) -> FrozenDict:
    """Return the usage as Inspect has it, where the result has other counts: those of the cache are in its input."""
    if not isinstance(token_counts, Mapping) or PLAIN_COUNTS.issuperset(token_counts):
        return EMPTY_DICT
    known_counts = {name: count for name, count in token_counts.items() if count is not None}
    return EMPTY_DICT if PLAIN_COUNTS.issuperset(known_counts) else FrozenDict({"usage": freeze(known_counts)})


def read_usage(token_counts: Any) -> Usage | None:
    """Return the tokens of a call. Inspect leaves the cache out of the input where the provider does; the total shows it."""
    if not isinstance(token_counts, Mapping):
        return None
    count_names = (
        "input_tokens",
        "output_tokens",
        "total_tokens",
        "input_tokens_cache_read",
        "input_tokens_cache_write",
    )
    input_tokens, output_tokens, total_tokens, cache_read_tokens, cache_write_tokens = (
        int(finite_or_none(token_counts.get(count_name)) or 0) for count_name in count_names
    )
    cached_tokens = cache_read_tokens + cache_write_tokens
    if (not total_tokens and cached_tokens > input_tokens) or (
        total_tokens
        >= input_tokens + output_tokens + cache_read_tokens + cache_write_tokens
        > input_tokens + output_tokens
    ):
        input_tokens += cached_tokens
    return Usage(
        input_tokens,
        output_tokens,
        token_count(token_counts.get("input_tokens_cache_read")),
        token_count(token_counts.get("input_tokens_cache_write")),
        token_count(token_counts.get("reasoning_tokens")),
    )


def finite_or_none(value: Any) -> float | None:
    is_finite = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15
    return value if is_finite else None
