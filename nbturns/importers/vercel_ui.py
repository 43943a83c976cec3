"""Messages of the Vercel AI SDK's `useChat`: what a page keeps of a chat.

A message has `parts`: text, reasoning, files, sources, and tools, which hold call and result in
one (`tool-<name>`, `dynamic-tool`; AI SDK 4: `tool-invocation`). `step-start` parts the model calls
of one message. Source: `UIMessage` of the AI SDK's reference (versions 4, 5 and 6).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from ..results import InferenceResult
from ..turns import Kind, Run
from .faults import unknown_value
from .importer import Importer
from .listed import item_score, list_reader
from .record_fields import expect, list_or_empty, object_or_empty, omit_empty, optional_text, token_usage
from .report import Notes
from .transcript import Transcript, run_of_messages

FORMAT = "vercel-ui"
PARTS = ("text", "reasoning", "file", "source-url", "source-document", "source", "step-start", "dynamic-tool")


def is_message(value: Any) -> bool:
    """Whether this has the shape of a UIMessage, and of nothing else."""
    if not isinstance(value, Mapping) or value.get("role") not in ("user", "assistant", "system", "data"):
        return False
    if isinstance(value.get("toolInvocations"), list):
        return True
    parts = value.get("parts")
    if not isinstance(parts, list) or not isinstance(value.get("id", ""), str):
        return False
    return all(isinstance(part, Mapping) and _is_part(part) for part in parts) and ("id" in value or bool(parts))


def _is_part(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    if kind in ("text", "reasoning"):
        return "content" not in part
    return isinstance(kind, str) and (kind in PARTS or kind.startswith(("tool-", "data-")))


def read_one(value: Any, notes: Notes) -> Run:
    """One chat: a list of messages, or an object that has it with an id."""
    return run_of_messages(value, notes, is_message, lambda transcript: partial(_message, transcript), "id", "chatId")


def _message(transcript: Transcript, raw: Any) -> None:
    message = dict(expect(raw, dict, ""))
    role = message.pop("role", None)
    id = optional_text(message.pop("id", None), "the id") or ""
    parts = _parts(message)
    if role == "assistant":
        _assistant(transcript, id, parts, message)
    elif role in ("user", "system"):
        payload, mixed = _written(parts)
        if mixed:
            message["parts"] = parts
        kind = Kind.USER if role == "user" else Kind.SYSTEM
        transcript.add(kind, payload, role, id, extra_fields=message)
    else:
        transcript.add_unknown(raw, unknown_value("role", role))


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a message; those of AI SDK 4 are put together from what it had instead."""
    parts = [expect(part, dict, "a part") for part in list_or_empty(message.pop("parts", None), "parts")]
    content = message.get("content")
    if parts:
        if content == "".join(part["text"] for part in parts if isinstance(part.get("text"), str)):
            del message["content"]
    else:
        thought = message.pop("reasoning", None)
        if thought is not None:
            parts.append({"type": "reasoning", "reasoning": thought})
        if content is not None:
            parts += [{"type": "text", "text": message.pop("content")}] if isinstance(content, str) else []
        invoked = list_or_empty(message.pop("toolInvocations", None), "toolInvocations")
        parts += [{"type": "tool-invocation", "toolInvocation": one} for one in invoked]
    for one in list_or_empty(message.pop("experimental_attachments", None), "experimental_attachments"):
        attached = expect(one, dict, "an attachment")
        parts.append({"type": "file", "mediaType": attached.get("contentType"), **attached})
    return parts


def _written(parts: list[dict[str, Any]]) -> tuple[dict[str, Any], bool]:
    """What a person wrote, its text and images; and whether the parts say more than that."""
    texts = [expect(part.get("text"), str, "text") for part in parts if part.get("type") == "text"]
    images = [image for part in parts if (image := _image(part)) is not None]
    payload: dict[str, Any] = {"text": "\n".join(texts)} | omit_empty(images=images)
    return payload, len(parts) > 1 or len(texts) + len(images) != len(parts)


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = part.get("mediaType") or part.get("mimeType")
    if part.get("type") != "file" or not isinstance(kind, str) or not kind.startswith("image/"):
        return None
    data = {"content": part["data"]} if isinstance(part.get("data"), str) else {}
    return omit_empty(media_type=kind, url=part.get("url"), filename=part.get("filename") or part.get("name")) | data


def _assistant(transcript: Transcript, id: str, parts: list[dict[str, Any]], other_fields: dict[str, Any]) -> None:
    """The steps of one message, a model call each: what the model said and called, then the results."""
    steps = list(_steps(parts))
    results = [
        _result(transcript, id, number if len(steps) > 1 else None, step, other_fields)
        for number, step in enumerate(steps)
    ]
    before = len(transcript.blocks)
    for step, result in zip(steps, results, strict=True):
        answers = [one for part in step if (one := _part(transcript, part, result, id)) is not None]
        for answer in answers:
            transcript.add_result(*answer)
    if len(transcript.blocks) == before:  # it began and said nothing
        transcript.add(Kind.LLM_TEXT, {"text": ""}, "assistant", id, result=results[0])
    transcript.add_extra_fields(before, other_fields)


def _steps(parts: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    step: list[dict[str, Any]] = []
    for part in parts:
        if part.get("type") == "step-start" and step:
            yield step
            step = []
        step.append(part)
    yield step


def _result(
    transcript: Transcript, id: str, number: int | None, step: list[dict[str, Any]], other_fields: Mapping[str, Any]
) -> InferenceResult:
    """Whose call this was: what people put into `metadata` by the names of the SDK's own results."""
    about = other_fields.get("metadata")
    about = about if isinstance(about, Mapping) and not number else {}  # of the message: said once
    counts = about.get("totalUsage") or about.get("usage")
    counts = counts if isinstance(counts, Mapping) else {}
    model, reason = about.get("model") or about.get("modelId"), about.get("finishReason")
    return transcript.inference_result(
        id=(id or transcript.position) + ("" if number is None else f"#{number}"),
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


def _part(
    transcript: Transcript, part: dict[str, Any], result: InferenceResult, id: str
) -> tuple[Any, Any, str] | None:
    """Write one part of a reply; of a tool that ran, its result, to be written after the step."""
    kind = part.get("type")
    if kind == "step-start":
        return None
    if kind == "text":
        extra_fields = {name: value for name, value in part.items() if name not in ("type", "text")}
        _dropped_when(extra_fields, "state", "done")
        text = expect(part.get("text"), str, "text")
        transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", id, result=result, extra_fields=extra_fields)
    elif kind == "reasoning":
        extra_fields = {name: value for name, value in part.items() if name not in ("type", "text", "reasoning")}
        _dropped_when(extra_fields, "state", "done")
        text = expect(part.get("text", part.get("reasoning")), str, "reasoning")
        transcript.add(Kind.REASONING, {"text": text}, "", id, result=result, extra_fields=extra_fields)
    elif (image := _image(part)) is not None:
        transcript.add(
            Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", id, result=result, extra_fields=part
        )
    elif kind == "tool-invocation":
        return _tool(transcript, _of_version_4(part), result)
    elif kind == "dynamic-tool" or (isinstance(kind, str) and kind.startswith("tool-")):
        return _tool(transcript, part, result)
    elif isinstance(kind, str) and (kind in PARTS or kind.startswith("data-")):
        transcript.add_other(part, result=result)
    else:
        transcript.unknown(unknown_value("type", kind))
        transcript.add_other(part, result=result)
    return None


def _of_version_4(part: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's part as version 5 writes it."""
    one = dict(object_or_empty(part.get("toolInvocation"), "toolInvocation"))
    states = {"partial-call": "input-streaming", "call": "input-available", "result": "output-available"}
    made = {"type": "dynamic-tool", "input": one.pop("args", None), "state": states.get(str(one.pop("state", "")), "")}
    return made | ({"output": one.pop("result")} if "result" in one else {}) | one


def _tool(transcript: Transcript, part: dict[str, Any], result: InferenceResult) -> tuple[Any, Any, str] | None:
    extra_fields = dict(part)
    kind = expect(extra_fields.pop("type"), str, "type")
    name = extra_fields.pop("toolName", None) or kind.removeprefix("tool-")
    id, state = extra_fields.pop("toolCallId", None), extra_fields.pop("state", "")
    given = extra_fields.pop("input", None)
    if given is None and "rawInput" in extra_fields:
        given = extra_fields.pop("rawInput")
    if extra_fields.get("providerExecuted") is False:
        del extra_fields["providerExecuted"]
    has_output, output, error = (
        "output" in extra_fields,
        extra_fields.pop("output", None),
        extra_fields.pop("errorText", None),
    )
    denied = state == "output-denied"
    if state not in ("", "input-available", "output-available", "output-error"):
        extra_fields["state"] = state
    id = transcript.add_call(id, name, given, result=result, extra_fields=extra_fields)
    if error or denied or has_output or state in ("output-available", "output-error"):
        return id, output, error or ("the user denied this call" if denied else "")
    return None


def _dropped_when(extra_fields: dict[str, Any], name: str, value: Any) -> None:
    if extra_fields.get(name) == value:
        del extra_fields[name]


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_one))
