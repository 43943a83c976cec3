"""Options of a tool that a provider accepts besides its name, description and arguments.

Facts: the SDKs anthropic 2.12 (`types/beta/beta_tool_union_param.py`) and openai 3.57
(`types/responses/tool_param.py`), and Google's `FunctionDeclaration`.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping
from typing import Any

from ..errors import MisuseError
from ..plugins import entry_points
from ..values.frozen_json import EMPTY_DICT, FrozenDict, freeze

ALIASES = {"claude": "anthropic", "google": "gemini", "openai-responses": "openai"}
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "anthropic": {
        "strict": bool,
        "cache_control": dict,
        "defer_loading": bool,
        "input_examples": list,
        "allowed_callers": list,
        "eager_input_streaming": bool,
        "type": str,  # one of Anthropic's own tools; the next are options of these
        "display_width_px": int,
        "display_height_px": int,
        "display_number": int,
        "enable_zoom": bool,
        "max_characters": int,
        "configs": dict,
    },
    "openai": {
        "strict": bool,
        "defer_loading": bool,
        "allowed_callers": list,
        "output_schema": dict,
        "async": bool,
        "type": str,  # one of OpenAI's own tools; the next are options of these
        "format": dict,
        "environment": dict | str,
        "display_width": int,
        "display_height": int,
        "execution": str,
        "server_label": str,
        "server_url": str,
        "server_description": str,
        "connector_id": str,
        "tunnel_id": str,
        "authorization": str,
        "headers": dict,
        "allowed_tools": list | dict,
        "require_approval": str | dict,
    },
    "openai-chat": {"strict": bool, "cache_control": dict, "type": str, "format": dict},
    "gemini": {"behavior": str, "response": dict, "responseJsonSchema": dict},
}
# The name under which a provider's model calls one of its own tools, by the beginning of the type.
TOOL_NAMES = {
    "anthropic": {
        "bash_": "bash",
        "text_editor_20241": "str_replace_editor",
        "text_editor_202501": "str_replace_editor",
        "text_editor_": "str_replace_based_edit_tool",
        "computer_toolset_": "computer",
        "computer_": "computer",
        "memory_": "memory",
        "browser_": "browser",
    },
    "openai": {
        "shell": "shell",
        "local_shell": "local_shell",
        "apply_patch": "apply_patch",
        "computer": "computer",
        "tool_search": "tool_search",
        "mcp": "mcp_approval",
    },
}
FUNCTION_TYPES = frozenset({"custom", "function"})  # types of ordinary tools


def checked_options(options: Any, tool_name: str) -> FrozenDict:
    """Return options by provider, frozen. Raises MisuseError for an unknown provider, name or value."""
    if not isinstance(options, Mapping):
        raise MisuseError(f'options must be a mapping like {{"anthropic": {{"strict": True}}}}, got {options!r:.60}')
    checked: dict[str, Any] = {}
    for given_name, provider_options in options.items():
        provider = _provider_name(given_name, tool_name)
        if not isinstance(provider_options, Mapping):
            raise MisuseError(
                f"options of {tool_name} for {given_name} must be a mapping, got {provider_options!r:.60}"
            )
        for name, value in provider_options.items():
            _check_option(provider, name, value, tool_name)
        checked[provider] = {**checked.get(provider, EMPTY_DICT), **provider_options}
    frozen: FrozenDict = freeze(checked)
    return frozen


def provider_tool_name(options: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the name under which models call the provider's own tool that these options describe; "" for other tools.

    Raises MisuseError for tools of different names.
    """
    names: dict[str, str] = {}
    for provider, provider_options in options.items():
        type_name = provider_options.get("type", "")
        prefixes = TOOL_NAMES.get(provider, {})
        if name := next((prefixes[prefix] for prefix in prefixes if type_name.startswith(prefix)), ""):
            names[name] = f"{provider}'s {type_name}"
    if len(names) > 1:
        described = " and ".join(f"{kind} is called {name!r}" for name, kind in names.items())
        raise MisuseError(f"{described}; make a Tool for each")
    return next(iter(names), "")


def _provider_name(name: Any, tool_name: str) -> str:
    provider = ALIASES.get(name, name) if isinstance(name, str) else name
    if provider in OPTIONS:
        return str(provider)
    if isinstance(name, str) and name in entry_points("nbturns.engines"):
        return name  # a provider of another package, which checks its options itself
    known_names = (*OPTIONS, *ALIASES)
    hint = _nearest(name, known_names) or f"; known: {', '.join(OPTIONS)}"
    raise MisuseError(f"options of {tool_name} name an unknown provider {name!r:.60}{hint}")


def _check_option(provider: str, name: Any, value: Any, tool_name: str) -> None:
    known_options = OPTIONS.get(provider)
    if known_options is None:
        return
    if name not in known_options:
        hint = _nearest(name, known_options) or f"; known: {', '.join(known_options)}"
        raise MisuseError(f"unknown option {name!r:.60} of {tool_name} for {provider}{hint}")
    classes = typing.get_args(known_options[name]) or (known_options[name],)
    if value is not None and not any(_is_instance(value, expected_class) for expected_class in classes):
        expected_names = " or ".join(expected_class.__name__ for expected_class in classes)
        raise MisuseError(f"option {name} of {tool_name} for {provider} must be a {expected_names}, got {value!r:.60}")


def _is_instance(value: Any, expected_class: type) -> bool:
    if expected_class is dict:
        return isinstance(value, Mapping)
    if isinstance(value, bool):
        return expected_class is bool
    return isinstance(value, (list, tuple) if expected_class is list else expected_class)


def _nearest(name: Any, known_names: Any) -> str:
    nearest = difflib.get_close_matches(str(name), list(known_names), 1, 0.6)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


__all__ = ["checked_options", "provider_tool_name"]
