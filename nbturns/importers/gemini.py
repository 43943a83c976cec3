"""Gemini contents: requests, replies (`candidates`), pairs of both, lists of contents.

Source: Google's generateContent reference; googleapis/python-genai at 66807187f212, google/genai/types.py: `contents` of
roles user and model, whose `parts` have no type but a name (`text`, `functionCall`, `functionResponse`, `inlineData`, …),
in camel or snake case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kit.importer import SURE, Importer
from .kit.provider_requests import RequestLayout
from .kit.recorded_calls import PAIR_SCORE, recorded_call
from .kit.sample import Sample

FORMAT = "gemini"
ROLES = frozenset({"user", "model", "function", "system", "tool"})
OTHER_TYPES = frozenset(
    {"executableCode", "codeExecutionResult", "toolCall", "toolResponse", "inlineData", "fileData", "text", "thought"}
    | {"executable_code", "code_execution_result", "inline_data", "file_data", "thoughtSignature", "thought_signature"}
)  # types of parts that become `other` blocks without a note
MAX_CONTENTS = 100  # number that a score checks


def score_gemini(sample: Sample) -> int:
    """Return SURE for replies and for contents with `parts` that have no type."""
    record = sample.record
    if sample.container != "json" or not record:
        return 0
    if (call := recorded_call(record)) is not None:
        return PAIR_SCORE if call.format == FORMAT else 0
    pair_request = record.get("request")
    content_request = pair_request if isinstance(pair_request, Mapping) and "contents" in pair_request else record
    contents = content_request.get("contents") if "contents" in content_request else sample.records
    contents = [contents] if isinstance(contents, Mapping) else contents
    first_contents = contents[:MAX_CONTENTS] if isinstance(contents, list) else []
    return SURE if first_contents and all(map(_is_content, first_contents)) else 0


def _is_content(content: Any) -> bool:
    if not isinstance(content, Mapping) or "kind" in content or "id" in content:
        return False
    content_parts, role = content.get("parts"), content.get("role")
    content_parts = [content_parts] if isinstance(content_parts, Mapping) else content_parts
    if not isinstance(content_parts, list) or not (role is None or (isinstance(role, str) and role in ROLES)):
        return False
    return all(isinstance(content_part, Mapping) and "type" not in content_part for content_part in content_parts)


PROMPT_NAMES = ("systemInstruction", "system_instruction")
LAYOUT = RequestLayout(FORMAT, "contents", PROMPT_NAMES, "parts", OTHER_TYPES.__contains__)
IMPORTER = Importer(FORMAT, score_gemini, LAYOUT.reader(_is_content))
