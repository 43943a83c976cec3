"""Fields of a tool in a request beyond its name, description and arguments.

It comes from `nt.Tool(options=…)`, and from the provider's own tools in `tools=`, where one of the same name as
a tool of the session says how that is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..values.frozen_json import thaw
from .provider import Parameters

FUNCTION_TYPES = (None, "custom", "function")  # types of ordinary tools


def with_options(tool: Parameters, given_options: Mapping[str, Any]) -> Parameters:
    """Return a tool's JSON with these options; those with the type of a provider's own tool replace all but its name."""
    options: Parameters = thaw(given_options)
    if options.get("type") in FUNCTION_TYPES or options.get("type") == tool.get("type"):
        return {**tool, **options}
    return {"type": options.pop("type"), "name": tool["name"], **options}


def merged_tools(
    session_tools: Iterable[Parameters],
    provider_tools: Iterable[Any],
    name_of: Callable[[Any], str],
    merge: Callable[[Parameters, Parameters], Parameters],
) -> list[Any]:
    """Return the tools of the session, then the provider's own; one of the same name is merged into the session's."""
    session_tools, other_tools = list(session_tools), []
    positions = {name_of(tool): position for position, tool in enumerate(session_tools)}
    for tool in provider_tools:
        name = name_of(tool) if isinstance(tool, Mapping) else ""
        if name and name in positions:
            session_tools[positions[name]] = merge(session_tools[positions[name]], thaw(tool))
        else:
            other_tools.append(tool)
    return [*session_tools, *other_tools]
