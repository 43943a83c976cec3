"""The transport to a server process: one JSON message a line, of limited length.

The transport of the package `mcp` reads lines of any length and needs a `sys.stderr` with a file
descriptor, which a notebook does not have. Processes are ended as the protocol says: close stdin,
wait, terminate the process group, kill it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .targets import StdioTarget

CHUNK_BYTES = 65_536
GRACE_SECONDS = 2.0  # for a server to end by itself, and again after SIGTERM
POLL_SECONDS = 0.01
ERROR_OUTPUT_CHARACTERS = 2_000
INTERNAL_ERROR = -32603  # of JSON-RPC
REQUEST_ID = re.compile(rb'"id"\s*:\s*("[^"]{0,100}"|\d{1,18})')
INHERITED_VARIABLES = (
    *("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "TMPDIR"),
    *("APPDATA", "LOCALAPPDATA", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"),
)


@asynccontextmanager
async def stdio_transport(target: StdioTarget, max_bytes: int) -> AsyncIterator[tuple[Any, Any]]:
    """Start the process of a server and yield the streams of its messages. Raises OSError when it cannot start."""
    import anyio

    environment = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *target.command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment, **target.env},
        cwd=target.cwd,
        start_new_session=True,  # an interrupt of the kernel is not one of the server
    )
    connection = _StdioConnection(process, target, max_bytes)
    tasks = [asyncio.ensure_future(work()) for work in (connection.read, connection.write, connection.read_errors)]
    try:
        yield connection.incoming, connection.outgoing
    finally:
        clean_up = asyncio.ensure_future(connection.end(tasks))  # a task of its own, which no cancellation reaches
        with anyio.CancelScope(shield=True):
            await asyncio.shield(clean_up)


class _StdioConnection:
    def __init__(self, process: asyncio.subprocess.Process, target: StdioTarget, max_bytes: int) -> None:
        import anyio

        self._process = process
        self._target = target
        self._max_bytes = max_bytes
        self._requests: set[Any] = set()  # ids of those without an answer
        self._to_session, self.incoming = anyio.create_memory_object_stream[Any](0)
        self.outgoing, self._from_session = anyio.create_memory_object_stream[Any](0)

    async def read(self) -> None:
        """Pass each line of the process to the session; the end of the output ends the stream."""
        import anyio

        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            async with self._to_session:
                async for line, was_cut in self._lines():
                    await self._to_session.send(self._oversize_answer(line) if was_cut else self._message(line))

    async def _lines(self) -> AsyncIterator[tuple[bytes, bool]]:
        """Yield lines, and whether one was cut; of a cut line the beginning and the end are left."""
        assert self._process.stdout is not None
        pieces: list[bytes] = []
        length = 0
        while chunk := await self._process.stdout.read(CHUNK_BYTES):
            *ends, remainder = chunk.split(b"\n")
            for end in ends:
                yield b"".join((*pieces, end)), length + len(end) > self._max_bytes
                pieces, length = [], 0
            if remainder:
                pieces.append(remainder)
                length += len(remainder)
            if length > self._max_bytes and len(pieces) > 3:
                pieces = [pieces[0], *pieces[-2:]]

    def _message(self, line: bytes) -> Any:
        from mcp.shared.message import SessionMessage
        from mcp_types import JSONRPCError, JSONRPCResponse, jsonrpc_message_adapter

        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError as error:  # a server that prints to its standard output
            return error
        if isinstance(message, (JSONRPCResponse, JSONRPCError)):
            self._requests.discard(message.id)
        return SessionMessage(message)

    def _oversize_answer(self, line: bytes) -> Any:
        """Return an error in place of a message that is too long."""
        from mcp.shared.message import SessionMessage
        from mcp_types import ErrorData, JSONRPCError

        text = f"the answer is longer than {self._max_bytes / 1e6:g} MB"
        candidates = [*REQUEST_ID.findall(line[:200]), *REQUEST_ID.findall(line[-200:])]
        ids = [id.strip(b'"').decode("utf-8", "replace") if id.startswith(b'"') else int(id) for id in candidates]
        request_id = next((id for id in ids if id in self._requests), None)
        if request_id is None:
            return ValueError(text)
        self._requests.discard(request_id)
        return SessionMessage(
            JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=INTERNAL_ERROR, message=text))
        )

    async def write(self) -> None:
        """Pass each message of the session to the process."""
        from mcp_types import JSONRPCRequest

        assert self._process.stdin is not None
        try:
            async for session_message in self._from_session:
                message = session_message.message
                if isinstance(message, JSONRPCRequest):
                    self._requests.add(message.id)
                self._process.stdin.write(message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
                await self._process.stdin.drain()
        except OSError:  # the process has ended; the session must not wait for an answer
            await self._to_session.aclose()

    async def read_errors(self) -> None:
        """Keep the end of what the process writes to its error output."""
        assert self._process.stderr is not None
        while chunk := await self._process.stderr.read(CHUNK_BYTES):
            text = self._target.error_output + chunk.decode("utf-8", "replace")
            self._target.error_output = text[-ERROR_OUTPUT_CHARACTERS:]

    async def end(self, tasks: Sequence[asyncio.Future[None]]) -> None:
        """End the process, then the tasks and streams of the connection."""
        await _end_process(self._process)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for stream in (self._to_session, self.incoming, self.outgoing, self._from_session):
            await stream.aclose()


async def _end_process(process: asyncio.subprocess.Process) -> None:
    """End a process and its children: by closing its input, by SIGTERM, by SIGKILL."""
    assert process.stdin is not None
    process.stdin.close()
    if not await _has_ended(process):
        _signal_group(process, signal.SIGTERM)
        await _has_ended(process)
    _signal_group(process, getattr(signal, "SIGKILL", signal.SIGTERM))  # children that are left, too
    await _has_ended(process)
    transport = getattr(process, "_transport", None)  # open as long as a child of the server holds a pipe
    if transport is not None:
        transport.close()


async def _has_ended(process: asyncio.subprocess.Process) -> bool:
    """Wait for the end of a process; not by `process.wait()`, which also waits for the ends of its pipes."""
    for _ in range(round(GRACE_SECONDS / POLL_SECONDS)):
        if process.returncode is not None:
            return True
        await asyncio.sleep(POLL_SECONDS)
    return False


def _signal_group(process: asyncio.subprocess.Process, signal_number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal_number)
        elif process.returncode is None:
            process.kill()


__all__ = ["stdio_transport"]
