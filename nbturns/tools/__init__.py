"""Tools: functions that a model may call, from Python, MCP servers and other frameworks."""

from __future__ import annotations

from .frameworks import from_langchain as from_langchain
from .frameworks import from_openai as from_openai
from .frameworks import from_openai_agents as from_openai_agents
from .frameworks import from_pydantic_ai as from_pydantic_ai
from .mcp.tools import McpTools as McpTools
from .mcp.tools import from_mcp as from_mcp
from .tool import Tool as Tool

__all__ = [
    "McpTools",
    "Tool",
    "from_langchain",
    "from_mcp",
    "from_openai",
    "from_openai_agents",
    "from_pydantic_ai",
]


def __dir__() -> list[str]:
    return sorted(__all__)
