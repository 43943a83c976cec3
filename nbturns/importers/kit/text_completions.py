"""Replies of other shapes as those of a chat: completions of a text, and the replies of Ollama's own API.

Sources: OpenAI's reference of Completions (`text_completion`) and its chunks; Anthropic's of Text Completions
(`completion`); Ollama's of `/api/chat` and `/api/generate`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .record_fields import json_or_none, omit

TEXT_COMPLETION = "text_completion"
OLLAMA_COUNTS = {"prompt_tokens": "prompt_eval_count", "completion_tokens": "eval_count"}


def as_chat(request: Any, response: Any) -> tuple[Any, Any]:
    """Return the request and the response of a completed text as those of a chat; any others as they are."""
    prompt = request.get("prompt") if isinstance(request, Mapping) else None
    prompt = prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt
    if not isinstance(prompt, str) or not isinstance(request, Mapping) or "messages" in request:
        return request, response
    chat_response = _chat_response(response)
    if chat_response is None:
        return request, response
    return {**omit(request, "prompt"), "messages": [{"role": "user", "content": prompt}]}, chat_response


def as_completion(reply: Any) -> Any:
    """Return a whole reply of another shape as a chat completion; any other value as it is."""
    if not isinstance(reply, Mapping):
        return reply
    if reply.get("object") == TEXT_COMPLETION:
        return _chat_response(reply) or reply
    text, message = reply.get("response"), reply.get("message")
    if reply.get("done") is not True or "model" not in reply or not isinstance(message, Mapping | None):
        return reply
    if message is None and not isinstance(text, str):
        return reply
    message = {"role": "assistant", "content": text, "thinking": reply.get("thinking")} if message is None else message
    thinking = message.get("thinking")
    message = omit(message, "thinking") | ({"reasoning_content": thinking} if thinking else {})
    counts = {name: reply[other] for name, other in OLLAMA_COUNTS.items() if other in reply}
    choice = {"index": 0, "message": message, "finish_reason": reply.get("done_reason")}
    other_fields = omit(reply, "message", "response", "thinking", "done_reason")
    return {**other_fields, "choices": [choice], "usage": counts}


def _chat_response(response: Any) -> Any:
    if isinstance(response, str):
        return _chat_stream(response)
    if not isinstance(response, Mapping):
        return None
    completion = response.get("completion")
    if isinstance(completion, str):
        content = [{"type": "text", "text": completion}]
        reply = {"stop_reason": None, **omit(response, "completion")}
        return {**reply, "type": "message", "role": "assistant", "content": content}
    choices = response.get("choices")
    if not isinstance(choices, list) or not choices or not all(map(_has_text, choices)):
        return None
    messages = [
        {**omit(choice, "text"), "message": {"role": "assistant", "content": choice["text"]}} for choice in choices
    ]
    return {**response, "object": "chat.completion", "choices": messages}


def _has_text(choice: Any) -> bool:
    return isinstance(choice, Mapping) and isinstance(choice.get("text"), str)


def _chat_stream(text: str) -> Any:
    """Return the events of a completed text as the chunks of a chat, or as a reply; None for another stream."""
    events = [json_or_none(line[5:].strip()) for line in text.splitlines() if line.startswith("data:")]
    pieces = [event for event in events if isinstance(event, Mapping) and isinstance(event.get("completion"), str)]
    if pieces:
        return _chat_response({**pieces[-1], "completion": "".join(piece["completion"] for piece in pieces)})
    lines: list[str] = []
    for line in text.splitlines():
        event = json_or_none(line[5:].strip()) if line.startswith("data:") else None
        if isinstance(event, Mapping):
            choices = event.get("choices")
            if not isinstance(choices, list) or not all(map(_has_text, choices)):
                return None
            deltas = [{**omit(choice, "text"), "delta": {"content": choice["text"]}} for choice in choices]
            line = f"data: {json.dumps({**event, 'object': 'chat.completion.chunk', 'choices': deltas})}"
        lines.append(line)
    return "\n".join(lines) + "\n" if any(line.startswith("data: {") for line in lines) else None
