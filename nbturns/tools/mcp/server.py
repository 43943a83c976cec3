"""A connection to one MCP server, on the background loop.

The connection is opened by a task that waits until it is to be closed, because the package `mcp`
must leave its contexts in the task that entered them. A server that ended is started again by the
next call. Nothing of it is left after `close()`, when no tool refers to it any more, or when the
process ends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import weakref
from typing import Any

from ...errors import ToolError
from ...packages import require
from .listing import ListedTool, list_page
from .targets import Target, target_of

CLOSE_SECONDS = 10.0
MAX_PAGES = 100  # of a list of tools, which could be endless
MAX_TOOLS = 1_000
LOST_CONNECTION = -32000  # the code of the package `mcp` for a connection that was closed
open_connections: weakref.WeakSet[_Connection] = weakref.WeakSet()


class McpServer:
    """One MCP server: its tools as the server describes them, and their calls."""

    def __init__(self, server: Any, *, start_timeout: float, max_bytes: int) -> None:
        require("mcp")
        self._target: Target = target_of(server)
        self._start_timeout = start_timeout
        self._max_bytes = max_bytes
        self._connection: _Connection | None = None
        self._is_closed = False

    @property
    def label(self) -> str:
        """The name of the server for messages, without keys."""
        return self._target.label

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_connection": None}  # another process connects itself

    def list_tools(self) -> list[ListedTool]:
        """Connect, and return the tools. Blocks. Raises ToolError that names the server."""
        import mcp  # noqa: F401 - here, because it takes a second, and on the loop all executions would wait

        from ...runtime.background_loop import Waiting

        try:
            tools: list[ListedTool] = Waiting(self._list_tools()).result()
        except BaseException:  # an interrupt, too, leaves no process behind
            self.close()
            raise
        return tools

    async def _list_tools(self) -> list[ListedTool]:
        connection = await self._connected()
        tools: list[ListedTool] = []
        cursor: str | None = None
        try:
            async with asyncio.timeout(self._start_timeout):
                for _ in range(MAX_PAGES):
                    page, cursor = await list_page(connection.client, cursor)
                    tools.extend(page)
                    if cursor is None:
                        return tools
                    if len(tools) > MAX_TOOLS:
                        break
        except TimeoutError:
            raise self._error(f"did not list its tools within {self._start_timeout:g} s") from None
        except Exception as error:  # of the package `mcp`, and of what the server sent
            raise self._error(f"cannot list its tools: {_message_of(error)}") from error
        raise self._error(f"lists more than {MAX_TOOLS:,} tools, or a page after each page")

    async def call(self, tool_name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run a tool and return its result as JSON. Raises ToolError that names server and tool."""
        connection = await self._connected(tool_name)
        try:
            result = await connection.client.call_tool(tool_name, arguments)
        except Exception as error:  # of the package `mcp`, and of what the server sent
            if getattr(error, "code", None) == LOST_CONNECTION or not hasattr(error, "code"):
                connection.is_lost = True
                await asyncio.sleep(0.05)  # its last output may still be on the way
            raise self._error(f"failed to run {tool_name}: {_message_of(error)}") from error
        json_result: dict[str, Any] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        return json_result

    async def _connected(self, tool_name: str = "") -> _Connection:
        """Return the open connection; connect first without one, or if it was lost."""
        if self._is_closed:
            raise self._error("was closed; call from_mcp again" + (f" to run {tool_name}" if tool_name else ""))
        connection = self._connection
        if connection is None or not connection.is_usable:
            if connection is not None:
                connection.begin_close()
            connection = self._connection = _Connection(self._target, self._max_bytes)
            weakref.finalize(self, connection.begin_close).atexit = False
        try:
            async with asyncio.timeout(self._start_timeout):
                await asyncio.shield(connection.opened)
        except TimeoutError:
            connection.begin_close()
            raise self._error(f"did not answer within {self._start_timeout:g} s") from None
        except Exception as error:  # anything a process or a server may do
            connection.begin_close()
            await asyncio.sleep(0.05)
            raise self._error(f"did not start: {_message_of(error)}") from error
        return connection

    def _error(self, text: str) -> ToolError:
        return ToolError(self._target.without_secrets(f"MCP server {self.label} {text}") + self._target.last_words())

    def close(self) -> None:
        """Close the connection and end the process of the server; blocks until it has ended."""
        self._is_closed = True
        if self._connection is not None:
            self._connection.close()


class _Connection:
    """One connection, kept by its own task. Made on the background loop."""

    def __init__(self, target: Target, max_bytes: int) -> None:
        from ...runtime.background_loop import Waiting

        self.client: Any = None
        self.is_lost = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._closing = asyncio.Event()
        self._task: asyncio.Task[Any] | None = None
        self._running = Waiting(self._run(target, max_bytes))
        open_connections.add(self)

    @property
    def is_usable(self) -> bool:
        """False after the end, and in a process that was forked from the one that connected."""
        return not (self.is_lost or self._closing.is_set() or self._running.done) and self._running.is_of_this_process

    async def _run(self, target: Target, max_bytes: int) -> None:
        from mcp import Client

        self._task = asyncio.current_task()
        try:
            if self._closing.is_set():
                raise asyncio.CancelledError
            async with Client(target.transport(max_bytes), cache=None, message_handler=_discard) as client:
                client.session.validate_tool_result = _accept  # type: ignore[method-assign]  # it lists all tools again, and refuses odd ones
                self.client = client
                target.connected_to(getattr(client.server_info, "name", ""))
                self.opened.set_result(None)
                await self._closing.wait()
        except asyncio.CancelledError:
            if not self.opened.done():
                self.opened.set_exception(ConnectionError("the connection was closed"))
        except Exception as error:  # anything a process or a server may do
            if not self.opened.done():
                self.opened.set_exception(error)
        finally:
            self.is_lost = True

    def begin_close(self) -> None:
        """Close soon; from any thread."""
        from ...runtime.background_loop import call_soon

        if self._running.is_of_this_process and not self._running.done:
            call_soon(self._close_now)

    def _close_now(self) -> None:
        is_connecting = not self.opened.done() and not self._closing.is_set()
        self._closing.set()
        if is_connecting and self._task is not None:  # once: a second time would end the clean-up
            self._task.cancel()

    def close(self) -> None:
        """Close, and wait for the end; on the thread of the loop only begin to."""
        from ...runtime.background_loop import on_loop_thread

        self.begin_close()
        if self._running.is_of_this_process and not on_loop_thread():
            with contextlib.suppress(Exception, asyncio.CancelledError):  # the connection is over in any case
                self._running.result(CLOSE_SECONDS)


async def _accept(name: str, result: Any) -> None:
    """Take the result of a tool without a comparison with the schema that the server declared."""


async def _discard(message: Any) -> None:
    """Take notifications of a server that nobody asked for, and lines that are not messages."""


def _message_of(error: BaseException) -> str:
    """Return the message of an error, without the groups that tasks of the package `mcp` put it in."""
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    text = str(error) or type(error).__name__
    return (
        f"{error.strerror}: {error.filename}"
        if isinstance(error, OSError) and error.strerror and error.filename
        else text[:500]
    )


def _close_all() -> None:
    for connection in tuple(open_connections):
        connection.close()


atexit.register(_close_all)

__all__ = ["McpServer"]
