"""Amazon Bedrock's Converse: messages, requests, replies, pairs of both; and the sessions of Strands Agents.

A content is a list of parts, each an object with one field that names its type: `text`, `toolUse`, `toolResult`,
`reasoningContent`, `image`. A reply has `output.message`, `stopReason`, `usage` and `metrics`. Strands keeps the same
messages, one in a file or all in a list. Source: AWS's API reference, "Converse" and "Message"; botocore 1.43.117,
data/bedrock-runtime/2023-09-30/service-2.json (`ConverseRequest`, `ConverseResponse`, `ContentBlock`, `TokenUsage`: all
fields read); strands-agents/sdk-python at 1232230daa43, src/strands/types/content.py and session.py (`message_id`,
`created_at`, `session_id`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    pop_text,
    text_or_empty,
    to_number,
    token_usage,
    unexpected,
)
from .kit.record_lists import list_reader
from .kit.recorded_calls import PAIR_SCORE
from .kit.sample import Sample
from .kit.transcript import Transcript
from .kit.unread_messages import add_unread_messages

FORMAT = "bedrock-converse"
PART_NAMES = frozenset(
    {"text", "image", "document", "video", "audio", "toolUse", "toolResult", "reasoningContent", "guardContent"}
    | {"cachePoint", "citationsContent", "searchResult"}
)
OWN_PART_NAMES = PART_NAMES - {"text", "image", "document", "video", "audio"}
KINDS = {"user": Kind.USER, "assistant": Kind.LLM_TEXT}
ROLES = tuple(KINDS)
REQUEST_MARKS = ("modelId", "inferenceConfig", "toolConfig", "additionalModelRequestFields")
USAGE_FIELDS = ("inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
MAX_MESSAGES = 100  # number that a score checks


def is_message(value: Any) -> bool:
    """Return True for a message of Converse, and for one in the envelope of a Strands session."""
    if not isinstance(value, Mapping):
        return False
    if isinstance(value.get("message"), Mapping) and "message_id" in value:
        return is_message(value["message"])
    parts = value.get("content")
    if value.get("role") not in ROLES or not isinstance(parts, list):
        return False
    return all(isinstance(part, Mapping) and "type" not in part and PART_NAMES & part.keys() for part in parts)


def is_reply(value: Any) -> bool:
    """Return True for a reply of Converse."""
    output = value.get("output") if isinstance(value, Mapping) else None
    return isinstance(output, Mapping) and is_message(output.get("message"))


def score_converse(sample: Sample) -> int:
    """Return SURE for messages with parts that have no type, and for replies."""
    record = sample.record
    if sample.container != "json" or not record:
        return 0
    if is_reply(record) or is_reply(record.get("response")):
        return PAIR_SCORE
    request = record["request"] if isinstance(record.get("request"), Mapping) else record
    messages = request.get("messages", sample.records)
    messages = list(messages)[:MAX_MESSAGES] if isinstance(messages, (list, tuple)) else []
    return (
        SURE
        if any(message.get("content") for message in messages if is_message(message)) and all(map(is_message, messages))
        else 0
    )


def read_conversation(document: Any, notes: Notes) -> Run:
    """Return the Run of a list of messages, of a request, of a reply, or of a pair of both."""
    fields: dict[str, Any] = dict(document) if isinstance(document, Mapping) else {"messages": document}
    if is_message(document):
        fields = {"messages": [document]}
    reply = fields if is_reply(fields) else fields.get("response")
    if isinstance(fields.get("request"), Mapping):
        fields = {**omit(fields, "request"), **fields["request"]}
    transcript = Transcript(notes)
    reader = _MessageReader(transcript, text_or_empty(fields.get("modelId")))
    if isinstance(fields.get("system"), list):
        for index, part in enumerate(fields.pop("system")):
            transcript.read_part(f"system[{index}]", part, reader.read_system_part)
    messages = fields.pop("messages", None)
    if messages is None and not is_reply(reply):
        raise notes.load_error("", "no messages and no reply of Converse")
    transcript.read_records("messages", messages if isinstance(messages, (list, tuple)) else (), reader.read_message)
    if is_reply(reply):
        transcript.read_record("response", reply, reader.read_reply)
        fields = omit(fields, "output", "response")
    else:
        add_unread_messages(transcript, fields)
    return transcript.to_run(id=pop_text(fields, "session_id", "id"), extra_fields=fields)


class _MessageReader:
    def __init__(self, transcript: Transcript, model: str) -> None:
        self.transcript = transcript
        self.model = model

    def read_message(self, record: Any) -> None:
        envelope = expect(record, dict, "")
        is_enveloped = isinstance(envelope.get("message"), dict) and "message_id" in envelope
        message = envelope["message"] if is_enveloped else envelope
        extra_fields = omit(message, "role", "content") | (omit(envelope, "message") if is_enveloped else {})
        metadata = message.get("metadata")
        reply_fields = metadata if isinstance(metadata, dict) else {}
        time = envelope.get("created_at")
        self.add_message(message, {**reply_fields, "time": time}, extra_fields)

    def read_system_part(self, part: Any) -> None:
        self.add_part(expect(part, dict, ""), "system", None, "")

    def read_reply(self, record: Any) -> None:
        reply = expect(record, dict, "")
        self.add_message(reply["output"]["message"], reply, omit(reply, "output", "stopReason", "usage", "metrics"))

    def add_message(self, message: Mapping[str, Any], call_fields: Mapping[str, Any], extra: dict[str, Any]) -> None:
        role = message.get("role")
        if role not in ROLES:
            raise unexpected("role", role)
        content = message.get("content")
        parts = objects([{"text": content}] if isinstance(content, str) else content, "content")
        first_block = len(self.transcript.blocks)
        result = None
        if role == "assistant":
            result = self.call_result(call_fields, any("toolUse" in part for part in parts))
        for index, part in enumerate(parts):
            self.add_part(part, role, result, f".content[{index}]")
        if not parts:
            self.transcript.add_block(KINDS[role], {"text": ""}, role, result=result)
        self.transcript.set_times(first_block, call_fields.get("time"))
        self.transcript.add_extra_fields(first_block, extra)

    def call_result(self, call_fields: Mapping[str, Any], has_calls: bool) -> InferenceResult:
        metrics = object_or_empty(call_fields.get("metrics"), "metrics")
        latency = to_number(metrics.get("latencyMs"))
        usage = object_or_empty(call_fields.get("usage"), "usage")
        return self.transcript.inference_result(
            model=self.model,
            stop_reason=call_fields.get("stopReason"),
            pending=has_calls,
            usage=_usage(usage),
            duration_ms=None if latency is None else round(latency),
            extra={"usage": usage, "metrics": omit(metrics, "latencyMs")},
        )

    def add_part(self, part: dict[str, Any], role: str, result: InferenceResult | None, path: str) -> None:
        transcript = self.transcript
        kind = Kind.SYSTEM if role == "system" else KINDS[role]
        if "text" in part:
            text = expect(part["text"], str, "text")
            transcript.add_block(kind, {"text": text}, role, result=result, extra_fields=omit(part, "text"))
        elif "toolUse" in part:
            call = expect(part["toolUse"], dict, "toolUse")
            extra_fields = omit(call, "toolUseId", "name", "input") | omit(part, "toolUse")
            transcript.add_call(
                call.get("toolUseId"), call.get("name"), call.get("input"), result=result, extra_fields=extra_fields
            )
        elif "toolResult" in part:
            self.add_result(expect(part["toolResult"], dict, "toolResult"), omit(part, "toolResult"))
        elif "reasoningContent" in part:
            reasoning = expect(part["reasoningContent"], dict, "reasoningContent")
            reasoning_text = object_or_empty(reasoning.get("reasoningText"), "reasoningText")
            text = optional_text(reasoning_text.get("text"), "text") or ""
            payload = {"text": text} | omit_empty(omit(reasoning_text, "text")) | omit(reasoning, "reasoningText")
            transcript.add_block(Kind.REASONING, payload, result=result)
        elif isinstance(part.get("image"), Mapping):
            payload = {"text": "", "images": [_image(part["image"])]}
            transcript.add_block(kind, payload, role, result=result, extra_fields=omit(part, "image"))
        else:
            if PART_NAMES.isdisjoint(part):
                transcript.unknown(unknown_value("type", next(iter(part), "")), path)
            transcript.add_other(part, result=result)

    def add_result(self, tool_result: Mapping[str, Any], extra_fields: dict[str, Any]) -> None:
        parts = list_or_empty(tool_result.get("content"), "content")
        values = [part["text"] for part in parts if isinstance(part, Mapping) and part.keys() == {"text"}]
        content = values[0] if len(values) == len(parts) == 1 else parts
        is_error = tool_result.get("status") == "error"
        error = (content if isinstance(content, str) and content else "error") if is_error else ""
        extra_fields |= omit(tool_result, "toolUseId", "content", "status")
        value = None if error and error == content else content
        self.transcript.add_result(tool_result.get("toolUseId"), value, error, extra_fields=extra_fields)


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    """Return the tokens of a call; the input of Converse does not include the cache, whose tokens only the total has."""
    input_tokens, output_tokens, total, cache_read, cache_write = (to_number(usage.get(name)) for name in USAGE_FIELDS)
    if input_tokens is not None:
        cached = (cache_read or 0) + (cache_write or 0)
        includes_cache = total is not None and cached and total == input_tokens + (output_tokens or 0)
        input_tokens += 0 if includes_cache and input_tokens >= cached else cached
    return token_usage(input_tokens, output_tokens, cache_read_tokens=cache_read, cache_write_tokens=cache_write)


def _image(image: Mapping[str, Any]) -> dict[str, Any]:
    source = image.get("source")
    source = source if isinstance(source, Mapping) else {}
    location = source.get("s3Location")
    url = location.get("uri") if isinstance(location, Mapping) else None
    image_format = image.get("format")
    media_type = f"image/{image_format}" if isinstance(image_format, str) else None
    return omit_empty(media_type=media_type, content=source.get("bytes"), url=url)


IMPORTER = Importer(FORMAT, score_converse, list_reader(FORMAT, is_message, read_conversation))
