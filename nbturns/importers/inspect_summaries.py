"""The summaries of the samples in an Inspect log: a member of the archive that is small however long the samples are.

Source: UKGovernmentBEIS/inspect_ai at 499e6152e7b8, src/inspect_ai/log/_log.py (`EvalSampleSummary`). A summary has the
scores, the target, the error, the limit, the times and the tokens of a sample, and nothing of its messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..safety.regular_files import open_regular
from ..values.inference_results import Usage
from .inspect_events import finite_or_none, read_usage
from .inspect_log import evaluation_of, sample_order
from .kit.lenient_json import parse_fast
from .kit.record_fields import to_float
from .kit.zip_members import read_members

SUMMARIES, HEADER = "summaries.json", "header.json"


def read_summaries(path: Path) -> tuple[Mapping[str, Any], list[dict[str, Any]]] | None:
    """Return the evaluation of a log and the summaries of its samples; None for any other file, and a log without them."""
    try:
        with open_regular(path) as stream:
            if stream.read(4) != b"PK\x03\x04":
                return None
            members = read_members(stream, (HEADER, SUMMARIES))
        if members is None or len(members) < 2:
            return None
        evaluation = evaluation_of(parse_fast(members[HEADER]))
        summaries = parse_fast(members[SUMMARIES])
    except (OSError, ValueError, TypeError):  # reading the whole log reports it
        return None
    if not evaluation or not isinstance(summaries, list) or not all(type(summary) is dict for summary in summaries):
        return None
    return evaluation, sorted(summaries, key=_order)


def _order(summary: dict[str, Any]) -> Any:
    return sample_order(f"samples/{summary.get('id')}_epoch_{summary.get('epoch')}.json")


def summary_usage(summary: Mapping[str, Any]) -> tuple[Usage | None, float | None]:
    """Return the tokens of a sample and their cost, as Inspect counted them for each model; None where they are unknown."""
    by_model = summary.get("model_usage")
    counts = [count for count in by_model.values() if type(count) is dict] if isinstance(by_model, dict) else []
    usages = [usage for usage in map(read_usage, counts) if usage is not None]
    costs = [to_float(count.get("total_cost")) for count in counts]
    known_costs = [cost for cost in costs if cost is not None]
    usage = sum(usages[1:], usages[0]) if usages else None
    return usage, sum(known_costs) if known_costs and len(known_costs) == len(costs) else None


def summary_models(summary: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str | None:
    """Return the models of a sample, without their providers."""
    by_model = summary.get("model_usage")
    names = list(by_model) if isinstance(by_model, dict) and by_model else [evaluation.get("model")]
    return ", ".join(name.partition("/")[2] or name for name in names if isinstance(name, str)) or None


def summary_duration_ms(summary: Mapping[str, Any]) -> int | None:
    """Return the time that a sample took."""
    seconds = finite_or_none(summary.get("total_time"))
    return None if seconds is None or seconds < 0 else round(seconds * 1000)
