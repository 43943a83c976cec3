"""A ChatGPT export: `conversations.json`, alone or in the zip that is sent.

A conversation is a tree (`mapping`: nodes with a message, a parent, children): an edited prompt and an answer
asked for again are branches. Each path from the root to a leaf is a Run, the one on screen (`current_node`)
first; what two have in common are the same blocks. `recipient` is the tool a message calls, messages of the
`tool` are results; they have no ids, so a result is taken to answer the call it is a child of.
Source: exports of 2023 to 2026; OpenAI documents the way to get one, not its shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

from ..chunks import Chunks
from ..errors import LoadError
from ..keyed import keyed
from ..provenance import BESIDE, BRANCH_OF, TIMESTAMP
from ..results import InferenceResult
from ..turns import Block, Kind, Run, Turn
from . import SURE, Importer, ImportReport, Notes, Sample, Source
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
    tree = _Tree(value["mapping"], notes)
    leaves = tree.leaves(value.get("current_node"))
    reader = _Reader(Transcript(notes))
    id, title = value.get("conversation_id") or value.get("id"), value.get("title")
    reader.said.key = id = id if isinstance(id, str) and id else reader.said.key
    written = [reader.branch(tree, leaf) for leaf in leaves] or [_Path()]
    beside = without(value, "mapping", "title") | told(nodes=tree.lost, empty=reader.empty)
    for number, path in enumerate(written):
        yield Run(
            path.turns(),
            id=id if number == 0 else f"{id}/{leaves[number]}",
            name=title if isinstance(title, str) else "",
            metadata=keyed(_about(value, beside) if number == 0 else {BRANCH_OF.name: id}),
            import_report=ImportReport(FORMAT, path.read, len(path.blocks), file=notes.file)
            if number
            else replace(notes.report(len(path.blocks)), read=path.read),
        )


def _about(value: Mapping[str, Any], beside: dict[str, Any]) -> dict[str, Any]:
    begun = value.get("create_time")
    return {BESIDE.name: keepable(beside)} | ({TIMESTAMP.name: str(begun)} if begun else {})


@dataclass(frozen=True, slots=True)
class _Path:
    """A way from the root so far: its blocks, its Turns, the call that waits for a result."""

    blocks: Chunks[Block] = Chunks()  # noqa: RUF009  # a value, which never changes
    before: tuple[Any, Turn] | None = None  # the Turns that ended, the last one first
    answered: bool = False
    call: str = ""
    read: int = 0

    def turns(self) -> tuple[Turn, ...]:
        made = [Turn(self.blocks)]
        link = self.before
        while link is not None:
            link, turn = link
            made.append(turn)
        return tuple(reversed(made))

    def longer(self, blocks: list[Block], call: str) -> _Path:
        path = replace(self, call=call, read=self.read + 1)
        for one in blocks:
            if one.kind == Kind.USER and path.answered:
                path = replace(path, before=(path.before, Turn(path.blocks)), answered=False)
            said = path.answered or one.kind in (Kind.LLM_TEXT, Kind.TOOL_CALL, Kind.REASONING)
            path = replace(path, blocks=path.blocks.append(one), answered=said)
        return path


class _Reader:
    """Writes the blocks of each node once, whatever number of branches it is on."""

    def __init__(self, said: Transcript) -> None:
        self.said = said
        self.paths: dict[str, _Path] = {}
        self.empty: list[Any] = []
        self.call = ""

    def branch(self, tree: _Tree, leaf: str) -> _Path:
        """The path to `leaf`, from where one that was written before goes another way."""
        way: list[str] = []
        key: str | None = leaf
        while key is not None and key not in self.paths:
            way.append(key)
            key = tree.parents.get(key)
        path = _Path() if key is None else self.paths[key]
        for key in reversed(way):
            if (message := tree.nodes[key].get("message")) is not None:
                before = len(self.said.blocks)
                self.call = path.call
                self.said.record(f"mapping[{key!r}]", message, self.message)
                path = path.longer(self.said.blocks[before:], self.call)
            self.paths[key] = path
        return path

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


class _Tree:
    """The nodes of a conversation, and the ways up to the root."""

    def __init__(self, mapping: Mapping[str, Any], notes: Notes) -> None:
        self.notes = notes
        self.nodes = {key: node for key, node in mapping.items() if isinstance(node, Mapping)}
        self.lost = {key: node for key, node in mapping.items() if key not in self.nodes}
        for key in self.lost:
            notes.unknown(f"mapping[{key!r}]", "a node that is no object; it is kept beside the Run")
        self.parents = self._without_circles(self._parents())

    def _parents(self) -> dict[str, str]:
        """Each node's parent: as it says itself, else as the node does whose child it is."""
        parents: dict[str, str] = {}
        for key, node in self.nodes.items():
            parent = node.get("parent")
            if isinstance(parent, str) and parent in self.nodes and parent != key:
                parents[key] = parent
            elif parent is not None:
                self.notes.guess(f"mapping[{key!r}]", f"its parent {parent!r:.60} is not there; a branch begins here")
        for key, node in self.nodes.items():
            children = node.get("children")
            for child in children if isinstance(children, list) else ():
                if isinstance(child, str) and child in self.nodes and child not in parents and child != key:
                    parents[child] = key
        return parents

    def _without_circles(self, parents: dict[str, str]) -> dict[str, str]:
        """Cut each circle at one node, so that every way up ends."""
        done: set[str] = set()
        for start in self.nodes:
            way: dict[str, None] = {}
            key: str | None = start
            while key is not None and key not in done:
                if key in way:
                    self.notes.guess(f"mapping[{key!r}]", "it is among its own ancestors; a branch begins here")
                    del parents[key]
                    break
                way[key] = None
                key = parents.get(key)
            done.update(way)
        return parents

    def leaves(self, current: Any) -> list[str]:
        """The ends of the branches that say something, that of the current one first."""
        inner = set(self.parents.values())
        ends = [key for key in self.nodes if key not in inner]
        if isinstance(current, str) and current in self.nodes:
            first = current
        elif ends:
            first = ends[-1]
            self.notes.guess("current_node", "it names no node; the last branch is taken for the current one")
        else:
            return []
        seen: set[str] = set()
        kept: list[str] = []
        for end in dict.fromkeys((first, *ends)):
            says = False
            key: str | None = end
            while key is not None and key not in seen:
                seen.add(key)
                says = says or self.nodes[key].get("message") is not None
                key = self.parents.get(key)
            if says or not kept:
                kept.append(end)
        return kept


# In files.

EXPORTED = re.compile(r"(?:^|/)conversations(?:[-_]\d+)?\.json$")


def score(sample: Sample) -> int:
    """Sure of a tree of messages, and of a zip that has the file of them."""
    if sample.container == "zip":
        return SURE if any(map(EXPORTED.search, sample.names)) else 0
    return SURE if sample.container == "json" and any(map(is_conversation, sample.records)) else 0


def read(source: Source) -> Iterator[Run]:
    """Every conversation of an export, each with its branches."""
    for position, value in _exported(source) if source.sample.container == "zip" else source.records():
        try:
            yield from read_branches(value, source.notes(FORMAT, position))
        except LoadError as error:
            if source.strict:
                raise
            source.problem(error.position or position, error.reason)


def _exported(source: Source) -> Iterator[tuple[str, Any]]:
    with source.zip() as archive:
        for name in filter(EXPORTED.search, archive.names):
            try:
                listed = archive.json(name)
            except LoadError as error:
                if source.strict:
                    raise
                source.problem(error.position, error.reason)
                continue
            for place, one in enumerate(listed if isinstance(listed, list) else [listed]):
                yield f"{name}[{place}]", one


IMPORTER = Importer(FORMAT, score, read)
