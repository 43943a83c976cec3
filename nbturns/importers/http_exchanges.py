"""Recordings of HTTP exchanges with model providers, and event streams of replies.

Read are the lines that `record="calls.jsonl"` writes, HAR files, VCR cassettes (YAML and JSON), an event stream (`data:
{…}`), and a list or lines of its chunks. A call whose messages begin with all that an earlier call ended with continues its
Run, so a recorded tool loop is one Run. Sources: HAR 1.2 (w3c.github.io/web-performance, HAR overview); kevin1024/vcrpy at
b1fb62bf474d, vcr/serialize.py and vcr/cassette.py; vcr/vcr at 66dbbaf116bb, lib/vcr/structs.rb (`http_interactions`,
`recorded_at`, `base64_string`); pydantic/pydantic-ai at 4fda38988f29, tests/cassette_utils.py (`parsed_body`);
`engines/transports/exchange_recorder.py`; the event streams of the four APIs, as the codecs of the engines read them.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from ..engines import decode, find
from ..errors import EngineError
from ..values.inference_results import INFERENCE_ID, INFERENCE_RESULT
from ..values.turns import Block, Run
from .kit import lenient_json
from .kit.drafts import Draft
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import omit, to_number
from .kit.recorded_calls import ANTHROPIC, CHAT, GEMINI, LIST_NAMES, PAIR_SCORE, RESPONSES, format_of_reply
from .kit.sample import Sample
from .kit.source import Source
from .kit.span_conversations import ModelCall, SpanReader, read_span_groups
from .kit.spans import Span, to_seconds
from .kit.text_completions import as_chat

FORMAT = "http-exchanges"
PATHS = {  # the end of an address, and the API
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/messages": ANTHROPIC,
    ":generateContent": GEMINI,
    ":streamGenerateContent": GEMINI,
}
PROMPT_NAMES = ("messages", "contents", "input", "instructions", "system", "systemInstruction", "system_instruction")
STREAM_STARTS = ("data:", "event:", ":")
FIRST_ERROR_STATUS = 400
CODEC_ERRORS = (TypeError, ValueError, AttributeError, KeyError)  # errors of codecs for malformed requests
EXCHANGE_SCORE = PAIR_SCORE + 1  # an exchange holds a request and a reply of another format


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response. A body is parsed JSON, or text; None where it was not recorded.

    `error` is that of a request without a response; `open` is True for an exchange that has not ended.
    """

    address: str
    request: Any
    response: Any
    status: int | None = None
    start: Any = None
    end: Any = None
    error: str | None = None
    open: bool | None = None


# Detection.


def score_http_exchanges(sample: Sample) -> int:
    """Return a high score for exchanges with an address and for chunks of event streams."""
    if sample.container == "text":
        first_event = next(iter(_stream_events(sample.text)), None)
        return EXCHANGE_SCORE if stream_format([first_event]) else 0
    if sample.container != "json" or not sample.record:
        return 0
    record = sample.record
    if _is_har(record) or _is_cassette(record) or _is_recorded_line(record):
        return EXCHANGE_SCORE
    return EXCHANGE_SCORE if stream_format(sample.records) else 0


def stream_format(events: Sequence[Any]) -> str:
    """Return the API whose event stream begins with these events; "" for any other values."""
    event = events[0] if events and isinstance(events[0], Mapping) else {}
    event_type = event.get("type")
    if event.get("object") == "chat.completion.chunk" and isinstance(event.get("choices"), list):
        return CHAT
    if event_type == "message_start" and isinstance(event.get("message"), Mapping):
        return ANTHROPIC
    if event_type in ("response.created", "response.queued", "response.in_progress") and "response" in event:
        return RESPONSES
    has_candidates = isinstance(event.get("candidates"), list) and "modelVersion" in event
    return GEMINI if has_candidates and len(events) > 1 and all("candidates" in event for event in events[:2]) else ""


def _is_har(record: Mapping[str, Any]) -> bool:
    log = record.get("log")
    return isinstance(log, Mapping) and isinstance(log.get("entries"), list)


def _is_cassette(record: Mapping[str, Any]) -> bool:
    interactions = record.get("interactions", record.get("http_interactions"))
    first = interactions[0] if isinstance(interactions, list) and interactions else None
    return isinstance(first, Mapping) and isinstance(first.get("request"), Mapping) and "response" in first


def _is_recorded_line(record: Mapping[str, Any]) -> bool:
    request, response = record.get("request"), record.get("response")
    if not isinstance(request, Mapping) or not isinstance(response, Mapping):
        return False
    return "method" in request and ("path" in request or "url" in request) and "status" in response


# Exchanges of each kind of recording.


def _exchanges(source: Source) -> Iterator[tuple[str, Any]]:
    """Yield each exchange with its position; a value that is not one as it is."""
    if source.sample.container == "text" and (events := list(_stream_events(source.read_text()))):
        yield "", _stream_exchange(events)
        return
    records = list(source.records())
    if stream_format([record for _, record in records[:2]]):
        yield "", _stream_exchange([record for _, record in records])
        return
    for position, record in records:
        if not isinstance(record, Mapping):
            yield position, record
        elif _is_har(record):
            yield from (
                (f"log.entries[{index}]", _of_har(entry)) for index, entry in enumerate(record["log"]["entries"])
            )
        elif _is_cassette(record):
            interactions = record.get("interactions", record.get("http_interactions"))
            yield from ((f"interactions[{index}]", _of_vcr(item)) for index, item in enumerate(interactions or ()))
        else:
            yield position, _of_line(record) if _is_recorded_line(record) else record


def _stream_events(text: str) -> Iterator[Any]:
    """Yield the data of each event of an event stream; nothing for a text that is not one."""
    if not text.lstrip().startswith(STREAM_STARTS):
        return
    for line in text.splitlines():
        if line.startswith("data:") and (event := _parsed(line[5:].strip())) is not None and not isinstance(event, str):
            yield event


def _stream_exchange(events: Sequence[Any]) -> Exchange:
    return Exchange("", None, _as_stream(events, stream_format(events)))


def _as_stream(events: Sequence[Any], format: str) -> str:
    """Return chunks as the event stream that they came in."""
    lines = []
    for event in events:
        name = f"event: {event.get('type')}\n" if format == ANTHROPIC and isinstance(event, Mapping) else ""
        lines.append(f"{name}data: {json.dumps(event)}\n\n")
    return "".join(lines) + ("data: [DONE]\n\n" if format == CHAT else "")


def _of_har(entry: Any) -> Any:
    request, response = _mapping(entry, "request"), _mapping(entry, "response")
    content = _mapping(response, "content")
    text = content.get("text")
    if content.get("encoding") == "base64":
        text = _unpacked(text)
    start = entry.get("startedDateTime") if isinstance(entry, Mapping) else None
    duration = to_number(entry.get("time")) if isinstance(entry, Mapping) else None
    seconds = to_seconds(start)
    end = None if seconds is None or duration is None else round((seconds + duration / 1000) * 1e9)  # nanoseconds
    status = response.get("status")
    post = _parsed(_mapping(request, "postData").get("text"))
    address = str(request.get("url", ""))
    return Exchange(address, post, _parsed(text), status if isinstance(status, int) else None, start, end)


def _of_vcr(interaction: Any) -> Any:
    request, response = _mapping(interaction, "request"), _mapping(interaction, "response")
    status = response.get("status")
    code = status.get("code") if isinstance(status, Mapping) else response.get("status_code", status)
    address = str(request.get("uri", request.get("url", "")))
    start = interaction.get("recorded_at") if isinstance(interaction, Mapping) else None
    request_body = _vcr_body(request.get("body", request.get("parsed_body")))
    response_body = _vcr_body(response.get("body", response.get("parsed_body", response.get("content"))))
    return Exchange(address, request_body, response_body, code if isinstance(code, int) else None, start)


def _vcr_body(body: Any) -> Any:
    if isinstance(body, Mapping) and ("string" in body or "base64_string" in body):
        body = body["string"] if "string" in body else _unpacked(body["base64_string"])
    return _parsed(bytes(body).decode("utf-8", "replace") if isinstance(body, (bytes, bytearray)) else body)


def _of_line(record: Mapping[str, Any]) -> Exchange:
    request, response = record["request"], record["response"]
    body = response.get("json", response.get("body"))
    body = _unpacked(response["body_base64"]) if body is None and "body_base64" in response else body
    address = str(request.get("path", request.get("url", "")))
    status = response.get("status")
    post = _parsed(request.get("json", request.get("body")))
    return Exchange(address, post, _parsed(body), status if isinstance(status, int) else None, record.get("at"))


def _mapping(value: Any, name: str) -> Mapping[str, Any]:
    inner = value.get(name) if isinstance(value, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _unpacked(text: Any) -> Any:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError, TypeError):
        return text


def _parsed(body: Any) -> Any:
    """Return the JSON in a text; the text itself when it is not JSON."""
    if not isinstance(body, str):
        return body
    try:
        return lenient_json.parse(body.strip().encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return body


# Model calls.


def read_http_exchanges(source: Source) -> Iterator[Run]:
    """Yield the Runs of the model calls in a recording, in the order in which they began."""
    spans = [
        Span(
            position, {"exchange": exchange}, start=getattr(exchange, "start", None), end=getattr(exchange, "end", None)
        )
        for position, exchange in _exchanges(source)
    ]
    for span in spans:
        span.trace = FORMAT  # any call may continue any earlier one
    yield from read_span_groups(spans, lambda: source.notes(FORMAT), READER)


def model_call(span: Span, notes: Notes) -> ModelCall | None:
    """Return the model call of the exchange in a span; None for what is not a model call."""
    exchange = span.raw["exchange"]
    if not isinstance(exchange, Exchange):
        notes.add_unknown(span.position, "no request and response")
        span.raw = {"record": exchange}
        return None
    span.raw = {name: getattr(exchange, name) for name in exchange.__slots__ if getattr(exchange, name) is not None}
    request_body, response_body = as_chat(exchange.request, exchange.response)
    exchange = replace(exchange, request=request_body, response=response_body)
    format = format_of(exchange)
    if not format:
        notes.add_unknown(span.position, f"no model call: {urlsplit(exchange.address).path or 'a response'}")
        return None
    request = exchange.request if isinstance(exchange.request, Mapping) else {}
    extra_fields = {"address": exchange.address, "status": exchange.status, "request": omit(request, *PROMPT_NAMES)}
    messages = [] if not request else _drafts(_history(format, request, span, notes))
    return _with_reply(ModelCall(messages, [], {}, extra_fields), exchange, format, span, notes)


def format_of(exchange: Exchange) -> str:
    """Return the API of an exchange, by its address, else by its response; "" for what is not a model call."""
    path = urlsplit(exchange.address).path.rstrip("/")
    by_path = next((format for ending, format in PATHS.items() if path.endswith(ending)), "")
    if by_path and (
        not isinstance(exchange.request, Mapping) or LIST_NAMES.get(by_path, "messages") in exchange.request
    ):
        return by_path
    if isinstance(exchange.response, str):
        return stream_format(list(_stream_events(exchange.response))[:2])
    return format_of_reply(exchange.response)


def _history(format: str, request: Mapping[str, Any], span: Span, notes: Notes) -> Sequence[Block]:
    read_history = find(format).history
    assert read_history is not None
    try:
        return tuple(read_history(request).blocks)
    except (EngineError, *CODEC_ERRORS) as error:
        notes.add_unknown(f"{span.position}, request".lstrip(", "), str(error))
        return (Block("other", {"request": request}, "system"),)


def _with_reply(call: ModelCall, exchange: Exchange, format: str, span: Span, notes: Notes) -> ModelCall:
    """Add the reply of an exchange; that of a failed one has a result with the error."""
    body = exchange.response
    model, failed_status = request_model(exchange.request), (exchange.status or 0) >= FIRST_ERROR_STATUS
    failure = {"type": (exchange.error or "").partition(":")[0], "message": exchange.error} if exchange.error else None
    if failed_status and (body is None or isinstance(body, str)) and failure is None:
        failure = {"type": "EngineError", "message": f"HTTP {exchange.status}: {body or 'an empty response'}"[:1000]}
    if failure is not None:
        call.result_fields.update(stop_reason="error", model=model, extra={"error": failure})
    if body is None or body == "":
        if not exchange.open and not failed_status:
            notes.add_dropped(span.position, exchange.error or "the response was not recorded")
        return call
    is_stream = isinstance(body, str) and body.lstrip().startswith(STREAM_STARTS)
    content_type = "text/event-stream" if is_stream else "application/json" if not isinstance(body, str) else None
    text = body if isinstance(body, str) else json.dumps(body)
    try:
        turn = decode(format, text, content_type, status=exchange.status)
    except EngineError as error:
        turn = error.turn
        if turn is None or not turn.inferences:
            notes.add_unknown(span.position, str(error))
            call.reply.append(Draft("other", {"response": body}, "assistant"))
            return call
        call.extra_fields["response"] = body
        failure = failure or {"type": type(error).__name__, "message": str(error)}
        result = turn.inferences[0]
        call.result = result.replace(error=failure, model=result.model or model)
    call.reply.extend(_drafts(turn.blocks))
    call.result = call.result or next(iter(turn.inferences), None)
    return call


def request_model(request: Any) -> str:
    """Return the model that a request names; "" without one."""
    model = request.get("model") if isinstance(request, Mapping) else None
    return model if isinstance(model, str) else ""


def _drafts(blocks: Sequence[Block]) -> list[Draft]:
    return [
        Draft(
            block.kind,
            dict(block.payload),
            block.role,
            metadata=block.metadata.without(INFERENCE_ID, INFERENCE_RESULT).to_dict(),
        )
        for block in blocks
    ]


READER = SpanReader(model_call)
IMPORTER = Importer(FORMAT, score_http_exchanges, read_http_exchanges)
