"""LangChain messages, in the two shapes that LangChain writes.

`messages_to_dict`: `{"type": "human", "data": {…}}`; `dumpd`: `{"lc": 1, "type": "constructor", "id":
[…, "HumanMessage"], "kwargs": {…}}`. The fields are the same. Usage includes the cache in the input.
LangChain parses the arguments of tool calls, so their spelling is JSON's; a call whose arguments were not
JSON is one of the `invalid_tool_calls`. Source: `langchain_core.messages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from ..values.turns import Kind, Run
from .kit.faults import unknown_value
from .kit.import_report import Notes
from .kit.importer import Importer
from .kit.record_fields import expect, object_or_empty, objects, omit, omit_empty, token_usage, unexpected
from .kit.record_lists import item_score, list_reader
from .kit.transcript import Transcript, run_of_messages

FORMAT = "langchain"
ROLES = {  # by type; "" for types whose messages have a role of their own, or none
    "human": "user",
    "system": "system",
    "developer": "developer",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
    "chat": "",
    "remove": "",
}
CALL_LISTS = ("tool_calls", "invalid_tool_calls")
REPLY_FIELDS = ("content", "id", "response_metadata", "usage_metadata", "additional_kwargs", "tool_call_chunks")
TEXT_TYPES = ("text", "output_text")
REASONING_TYPES = ("thinking", "reasoning", "redacted_thinking", "reasoning_content")
CALL_TYPES = ("tool_use", "tool_call", "function_call", "invalid_tool_call")


def is_message(value: Any) -> bool:
    """Return True for a message in one of LangChain's two shapes."""
    if not isinstance(value, Mapping):
        return False
    if value.get("lc") == 1 and value.get("type") in ("constructor", "not_implemented"):
        id = value.get("id")
        return isinstance(id, list) and bool(id) and str(id[-1]).removesuffix("Chunk").endswith("Message")
    type = value.get("type")
    return isinstance(type, str) and _type_of(type) in ROLES and isinstance(value.get("data"), Mapping)


def _type_of(name: str) -> str:
    """Return the type of a message by the name of its class: that of `AIMessageChunk` is `ai`."""
    return name.removesuffix("Chunk").removesuffix("Message").lower()


def read_one(value: Any, notes: Notes) -> Run:
    """Return the Run of a list of messages, or of an object with `messages`."""
    return run_of_messages(
        value, notes, is_message, lambda transcript: _MessageReader(transcript).read_message, "id", "session_id"
    )


class _MessageReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.last_call_id = ""

    def read_message(self, record: Any) -> None:
        message = expect(record, dict, "")
        if not is_message(message):
            raise unexpected("type", message.get("type"))
        type, fields = _type_of(message["type"]), message.get("data")
        if "lc" in message:
            type, fields = _type_of(message["id"][-1]), message.get("kwargs")
        fields = omit(object_or_empty(fields, "kwargs" if "lc" in message else "data"), "type")
        role = ROLES.get(type, "") or (fields.get("role") if type == "chat" else "")
        first_block = len(self.transcript.blocks)
        if role in ("user", "system", "developer"):
            extra_fields = self.add_prompt(fields, Kind.USER if role == "user" else Kind.SYSTEM, role)
        elif role == "assistant":
            extra_fields = self.add_reply(fields)
        elif role == "tool":
            extra_fields = self.add_result(fields)
        else:
            raise unexpected("type", type)
        self.transcript.add_extra_fields(first_block, extra_fields)

    # Each of these returns the fields that no block holds.

    def add_prompt(self, fields: dict[str, Any], kind: Kind, role: str) -> dict[str, Any]:
        texts, images, has_more = _content(fields.get("content"))
        extra_fields = omit(fields, "content", "id")
        if has_more or len(texts) + len(images) > 1:
            extra_fields["content"] = fields["content"]
        payload = {"text": "\n".join(texts)} | omit_empty(images=images)
        self.transcript.add(kind, payload, role, fields.get("id"))
        return extra_fields

    def add_result(self, fields: dict[str, Any]) -> dict[str, Any]:
        call_id, content = fields.get("tool_call_id"), fields.get("content")
        if call_id is None:  # the result of a legacy function call
            call_id = self.last_call_id
        failed = fields.get("status") == "error"
        error = (content if isinstance(content, str) and content else "error") if failed else ""
        value = None if error and error == content else content
        self.transcript.add_result(call_id, value, error, block_id=fields.get("id"))
        extra_fields = omit(fields, "content", "tool_call_id", "id")
        return omit(extra_fields, "status") if extra_fields.get("status") in ("success", "error") else extra_fields

    def add_reply(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Add one reply of the model: its reasoning, its text and its tool calls."""
        transcript, id = self.transcript, fields.get("id")
        calls = [call for name in CALL_LISTS for call in objects(fields.get(name), name)]
        extra = dict(object_or_empty(fields.get("additional_kwargs"), "additional_kwargs"))
        function_call = extra.pop("function_call", None)
        result = self.inference_result(fields, bool(calls or function_call))
        first_block = len(transcript.blocks)
        reasoning = extra.pop("reasoning_content", None)
        if isinstance(reasoning, str) and reasoning:
            transcript.add(Kind.REASONING, {"text": reasoning}, result=result)
        self.add_parts(fields.get("content"), {str(call.get("id")) for call in calls}, result, id)
        for call in calls:
            call_id, name, arguments = (call.get(field) for field in ("id", "name", "args"))
            call_fields = omit(call, "id", "name", "args", "type") | omit_empty(error=call.get("error"))
            self.last_call_id = transcript.add_call(call_id, name, arguments, result=result, extra_fields=call_fields)
        if isinstance(function_call, Mapping) and not calls:
            self.last_call_id = f"{transcript.position}.function_call"  # a legacy call has no id
            name, arguments = function_call.get("name"), function_call.get("arguments")
            transcript.add_call(self.last_call_id, name, arguments, result=result)
        if len(transcript.blocks) == first_block:
            transcript.add(Kind.LLM_TEXT, {"text": ""}, "assistant", id, result=result)
        extra_fields = omit(fields, *REPLY_FIELDS, *CALL_LISTS)
        return extra_fields | omit_empty(additional_kwargs=_without_repeated_calls(extra, calls))

    def add_parts(self, content: Any, call_ids: set[str], result: InferenceResult, id: Any) -> None:
        """Add the parts of a reply; a tool call among them is in `tool_calls` as well, and added once."""
        transcript = self.transcript
        if content is None or isinstance(content, str):
            content = [content] if content else []
        for number, part in enumerate(expect(content, list, "content")):
            type = part.get("type") if isinstance(part, Mapping) else None
            if isinstance(part, str) or (type in TEXT_TYPES and isinstance(part.get("text"), str)):
                text, fields = (part, {}) if isinstance(part, str) else (part["text"], omit(part, "type", "text"))
                transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", id, result=result, extra_fields=fields)
            elif type in REASONING_TYPES:
                transcript.add(Kind.REASONING, _reasoning(part), result=result)
            elif type in CALL_TYPES and _call_id(part) in call_ids:
                continue
            elif (image := _image(part)) is not None:
                transcript.add(Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", id, result=result)
            else:
                transcript.unknown(unknown_value("type", type), f".content[{number}]")
                transcript.add_other(part, result=result)

    def inference_result(self, fields: Mapping[str, Any], pending: bool) -> InferenceResult:
        response = object_or_empty(fields.get("response_metadata"), "response_metadata")
        counts = object_or_empty(fields.get("usage_metadata"), "usage_metadata")
        input_details = object_or_empty(counts.get("input_token_details"), "input_token_details")
        output_details = object_or_empty(counts.get("output_token_details"), "output_token_details")
        token_usage_field = response.get("token_usage")  # of versions before `usage_metadata`
        legacy_counts = token_usage_field if isinstance(token_usage_field, Mapping) else {}
        response_id, id = response.get("id"), fields.get("id")
        return self.transcript.inference_result(
            id=id if isinstance(id, str) and id not in ("", response_id) else "",
            provider=response.get("model_provider") or "",
            model=response.get("model_name") or response.get("model") or "",
            response_id=response_id or "",
            stop_reason=response.get("finish_reason") or response.get("stop_reason") or response.get("done_reason"),
            pending=pending,
            usage=token_usage(
                counts.get("input_tokens", legacy_counts.get("prompt_tokens")),
                counts.get("output_tokens", legacy_counts.get("completion_tokens")),
                cached=input_details.get("cache_read"),
                written=input_details.get("cache_creation"),
                reasoning=output_details.get("reasoning"),
            ),
            extra={"response_metadata": response, "usage_metadata": counts},
        )


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a prompt, and whether it has more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    has_more = False
    for part in expect(content, list, "content"):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
            has_more = has_more or len(part) > 2
        elif (image := _image(part)) is not None:
            images.append(image)
        else:
            has_more = True
    return texts, images, has_more


def _image(part: Any) -> dict[str, Any] | None:
    """Return the image of a part in OpenAI's, Anthropic's or LangChain's own shape; None for another part."""
    if not isinstance(part, Mapping) or part.get("type") not in ("image_url", "image"):
        return None
    image_url = part.get("image_url")
    if isinstance(image_url, Mapping):
        return omit_empty(url=image_url.get("url"), detail=image_url.get("detail"))
    source = part.get("source")
    fields = {**part, **source} if isinstance(source, Mapping) else part
    url = image_url if isinstance(image_url, str) else fields.get("url")
    content = fields.get("data") or fields.get("base64")
    if not isinstance(url or content, str):
        return None
    media_type = fields.get("mime_type") or fields.get("media_type")
    return omit_empty(url=url, content=content, media_type=media_type)


def _reasoning(part: Mapping[str, Any]) -> dict[str, Any]:
    text = part.get("thinking", part.get("reasoning", part.get("text")))
    payload = {"text": text if isinstance(text, str) else ""}
    payload |= omit_empty(signature=part.get("signature"), encrypted_content=part.get("encrypted_content"))
    known_fields = ("thinking", "reasoning", "text", "signature", "encrypted_content", "type", "index")
    return payload | omit_empty(omit(part, *known_fields))


def _call_id(part: Mapping[str, Any]) -> str:
    return str(part.get("id") or part.get("call_id") or "")


def _without_repeated_calls(extra: dict[str, Any], calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `additional_kwargs` without the provider's own calls, where all of them are in `tool_calls` as well."""
    provider_calls = extra.get("tool_calls")
    call_ids = {str(call.get("id")) for call in calls}
    if isinstance(provider_calls, list) and all(
        isinstance(call, Mapping) and _call_id(call) in call_ids for call in provider_calls
    ):
        return omit(extra, "tool_calls")
    return extra


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_one))
