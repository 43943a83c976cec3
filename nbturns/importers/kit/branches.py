"""Conversations that are trees: an edited prompt and a regenerated answer are branches, as chat pages keep them.

Each path from the root to a leaf is a Run, the current one first; two paths share the blocks that they
have in common. Such conversations come in a file `conversations.json`, alone or in a zip.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...errors import LoadError
from ...values.metadata import metadata_from_dict
from ...values.persistent_list import PersistentList
from ...values.provenance import BRANCH_OF
from ...values.turns import Block, Kind, Run, Turn
from . import faults
from .import_report import ImportReport, Notes
from .importer import LIKELY, SURE
from .sample import Sample
from .source import Source
from .transcript import Transcript

EXPORT_MEMBER = re.compile(r"(?:^|/)conversations(?:[-_]\d+)?\.json$")
ANSWER_KINDS = (Kind.LLM_TEXT, Kind.TOOL_CALL, Kind.REASONING)


@dataclass(frozen=True, slots=True)
class BranchPath:
    """A path from the root to a node: its blocks, its Turns, and the tool call that waits for a result."""

    blocks: PersistentList[Block] = PersistentList()  # noqa: RUF009  # a value, which never changes
    finished_turns: tuple[Any, Turn] | None = None  # a linked list, the last one first
    answered: bool = False
    pending_call_id: str = ""
    record_count: int = 0

    def turns(self) -> tuple[Turn, ...]:
        """Return the Turns of the path, the first one first."""
        turns = [Turn(self.blocks)]
        earlier_turns = self.finished_turns
        while earlier_turns is not None:
            earlier_turns, turn = earlier_turns
            turns.append(turn)
        return tuple(reversed(turns))

    def extend(self, blocks: list[Block], pending_call_id: str) -> BranchPath:
        """Return the path to a child node, which has these blocks."""
        extended_path = replace(self, pending_call_id=pending_call_id, record_count=self.record_count + 1)
        for new_block in blocks:
            if new_block.kind == Kind.USER and extended_path.answered:
                finished_turn = Turn(extended_path.blocks)
                extended_path = replace(
                    extended_path, finished_turns=(extended_path.finished_turns, finished_turn), answered=False
                )
            has_answer = extended_path.answered or new_block.kind in ANSWER_KINDS
            extended_path = replace(extended_path, blocks=extended_path.blocks.append(new_block), answered=has_answer)
        return extended_path


class BranchReader(ABC):
    """Reads each node of a tree once, however many branches it is on. A subclass defines `read_node_message`."""

    pending_call_id: str

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.paths: dict[str, BranchPath] = {}
        self.pending_call_id = ""  # id of the tool call that waits for a result

    @abstractmethod
    def read_node_message(self, record: Any) -> None:
        """Add the blocks of one message."""

    def read_branch(self, tree: Tree, leaf_key: str) -> BranchPath:
        """Return the path to `leaf_key`, and read its nodes that were not read before."""
        unread_keys: list[str] = []
        node_key: str | None = leaf_key
        while node_key is not None and node_key not in self.paths:
            unread_keys.append(node_key)
            node_key = tree.parents.get(node_key)
        path = BranchPath() if node_key is None else self.paths[node_key]
        for node_key in reversed(unread_keys):
            if (message := tree.nodes[node_key].get("message")) is not None:
                block_count = len(self.transcript.blocks)
                self.pending_call_id = path.pending_call_id
                self.transcript.read_record(f"{tree.name}[{node_key!r}]", message, self.read_node_message)
                path = path.extend(self.transcript.blocks[block_count:], self.pending_call_id)
            self.paths[node_key] = path
        return path

    def read_runs(
        self, tree: Tree, current_key: Any, *, conversation_id: Any, name: Any, metadata: Callable[[], dict[str, Any]]
    ) -> Iterator[Run]:
        """Yield a Run for each branch, the current one first; `metadata` is called when all nodes are read."""
        transcript, notes = self.transcript, self.transcript.notes
        leaves = tree.leaf_keys(current_key)
        has_run_id = isinstance(conversation_id, str) and bool(conversation_id)
        transcript.key = conversation_id = (
            conversation_id if isinstance(conversation_id, str) and conversation_id else transcript.key
        )
        paths = [self.read_branch(tree, leaf) for leaf in leaves] or [BranchPath()]
        for branch_number, path in enumerate(paths):
            report = replace(notes.report(len(path.blocks)), read=path.record_count)
            if branch_number:
                report = ImportReport(notes.format, path.record_count, len(path.blocks), file=notes.file)
            yield Run(
                path.turns(),
                id=conversation_id if branch_number == 0 else f"{conversation_id}/{leaves[branch_number]}",
                name=name if isinstance(name, str) else "",
                metadata=metadata_from_dict(metadata() if branch_number == 0 else {BRANCH_OF.name: conversation_id}),
                import_report=replace(report, has_run_id=has_run_id),
            )


class Tree:
    """The nodes of a conversation by key, and the parent of each."""

    def __init__(self, mapping: Mapping[str, Any], notes: Notes, list_name: str = "mapping") -> None:
        self.notes = notes
        self.name = list_name  # name of the field with the nodes, for positions
        self.nodes: dict[str, Mapping[str, Any]] = {
            node_key: node for node_key, node in mapping.items() if isinstance(node, Mapping)
        }
        self.invalid_nodes: dict[str, Any] = {
            node_key: node for node_key, node in mapping.items() if node_key not in self.nodes
        }
        for node_key, node in self.invalid_nodes.items():
            notes.add_unknown(self._position(node_key), faults.wrong_type("", node, dict))
        self.parents: dict[str, str] = self._cut_circles(self._read_parents())

    def _position(self, node_key: str) -> str:
        return f"{self.name}[{node_key!r}]"

    def _read_parents(self) -> dict[str, str]:
        """Return each node's parent: the one it names, else the one that names it as a child."""
        parents: dict[str, str] = {}
        for node_key, node in self.nodes.items():
            parent_key = node.get("parent")
            if isinstance(parent_key, str) and parent_key in self.nodes and parent_key != node_key:
                parents[node_key] = parent_key
            elif parent_key is not None:
                self.notes.add_guess(
                    self._position(node_key), faults.unknown_parent(parent_key, "a branch begins here")
                )
        for node_key, node in self.nodes.items():
            child_keys = node.get("children")
            for child_key in child_keys if isinstance(child_keys, list) else ():
                if (
                    isinstance(child_key, str)
                    and child_key in self.nodes
                    and child_key not in parents
                    and child_key != node_key
                ):
                    parents[child_key] = node_key
        return parents

    def _cut_circles(self, parents: dict[str, str]) -> dict[str, str]:
        """Return the parents with each circle cut at one node, so that every path ends at a root."""
        visited_keys: set[str] = set()
        for start_key in self.nodes:
            path_keys: dict[str, None] = {}
            node_key: str | None = start_key
            while node_key is not None and node_key not in visited_keys:
                if node_key in path_keys:
                    self.notes.add_guess(self._position(node_key), "node is its own ancestor; a branch begins here")
                    del parents[node_key]
                    break
                path_keys[node_key] = None
                node_key = parents.get(node_key)
            visited_keys.update(path_keys)
        return parents

    def leaf_keys(self, current_key: Any) -> list[str]:
        """Return the leaves whose branches have messages of their own, that of the current branch first."""
        inner_nodes = set(self.parents.values())
        leaf_keys = [node_key for node_key in self.nodes if node_key not in inner_nodes]
        if isinstance(current_key, str) and current_key in self.nodes:
            first_leaf = current_key
        elif leaf_keys:
            first_leaf = leaf_keys[-1]
            guess_message = f"node {current_key!r:.60} does not exist; the last branch is the current one"
            self.notes.add_guess("current_node", guess_message)
        else:
            return []
        visited_keys: set[str] = set()
        leaves_with_messages: list[str] = []
        for leaf_key in dict.fromkeys((first_leaf, *leaf_keys)):
            has_message = False
            node_key: str | None = leaf_key
            while node_key is not None and node_key not in visited_keys:
                visited_keys.add(node_key)
                has_message = has_message or self.nodes[node_key].get("message") is not None
                node_key = self.parents.get(node_key)
            if has_message or not leaves_with_messages:
                leaves_with_messages.append(leaf_key)
        return leaves_with_messages


# Files.


def export_score(is_conversation: Callable[[Any], bool]) -> Callable[[Sample], int]:
    """Return a score that is sure of a conversation, also of the first one in a zip, and likely for a zip without a sample."""

    def score_sample(sample: Sample) -> int:
        if sample.container not in ("json", "zip"):
            return 0
        if any(map(is_conversation, sample.records)):
            return SURE
        return LIKELY if not sample.records and any(map(EXPORT_MEMBER.search, sample.names)) else 0

    return score_sample


def export_reader(
    format: str, is_conversation: Callable[[Any], bool], read_branches: Callable[[Any, Notes], Iterator[Run]]
) -> Callable[[Source], Iterator[Run]]:
    """Return a reader for every conversation of an export, each with its branches."""

    def read_export(source: Source) -> Iterator[Run]:
        conversations = _zip_records(source, is_conversation) if source.sample.container == "zip" else source.records()
        for position, conversation in conversations:
            try:
                yield from read_branches(conversation, source.notes(format, position))
            except LoadError as error:
                if source.strict:
                    raise
                source.add_problem(error.position or position, error.reason)

    return read_export


def _zip_records(source: Source, is_conversation: Callable[[Any], bool]) -> Iterator[tuple[str, Any]]:
    """Yield the conversations in the members of an archive that have any; a member is judged by what it holds."""
    with source.open_zip() as archive:
        for member_name in archive.names:
            is_export = is_conversation(archive.first_record(member_name)) if member_name.endswith(".json") else False
            if not is_export and not EXPORT_MEMBER.search(member_name):
                continue
            try:
                member_value = archive.json(member_name)
            except LoadError as error:
                source.add_problem(error.position, error.reason)
                continue
            for index, conversation in enumerate(member_value if isinstance(member_value, list) else [member_value]):
                yield f"{member_name}[{index}]", conversation
