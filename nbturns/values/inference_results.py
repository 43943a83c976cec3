"""InferenceResult, the record of one model call: model, stop reason, tokens and cost.

Tokens and money are summed per call, never per block or per Turn: several blocks
share one call, and a later Turn contains the blocks of an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from operator import attrgetter
from typing import Any

from ..errors import MisuseError
from ..safety.visible_text import printable_repr
from .frozen_json import EMPTY_DICT, FrozenDict, freeze, unchecked_constructor
from .metadata import Key, Metadata, convert_fields
from .persistent_list import PersistentList


class FinishClass(StrEnum):
    """The reason why a model call ended, the same for every provider: geppetto's six values and three more."""

    COMPLETED = "completed"
    MAX_TOKENS = "max_tokens"
    TOOL_CALLS_PENDING = "tool_calls_pending"
    INTERRUPTED = "interrupted"
    ERROR = "error"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    FILTERED = "filtered"
    CONTINUE = "continue"

    @classmethod
    def of(cls, stop_reason: str, *, pending: bool = False) -> FinishClass:
        """Return the class of a provider's stop reason.

        It is TOOL_CALLS_PENDING if there are pending calls, unless the reason is one whose calls are
        not run: a refusal, a content filter, a pause of the reply.
        """
        finish_class = _CLASS_OF_REASON.get(stop_reason.strip().lower(), cls.UNKNOWN)
        if pending and finish_class not in (cls.REFUSED, cls.FILTERED, cls.CONTINUE):
            return cls.TOOL_CALLS_PENDING
        return finish_class


_CLASS_OF_REASON: dict[str, FinishClass] = {
    reason: finish
    for finish, reasons in {
        FinishClass.COMPLETED: "stop end_turn stop_sequence completed complete eos tool_use tool_calls function_call",
        FinishClass.MAX_TOKENS: "max_tokens max_output_tokens length model_length model_context_window_exceeded"
        " incomplete:max_output_tokens incomplete:max_tokens",
        FinishClass.INTERRUPTED: "interrupted cancelled canceled incomplete:max_messages incomplete:steered",
        FinishClass.ERROR: "error failed stream_cut insufficient_system_resource malformed_function_call"
        " unexpected_tool_call too_many_tool_calls missing_thought_signature malformed_response no_image image_other"
        " escalation pup_limited_disabled",
        FinishClass.REFUSED: "refusal refused",
        FinishClass.FILTERED: "content_filter incomplete:content_filter safety recitation language blocklist"
        " prohibited_content spii model_armor image_safety image_prohibited_content image_recitation",
        FinishClass.CONTINUE: "pause_turn compaction continuation queued in_progress",
    }.items()
    for reason in reasons.split()
}


GEPPETTO_PROVIDERS = {
    "claude": "anthropic",  # its files count tokens differently
    "open_responses": "openai",
}


def is_token_limit(stop_reason: str) -> bool:
    """Return True when a call ended at its token limit."""
    return bool(stop_reason) and FinishClass.of(stop_reason) is FinishClass.MAX_TOKENS


class UnknownCount(int):
    """A number of tokens that a source does not have: 0 in sums, NA in frames."""

    def __add__(self, other: int) -> int:
        return other

    def __radd__(self, other: int) -> int:
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        return UnknownCount, ()


UNKNOWN_COUNT = UnknownCount()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, or of several.

    `input_tokens` counts all input, cache reads (`cached_tokens`) and cache writes
    (`cache_creation_input_tokens`) included; `output_tokens` includes reasoning.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_creation_input_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output tokens; cached and reasoning tokens are parts of these."""
        return self.input_tokens + self.output_tokens

    @property
    def cache_read_input_tokens(self) -> int:
        """The same as `cached_tokens`, with geppetto's other name."""
        return self.cached_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_creation_input_tokens + other.cache_creation_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain data, under geppetto's names; counts of 0 after the first two are left out."""
        required_counts = {"input_tokens": int(self.input_tokens), "output_tokens": int(self.output_tokens)}
        unknown_names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), UnknownCount)]
        other_counts = {f.name: token_count for f in fields(self)[2:] if (token_count := getattr(self, f.name))}
        return required_counts | other_counts | ({"unknown_counts": unknown_names} if unknown_names else {})

    @classmethod
    def from_dict(cls, usage_fields: Mapping[str, Any]) -> Usage:
        """Return the usage of plain data. Raises MisuseError for a count that is not a number of tokens."""
        counts = {
            name: _token_count(count, name) for name in _USAGE_NAMES if (count := usage_fields.get(name)) is not None
        }
        if not counts.get("cached_tokens") and usage_fields.get("cache_read_input_tokens"):
            counts["cached_tokens"] = _token_count(usage_fields["cache_read_input_tokens"], "cache_read_input_tokens")
        unknown_names = usage_fields.get("unknown_counts")
        if isinstance(unknown_names, (list, tuple)):
            counts |= {name: UNKNOWN_COUNT for name in _USAGE_NAMES if name in unknown_names and not counts.get(name)}
        return cls(**counts)


_USAGE_NAMES = tuple(f.name for f in fields(Usage))


def _token_count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise MisuseError(f"{name} must be a number of tokens, got {value!r}")
    return int(value)


@printable_repr
@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResult:
    """The record of one model call, which all blocks of that call have.

    Durations are in milliseconds, `cost` in USD; None means unknown, never zero. `cost_source` is "provider" for a
    cost that was reported with the call, "table" for one computed from the tokens with the table `price_table`.
    `attempts` is the number of this attempt: 3 after two failures, which precede it in the Turn's `inferences`.
    `error` is the reason of a failed call as {type, message}, without secrets; None for any other call.
    """

    inference_id: str = ""
    provider: str = ""
    model: str = ""
    stop_reason: str = ""
    finish_class: FinishClass = FinishClass.UNKNOWN
    truncated: bool = False
    usage: Usage | None = None
    max_tokens: int | None = None
    duration_ms: int | None = None
    time_to_first_token_ms: int | None = None
    cost: float | None = None
    cost_source: str | None = None
    price_table: str | None = None
    request_id: str = ""
    response_id: str = ""
    attempts: int = 1
    extra: FrozenDict = EMPTY_DICT
    error: FrozenDict | None = None
    _cached_disk_shape: FrozenDict | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.extra) is not FrozenDict:
            object.__setattr__(self, "extra", freeze(self.extra))
        if self.error is not None and type(self.error) is not FrozenDict:
            object.__setattr__(self, "error", freeze(self.error))
        if self.provider in GEPPETTO_PROVIDERS:
            object.__setattr__(self, "provider", GEPPETTO_PROVIDERS[self.provider])
        if type(self.finish_class) is not FinishClass:
            object.__setattr__(self, "finish_class", _require_finish_class(self.finish_class))

    def replace(self, **changes: Any) -> InferenceResult:
        """Return a copy with other fields."""
        if not _FREE_NAMES.issuperset(changes):
            return replace(self, **changes)
        values = list(_field_values(self))
        for name, value in changes.items():
            values[_FIELD_NAMES.index(name)] = value
        return unchecked_result(*values)

    @property
    def raw(self) -> FrozenDict | None:
        """The request and response with `nt.engine(…, raw=True)`, else None.

        `request` is the body as sent, `response` the text as received, without API keys. Long texts
        are cut; `cut` is the original number of characters.
        """
        raw_exchange = self.extra.get("raw")
        return raw_exchange if isinstance(raw_exchange, FrozenDict) else None

    def completed(
        self,
        inference_id: str,
        stop_reason: str,
        finish: FinishClass,
        duration_ms: int,
        first_token_ms: int | None,
        error: FrozenDict | None = None,
    ) -> InferenceResult:
        """Return this record with the values that only the caller of the engine has; its own times take precedence."""
        first_token_known = self.time_to_first_token_ms is not None
        return unchecked_result(
            inference_id,
            self.provider,
            self.model,
            stop_reason,
            finish,
            self.truncated or is_token_limit(stop_reason),
            self.usage,
            self.max_tokens,
            duration_ms if self.duration_ms is None else self.duration_ms,
            self.time_to_first_token_ms if first_token_known else first_token_ms,
            self.cost,
            self.cost_source,
            self.price_table,
            self.request_id,
            self.response_id,
            self.attempts,
            self.extra,
            error or self.error,
        )

    def disk_shape(self) -> FrozenDict:
        """Return the frozen result of `to_dict`, which is computed once."""
        if self._cached_disk_shape is None:
            object.__setattr__(self, "_cached_disk_shape", freeze(self.to_dict()))
        assert self._cached_disk_shape is not None
        return self._cached_disk_shape

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as on disk, with geppetto's names and without unknown or empty values."""
        result_fields = {
            name: value
            for name, value in zip(_FIELD_NAMES, _field_values(self), strict=True)
            if value or (value == 0 and value is not False)
        }
        if self.usage is not None:
            result_fields["usage"] = self.usage.to_dict()
        result_fields["finish_class"] = self.finish_class.value
        if self.attempts == 1:
            del result_fields["attempts"]
        return result_fields

    @classmethod
    def from_dict(cls, result_fields: Mapping[str, Any]) -> InferenceResult:
        """Return the result of a dict from `to_dict` or geppetto; unknown names go to `extra`."""
        if isinstance(result_fields.get("error"), (str, list, tuple)):  # of another program
            result_fields = {**result_fields, "error": {"type": "", "message": str(result_fields["error"])}}
        field_values = convert_fields(result_fields, _FIELD_TYPES)
        if unknown_fields := {k: v for k, v in result_fields.items() if k not in _FIELD_TYPES}:
            field_values["extra"] = freeze({**field_values.get("extra", EMPTY_DICT), **unknown_fields})
        if "finish_class" in field_values:
            field_values["finish_class"] = _finish_class(field_values["finish_class"])
        elif stop_reason := field_values.get("stop_reason"):
            field_values["finish_class"] = FinishClass.of(stop_reason)
        if "truncated" not in field_values and is_token_limit(field_values.get("stop_reason", "")):
            field_values["truncated"] = True
        if field_values.get("provider") == "claude":
            field_values |= _with_inclusive_usage(field_values)
        return cls(**field_values)


_FIELD_NAMES = tuple(f.name for f in fields(InferenceResult) if f.init)
_FREE_NAMES = frozenset(_FIELD_NAMES) - {"provider", "finish_class", "extra", "error"}  # of fields that are not checked
_field_values = attrgetter(*_FIELD_NAMES)
unchecked_result = unchecked_constructor(InferenceResult)
_FIELD_TYPES: dict[str, Any] = {
    **dict.fromkeys(
        ("inference_id", "provider", "model", "stop_reason", "finish_class", "request_id", "response_id"), str
    ),
    **dict.fromkeys(("cost_source", "price_table"), str),
    **dict.fromkeys(("max_tokens", "duration_ms", "time_to_first_token_ms"), int | float),
    "attempts": int,
    "truncated": bool,
    "usage": Usage,
    "cost": float,
    "extra": dict,
    "error": dict,
}


def _require_finish_class(value: Any) -> FinishClass:
    try:
        return FinishClass(value)
    except ValueError:
        raise MisuseError(f"finish_class must be one of {', '.join(FinishClass)}, got {value!r:.60}") from None


def _finish_class(class_name: str) -> FinishClass:
    try:
        return FinishClass(class_name)
    except ValueError:
        return FinishClass.of(class_name)


def _with_inclusive_usage(field_values: dict[str, Any]) -> dict[str, Any]:
    """Return provider and usage with cached tokens added to the input; geppetto excludes them for Claude."""
    usage: Usage | None = field_values.get("usage")
    if usage is None:
        return {"provider": "anthropic"}
    input_tokens = usage.input_tokens + usage.cached_tokens + usage.cache_creation_input_tokens
    return {"provider": "anthropic", "usage": replace(usage, input_tokens=input_tokens)}


INFERENCE_RESULT: Key[InferenceResult] = Key("geppetto.inference_result@v1", InferenceResult)
INFERENCE_ID: Key[str] = Key("nbturns.inference_id@v1", str)
INFERENCES: Key[PersistentList[InferenceResult]] = Key("nbturns.inferences@v1", PersistentList[InferenceResult])

OUTPUT: Key[Any] = Key("nbturns.output@v1", Any)  # about a Turn: the checked answer of `ask(…, output=…)`
STDOUT: Key[str] = Key("nbturns.stdout@v1", str)  # on a tool_use block: what the tool printed
DURATION_MS: Key[float] = Key("nbturns.duration_ms@v1", float)  # on a tool_use block: how long the tool took


def ledger_results(metadata: Metadata) -> tuple[InferenceResult, ...] | None:
    """Return the results of the ledger in the metadata of a Turn, in order; None without a ledger."""
    results = metadata.get(INFERENCES)
    return None if results is None else tuple(results)


def total_usage(results: Iterable[InferenceResult]) -> Usage:
    usages = [result.usage for result in results if result.usage is not None]
    return sum(usages[1:], usages[0]) if usages else Usage()


def total_cost(results: Iterable[InferenceResult]) -> float | None:
    """Return the sum in USD; None if one call with tokens has an unknown cost."""
    costs = [result.cost for result in results if result.cost is not None or result.usage is not None]
    known_costs = [cost for cost in costs if cost is not None]
    return sum(known_costs) if known_costs and len(known_costs) == len(costs) else None
