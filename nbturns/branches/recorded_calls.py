"""The calls of a recorded Run: their answers, and tools that stand for those that are not at hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from ..errors import MisuseError, ToolError
from ..runtime.marks import RECORDED, answered_by
from ..session import TOOL_DEFINITIONS
from ..tools import Tool
from ..values.blocks import Block, tool_use
from ..values.frozen_json import thaw
from ..values.turns import Run, Turn

NOT_AT_HAND = "not run: {} is known from the recording alone"
Recorded = Literal["same-arguments", "always", "never"]
JSON_TYPES = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (type(None), "null"), (Mapping, "object"))  # fmt: skip


class RecordedRule:
    """Answer a call by the next recorded call of its tool, and pause before other calls of tools that cannot run."""

    def __init__(self, calls: Iterable[tuple[Block, Block]], recorded: Recorded, *, can_pause: bool = True) -> None:
        self._remaining: dict[str, list[tuple[str, Block]]] = {}
        for call, answer in calls:
            self._remaining.setdefault(call.name, []).append((arguments_key(call), answer))
        self._recorded = recorded
        self._can_pause = can_pause
        self._used: dict[str, Block] = {}  # by the id of the call that was answered

    def answer(self, call: Block, tool: Tool | None) -> tuple[Block, str] | None:
        """Return the recorded answer, with the mark "recorded"; each is given once."""
        del tool
        id = call.tool_call_id
        if id not in self._used:
            remaining = self._remaining.get(call.name)
            if not remaining or self._recorded == "never":
                return None
            key, answer = remaining[0]
            if self._recorded == "same-arguments" and key != arguments_key(call):
                return None
            del remaining[0]
            self._used[id] = answered_by(tool_use(id, answer.result, answer.error), RECORDED)
        return self._used[id], ""

    def pause_reason(self, call: Block, tool: Tool | None) -> str:
        if not self._can_pause or (tool is not None and not isinstance(tool.function, RecordedFunction)):
            return ""
        reason = f"{call.name} is known from the recording alone: give a result, deny it or skip it"
        return f"{reason}{self._difference(call)}"

    def _difference(self, call: Block) -> str:
        """Return in words in which arguments a call differs from the next recorded one of its tool."""
        remaining = self._remaining.get(call.name)
        if not remaining or self._recorded != "same-arguments":
            return ""
        recorded_args, args = json.loads(remaining[0][0]), json.loads(arguments_key(call))
        names = [name for name in {**args, **recorded_args} if args.get(name, self) != recorded_args.get(name, self)]
        return f"; it differs from the recorded call in {', '.join(names)}" if names else ""

    def copy(self) -> RecordedRule:
        rule = RecordedRule((), self._recorded, can_pause=self._can_pause)
        rule._remaining = {name: list(calls) for name, calls in self._remaining.items()}
        rule._used = dict(self._used)
        return rule

    def without_pauses(self) -> RecordedRule:
        rule = self.copy()
        rule._can_pause = False
        return rule


def answered_calls(turns: Iterable[Turn], kept_turn: Turn) -> list[tuple[Block, Block]]:
    """Return the calls that follow the kept blocks, each once and with its answer, in order."""
    seen_ids = {call.tool_call_id for call in kept_turn.of_kind("tool_use")}
    answered: list[tuple[Block, Block]] = []
    for turn in turns:
        answers = {block.tool_call_id: block for block in reversed(turn.of_kind("tool_use"))}
        for call in turn.of_kind("tool_call"):
            id = call.tool_call_id
            if id in answers and id not in seen_ids:
                seen_ids.add(id)
                answered.append((call, answers[id]))
    return answered


class RecordedFunction:
    """The function of a tool that exists in a recording alone."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, **_: Any) -> Any:
        raise ToolError(NOT_AT_HAND.format(self.__name__))


def recorded_tools(run: Run, names_at_hand: Iterable[str]) -> list[Tool]:
    """Return a tool for each tool of the Run that is not at hand, with its recorded schema, else an inferred one.

    A tool without calls and without a recorded schema does not appear. An inferred schema is named in `tool.origin`.
    """
    definitions: dict[str, Mapping[str, Any]] = {}
    calls: dict[str, dict[str, Block]] = {}
    for turn in run:
        for definition in turn.data.get(TOOL_DEFINITIONS) or ():
            if isinstance(definition, Mapping) and isinstance(definition.get("name"), str):
                definitions[definition["name"]] = definition
        for block in turn.of_kind("tool_call"):
            calls.setdefault(block.name, {}).setdefault(block.tool_call_id or str(id(block)), block)
    known_names = set(names_at_hand)
    tools: list[Tool] = []
    for name in dict.fromkeys((*definitions, *calls)):
        if name and name not in known_names:
            tools.extend(_recorded_tool(name, definitions.get(name), list(calls.get(name, {}).values())))
    return tools


def _recorded_tool(name: str, definition: Mapping[str, Any] | None, calls: list[Block]) -> list[Tool]:
    function = RecordedFunction(name)
    if definition is not None and isinstance(definition.get("parameters"), Mapping):
        try:
            tool = Tool(function, name, str(definition.get("description") or ""), parameters=definition["parameters"])
        except MisuseError:  # a schema that no provider takes
            return _recorded_tool(name, None, calls)
        tool.origin, tool.reason_not_run = "recorded", NOT_AT_HAND.format(name)
        return [tool]
    try:
        tool = Tool(function, name, "", parameters=inferred_parameters(calls))
    except MisuseError:  # a name that no model can call
        return []
    tool.origin, tool.reason_not_run = "inferred from recorded calls", NOT_AT_HAND.format(name)
    return [tool]


def inferred_parameters(calls: Sequence[Block]) -> dict[str, Any]:
    """Return a JSON Schema of the arguments that these calls have; those of every call are required."""
    arguments = [call.args for call in calls]
    names = dict.fromkeys(name for args in arguments for name in args)
    required = [name for name in names if arguments and all(name in args for args in arguments)]
    properties = {name: _inferred_schema([args[name] for args in arguments if name in args]) for name in names}
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _inferred_schema(values: Sequence[Any]) -> dict[str, Any]:
    items = [item for value in values if isinstance(value, (list, tuple)) for item in value]
    kinds = list(dict.fromkeys(_json_type(value) for value in values))
    if "number" in kinds and "integer" in kinds:
        kinds.remove("integer")
    schema: dict[str, Any] = {"type": kinds[0] if len(kinds) == 1 else kinds} if kinds else {}
    return {**schema, "items": _inferred_schema(items)} if "array" in kinds else schema


def _json_type(value: Any) -> str:
    return next((name for kind, name in JSON_TYPES if isinstance(value, kind)), "array")


def arguments_key(call: Block) -> str:
    return json.dumps(thaw(call.args), sort_keys=True, default=str)


__all__ = ["Recorded", "RecordedRule", "answered_calls", "arguments_key", "inferred_parameters", "recorded_tools"]
