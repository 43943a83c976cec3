"""Helicone's requests: the rows of its API, `{"data": […]}`, a list, or lines.

Each row is a model call with the request and the reply as they were sent. Tokens are those of the reply, else those of
the row. `Helicone-Session-Id` of the properties groups requests.

Source: Helicone/helicone, packages/llm-mapper/types.ts at d6357d7eba6b (`HeliconeRequest`) and
valhalla/jawn/src/lib/stores/request/request.ts at 0003b753b4b7 (`cost`, `scores`, `prompt_cache_read_tokens` and the other
columns), docs/features/sessions.mdx at 3ea8b3e508fc (`Helicone-Session-Id`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.importer import Importer
from .kit.message_parts import structured
from .kit.observations import CALL, Observation, export_reader, export_score, first_text, object_of
from .kit.outcomes import error_text, outcome_of
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty, to_float, to_number, token_usage
from .kit.span_conversations import TraceFields

FORMAT = "helicone"
SESSION = "Helicone-Session-Id"
REPLY_USAGES = frozenset({"usage", "usageMetadata"})
READ_FIELDS = ("request_body", "response_body")  # blocks and results have their values


def is_request(value: Any) -> bool:
    """Return True for a request of Helicone."""
    return isinstance(value, Mapping) and {"request_id", "request_created_at", "request_body"} <= value.keys()


def parse_request(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the model call of a request."""
    if not is_request(record):
        raise ShapeError(missing_field("request_id", record if isinstance(record, Mapping) else ()))
    call = to_observation(position, record)
    yield call
    traces.setdefault(call.trace, TraceFields(outcome=outcome_of({"scores": _scores_of(record)})))


def to_observation(position: str, record: Mapping[str, Any]) -> Observation:
    """Return the model call of a request."""
    properties = {**object_of(record.get("request_properties")), **object_of(record.get("properties"))}
    reply, status = structured(record.get("response_body")), to_number(record.get("response_status"))
    failure = error_text(reply.get("error")) if isinstance(reply, Mapping) else None
    error = (failure or f"status {status:.0f}") if failure or (status is not None and status >= 400) else ""
    fields = omit(record, *READ_FIELDS) | (omit_empty(response_body=reply) if error else {})
    session = text_or_empty(properties.get(SESSION))
    models = (record.get(name) for name in ("response_model", "request_model", "model", "model_override"))
    return Observation(
        position,
        record,
        trace=session or str(record["request_id"]),
        id=str(record["request_id"]),
        name=text_or_empty(record.get("request_path")),
        start=record.get("request_created_at"),
        end=record.get("response_created_at"),
        error=error,
        kind=CALL,
        input=record.get("request_body"),
        output=None if error else reply,
        model=first_text(*models),
        provider=text_or_empty(record.get("provider")).lower(),
        usage=_usage_of(record, reply),
        cost=to_float(record.get("costUSD", record.get("cost"))),
        response_id=first_text(reply.get("id")) if isinstance(reply, Mapping) else "",
        duration=to_float(record.get("delay_ms")),
        session=session,
        call_fields=omit_empty(fields),
    )


def _usage_of(record: Mapping[str, Any], reply: Any) -> Any:
    """Return the tokens of a row without a reply that has them."""
    if isinstance(reply, Mapping) and not REPLY_USAGES.isdisjoint(reply):
        return None
    return token_usage(
        record.get("prompt_tokens"),
        record.get("completion_tokens"),
        cache_read_tokens=record.get("prompt_cache_read_tokens"),
        cache_write_tokens=record.get("prompt_cache_write_tokens"),
        reasoning_tokens=record.get("reasoning_tokens"),
    )


def _scores_of(record: Mapping[str, Any]) -> dict[str, Any]:
    scores = object_of(record.get("scores"))
    return {name: score.get("value") if isinstance(score, Mapping) else score for name, score in scores.items()}


IMPORTER = Importer(FORMAT, export_score(is_request, "data"), export_reader(FORMAT, parse_request, "data"))
