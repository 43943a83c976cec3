"""What the tests share that ask the server of `nbturns.testing`: a model of each dialect, a key, a tool."""

from __future__ import annotations

from typing import Any

import nbturns as nt
from nbturns.testing.server import Server

KEY = "sk-MARKER-never-to-be-seen"
DIALECTS = {  # what is behind the server's address
    "anthropic:claude-sonnet-4-6": "",
    "openai:gpt-5.1": "/v1",
    "openai-chat:gpt-4.1": "/v1",
    "gemini:gemini-2.5-flash": "",
}


def weather(city: str) -> str:
    "Current weather in a city."
    return f"rain in {city}, 14 °C"


def engine(server: Server, name: str, before: str = "", **params: Any) -> nt.engines.ProviderEngine:
    """An engine that asks this server; `before` are its faults."""
    return nt.engine(name, **{"base_url": server.url + before + DIALECTS[name], "api_key": KEY, **params})
