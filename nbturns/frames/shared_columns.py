"""The columns that several frames have: those that join them, and those of a model call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..keys import RUNTIME as RUNTIME_KEY
from ..values.inference_results import FinishClass, InferenceResult, UnknownCount, Usage, total_usage
from ..values.label_values import Label
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
LINK_COLUMNS: tuple[Column, ...] = (
    Column("parent_run_id", lambda row: row.links.parent or None, "string", doc="id of the Run that started this one"),
    Column(
        "parent_tool_call_id",
        lambda row: row.links.tool_call or None,
        "string",
        doc="tool call of that Run that did so",
    ),
    Column(
        "root_run_id", lambda row: row.links.root or row.run_id, "string", doc="first Run of these; else the Run itself"
    ),
)
MAYBE_DUPLICATE: Column = Column(
    "maybe_duplicate",
    lambda row: row.copy_key,
    "boolean",
    doc="true if an earlier Run has an equal one, and no id tells whether it is the same",
)
COPY_KEY: Column = Column("maybe_duplicate", MAYBE_DUPLICATE.of, "Int64")  # until all rows are there
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


def error_text(record: Any) -> str | None:
    """Return an error of the form {type, message} as "type: message"; None without one."""
    if not isinstance(record, Mapping):
        return None
    return ": ".join(str(part) for name in ("type", "message") if (part := record.get(name))) or None


def block_id_column(doc: str) -> Column:
    """Return the column of the id of the row's block, or of its address where it has no id; NA for a row without a block."""

    def block_id_of(row: Any) -> str | None:
        if row.block is None:
            return None
        return row.block.id or f"{row.run_id}/{row.turn_index}/{row.block_index}"

    return Column("block_id", block_id_of, "string", doc=doc)


def _result_column(name: str, doc: str, dtype: str = "string", categories: tuple[str, ...] = ()) -> Column:
    """Return a column with a text of the row's `inference`; NA for a row without one."""
    return Column(name, lambda row: getattr(row.inference, name, None) or None, dtype, doc=doc, categories=categories)


RESULT_COLUMNS: tuple[Column, ...] = (
    _result_column("provider", "provider of the model"),
    _result_column("model", "name of the model"),
    _result_column("stop_reason", "stop reason of the model call, as the provider names it"),
    _result_column("finish_class", "stop reason in one vocabulary for all providers", "category", tuple(FinishClass)),
)


COST_SOURCES = ("provider", "table")


def joined_labels(labels: Iterable[Label]) -> str | None:
    """Return the names of labels, separated by commas."""
    return ", ".join(dict.fromkeys(label.label for label in labels)) or None


def usage_of(inferences: Iterable[InferenceResult]) -> Usage | None:
    """Return the tokens of model calls; None when no call has a count."""
    counted = [inference for inference in inferences if inference.usage is not None]
    return total_usage(counted) if counted else None


def duration_of(inferences: Iterable[InferenceResult]) -> int | None:
    """Return the milliseconds of model calls; None when no call has a duration."""
    durations = [inference.duration_ms for inference in inferences if inference.duration_ms is not None]
    return sum(durations) if durations else None


def cost_source_of(inferences: Iterable[InferenceResult]) -> str | None:
    """Return the source of the sum of some costs: "table" where one of them is estimated."""
    known_sources = [inference.cost_source for inference in inferences if inference.cost is not None]
    if not known_sources or None in known_sources:
        return None
    return "table" if "table" in known_sources else "provider"


def _token_column(name: str, doc: str) -> Column:
    """Return a column with a count of the row's `usage`; NA for a row without one, and for an unknown count."""

    def count_of(row: Any) -> int | None:
        count = getattr(row.usage, name, None)
        if count is None or isinstance(count, UnknownCount) or not 0 <= count <= MAX_COUNT:
            return None
        return int(count)

    return Column(name, count_of, "Int64", unit="tokens", doc=doc)


TOKEN_COLUMNS: tuple[Column, ...] = (
    _token_column("input_tokens", "all input, cache reads and writes included"),
    _token_column("output_tokens", "all output, reasoning included"),
    _token_column("cached_tokens", "input read from the cache of the provider"),
    _token_column("cache_creation_input_tokens", "input written to the cache of the provider"),
    _token_column("reasoning_tokens", "output that is reasoning"),
    _token_column("total_tokens", "input and output"),
)


def with_copy_keys(columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return columns with the keys in place of `maybe_duplicate`, which depends on all rows."""
    return tuple(COPY_KEY if column is MAYBE_DUPLICATE else column for column in columns)
