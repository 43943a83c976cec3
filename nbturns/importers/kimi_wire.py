"""The records of a `wire.jsonl`: of Kimi CLI a message with a type and a payload, of Kimi Code a type and fields.

Sources: see `kimi.py` and `kimi_steps.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .kimi_steps import StepReader, usage_of
from .kit.faults import unknown_value
from .kit.record_fields import expect, object_or_empty, omit, text_or_empty
from .kit.source import Source
from .kit.transcript import Transcript

CLI_TYPES = frozenset(
    {"TurnBegin", "TurnEnd", "SteerInput", "StepBegin", "StepInterrupted", "StepRetry", "ContentPart", "ToolCall"}
    | {"ToolCallPart", "ToolResult", "StatusUpdate", "SubagentEvent", "CompactionBegin", "CompactionEnd", "PlanDisplay"}
    | {"ApprovalRequest", "ApprovalResponse", "ApprovalRequestResolved", "ToolCallRequest", "QuestionRequest"}
    | {"Notification", "HookTriggered", "HookResolved", "HookRequest", "BtwBegin", "BtwEnd", "MCPLoadingBegin"}
    | {"MCPLoadingEnd"}
)
CODE_FAMILIES = frozenset(
    {
        "config",
        "turn",
        "context",
        "usage",
        "full_compaction",
        "micro_compaction",
        "permission",
        "plan_mode",
        "swarm_mode",
    }
    | {"tools", "goal", "background", "llm", "forked", "subagent", "hook", "mcp", "session"}
)
CODE_MARKS = frozenset(
    {"config.update", "turn.prompt", "context.append_loop_event", "context.append_message", "usage.record"}
)
CONTENT_NAMES = ("part", "name", "args", "result", "usage", "finishReason", "model")
CONTENT_TYPES = ("TurnBegin", "ContentPart", "ToolCall", "ToolResult")


def is_wire_record(value: Any) -> bool:
    """Return True for a record of a wire of Kimi CLI or Kimi Code."""
    if not isinstance(value, Mapping):
        return False
    message = value.get("message")
    is_cli = isinstance(message, Mapping) and "timestamp" in value and text_or_empty(message.get("type")) in CLI_TYPES
    return is_cli or text_or_empty(value.get("type")) in CODE_MARKS


def has_content(values: Iterable[Any]) -> bool:
    """Return True if one of the records has a part of the conversation."""
    for value in values:
        message = value.get("message") if isinstance(value, Mapping) else None
        if isinstance(message, Mapping) and message.get("type") in CONTENT_TYPES and message.get("payload"):
            return True
        if isinstance(value, Mapping) and text_or_empty(value.get("type")) in CODE_MARKS - {"config.update"}:
            return True
    return False


class WireReader:
    """Gives each record to the conversation that it is of: "" is that of the session, the others are subagents."""

    def __init__(self, source: Source, format: str, key: str) -> None:
        self.source: Source = source
        self.format: str = format
        transcript = Transcript(source.notes(format))
        transcript.key = key or transcript.key
        self.key: str = transcript.key
        self.main: StepReader = StepReader(transcript)
        self.threads: dict[str, StepReader] = {"": self.main}
        self.child_ids: dict[str, str] = {}  # the subagent that a tool call started
        self.parent_calls: dict[str, str] = {}
        self.states: list[Any] = []  # records that say nothing of the conversation
        self.cwd: str = ""

    def read_record(self, position: str, record: Any) -> None:
        value = expect(record, dict, "")
        message = value.get("message")
        if isinstance(message, Mapping) and value.get("type") != "context.append_message":
            payload = object_or_empty(message.get("payload"), "payload")
            self.read_event(self.main, position, text_or_empty(message.get("type")), payload, value)
        else:
            self.read_code_record(position, value)

    # Kimi CLI.

    def read_event(
        self, steps: StepReader, position: str, event_type: str, payload: Mapping[str, Any], record: Mapping[str, Any]
    ) -> None:
        time = record.get("timestamp")
        if event_type in ("TurnBegin", "SteerInput") and "user_input" in payload:
            steps.add_prompt(position, payload["user_input"], time, omit(payload, "user_input"))
        elif event_type == "StepBegin":
            steps.begin_step(position, time)
        elif event_type == "ContentPart" and payload:
            steps.open_step(position, time).add_part(payload)
        elif event_type == "ToolCall" and payload:
            function = object_or_empty(payload.get("function"), "function")
            call = {"id": payload.get("id"), "name": function.get("name"), "input": function.get("arguments")}
            steps.open_step(position, time).add_part(
                {"type": "tool_use", **call, **omit(payload, "type", "id", "function")}
            )
        elif event_type == "ToolCallPart":
            steps.open_step(position, time).add_arguments(payload.get("arguments_part"))
        elif event_type == "ToolResult" and payload:
            steps.open_step(position, time).add_result(payload, time)
        elif event_type == "StatusUpdate" and payload.get("token_usage"):
            step = steps.open_step(position, time)
            step.counts = object_or_empty(payload["token_usage"], "token_usage")
            step.fields |= omit(payload, "token_usage")
        elif event_type == "StepInterrupted":
            steps.open_step(position, time).stop_reason = "interrupted"
            steps.end_step()
        elif event_type == "CompactionEnd":
            steps.compact(position, "", None, time, {})
            self.states.append(record)
        elif event_type == "SubagentEvent":
            self.read_subagent_event(position, payload, record)
        else:
            self.keep(record, event_type if event_type not in CLI_TYPES else "")

    def read_subagent_event(self, position: str, payload: Mapping[str, Any], record: Mapping[str, Any]) -> None:
        call_id = text_or_empty(payload.get("parent_tool_call_id")) or text_or_empty(payload.get("task_tool_call_id"))
        thread = text_or_empty(payload.get("agent_id")) or call_id
        event = object_or_empty(payload.get("event"), "event")
        if not thread:
            self.keep(record, "")
            return
        if thread not in self.threads:
            transcript = Transcript(self.source.notes(self.format, f"subagent {thread}"))
            transcript.key = self.key
            self.threads[thread] = StepReader(transcript, f"{thread}/")
        if call_id:
            self.child_ids[call_id] = f"{self.key}/{thread}"
            self.parent_calls.setdefault(thread, call_id)
        inner_payload = object_or_empty(event.get("payload"), "payload")
        self.read_event(self.threads[thread], position, text_or_empty(event.get("type")), inner_payload, record)

    # Kimi Code.

    def read_code_record(self, position: str, record: Mapping[str, Any]) -> None:
        record_type, time, steps = text_or_empty(record.get("type")), record.get("time"), self.main
        if record_type == "config.update":
            steps.model = text_or_empty(record.get("modelAlias")) or steps.model
            self.cwd = text_or_empty(record.get("cwd")) or self.cwd
            prompt = text_or_empty(record.get("systemPrompt"))
            if prompt:
                steps.add_prompt(position, prompt, time, {}, "system")
            self.states.append(omit(record, "systemPrompt"))
        elif record_type in ("turn.prompt", "turn.steer"):
            steps.add_prompt(position, record.get("input"), time, omit(record, "type", "time", "input"))
        elif record_type == "context.append_message":
            self.append_message(position, record, time)
        elif record_type == "context.append_loop_event":
            self.read_loop_event(position, object_or_empty(record.get("event"), "event"), time)
        elif record_type == "usage.record":
            self.add_usage(position, record)
        elif record_type == "context.apply_compaction":
            summary = record.get("contextSummary") or record.get("summary")
            fields = omit(record, "type", "time", "summary", "contextSummary")
            steps.compact(position, text_or_empty(summary), record.get("compactedCount"), time, fields)
        elif record_type in ("context.clear", "context.undo"):
            steps.undo(record.get("count")) if record_type == "context.undo" else steps.begin_context([])
            self.states.append(record)
        else:
            is_known = record_type in ("metadata", "hello") or record_type.partition(".")[0] in CODE_FAMILIES
            self.keep(record, "" if is_known else record_type)

    def append_message(self, position: str, record: Mapping[str, Any], time: Any) -> None:
        message = object_or_empty(record.get("message"), "message")
        role = "user" if message.get("role") not in ("user", "assistant", "system") else str(message["role"])
        fields = omit(message, "role", "content")
        if not self.main.add_prompt(position, message.get("content"), time, fields, role):
            self.states.append({**omit(record, "message"), "message": fields})  # the prompt has its content

    def read_loop_event(self, position: str, event: Mapping[str, Any], time: Any) -> None:
        event_type, steps = event.get("type"), self.main
        if event_type == "step.begin":
            steps.begin_step(position, time)
        step = steps.open_step(position, time)
        step.fields.setdefault("events", []).append({**omit(event, *CONTENT_NAMES), "time": time})
        if event_type == "content.part":
            step.add_part(object_or_empty(event.get("part"), "part"))
        elif event_type == "tool.call":
            call = {"id": event.get("toolCallId"), "name": event.get("name"), "input": event.get("args")}
            known_names = ("type", "uuid", "turnId", "step", "stepUuid", "toolCallId", "name", "args")
            step.add_part({**omit(event, *known_names), "type": "tool_use", **call})
        elif event_type == "tool.result":
            step.add_result(event, time)
        elif event_type == "step.end":
            step.counts = object_or_empty(event.get("usage"), "usage") or step.counts
            step.model = text_or_empty(event.get("model")) or step.model
            step.stop_reason = text_or_empty(event.get("finishReason"))
            step.fields |= {name: value for name, value in event.items() if name.startswith("llm")}
        elif event_type != "step.begin":
            self.keep(event, text_or_empty(event_type))

    def add_usage(self, position: str, record: Mapping[str, Any]) -> None:
        """Take the tokens of a call: those of the step, which has them already, or of a call that left no message."""
        steps, counts = self.main, object_or_empty(record.get("usage"), "usage")
        model = text_or_empty(record.get("model"))
        step = steps.step
        if step is not None and (not step.counts or usage_of(step.counts) == usage_of(counts)):
            step.counts, step.model = step.counts or counts, step.model or model
            step.fields["usage.record"] = omit(record, "usage", "type")
            return
        steps.calls_without_blocks.append(
            steps.transcript.inference_result(
                id=position, model=model or steps.model or None, usage=usage_of(counts), extra=record
            )
        )

    def keep(self, record: Mapping[str, Any], unknown_type: str) -> None:
        if unknown_type:
            self.main.transcript.unknown(unknown_value("type", unknown_type))
        self.states.append(record)
