"""Remove secrets from the log records of HTTP packages, which log addresses, of official clients, and of ours."""

from __future__ import annotations

import logging
import weakref
from typing import Any

from ...safety.secret_texts import without_texts

LOGGERS = (
    "nbturns.engines",
    "httpx",
    "httpx2",
    "openai._base_client",
    "openai._response",
    "openai._legacy_response",
    "anthropic._base_client",
    "anthropic._response",
    "anthropic._legacy_response",
    *(f"{name}.{part}" for name in ("httpcore", "httpcore2") for part in ("http11", "http2", "connection", "proxy")),
)
_FORMATTER = logging.Formatter()
_engines: weakref.WeakSet[Any] = weakref.WeakSet()  # whose secrets are removed, as long as they live


class _SecretFilter(logging.Filter):
    """Replaces the secrets of the living engines in a record; it drops no record."""

    def filter(self, record: logging.LogRecord) -> bool:
        secrets = {secret for engine in tuple(_engines) for secret in engine.secrets()}
        message = record.getMessage()
        if (public_message := without_texts(message, secrets)) != message:
            record.msg, record.args = public_message, ()
        if record.exc_info:  # the errors of HTTP packages name addresses, too
            trace = _FORMATTER.formatException(record.exc_info)
            if (public_trace := without_texts(trace, secrets)) != trace:
                record.exc_info, record.exc_text = None, public_trace
        return True


_FILTER = _SecretFilter()


def hide_in_logs(engine: Any) -> None:
    """Keep the secrets of an engine out of the logs of its packages."""
    _engines.add(engine)
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
