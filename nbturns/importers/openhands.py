"""OpenHands' event streams: `output.jsonl` of an evaluation, and trajectories that are saved or downloaded.

An event is an action (somebody wants something) or an observation (what came of it, whose `cause` is the
action). Those of the model carry the model's whole reply, so its words, its calls with their exact
arguments, and its tokens are read from there. Events that are nobody's message (`recall`, a change of
state) are `other` blocks. Source: OpenHands' `openhands/events` and its evaluation output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import InferenceResult
from ..turns import Kind, Run
from .faults import missing_field
from .importer import SURE, Importer
from .listed import list_reader
from .record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    omit,
    omit_empty,
    optional_text,
    to_number,
    token_usage,
)
from .report import Notes
from .source import Sample
from .transcript import Transcript

FORMAT = "openhands"
THOUGHT = ("thought", "final_thought")


def is_event(value: Any) -> bool:
    """Whether this is an action or an observation."""
    if not isinstance(value, Mapping) or not isinstance(value.get("source", ""), str):
        return False
    if isinstance(value.get("action"), str) and isinstance(value.get("args"), Mapping):
        return True
    return isinstance(value.get("observation"), str) and "content" in value and "extras" in value


def is_history(value: Any) -> bool:
    """Whether this is a line of `output.jsonl`, or a list of events."""
    history = value.get("history") if isinstance(value, Mapping) else value
    return isinstance(history, list) and any(is_event(event) for event in _flat(history[:4]))


def _flat(history: list[Any]) -> list[Any]:
    """The events; in older files pairs of an action and its observation."""
    return [event for one in history for event in (one if isinstance(one, list) else [one])]


def read_one(value: Any, notes: Notes) -> Run:
    """One stream of events as a Run: a Turn per message of the user's."""
    if is_event(value):
        value = [value]
    history = value.get("history") if isinstance(value, Mapping) else value
    if not isinstance(history, (list, tuple)):
        raise notes.load_error("", "a trajectory of OpenHands has a history of events")
    reader = _Reader(Transcript(notes))
    events = _flat(list(history))
    reader.answered = {str(event.get("cause")) for event in events if isinstance(event, Mapping) and "cause" in event}
    reader.transcript.read_records("history", events, reader.event)
    other_fields = omit(value, "history") if isinstance(value, Mapping) else {}
    id = other_fields.get("instance_id")
    return reader.transcript.to_run(name=id if isinstance(id, str) else "", extra_fields=other_fields)


class _Reader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.replies: set[str] = set()  # of which the words were written
        self.calls: dict[str, str] = {}  # id of an action → id of its call
        self.made: set[str] = set()  # ids of calls
        self.answered: set[str] = set()  # ids of actions

    def event(self, raw: Any) -> None:
        event = expect(raw, dict, "")
        if "observation" in event:
            self.observation(event)
        elif "action" in event:
            self.action(event, object_or_empty(event.get("args"), "args"))
        else:
            self.transcript.add_unknown(event, missing_field("action", event))

    def action(self, event: dict[str, Any], args: dict[str, Any]) -> None:
        transcript, name, source, time = self.transcript, event["action"], event.get("source"), event.get("timestamp")
        extra_fields = omit(event, "action", "args", "timestamp", "source", "message", "tool_call_metadata")
        if (name in ("system", "message") and source != "agent") or name == "system":
            kind = Kind.SYSTEM if name == "system" else Kind.USER
            text = expect(args.get("content", event.get("message")), str, "content")
            images = [
                {"url": url} for url in list_or_empty(args.get("image_urls"), "image_urls") if isinstance(url, str)
            ]
            more = omit_empty(args=omit(args, "content", "image_urls"), source=source)
            transcript.add(
                kind, {"text": text} | omit_empty(images=images), str(kind), time=time, extra_fields=extra_fields | more
            )
        elif event.get("tool_call_metadata") is not None:
            self.call(event, args, extra_fields)
        elif name == "message":
            text = expect(args.get("content", event.get("message")), str, "content")
            result = self.result({}, event, pending=False)
            more = omit_empty(args=omit(args, "content"))
            transcript.add(
                Kind.LLM_TEXT, {"text": text}, "assistant", time=time, result=result, extra_fields=extra_fields | more
            )
        elif source == "agent" and (name in ("run", "run_ipython", "finish", "reject", "delegate") or self._ran(event)):
            self.text_call(event, args, extra_fields)
        else:
            transcript.add_other(event)

    def _ran(self, event: Mapping[str, Any]) -> bool:
        return event.get("action") not in ("recall", "change_agent_state", "null", "condensation") and (
            str(event.get("id")) in self.answered
        )

    def call(self, event: dict[str, Any], args: dict[str, Any], extra_fields: dict[str, Any]) -> None:
        """A call of the model, in its reply's own words."""
        transcript, time = self.transcript, event.get("timestamp")
        about = expect(event["tool_call_metadata"], dict, "tool_call_metadata")
        reply = object_or_empty(about.get("model_response"), "model_response")
        message = _message(reply)
        id = optional_text(about.get("tool_call_id"), "tool_call_id")
        result = self.result(reply, event, pending=True)
        key = reply.get("id") if isinstance(reply.get("id"), str) else transcript.position
        assert isinstance(key, str)
        if key not in self.replies:
            self.replies.add(key)
            thought = message.get("reasoning_content")
            if isinstance(thought, str) and thought:
                transcript.add(Kind.REASONING, {"text": thought}, result=result, time=time)
            text = message.get("content") or next((args[name] for name in THOUGHT if args.get(name)), None)
            if isinstance(text, str) and text:
                transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", result=result, time=time)
            extra_fields["tool_call_metadata"] = omit(about, "function_name", "tool_call_id")
        written = next((function for one, function in _calls(message) if one == id), None)
        given = args if written is None else written.get("arguments")
        extra_fields |= omit_empty(
            source=event.get("source"), message=event.get("message"), action=event["action"], args=args
        )
        name = about.get("function_name") or event["action"]
        made = transcript.add_call(id, name, given, result=result, time=time, extra_fields=extra_fields)
        self.calls[str(event.get("id"))] = made
        self.made.add(made)

    def text_call(self, event: dict[str, Any], args: dict[str, Any], extra_fields: dict[str, Any]) -> None:
        """An action that the model wrote as text, in times before calls: it is known by the id of its event."""
        transcript, time = self.transcript, event.get("timestamp")
        result = self.result({}, event, pending=True)
        if isinstance(args.get("thought"), str) and args["thought"]:
            transcript.add(Kind.LLM_TEXT, {"text": args["thought"]}, "assistant", result=result, time=time)
        extra_fields |= omit_empty(source=event.get("source"), message=event.get("message"))
        id = f"event-{event.get('id', transcript.position)}"
        name = expect(event["action"], str, "action")
        self.calls[str(event.get("id"))] = transcript.add_call(
            id, name, omit(args, "thought"), result=result, time=time, extra_fields=extra_fields
        )

    def observation(self, event: dict[str, Any]) -> None:
        about = object_or_empty(event.get("tool_call_metadata"), "tool_call_metadata")
        id = about.get("tool_call_id") or self.calls.get(str(event.get("cause")))
        if id is None:
            self.transcript.add_other(event)
            return
        content = event.get("content")
        failed = event.get("observation") == "error"
        error = (content if isinstance(content, str) and content else "it failed") if failed else ""
        extra_fields = omit(event, "content", "timestamp", "tool_call_metadata")
        if about and id not in self.made:  # else it is the action's, word for word
            extra_fields["tool_call_metadata"] = about
        self.transcript.add_result(
            id, None if error else content, error, time=event.get("timestamp"), extra_fields=extra_fields
        )

    def result(self, reply: Mapping[str, Any], event: Mapping[str, Any], *, pending: bool) -> InferenceResult:
        """The model call behind an action; the metrics of its event are of all calls so far."""
        counts = object_or_empty(reply.get("usage"), "usage")
        read = object_or_empty(counts.get("prompt_tokens_details"), "prompt_tokens_details")
        wrote = object_or_empty(counts.get("completion_tokens_details"), "completion_tokens_details")
        choice = _choice(reply)
        id = optional_text(reply.get("id"), "id") or ""
        return self.transcript.inference_result(
            id=id,
            model=reply.get("model"),
            response_id=id,
            stop_reason=choice.get("finish_reason"),
            pending=pending,
            usage=token_usage(
                counts.get("prompt_tokens"),
                counts.get("completion_tokens"),
                cached=read.get("cached_tokens"),
                reasoning=wrote.get("reasoning_tokens"),
            ),
            duration_ms=self._latency(event, id),
        )

    def _latency(self, event: Mapping[str, Any], id: str) -> int | None:
        metrics = event.get("llm_metrics")
        listed = metrics.get("response_latencies") if isinstance(metrics, Mapping) else None
        for one in reversed(listed if isinstance(listed, list) else []):
            if isinstance(one, Mapping) and one.get("response_id") == id and id:
                seconds = to_number(one.get("latency"))
                return None if seconds is None else round(seconds * 1000)
        return None


def _choice(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = reply.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    return first if isinstance(first, Mapping) else {}


def _message(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    message = _choice(reply).get("message")
    return message if isinstance(message, Mapping) else {}


def _calls(message: Mapping[str, Any]) -> list[tuple[Any, Mapping[str, Any]]]:
    listed = message.get("tool_calls")
    calls = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    functions = [(call.get("id"), call.get("function")) for call in calls]
    return [(id, function) for id, function in functions if isinstance(function, Mapping)]


def score(sample: Sample) -> int:
    """Sure of a history of actions and observations, and of a list of them."""
    if sample.container != "json":
        return 0
    return SURE if any(is_event(one) or is_history(one) for one in sample.records) else 0


IMPORTER = Importer(FORMAT, score, list_reader(FORMAT, is_event, read_one))
