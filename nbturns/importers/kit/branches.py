"""Conversations that are trees: an edited prompt and a regenerated answer are branches, as chat pages keep them.

Each path from the root to a leaf is a Run, the current one first; two paths share the blocks that they
have in common. Such conversations come in a file `conversations.json`, alone or in a zip.
"""

from __future__ import annotations

import re
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
from .source import Sample, Source
from .transcript import Transcript

EXPORT_MEMBER = re.compile(r"(?:^|/)conversations(?:[-_]\d+)?\.json$")
ANSWER_KINDS = (Kind.LLM_TEXT, Kind.TOOL_CALL, Kind.REASONING)


@dataclass(frozen=True, slots=True)
class Path:
    """A path from the root to a node: its blocks, its Turns, and the tool call that waits for a result."""

    blocks: PersistentList[Block] = PersistentList()  # noqa: RUF009  # a value, which never changes
    finished_turns: tuple[Any, Turn] | None = None  # a linked list, the last one first
    answered: bool = False
    pending_call_id: str = ""
    record_count: int = 0

    def turns(self) -> tuple[Turn, ...]:
        """Return the Turns of the path, the first one first."""
        turns = [Turn(self.blocks)]
        link = self.finished_turns
        while link is not None:
            link, turn = link
            turns.append(turn)
        return tuple(reversed(turns))

    def extend(self, blocks: list[Block], pending_call_id: str) -> Path:
        """Return the path to a child node, which has these blocks."""
        path = replace(self, pending_call_id=pending_call_id, record_count=self.record_count + 1)
        for one in blocks:
            if one.kind == Kind.USER and path.answered:
                turn = Turn(path.blocks)
                path = replace(path, finished_turns=(path.finished_turns, turn), answered=False)
            answered = path.answered or one.kind in ANSWER_KINDS
            path = replace(path, blocks=path.blocks.append(one), answered=answered)
        return path


class BranchReader:
    """Reads each node of a tree once, however many branches it is on. A subclass has a method `message`."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self.paths: dict[str, Path] = {}
        self.pending_call_id = ""  # of the tool call that waits for a result

    def message(self, record: Any) -> None:
        """Add the blocks of one message."""
        raise NotImplementedError

    def read_branch(self, tree: Tree, leaf: str) -> Path:
        """Return the path to `leaf`, and read the nodes on it that were not read before."""
        unread_keys: list[str] = []
        key: str | None = leaf
        while key is not None and key not in self.paths:
            unread_keys.append(key)
            key = tree.parents.get(key)
        path = Path() if key is None else self.paths[key]
        for key in reversed(unread_keys):
            if (message := tree.nodes[key].get("message")) is not None:
                block_count = len(self.transcript.blocks)
                self.pending_call_id = path.pending_call_id
                self.transcript.read_record(f"{tree.name}[{key!r}]", message, self.message)
                path = path.extend(self.transcript.blocks[block_count:], self.pending_call_id)
            self.paths[key] = path
        return path

    def runs(
        self, tree: Tree, current: Any, *, id: Any, name: Any, metadata: Callable[[], dict[str, Any]]
    ) -> Iterator[Run]:
        """Yield a Run for each branch, the current one first; `metadata` is called when all nodes are read."""
        transcript, notes = self.transcript, self.transcript.notes
        leaves = tree.leaves(current)
        transcript.key = id = id if isinstance(id, str) and id else transcript.key
        paths = [self.read_branch(tree, leaf) for leaf in leaves] or [Path()]
        for number, path in enumerate(paths):
            report = replace(notes.report(len(path.blocks)), read=path.record_count)
            if number:
                report = ImportReport(notes.format, path.record_count, len(path.blocks), file=notes.file)
            yield Run(
                path.turns(),
                id=id if number == 0 else f"{id}/{leaves[number]}",
                name=name if isinstance(name, str) else "",
                metadata=metadata_from_dict(metadata() if number == 0 else {BRANCH_OF.name: id}),
                import_report=report,
            )


class Tree:
    """The nodes of a conversation by key, and the parent of each."""

    def __init__(self, mapping: Mapping[str, Any], notes: Notes, name: str = "mapping") -> None:
        self.notes = notes
        self.name = name  # of the field with the nodes, for positions
        self.nodes = {key: node for key, node in mapping.items() if isinstance(node, Mapping)}
        self.invalid_nodes = {key: node for key, node in mapping.items() if key not in self.nodes}
        for key, node in self.invalid_nodes.items():
            notes.add_unknown(self._position(key), faults.wrong_type("", node, dict))
        self.parents = self._without_circles(self._parents())

    def _position(self, key: str) -> str:
        return f"{self.name}[{key!r}]"

    def _parents(self) -> dict[str, str]:
        """Return each node's parent: the one it names, else the one that names it as a child."""
        parents: dict[str, str] = {}
        for key, node in self.nodes.items():
            parent = node.get("parent")
            if isinstance(parent, str) and parent in self.nodes and parent != key:
                parents[key] = parent
            elif parent is not None:
                self.notes.add_guess(self._position(key), faults.unknown_parent(parent, "a branch begins here"))
        for key, node in self.nodes.items():
            children = node.get("children")
            for child in children if isinstance(children, list) else ():
                if isinstance(child, str) and child in self.nodes and child not in parents and child != key:
                    parents[child] = key
        return parents

    def _without_circles(self, parents: dict[str, str]) -> dict[str, str]:
        """Return the parents with each circle cut at one node, so that every path ends at a root."""
        visited: set[str] = set()
        for start in self.nodes:
            path: dict[str, None] = {}
            key: str | None = start
            while key is not None and key not in visited:
                if key in path:
                    self.notes.add_guess(self._position(key), "node is its own ancestor; a branch begins here")
                    del parents[key]
                    break
                path[key] = None
                key = parents.get(key)
            visited.update(path)
        return parents

    def leaves(self, current: Any) -> list[str]:
        """Return the leaves whose branches have messages of their own, that of the current branch first."""
        inner_nodes = set(self.parents.values())
        leaves = [key for key in self.nodes if key not in inner_nodes]
        if isinstance(current, str) and current in self.nodes:
            first = current
        elif leaves:
            first = leaves[-1]
            message = f"node {current!r:.60} does not exist; the last branch is the current one"
            self.notes.add_guess("current_node", message)
        else:
            return []
        visited: set[str] = set()
        leaves_with_messages: list[str] = []
        for leaf in dict.fromkeys((first, *leaves)):
            has_message = False
            key: str | None = leaf
            while key is not None and key not in visited:
                visited.add(key)
                has_message = has_message or self.nodes[key].get("message") is not None
                key = self.parents.get(key)
            if has_message or not leaves_with_messages:
                leaves_with_messages.append(leaf)
        return leaves_with_messages


# In files.


def export_score(is_conversation: Callable[[Any], bool]) -> Callable[[Sample], int]:
    """Return a score that is sure of a conversation, also of the first one in a zip, and likely for a zip without a sample."""

    def score(sample: Sample) -> int:
        if sample.container not in ("json", "zip"):
            return 0
        if any(map(is_conversation, sample.records)):
            return SURE
        return LIKELY if not sample.values and any(map(EXPORT_MEMBER.search, sample.names)) else 0

    return score


def export_reader(
    format: str, read_branches: Callable[[Any, Notes], Iterator[Run]]
) -> Callable[[Source], Iterator[Run]]:
    """Return a reader for every conversation of an export, each with its branches."""

    def read(source: Source) -> Iterator[Run]:
        conversations = _zip_records(source) if source.sample.container == "zip" else source.records()
        for position, value in conversations:
            try:
                yield from read_branches(value, source.notes(format, position))
            except LoadError as error:
                if source.strict:
                    raise
                source.add_problem(error.position or position, error.reason)

    return read


def _zip_records(source: Source) -> Iterator[tuple[str, Any]]:
    with source.open_zip() as archive:
        for name in filter(EXPORT_MEMBER.search, archive.names):
            try:
                value = archive.json(name)
            except LoadError as error:
                source.add_problem(error.position, error.reason)
                continue
            for index, conversation in enumerate(value if isinstance(value, list) else [value]):
                yield f"{name}[{index}]", conversation
