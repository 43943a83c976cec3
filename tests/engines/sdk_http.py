"""The HTTP package that an SDK takes clients of: httpx for older releases, httpx2 for newer ones."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

SDKS = {"openai": "openai", "openai-chat": "openai", "anthropic": "anthropic"}


def http_package(provider: str) -> ModuleType:
    """Return httpx or httpx2, as the SDK of a provider wants it; httpx2 without an SDK."""
    try:
        client_class = import_module(SDKS[provider]).DefaultAsyncHttpxClient
    except (KeyError, ImportError):
        return import_module("httpx2")
    return import_module(client_class.__mro__[1].__module__)
