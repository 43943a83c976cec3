"""Messages of the Vercel AI SDK's `useChat`: what a page keeps of a chat.

A message has `parts`: text, reasoning, files, sources, and tools, which hold a tool call and its result
(`tool-<name>`, `dynamic-tool`; AI SDK 4: `tool-invocation`). `step-start` separates the model calls of a
message. Source: `UIMessage` of the AI SDK's reference (versions 4, 5 and 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import (
    expect,
    list_or_empty,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    optional_text,
    token_usage,
    unexpected,
)
from .kit.record_lists import item_score, list_reader
from .kit.transcript import Transcript, run_of_messages

FORMAT = "vercel-ui"
PART_TYPES = ("text", "reasoning", "file", "source-url", "source-document", "source", "step-start", "dynamic-tool")
STATES = {"partial-call": "input-streaming", "call": "input-available", "result": "output-available"}  # of AI SDK 4
PLAIN_STATES = ("", "input-available", "output-available", "output-error")  # which the blocks of a tool imply
ToolResult = tuple[str, Any, str]  # the id of the call, the output, the error


def is_message(value: Any) -> bool:
    """Return True for a value with the shape of a UIMessage."""
    if not isinstance(value, Mapping) or value.get("role") not in ("user", "assistant", "system", "data"):
        return False
    if isinstance(value.get("toolInvocations"), list):
        return True
    parts = value.get("parts")
    if not isinstance(parts, list) or not isinstance(value.get("id", ""), str):
        return False
    return all(isinstance(part, Mapping) and _is_part(part) for part in parts) and ("id" in value or bool(parts))


def _is_part(part: Mapping[str, Any]) -> bool:
    type = part.get("type")
    if type in ("text", "reasoning"):
        return "content" not in part
    return isinstance(type, str) and (type in PART_TYPES or type.startswith(("tool-", "data-")))


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of one chat: a list of messages, or an object with `messages` and an id."""
    return run_of_messages(
        value, notes, is_message, lambda transcript: _MessageReader(transcript).read_message, "id", "chatId"
    )


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_message(self, record: Any) -> None:
        message = dict(expect(record, dict, ""))
        role = message.pop("role", None)
        id = optional_text(message.pop("id", None), "id") or ""
        parts = _take_parts(message)
        if role == "assistant":
            self.add_reply(id, parts, message)
        elif role in ("user", "system"):
            payload, has_more = _prompt(parts)
            if has_more:
                message["parts"] = parts
            kind = Kind.USER if role == "user" else Kind.SYSTEM
            self.transcript.add(kind, payload, role, id, extra_fields=message)
        else:
            raise unexpected("role", role)

    def add_reply(self, id: str, parts: list[dict[str, Any]], extra_fields: dict[str, Any]) -> None:
        """Add the steps of a message, a model call each: reasoning, text and tool calls, then the results."""
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        steps = list(_steps(parts))
        results = [
            self.inference_result(id, number if len(steps) > 1 else None, step, extra_fields)
            for number, step in enumerate(steps)
        ]
        part_number = 0
        for step, result in zip(steps, results, strict=True):
            tool_results: list[ToolResult] = []
            for part in step:
                tool_results += self.add_part(part, result, id, f".parts[{part_number}]")
                part_number += 1
            for tool_result in tool_results:
                transcript.add_result(*tool_result)
        if len(transcript.blocks) == first_block:  # the model started and wrote nothing
            transcript.add(Kind.LLM_TEXT, {"text": ""}, "assistant", id, result=results[0])
        transcript.add_extra_fields(first_block, extra_fields)

    def inference_result(
        self, id: str, number: int | None, step: list[dict[str, Any]], message: Mapping[str, Any]
    ) -> InferenceResult:
        """Return the result of a step. Model and usage are those that pages put into `metadata` by the SDK's names."""
        metadata = message.get("metadata")
        metadata = metadata if isinstance(metadata, Mapping) and not number else {}  # of the message: used once
        counts = metadata.get("totalUsage") or metadata.get("usage")
        counts = counts if isinstance(counts, Mapping) else {}
        model, reason = metadata.get("model") or metadata.get("modelId"), metadata.get("finishReason")
        return self.transcript.inference_result(
            id=(id or self.transcript.position) + ("" if number is None else f"#{number}"),
            model=model if isinstance(model, str) else "",
            stop_reason=reason.replace("-", "_") if isinstance(reason, str) else "",
            pending=any(str(part.get("type")).startswith(("tool-", "dynamic-tool")) for part in step),
            usage=token_usage(
                counts.get("inputTokens", counts.get("promptTokens")),
                counts.get("outputTokens", counts.get("completionTokens")),
                cached=counts.get("cachedInputTokens"),
                reasoning=counts.get("reasoningTokens"),
            ),
        )

    def add_part(self, part: dict[str, Any], result: InferenceResult, id: str, path: str) -> list[ToolResult]:
        """Add a part of a reply, and return the result of a tool, which follows the whole step."""
        transcript, type = self.transcript, part.get("type")
        if type == "step-start":
            return []
        if type == "text":
            text, extra_fields = expect(part.get("text"), str, "text"), _extra_fields(part, "text")
            transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", id, result=result, extra_fields=extra_fields)
        elif type == "reasoning":
            text = expect(part.get("text", part.get("reasoning")), str, "reasoning")
            extra_fields = _extra_fields(part, "text", "reasoning")
            transcript.add(Kind.REASONING, {"text": text}, "", id, result=result, extra_fields=extra_fields)
        elif (image := _image(part)) is not None:
            payload = {"text": "", "images": [image]}
            transcript.add(Kind.LLM_TEXT, payload, "assistant", id, result=result, extra_fields=part)
        elif type == "tool-invocation":
            return self.add_tool(_of_version_4(part), result)
        elif type == "dynamic-tool" or (isinstance(type, str) and type.startswith("tool-")):
            return self.add_tool(part, result)
        else:
            if not isinstance(type, str) or not (type in PART_TYPES or type.startswith("data-")):
                transcript.unknown(unknown_value("type", type), path)
            transcript.add_other(part, result=result)
        return []

    def add_tool(self, part: dict[str, Any], result: InferenceResult) -> list[ToolResult]:
        """Add a tool call, and return its result if the part has one."""
        fields = dict(part)
        type = expect(fields.pop("type"), str, "type")
        name = fields.pop("toolName", None) or type.removeprefix("tool-")
        id, state = fields.pop("toolCallId", None), fields.pop("state", "")
        arguments = fields.pop("input", None)
        if arguments is None and "rawInput" in fields:
            arguments = fields.pop("rawInput")
        if fields.get("providerExecuted") is False:
            del fields["providerExecuted"]
        has_output, output, error = "output" in fields, fields.pop("output", None), fields.pop("errorText", None)
        is_denied = state == "output-denied"
        if state not in PLAIN_STATES:
            fields["state"] = state
        call_id = self.transcript.add_call(id, name, arguments, result=result, extra_fields=fields)
        if error or is_denied or has_output or state in ("output-available", "output-error"):
            return [(call_id, output, error or ("the user denied this call" if is_denied else ""))]
        return []


def _take_parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Remove the parts of a message and return them; those of AI SDK 4 are made of its other fields."""
    parts = objects(message.pop("parts", None), "parts")
    content = message.get("content")
    if parts:
        if content == "".join(part["text"] for part in parts if isinstance(part.get("text"), str)):
            del message["content"]
    else:
        reasoning = message.pop("reasoning", None)
        if reasoning is not None:
            parts.append({"type": "reasoning", "reasoning": reasoning})
        if content is not None:
            parts += [{"type": "text", "text": message.pop("content")}] if isinstance(content, str) else []
        invocations = list_or_empty(message.pop("toolInvocations", None), "toolInvocations")
        parts += [{"type": "tool-invocation", "toolInvocation": invocation} for invocation in invocations]
    for attachment in objects(message.pop("experimental_attachments", None), "experimental_attachments"):
        parts.append({"type": "file", "mediaType": attachment.get("contentType"), **attachment})
    return parts


def _prompt(parts: list[dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Return text and images of a prompt, and whether its parts have more."""
    texts = [expect(part.get("text"), str, "text") for part in parts if part.get("type") == "text"]
    images = [image for part in parts if (image := _image(part)) is not None]
    payload: dict[str, Any] = {"text": "\n".join(texts)} | omit_empty(images=images)
    return payload, len(parts) > 1 or len(texts) + len(images) != len(parts)


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    media_type = part.get("mediaType") or part.get("mimeType")
    if part.get("type") != "file" or not isinstance(media_type, str) or not media_type.startswith("image/"):
        return None
    content = {"content": part["data"]} if isinstance(part.get("data"), str) else {}
    filename = part.get("filename") or part.get("name")
    return omit_empty(media_type=media_type, url=part.get("url"), filename=filename) | content


def _steps(parts: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    step: list[dict[str, Any]] = []
    for part in parts:
        if part.get("type") == "step-start" and step:
            yield step
            step = []
        step.append(part)
    yield step


def _extra_fields(part: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the fields of a part without `names`, and without the state of a part that is done."""
    fields = omit(part, "type", *names)
    return omit(fields, "state") if fields.get("state") == "done" else fields


def _of_version_4(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a tool of AI SDK 4 in the shape of version 5."""
    invocation = dict(object_or_empty(part.get("toolInvocation"), "toolInvocation"))
    arguments, state = invocation.pop("args", None), STATES.get(str(invocation.pop("state", "")), "")
    output = {"output": invocation.pop("result")} if "result" in invocation else {}
    return {"type": "dynamic-tool", "input": arguments, "state": state} | output | invocation


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_one))
