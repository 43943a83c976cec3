"""Other agents as Runs while they run, by the client that they use or by their spans; and sessions as spans."""

from __future__ import annotations

from typing import Any

from .captured import Captured as Captured
from .span_sink import SpanSink as SpanSink
from .span_sink import otel as otel


def capture(client: Any = None) -> Captured:
    """Capture the model calls of a client, or without one the spans of OpenTelemetry of this process, as Runs.

    `client` is one of `openai`, `anthropic`, `google-genai`, `httpx` or `httpx2`, or a tracer provider. Use the result
    in a `with`, or call its `stop()`. The Runs are in `.runs` while the agent is running.
    Raises MisuseError for another value, MissingPackageError without the package opentelemetry-sdk.
    """
    if client is None or hasattr(client, "add_span_processor"):
        from .span_capture import capture_spans

        return capture_spans(client)
    from .client_capture import capture_client

    return capture_client(client)


__all__ = ["Captured", "SpanSink", "capture", "otel"]
