"""The processors that hand spans and log records to captures: one for each provider, which keeps it for ever."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

MAX_ATTRIBUTES = 1 << 16  # of a span; OpenInference has several for each message, and the SDK drops all after 128

_captures_by_provider: WeakKeyDictionary[Any, list[Any]] = WeakKeyDictionary()


def process_provider(signal: str) -> Any:
    """Return the provider of the process for "trace" or "_logs"; the first use sets one."""
    api = import_module(f"opentelemetry.{signal}")
    if signal == "trace":
        provider = api.get_tracer_provider()
        if not hasattr(provider, "add_span_processor"):
            from opentelemetry.sdk.trace import SpanLimits, TracerProvider

            provider = TracerProvider(span_limits=SpanLimits(max_span_attributes=MAX_ATTRIBUTES))
            api.set_tracer_provider(provider)
        return provider
    provider = api.get_logger_provider()
    if not hasattr(provider, "add_log_record_processor"):
        from opentelemetry.sdk._logs import LoggerProvider

        provider = LoggerProvider()
        api.set_logger_provider(provider)
    return provider


def active_captures(provider: Any) -> list[Any]:
    """Return the list of captures that a provider of tracers or of loggers feeds."""
    if provider not in _captures_by_provider:
        captures: list[Any] = []
        if hasattr(provider, "add_span_processor"):
            provider.add_span_processor(_span_processor_class()(captures))
        else:
            provider.add_log_record_processor(_log_processor_class()(captures))
        _captures_by_provider[provider] = captures
    return _captures_by_provider[provider]


def leave(capture: Any) -> None:
    """Feed a capture no longer."""
    for captures in list(_captures_by_provider.values()):
        if capture in captures:
            captures.remove(capture)


def _hand_over(capture: Any, take: Callable[[Any], None], item: Any) -> None:
    """Hand over a span or a log record; nothing in a capture disturbs the agent."""
    try:
        take(item)
    except Exception as error:
        capture.keep_error(error)


@cache
def _span_processor_class() -> Any:
    from opentelemetry.sdk.trace import SpanProcessor

    class CaptureProcessor(SpanProcessor):
        """Hands spans to the captures of a list."""

        def __init__(self, captures: list[Any]) -> None:
            self.captures = captures

        def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 - of the interface
            for capture in tuple(self.captures):
                _hand_over(capture, capture.begin, span)

        def on_end(self, span: Any) -> None:
            for capture in tuple(self.captures):
                _hand_over(capture, capture.finish, span)

    return CaptureProcessor


@cache
def _log_processor_class() -> Any:
    from opentelemetry.sdk._logs import LogRecordProcessor

    class CaptureLogProcessor(LogRecordProcessor):
        """Hands log records to the captures of a list."""

        def __init__(self, captures: list[Any]) -> None:
            self.captures = captures

        def on_emit(self, log_record: Any) -> None:
            for capture in tuple(self.captures):
                _hand_over(capture, capture.emit, log_record.log_record)

        emit = on_emit  # its name before 1.35

        def enabled(self, **_: Any) -> bool:
            return bool(self.captures)

        def shutdown(self) -> None:
            """Do nothing: there is nothing to send."""

        def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002 - of the interface
            return True

    return CaptureLogProcessor
