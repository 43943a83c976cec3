"""A store of sessions: every snapshot on disk, to look at, search and resume."""

from __future__ import annotations

from .block_hash import content_hash as content_hash
from .turn_store import TurnStore as TurnStore

__all__ = ["TurnStore", "content_hash"]
