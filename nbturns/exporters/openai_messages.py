"""OpenAI chat messages as JSON Lines, the shape of files for fine-tuning: `{"messages": [...]}`, one line.

Texts, calls, text results and reasoning (`reasoning_content`) read back as they are, images as URLs or data URLs. Lost
are: model calls (models, tokens, cost, times), ids of blocks, metadata, earlier Turns that the latest does not
continue, and blocks of unknown kinds. Results that are not text come back as JSON text, errors as the text of a result,
and reasoning that no text or call follows with an empty text.
"""

from __future__ import annotations

from typing import Any

from ..values.blocks import Block
from ..values.frozen_json import thaw
from ..values.turns import Run, Turn
from .message_steps import Step, answer_text, arguments_text, conversation_steps, json_text


def openai_messages(value: Turn | Run) -> list[dict[str, Any]]:
    """Return the messages of a conversation."""
    return [_message(step) for step in conversation_steps(value)]


def openai_line(value: Turn | Run) -> str:
    """Return the messages as a line of JSON Lines."""
    return json_text({"messages": openai_messages(value)}) + "\n"


def _message(step: Step) -> dict[str, Any]:
    block = step.blocks[0]
    if step.kind == "result":
        return {"role": "tool", "tool_call_id": block.tool_call_id, "content": answer_text(block)}
    if step.kind == "prompt":
        return {"role": block.role or block.kind, "content": _content(block)}
    reasoning, texts, calls = (step.of_kind(kind) for kind in ("reasoning", "llm_text", "tool_call"))
    message: dict[str, Any] = {"role": "assistant", "content": _content(texts[0]) if texts else None}
    if reasoning:
        message["reasoning_content"] = reasoning[0].text
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    return message


def _call(call: Block) -> dict[str, Any]:
    return {
        "id": call.tool_call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments_text(call)},
    }


def _content(block: Block) -> Any:
    """Return the text of a message, or its parts if it has images."""
    if not block.images:
        return block.text
    parts = [{"type": "image_url", "image_url": {"url": _image_url(thaw(image))}} for image in block.images]
    return [*([{"type": "text", "text": block.text}] if block.text else []), *parts]


def _image_url(image: Any) -> str:
    if not isinstance(image, dict):
        return str(image)
    if image.get("content"):
        return f"data:{image.get('media_type') or 'image/png'};base64,{image['content']}"
    return str(image.get("url") or image.get("file_uri") or image.get("file_id") or "")
