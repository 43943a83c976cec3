"""Copilot CLI's sessions: the events of `~/.copilot/session-state/…/events.jsonl`.

`assistant.message` has a text and the tool calls of one model call; arguments and results are in the events of the
tool (`tool.execution_start`, `tool.execution_complete`). Events with a `parentToolCallId` are those of a subagent. Other
events are kept in the Run's metadata, `session.shutdown` with its counts of the whole session among them. `workspace.yaml`
in the same folder has the directory and the name of the session, and is not read. Source: github/copilot-sdk at
cc0438d66e3e, nodejs/src/generated/session-events.ts (events and their fields) and go/internal/e2e/session_fs_e2e_test.go
(`workspace.yaml`); jayparikh/agentviz at 33cb8c340e51, src/lib/copilotCliParser.ts and its fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.provenance import BRANCH_OF, PARENT_TOOL_CALL
from ..values.turns import Kind, Run
from .kit.importer import SURE, Importer, try_read_all
from .kit.links import link_runs, mark_children
from .kit.record_fields import expect, object_or_empty, objects, omit, omit_empty, text_or_empty, to_number, token_usage
from .kit.sample import Sample
from .kit.source import Source
from .kit.transcript import Transcript

FORMAT = "copilot-cli"
OWN_TYPES = ("session.start", "user.message", "assistant.message", "tool.execution_start", "tool.execution_complete")
COUNT_NAMES = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")


def _is_event(value: Mapping[str, Any]) -> bool:
    return value.get("type") in OWN_TYPES and isinstance(value.get("data"), Mapping)


def score_copilot_cli(sample: Sample) -> int:
    """Return a score higher than SURE for the events of a session."""
    records = sample.records if sample.container == "json" else []
    return SURE + 6 if any(map(_is_event, records)) else 0


def read_session(source: Source) -> Iterator[Run]:
    """Yield the conversation of a session, then that of each subagent."""
    yield from try_read_all(source, "", lambda: _SessionReader(source).runs())


class _SessionReader:
    """Gives each event to the conversation that it is of, by the tool call that started it; "" is the first one."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.transcripts: dict[str, Transcript] = {}
        self.owners: dict[str, str] = {}  # the conversation that has a tool call
        self.arguments: dict[str, Any] = {}
        self.models: dict[str, str] = {}
        self.session: dict[str, Any] = {}
        self.other_events: list[Any] = []

    def runs(self) -> list[Run]:
        events = list(self.source.records())
        for _, event in events:
            data = event.get("data") if isinstance(event, Mapping) else None
            if isinstance(data, Mapping) and event.get("type") == "tool.execution_start":
                self.arguments[str(data.get("toolCallId"))] = data.get("arguments")
        self.transcript_of("")
        for position, event in events:
            data = event.get("data") if isinstance(event, Mapping) else None
            transcript = self.transcript_of(self.thread_of(data if isinstance(data, Mapping) else {}))
            transcript.read_record(position, event, self.read_event)
        session_id = text_or_empty(self.session.get("sessionId"))
        child_ids = {call_id: f"{session_id}/{call_id}" for call_id in self.transcripts if call_id}
        runs = []
        for call_id, transcript in self.transcripts.items():
            mark_children(transcript.blocks, child_ids)
            metadata = {PARENT_TOOL_CALL.name: call_id, BRANCH_OF.name: session_id if call_id else ""}
            fields = {} if call_id else {"session": self.session, "events": self.other_events}
            run_id = child_ids.get(call_id, session_id)
            time = None if call_id else self.session.get("startTime")
            runs.append(transcript.to_run(id=run_id, time=time, extra_fields=fields, metadata=metadata))
        return link_runs(runs)

    def thread_of(self, data: Mapping[str, Any]) -> str:
        """Return the tool call that started the conversation of an event; "" for the first one."""
        parent_id = text_or_empty(data.get("parentToolCallId"))
        return parent_id or self.owners.get(str(data.get("toolCallId")), "")

    def transcript_of(self, thread: str) -> Transcript:
        if thread not in self.transcripts:
            transcript = Transcript(self.source.notes(FORMAT, thread and f"subagent {thread}"))
            transcript.key = text_or_empty(self.session.get("sessionId")) or transcript.key
            self.transcripts[thread] = transcript
        return self.transcripts[thread]

    def read_event(self, record: Any) -> None:
        event = expect(record, dict, "")
        data = object_or_empty(event.get("data"), "data")
        thread, event_type = self.thread_of(data), event.get("type")
        transcript, time = self.transcript_of(thread), event.get("timestamp")
        extra_fields = omit(event, "type", "data", "timestamp")
        if event_type == "session.start":
            self.session = dict(data)
            transcript.key = text_or_empty(data.get("sessionId")) or transcript.key
            self.models[""] = text_or_empty(data.get("selectedModel"))
            self.other_events.append(event)
        elif event_type == "user.message":
            text = expect(data.get("content"), str, "content")
            data_fields = omit(data, "content")
            if data_fields.get("transformedContent") == text:
                del data_fields["transformedContent"]
            extra_fields |= omit_empty(data_fields)
            transcript.add_block(Kind.USER, {"text": text}, "user", time=time, extra_fields=extra_fields)
        elif event_type == "assistant.message":
            self.add_reply(transcript, thread, data, time, extra_fields)
        elif event_type == "tool.execution_complete":
            self.add_result(transcript, data, time, extra_fields)
        elif event_type == "system.message" and isinstance(data.get("content"), str):
            transcript.add_block(Kind.SYSTEM, {"text": data["content"]}, "system", time=time, extra_fields=extra_fields)
        else:
            if event_type == "session.model_change":
                self.models[thread] = text_or_empty(data.get("newModel")) or self.models.get(thread, "")
            self.other_events.append(event)

    def add_reply(
        self, transcript: Transcript, thread: str, data: Mapping[str, Any], time: Any, extra: dict[str, Any]
    ) -> None:
        requests, first_block = objects(data.get("toolRequests"), "toolRequests"), len(transcript.blocks)
        text, reasoning = text_or_empty(data.get("content")), text_or_empty(data.get("reasoningText"))
        result = self.call_result(transcript, thread, data, bool(requests))
        if reasoning:
            transcript.add_block(Kind.REASONING, {"text": reasoning}, result=result, time=time)
        if text or not (requests or reasoning):
            transcript.add_block(Kind.LLM_TEXT, {"text": text}, "assistant", result=result, time=time)
        for request in requests:
            call_id = request.get("toolCallId")
            arguments = request.get("arguments", self.arguments.get(str(call_id)))
            request_fields = omit(request, "toolCallId", "name", "arguments")
            call = (call_id, request.get("name"), arguments)
            self.owners[str(call_id)] = thread
            transcript.add_call(*call, result=result, time=time, extra_fields=request_fields)
        known_names = ("content", "toolRequests", "reasoningText", "parentToolCallId", "model", *COUNT_NAMES)
        transcript.add_extra_fields(first_block, extra | omit(data, *known_names))

    def call_result(
        self, transcript: Transcript, thread: str, data: Mapping[str, Any], pending: bool
    ) -> InferenceResult:
        input_tokens, output_tokens, cache_read, cache_write = (to_number(data.get(name)) for name in COUNT_NAMES)
        return transcript.inference_result(
            id=text_or_empty(data.get("messageId")),
            model=text_or_empty(data.get("model")) or self.models.get(thread) or None,
            pending=pending,
            usage=token_usage(
                input_tokens, output_tokens, cache_read_tokens=cache_read, cache_write_tokens=cache_write
            ),
        )

    def add_result(self, transcript: Transcript, data: Mapping[str, Any], time: Any, extra: dict[str, Any]) -> None:
        result = data.get("result")
        value = result.get("content") if isinstance(result, Mapping) else result
        result_fields = omit(result, "content") if isinstance(result, Mapping) else {}
        error = data.get("error")
        message = error.get("message") if isinstance(error, Mapping) else error
        error_text = ""
        if data.get("success") is False or error:
            error_text = message if isinstance(message, str) and message else str(value or "the tool failed")
        extra |= omit(data, "toolCallId", "result", "error", "success", "parentToolCallId")
        extra |= omit_empty(error=omit(error, "message") if isinstance(error, Mapping) else None)
        extra |= omit_empty(result=result_fields)
        transcript.add_result(data.get("toolCallId"), value, error_text, time=time, extra_fields=extra)


IMPORTER = Importer(FORMAT, score_copilot_cli, read_session)
