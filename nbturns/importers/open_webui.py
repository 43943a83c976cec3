"""Open WebUI's chats: its exports (`chat-export-….json`, all chats), and the objects of its API.

`chat.history` is a tree of messages by id, and `currentId` the last message on screen: each path to a leaf is a Run. A
reply names its model and has the counts that the server returned (`usage`). Thoughts and tool calls are in its text, as
elements `details`, and are read from there; the result of a call is in the element or in an attribute of it. Old chats have
a list of `messages` alone. Source: open-webui/docs at 1eea3847ca6c,
docs/features/chat-conversations/data-controls/import-export.md (tree, legacy list); open-webui/open-webui,
backend/open_webui/utils/middleware.py at 000032ed1cfe (`serialize_content_blocks`: elements of the type "reasoning" and
"tool_calls"). Untested on real files.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..values.inference_results import InferenceResult, Usage
from ..values.provenance import FIELDS, TIMESTAMP
from ..values.turns import Kind, Run
from .kit.branches import BranchReader, Tree, export_reader
from .kit.import_report import Notes
from .kit.importer import SURE, Importer
from .kit.record_fields import (
    expect,
    first_number,
    json_or_none,
    object_of_document,
    object_or_empty,
    objects,
    omit,
    omit_empty,
    text_or_empty,
    to_number,
    token_usage,
    unexpected,
)
from .kit.reply_blocks import split_content
from .kit.sample import Sample
from .kit.transcript import Transcript, freeze_or_json

FORMAT = "open-webui"
MESSAGE_FIELDS = ("id", "parentId", "childrenIds", "role", "content", "timestamp", "model", "usage", "files")
DETAILS = re.compile(r'<details type="(reasoning|tool_calls|code_interpreter)"([^>\n]{0,100000})>')
DETAILS_END = "</details>"
ATTRIBUTE = re.compile(r'(\w{1,40})="([^"]{0,100000})"')
USAGE_NAMES = {
    "input_tokens": ("prompt_tokens", "input_tokens", "prompt_eval_count"),
    "output_tokens": ("completion_tokens", "output_tokens", "eval_count"),
}


def _chat_of(value: Any) -> Mapping[str, Any]:
    """Return the chat in an object of an export, or the object itself."""
    chat = value.get("chat") if isinstance(value, Mapping) else None
    return chat if isinstance(chat, Mapping) else value if isinstance(value, Mapping) else {}


def _nodes_of(chat: Mapping[str, Any]) -> Any:
    history = chat.get("history")
    return history.get("messages") if isinstance(history, Mapping) else None


def is_chat(value: Any) -> bool:
    """Return True for a chat with a tree of messages, or with an old list of them in `chat`."""
    chat = _chat_of(value)
    nodes = _nodes_of(chat)
    if isinstance(nodes, Mapping):
        return all(isinstance(node, Mapping) and "role" in node for node in list(nodes.values())[:4])
    messages = chat.get("messages")
    return (
        chat is not value
        and isinstance(messages, list)
        and bool(messages)
        and "role" in dict.fromkeys(messages[0] if isinstance(messages[0], Mapping) else ())
    )


def score_open_webui(sample: Sample) -> int:
    """Return a score higher than SURE for chats of Open WebUI."""
    return SURE + 6 if sample.container == "json" and any(map(is_chat, sample.records)) else 0


def read_branches(value: Any, notes: Notes) -> Iterator[Run]:
    """Yield a Run for each path of a chat, the current one first."""
    if not is_chat(value):
        raise notes.load_error("", "no chat with a history")
    chat = _chat_of(value)
    history = object_of_document(chat.get("history"), "history", notes)
    nodes: dict[str, Any] = {}
    for node_id, message in _messages_of(chat):
        nodes[node_id] = {"parent": message.get("parentId"), "children": message.get("childrenIds"), "message": message}
    reader = _MessageReader(Transcript(notes))

    def metadata() -> dict[str, Any]:
        fields = omit(chat, "history", "messages", "title") | (
            omit(value, "chat", "title") if chat is not value else {}
        )
        time = value.get("created_at") or chat.get("timestamp")
        return {FIELDS.name: freeze_or_json(omit_empty(fields))} | ({TIMESTAMP.name: str(time)} if time else {})

    chat_id = text_or_empty(value.get("id")) or text_or_empty(chat.get("id"))
    title = text_or_empty(chat.get("title")) or text_or_empty(value.get("title"))
    current_id = history.get("currentId") or (list(nodes)[-1] if nodes else None)
    yield from reader.read_runs(
        Tree(nodes, notes, "messages"), current_id, conversation_id=chat_id, name=title, metadata=metadata
    )


def _messages_of(chat: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the messages of a chat with their ids; those of a list follow each other."""
    nodes = _nodes_of(chat)
    if isinstance(nodes, Mapping):
        for node_id, message in nodes.items():
            yield node_id, message if isinstance(message, Mapping) else {"role": None, "value": message}
        return
    last_id = None
    for index, message in enumerate(objects(chat.get("messages"), "messages")):
        message_id = text_or_empty(message.get("id")) or f"message {index}"
        yield message_id, {**message, "parentId": message.get("parentId", last_id)}
        last_id = message_id


class _MessageReader(BranchReader):
    def read_node_message(self, record: Any) -> None:
        message, transcript = expect(record, dict, ""), self.transcript
        role, message_id = message.get("role"), text_or_empty(message.get("id"))
        content, first_block = split_content(message.get("content")), len(transcript.blocks)
        images = [*content.images, *_images_of(message.get("files"))]
        if role == "assistant":
            self.add_reply(message, content.text, message_id)
        elif role in ("user", "system"):
            kind = Kind.USER if role == "user" else Kind.SYSTEM
            transcript.add_block(kind, {"text": content.text} | omit_empty(images=images), role, message_id)
        else:
            raise unexpected("role", role)
        if role == "assistant" and DETAILS.search(content.text):  # the elements become blocks of their own
            transcript.add_extra_fields(first_block, {"content": message.get("content")})
        transcript.set_times(first_block, message.get("timestamp"))
        files = [
            item
            for item in message.get("files") or ()
            if not (isinstance(item, Mapping) and item.get("type") == "image")
        ]
        transcript.add_extra_fields(
            first_block, omit(message, *MESSAGE_FIELDS) | omit_empty(files=files, parts=content.other_parts)
        )

    def add_reply(self, message: Mapping[str, Any], text: str, message_id: str) -> None:
        """Add the texts of a reply, and the thoughts and tool calls among them."""
        transcript, first_block = self.transcript, len(self.transcript.blocks)
        pieces = list(_pieces(text))
        has_calls = any(kind == "tool_calls" for kind, _, _ in pieces)
        result = self.call_result(message, message_id, has_calls and pieces[-1][0] == "tool_calls")
        for number, (kind, attributes, piece) in enumerate(pieces):
            if kind == "reasoning":
                transcript.add_block(
                    Kind.REASONING, {"text": piece}, result=result, extra_fields=omit(attributes, "done")
                )
            elif kind == "tool_calls":
                call_id = attributes.get("id") or f"{message_id or transcript.position} call {number}"
                transcript.add_call(
                    call_id, attributes.get("name"), _json_or_text(attributes.get("arguments", "")), result=result
                )
                if attributes.get("done") == "true" or "result" in attributes:
                    transcript.add_result(
                        call_id, json_or_none(attributes.get("result", "")) or attributes.get("result", "")
                    )
            elif piece.strip() or len(pieces) == 1:
                transcript.add_block(Kind.LLM_TEXT, {"text": piece.strip()}, "assistant", message_id, result=result)
        if len(transcript.blocks) == first_block:
            transcript.add_block(Kind.LLM_TEXT, {"text": ""}, "assistant", message_id, result=result)

    def call_result(self, message: Mapping[str, Any], message_id: str, pending: bool) -> InferenceResult:
        usage = object_or_empty(message.get("usage"), "usage")
        return self.transcript.inference_result(
            id=message_id,
            model=text_or_empty(message.get("model")) or None,
            pending=pending,
            usage=_usage(usage),
            extra=omit_empty(usage=usage, error=message.get("error")),
        )


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    counts: dict[str, Any] = {name: first_number(usage, names) for name, names in USAGE_NAMES.items()}
    details = usage.get("prompt_tokens_details")
    cached = to_number(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    return token_usage(**counts, cache_read_tokens=cached)


def _images_of(files: Any) -> list[dict[str, Any]]:
    return [
        {"url": item.get("url")} for item in files or () if isinstance(item, Mapping) and item.get("type") == "image"
    ]


def _json_or_text(text: str) -> Any:
    """Return the arguments of a call, which are JSON, or JSON within a JSON text."""
    value = json_or_none(text)
    return value if isinstance(value, str) else text


def _pieces(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield the pieces of a text: kind, attributes and content; "text" for what is in no element."""
    end = 0
    for match in DETAILS.finditer(text):
        close = text.find(DETAILS_END, match.end())
        if match.start() < end or close < 0 or match[1] == "code_interpreter":
            continue
        if text[end : match.start()].strip():
            yield "text", {}, text[end : match.start()]
        attributes = {name: html.unescape(value) for name, value in ATTRIBUTE.findall(match[2])}
        yield match[1], attributes, _without_quotes(text[match.end() : close])
        end = close + len(DETAILS_END)
    if text[end:].strip() or end == 0:
        yield "text", {}, text[end:]


def _without_quotes(content: str) -> str:
    """Return the content of an element without its summary and the marks of a quotation."""
    lines = [line for line in content.strip("\n").split("\n") if not line.startswith("<summary>")]
    return "\n".join(html.unescape(line.removeprefix("> ").removeprefix(">")) for line in lines).strip("\n")


IMPORTER = Importer(FORMAT, score_open_webui, export_reader(FORMAT, is_chat, read_branches))
