"""Helpers for tests of applications: assertions on Turns, snapshots, a guard against network calls, fixture documents
of geppetto, and a server that replays recorded exchanges. `pytest_plugin` offers them as fixtures.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported lazily: `python -m nbturns.testing.server` works, and the plugin of pytest loads fast
    from .exchanges import Exchange as Exchange
    from .fixture_documents import FixtureDocument as FixtureDocument
    from .fixture_documents import fixture_document as fixture_document
    from .network_guard import NetworkGuard as NetworkGuard
    from .server import Server as Server
    from .server import serve as serve
    from .turn_assertions import TurnAssertion as TurnAssertion
    from .turn_assertions import assert_turn as assert_turn
    from .turn_snapshots import TurnSnapshot as TurnSnapshot

_MODULES = {
    "Exchange": ".exchanges",
    "FixtureDocument": ".fixture_documents",
    "NetworkGuard": ".network_guard",
    "Server": ".server",
    "TurnAssertion": ".turn_assertions",
    "TurnSnapshot": ".turn_snapshots",
    "assert_turn": ".turn_assertions",
    "fixture_document": ".fixture_documents",
    "serve": ".server",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"nbturns.testing has no {name!r}")
    return getattr(importlib.import_module(_MODULES[name], __name__), name)


__all__ = [
    "Exchange",
    "FixtureDocument",
    "NetworkGuard",
    "Server",
    "TurnAssertion",
    "TurnSnapshot",
    "assert_turn",
    "fixture_document",
    "serve",
]


def __dir__() -> list[str]:
    return sorted(__all__)
