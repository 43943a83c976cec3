"""LangChain messages, in the two shapes it writes.

`messages_to_dict`: `{"type": "human", "data": {…}}`; `dumpd`: `{"lc": 1, "type": "constructor", "id":
[…, "HumanMessage"], "kwargs": {…}}`. The fields are the same. Usage counts the cache as input.
LangChain keeps calls with their arguments parsed, so their spelling is that of JSON again; a call
whose arguments were no JSON stands among `invalid_tool_calls`. Source: `langchain_core.messages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..results import InferenceResult
from ..turns import Kind, Run
from .importer import Importer
from .listed import item_score, list_reader
from .record_fields import ShapeError, expect, list_or_empty, object_or_empty, omit, omit_empty, token_usage
from .report import Notes
from .transcript import Transcript, run_of_messages

FORMAT = "langchain"
TYPES = {
    "human": "user",
    "system": "system",
    "developer": "developer",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
    "chat": "",
    "remove": "",
}
CALLS = ("tool_calls", "invalid_tool_calls", "tool_call_chunks")


def is_message(value: Any) -> bool:
    """Whether this is a message in one of LangChain's two shapes."""
    if not isinstance(value, Mapping):
        return False
    if value.get("lc") == 1 and value.get("type") in ("constructor", "not_implemented"):
        id = value.get("id")
        return isinstance(id, list) and bool(id) and str(id[-1]).removesuffix("Chunk").endswith("Message")
    kind = value.get("type")
    return isinstance(kind, str) and _type(kind) in TYPES and isinstance(value.get("data"), Mapping)


def _type(name: str) -> str:
    """The type of a message by its name: that of `AIMessageChunk` is `ai`."""
    return name.removesuffix("Chunk").removesuffix("Message").lower()


def read_one(value: Any, notes: Notes) -> Run:
    """One conversation: a list of messages, or an object that has it as `messages`."""
    return run_of_messages(value, notes, is_message, lambda transcript: _Reader(transcript).message, "id", "session_id")


class _Reader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.last_call = ""

    def message(self, raw: Any) -> None:
        raw = expect(raw, dict, "a message")
        if not is_message(raw):
            raise ShapeError("no message of LangChain")
        kind, data = (_type(raw["id"][-1]), raw.get("kwargs")) if "lc" in raw else (_type(raw["type"]), raw["data"])
        data = {name: one for name, one in object_or_empty(data, "the fields").items() if name != "type"}
        role = TYPES.get(kind, "") or (data.get("role") if kind == "chat" else "")
        before = len(self.transcript.blocks)
        if role in ("user", "system", "developer"):
            extra_fields = self.written(data, Kind.USER if role == "user" else Kind.SYSTEM, role)
        elif role == "assistant":
            extra_fields = self.reply(data)
        elif role == "tool":
            extra_fields = self.answer(data)
        else:
            self.transcript.add_unknown(raw, f"a message of the type {kind!r}")
            return
        self.transcript.add_extra_fields(before, extra_fields)

    def written(self, data: dict[str, Any], kind: Kind, role: str) -> dict[str, Any]:
        texts, images, others = _content(data.get("content"))
        extra_fields = omit(data, "content", "id")
        if others or len(texts) + len(images) > 1:
            extra_fields["content"] = data["content"]
        self.transcript.add(kind, {"text": "\n".join(texts)} | omit_empty(images=images), role, data.get("id"))
        return extra_fields

    def answer(self, data: dict[str, Any]) -> dict[str, Any]:
        id, content = data.get("tool_call_id"), data.get("content")
        if id is None:  # of the days of function calls
            id = self.last_call
        failed = data.get("status") == "error"
        error = (content if isinstance(content, str) and content else "error") if failed else ""
        self.transcript.add_result(id, None if error and error == content else content, error, block_id=data.get("id"))
        extra_fields = omit(data, "content", "tool_call_id", "id")
        return omit(extra_fields, "status") if extra_fields.get("status") in ("success", "error") else extra_fields

    def reply(self, data: dict[str, Any]) -> dict[str, Any]:
        """One answer of the model: its thoughts, its text, and what it called."""
        transcript, id = self.transcript, data.get("id")
        calls = [expect(call, dict, "a call") for name in CALLS[:2] for call in list_or_empty(data.get(name), name)]
        extra = dict(object_or_empty(data.get("additional_kwargs"), "additional_kwargs"))
        legacy = extra.pop("function_call", None)
        result = self.result(data, bool(calls or legacy))
        before = len(transcript.blocks)
        thought = extra.pop("reasoning_content", None)
        if isinstance(thought, str) and thought:
            transcript.add(Kind.REASONING, {"text": thought}, result=result)
        self.parts(data.get("content"), {str(call.get("id")) for call in calls}, result, id)
        for call in calls:
            extra_fields = omit(call, "id", "name", "args", "type") | omit_empty(error=call.get("error"))
            self.last_call = transcript.add_call(
                call.get("id"), call.get("name"), call.get("args"), result=result, extra_fields=extra_fields
            )
        if isinstance(legacy, Mapping) and not calls:
            self.last_call = f"{transcript.position}.function_call"  # it is answered by the next message, and has no id
            transcript.add_call(self.last_call, legacy.get("name"), legacy.get("arguments"), result=result)
        if len(transcript.blocks) == before:
            transcript.add(Kind.LLM_TEXT, {"text": ""}, "assistant", id, result=result)
        extra_fields = omit(data, "content", "id", "response_metadata", "usage_metadata", "additional_kwargs", *CALLS)
        return extra_fields | omit_empty(additional_kwargs=_but_calls(extra, calls))

    def parts(self, content: Any, calls: set[str], result: InferenceResult, id: Any) -> None:
        """What an answer says, part by part; a call is there as well, and stands once."""
        transcript = self.transcript
        if content is None or isinstance(content, str):
            if content:
                transcript.add(Kind.LLM_TEXT, {"text": content}, "assistant", id, result=result)
            return
        for part in expect(content, list, "content"):
            kind = part.get("type") if isinstance(part, Mapping) else None
            if isinstance(part, str) or (kind in ("text", "output_text") and isinstance(part.get("text"), str)):
                text, extra_fields = (part, {}) if isinstance(part, str) else (part["text"], omit(part, "type", "text"))
                transcript.add(Kind.LLM_TEXT, {"text": text}, "assistant", id, result=result, extra_fields=extra_fields)
            elif kind in ("thinking", "reasoning", "redacted_thinking", "reasoning_content"):
                transcript.add(Kind.REASONING, _thought(part), result=result)
            elif kind in ("tool_use", "tool_call", "function_call", "invalid_tool_call") and _id(part) in calls:
                continue
            elif (image := _image(part)) is not None:
                transcript.add(Kind.LLM_TEXT, {"text": "", "images": [image]}, "assistant", id, result=result)
            else:
                transcript.notes.add_unknown(transcript.position, f"a content part of the type {kind!r}")
                transcript.add_other(part, result=result)

    def result(self, data: Mapping[str, Any], pending: bool) -> InferenceResult:
        about = object_or_empty(data.get("response_metadata"), "response_metadata")
        counts = object_or_empty(data.get("usage_metadata"), "usage_metadata")
        read = object_or_empty(counts.get("input_token_details"), "input_token_details")
        wrote = object_or_empty(counts.get("output_token_details"), "output_token_details")
        older = about.get("token_usage") if isinstance(about.get("token_usage"), Mapping) else {}
        assert isinstance(older, Mapping)
        response = about.get("id")
        id = data.get("id")
        return self.transcript.inference_result(
            id=id if isinstance(id, str) and id not in ("", response) else "",
            provider=about.get("model_provider") or "",
            model=about.get("model_name") or about.get("model") or "",
            response_id=response or "",
            stop_reason=about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason"),
            pending=pending,
            usage=token_usage(
                counts.get("input_tokens", older.get("prompt_tokens")),
                counts.get("output_tokens", older.get("completion_tokens")),
                cached=read.get("cache_read"),
                written=read.get("cache_creation"),
                reasoning=wrote.get("reasoning"),
            ),
            extra={"response_metadata": about, "usage_metadata": counts},
        )


def _content(content: Any) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Texts and images of what was said to a model, and whether there is more."""
    if content is None or isinstance(content, str):
        return [content or ""], [], False
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    others = False
    for part in expect(content, list, "content"):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
            others = others or len(part) > 2
        elif (image := _image(part)) is not None:
            images.append(image)
        else:
            others = True
    return texts, images, others


def _image(part: Any) -> dict[str, Any] | None:
    """OpenAI's, Anthropic's and LangChain's own ways to write an image."""
    if not isinstance(part, Mapping) or part.get("type") not in ("image_url", "image"):
        return None
    given = part.get("image_url")
    if isinstance(given, Mapping):
        return omit_empty(url=given.get("url"), detail=given.get("detail"))
    source = part.get("source")
    about = {**part, **source} if isinstance(source, Mapping) else part
    url = given if isinstance(given, str) else about.get("url")
    content = about.get("data") or about.get("base64")
    if not isinstance(url or content, str):
        return None
    return omit_empty(url=url, content=content, media_type=about.get("mime_type") or about.get("media_type"))


def _thought(part: Mapping[str, Any]) -> dict[str, Any]:
    text = part.get("thinking", part.get("reasoning", part.get("text")))
    payload = {"text": text if isinstance(text, str) else ""}
    payload |= omit_empty(signature=part.get("signature"), encrypted_content=part.get("encrypted_content"))
    extra_fields = omit(part, "thinking", "reasoning", "text", "signature", "encrypted_content", "type", "index")
    return payload | omit_empty(extra_fields)


def _id(part: Mapping[str, Any]) -> str:
    return str(part.get("id") or part.get("call_id") or "")


def _but_calls(extra: dict[str, Any], calls: list[dict[str, Any]]) -> dict[str, Any]:
    """`additional_kwargs` has the provider's calls again, which stand among `tool_calls` already."""
    again = extra.get("tool_calls")
    known = {str(call.get("id")) for call in calls}
    if isinstance(again, list) and all(isinstance(one, Mapping) and _id(one) in known for one in again):
        return omit(extra, "tool_calls")
    return extra


IMPORTER = Importer(FORMAT, item_score(is_message, "messages"), list_reader(FORMAT, is_message, read_one))
