"""Parts of Gemini's contents in the files of others: names in camel or snake case, fields that are null, calls without ids."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...values.frozen_json import EMPTY_DICT
from ...values.inference_results import InferenceResult, Usage
from ...values.turns import Kind
from .record_fields import expect, omit, omit_empty, text_or_empty, to_number, token_usage
from .reply_blocks import OpenCalls
from .transcript import Transcript

CODE_TOOL = "code_execution"  # the name of the tool that runs the code of a part
INNER_CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
USAGE_NAMES = ("prompt_token_count", "candidates_token_count", "cached_content_token_count", "thoughts_token_count")


def snake_case(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that are not null, with their names in snake case."""
    return {
        INNER_CAPITAL.sub(lambda match: f"_{match[1].lower()}", name): value
        for name, value in record.items()
        if value is not None
    }


def usage_of_metadata(metadata: Any) -> Usage | None:
    """Return the tokens of a usage metadata; thoughts are not part of the candidates."""
    counts = snake_case(metadata) if isinstance(metadata, Mapping) else {}
    prompt, output, cached, thoughts = (to_number(counts.get(name)) for name in USAGE_NAMES)
    if output is None and prompt is not None:
        output = 0
    total = None if output is None else output + (thoughts or 0)
    return token_usage(prompt, total, cache_read_tokens=cached, reasoning_tokens=thoughts)


class GeminiParts:
    """Adds the blocks of parts; results belong to the first open call with the name of their tool."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.open_calls: OpenCalls = OpenCalls(transcript)
        self._call_count = 0

    def add(
        self,
        parts: Iterable[Any],
        *,
        is_model: bool,
        result: InferenceResult | None = None,
        block_id: Any = "",
        extra_fields: Mapping[str, Any] = EMPTY_DICT,
    ) -> int:
        """Add the blocks of parts, texts next to each other in one, and return how many there are."""
        first_block = len(self.transcript.blocks)
        texts: list[str] = []
        images: list[dict[str, Any]] = []

        def add_text() -> None:
            if texts or images:
                payload = {"text": "\n".join(texts)} | omit_empty(images=list(images))
                kind, role = (Kind.LLM_TEXT, "assistant") if is_model else (Kind.USER, "user")
                self.transcript.add_block(kind, payload, role, block_id, result=result)
            texts.clear()
            images.clear()

        for part in parts:
            fields = snake_case(expect(part, dict, "part"))
            if self._take_plain_part(fields, texts, images):
                continue
            add_text()
            self._add_part(fields, part, result, block_id)
        add_text()
        if len(self.transcript.blocks) > first_block:
            self.transcript.add_extra_fields(first_block, extra_fields)
        return len(self.transcript.blocks) - first_block

    def _take_plain_part(self, fields: dict[str, Any], texts: list[str], images: list[dict[str, Any]]) -> bool:
        """Take a text or an image; False for a part of another kind, or one with more fields."""
        names = fields.keys() - {"thought"} if fields.get("thought") is False else fields.keys()
        inline = fields.get("inline_data")
        if names == {"text"} and isinstance(fields["text"], str):
            texts.append(fields["text"])
            return True
        if names == {"inline_data"} and isinstance(inline, Mapping):
            data = snake_case(inline)
            if str(data.get("mime_type")).startswith("image/"):
                images.append(omit_empty(media_type=data.get("mime_type"), content=data.get("data")))
                return True
        return not names

    def _add_part(self, fields: dict[str, Any], part: Any, result: InferenceResult | None, block_id: Any) -> None:
        transcript = self.transcript
        call, response = fields.get("function_call"), fields.get("function_response")
        code, code_result = fields.get("executable_code"), fields.get("code_execution_result")
        signature = omit_empty(signature=fields.get("thought_signature"))
        if fields.get("thought") is True and isinstance(fields.get("text"), str):
            transcript.add_block(Kind.REASONING, {"text": fields["text"]} | signature, result=result)
        elif isinstance(call, Mapping):
            unread_fields = omit(fields, "function_call", "thought") | omit(snake_case(call), "id", "name", "args")
            self.add_call(call.get("id"), call.get("name"), call.get("args"), result, unread_fields)
        elif isinstance(response, Mapping):
            self.add_response(response, block_id)
        elif isinstance(code, Mapping):
            self.add_call("", CODE_TOOL, dict(code), result, {})
        elif isinstance(code_result, Mapping):
            self.add_code_result(code_result)
        elif isinstance(fields.get("text"), str):
            kind, role = (Kind.LLM_TEXT, "assistant") if result is not None else (Kind.USER, "user")
            extra_fields = omit(fields, "text")
            transcript.add_block(kind, {"text": fields["text"]}, role, result=result, extra_fields=extra_fields)
        else:
            transcript.add_other(part, result=result)

    def add_call(self, call_id: Any, name: Any, arguments: Any, result: Any, extra_fields: Mapping[str, Any]) -> None:
        """Add a tool call; one without an id gets one of its place."""
        self._call_count += 1
        call_id = text_or_empty(call_id) or f"call-{self._call_count}"
        self.transcript.add_call(call_id, name, arguments, result=result, extra_fields=extra_fields)
        self.open_calls.add(call_id, name)

    def add_response(self, response: Mapping[str, Any], block_id: Any = "") -> None:
        """Add the result of a function; an object with an `error` alone is a failure."""
        value = response.get("response")
        error = value.get("error") if isinstance(value, Mapping) and value.keys() == {"error"} else ""
        if isinstance(value, Mapping) and value.keys() in ({"result"}, {"output"}):
            value = next(iter(value.values()))
        call_id = self.open_calls.take(response.get("id"), text_or_empty(response.get("name")), is_ordered=True)
        extra_fields = omit(snake_case(response), "id", "name", "response")
        result_value = None if error else value
        self.transcript.add_result(call_id, result_value, error, block_id=block_id, extra_fields=extra_fields)

    def add_code_result(self, code_result: Mapping[str, Any]) -> None:
        """Add what executed code wrote, or its error."""
        outcome, output = code_result.get("outcome"), code_result.get("output")
        has_failed = isinstance(outcome, str) and outcome not in ("OUTCOME_OK", "OUTCOME_UNSPECIFIED")
        error = text_or_empty(output) or str(outcome) if has_failed else ""
        call_id = self.open_calls.take("", CODE_TOOL, is_ordered=True)
        extra_fields = omit(code_result, "output")
        self.transcript.add_result(call_id, None if error == output else output, error, extra_fields=extra_fields)
