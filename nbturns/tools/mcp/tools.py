"""`from_mcp`: the tools of an MCP server, as tools of a session."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from typing import Any, Self

from ...errors import MisuseError
from ..tool import Tool
from .listing import ListedTool
from .results import tool_result
from .server import McpServer

INVALID_CHARACTERS = re.compile(r"[^A-Za-z0-9_-]")
MAX_NAME_LENGTH = 64  # of OpenAI; others allow more


class McpTools(list[Tool]):
    """The tools of one MCP server, as a list. `with` closes the server at its end."""

    def __init__(self, tools: Iterable[Tool], server: McpServer) -> None:
        super().__init__(tools)
        self._server = server

    @property
    def server(self) -> str:
        """The name of the server."""
        return self._server.label

    def close(self) -> None:
        """End the process or the connection of the server. Later calls are answered with an error."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class McpTool(Tool):
    """One tool of a server, whose schema is not trusted."""

    _is_trusted = False


class McpCall:
    """A call of one tool of a server."""

    def __init__(self, server: McpServer, tool: ListedTool) -> None:
        self.server = server
        self.tool_name: str = tool.name
        self._is_wrapped = tool.is_wrapped

    async def __call__(self, **arguments: Any) -> Any:
        from ...runtime.background_loop import Waiting, on_loop_thread

        call = self.server.call(self.tool_name, arguments)
        result = await call if on_loop_thread() else await Waiting(call)
        return tool_result(result, is_wrapped=self._is_wrapped)


def from_mcp(
    server: Any,
    only: Iterable[str] = (),
    *,
    prefix: str = "",
    timeout: float | None = None,
    start_timeout: float = 30.0,
    max_bytes: int = 16_000_000,
) -> McpTools:
    """Connect to an MCP server and return its tools, or those named in `only`.

    `server` is a command ("python server.py", or a list), the address of a server with streamable
    HTTP, a path of a Python file, a configuration ({"command": …, "args": […], "env": {…}} or
    {"url": …, "headers": {…}}, also inside {"mcpServers": {name: …}}), or a server object of the
    package `mcp`. `prefix` is put before each name, `timeout` is that of each tool, in seconds.
    `start_timeout` is the limit for connecting, `max_bytes` for one answer of the server. The
    names have only letters, digits, _ and -, as every provider requires; others are replaced by _.

    The server runs until `close()`, the close of its session, or the end of the process. Raises
    ToolError for a server that does not start or answer, and MisuseError for two tools of one
    name and for a schema that no provider takes.
    """
    _require_seconds(start_timeout, "start_timeout")
    connection = McpServer(server, start_timeout=start_timeout, max_bytes=max_bytes)
    listed_tools = connection.list_tools()
    try:
        selected_tools = _selected(listed_tools, only, connection.label)
        tools = [_tool(connection, tool, prefix, timeout) for tool in selected_tools]
        _refuse_same_names(tools, connection.label)
    except BaseException:
        connection.close()
        raise
    return McpTools(tools, connection)


def _require_seconds(seconds: Any, name: str) -> None:
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not math.isfinite(seconds) or seconds <= 0:
        raise MisuseError(f"{name} must be a number of seconds above 0, got {seconds!r:.60}")


def _selected(listed_tools: list[ListedTool], only: Iterable[str], server: str) -> list[ListedTool]:
    names = (only,) if isinstance(only, str) else tuple(only)
    listed_names = [tool.name for tool in listed_tools]
    for name in names:
        if name not in listed_names:
            nearest = difflib.get_close_matches(str(name), listed_names, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"its tools: {', '.join(listed_names) or 'none'}"
            raise MisuseError(f"MCP server {server} has no tool {name!r:.60}; {hint}")
    return [tool for tool in listed_tools if not names or tool.name in names]


def _tool(server: McpServer, tool: ListedTool, prefix: str, timeout: float | None) -> Tool:
    name = INVALID_CHARACTERS.sub("_", f"{prefix}{tool.name}")[:MAX_NAME_LENGTH]
    try:
        if tool.problem:
            raise MisuseError(tool.problem)
        mcp_tool = McpTool(
            McpCall(server, tool),
            name,
            tool.description,
            parameters=tool.input_schema,
            effect=tool.effect,
            timeout=timeout,
        )
    except MisuseError as error:
        raise MisuseError(
            f"MCP server {server.label}, tool {tool.name!r:.60}: {error}; leave it out with only=[…]"
        ) from None
    mcp_tool.origin, mcp_tool._closing = f"MCP server {server.label}", server.close
    return mcp_tool


def _refuse_same_names(tools: list[Tool], server: str) -> None:
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise MisuseError(f"MCP server {server} lists two tools named {name!r}; leave them out with only=[…]")


__all__ = ["McpTools", "from_mcp"]
