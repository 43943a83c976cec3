"""Messages of the Vercel AI SDK's `useChat`: what a page keeps of a chat.

A message has `parts`: text, reasoning, files, sources, and tools, which hold a tool call and its result (`tool-<name>`,
`dynamic-tool`; AI SDK 4: `tool-invocation`). `step-start` separates the model calls of a message. Source: vercel/ai at
ed857f50f112, packages/ai/src/ui/ui-messages.ts (`UIMessage`), packages/ai/src/types/usage.ts (tokens) and
packages/ai/CHANGELOG.md (names of AI SDK 4).
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
STATES_BY_OLD_STATE = {
    "partial-call": "input-streaming",
    "call": "input-available",
    "result": "output-available",
}  # of AI SDK 4
PLAIN_STATES = ("", "input-available", "output-available", "output-error")  # which the blocks of a tool imply
ToolResult = tuple[str, Any, str]  # the id of the call, the output, the error


def is_message(value: Any) -> bool:
    """Return True for a value with the shape of a UIMessage."""
    if not isinstance(value, Mapping) or value.get("role") not in ("user", "assistant", "system", "data"):
        return False
    if isinstance(value.get("toolInvocations"), list):
        return True
    message_parts = value.get("parts")
    if not isinstance(message_parts, list) or not isinstance(value.get("id", ""), str):
        return False
    return all(isinstance(message_part, Mapping) and _is_part(message_part) for message_part in message_parts) and (
        "id" in value or bool(message_parts)
    )


def _is_part(part: Mapping[str, Any]) -> bool:
    part_type = part.get("type")
    if part_type in ("text", "reasoning"):
        return "content" not in part
    return isinstance(part_type, str) and (part_type in PART_TYPES or part_type.startswith(("tool-", "data-")))


def read_chat(document: Any, notes: Notes) -> Run:
    """Return the Run of one chat: a list of messages, or an object with `messages` and an id."""
    return run_of_messages(
        document, notes, is_message, lambda transcript: _MessageReader(transcript).read_message, "id", "chatId"
    )


def _time_of(message: Mapping[str, Any]) -> Any:
    """Return the time of a message: its own, before version 5, else the one that pages put into its metadata."""
    metadata = message.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    return message.get("createdAt") or metadata.get("createdAt") or metadata.get("timestamp")


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_message(self, record: Any) -> None:
        message = dict(expect(record, dict, ""))
        role = message.pop("role", None)
        message_id = optional_text(message.pop("id", None), "id") or ""
        parts = _take_parts(message)
        if role == "assistant":
            self.add_reply(message_id, parts, message)
        elif role in ("user", "system"):
            payload, has_more = _prompt_payload(parts)
            if has_more:
                message["parts"] = parts
            kind = Kind.USER if role == "user" else Kind.SYSTEM
            time = _time_of(message)
            self.transcript.add_block(
                kind, payload, role, message_id, extra_fields=omit(message, "createdAt"), time=time
            )
        else:
            raise unexpected("role", role)

    def add_reply(self, message_id: str, parts: list[dict[str, Any]], extra_fields: dict[str, Any]) -> None:
        """Add the steps of a message, a model call each: reasoning, text and tool calls, then the results."""
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        steps = list(_split_steps(parts))
        inference_results = [
            self.step_result(message_id, step_index if len(steps) > 1 else None, step, extra_fields)
            for step_index, step in enumerate(steps)
        ]
        part_number = 0
        for step, inference_result in zip(steps, inference_results, strict=True):
            tool_results: list[ToolResult] = []
            for part in step:
                tool_results += self.add_part(part, inference_result, message_id, f".parts[{part_number}]")
                part_number += 1
            for tool_result in tool_results:
                transcript.add_result(*tool_result)
        if len(transcript.blocks) == first_block:  # the model started and wrote nothing
            transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", message_id, result=inference_results[0])
        transcript.set_times(first_block, _time_of(extra_fields))
        extra_fields.pop("createdAt", None)
        transcript.add_extra_fields(first_block, extra_fields)

    def step_result(
        self, message_id: str, step_index: int | None, step: list[dict[str, Any]], message: Mapping[str, Any]
    ) -> InferenceResult:
        """Return the result of a step. Model and usage are those that pages put into `metadata` by the SDK's names."""
        message_metadata = message.get("metadata")
        message_metadata = (
            message_metadata if isinstance(message_metadata, Mapping) and not step_index else {}
        )  # of the message: used once
        token_counts = message_metadata.get("totalUsage") or message_metadata.get("usage")
        token_counts = token_counts if isinstance(token_counts, Mapping) else {}
        input_details, output_details = (
            details if isinstance(details := token_counts.get(name), Mapping) else {}
            for name in ("inputTokenDetails", "outputTokenDetails")
        )
        model_name, finish_reason = (
            message_metadata.get("model") or message_metadata.get("modelId"),
            message_metadata.get("finishReason"),
        )
        return self.transcript.inference_result(
            id=(message_id or self.transcript.position) + ("" if step_index is None else f"#{step_index}"),
            model=model_name if isinstance(model_name, str) else "",
            stop_reason=finish_reason.replace("-", "_") if isinstance(finish_reason, str) else "",
            pending=any(str(part.get("type")).startswith(("tool-", "dynamic-tool")) for part in step),
            usage=token_usage(
                token_counts.get("inputTokens", token_counts.get("promptTokens")),
                token_counts.get("outputTokens", token_counts.get("completionTokens")),
                cache_read_tokens=token_counts.get("cachedInputTokens", input_details.get("cacheReadTokens")),
                cache_write_tokens=input_details.get("cacheWriteTokens"),
                reasoning_tokens=token_counts.get("reasoningTokens", output_details.get("reasoningTokens")),
            ),
        )

    def add_part(
        self, part: dict[str, Any], inference_result: InferenceResult, message_id: str, path: str
    ) -> list[ToolResult]:
        """Add a part of a reply, and return the result of a tool, which follows the whole step."""
        transcript, part_type = self.transcript, part.get("type")
        if part_type == "step-start":
            return []
        if part_type == "text":
            part_text, extra_fields = expect(part.get("text"), str, "text"), _extra_fields(part, "text")
            transcript.add_block(
                Kind.LLM_TEXT,
                {"text": part_text},
                "assistant",
                message_id,
                result=inference_result,
                extra_fields=extra_fields,
            )
        elif part_type == "reasoning":
            part_text = expect(part.get("text", part.get("reasoning")), str, "reasoning")
            extra_fields = _extra_fields(part, "text", "reasoning")
            transcript.add_block(
                Kind.REASONING, {"text": part_text}, "", message_id, result=inference_result, extra_fields=extra_fields
            )
        elif (part_image := _image_payload(part)) is not None:
            payload = {"text": "", "images": [part_image]}
            transcript.add_block(
                Kind.LLM_TEXT, payload, "assistant", message_id, result=inference_result, extra_fields=part
            )
        elif part_type == "tool-invocation":
            return self.add_tool(_upgrade_tool_part(part), inference_result)
        elif part_type == "dynamic-tool" or (isinstance(part_type, str) and part_type.startswith("tool-")):
            return self.add_tool(part, inference_result)
        else:
            if not isinstance(part_type, str) or not (part_type in PART_TYPES or part_type.startswith("data-")):
                transcript.unknown(unknown_value("type", part_type), path)
            transcript.add_other(part, result=inference_result)
        return []

    def add_tool(self, part: dict[str, Any], inference_result: InferenceResult) -> list[ToolResult]:
        """Add a tool call, and return its result if the part has one."""
        tool_fields = dict(part)
        part_type = expect(tool_fields.pop("type"), str, "type")
        tool_name = tool_fields.pop("toolName", None) or part_type.removeprefix("tool-")
        raw_call_id, tool_state = tool_fields.pop("toolCallId", None), tool_fields.pop("state", "")
        arguments = tool_fields.pop("input", None)
        if arguments is None and "rawInput" in tool_fields:
            arguments = tool_fields.pop("rawInput")
        if tool_fields.get("providerExecuted") is False:
            del tool_fields["providerExecuted"]
        has_output, tool_output, error_text = (
            "output" in tool_fields,
            tool_fields.pop("output", None),
            tool_fields.pop("errorText", None),
        )
        is_denied = tool_state == "output-denied"
        if tool_state not in PLAIN_STATES:
            tool_fields["state"] = tool_state
        call_id = self.transcript.add_call(
            raw_call_id, tool_name, arguments, result=inference_result, extra_fields=tool_fields
        )
        if error_text or is_denied or has_output or tool_state in ("output-available", "output-error"):
            return [(call_id, tool_output, error_text or ("the user denied this call" if is_denied else ""))]
        return []


def _take_parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Remove the parts of a message and return them; those of AI SDK 4 are made of its other fields."""
    parts = objects(message.pop("parts", None), "parts")
    legacy_content = message.get("content")
    if parts:
        if legacy_content == "".join(part["text"] for part in parts if isinstance(part.get("text"), str)):
            del message["content"]
    else:
        legacy_reasoning = message.pop("reasoning", None)
        if legacy_reasoning is not None:
            parts.append({"type": "reasoning", "reasoning": legacy_reasoning})
        if legacy_content is not None:
            parts += [{"type": "text", "text": message.pop("content")}] if isinstance(legacy_content, str) else []
        tool_invocations = list_or_empty(message.pop("toolInvocations", None), "toolInvocations")
        parts += [{"type": "tool-invocation", "toolInvocation": invocation} for invocation in tool_invocations]
    for attachment in objects(message.pop("experimental_attachments", None), "experimental_attachments"):
        parts.append({"type": "file", "mediaType": attachment.get("contentType"), **attachment})
    return parts


def _prompt_payload(parts: list[dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """Return text and images of a prompt, and whether its parts have more."""
    text_parts = [expect(part.get("text"), str, "text") for part in parts if part.get("type") == "text"]
    images = [image for part in parts if (image := _image_payload(part)) is not None]
    payload: dict[str, Any] = {"text": "\n".join(text_parts)} | omit_empty(images=images)
    return payload, len(parts) > 1 or len(text_parts) + len(images) != len(parts)


def _image_payload(part: Mapping[str, Any]) -> dict[str, Any] | None:
    media_type = part.get("mediaType") or part.get("mimeType")
    if part.get("type") != "file" or not isinstance(media_type, str) or not media_type.startswith("image/"):
        return None
    data_field = {"content": part["data"]} if isinstance(part.get("data"), str) else {}
    filename = part.get("filename") or part.get("name")
    return omit_empty(media_type=media_type, url=part.get("url"), filename=filename) | data_field


def _split_steps(parts: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    step: list[dict[str, Any]] = []
    for part in parts:
        if part.get("type") == "step-start" and step:
            yield step
            step = []
        step.append(part)
    yield step


def _extra_fields(part: Mapping[str, Any], *block_fields: str) -> dict[str, Any]:
    """Return the fields of a part without `block_fields`, and without the state of a part that is done."""
    part_fields = omit(part, "type", *block_fields)
    return omit(part_fields, "state") if part_fields.get("state") == "done" else part_fields


def _upgrade_tool_part(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a tool of AI SDK 4 in the shape of version 5."""
    tool_invocation = dict(object_or_empty(part.get("toolInvocation"), "toolInvocation"))
    arguments, part_state = (
        tool_invocation.pop("args", None),
        STATES_BY_OLD_STATE.get(str(tool_invocation.pop("state", "")), ""),
    )
    output_field = {"output": tool_invocation.pop("result")} if "result" in tool_invocation else {}
    return {"type": "dynamic-tool", "input": arguments, "state": part_state} | output_field | tool_invocation


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_chat))
