"""Conversations that are trees: an edited prompt and an answer asked for again are branches, as chat pages keep them.

Each path from the root to a leaf is a Run, the one on screen first; what two of them have in common are the
same blocks. The file of such conversations is `conversations.json`, alone or in the zip that is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..chunks import PersistentList
from ..errors import LoadError
from ..keyed import keyed
from ..provenance import BRANCH_OF
from ..turns import Block, Kind, Run, Turn
from . import LIKELY, SURE, ImportReport, Notes, Sample, Source
from .transcript import Transcript

EXPORTED = re.compile(r"(?:^|/)conversations(?:[-_]\d+)?\.json$")


@dataclass(frozen=True, slots=True)
class Path:
    """A way from the root so far: its blocks, its Turns, the call that waits for a result."""

    blocks: PersistentList[Block] = PersistentList()  # noqa: RUF009  # a value, which never changes
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

    def longer(self, blocks: list[Block], call: str) -> Path:
        path = replace(self, call=call, read=self.read + 1)
        for one in blocks:
            if one.kind == Kind.USER and path.answered:
                path = replace(path, before=(path.before, Turn(path.blocks)), answered=False)
            said = path.answered or one.kind in (Kind.LLM_TEXT, Kind.TOOL_CALL, Kind.REASONING)
            path = replace(path, blocks=path.blocks.append(one), answered=said)
        return path


class Branches:
    """Writes the blocks of each node once, whatever number of branches it is on."""

    def __init__(self, said: Transcript) -> None:
        self.said = said
        self.paths: dict[str, Path] = {}
        self.call = ""  # that waits for a result

    def branch(self, tree: Tree, leaf: str, reader: Callable[[Any], None]) -> Path:
        """The path to `leaf`, from where one that was written before goes another way."""
        way: list[str] = []
        key: str | None = leaf
        while key is not None and key not in self.paths:
            way.append(key)
            key = tree.parents.get(key)
        path = Path() if key is None else self.paths[key]
        for key in reversed(way):
            if (message := tree.nodes[key].get("message")) is not None:
                before = len(self.said.blocks)
                self.call = path.call
                self.said.record(f"{tree.name}[{key!r}]", message, reader)
                path = path.longer(self.said.blocks[before:], self.call)
            self.paths[key] = path
        return path

    def runs(
        self,
        tree: Tree,
        current: Any,
        reader: Callable[[Any], None],
        *,
        id: Any,
        name: Any,
        about: Callable[[], dict[str, Any]],
    ) -> Iterator[Run]:
        """A Run for each branch, the current one first; `about` is its metadata, asked for when all is read."""
        notes = self.said.notes
        leaves = tree.leaves(current)
        self.said.key = id = id if isinstance(id, str) and id else self.said.key
        written = [self.branch(tree, leaf, reader) for leaf in leaves] or [Path()]
        for number, path in enumerate(written):
            made = len(path.blocks)
            own = replace(notes.report(made), read=path.read)
            yield Run(
                path.turns(),
                id=id if number == 0 else f"{id}/{leaves[number]}",
                name=name if isinstance(name, str) else "",
                metadata=keyed(about() if number == 0 else {BRANCH_OF.name: id}),
                import_report=ImportReport(notes.format, path.read, made, file=notes.file) if number else own,
            )


class Tree:
    """The nodes of a conversation, and the ways up to the root."""

    def __init__(self, mapping: Mapping[str, Any], notes: Notes, name: str = "mapping") -> None:
        self.notes = notes
        self.name = name  # of what holds the nodes, in what is said of them
        self.nodes = {key: node for key, node in mapping.items() if isinstance(node, Mapping)}
        self.lost = {key: node for key, node in mapping.items() if key not in self.nodes}
        for key in self.lost:
            notes.unknown(f"{self.name}[{key!r}]", "a node that is no object; it is kept beside the Run")
        self.parents = self._without_circles(self._parents())

    def _parents(self) -> dict[str, str]:
        """Each node's parent: as it says itself, else as the node does whose child it is."""
        parents: dict[str, str] = {}
        for key, node in self.nodes.items():
            parent = node.get("parent")
            if isinstance(parent, str) and parent in self.nodes and parent != key:
                parents[key] = parent
            elif parent is not None:
                self.notes.guess(
                    f"{self.name}[{key!r}]", f"its parent {parent!r:.60} is not there; a branch begins here"
                )
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
                    self.notes.guess(f"{self.name}[{key!r}]", "it is among its own ancestors; a branch begins here")
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


def scored(is_conversation: Callable[[Any], bool]) -> Callable[[Sample], int]:
    """A `score`: sure of a conversation, also of the first one in the zip; it may be a zip of which no more is known."""

    def score(sample: Sample) -> int:
        if sample.container not in ("json", "zip"):
            return 0
        if any(map(is_conversation, sample.records)):
            return SURE
        return LIKELY if not sample.values and any(map(EXPORTED.search, sample.names)) else 0

    return score


def exported(format: str, read_branches: Callable[[Any, Notes], Iterator[Run]]) -> Callable[[Source], Iterator[Run]]:
    """A `read` for every conversation of an export, each with its branches."""

    def read(source: Source) -> Iterator[Run]:
        for position, value in _zipped(source) if source.sample.container == "zip" else source.records():
            try:
                yield from read_branches(value, source.notes(format, position))
            except LoadError as error:
                if source.strict:
                    raise
                source.problem(error.position or position, error.reason)

    return read


def _zipped(source: Source) -> Iterator[tuple[str, Any]]:
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
