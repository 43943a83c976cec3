"""Outcomes in the fields of a record: a reward, a success, scores, an error, under their usual names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...values.outcome import OUTCOME, Outcome
from .record_fields import to_float

SUCCESS_NAMES = ("success", "resolved")  # only true and false are taken: a score is not a success


def outcome_of(fields: Mapping[str, Any], **values: Any) -> Outcome | None:
    """Return the outcome that the fields of a record have, with `values` in place of them; None without any.

    A value of another type than its name promises is left out.
    """
    success = next((fields[name] for name in SUCCESS_NAMES if isinstance(fields.get(name), bool)), None)
    scores = fields.get("scores")
    found: dict[str, Any] = {
        "success": success,
        "reward": None if isinstance(fields.get("reward"), bool) else to_float(fields.get("reward")),
        "scores": scores if isinstance(scores, Mapping) and scores else None,
        "error": error_text(fields.get("error")),
    }
    found |= {name: value for name, value in values.items() if value is not None}
    known_values = {name: value for name, value in found.items() if value is not None and value != {}}
    try:
        return Outcome(**known_values) if known_values else None
    except TypeError:  # nested too deeply for a value
        return None


def outcome_metadata(outcome: Outcome | None) -> dict[str, Any]:
    """Return the metadata of a Run with this outcome."""
    return {} if outcome is None else {OUTCOME.name: outcome.to_dict()}


def error_record(error: Any) -> dict[str, str] | None:
    """Return an error of a model call, a text or an object, as {type, message}; None without one."""
    message = error_text(error.get("data")) or error_text(error) if isinstance(error, Mapping) else error_text(error)
    if not message:
        return None
    names = (error.get(name) for name in ("type", "name", "code")) if isinstance(error, Mapping) else ()
    return {"type": next((name for name in names if isinstance(name, str) and name != message), ""), "message": message}


def failed_request(record: Any) -> str:
    """Return a sentence on the line of a batch whose request failed, with the provider's reason; "" for any other."""
    if not isinstance(record, Mapping) or "custom_id" not in record:
        return ""
    response, result = (record.get(name) for name in ("response", "result"))
    body = response.get("body") if isinstance(response, Mapping) else None
    for holder in (record, body, result):
        error = holder.get("error") if isinstance(holder, Mapping) else None
        error = error["error"] if isinstance(error, Mapping) and isinstance(error.get("error"), Mapping) else error
        if message := error_text(error):
            return f"request {record['custom_id']!r:.60} of the batch failed: {message}"
    return ""


def error_text(error: Any) -> str | None:
    """Return the message of an error, which is a text or an object; None without one."""
    if isinstance(error, str):
        return error or None
    if not isinstance(error, Mapping) or not error:
        return None
    message = error.get("message") or error.get("type")
    return message if isinstance(message, str) else json.dumps(error, default=repr, ensure_ascii=False)
