"""`ModelMessage`s of the Vercel AI SDK: what `generateText` takes and `response.messages` returns.

A message has a role and a content, which is a text or parts: `text`, `reasoning`, `image`, `file`, `tool-call`,
`tool-result`. Messages carry no model and no usage. Source: vercel/ai at ed857f50f112,
packages/provider-utils/src/types (`ModelMessage` and its parts) and content/docs/08-migration-guides/
26-migration-guide-5-0.mdx (AI SDK 4 calls the input `args` and the output `result`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.record_fields import expect, omit, unexpected
from .kit.record_lists import first_items, list_reader
from .kit.sample import Sample
from .kit.transcript import Transcript, run_of_messages

FORMAT = "vercel-messages"
ROLES = ("system", "user", "assistant", "tool")
OWN_PART_TYPES = ("tool-call", "tool-result", "tool-error", "tool-approval-request", "tool-approval-response")
ERROR_OUTPUTS = ("error-text", "error-json", "execution-denied")
PART_FIELDS = ("type", "text", "toolCallId", "toolName", "input", "args", "output", "result", "isError")


def is_message(value: Any) -> bool:
    """Return True for a message with a role and a text or parts."""
    if not isinstance(value, Mapping) or value.get("role") not in ROLES or "parts" in value:
        return False
    return isinstance(value.get("content"), str) or bool(_parts_of(value))


def score_vercel_messages(sample: Sample) -> int:
    """Return SURE for messages with a tool call or a tool result that has a `toolCallId`."""
    messages = first_items(sample, "messages")
    if not messages or not all(map(is_message, messages)):
        return 0
    parts = [part for message in messages for part in _parts_of(message)]
    is_own = any(
        part.get("type") in OWN_PART_TYPES and ("toolCallId" in part or "approvalId" in part) for part in parts
    )
    return SURE if is_own else 0


def _parts_of(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [part for part in content if isinstance(part, Mapping)] if isinstance(content, list) else []


def read_vercel_messages(document: Any, notes: Notes) -> Run:
    """Return the Run of a list of messages, or of an object with `messages`."""
    return run_of_messages(
        document, notes, is_message, lambda transcript: ModelMessageReader(transcript).read_message, "id", "chatId"
    )


class ModelMessageReader:
    """Adds the blocks of each message to a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        role = message.get("role")
        if role not in ROLES:
            raise unexpected("role", role)
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else expect(content, list, "content")
        first_block = len(self.transcript.blocks)
        is_pending = any(isinstance(part, Mapping) and part.get("type") == "tool-call" for part in parts)
        result = self.call_result(message, is_pending) if role == "assistant" else None
        for index, part in enumerate(parts):
            self.read_part(expect(part, dict, f"content[{index}]"), role, result, f".content[{index}]")
        if len(self.transcript.blocks) == first_block:
            self.transcript.add_other(message, result=result)
        else:
            self.transcript.add_extra_fields(first_block, omit(message, "role", "content"))

    def call_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:  # noqa: ARG002  # for subclasses
        """Return the result of the model call of a reply; the message itself has none of its values."""
        return self.transcript.inference_result(pending=pending)

    def read_part(self, part: dict[str, Any], role: str, result: InferenceResult | None, path: str) -> None:
        transcript, part_type, fields = self.transcript, part.get("type"), omit(part, *PART_FIELDS)
        kinds = {"system": Kind.SYSTEM, "user": Kind.USER, "assistant": Kind.LLM_TEXT}
        if part_type == "text" and role in kinds:
            text = expect(part.get("text"), str, "text")
            transcript.add_block(kinds[role], {"text": text}, role, result=result, extra_fields=fields)
        elif part_type == "reasoning":
            transcript.add_block(
                Kind.REASONING, {"text": expect(part.get("text"), str, "text")}, result=result, extra_fields=fields
            )
        elif part_type == "tool-call":
            arguments = part.get("input", part.get("args"))
            transcript.add_call(
                part.get("toolCallId"), part.get("toolName"), arguments, result=result, extra_fields=fields
            )
        elif part_type in ("tool-result", "tool-error"):
            value, error = _output_of(part)
            transcript.add_result(part.get("toolCallId"), value, error, extra_fields=fields)
        elif role == "user" and (image := _image_of(part)) is not None:
            transcript.add_block(Kind.USER, {"text": "", "images": [image]}, role, extra_fields=fields)
        else:
            if part_type not in OWN_PART_TYPES and part_type not in ("file", "image"):
                transcript.unknown(unknown_value("type", part_type), path)
            transcript.add_other({**part, "role": role}, result=result)


def _output_of(part: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return the result of a tool and its error: `output` is `{"type", "value"}`, or a value in AI SDK 4."""
    output = part.get("output", part.get("result"))
    is_error = part.get("type") == "tool-error" or part.get("isError") is True
    if isinstance(output, Mapping) and isinstance(output.get("type"), str) and ({"value", "reason"} & output.keys()):
        is_error = is_error or output["type"] in ERROR_OUTPUTS
        output = output.get("value", output.get("reason"))
    if not is_error:
        return output, ""
    return None, part.get("error", output) or "error"


def _image_of(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the image of an image or file part, as an address or as base64 text; None for any other part."""
    media_type = part.get("mediaType", part.get("mimeType"))
    data = part.get("image", part.get("data"))
    is_image = part.get("type") == "image" or (part.get("type") == "file" and str(media_type).startswith("image/"))
    if not is_image or not isinstance(data, str):
        return None
    place = {"url": data} if "://" in data[:12] or data.startswith("data:") else {"content": data}
    return place | ({"media_type": media_type} if isinstance(media_type, str) else {})


IMPORTER = Importer(FORMAT, score_vercel_messages, list_reader(FORMAT, is_message, read_vercel_messages))
