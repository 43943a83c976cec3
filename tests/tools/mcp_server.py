"""An MCP server for the tests, by the official package: `python -m tests.tools.mcp_server stdio | http PORT`."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    AudioContent,
    CallToolResult,
    EmbeddedResource,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import Field

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
server = MCPServer("weather station", log_level="ERROR")
LOG = os.environ.get("STATION_LOG", "")


@dataclass
class Report:
    city: str
    degrees: float


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def forecast(city: Annotated[str, Field(description="The city's name")], days: int = 1) -> str:
    """Forecast the weather of a city."""
    return f"{city}: sun for {days} days"


@server.tool()
def report(city: str) -> Report:
    """Measure the temperature."""
    return Report(city, 21.5)


@server.tool()
def numbers(count: int) -> list[int]:
    """Count."""
    return list(range(count))


@server.tool(structured_output=False)
def picture(caption: str = "") -> list[Any]:
    """Take a picture of the sky."""
    return [caption or "the sky", Image(data=PNG, format="png")]


@server.tool()
def mixed() -> CallToolResult:
    """Return contents of every kind."""
    return CallToolResult(content=[
        TextContent(type="text", text="one"),
        ResourceLink(type="resource_link", uri="file:///a.txt", name="a", mime_type="text/plain"),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///b.txt", text="two")),
        AudioContent(type="audio", data="UklGRg==", mime_type="audio/wav"),
    ])  # fmt: skip


@server.tool()
def fail(reason: str) -> str:
    """Fail."""
    raise ToolError(reason)


@server.tool(annotations=ToolAnnotations(idempotent_hint=True))
async def wait(seconds: float) -> str:
    """Wait, and note how it ends."""
    _log("waiting")
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        _log("cancelled")
        raise
    _log("waited")
    return "waited"


@server.tool()
def die(code: int = 3) -> str:
    """End the server."""
    print("the station is on fire", file=sys.stderr, flush=True)
    os._exit(code)


@server.tool()
def big(megabytes: int) -> str:
    """Return a long text."""
    return "x" * (megabytes * 1_000_000)


@server.tool()
def process() -> int:
    """Return the number of this process."""
    return os.getpid()


@server.tool(name="station.reset/all")
def reset() -> str:
    """Reset."""
    return "reset"


def _log(text: str) -> None:
    if LOG:
        with Path(LOG).open("a") as file:
            file.write(f"{text}\n")


def main() -> None:
    if sys.argv[1:2] == ["http"]:
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]), json_response=sys.argv[3:4] == ["json"])
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
