"""LangSmith's runs: lines or lists of them, `{"runs": […]}` of the API, a run with its `child_runs`.

A run of the type `llm` is a model call, one of the type `tool` a tool call. Tokens are those of the run, else those of
its reply; `prompt_tokens` includes the cache. The session or thread of the metadata groups traces.

Source: langchain-ai/langsmith-sdk bc8dd67, python/langsmith/schemas.py (`RunBase`, `Run`, `UsageMetadata`: all fields
read), python/langsmith/wrappers/_openai.py (`ls_provider`, `ls_model_name`, `usage_metadata` of replies). Inputs and
outputs of LangChain's models: langchain-core 1.8.3, langchain_core/tracers/langchain.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .kit.faults import missing_field
from .kit.importer import Importer
from .kit.observations import (
    CALL,
    OTHER,
    TOOL,
    Observation,
    conversation_id,
    export_reader,
    export_score,
    first_text,
    object_of,
)
from .kit.outcomes import outcome_of
from .kit.record_fields import ShapeError, omit, omit_empty, text_or_empty, to_float, token_usage
from .kit.span_conversations import TraceFields

FORMAT = "langsmith"
RUN_TYPES = frozenset({"llm", "tool", "chain", "retriever", "embedding", "prompt", "parser"})
KINDS = {"llm": CALL, "tool": TOOL}
READ_FIELDS = ("inputs", "outputs", "child_runs")  # blocks and results have their values


def is_run(value: Any) -> bool:
    """Return True for a run of LangSmith."""
    return (
        isinstance(value, Mapping)
        and text_or_empty(value.get("run_type")) in RUN_TYPES
        and {"id", "start_time", "inputs"} <= value.keys()
    )


def parse_run(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observations of a run and of its child runs."""
    if not is_run(record):
        raise ShapeError(missing_field("run_type", record if isinstance(record, Mapping) else ()))
    run = to_observation(position, record)
    yield run
    if not run.parent:
        traces.setdefault(run.trace, TraceFields(run.name, outcome=outcome_of({"scores": _scores_of(record)})))
    children = record.get("child_runs")
    for index, child in enumerate(children if isinstance(children, list) else ()):
        yield from parse_run(f"{position}.child_runs[{index}]".lstrip("."), child, traces)


def parse_record(position: str, record: Any, traces: dict[str, TraceFields]) -> Iterator[Observation]:
    """Yield the observations of a run, or of the runs of a batch, as the client sends them: begun, and then changed."""
    if not isinstance(record, Mapping) or not isinstance(record.get("post"), list):
        yield from parse_run(position, record, traces)
        return
    changes = {str(run.get("id")): omit_empty(run) for run in record.get("patch") or () if isinstance(run, Mapping)}
    for index, run in enumerate(record["post"]):
        whole_run = {**run, **changes.get(str(run.get("id")), {})} if isinstance(run, Mapping) else run
        yield from parse_run(f"{position}.post[{index}]".lstrip("."), whole_run, traces)


def to_observation(position: str, record: Mapping[str, Any]) -> Observation:
    """Return the observation of a run."""
    extra = object_of(record.get("extra"))
    metadata, parameters = object_of(extra.get("metadata")), object_of(extra.get("invocation_params"))
    kind = KINDS.get(str(record["run_type"]), OTHER)
    return Observation(
        position,
        record,
        trace=str(record.get("trace_id") or record["id"]),
        id=str(record["id"]),
        parent=str(record.get("parent_run_id") or ""),
        name=text_or_empty(record.get("name")),
        start=record.get("start_time"),
        end=record.get("end_time"),
        error=text_or_empty(record.get("error")),
        kind=kind,
        input=record.get("inputs"),
        output=record.get("outputs"),
        model=first_text(metadata.get("ls_model_name"), parameters.get("model"), parameters.get("model_name")),
        provider=first_text(metadata.get("ls_provider")),
        usage=_usage_of(record) if kind == CALL else None,
        cost=to_float(record.get("total_cost")) or None,
        session=conversation_id(metadata),
        call_fields=omit_empty(omit(record, *READ_FIELDS)),
    )


def _usage_of(record: Mapping[str, Any]) -> Any:
    """Return the tokens of a run; a run whose tokens are not known has none, or 0 of each."""
    if not record.get("prompt_tokens") and not record.get("completion_tokens"):
        return None
    inputs, outputs = object_of(record.get("prompt_token_details")), object_of(record.get("completion_token_details"))
    return token_usage(
        record.get("prompt_tokens"),
        record.get("completion_tokens"),
        cache_read_tokens=inputs.get("cache_read"),
        cache_write_tokens=inputs.get("cache_creation"),
        reasoning_tokens=outputs.get("reasoning"),
    )


def _scores_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mean of each feedback on a run."""
    stats = object_of(record.get("feedback_stats"))
    return {name: value["avg"] for name, value in stats.items() if isinstance(value, Mapping) and "avg" in value}


IMPORTER = Importer(FORMAT, export_score(is_run, "runs", "post"), export_reader(FORMAT, parse_record, "runs"))
