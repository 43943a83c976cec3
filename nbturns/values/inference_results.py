"""The record of one model call: who answered, why it stopped, what it cost.

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
from .frozen_json import EMPTY_DICT, FrozenDict, freeze, unchecked_constructor
from .metadata import Key, Metadata, convert_fields
from .persistent_list import PersistentList


class FinishClass(StrEnum):
    """Why a call ended, in one vocabulary for every provider: geppetto's six, and three."""

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
        """The class of a provider's stop reason. Unanswered calls win over what it says."""
        if pending:
            return cls.TOOL_CALLS_PENDING
        reason = stop_reason.strip().lower()
        return _CLASS_OF_REASON.get(reason, cls.UNKNOWN)


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


def is_token_limit(stop_reason: str) -> bool:
    """Return True when a call ended at its token limit."""
    return bool(stop_reason) and FinishClass.of(stop_reason) is FinishClass.MAX_TOKENS


class UnknownCount(int):
    """A number of tokens that a source does not have: 0 in sums, NA in frames."""

    def __add__(self, other: int) -> int:
        return other

    __radd__ = __add__

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
        return self.input_tokens + self.output_tokens

    @property
    def cache_read_input_tokens(self) -> int:
        """geppetto's other name of `cached_tokens`."""
        return self.cached_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Usage)))

    def to_dict(self) -> dict[str, Any]:
        written = {"input_tokens": int(self.input_tokens), "output_tokens": int(self.output_tokens)}
        unknown_names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), UnknownCount)]
        counts = {f.name: n for f in fields(self)[2:] if (n := getattr(self, f.name))}
        return written | counts | ({"unknown_counts": unknown_names} if unknown_names else {})

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Usage:
        counts = {f.name: _token_count(raw[f.name], f.name) for f in fields(cls) if raw.get(f.name) is not None}
        if not counts.get("cached_tokens") and raw.get("cache_read_input_tokens"):
            counts["cached_tokens"] = _token_count(raw["cache_read_input_tokens"], "cache_read_input_tokens")
        unknown_names = raw.get("unknown_counts")
        if isinstance(unknown_names, (list, tuple)):
            counts |= {f.name: UNKNOWN_COUNT for f in fields(cls) if f.name in unknown_names and not counts.get(f.name)}
        return cls(**counts)


def _token_count(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise MisuseError(f"{name} is {value!r}, not a number of tokens")
    return int(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResult:
    """One model call. Every block that call produced carries this record.

    Durations are in milliseconds, `cost` in USD; None means unknown, never zero.
    `attempts` counts the tries up to this one: 3 is a call that failed twice before, and
    those two stand before it in the Turn's `inferences`.
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
    request_id: str = ""
    response_id: str = ""
    attempts: int = 1
    extra: FrozenDict = EMPTY_DICT
    _cached_disk_shape: FrozenDict | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if type(self.extra) is not FrozenDict:
            object.__setattr__(self, "extra", freeze(self.extra))
        if self.provider == "claude":  # geppetto's word for it, which in its files counts tokens in another way
            object.__setattr__(self, "provider", "anthropic")

    def replace(self, **changes: Any) -> InferenceResult:
        return replace(self, **changes)

    @property
    def raw(self) -> FrozenDict | None:
        """The request and response, if the engine keeps them (`nt.engine(…, raw=True)`), else None.

        `request` is the body as sent, `response` the text as it came; keys are taken out,
        and what is longer than the limit is cut (`cut` says of how many characters).
        """
        raw_exchange = self.extra.get("raw")
        return raw_exchange if isinstance(raw_exchange, FrozenDict) else None

    def completed(
        self, inference_id: str, stop_reason: str, finish: FinishClass, duration_ms: int, first_token_ms: int | None
    ) -> InferenceResult:
        """Return this record completed with what only the caller of the engine knows; times it has already are kept."""
        first_token_known = self.time_to_first_token_ms is not None
        return _make_result(
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
            self.request_id,
            self.response_id,
            self.attempts,
            self.extra,
        )

    def disk_shape(self) -> FrozenDict:
        """The shape on disk, which cannot change; made once, when somebody asks."""
        if self._cached_disk_shape is None:
            object.__setattr__(self, "_disk", freeze(self.to_dict()))
        assert self._cached_disk_shape is not None
        return self._cached_disk_shape

    def to_dict(self) -> dict[str, Any]:
        """The shape on disk: geppetto's names; what is unknown or empty is left out."""
        written = {
            name: value
            for name, value in zip(_FIELD_NAMES, _field_values(self), strict=True)
            if value or (value == 0 and value is not False)
        }
        if self.usage is not None:
            written["usage"] = self.usage.to_dict()
        written["finish_class"] = self.finish_class.value
        if self.attempts == 1:
            del written["attempts"]
        return written

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> InferenceResult:
        """Read what `to_dict` or geppetto wrote; names we do not know go to `extra`."""
        field_values = convert_fields(raw, _FIELD_TYPES)
        field_values["extra"] = freeze(
            {**field_values.get("extra", EMPTY_DICT), **{k: v for k, v in raw.items() if k not in _FIELD_TYPES}}
        )
        if "finish_class" in field_values:
            field_values["finish_class"] = _finish_class(field_values["finish_class"])
        if field_values.get("provider") == "claude":
            field_values |= _with_inclusive_usage(field_values)
        return cls(**field_values)


_FIELD_NAMES = tuple(f.name for f in fields(InferenceResult) if f.init)
_field_values = attrgetter(*_FIELD_NAMES)
_make_result = unchecked_constructor(InferenceResult)
_FIELD_TYPES: dict[str, Any] = {
    **dict.fromkeys(
        ("inference_id", "provider", "model", "stop_reason", "finish_class", "request_id", "response_id"), str
    ),
    **dict.fromkeys(("max_tokens", "duration_ms", "time_to_first_token_ms"), int | float),
    "attempts": int,
    "truncated": bool,
    "usage": Usage,
    "cost": float,
    "extra": dict,
}


def _finish_class(raw: str) -> FinishClass:
    try:
        return FinishClass(raw)
    except ValueError:
        return FinishClass.of(raw)


def _with_inclusive_usage(fields: dict[str, Any]) -> dict[str, Any]:
    """Claude's own counts, as geppetto keeps them, exclude the cache from the input; ours include it."""
    usage: Usage | None = fields.get("usage")
    if usage is None:
        return {"provider": "anthropic"}
    total = usage.input_tokens + usage.cached_tokens + usage.cache_creation_input_tokens
    return {"provider": "anthropic", "usage": replace(usage, input_tokens=total)}


INFERENCE_RESULT: Key[InferenceResult] = Key("geppetto.inference_result@v1", InferenceResult)
INFERENCE_ID: Key[str] = Key("nbturns.inference_id@v1", str)
INFERENCES: Key[PersistentList[InferenceResult]] = Key("nbturns.inferences@v1", PersistentList[InferenceResult])

OUTPUT: Key[Any] = Key("nbturns.output@v1", Any)  # about a Turn: the checked answer of `ask(…, output=…)`
STDOUT: Key[str] = Key("nbturns.stdout@v1", str)  # on a tool_use block: what the tool printed
DURATION_MS: Key[float] = Key("nbturns.duration_ms@v1", float)  # on a tool_use block: how long the tool took


def ledger_results(metadata: Metadata) -> tuple[InferenceResult, ...] | None:
    """Every model call a Turn's metadata lists, in order; None when it keeps no ledger."""
    results = metadata.get(INFERENCES)
    return None if results is None else tuple(results)


def total_usage(results: Iterable[InferenceResult]) -> Usage:
    usages = [r.usage for r in results if r.usage is not None]
    return sum(usages[1:], usages[0]) if usages else Usage()


def total_cost(results: Iterable[InferenceResult]) -> float | None:
    """USD, or None as soon as one call with tokens has no known price."""
    costs = [r.cost for r in results if r.cost is not None or r.usage is not None]
    known_costs = [cost for cost in costs if cost is not None]
    return sum(known_costs) if known_costs and len(known_costs) == len(costs) else None
