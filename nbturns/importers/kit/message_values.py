"""Inputs and outputs of model calls, as tracers write them: messages of any API, alone, in lists, or in requests and replies.

A tracer writes what the instrumented client was given and returned: a list of messages, a request with messages next
to other fields, a reply with choices or candidates, LangChain's generations, the arguments of a function, or a text.
`MessageReader` finds the messages and keeps what is left in `remaining`. Source: the references of the APIs, as in
`message_parts.py`; LangChain's `dumpd` and `LLMResult` (langchain-ai/langchain, libs/core/langchain_core/outputs and
load/dump.py); Langfuse's LangChain handler, which writes tool definitions as messages of the role `tool`
(langfuse/langfuse-python, langfuse/langchain/CallbackHandler.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ...values.turns import Kind
from . import faults
from .drafts import Draft
from .message_history import MessageHistory, Messages
from .message_parts import (
    CALL_IDS,
    CALL_TYPES,
    REASONING_TYPES,
    RESULT_TYPES,
    call_draft,
    first_value,
    part_draft,
    result_draft,
    result_value,
    structured,
    text_draft,
    type_of,
)
from .record_fields import EMPTY_VALUES, omit, omit_empty, text_or_empty
from .usage_values import USAGE_NAMES

ROLES = {
    "user": "user", "human": "user", "HumanMessage": "user", "HumanMessageChunk": "user",
    "assistant": "assistant", "ai": "assistant", "model": "assistant", "AIMessage": "assistant", "AIMessageChunk": "assistant",
    "ASSISTANT": "assistant", "system": "system", "SystemMessage": "system", "developer": "developer",
    "tool": "tool", "function": "tool", "toolResult": "tool", "ToolMessage": "tool", "FunctionMessage": "tool",
}  # fmt: skip
LANGCHAIN_TYPES = frozenset({"human", "ai", "system", "tool", "function", "AIMessageChunk", "HumanMessageChunk"})
CONTENT_NAMES = ("parts", "content", "contents", "text")
PROMPT_NAMES = ("system", "system_instruction", "systemInstruction", "system_prompt", "systemPrompt", "instructions")
CONTAINERS = (
    "messages", "contents", "choices", "candidates", "generations", "message", "output", "outputs", "input", "inputs",
    "prompts", "prompt", "response", "content", "text", "completion", "result",
)  # fmt: skip
MESSAGE_FIELDS = frozenset(
    {"role", "type", "content", "parts", "contents", "text", "tool_calls", "toolCalls", "function_call", "refusal"}
    | {"reasoning_content", "reasoning", "thinking", "tool_call_id", "toolCallId", "call_id", "status", "error"}
    | {"finish_reason", "stop_reason"}
)  # of which the blocks and the result of the call have the values
MAX_DEPTH = 8  # of values in values
ROLE_PREFIX = re.compile(r"^(system|developer|user|assistant|tool): ", re.MULTILINE)


class MessageReader:
    """Reads an input or an output of a model call into `messages`; `remaining` has the fields that are not messages.

    `history` has the lists of messages that earlier calls were given.
    """

    def __init__(self, messages: Messages | None = None, history: MessageHistory | None = None) -> None:
        self.messages: Messages = messages or Messages()
        self.history: MessageHistory = history or MessageHistory()
        self.remaining: dict[str, Any] = {}
        self.definitions: list[Any] = []  # of tools, which some tracers write as messages
        self.stop_reason: str = ""  # of the last message that has one
        self.usage: Any = None  # of the last message that has one, as LangChain's have

    def read(self, value: Any, role: str, depth: int = 0) -> None:
        """Add the blocks of an input (`role` is "user") or of an output ("assistant")."""
        value = structured(value)
        if value is None or value == "":
            return
        if isinstance(value, str):
            self.messages.add(_split_text(value, role))
        elif isinstance(value, list) and depth < MAX_DEPTH:
            self._read_list(value, role, depth)
        elif isinstance(value, Mapping) and depth < MAX_DEPTH:
            if is_message(value):
                self.messages.add(self.message_drafts(value, role))
            else:
                self._read_object(value, role, depth)
        else:
            self.messages.add([text_draft(_json_text(value), role)])

    def _read_list(self, items: list[Any], role: str, depth: int) -> None:
        if all(isinstance(item, list) for item in items):  # a batch of one list of messages
            for item in items:
                self._read_list(item, role, depth + 1)
        elif any(isinstance(item, Mapping) and is_message(item) for item in items):
            self.read_messages(items, role)
        else:
            drafts = [part_draft(item, role) for item in items]
            if any(draft.unknown for draft in drafts) and any(map(_is_container, items)):
                for item in items:
                    self.read(item, role, depth + 1)
            else:
                self.messages.add(joined_prompts(drafts))

    def read_messages(self, value: Any, role: str) -> bool:
        """Add the blocks of a list of messages, or of JSON text of one; return False for any other value."""

        def read_message(item: Any, messages: Messages) -> None:
            self.messages = messages
            is_object = isinstance(item, Mapping)
            messages.add(self.message_drafts(item, role) if is_object else [part_draft(item, role)])

        messages = self.history.read(value, self.messages, read_message)
        self.messages = messages or self.messages
        return messages is not None

    # Requests and replies.

    def _read_object(self, value: Mapping[str, Any], role: str, depth: int) -> None:
        prompts, value = _without_prompts(value)
        for prompt in prompts:
            self.messages.add(prompt_drafts(prompt))
        arguments = value.get("kwargs")
        name = next((name for name in CONTAINERS if value.get(name) not in EMPTY_VALUES), "")
        if isinstance(arguments, Mapping) and not CONTAINER_NAMES.isdisjoint(arguments):
            name = "kwargs"
        elif isinstance(value.get("args"), list) and value["args"]:
            name = "args"
        if not name:
            self._read_other_object(value, role)
            return
        self.remaining.update(omit_empty(omit(value, name)))
        if name in ("choices", "candidates", "generations"):
            self._read_choices(value[name], depth)
        else:
            self.read(value[name], role, depth + 1)

    def _read_choices(self, choices: Any, depth: int) -> None:
        """Add the blocks of the first choice, and an `other` block for each further one."""
        while isinstance(choices, list) and choices and isinstance(choices[0], list):
            choices = choices[0]
        first, *other_choices = choices if isinstance(choices, list) and choices else [choices]
        if isinstance(first, Mapping):
            name = next((name for name in ("message", "delta", "content", "text") if first.get(name)), "")
            self.remaining.update(omit_empty(omit(first, name, "text")))
            first = first.get(name)
        self.read(first, "assistant", depth + 1)
        self.messages.add([Draft(Kind.OTHER, {"choice": other}, "assistant") for other in other_choices])

    def _read_other_object(self, value: Mapping[str, Any], role: str) -> None:
        """Add the block of an object without messages: its only text, or its JSON."""
        texts = [item for item in value.values() if isinstance(item, str) and item]
        draft = part_draft(value, role)
        if len(texts) == 1 == len(omit_empty(value)):
            draft = text_draft(texts[0], role)
        elif draft.unknown:
            draft = text_draft(_json_text(value), role)
        if omit_empty(value):
            self.messages.add([draft])

    # Messages.

    def message_drafts(self, message: Mapping[str, Any], default_role: str = "user") -> list[Draft]:
        """Return the blocks of a message, or of an item of Responses."""
        fields, role = _role_of(message, default_role)
        item_type = type_of(fields)
        if "role" not in message and item_type in ITEM_TYPES:
            return [part_draft(fields, "assistant" if item_type in REASONING_TYPES else role)]
        if role == "tool" or (role not in ROLES and role in self.messages.call_ids.tool_names):
            drafts = self._result_drafts(fields, role)
        else:
            drafts = _content_drafts(fields, role)
        reasons = [fields.get(name) for name in ("finish_reason", "stop_reason")]
        self.stop_reason = next((reason for reason in reasons if isinstance(reason, str) and reason), self.stop_reason)
        self.usage = first_value(fields, USAGE_NAMES) or self.usage
        extra_fields = {name: value for name, value in fields.items() if name not in MESSAGE_FIELDS}
        if drafts and extra_fields and (present_fields := omit_empty(extra_fields)):
            drafts[0].extra_fields = {**present_fields, **drafts[0].extra_fields}
        return drafts

    def _result_drafts(self, fields: Mapping[str, Any], role: str) -> list[Draft]:
        original = first_value(fields, CONTENT_NAMES)
        content = structured(original)
        parts = content if isinstance(content, list) else [content]
        if parts and all(isinstance(part, Mapping) for part in parts):
            if all(map(_is_definition, parts)):
                self.definitions += parts
                return []
            drafts = [part_draft(part, "user") for part in parts]
            if all(draft.kind in (Kind.TOOL_USE, Kind.TOOL_CALL) for draft in drafts):
                return drafts
        value, error = result_value(original), text_or_empty(fields.get("error"))
        if fields.get("status") == "error" and not error:
            value, error = None, _json_text(value)
        name = fields.get("name") or (role if role != "tool" else "")
        call_id = first_value(fields, CALL_IDS[:-1])
        pending_ids = [pending_id for _, pending_id in self.messages.call_ids.pending]
        if call_id is None and (not pending_ids or fields.get("id") in pending_ids):
            call_id = fields.get("id")
        return [result_draft(call_id, value, error, name)]


CONTAINER_NAMES = frozenset(CONTAINERS)
ITEM_TYPES = CALL_TYPES | RESULT_TYPES | REASONING_TYPES


def _is_container(value: Any) -> bool:
    return isinstance(value, Mapping) and "type" not in value and not CONTAINER_NAMES.isdisjoint(value)


def prompt_drafts(prompt: Any) -> list[Draft]:
    """Return the block of a system prompt: a text, an object with parts, or a list of parts."""
    prompt = structured(prompt)
    if isinstance(prompt, Mapping) and isinstance(prompt.get("parts"), list):
        prompt = prompt["parts"]
    parts = prompt if isinstance(prompt, list) else [prompt]
    return joined_prompts([part_draft(part, "system") for part in parts])


def _content_drafts(fields: Mapping[str, Any], role: str) -> list[Draft]:
    """Return the blocks of a message that is not a result: thoughts, texts, images, and tool calls."""
    extra_calls = fields.get("additional_kwargs")
    extra_calls = extra_calls if isinstance(extra_calls, Mapping) else {}
    thoughts = first_value(fields, ("reasoning_content", "reasoning", "thinking"))
    drafts = [Draft(Kind.REASONING, {"text": thoughts})] if isinstance(thoughts, str) and thoughts else []
    drafts += joined_prompts(_part_drafts(first_value(fields, CONTENT_NAMES), role))
    calls = structured(fields.get("tool_calls") or fields.get("toolCalls") or extra_calls.get("tool_calls"))
    if isinstance(calls, Mapping):  # numbered attributes
        calls = [calls[number] for number in sorted(calls, key=lambda number: (len(number), number))]
    known_ids = {draft.payload["id"] for draft in drafts if draft.kind == Kind.TOOL_CALL}
    call_drafts = [call_of(call) for call in calls] if isinstance(calls, list) else []
    drafts += [draft for draft in call_drafts if not draft.payload.get("id") or draft.payload["id"] not in known_ids]
    legacy_call = fields.get("function_call")
    if isinstance(legacy_call, Mapping) and any(legacy_call.values()):
        drafts.append(call_draft("", legacy_call.get("name"), legacy_call.get("arguments")))
    if len(drafts) > 1 and role == "assistant":
        drafts = [draft for draft in drafts if draft.kind != Kind.LLM_TEXT or any(draft.payload.values())]
    return drafts or [text_draft(text_or_empty(fields.get("refusal")), role)]


def is_message(value: Mapping[str, Any]) -> bool:
    """Return True for a message of any API, or for an item of Responses."""
    if isinstance(value.get("role"), str):
        return True
    if value.get("lc") == 1 and isinstance(value.get("kwargs"), Mapping):
        return True
    value_type = type_of(value)
    if value_type in LANGCHAIN_TYPES and ("content" in value or isinstance(value.get("data"), Mapping)):
        return True
    return value_type in ITEM_TYPES or value_type == "message"


def call_of(call: Any) -> Draft:
    """Return the block of an entry of `tool_calls`; an `other` block for one that is not understood."""
    draft = part_draft({"type": "tool_call", **call} if isinstance(call, Mapping) else call, "assistant")
    if draft.kind == Kind.TOOL_CALL or isinstance(call, Mapping):
        return draft
    return Draft(Kind.OTHER, {"value": call}, "assistant", unknown=faults.wrong_type("tool_calls", call, dict))


def _role_of(message: Mapping[str, Any], default_role: str) -> tuple[Mapping[str, Any], str]:
    """Return the fields of a message and its role, of LangChain's forms as well."""
    fields: Mapping[str, Any] = message
    role = message.get("role")
    if message.get("lc") == 1 and isinstance(message.get("kwargs"), Mapping):
        class_path = message.get("id")
        role = class_path[-1] if isinstance(class_path, list) and class_path else role
        fields = message["kwargs"]
    elif role is None and type_of(message) in LANGCHAIN_TYPES:
        role = type_of(message)
        fields = message["data"] if isinstance(message.get("data"), Mapping) else message
    if not isinstance(role, str):
        role = default_role
    return fields, ROLES.get(role, role)


def _part_drafts(content: Any, role: str) -> list[Draft]:
    """Return the blocks of a content: a text, a part, a list of parts, or tool calls as JSON text."""
    if isinstance(content, str):
        parts = structured(content) if content[:1] == "[" else None
        if isinstance(parts, list) and parts and all(isinstance(part, Mapping) and "type" in part for part in parts):
            drafts = [part_draft(part, role) for part in parts]
            if not any(draft.unknown for draft in drafts):
                return drafts
        return [text_draft(content, role)]
    if isinstance(content, Mapping):
        inner = content.get("parts")
        return [part_draft(part, role) for part in (inner if isinstance(inner, list) else [content])]
    if isinstance(content, list):
        return [part_draft(part, role) for part in content]
    return [] if content is None else [text_draft(_json_text(content), role)]


def joined_prompts(drafts: list[Draft]) -> list[Draft]:
    """Return the blocks with the texts and images of a prompt in one block, before the others."""
    prompts = [draft for draft in drafts if draft.kind in (Kind.USER, Kind.SYSTEM)]
    if len(prompts) < 2:
        return drafts
    texts = [draft.payload["text"] for draft in prompts if draft.payload["text"]]
    images = [image for draft in prompts for image in draft.payload.get("images", ())]
    prompts[0].payload = {"text": "\n".join(texts)} | omit_empty(images=images)
    return [draft for draft in drafts if draft is prompts[0] or draft not in prompts]


def _split_text(text: str, role: str) -> list[Draft]:
    """Return the blocks of a text, which is several messages where it begins with the name of a role and a colon."""
    matches = list(ROLE_PREFIX.finditer(text)) if role == "user" else []
    if not matches or matches[0].start() > 0 or len(matches) < 2:
        return [text_draft(text, role)]
    ends = [match.start() for match in matches[1:]] + [len(text) + 1]
    drafts: list[Draft] = []
    for match, end in zip(matches, ends, strict=True):
        content = text[match.end() : end - 1]
        if match[1] == "tool":
            drafts.append(result_draft("", content))
        elif content != "None":
            drafts.append(text_draft(content, match[1]))
    drafts[0].guess = f"a text is split into {len(drafts)} messages where a line begins with a role"
    return drafts


def _without_prompts(value: Mapping[str, Any]) -> tuple[list[Any], Mapping[str, Any]]:
    """Return the system prompts of a request, and the request without them."""
    config = value.get("config")
    names = [name for name in PROMPT_NAMES if value.get(name)]
    prompts = [value[name] for name in names]
    if isinstance(config, Mapping) and (inner := [name for name in PROMPT_NAMES if config.get(name)]):
        prompts += [config[name] for name in inner]
        value = {**value, "config": omit(config, *inner)}
    is_request = any(value.get(name) for name in ("messages", "contents", "input", "prompt", "prompts"))
    return (prompts, omit(value, *names)) if is_request else ([], value)


def _is_definition(part: Mapping[str, Any]) -> bool:
    """Return True for the definition of a tool, which some tracers write as a message."""
    function = part.get("function")
    return type_of(part) == "function" and isinstance(function, Mapping) and "parameters" in function


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
