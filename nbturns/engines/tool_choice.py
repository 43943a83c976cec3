"""A forced tool choice holds until the first call; a loop in which it held for ever could not end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..runtime.engine_protocol import Scope
from ..values.turns import Turn
from .provider import Parameters

FORCED_WORDS = frozenset({"required", "any"})
FIELDS = ("tool_choice", "function_call")
GOOGLE_FIELDS = (("tool_config", "function_calling_config"), ("toolConfig", "functionCallingConfig"))


def freed_after_first_call(turn: Turn, scope: Scope, params: Parameters) -> Scope:
    """Return the scope, and change the parameters in place, so that a forced tool is free once a call has its result."""
    if not _has_result_since_prompt(turn):
        return scope
    for name in FIELDS:
        if name in params:
            params[name] = freed(params[name])
    for field, inner_field in GOOGLE_FIELDS:
        config = params.get(field)
        inner = (
            next((config.get(name) for name in (inner_field, _other_case(inner_field)) if config.get(name)), None)
            if isinstance(config, Mapping)
            else None
        )
        if isinstance(inner, Mapping) and str(inner.get("mode")).upper() == "ANY":
            params[field] = {**config, inner_field: {"mode": "AUTO"}}  # type: ignore[dict-item]  # a mapping, as checked
    if scope.tool_config.tool_choice == "required":
        return scope.replace(tool_config=replace(scope.tool_config, tool_choice="auto"))
    return scope


def freed(choice: Any) -> Any:
    """Return a tool choice that forces nothing, in the same notation."""
    if isinstance(choice, str):
        return "auto" if choice in FORCED_WORDS else choice
    if not isinstance(choice, Mapping):
        return choice
    match choice.get("type"):
        case "any" | "tool":  # Anthropic's
            parallel_choice = {"disable_parallel_tool_use": True} if choice.get("disable_parallel_tool_use") else {}
            return {"type": "auto", **parallel_choice}
        case "allowed_tools":
            inner = choice.get("allowed_tools")
            nested = {"allowed_tools": {**inner, "mode": "auto"}} if isinstance(inner, Mapping) else {"mode": "auto"}
            return {**choice, **nested}
        case "auto" | "none":
            return choice
    return "auto"


def _has_result_since_prompt(turn: Turn) -> bool:
    """Tell whether a tool has answered since the last prompt."""
    kinds = [block.kind for block in turn if block.kind in ("user", "tool_use")]
    return "user" in kinds and kinds[-1] == "tool_use"


def _other_case(name: str) -> str:
    return "functionCallingConfig" if name == "function_calling_config" else "function_calling_config"
