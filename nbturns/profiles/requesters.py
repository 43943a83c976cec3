"""The default profile of whoever asks: a user, or a user with teams."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

Requester: TypeAlias = str | Mapping[str, str] | None
"""The requester: the name of a user, or names by kind, like {"user": "ana", "team": "support"}."""
DefaultProfile: TypeAlias = str | Mapping[str, str] | Callable[[Requester], str | None] | None


def default_for(default: DefaultProfile, who: Requester) -> str | None:
    """Return the default profile of the requester, or None."""
    if default is None or isinstance(default, str):
        return default
    if callable(default):
        return default(who)
    names = (
        [who]
        if isinstance(who, str)
        else [name for kind, value in (who or {}).items() for name in (f"{kind}:{value}", value)]
    )
    return next((default[name] for name in names if name in default), default.get("*"))


def requester_text(who: Requester) -> str:
    return (
        who
        if isinstance(who, str)
        else ", ".join(f"{kind} {name}" for kind, name in (who or {}).items()) or "everybody"
    )
