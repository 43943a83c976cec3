"""A ChatGPT export: `conversations.json`, alone or in the zip that is sent.

A conversation is a tree (`mapping`: nodes with a message, a parent, children): an edited prompt and an answer
asked for again are branches. Each path from the root to a leaf is a Run, the one on screen (`current_node`)
first; what two have in common are the same blocks. `recipient` is the tool a message calls, messages of the
`tool` are results; they have no ids, so a result is taken to answer the call it is a child of.
Source: exports of 2023 to 2026; OpenAI documents the way to get one, not its shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any

from ..provenance import FIELDS, TIMESTAMP
from ..results import InferenceResult
from ..turns import Kind, Run
from . import Importer, Notes
from .branches import Branches, Tree, exported, scored
from .transcript import (
    Misfit,
    Transcript,
    expected,
    keepable,
    list_or_none,
    object_or_none,
    text_or_none,
    told,
    without,
)

FORMAT = "chatgpt-export"
SAID = ("text", "multimodal_text")
SHAPE = ("content_type", "parts", "text", "result")
CONTEXT = ("user_editable_context", "model_editable_context")


def is_conversation(value: Any) -> bool:
    """Whether this is a conversation of ChatGPT's: nodes that know their children."""
    if not isinstance(value, Mapping) or not isinstance(value.get("mapping"), Mapping):
        return False
    nodes = list(value["mapping"].values())[:4]
    return "current_node" in value or any(isinstance(node, Mapping) and "children" in node for node in nodes)


def read_branches(value: Any, notes: Notes) -> Iterator[Run]:
    """One conversation: a Run for each of its branches, the current one first."""
    if not isinstance(value, Mapping) or not isinstance(value.get("mapping"), Mapping):
        raise notes.refusal("", "a conversation of ChatGPT's has a mapping of nodes")
    tree, reader = Tree(value["mapping"], notes), _Reader(Transcript(notes))

    def about() -> dict[str, Any]:
        return _about(value, without(value, "mapping", "title") | told(nodes=tree.lost, empty=reader.empty))

    id, title = value.get("conversation_id") or value.get("id"), value.get("title")
    yield from reader.runs(tree, value.get("current_node"), reader.message, id=id, name=title, about=about)


def _about(value: Mapping[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    begun = value.get("create_time")
    return {FIELDS.name: keepable(beside)} | ({TIMESTAMP.name: str(begun)} if begun else {})


class _Reader(Branches):
    def __init__(self, said: Transcript) -> None:
        super().__init__(said)
        self.empty: list[Any] = []

    def message(self, raw: Any) -> None:
        message = expected(raw, dict, "a message")
        author = expected(message.get("author"), dict, "an author")
        content = expected(message.get("content"), dict, "a content")
        about = object_or_none(message.get("metadata"), "metadata")
        role, kind = author.get("role"), content.get("content_type")
        hidden = bool(about.get("is_visually_hidden_from_conversation")) or message.get("weight") == 0
        at, id = message.get("create_time"), text_or_none(message.get("id"), "id") or ""
        texts, images, more = _content(content)
        text = "\n".join(texts)
        rest = without(message, "id", "author", "create_time", "content", "recipient")
        rest |= told(author=without(author, "role"), content=content if more else without(content, *SHAPE))
        if kind in CONTEXT:
            written = [one for name, one in content.items() if name != "content_type" and isinstance(one, str) and one]
            self.said.add(Kind.SYSTEM, {"text": "\n\n".join(written)}, str(role), id, at=at, beside=rest)
        elif role == "tool":
            self.result(message, text, images, rest)
        elif role == "assistant" and kind != "reasoning_recap":
            self.reply(message, content, text, images, rest | told(hidden=hidden or None))
        elif kind in SAID and not (text or images or more):
            self.empty.append(message)
        elif role in ("system", "developer"):
            self.said.add(Kind.SYSTEM, {"text": text}, role, id, at=at, beside=rest)
        elif role == "user" and not hidden:
            self.said.add(Kind.USER, {"text": text} | told(images=images), "user", id, at=at, beside=rest)
        elif role in ("user", "assistant"):
            self.said.other(message)
        else:
            raise Misfit(f"a message of the role {role!r}")

    def reply(
        self, message: Mapping[str, Any], content: Mapping[str, Any], text: str, images: list[Any], rest: dict[str, Any]
    ) -> None:
        """What the model thought, called or said."""
        said, id, recipient = self.said, message.get("id"), message.get("recipient") or "all"
        result = self.result_of(message, recipient != "all")
        how: dict[str, Any] = {"result": result, "at": message.get("create_time"), "beside": rest}
        if content.get("content_type") == "thoughts":
            payload, rest["content"] = _thoughts(content), content
            said.add(Kind.REASONING, payload, "", id, **how)
        elif recipient != "all":
            self.call = id if isinstance(id, str) and id else said.at
            said.call(self.call, recipient, text, **how)
        elif not (text or images or rest.get("content")):
            self.empty.append(message)
        elif rest.pop("hidden", None):
            said.other(message, result=result)
        else:
            said.add(Kind.LLM_TEXT, {"text": text} | told(images=images), "assistant", id, **how)

    def result(self, message: Mapping[str, Any], text: str, images: list[Any], rest: dict[str, Any]) -> None:
        """What a tool answered. It says whose it is by its name; its call is the last one before it."""
        if not self.call:
            self.said.guess("a result of a tool that nobody called; it is kept without a call")
        failed = message["content"].get("content_type") == "system_error"
        self.said.answer(
            self.call,
            None if failed else text,
            text if failed else "",
            block_id=message.get("id"),
            at=message.get("create_time"),
            beside=rest | told(images=images),
        )

    def result_of(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        about = object_or_none(message.get("metadata"), "metadata")
        ended = object_or_none(about.get("finish_details"), "finish_details")
        id = message.get("id")
        return self.said.called(
            id=id if isinstance(id, str) else "",
            provider="openai",
            model=about.get("model_slug"),
            request_id=about.get("request_id"),
            stop_reason=ended.get("type"),
            pending=pending,
        )


def _thoughts(content: Mapping[str, Any]) -> dict[str, Any]:
    listed = [expected(one, dict, "a thought") for one in list_or_none(content.get("thoughts"), "thoughts")]
    texts = [one["content"] for one in listed if isinstance(one.get("content"), str) and one["content"]]
    summaries = [one["summary"] for one in listed if isinstance(one.get("summary"), str) and one["summary"]]
    told_shortly = [{"type": "summary_text", "text": summary} for summary in summaries]
    return {"text": "\n\n".join(texts)} | told(summary=told_shortly)


def _content(content: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Texts and images of a message, and whether its parts say more."""
    if "parts" not in content:
        text = content.get("text", content.get("result"))
        return ([text] if isinstance(text, str) else []), [], not isinstance(text, (str, NoneType))
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    others = False
    for part in list_or_none(content["parts"], "parts"):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("content_type") == "image_asset_pointer":
            images.append(told(file_uri=part.get("asset_pointer"), **without(part, "asset_pointer", "content_type")))
        elif isinstance(part, Mapping) and part.get("content_type") == "audio_transcription":
            texts.append(text_or_none(part.get("text"), "text") or "")
            others = True
        else:
            others = True
    return texts, images, others or len(texts) > 1


IMPORTER = Importer(FORMAT, scored(is_conversation), exported(FORMAT, read_branches))
