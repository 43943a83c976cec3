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
from ...values.frozen_json import EMPTY_DICT, thaw
from ...values.inference_settings import StructuredOutputConfig
from ...values.model_info import find_model as find_model
from ..parameters.json_schema import (
    StrictRules,
    can_be_strict,
    closed,
    with_null_for_optional,
    with_root_object,
    with_typed_items,
)
from ..parameters.schema import Json, table
from ..parameters.structured_output import schema_name
from ..parameters.unsupported import remove
from ..provider import Parameters
from .models import EFFORTS, Reasoning, reasoning_of

NO_SCHEMAS = re.compile(r"gpt-3|gpt-4(?:-|$)|o1-(?:mini|preview)")
SAMPLING = ("temperature", "top_p", "top_logprobs", "logprobs", "presence_penalty", "frequency_penalty", "logit_bias")
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


STRICT = StrictRules(
    words=frozenset(
        {"uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties", "propertyNames", "examples"}
        | {"contentEncoding", "contentMediaType"}
    ),
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    refused=frozenset(
        {"prefixItems", "patternProperties", "contains", "allOf", "not", "if", "then", "else", "unevaluatedItems"}
        | {"unevaluatedProperties", "dependentRequired", "dependentSchemas"}
    ),
    all_required=True,
    depth=10,
    properties=5000,
)


def tool_parameters(schema: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a tool's arguments as OpenAI takes it; `strict` in the options stays where it can hold.

    A strict schema requires every argument, and an optional one may be null. The options are changed in place.
    """
    if options.get("strict"):
        strict_schema = with_null_for_optional(schema)
        if can_be_strict(strict_schema, STRICT):
            return closed(strict_schema, STRICT)
        options["strict"] = False
    return with_typed_items(schema)


def unstrict_tools(scope: Scope, provider_name: str) -> list[str]:
    """Return a sentence about the tools that are sent without the strictness they ask for."""
    names = [
        tool.name
        for tool in scope.tools
        if tool.options.get(provider_name, EMPTY_DICT).get("strict")
        and not can_be_strict(with_null_for_optional(thaw(tool.parameters)), STRICT)
    ]
    return [f"not strict: {', '.join(names)}, whose arguments OpenAI does not take as strict"] if names else []


def schema_format(config: StructuredOutputConfig) -> Parameters:
    """Return the name, schema and strictness of an answer's shape, as both APIs nest them."""
    schema: dict[str, Any] = thaw(config.schema)
    strict = config.strict and can_be_strict(schema, STRICT)
    description = {"description": config.description} if config.description else {}
    return {
        "name": schema_name(config),
        "schema": closed(schema, STRICT) if strict else with_typed_items(with_root_object(schema)),
        "strict": strict,
        **description,
    }


def remove_unsupported(model: str, params: Parameters, reasons: bool | None, *, highest: str = "max") -> list[str]:
    """Remove sampling parameters from a model that reasons, and reasoning from one that does not.

    An effort that the model does not take becomes the nearest below; `highest` is the greatest that the API takes.
    """
    changes = _one_limit(params)
    reasoning = reasoning_of(model)
    effort = _effort_of(params)
    if not (reasoning is not None if reasons is None else reasons):
        info = find_model(model)
        return changes + (_remove_effort(model, params) if info is not None and not info.reasoning and effort else [])
    if "max_tokens" in params:
        params["max_completion_tokens"] = params.pop("max_tokens")
        changes.append(f"max_tokens was sent as max_completion_tokens, its name for {model}")
    if reasoning is not None and effort and (nearest := _nearest(reasoning, effort, highest)) != effort:
        _set_effort(params, nearest)
        changes.append(f"reasoning_effort is {nearest}, because {model} does not take {effort}")
        effort = nearest
    reasons_now = effort != "none" and (effort or reasoning is None or reasoning.by_default)
    if removed := remove(params, SAMPLING) if reasons_now else []:
        can_stop = reasoning is not None and "none" in reasoning.efforts
        hint = "; it accepts them with reasoning_effort='none'" if can_stop else ""
        changes.append(f"not sent: {', '.join(removed)}, which {model} refuses because it reasons{hint}")
    return changes


def _remove_effort(model: str, params: Parameters) -> list[str]:
    removed = remove(params, ("reasoning_effort",)) + [name for name in ("reasoning",) if params.pop(name, None)]
    return [f"not sent: {', '.join(removed)}, because {model} does not reason"]


def _one_limit(params: Parameters) -> list[str]:
    """Remove `max_tokens` if `max_completion_tokens`, the same limit, is set, too."""
    if "max_completion_tokens" not in params or "max_tokens" not in params:
        return []
    removed = params.pop("max_tokens")
    return [f"not sent: max_tokens={removed!r:.20}, because max_completion_tokens is the same limit"]


def _nearest(reasoning: Reasoning, effort: str, highest: str) -> str:
    nearest = reasoning.nearest(effort)
    above = nearest in EFFORTS and EFFORTS.index(nearest) > EFFORTS.index(highest)
    return reasoning.nearest(highest) if above else nearest


def _effort_of(params: Mapping[str, Any]) -> str:
    reasoning = params.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, Mapping) else None
    return str(effort or params.get("reasoning_effort") or "")


def _set_effort(params: Parameters, effort: str) -> None:
    if isinstance(params.get("reasoning"), Mapping) and params["reasoning"].get("effort"):
        params["reasoning"] = {**params["reasoning"], "effort": effort}
    else:
        params["reasoning_effort"] = effort


def one_call_at_a_time(scope: Scope, model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter that limits a reply to one tool call, if the session runs one at a time.

    The models of the o series refuse it.
    """
    is_limited = scope.tool_config.max_parallel_tools == 1 and "parallel_tool_calls" not in params
    return {"parallel_tool_calls": False} if is_limited and not REFUSES_PARALLEL_TOOL_CALLS.match(model) else {}
