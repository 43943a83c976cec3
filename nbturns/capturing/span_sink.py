"""The executions of a session as spans of OpenTelemetry, by the GenAI semantic conventions.

An execution is a span `invoke_agent`, with a span `chat` for each model call and `execute_tool` for each tool call.
Source: "Semantic conventions for generative AI" 1.38.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import MisuseError
from ..events import Ended, Event, InferenceFinished, InferenceStarted, Started, ToolFinished, ToolStarted
from ..packages import require
from ..values.inference_results import InferenceResult
from .genai_messages import prompt_attributes, reply_attributes, to_json


def otel(tracer_provider: Any = None, content: bool = False) -> SpanSink:
    """Return a sink that makes spans of the executions of a session: `nt.Session(…, sinks=[nt.otel()])`.

    `tracer_provider` is by default that of the process. With `content` the spans have the messages, the arguments
    and the results of tools. Raises MissingPackageError without the package opentelemetry-sdk.
    """
    require("opentelemetry.trace", extra="otel")
    from opentelemetry import trace

    if tracer_provider is not None and not hasattr(tracer_provider, "get_tracer"):
        raise MisuseError(f"nt.otel: expected a tracer provider, got {type(tracer_provider).__name__}")
    return SpanSink((tracer_provider or trace.get_tracer_provider()).get_tracer("nbturns"), content=content)


class SpanSink:
    """Begins and ends spans as the events of executions come."""

    def __init__(self, tracer: Any, *, content: bool) -> None:
        self.tracer = tracer
        self.content = content
        self._spans: dict[str, dict[tuple[str, str], Any]] = {}  # of each execution, by operation and id

    def __call__(self, event: Event) -> None:
        """Take an event of an execution."""
        match event:
            case Started():
                self._begin(event, "invoke_agent", "", {})
            case InferenceStarted(inference_id=inference_id, turn=turn):
                model = _engine_model(event)
                prompt = prompt_attributes(turn.blocks) if self.content and len(turn) else {}
                self._begin(event, "chat", inference_id, {"gen_ai.request.model": model, **prompt}, model)
            case InferenceFinished(result=result, blocks=blocks):
                attributes = result_attributes(result)
                if self.content:
                    attributes |= reply_attributes(blocks, result.stop_reason)
                self._end(event, "chat", result.inference_id, attributes, result.error)
            case ToolStarted(call=call):
                attributes = {"gen_ai.tool.name": call.name, "gen_ai.tool.call.id": call.tool_call_id}
                if self.content:
                    attributes["gen_ai.tool.call.arguments"] = to_json(call.payload.get("args", {}))
                attributes["gen_ai.tool.type"] = "function"
                self._begin(event, "execute_tool", call.tool_call_id, attributes, call.name)
            case ToolFinished(call=call, answer=answer):
                has_result = self.content and not answer.error
                result_attribute = {"gen_ai.tool.call.result": to_json(answer.result)} if has_result else {}
                failure = {"type": "tool_error", "message": answer.error} if answer.error else None
                self._end(event, "execute_tool", call.tool_call_id, result_attribute, failure)
            case Ended(status=status, error=error):
                self._end_all(event, {"type": status, "message": error} if status == "failed" else None)

    def _begin(self, event: Event, operation: str, id: str, attributes: Mapping[str, Any], name: str = "") -> None:
        from opentelemetry import trace

        spans = self._spans.setdefault(event.execution_id, {})
        parent = spans.get(("invoke_agent", ""))
        session_id = getattr(getattr(event.execution, "session", None), "id", "")
        attributes = {"gen_ai.operation.name": operation, "gen_ai.conversation.id": session_id, **attributes}
        spans[operation, id] = self.tracer.start_span(
            f"{operation} {name}".strip(),
            context=trace.set_span_in_context(parent) if parent is not None else None,
            kind=trace.SpanKind.CLIENT if operation == "chat" else trace.SpanKind.INTERNAL,
            attributes={name: value for name, value in attributes.items() if value != ""},
            start_time=_nanoseconds(event),
        )

    def _end(self, event: Event, operation: str, id: str, attributes: Mapping[str, Any], failure: Any) -> None:
        from opentelemetry import trace

        span = self._spans.get(event.execution_id, {}).pop((operation, id), None)
        if span is None:
            return
        span.set_attributes(attributes)
        if failure:
            span.set_attribute("error.type", str(failure.get("type", "error")))
            message = str(failure.get("message", "")) if self.content else str(failure.get("type", "error"))
            span.set_status(trace.StatusCode.ERROR, message)
        span.end(end_time=_nanoseconds(event))

    def _end_all(self, event: Event, failure: Any) -> None:
        """End the span of an execution, and before it those of calls that were interrupted."""
        for operation, id in reversed(tuple(self._spans.get(event.execution_id, {}))):
            interrupted = {"type": "interrupted", "message": "the execution ended before the call"}
            self._end(event, operation, id, {}, failure if operation == "invoke_agent" else interrupted)
        self._spans.pop(event.execution_id, None)


def result_attributes(result: InferenceResult) -> dict[str, Any]:
    """Return the attributes of the result of a model call; what is unknown is left out."""
    attributes: dict[str, Any] = {
        "gen_ai.provider.name": result.provider,
        "gen_ai.response.model": result.model,
        "gen_ai.response.id": result.response_id,
        "gen_ai.response.finish_reasons": [result.stop_reason] if result.stop_reason else "",
        "gen_ai.request.max_tokens": "" if result.max_tokens is None else result.max_tokens,
        "operation.cost": result.cost if result.cost is not None and result.cost_source == "provider" else "",
    }
    if (usage := result.usage) is not None:
        attributes |= {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens or "",
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_creation_input_tokens or "",
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or "",
        }
    return {name: value for name, value in attributes.items() if value != ""}


def _engine_model(event: Event) -> str:
    """Return the model of the engine of an execution; "" for an engine without one."""
    model = getattr(getattr(getattr(event.execution, "session", None), "engine", None), "model", "")
    return model if isinstance(model, str) else ""


def _nanoseconds(event: Event) -> int:
    return round(event.at * 1e9)
