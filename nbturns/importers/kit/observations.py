"""Observations: spans of the exports of trackers, which name input, output, model and tokens in fields of their own.

Trackers (Langfuse, LangSmith, MLflow, Weave, Braintrust, …) export trees of spans. An importer of one makes an
`Observation` of each record; this module reads their messages and hands them to `span_conversations.py`, which makes
conversations of them as it does of OpenTelemetry's spans. A model call that contains model calls is not a call of its
own: a wrapper reports the tokens of the calls inside it once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...values.frozen_json import EMPTY_DICT
from ...values.inference_results import Usage
from ...values.turns import Run
from .drafts import Draft
from .import_report import join_positions
from .importer import SURE
from .message_history import MessageHistory, Messages
from .message_parts import first_value, structured
from .message_values import MessageReader, prompt_drafts
from .record_fields import ShapeError, omit_empty, text_or_empty
from .sample import Sample
from .source import Source
from .span_conversations import ModelCall, SpanReader, TraceFields, read_span_groups
from .span_tools import ToolSpan
from .spans import Span, span_duration
from .usage_values import USAGE_NAMES, usage_of

CALL, TOOL, OTHER = "call", "tool", "other"  # kinds of observations
TOOL_PREFIXES = ("execute_tool ", "running tool: ", "tool.", "tool:")  # of names of spans of tools
MAX_DEPTH = 64  # of observations in observations


@dataclass(slots=True)
class Observation(Span):
    """A span with the values that a tracker has of it; values it does not have are None or empty."""

    kind: str = OTHER
    input: Any = None
    output: Any = None
    model: str = ""
    provider: str = ""
    usage: Usage | None = None
    cost: float | None = None
    stop_reason: str = ""
    response_id: str = ""
    tool_call_id: str = ""
    tool_name: str = ""
    duration: float | None = None  # in milliseconds, where a tracker has no start or end
    session: str = ""
    call_fields: dict[str, Any] = field(default_factory=dict)  # all other fields of the record

    @property
    def conversation(self) -> str:
        """The id of the conversation; "" without one."""
        return self.session

    @property
    def duration_ms(self) -> int | None:
        """The duration in milliseconds; None where it is not known."""
        return span_duration(self.start, self.end) if self.duration is None else round(self.duration)

    def raw_fields(self) -> dict[str, Any]:
        """Return the record as it was written."""
        return omit_empty(self.raw)


def mark_wrappers(observations: Iterable[Observation]) -> None:
    """Make an observation of another kind of each model call that contains model calls.

    Where it contains just one, of the same model, it is the same call seen by two instrumentations: the inner one
    gets the messages that it does not have.
    """
    by_id = {(item.trace, item.id): item for item in observations if item.id}
    inner_calls: dict[tuple[str, str], list[Observation]] = {}
    for item in by_id.values():
        if item.kind != CALL:
            continue
        parent, depth = by_id.get((item.trace, item.parent)), 0
        while parent is not None and parent is not item and depth < MAX_DEPTH:
            if parent.kind == CALL:
                inner_calls.setdefault((parent.trace, parent.id), []).append(item)
                break
            parent, depth = by_id.get((parent.trace, parent.parent)), depth + 1
    for key, calls in inner_calls.items():
        wrapper = by_id[key]
        wrapper.kind = OTHER
        if len(calls) == 1 and calls[0].kind == CALL and calls[0].model == wrapper.model:
            _complete_call(calls[0], wrapper)


def _complete_call(call: Observation, wrapper: Observation) -> None:
    """Give a call the output of its wrapper where that has a reply of the model, and the call has a text or nothing."""
    if not isinstance(structured(call.output), (Mapping, list)) and isinstance(
        structured(wrapper.output), (Mapping, list)
    ):
        call.output = wrapper.output
    call.input = wrapper.input if call.input is None else call.input
    call.usage = wrapper.usage if call.usage is None else call.usage


def observation_reader(traces: Mapping[str, TraceFields]) -> SpanReader:
    """Return the reader of the observations of one source."""
    history = MessageHistory()
    return SpanReader(lambda span, _notes: _model_call(span, history), tool_call, other_messages, traces)


def _model_call(span: Span, history: MessageHistory) -> ModelCall | None:
    """Return the model call of an observation; None for an observation of another kind."""
    return model_call_of(span, history) if isinstance(span, Observation) and span.kind == CALL else None


def model_call_of(span: Observation, history: MessageHistory) -> ModelCall:
    """Return the model call that an observation is."""
    request = MessageReader(history=history)
    output = structured(span.output)
    if isinstance(output, Mapping) and output.get("object") == "response" and output.get("instructions"):
        request.messages.add(prompt_drafts(output["instructions"]))  # a reply of Responses repeats the system prompt
    request.read(span.input, "user")
    reply = _reply_reader(request)
    reply.read(output, "assistant")
    left = reply.remaining
    stop_reason = span.stop_reason or reply.stop_reason or _first_text(left, "finish_reason", "stop_reason")
    fields = {
        "provider": span.provider,
        "model": span.model or _first_text(left, "model"),
        "response_id": span.response_id or (_first_text(left, "id") if "object" in left else ""),
        "stop_reason": "error" if span.error and not stop_reason else stop_reason,
        "cost": span.cost,
        "usage": span.usage or usage_of(reply.usage or first_value(left, USAGE_NAMES)),
        "extra": omit_empty(error=span.error),
    }
    extra_fields = omit_empty(span.call_fields, input=request.remaining, output=left, tools=request.definitions)
    messages = request.messages
    return ModelCall(list(messages.drafts), reply.messages.drafts, fields, extra_fields, hashes=messages.hashes)


def _reply_reader(request: MessageReader) -> MessageReader:
    """Return a reader of the reply to a request, which knows the tool calls of the request."""
    return MessageReader(Messages(call_ids=request.messages.call_ids.copy()))


def _first_text(fields: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := text_or_empty(fields.get(name)))), "")


def tool_call(span: Span) -> ToolSpan | None:
    """Return the tool call of an observation.

    A span of another kind that has the name of a tool is one where a model call asked for that tool.
    """
    if not isinstance(span, Observation) or span.kind == CALL:
        return None
    is_tool = span.kind == TOOL
    name = span.tool_name or tool_name_of(span.name)
    if not name or (not is_tool and (span.input is None or span.output is None)):
        return None
    result, arguments = _only_value(structured(span.output), "output"), _only_value(structured(span.input), "input")
    call_id = span.tool_call_id
    if isinstance(result, Mapping) and isinstance(message := _tool_message(result), Mapping):
        result, call_id = message.get("content"), call_id or text_or_empty(message.get("tool_call_id"))
    is_text = isinstance(result, (Mapping, list)) and isinstance(span.output, str)
    value = span.output if is_text else result
    if span.error and not result:
        value = None
    return ToolSpan(span, call_id, name, arguments, value, span.error, is_sure=is_tool)


def _tool_message(result: Mapping[str, Any]) -> Any:
    """Return the fields of a tool message of LangChain; None for any other value."""
    message = result.get("kwargs") if result.get("lc") == 1 else result
    return message if isinstance(message, Mapping) and "tool_call_id" in message and "content" in message else None


def _only_value(value: Any, name: str) -> Any:
    """Return the value of an object with no other field."""
    return structured(value[name]) if isinstance(value, Mapping) and value.keys() == {name} else value


def tool_name_of(name: str) -> str:
    """Return the name of the tool in the name of a span."""
    prefix = next((prefix for prefix in TOOL_PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def other_messages(span: Span) -> list[Draft]:
    """Return input and output of a span that no other contains, for traces without model calls."""
    if not isinstance(span, Observation) or span.parent or span.kind == TOOL:
        return []
    request = MessageReader()
    request.read(span.input, "user")
    reply = _reply_reader(request)
    reply.read(span.output, "assistant")
    messages = request.messages.drafts
    known_prints = {draft.fingerprint() for draft in messages}  # a state of an agent has the prompts as well
    return messages + [draft for draft in reply.messages.drafts if draft.fingerprint() not in known_prints]


def read_observations(
    source: Source, format: str, observations: list[Observation], traces: Mapping[str, TraceFields] = EMPTY_DICT
) -> Iterator[Run]:
    """Yield the Runs of the observations of a source; `traces` has what the source says of whole traces, by their ids."""
    mark_wrappers(observations)
    yield from read_span_groups(list(observations), lambda: source.notes(format), observation_reader(traces))


ParseRecord = Callable[[str, Any, dict[str, TraceFields]], Iterator[Observation]]


def export_reader(format: str, parse: ParseRecord, *list_names: str) -> Callable[[Source], Iterator[Run]]:
    """Return a reader of an export: records in lines, in a list, or in a list in the field `list_names` of an object.

    `parse` yields the observations of a record and adds what the record says of whole traces; for a record that is
    none of the format it raises ShapeError.
    """

    def read_export(source: Source) -> Iterator[Run]:
        observations: list[Observation] = []
        traces: dict[str, TraceFields] = {}
        for record_position, record in source.records():
            for position, item in export_items(record_position, record, list_names):
                try:
                    observations += parse(position, item, traces)
                except (ShapeError, ValueError, TypeError, AttributeError) as error:
                    source.add_problem(position, str(error))
        yield from read_observations(source, format, observations, traces)

    return read_export


def export_items(position: str, record: Any, list_names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield the items of an export with their positions: those of a list in a field of `list_names`, or the record."""
    for name in list_names if isinstance(record, Mapping) else ():
        if isinstance(items := record.get(name), list) and items and isinstance(items[0], Mapping):
            yield from ((join_positions(position, f"{name}[{index}]"), item) for index, item in enumerate(items))
            return
    yield position, record


def export_score(is_record: Callable[[Any], bool], *list_names: str) -> Callable[[Sample], int]:
    """Return a score that is sure when the first record of an export is of the format."""

    def score_export(sample: Sample) -> int:
        record = sample.record if sample.container == "json" else {}
        _, item = next(export_items("", record, list_names))
        return SURE + 5 if item and is_record(item) else 0

    return score_export


def object_of(value: Any) -> Mapping[str, Any]:
    """Return an object, also one written as JSON text; an empty one for any other value."""
    value = structured(value)
    return value if isinstance(value, Mapping) else EMPTY_DICT


def first_text(*values: Any) -> str:
    """Return the first text that is not empty; "" without one."""
    return next((value for value in values if isinstance(value, str) and value), "")


def conversation_id(*objects: Mapping[str, Any]) -> str:
    """Return the id of the session or thread in metadata, under the usual names; "" without one."""
    return first_text(
        *(fields.get(name) for fields in objects for name in ("session_id", "thread_id", "conversation_id"))
    )
