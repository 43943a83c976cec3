"""LangChain messages, in the three shapes that LangChain writes.

`messages_to_dict`: `{"type": "human", "data": {…}}`; `dumpd`: `{"lc": 1, "type": "constructor", "id":
[…, "HumanMessage"], "kwargs": {…}}`; `model_dump`: `{"type": "human", "content": …, "additional_kwargs": {…}}`.
The fields are the same. Usage includes the cache in the input.
LangChain parses the arguments of tool calls, so their spelling is JSON's; a call whose arguments were not
JSON is one of the `invalid_tool_calls`. Source: langchain-core 1.8.3, langchain_core/messages and load/dump.py;
`token_usage`, `done_reason` and the like in `response_metadata` are the providers' own names.
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
SHORT_TYPES = ("human", "ai", "system", "tool")
MESSAGE_FIELDS = frozenset(
    {
        "type",
        "content",
        "id",
        "name",
        "example",
        "status",
        "artifact",
        "tool_calls",
        "invalid_tool_calls",
        "tool_call_id",
    }
    | {"usage_metadata", "response_metadata", "additional_kwargs"}
)
CALL_LISTS = ("tool_calls", "invalid_tool_calls")
REPLY_FIELDS = ("content", "id", "response_metadata", "usage_metadata", "additional_kwargs", "tool_call_chunks")
TEXT_TYPES = ("text", "output_text")
REASONING_TYPES = ("thinking", "reasoning", "redacted_thinking", "reasoning_content")
SERVER_TYPES = ("server_tool_call", "server_tool_result", "non_standard")  # standard parts of langchain-core 1
CALL_TYPES = ("tool_use", "tool_call", "function_call", "invalid_tool_call")


def is_message(value: Any) -> bool:
    """Return True for a message in one of LangChain's three shapes."""
    if not isinstance(value, Mapping):
        return False
    if value.get("lc") == 1 and value.get("type") in ("constructor", "not_implemented"):
        class_path = value.get("id")
        return (
            isinstance(class_path, list)
            and bool(class_path)
            and str(class_path[-1]).removesuffix("Chunk").endswith("Message")
        )
    message_type = value.get("type")
    if not isinstance(message_type, str) or _message_type_of(message_type) not in ROLES:
        return False
    return isinstance(value.get("data"), Mapping) or _is_dumped_message(value)


def _is_dumped_message(value: Mapping[str, Any]) -> bool:
    """Return True for a message as `model_dump` writes it, or with fewer of its fields, as LangGraph's clients send it."""
    if "content" not in value:
        return False
    return {"response_metadata", "additional_kwargs"} <= value.keys() or (
        value.get("type") in SHORT_TYPES and value.keys() <= MESSAGE_FIELDS
    )


def _message_type_of(class_name: str) -> str:
    """Return the type of a message by the name of its class: that of `AIMessageChunk` is `ai`."""
    return class_name.removesuffix("Chunk").removesuffix("Message").lower()


def read_langchain_conversation(value: Any, notes: Notes) -> Run:
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
        message_type, message_fields = _message_type_of(message["type"]), message.get("data")
        if "lc" in message:
            message_type, message_fields = _message_type_of(message["id"][-1]), message.get("kwargs")
        elif _is_dumped_message(message):
            message_fields = {name: value for name, value in message.items() if value is not None or name == "content"}
        message_fields = omit(object_or_empty(message_fields, "kwargs" if "lc" in message else "data"), "type")
        role = ROLES.get(message_type, "") or (message_fields.get("role") if message_type == "chat" else "")
        first_block = len(self.transcript.blocks)
        if role in ("user", "system", "developer"):
            extra_fields = self.add_prompt(message_fields, Kind.USER if role == "user" else Kind.SYSTEM, role)
        elif role == "assistant":
            extra_fields = self.add_reply(message_fields)
        elif role == "tool":
            extra_fields = self.add_result(message_fields)
        else:
            raise unexpected("type", message_type)
        self.transcript.add_extra_fields(first_block, extra_fields)

    # Each of these returns the fields that no block holds.

    def add_prompt(self, message_fields: dict[str, Any], kind: Kind, role: str) -> dict[str, Any]:
        text_parts, images, has_more = _split_content(message_fields.get("content"))
        extra_fields = omit(message_fields, "content", "id")
        if has_more or len(text_parts) + len(images) > 1:
            extra_fields["content"] = message_fields["content"]
        payload = {"text": "\n".join(text_parts)} | omit_empty(images=images)
        self.transcript.add_block(kind, payload, role, message_fields.get("id"))
        return extra_fields

    def add_result(self, message_fields: dict[str, Any]) -> dict[str, Any]:
        call_id, content = message_fields.get("tool_call_id"), message_fields.get("content")
        if call_id is None:  # the result of a legacy function call
            call_id = self.last_call_id
        is_error = message_fields.get("status") == "error"
        error_text = (content if isinstance(content, str) and content else "error") if is_error else ""
        result_content = None if error_text and error_text == content else content
        self.transcript.add_result(call_id, result_content, error_text, block_id=message_fields.get("id"))
        extra_fields = omit(message_fields, "content", "tool_call_id", "id")
        return omit(extra_fields, "status") if extra_fields.get("status") in ("success", "error") else extra_fields

    def add_reply(self, message_fields: dict[str, Any]) -> dict[str, Any]:
        """Add one reply of the model: its reasoning, its text and its tool calls."""
        transcript, message_id = self.transcript, message_fields.get("id")
        tool_calls = [
            tool_call for list_name in CALL_LISTS for tool_call in objects(message_fields.get(list_name), list_name)
        ]
        extra_kwargs = dict(object_or_empty(message_fields.get("additional_kwargs"), "additional_kwargs"))
        function_call = extra_kwargs.pop("function_call", None)
        inference_result = self.inference_result(message_fields, bool(tool_calls or function_call))
        first_block = len(transcript.blocks)
        reasoning = extra_kwargs.pop("reasoning_content", None)
        if isinstance(reasoning, str) and reasoning:
            transcript.add_block(Kind.REASONING, {"text": reasoning}, result=inference_result)
        self.add_parts(
            message_fields.get("content"),
            {str(tool_call.get("id")) for tool_call in tool_calls},
            inference_result,
            message_id,
        )
        for tool_call in tool_calls:
            call_id, list_name, arguments = (tool_call.get(field_name) for field_name in ("id", "name", "args"))
            call_fields = omit(tool_call, "id", "name", "args", "type") | omit_empty(error=tool_call.get("error"))
            self.last_call_id = transcript.add_call(
                call_id, list_name, arguments, result=inference_result, extra_fields=call_fields
            )
        if isinstance(function_call, Mapping) and not tool_calls:
            self.last_call_id = f"{transcript.position}.function_call"  # a legacy call has no id
            list_name, arguments = function_call.get("name"), function_call.get("arguments")
            transcript.add_call(self.last_call_id, list_name, arguments, result=inference_result)
        if len(transcript.blocks) == first_block:
            transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", message_id, result=inference_result)
        extra_fields = omit(message_fields, *REPLY_FIELDS, *CALL_LISTS)
        return extra_fields | omit_empty(additional_kwargs=_without_repeated_calls(extra_kwargs, tool_calls))

    def add_parts(self, content: Any, call_ids: set[str], inference_result: InferenceResult, message_id: Any) -> None:
        """Add the parts of a reply; a tool call among them is in `tool_calls` as well, and added once."""
        transcript = self.transcript
        if content is None or isinstance(content, str):
            content = [content] if content else []
        for part_index, content_part in enumerate(expect(content, list, "content")):
            part_type = content_part.get("type") if isinstance(content_part, Mapping) else None
            if isinstance(content_part, str) or (part_type in TEXT_TYPES and isinstance(content_part.get("text"), str)):
                part_text, part_fields = (
                    (content_part, {})
                    if isinstance(content_part, str)
                    else (content_part["text"], omit(content_part, "type", "text"))
                )
                transcript.add_block(
                    Kind.LLM_TEXT,
                    {"text": part_text},
                    "assistant",
                    message_id,
                    result=inference_result,
                    extra_fields=part_fields,
                )
            elif part_type in REASONING_TYPES:
                transcript.add_block(Kind.REASONING, _reasoning_payload(content_part), result=inference_result)
            elif part_type in SERVER_TYPES:
                transcript.add_other(content_part, result=inference_result)
            elif part_type in CALL_TYPES and _call_id(content_part) in call_ids:
                continue
            elif (image := _image_payload(content_part)) is not None:
                transcript.add_block(
                    Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", message_id, result=inference_result
                )
            else:
                transcript.unknown(unknown_value("type", part_type), f".content[{part_index}]")
                transcript.add_other(content_part, result=inference_result)

    def inference_result(self, message_fields: Mapping[str, Any], pending: bool) -> InferenceResult:
        response_metadata = object_or_empty(message_fields.get("response_metadata"), "response_metadata")
        token_counts = object_or_empty(message_fields.get("usage_metadata"), "usage_metadata")
        input_details = object_or_empty(token_counts.get("input_token_details"), "input_token_details")
        output_details = object_or_empty(token_counts.get("output_token_details"), "output_token_details")
        token_usage_field = response_metadata.get("token_usage")  # of versions before `usage_metadata`
        legacy_counts = token_usage_field if isinstance(token_usage_field, Mapping) else {}
        response_id, message_id = response_metadata.get("id"), message_fields.get("id")
        return self.transcript.inference_result(
            id=message_id if isinstance(message_id, str) and message_id not in ("", response_id) else "",
            provider=response_metadata.get("model_provider") or "",
            model=response_metadata.get("model_name") or response_metadata.get("model") or "",
            response_id=response_id or "",
            stop_reason=response_metadata.get("finish_reason")
            or response_metadata.get("stop_reason")
            or response_metadata.get("done_reason"),
            pending=pending,
            usage=token_usage(
                token_counts.get("input_tokens", legacy_counts.get("prompt_tokens")),
                token_counts.get("output_tokens", legacy_counts.get("completion_tokens")),
                cache_read_tokens=input_details.get("cache_read"),
                cache_write_tokens=input_details.get("cache_creation"),
                reasoning_tokens=output_details.get("reasoning"),
            ),
            extra={"response_metadata": response_metadata, "usage_metadata": token_counts},
        )


def _split_content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Return texts and images of a prompt, and whether it has more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    text_parts: list[str] = []
    images: list[dict[str, Any]] = []
    has_more = False
    for content_part in expect(content, list, "content"):
        if isinstance(content_part, str):
            text_parts.append(content_part)
        elif (
            isinstance(content_part, Mapping)
            and content_part.get("type") == "text"
            and isinstance(content_part.get("text"), str)
        ):
            text_parts.append(content_part["text"])
            has_more = has_more or len(content_part) > 2
        elif (part_image := _image_payload(content_part)) is not None:
            images.append(part_image)
        else:
            has_more = True
    return text_parts, images, has_more


def _image_payload(content_part: Any) -> dict[str, Any] | None:
    """Return the image of a part in OpenAI's, Anthropic's or LangChain's own shape; None for another part."""
    if not isinstance(content_part, Mapping) or content_part.get("type") not in ("image_url", "image"):
        return None
    image_url = content_part.get("image_url")
    if isinstance(image_url, Mapping):
        return omit_empty(url=image_url.get("url"), detail=image_url.get("detail"))
    source = content_part.get("source")
    image_fields = {**content_part, **source} if isinstance(source, Mapping) else content_part
    url_text = image_url if isinstance(image_url, str) else image_fields.get("url")
    image_data = image_fields.get("data") or image_fields.get("base64")
    if not isinstance(url_text or image_data, str):
        return None
    media_type = image_fields.get("mime_type") or image_fields.get("media_type")
    return omit_empty(url=url_text, content=image_data, media_type=media_type)


def _reasoning_payload(content_part: Mapping[str, Any]) -> dict[str, Any]:
    reasoning_text = content_part.get("thinking", content_part.get("reasoning", content_part.get("text")))
    payload = {"text": reasoning_text if isinstance(reasoning_text, str) else ""}
    payload |= omit_empty(
        signature=content_part.get("signature"), encrypted_content=content_part.get("encrypted_content")
    )
    known_fields = ("thinking", "reasoning", "text", "signature", "encrypted_content", "type", "index")
    return payload | omit_empty(omit(content_part, *known_fields))


def _call_id(content_part: Mapping[str, Any]) -> str:
    return str(content_part.get("id") or content_part.get("call_id") or "")


def _without_repeated_calls(extra_kwargs: dict[str, Any], tool_calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return `additional_kwargs` without the provider's own calls, where all of them are in `tool_calls` as well."""
    provider_calls = extra_kwargs.get("tool_calls")
    call_ids = {str(tool_call.get("id")) for tool_call in tool_calls}
    if isinstance(provider_calls, list) and all(
        isinstance(tool_call, Mapping) and _call_id(tool_call) in call_ids for tool_call in provider_calls
    ):
        return omit(extra_kwargs, "tool_calls")
    return extra_kwargs


IMPORTER = Importer(
    FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_langchain_conversation)
)
