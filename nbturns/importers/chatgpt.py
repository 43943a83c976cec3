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
from .branches import BranchReader, Tree, export_reader, export_score
from .importer import Importer
from .record_fields import ShapeError, expect, list_or_empty, object_or_empty, omit, omit_empty, optional_text
from .report import Notes
from .transcript import Transcript, freeze_or_json

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
        raise notes.load_error("", "a conversation of ChatGPT's has a mapping of nodes")
    tree, reader = Tree(value["mapping"], notes), _Reader(Transcript(notes))

    def metadata() -> dict[str, Any]:
        return _about(value, omit(value, "mapping", "title") | omit_empty(nodes=tree.invalid_nodes, empty=reader.empty))

    id, title = value.get("conversation_id") or value.get("id"), value.get("title")
    yield from reader.runs(tree, value.get("current_node"), id=id, name=title, metadata=metadata)


def _about(value: Mapping[str, Any], other_fields: dict[str, Any]) -> dict[str, Any]:
    begun = value.get("create_time")
    return {FIELDS.name: freeze_or_json(other_fields)} | ({TIMESTAMP.name: str(begun)} if begun else {})


class _Reader(BranchReader):
    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self.empty: list[Any] = []

    def message(self, raw: Any) -> None:
        message = expect(raw, dict, "a message")
        author = expect(message.get("author"), dict, "an author")
        content = expect(message.get("content"), dict, "a content")
        about = object_or_empty(message.get("metadata"), "metadata")
        role, kind = author.get("role"), content.get("content_type")
        hidden = bool(about.get("is_visually_hidden_from_conversation")) or message.get("weight") == 0
        time, id = message.get("create_time"), optional_text(message.get("id"), "id") or ""
        texts, images, more = _content(content)
        text = "\n".join(texts)
        extra_fields = omit(message, "id", "author", "create_time", "content", "recipient")
        extra_fields |= omit_empty(author=omit(author, "role"), content=content if more else omit(content, *SHAPE))
        if kind in CONTEXT:
            written = [one for name, one in content.items() if name != "content_type" and isinstance(one, str) and one]
            self.transcript.add(
                Kind.SYSTEM, {"text": "\n\n".join(written)}, str(role), id, time=time, extra_fields=extra_fields
            )
        elif role == "tool":
            self.result(message, text, images, extra_fields)
        elif role == "assistant" and kind != "reasoning_recap":
            self.reply(message, content, text, images, extra_fields | omit_empty(hidden=hidden or None))
        elif kind in SAID and not (text or images or more):
            self.empty.append(message)
        elif role in ("system", "developer"):
            self.transcript.add(Kind.SYSTEM, {"text": text}, role, id, time=time, extra_fields=extra_fields)
        elif role == "user" and not hidden:
            self.transcript.add(
                Kind.USER, {"text": text} | omit_empty(images=images), "user", id, time=time, extra_fields=extra_fields
            )
        elif role in ("user", "assistant"):
            self.transcript.add_other(message)
        else:
            raise ShapeError(f"a message of the role {role!r}")

    def reply(
        self,
        message: Mapping[str, Any],
        content: Mapping[str, Any],
        text: str,
        images: list[Any],
        extra_fields: dict[str, Any],
    ) -> None:
        """What the model thought, called or said."""
        transcript, id, recipient = self.transcript, message.get("id"), message.get("recipient") or "all"
        result = self.result_of(message, recipient != "all")
        how: dict[str, Any] = {"result": result, "time": message.get("create_time"), "extra_fields": extra_fields}
        if content.get("content_type") == "thoughts":
            payload, extra_fields["content"] = _thoughts(content), content
            transcript.add(Kind.REASONING, payload, "", id, **how)
        elif recipient != "all":
            self.pending_call_id = id if isinstance(id, str) and id else transcript.position
            transcript.add_call(self.pending_call_id, recipient, text, **how)
        elif not (text or images or extra_fields.get("content")):
            self.empty.append(message)
        elif extra_fields.pop("hidden", None):
            transcript.add_other(message, result=result)
        else:
            transcript.add(Kind.LLM_TEXT, {"text": text} | omit_empty(images=images), "assistant", id, **how)

    def result(self, message: Mapping[str, Any], text: str, images: list[Any], extra_fields: dict[str, Any]) -> None:
        """What a tool answered. It says whose it is by its name; its call is the last one before it."""
        if not self.pending_call_id:
            self.transcript.guess("a result of a tool that nobody called; it is kept without a call")
        failed = message["content"].get("content_type") == "system_error"
        self.transcript.add_result(
            self.pending_call_id,
            None if failed else text,
            text if failed else "",
            block_id=message.get("id"),
            time=message.get("create_time"),
            extra_fields=extra_fields | omit_empty(images=images),
        )

    def result_of(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        about = object_or_empty(message.get("metadata"), "metadata")
        ended = object_or_empty(about.get("finish_details"), "finish_details")
        id = message.get("id")
        return self.transcript.inference_result(
            id=id if isinstance(id, str) else "",
            provider="openai",
            model=about.get("model_slug"),
            request_id=about.get("request_id"),
            stop_reason=ended.get("type"),
            pending=pending,
        )


def _thoughts(content: Mapping[str, Any]) -> dict[str, Any]:
    listed = [expect(one, dict, "a thought") for one in list_or_empty(content.get("thoughts"), "thoughts")]
    texts = [one["content"] for one in listed if isinstance(one.get("content"), str) and one["content"]]
    summaries = [one["summary"] for one in listed if isinstance(one.get("summary"), str) and one["summary"]]
    told_shortly = [{"type": "summary_text", "text": summary} for summary in summaries]
    return {"text": "\n\n".join(texts)} | omit_empty(summary=told_shortly)


def _content(content: Mapping[str, Any]) -> tuple[list[str], list[dict[str, Any]], bool]:
    """Texts and images of a message, and whether its parts say more."""
    if "parts" not in content:
        text = content.get("text", content.get("result"))
        return ([text] if isinstance(text, str) else []), [], not isinstance(text, (str, NoneType))
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    others = False
    for part in list_or_empty(content["parts"], "parts"):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("content_type") == "image_asset_pointer":
            images.append(omit_empty(file_uri=part.get("asset_pointer"), **omit(part, "asset_pointer", "content_type")))
        elif isinstance(part, Mapping) and part.get("content_type") == "audio_transcription":
            texts.append(optional_text(part.get("text"), "text") or "")
            others = True
        else:
            others = True
    return texts, images, others or len(texts) > 1


IMPORTER = Importer(FORMAT, export_score(is_conversation), export_reader(FORMAT, read_branches))
