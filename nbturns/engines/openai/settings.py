"""Parameters that OpenAI's two APIs share: their types, strict schemas, and what reasoning models refuse.

Facts: the request types of `openai` 3.54, and OpenAI's pages on structured outputs (strict
schemas close every object and require every property) and reasoning models (sampling parameters
are refused while a model reasons; GPT-5.1 to 5.4 reason only when asked to).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...runtime.engine_protocol import Scope
from ...values.frozen_json import thaw
from ...values.inference_settings import StructuredOutputConfig
from ...values.model_info import find_model as find_model
from ..parameters.schema import Json, table
from ..parameters.structured_output import can_be_strict, close_schema, schema_name
from ..parameters.unsupported import remove
from ..provider import Parameters

NO_SCHEMAS = re.compile(r"gpt-3|gpt-4(?:-|$)|o1-(?:mini|preview)")
SAMPLING = ("temperature", "top_p", "top_logprobs", "logprobs", "presence_penalty", "frequency_penalty", "logit_bias")
REASONS = re.compile(r"^(?:[\w-]+/)?(?:o\d|gpt-5)(?!.*-chat)")
REASONS_ON_REQUEST = re.compile(r"^(?:[\w-]+/)?gpt-5\.[1-4](?!\d)(?!.*(?:-pro|-codex))")
REFUSES_PARALLEL_TOOL_CALLS = re.compile(r"^(?:[\w-]+/)?o\d")

SHARED_PARAMS = table(
    ("temperature", float, "0 to 2; reasoning models take none"),
    ("top_p", float),
    ("top_logprobs", int),
    ("tools", list[Json], "OpenAI's own tools, as it writes them"),
    ("tool_choice", str | Json),
    ("parallel_tool_calls", bool),
    ("store", bool),
    ("metadata", Json),
    ("moderation", Json),
    ("service_tier", str, "auto, default, flex, scale, priority, fast; other servers have others"),
    ("safety_identifier", str),
    ("prompt_cache_key", str),
    ("prompt_cache_options", Json),
    ("prompt_cache_retention", str, "in_memory or 24h"),
    ("stream_options", Json),
    ("user", str),
)


def accepts_schema(model: str, config: StructuredOutputConfig) -> bool:
    """Tell whether a model takes a JSON Schema as a parameter."""
    del config
    return NO_SCHEMAS.search(model) is None


def schema_format(config: StructuredOutputConfig) -> Parameters:
    """Return the name, schema and strictness of an answer's shape, as both APIs nest them."""
    schema: dict[str, Any] = thaw(config.schema)
    strict = config.strict and can_be_strict(schema)
    description = {"description": config.description} if config.description else {}
    return {
        "name": schema_name(config),
        "schema": close_schema(schema) if strict else schema,
        "strict": strict,
        **description,
    }


def remove_unsupported(model: str, params: Parameters, reasons: bool | None) -> list[str]:
    """Remove sampling parameters from a model that reasons, and reasoning from one that does not."""
    effort = (params.get("reasoning") or {}).get("effort") or params.get("reasoning_effort")
    if not (REASONS.match(model) if reasons is None else reasons):
        info = find_model(model)
        return _remove_effort(model, params) if info is not None and not info.reasoning and effort else []
    changes = []
    if "max_tokens" in params and "max_completion_tokens" not in params:
        params["max_completion_tokens"] = params.pop("max_tokens")
        changes.append(f"max_tokens was sent as max_completion_tokens, its name for {model}")
    reasons_now = effort != "none" and (effort or not REASONS_ON_REQUEST.match(model))
    if removed := remove(params, SAMPLING) if reasons_now else []:
        hint = "; it accepts them with reasoning_effort='none'" if REASONS.match(model) and "gpt-5." in model else ""
        changes.append(f"not sent: {', '.join(removed)}, which {model} refuses because it reasons{hint}")
    return changes


def _remove_effort(model: str, params: Parameters) -> list[str]:
    removed = remove(params, ("reasoning_effort",)) + [name for name in ("reasoning",) if params.pop(name, None)]
    return [f"not sent: {', '.join(removed)}, because {model} does not reason"]


def one_call_at_a_time(scope: Scope, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter that limits a reply to one tool call, if the session runs one at a time.

    The models of the o series refuse it.
    """
    is_limited = scope.tool_config.max_parallel_tools == 1 and "parallel_tool_calls" not in params
    return {"parallel_tool_calls": False} if is_limited and not REFUSES_PARALLEL_TOOL_CALLS.match(model) else {}
