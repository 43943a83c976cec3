"""The columns that several frames have: those that join them, and those of a model call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..keys import RUNTIME as RUNTIME_KEY
from ..values.inference_results import FinishClass, UnknownCount
from .columns import Column

MAX_COUNT = 2**63 - 1  # a larger count is damage; Int64 cannot hold it

RUN_ID: Column = Column(
    "run_id", lambda row: row.run_id, "string", doc="id of the Run, else of its session, else file and position"
)
TURN_KEYS: tuple[Column, ...] = (
    Column(
        "turn_id",
        lambda row: row.turn.id or f"{row.run_id}/{row.turn_index}",
        "string",
        doc="id of the Turn, else run id and turn index",
    ),
    Column("turn_index", lambda row: row.turn_index, "Int64", doc="index of the Turn in its Run, from 0"),
)
FILE: Column = Column("file", lambda row: row.file or None, "category", doc="path of the file")
SESSION_ID: Column = Column("session_id", lambda row: row.session_id or None, "string", doc="id of the session")


def _runtime_text(row: Any, name: str) -> str | None:
    """Return a text of the Turn's metadata on its profile; older files have the name of the profile alone."""
    runtime = row.turn.metadata.raw(RUNTIME_KEY)
    if name == "runtime_key" and isinstance(runtime, str):
        return runtime or None
    value = runtime.get(name) if isinstance(runtime, Mapping) else None
    return value if value and isinstance(value, str) else None


PROFILE_COLUMNS: tuple[Column, ...] = (
    Column("profile", lambda row: _runtime_text(row, "runtime_key"), "string", doc="name of the profile"),
    Column(
        "signature",
        lambda row: _runtime_text(row, "runtime_fingerprint"),
        "string",
        doc="equal for Turns whose requests have the same settings",
    ),
)


def _result_column(name: str, doc: str, dtype: str = "string", known: tuple[str, ...] = ()) -> Column:
    """Return a column with a text of the row's `inference`; NA for a row without one."""
    return Column(name, lambda row: getattr(row.inference, name, None) or None, dtype, doc=doc, known=known)


RESULT_COLUMNS: tuple[Column, ...] = (
    _result_column("provider", "provider of the model"),
    _result_column("model", "name of the model"),
    _result_column("stop_reason", "stop reason of the model call, as the provider names it"),
    _result_column("finish_class", "stop reason in one vocabulary for all providers", "category", tuple(FinishClass)),
)


def _token_column(name: str, doc: str) -> Column:
    """Return a column with a count of the row's `usage`; NA for a row without one, and for an unknown count."""

    def count_of(row: Any) -> int | None:
        count = getattr(row.usage, name, None)
        return None if count is None or isinstance(count, UnknownCount) or count > MAX_COUNT else int(count)

    return Column(name, count_of, "Int64", unit="tokens", doc=doc)


TOKEN_COLUMNS: tuple[Column, ...] = (
    _token_column("input_tokens", "all input, cache reads and writes included"),
    _token_column("output_tokens", "all output, reasoning included"),
    _token_column("cached_tokens", "input read from the cache of the provider"),
    _token_column("cache_creation_input_tokens", "input written to the cache of the provider"),
    _token_column("reasoning_tokens", "output that is reasoning"),
    _token_column("total_tokens", "input and output"),
)
