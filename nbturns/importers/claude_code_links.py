"""Subagents of a Claude Code session: the tool call that started each, and the Run that has this call.

The result of such a call names its agent (`toolUseResult.agentId`), and so does the progress of the agent; in
stream-json a record of a subagent names the call (`parent_tool_use_id`). Older sessions have neither: there the first
prompt of a sidechain is the prompt in the arguments of the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..values.provenance import CHILD_RUN, CHILD_RUNS, PARENT_RUN, PARENT_TOOL_CALL, ROOT_RUN
from ..values.turns import Block
from .claude_code_records import Record

SIDECHAIN = "sidechain "  # the name of a path of a subagent begins so, and is followed by the id of the agent
RunRecords = tuple[str, Sequence[Record]]  # the id of a Run and its records


class SubagentLinks:
    """The links between the Runs of a session, made before the first of them is read."""

    def __init__(self, runs: Sequence[RunRecords]) -> None:
        self.children: dict[str, str] = {}  # the Run that a tool call started, by the id of the call
        self.parents: dict[str, tuple[str, str]] = {}  # the Run and the tool call that started a Run
        session_id = next((run_id for run_id, _ in runs if SIDECHAIN not in run_id), "")
        owners: dict[str, str] = {}  # the first Run that has a tool call
        prompts: dict[str, str] = {}  # the tool call with a prompt
        agents: dict[str, str] = {}  # the tool call that started an agent
        for run_id, records in runs:
            for record in records:
                if record.type == "assistant":
                    for call_id, prompt in _calls_with_prompts(record):
                        owners.setdefault(call_id, run_id)
                        prompts.setdefault(prompt, call_id) if prompt else None
                if "toolUseResult" in record.raw:
                    agents |= _started_agents(record)
        for run_id, records in runs:
            before, _, agent_id = run_id.rpartition(SIDECHAIN)
            if not agent_id or (not before and SIDECHAIN not in run_id):
                continue
            call_id = agents.get(agent_id) or (agent_id if agent_id in owners else "")
            call_id = call_id or prompts.get(_first_prompt(records), "")
            parent_id = owners.get(call_id, "") or session_id or before.rstrip("/")
            if parent_id and parent_id != run_id:
                self.parents[run_id] = (parent_id, call_id)
            if call_id:
                self.children.setdefault(call_id, run_id)
        own_runs = {run_id for run_id, _ in runs}
        for agent_id, call_id in agents.items():  # agents whose records are in a file of their own
            self.children.setdefault(call_id, f"{session_id}/{SIDECHAIN}{agent_id}".lstrip("/"))
        self.child_ids: dict[str, list[str]] = {}
        for run_id, (parent_id, _) in self.parents.items():
            if parent_id in own_runs:
                self.child_ids.setdefault(parent_id, []).append(run_id)

    def mark_calls(self, blocks: list[Block]) -> None:
        """Set the id of the Run that it started on each tool call."""
        for index, block in enumerate(blocks) if self.children else ():
            if block.kind == "tool_call" and (child_id := self.children.get(block.tool_call_id)):
                blocks[index] = block._with(metadata=block.metadata.with_raw(**{CHILD_RUN.name: child_id}))

    def metadata_of(self, run_id: str) -> dict[str, Any]:
        """Return the metadata of a Run that links it to its parent and its children."""
        parent_id, call_id = self.parents.get(run_id, ("", ""))
        root_id, seen_ids = parent_id, {run_id}
        while root_id in self.parents and root_id not in seen_ids:
            seen_ids.add(root_id)
            root_id = self.parents[root_id][0]
        links = {PARENT_RUN.name: parent_id, PARENT_TOOL_CALL.name: call_id, ROOT_RUN.name: root_id}
        return {**links, CHILD_RUNS.name: self.child_ids.get(run_id, [])}


def _calls_with_prompts(record: Record) -> Iterator[tuple[str, str]]:
    content = record.message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, (dict, Mapping)) and part.get("type") == "tool_use" and isinstance(part.get("id"), str):
            arguments = part.get("input")
            prompt = arguments.get("prompt") if isinstance(arguments, Mapping) else None
            yield part["id"], prompt if isinstance(prompt, str) else ""


def _started_agents(record: Record) -> dict[str, str]:
    """Return the tool call that started an agent, by the id of the agent, as a result of a tool names it."""
    result = record.raw.get("toolUseResult")
    agent_id = result.get("agentId") if isinstance(result, Mapping) else None
    content = record.message.get("content")
    if not isinstance(agent_id, str) or not isinstance(content, list):
        return {}
    call_ids = [part.get("tool_use_id") for part in content if isinstance(part, Mapping)]
    return {agent_id: call_ids[0]} if call_ids and isinstance(call_ids[0], str) else {}


def _first_prompt(records: Sequence[Record]) -> str:
    for record in records:
        if record.type == "user":
            content = record.message.get("content")
            if isinstance(content, list) and content and isinstance(content[0], Mapping):
                content = content[0].get("text")
            return content if isinstance(content, str) else ""
    return ""
