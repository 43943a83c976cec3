"""Links between a Run and the Runs that its tool calls started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...values.provenance import CHILD_RUN, CHILD_RUNS, PARENT_RUN, PARENT_TOOL_CALL, ROOT_RUN
from ...values.turns import Block, Run


def mark_children(blocks: list[Block], child_ids: Mapping[str, str]) -> None:
    """Set on each tool call the id of the Run that it started; `child_ids` has it by the id of the call."""
    for index, block in enumerate(blocks) if child_ids else ():
        if block.kind == "tool_call" and (child_id := child_ids.get(block.tool_call_id)):
            blocks[index] = block._with(metadata=block.metadata.with_raw(**{CHILD_RUN.name: child_id}))


def link_runs(runs: Sequence[Run]) -> list[Run]:
    """Return the Runs of one source with links to their parents and children.

    The parent of a Run is the one with the tool call that started it, else the one that its metadata names, else the
    first Run.
    """
    if len(runs) < 2:
        return list(runs)
    parents = {child_id: run.id for run in runs for child_id in run.child_ids}
    root_id = runs[0].id
    for run in runs[1:]:
        if run.id not in parents and _is_started(run):
            parent_id = run.metadata.raw(PARENT_RUN)
            parents[run.id] = parent_id if isinstance(parent_id, str) else root_id
    call_ids = {
        block.child_run_id: block.tool_call_id
        for run in runs
        for turn in run.turns
        for block in turn.blocks
        if block.kind == "tool_call" and block.child_run_id
    }
    return [_linked_run(run, parents, call_ids) for run in runs]


def _is_started(run: Run) -> bool:
    return run.metadata.raw(PARENT_TOOL_CALL) is not None or run.metadata.raw(PARENT_RUN) is not None


def _linked_run(run: Run, parents: Mapping[str, str], call_ids: Mapping[str, str]) -> Run:
    links: dict[str, object] = {}
    child_ids = [child_id for child_id, parent_id in parents.items() if parent_id == run.id]
    if child_ids:
        links[CHILD_RUNS.name] = child_ids
    if run.id in parents:
        root_id, seen_ids = parents[run.id], {run.id}
        while root_id in parents and root_id not in seen_ids:
            seen_ids.add(root_id)
            root_id = parents[root_id]
        links |= {PARENT_RUN.name: parents[run.id], ROOT_RUN.name: root_id}
        call_id = call_ids.get(run.id)
        links |= {PARENT_TOOL_CALL.name: call_id} if call_id else {}
    return replace(run, metadata=run.metadata.with_raw(**links)) if links else run
