"""Replies of the four APIs, read by the codecs of the engines, with what a record says of their model call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ...engines import decode
from ...errors import EngineError
from ...values.inference_results import InferenceResult
from ...values.times import parsed_time
from .record_fields import ShapeError, to_number, token_usage
from .recorded_calls import RecordedCall, call_details, usage_counts
from .transcript import Transcript, other_block

TIME_NAMES = ("created", "created_at", "createTime")
CODEC_ERRORS = (EngineError, TypeError, ValueError, AttributeError)  # errors of codecs for malformed values


def add_reply(transcript: Transcript, call: RecordedCall, record: Mapping[str, Any], *, position: str = "") -> None:
    """Add the blocks of a reply, with the result of its model call: model, stop reason, usage, cost, duration.

    `record` is the record of the call; what it says of the call is used where the reply does not. Every choice
    after the first is an `other` block.
    """
    transcript.notes.record_count += 1
    transcript.begin_record(position or call.reply_name or "response")
    try:
        reply_turn = decode(call.format, call.reply)
    except CODEC_ERRORS as error:
        transcript.unknown(str(error))
        transcript.add_blocks([other_block(call.reply, "assistant")])
        return
    inference_id = f"{transcript.key}/reply-{len(transcript.blocks)}".lstrip("/")
    result = next(iter(reply_turn.inferences), InferenceResult()).replace(inference_id=inference_id)
    details = call_details(record)
    result = _completed_result(result, details)
    other_choices = result.extra.get("candidates")
    choices = other_choices if isinstance(other_choices, (list, tuple)) else ()
    choice_blocks = [other_block({"choice": choice}, "assistant") for choice in choices]
    transcript.add_blocks(
        [*reply_turn.blocks, *choice_blocks], result=result, time=details["time"] or _time_of(call.reply)
    )


def _time_of(reply: Mapping[str, Any]) -> Any:
    """Return when a reply was made, as its API writes it; None without a time."""
    times = (reply.get(name) for name in TIME_NAMES)
    return next((time for time in times if time and parsed_time(str(time)) is not None), None)


def _completed_result(result: InferenceResult, details: Mapping[str, Any]) -> InferenceResult:
    """Return the result with the cost that the record names, and with its duration, usage and model where it has none."""
    changes: dict[str, Any] = {}
    if details["cost"] is not None:
        changes |= {"cost": details["cost"], "cost_source": "provider", "price_table": None}
    if result.duration_ms is None and details["duration_ms"] is not None:
        changes["duration_ms"] = details["duration_ms"]
    if result.usage is None and details["usage"] is not None:
        with suppress(ShapeError):
            changes["usage"] = token_usage(**usage_counts(details["usage"]))
    if not result.model and details["model"]:
        changes["model"] = details["model"]
    changes |= _hidden_reasoning(result)
    return result.replace(**changes) if changes else result


def _hidden_reasoning(result: InferenceResult) -> dict[str, Any]:
    """Return the usage with the tokens that only the total of old Gemini replies has: those of the reasoning."""
    counts = result.extra.get("usageMetadata", result.extra.get("usage"))
    total = to_number(counts.get("totalTokenCount")) if isinstance(counts, Mapping) else None
    if result.usage is None or total is None or result.usage.reasoning_tokens or not result.usage.input_tokens:
        return {}
    hidden_tokens = int(total) - result.usage.total_tokens
    if hidden_tokens <= 0:
        return {}
    output_tokens = result.usage.output_tokens + hidden_tokens
    return {"usage": replace(result.usage, output_tokens=output_tokens, reasoning_tokens=hidden_tokens)}
