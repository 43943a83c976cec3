"""The ways to name an MCP server: a command, an address, a configuration, a server in this process."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...errors import MisuseError
from ...values.frozen_json import EMPTY_DICT
from ...values.secret_text import without_secrets

CONFIGURATION_NAMES = ("command", "args", "env", "cwd", "url", "headers", "type", "transport")
EXAMPLES = (
    'a command like "python server.py", an address like "http://localhost:8000/mcp", or {"command": …, "args": […]}'
)


@dataclass(kw_only=True)
class Target(ABC):
    """A server that can be connected to. `label` is its name for messages."""

    label: str
    is_label_given: bool = False

    @abstractmethod
    def transport(self, max_bytes: int) -> Any:
        """Return what `mcp.Client` connects to; its messages are limited to `max_bytes` where they can be."""

    def connected_to(self, server_name: str) -> None:
        """Take the name that the server has for itself, if it has none from the user."""
        shown_name = " ".join(server_name.split())[:60]
        if shown_name and not self.is_label_given:
            self.label = shown_name

    def last_words(self) -> str:
        """Return what the server wrote to its error output, as the end of a message."""
        return ""

    def without_secrets(self, text: str) -> str:
        """Return a text without the values of environment variables and headers."""
        return text


@dataclass(kw_only=True)
class StdioTarget(Target):
    """A server that is a process of its own."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    error_output: str = ""

    def transport(self, max_bytes: int) -> AbstractAsyncContextManager[Any]:
        from .stdio import stdio_transport

        self.error_output = ""
        return stdio_transport(self, max_bytes)

    def last_words(self) -> str:
        lines = self.without_secrets(self.error_output).strip().splitlines()
        return f"; its last output: {without_secrets(' | '.join(lines[-3:]))[-300:]}" if lines else ""

    def without_secrets(self, text: str) -> str:
        return _masked(text, self.env)


@dataclass(kw_only=True)
class HttpTarget(Target):
    """A server at an address."""

    url: str
    headers: Mapping[str, str]

    def transport(self, max_bytes: int) -> AbstractAsyncContextManager[Any]:
        from .http import http_transport

        return http_transport(self.url, self.headers, max_bytes)

    def without_secrets(self, text: str) -> str:
        return _masked(text.replace(self.url, _shown_address(self.url)), self.headers)


@dataclass(kw_only=True)
class ObjectTarget(Target):
    """A server object in this process, or a transport of the package `mcp`."""

    server: Any

    def transport(self, max_bytes: int) -> Any:  # noqa: ARG002  # its values are in this process already
        return self.server


def target_of(server: Any) -> Target:
    """Return the target that a value names. Raises MisuseError for other values."""
    if isinstance(server, str) and server.startswith(("http://", "https://")):
        return HttpTarget(url=server, headers=EMPTY_DICT, label=_shown_address(server))
    if isinstance(server, str):
        return _process(shlex.split(server, posix=os.name != "nt"))
    if isinstance(server, os.PathLike):
        path = os.fspath(server)
        return _process([sys.executable, path] if path.endswith(".py") else [path])
    if isinstance(server, (list, tuple)):
        return _process(server)
    if isinstance(server, Mapping):
        return _configured(server)
    if hasattr(server, "command") and hasattr(server, "args"):  # mcp.StdioServerParameters
        return _process([server.command, *server.args], server.env or EMPTY_DICT, server.cwd)
    if (type(server).__module__ or "").startswith(("mcp.", "fastmcp.")) or hasattr(server, "__aenter__"):
        return ObjectTarget(server=server, label=str(getattr(server, "name", type(server).__name__)))
    raise MisuseError(f"an MCP server must be {EXAMPLES}; got {type(server).__name__}: {server!r:.60}")


def _process(command: Any, env: Any = EMPTY_DICT, cwd: Any = None, label: str = "") -> StdioTarget:
    words = tuple(os.fspath(word) if isinstance(word, os.PathLike) else word for word in command)
    if not words or not all(isinstance(word, str) for word in words) or not words[0]:
        raise MisuseError(f"the command of an MCP server must be a list of texts, got {command!r:.60}")
    if not isinstance(env, Mapping) or not all(isinstance(v, str) for pair in env.items() for v in pair):
        raise MisuseError("env of an MCP server must be a mapping of texts")
    is_given = bool(label)
    if not is_given:  # arguments may hold keys: only a script or a package is shown
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        is_shown = script.endswith((".py", ".js", ".ts")) or "-m" in words[1:2]
        label = Path(script).name if is_shown else Path(words[0]).name
    folder = None if cwd is None else os.fspath(cwd)
    return StdioTarget(command=words, env=dict(env), cwd=folder, label=label, is_label_given=is_given)


def _configured(configuration: Mapping[str, Any]) -> Target:
    """Return the server of a configuration as in the files of other programs, with `mcpServers` or without."""
    servers = configuration.get("mcpServers")
    label = ""
    if isinstance(servers, Mapping):
        if len(servers) != 1:
            names = ", ".join(map(str, servers)) or "none"
            raise MisuseError(f"mcpServers must have one server, got {names}; call from_mcp for each")
        label, configuration = next(iter(servers.items()))
    for name in configuration:
        if name not in CONFIGURATION_NAMES:
            nearest = difflib.get_close_matches(str(name), CONFIGURATION_NAMES, 1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(CONFIGURATION_NAMES)}"
            raise MisuseError(f"unknown name {name!r:.60} in the configuration of an MCP server; {hint}")
    if url := configuration.get("url"):
        headers = configuration.get("headers", EMPTY_DICT)
        if not isinstance(headers, Mapping) or not isinstance(url, str):
            raise MisuseError("url of an MCP server must be a text, and headers a mapping")
        shown_name = label or _shown_address(url)
        return HttpTarget(url=url, headers=dict(headers), label=shown_name, is_label_given=bool(label))
    if not configuration.get("command"):
        raise MisuseError(f"an MCP server must be {EXAMPLES}; got names {', '.join(map(str, configuration)) or 'none'}")
    command = [configuration["command"], *configuration.get("args", ())]
    return _process(command, configuration.get("env") or EMPTY_DICT, configuration.get("cwd"), label)


def _shown_address(url: str) -> str:
    """Return an address without user, password and query, which may hold keys."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _masked(text: str, secrets: Mapping[str, str]) -> str:
    for value in secrets.values():
        if len(value) >= 6:
            text = text.replace(value, "…")
    return text


__all__ = ["Target", "target_of"]
