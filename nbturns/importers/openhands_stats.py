"""The statistics of OpenHands: tokens, latency and cost of each model call, by the id of its response.

`metrics` of a trajectory and `stats` of a conversation have them, in lists that grow: a later state has all of an earlier
one. Costs have no id; they are those of the tokens with the same index where there are as many. Source:
All-Hands-AI/OpenHands at 156d0686c46a, openhands/llm/metrics.py; OpenHands/software-agent-sdk at 611629e6999a,
openhands-sdk/openhands/sdk/llm/utils/metrics.py and conversation/conversation_stats.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..values.inference_results import InferenceResult
from .kit.record_fields import text_or_empty, to_float, to_number, token_usage

CONTAINERS = ("metrics", "stats", "conversation_stats", "llm_metrics", "usage_to_metrics", "service_to_metrics")
COUNT_NAMES = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
MAX_DEPTH = 4


class CallStats:
    """The statistics of model calls by the id of their response."""

    def __init__(self) -> None:
        self.fields: dict[str, dict[str, Any]] = {}  # of a result
        self.known_ids: set[str] = set()  # of responses that a block has

    def add(self, value: Any, depth: int = 0) -> None:
        """Add the statistics in an object, and in those that it contains."""
        if not isinstance(value, Mapping) or depth > MAX_DEPTH:
            return
        usages, costs = _objects(value.get("token_usages")), _objects(value.get("costs"))
        for index, usage in enumerate(usages):
            input_tokens, output_tokens, cache_read, cache_write, reasoning = (usage.get(name) for name in COUNT_NAMES)
            call_fields = self._fields_of(usage)
            call_fields["usage"] = token_usage(
                input_tokens,
                output_tokens,
                cache_read_tokens=cache_read,
                cache_write_tokens=cache_write,
                reasoning_tokens=reasoning,
            )
            if len(costs) == len(usages):
                call_fields["cost"] = to_float(costs[index].get("cost"))
        for latency in _objects(value.get("response_latencies")):
            seconds = to_number(latency.get("latency"))
            self._fields_of(latency)["duration_ms"] = None if seconds is None else round(seconds * 1000)
        for name in CONTAINERS:
            inner_value = value.get(name)
            self.add(inner_value, depth + 1)
            if name.endswith("_to_metrics") and isinstance(inner_value, Mapping):
                for metrics in inner_value.values():
                    self.add(metrics, depth + 1)

    def take(self, response_id: str) -> dict[str, Any]:
        """Return the fields of the result of a response; none where they are unknown."""
        self.known_ids.add(response_id)
        return dict(self.fields.get(response_id, {}))

    def other_calls(self, new_result: Callable[..., InferenceResult]) -> list[InferenceResult]:
        """Return the results of calls that no block has, such as those of a condenser."""
        other_fields = {key: value for key, value in self.fields.items() if key not in self.known_ids}
        return [
            new_result(id=response_id, response_id=response_id, **call_fields)
            for response_id, call_fields in other_fields.items()
        ]

    def _fields_of(self, record: Mapping[str, Any]) -> dict[str, Any]:
        response_id = text_or_empty(record.get("response_id"))
        if not response_id:
            return {}
        call_fields = self.fields.setdefault(response_id, {})
        if model := text_or_empty(record.get("model")):
            call_fields["model"] = model
        return call_fields


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
