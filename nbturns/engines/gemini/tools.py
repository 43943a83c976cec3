"""The tools of a session as Gemini's function declarations, together with Google's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...runtime.engine_protocol import Scope
from ...values.frozen_json import EMPTY_DICT, thaw
from ..tool_options import merged_tools
from .parts import field_of
from .schema import google_schema

TOOL_CHOICES = {"required": "ANY", "none": "NONE"}  # "auto" is the default


def tools_of(scope: Scope, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tools of the session and their choice, together with Google's own in `params`."""
    if not scope.tool_config.enabled or not len(scope.tools):
        return {}
    session_tools = [
        {
            "name": tool.name,
            "description": tool.description,
            "parametersJsonSchema": google_schema(thaw(tool.parameters)),
            **thaw(tool.options.get("gemini", EMPTY_DICT)),
        }
        for tool in scope.tools
    ]
    provider_tools = params.get("tools") or []
    provider_tools = [provider_tools] if isinstance(provider_tools, dict) else provider_tools
    declared = [tool for group in provider_tools for tool in _declarations(group)]
    declarations = merged_tools(session_tools, declared, lambda tool: str(tool.get("name") or ""), _merged_declaration)
    provider_groups = [group for tool in provider_tools if (group := _without_declarations(tool))]
    body: dict[str, Any] = {"tools": [{"functionDeclarations": declarations}, *provider_groups]}
    mode = TOOL_CHOICES.get(scope.tool_config.tool_choice)
    tool_config = params.get("toolConfig") or {}
    if mode and not field_of(tool_config, "functionCallingConfig"):
        body["toolConfig"] = {**tool_config, "functionCallingConfig": {"mode": mode}}
    return body


def _declarations(tool: Any) -> list[Any]:
    """Return the functions that one of Google's tools declares."""
    declared = field_of(tool, "functionDeclarations") if isinstance(tool, Mapping) else None
    return declared if isinstance(declared, list) else []


def _without_declarations(tool: Any) -> Any:
    names = ("functionDeclarations", "function_declarations")
    return {name: value for name, value in tool.items() if name not in names} if isinstance(tool, Mapping) else tool


def _merged_declaration(session_tool: dict[str, Any], tool: dict[str, Any]) -> dict[str, Any]:
    """Return a tool of the session with what Google's notation says of it, which may have its own parameters."""
    has_parameters = any(name in tool for name in ("parameters", "parametersJsonSchema", "parameters_json_schema"))
    declaration = {
        name: value for name, value in session_tool.items() if name != "parametersJsonSchema" or not has_parameters
    }
    return {**declaration, **tool}
