"""The card of a failed model call: the error, its attempts, and the settings to retry with."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ...engines.parameters.schema import CLIENT, ENGINE
from ...engines.provider_engine import ProviderEngine
from ...errors import EngineError, LimitReached, MisuseError, message_of
from ...events import InferenceFinished
from ...render.annotations import turn_ending
from ...render.text import visible
from ...runtime.execution import Execution
from ...runtime.retries import FAILURES
from ...values.secret_text import without_secrets

MAX_ATTEMPTS = 10
MAX_MESSAGE = 2_000
MAX_PARAMS = 20
MAX_NAME_LENGTH = 200
SUGGESTED_PARAMS = ("temperature", "max_tokens", "top_p", "seed")


def failure_card(execution: Execution, *, can_retry: bool) -> dict[str, Any] | None:
    """Return the failure of an execution as plain data; None if it did not fail."""
    ending = turn_ending(execution.turn)
    if ending is None or execution.status not in ("failed", "stopped"):
        return None
    error = execution.error
    card: dict[str, Any] = {
        "state": ending["state"],
        "title": ending["text"],
        "blocks": len(execution.turn),
        "can_retry": can_retry,
    }
    if isinstance(error, LimitReached):
        card["limit"] = execution.limit
    if error is not None:
        card["type"] = type(error).__name__
        card["message"] = visible(without_secrets(message_of(error))[:MAX_MESSAGE])
    if isinstance(error, EngineError):
        if error.status is not None:
            card["status"] = error.status
        if error.request_id:
            card["request_id"] = visible(without_secrets(error.request_id)[:200])
    if ending["state"] == "failed":
        card |= {"attempts": _attempts(execution), "call": len(execution.turn.inferences)}
    return card


def _attempts(execution: Execution) -> list[dict[str, Any]]:
    """Return the last model calls that failed in a row: their time, how long they took, and the error."""
    attempts: list[dict[str, Any]] = []
    for event in reversed(execution.events):
        if not isinstance(event, InferenceFinished):
            continue
        if event.result.finish_class not in FAILURES or len(attempts) == MAX_ATTEMPTS:
            break
        record = event.result.error if isinstance(event.result.error, Mapping) else {}
        attempts.append(
            {
                "at": f"{datetime.fromtimestamp(event.at, UTC).astimezone():%H:%M:%S}",
                "ms": event.result.duration_ms,
                "model": visible(event.result.model),
                "text": visible(without_secrets(str(record.get("message") or event.result.stop_reason))[:300]),
            }
        )
    return attempts[::-1]


def engine_label(engine: Any) -> str:
    """Return the name of an engine for a page, like openai:gpt-5."""
    if isinstance(engine, ProviderEngine):
        return visible(f"{engine.provider.name}:{engine.model}")
    return visible(getattr(engine, "__name__", None) or type(engine).__name__)


def retry_settings(session: Any) -> dict[str, Any]:
    """Return what a page offers to retry with: the engine of the session, others of its branches, and parameters."""
    engine = session.engine
    params = engine.params if isinstance(engine, ProviderEngine) else {}
    engines = {
        engine_label(node.session.engine) for node in session.tree if isinstance(node.session.engine, ProviderEngine)
    }
    return {
        "engine": engine_label(engine),
        "engines": sorted(engines - {engine_label(engine)}),
        "takes_params": isinstance(engine, ProviderEngine),
        "params": [[name, "" if params.get(name) is None else str(params[name])] for name in SUGGESTED_PARAMS],
    }


def retry_arguments(session: Any, message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine and the parameters of `session.retry` from a page. Raises MisuseError for others.

    A page names providers and models; where requests are sent, and with which key, is not its choice.
    """
    arguments: dict[str, Any] = {}
    engine = message.get("engine")
    if engine and engine != engine_label(session.engine):
        if (
            not isinstance(engine, str)
            or ":" not in engine
            or "/" in engine.split(":", 1)[0]
            or len(engine) > MAX_NAME_LENGTH
        ):
            raise MisuseError(f"an engine is named provider:model, like openai:gpt-5, got {engine!r:.60}")
        arguments["engine"] = engine
    params = message.get("params") or {}
    if not isinstance(params, Mapping) or len(params) > MAX_PARAMS:
        raise MisuseError(f"parameters must be names with values, at most {MAX_PARAMS}")
    for name, value in params.items():
        if not isinstance(name, str) or name in CLIENT or name in ENGINE or name in ("engine", "at", "extra_body"):
            raise MisuseError(f"{name!r:.60} cannot be set here; use session.retry(...) in a cell")
        if value not in (None, ""):
            arguments[name] = _param(name, value)
    return arguments


def _param(name: str, value: Any) -> Any:
    if isinstance(value, (bool, int, float)):
        return value
    text = str(value).strip()[:MAX_NAME_LENGTH]
    if name in ("temperature", "top_p"):
        return _number(name, text, float)
    if name in ("max_tokens", "seed"):
        return _number(name, text.replace(",", ""), int)
    return text


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise MisuseError(f"{name} must be a number, got {text!r:.40}") from None


__all__ = ["engine_label", "failure_card", "retry_arguments", "retry_settings"]
