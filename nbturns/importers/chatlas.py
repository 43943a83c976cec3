"""chatlas's turns, as `turn.model_dump()` or `to_json` writes them: a role, `contents` with a `content_type`, tokens.

A result names the request that it answers in `request`; the tool fails when `error` is set. Of the three numbers in
`tokens` the second is the output; the input is the first and the third, which is the part read from the cache.
Source: posit-dev/chatlas, chatlas/_turn.py and chatlas/_content.py at 01a0c2672f7d.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    text_or_empty,
    to_float,
    token_usage,
    unexpected,
)
from .kit.record_lists import item_score, list_reader
from .kit.transcript import Transcript, run_of_messages

FORMAT = "chatlas"
ROLE_KINDS = {"user": Kind.USER, "system": Kind.SYSTEM, "assistant": Kind.LLM_TEXT}
ROLES = tuple(ROLE_KINDS)
TURN_FIELDS = ("role", "contents", "tokens", "finish_reason", "completion", "cost")
RESULT_TYPES = ("tool_result", "tool_result_image", "tool_result_resource")


def is_turn(value: Any) -> bool:
    """Return True for a turn of chatlas."""
    contents = value.get("contents") if isinstance(value, Mapping) else None
    return (
        isinstance(contents, list)
        and isinstance(value.get("role"), str)
        and all(isinstance(content, Mapping) and "content_type" in content for content in contents)
    )


def read_chat(document: Any, notes: Notes) -> Run:
    """Return the Run of a list of turns, or of an object with `turns` or `messages`."""
    if isinstance(document, Mapping) and isinstance(document.get("turns"), list):
        document = {**omit(document, "turns"), "messages": document["turns"]}
    return run_of_messages(document, notes, is_turn, lambda transcript: _TurnReader(transcript).read_turn, "id")


class _TurnReader:
    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def read_turn(self, record: Any) -> None:
        turn = expect(record, dict, "")
        role = turn.get("role")
        if role not in ROLES:
            raise unexpected("role", role)
        contents, first_block = objects(turn.get("contents"), "contents"), len(self.transcript.blocks)
        result = None
        if role == "assistant":
            has_calls = any(content.get("content_type") == "tool_request" for content in contents)
            result = self.call_result(turn, has_calls)
        for index, content in enumerate(contents):
            self.add_content(content, role, result, f".contents[{index}]")
        if not contents:
            self.transcript.add_block(ROLE_KINDS[role], {"text": ""}, role, result=result)
        self.transcript.add_extra_fields(first_block, omit(turn, *TURN_FIELDS))

    def call_result(self, turn: Mapping[str, Any], has_calls: bool) -> InferenceResult:
        tokens = list_or_empty(turn.get("tokens"), "tokens")
        input_tokens, output_tokens, cached_tokens = (tokens + [None] * 3)[:3]
        completion = object_or_empty(turn.get("completion"), "completion")
        return self.transcript.inference_result(
            model=text_or_empty(completion.get("model") or completion.get("model_version")),
            response_id=text_or_empty(completion.get("id")),
            stop_reason=turn.get("finish_reason"),
            pending=has_calls,
            cost=to_float(turn.get("cost")),
            usage=token_usage(input_tokens, output_tokens, cache_read_tokens=cached_tokens, cache_in_input=False),
            extra={"completion": completion, "tokens": tokens},
        )

    def add_content(self, content: dict[str, Any], role: str, result: InferenceResult | None, path: str) -> None:
        transcript, content_type = self.transcript, content.get("content_type")
        if content_type == "text":
            text = expect(content.get("text"), str, "text")
            extra_fields = omit(content, "content_type", "text")
            transcript.add_block(ROLE_KINDS[role], {"text": text}, role, result=result, extra_fields=extra_fields)
        elif content_type == "thinking":
            text = optional_text(content.get("thinking"), "thinking") or ""
            payload = {"text": text} | omit_empty(omit(content, "content_type", "thinking"))
            transcript.add_block(Kind.REASONING, payload, result=result)
        elif content_type == "tool_request":
            extra_fields = omit(content, "content_type", "id", "name", "arguments")
            call = (content.get("id"), content.get("name"), content.get("arguments"))
            transcript.add_call(*call, result=result, extra_fields=extra_fields)
        elif content_type in RESULT_TYPES:
            request = object_or_empty(content.get("request"), "request")
            extra_fields = omit(content, "content_type", "value", "error", "request")
            transcript.add_result(
                request.get("id"), content.get("value"), content.get("error"), extra_fields=extra_fields
            )
        elif content_type in ("image_remote", "image_inline"):
            image = omit_empty(
                url=content.get("url"),
                detail=content.get("detail"),
                media_type=content.get("image_content_type"),
                content=content.get("data"),
            )
            transcript.add_block(ROLE_KINDS[role], {"text": "", "images": [image]}, role, result=result)
        else:
            if content_type not in ("json", "pdf") and not str(content_type).startswith("web_"):
                transcript.unknown(unknown_value("content_type", content_type), path)
            transcript.add_other(content, result=result)


IMPORTER = Importer(FORMAT, item_score(is_turn, "turns", "messages"), list_reader(FORMAT, is_turn, read_chat))
