"""The columns several frames have: those that join them, and those of a model call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..keys import RUNTIME as RUNTIME_KEY
from ..results import FinishClass
from .columns import Column

RUN_ID: Column = Column(
    "run_id", lambda row: row.run_id, "string", doc="the Run's id, else its session's, else its file and place"
)
TURN_KEYS: tuple[Column, ...] = (
    Column(
        "turn_id",
        lambda row: row.turn.id or f"{row.run_id}/{row.turn_index}",
        "string",
        doc="the Turn's id, else its run and place",
    ),
    Column("turn_index", lambda row: row.turn_index, "Int64", doc="the Turn's place in its Run, from 0"),
)
FILE: Column = Column("file", lambda row: row.file or None, "category", doc="the file it came from")
SESSION_ID: Column = Column(
    "session_id", lambda row: row.session_id or None, "string", doc="the session it was made in"
)


def _runtime(row: Any, name: str) -> str | None:
    """What its Turn says of the profile it ran with; older files name the profile alone."""
    told = row.turn.metadata.raw(RUNTIME_KEY)
    if name == "runtime_key" and isinstance(told, str):
        return told or None
    value = told.get(name) if isinstance(told, Mapping) else None
    return value if value and isinstance(value, str) else None


RUNTIME: tuple[Column, ...] = (
    Column("profile", lambda row: _runtime(row, "runtime_key"), "string", doc="the profile it ran with"),
    Column(
        "signature",
        lambda row: _runtime(row, "runtime_fingerprint"),
        "string",
        doc="the same while a model would be asked the same way",
    ),
)


def _recorded(name: str, doc: str, dtype: str = "string", known: tuple[str, ...] = ()) -> Column:
    """A column of a row that has an `inference`, or None: one of the texts of that record."""
    return Column(name, lambda row: getattr(row.inference, name, None) or None, dtype, doc=doc, known=known)


RECORDED: tuple[Column, ...] = (
    _recorded("provider", "who answered"),
    _recorded("model", "the model that answered"),
    _recorded("stop_reason", "why the model call ended, in the provider's word"),
    _recorded("finish_class", "the same in one vocabulary for all providers", "category", tuple(FinishClass)),
)


def _tokens(name: str, doc: str) -> Column:
    """A column of a row that has a `usage`, or None where nobody counted."""
    return Column(name, lambda row: getattr(row.usage, name, None), "Int64", unit="tokens", doc=doc)


TOKENS: tuple[Column, ...] = (
    _tokens("input_tokens", "all input, cache reads and writes included"),
    _tokens("output_tokens", "all output, reasoning included"),
    _tokens("cached_tokens", "input read from the provider's cache"),
    _tokens("cache_creation_input_tokens", "input written to the provider's cache"),
    _tokens("reasoning_tokens", "output that was thought and not said"),
    _tokens("total_tokens", "input and output"),
)
