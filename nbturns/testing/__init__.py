"""Helpers for tests of applications: assertions on Turns, and a server that replays recorded exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .exchanges import Exchange as Exchange
from .turn_assertions import TurnAssertion as TurnAssertion
from .turn_assertions import assert_turn as assert_turn

if TYPE_CHECKING:  # imported lazily, so that `python -m nbturns.testing.server` works
    from .server import Server as Server
    from .server import serve as serve


def __getattr__(name: str) -> Any:
    if name not in ("Server", "serve"):
        raise AttributeError(f"nbturns.testing has no {name!r}")
    from . import server

    return getattr(server, name)


__all__ = [
    "Exchange",
    "Server",
    "TurnAssertion",
    "assert_turn",
    "serve",
]


def __dir__() -> list[str]:
    return sorted(__all__)
