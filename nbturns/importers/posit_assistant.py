"""Posit Assistant's conversations: `conversation.json` with the `lm-messages.jsonl` of the same folder.

`conversation.json` is a tree: each node names its parent and the numbers of its messages, which are the lines of
`lm-messages.jsonl`, each a `ModelMessage` of the AI SDK with time, model and tokens in `providerOptions`. The input does not
include the cache. The path to the last active node is the first Run, each other leaf a Run of its own; a subagent has a tree of its own,
which names that of its parent. `workspace.json` above the conversation has the folder of the project. Source: kenn-io/agentsview at
538600744d1b, internal/parser/posit_assistant_provider.go (`positAssistantConversation`, `positAssistantTreeNode`,
`positAssistantMessageFromLM`) and internal/parser/testdata/posit-assistant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import LoadError
from ..values.inference_results import InferenceResult
from ..values.provenance import FIELDS, PARENT_RUN, TIMESTAMP
from ..values.turns import Run
from .kit.branches import BranchReader, Tree
from .kit.import_report import Notes
from .kit.importer import SURE, Importer, try_read, try_read_all
from .kit.record_fields import (
    expect,
    list_of_document,
    list_or_empty,
    object_of_document,
    object_or_empty,
    omit,
    omit_empty,
    text_or_empty,
    token_usage,
    without_lists,
)
from .kit.sample import Sample
from .kit.session_files import sibling, sibling_records
from .kit.side_files import side_value
from .kit.source import Source
from .kit.transcript import Transcript, freeze_or_json
from .vercel_messages import ModelMessageReader

FORMAT = "posit-assistant"
TREE_FILE, MESSAGES_FILE, WORKSPACE_FILE = "conversation.json", "lm-messages.jsonl", "workspace.json"
USAGE_FIELDS = ("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens")


def _is_tree(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("root"), Mapping):
        return False
    nodes = value.get("messages")
    return isinstance(nodes, list) and all(isinstance(node, Mapping) and "lmMessageIds" in node for node in nodes[:4])


def _is_line(value: Mapping[str, Any]) -> bool:
    message = value.get("message")
    options = message.get("providerOptions") if isinstance(message, Mapping) else None
    metadata = options.get("providerMetadata") if isinstance(options, Mapping) else None
    return isinstance(value.get("id"), int) and isinstance(metadata, Mapping) and "positai" in metadata


def score_posit_assistant(sample: Sample) -> int:
    """Return a score higher than SURE for the tree of a conversation, and for its messages."""
    records = sample.records if sample.container == "json" else []
    return SURE + 6 if any(map(_is_tree, records)) or any(map(_is_line, records)) else 0


def read_conversation(source: Source) -> Iterator[Run]:
    """Yield the conversation of a tree, then its other leaves; without a tree the messages in their order."""
    records = [value for _, value in source.records()]
    if any(map(_is_tree, records)):
        messages = sibling_records(source, MESSAGES_FILE)
        workspace = _workspace(source)
        for tree in records:
            notes = source.notes(FORMAT)
            yield from try_read_all(
                source, "", lambda *values: list(_read_tree(*values)), tree, messages, workspace, notes
            )
        return
    tree_path = sibling(source, TREE_FILE)
    if tree_path is not None and tree_path.is_file():
        raise LoadError(f"these are the messages of {TREE_FILE} in the same folder; load that file", file=source.file)
    yield from try_read(source, "", _read_lines, records, source.notes(FORMAT))


def _workspace(source: Source) -> dict[str, Any]:
    """Return the `workspace.json` that is above a conversation, or above the one that started it."""
    folders = source.path.absolute().parents if source.path is not None else ()
    candidates = [folder / WORKSPACE_FILE for folder in list(folders)[1:6:2]]
    value = side_value(source, next((path for path in candidates if path.is_file()), None))
    return value if isinstance(value, dict) else {}


def _read_lines(records: Sequence[Any], notes: Notes) -> Run:
    transcript = Transcript(notes)
    transcript.read_records("messages", records, _MessageReader(transcript).read_line)
    return transcript.to_run()


def _read_tree(document: Any, messages: Sequence[Any], workspace: Mapping[str, Any], notes: Notes) -> Iterator[Run]:
    root = object_of_document(document.get("root"), "root", notes)
    root_metadata = object_of_document(root.get("metadata"), "root.metadata", notes)
    lines = {line.get("id"): line for line in messages if isinstance(line, Mapping) and _is_id(line.get("id"))}
    nodes: dict[str, Any] = {text_or_empty(root.get("id")): {}}
    current = ""
    for node in list_of_document(document.get("messages"), "messages", notes):
        if not isinstance(node, Mapping):
            nodes[f"node {len(nodes)}"] = node  # the tree reports it
            continue
        node_id = text_or_empty(node.get("id")) or f"node {len(nodes)}"
        nodes[node_id] = {"parent": node.get("parentId"), "message": {"node": node, "lines": lines}}
        current = node_id if node.get("isActive") is not False else current
    if not lines and document.get("messages"):
        notes.add_unknown("", f"the messages are in {MESSAGES_FILE}, which is not in the folder of this file")
    tree, reader = Tree(nodes, notes, "messages"), _NodeReader(Transcript(notes))
    reader.messages.model = text_or_empty(
        object_of_document(root_metadata.get("model"), "root.metadata.model", notes).get("id")
    )

    def metadata() -> dict[str, Any]:
        fields = (
            without_lists(document, "messages")
            | omit_empty(nodes=tree.invalid_nodes)
            | ({"workspace": workspace} if workspace else {})
        )
        parent_id, time = text_or_empty(root_metadata.get("parentTreeId")), root.get("timestamp")
        links = {PARENT_RUN.name: parent_id} if parent_id else {}
        return {FIELDS.name: freeze_or_json(fields), **links} | ({TIMESTAMP.name: str(time)} if time else {})

    name = text_or_empty(root.get("title")) or text_or_empty(root.get("summary"))
    yield from reader.read_runs(tree, current, conversation_id=root.get("id"), name=name, metadata=metadata)


def _is_id(value: Any) -> bool:
    return type(value) in (int, str)  # True would be 1


class _NodeReader(BranchReader):
    """Adds the blocks of the messages of a node; a node without its messages is kept as it is."""

    def __init__(self, transcript: Transcript) -> None:
        super().__init__(transcript)
        self.messages = _MessageReader(transcript)

    def read_node_message(self, record: Any) -> None:
        node, lines = record["node"], record["lines"]
        message_ids = list_or_empty(node.get("lmMessageIds"), "lmMessageIds")
        known_lines = [lines[id] for id in message_ids if _is_id(id) and id in lines]
        first_block = len(self.transcript.blocks)
        for line in known_lines:
            self.messages.read_line(line)
        if len(self.transcript.blocks) == first_block:
            self.transcript.add_other(node)
            return
        self.transcript.set_times(first_block, node.get("timestamp"), overwrite=False)
        self.transcript.add_extra_fields(first_block, {"node": omit(node, "lmMessageIds", "parentId")})
        blocks, node_id = self.transcript.blocks, text_or_empty(node.get("id"))
        for index in range(first_block, len(blocks) if node_id else 0):  # by its id a block of two leaves is one row
            number = index - first_block
            blocks[index] = blocks[index]._with(id=f"{node_id}.{number}" if number else node_id)


class _MessageReader(ModelMessageReader):
    model = ""  # of replies that do not name theirs

    def read_line(self, record: Any) -> None:
        line = expect(record, dict, "")
        message = expect(line.get("message"), dict, "message")
        first_block = len(self.transcript.blocks)
        self.read_message(message)
        self.transcript.set_times(first_block, _metadata_of(message).get("timestamp"))

    def call_result(self, message: Mapping[str, Any], pending: bool) -> InferenceResult:
        metadata = _metadata_of(message)
        usage = object_or_empty(metadata.get("usage"), "usage")
        input_tokens, output_tokens, cache_read, cache_write = (usage.get(name) for name in USAGE_FIELDS)
        return self.transcript.inference_result(
            id=f"{self.transcript.position}.{len(self.transcript.blocks)}",
            model=text_or_empty(metadata.get("modelId")) or self.model or None,
            provider=text_or_empty(metadata.get("providerId")) or None,
            pending=pending,
            usage=token_usage(
                input_tokens,
                output_tokens,
                cache_read_tokens=cache_read,
                cache_write_tokens=cache_write,
                cache_in_input=False,
            ),
            extra={"usage": usage},
        )


def _metadata_of(message: Mapping[str, Any]) -> dict[str, Any]:
    options = object_or_empty(message.get("providerOptions"), "providerOptions")
    metadata = object_or_empty(options.get("providerMetadata"), "providerMetadata")
    return object_or_empty(metadata.get("positai"), "positai")


IMPORTER = Importer(FORMAT, score_posit_assistant, read_conversation)
