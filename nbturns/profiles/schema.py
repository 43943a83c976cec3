"""The schema of profiles: which fields exist and which type each has.

The fields of `inference_settings` are geppetto's, taken from its settings structs (`pkg/steps/ai/settings`, 2026)
and the profiles section of its documentation; the others are ours. Reading, merging, overriding and the profile
picker all use these tables.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeAlias, get_args, get_origin

from ..engines.parameters.schema import looks_like_a_key
from ..runtime.toolbox import parse_go_duration
from ..safety.secret_texts import HIDDEN_TEXT, looks_secret, shown
from .secrets import HEADER_FIELDS, is_secret_name

FieldPath: TypeAlias = tuple[str, ...]
DocumentPath: TypeAlias = tuple[str | int, ...]
"""The keys and indices that lead to a value in a document."""

STRING_LIST = list[str]
ANY = object  # accepted unchecked and passed on unchanged


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The type of a number that must be `minimum` or greater."""

    kind: type
    minimum: int


@dataclass(frozen=True, slots=True)
class Duration:
    """The type of a time: a number of seconds, or a text in Go's notation ("30s", "1m30s"). 0 means no limit."""


DURATION = Duration()

SETTINGS_SECTIONS: dict[str, dict[str, Any]] = {
    "api": {
        "api_keys": dict[str, str],
        "base_urls": dict[str, str],
        "allow_http": dict[str, bool],
        "allow_local_networks": dict[str, bool],
    },
    "chat": {
        "engine": str,
        "api_type": str,
        "max_response_tokens": int,
        "temperature": float,
        "top_p": float,
        "stop": STRING_LIST,
        "stream": bool,
        "structured_output_mode": Literal["off", "json_schema"],
        "structured_output_name": str,
        "structured_output_description": str,
        "structured_output_schema": dict,
        "structured_output_strict": bool,
        "structured_output_require_valid": bool,
        "cache_type": ANY,
        "cache_max_size": ANY,
        "cache_max_entries": ANY,
        "cache_directory": ANY,
    },
    "openai": {
        "n": int,
        "presence_penalty": float,
        "frequency_penalty": float,
        "logit_bias": dict,
        "reasoning_effort": str,
        "parallel_tool_calls": bool,
        "store": bool,
        "service_tier": str,
    },
    "claude": {"top_k": int, "user_id": str},
    "gemini": {"include_thoughts": bool, "thinking_budget": int, "thinking_level": str},
    "client": {
        "timeout": AtLeast(float, 0),
        "organization": str,
        "user_agent": str,
        "proxy_url": str,
        "proxy_from_environment": bool,
    },
    "inference": {
        "thinking_budget": int,
        "reasoning_effort": str,
        "thinking_type": str,
        "reasoning_summary": str,
        "temperature": float,
        "top_p": float,
        "max_response_tokens": int,
        "stop": STRING_LIST,
        "seed": int,
    },
    "model_info": {
        "id": str,
        "name": str,
        "reasoning": bool,
        "input": STRING_LIST,
        "context_window": AtLeast(int, 0),
        "quality_high_watermark": int,
        "max_output_tokens": AtLeast(int, 0),
        "cost": dict,
        "metadata": dict,
    },
    # Settings of other models (embeddings, rerankers): stored and otherwise ignored.
    "ollama": {},
    "embeddings": {},
    "rerank": {},
}
UNCHECKED_SECTIONS = frozenset({"ollama", "embeddings", "rerank"})
COST_FIELDS: dict[str, Any] = dict.fromkeys(("input", "output", "cache_read", "cache_write"), AtLeast(float, 0))

LOOP_FIELDS: dict[str, Any] = {
    "limit": AtLeast(int, 1),
    "step": bool | list[Literal["pre_inference", "post_inference", "post_tools", "final"]],
    "execution_timeout": DURATION,
    "max_parallel_tools": AtLeast(int, 0),
    "tool_error_handling": Literal["continue", "abort", "retry"],
    "inline": bool,
    "pause_timeout": DURATION,
    "on_pause_timeout": Literal["stay", "stop", "resume"],
}

RUNTIME_FIELDS: dict[str, Any] = {
    "system": str,
    "tools": STRING_LIST,
    "tool_choice": Literal["auto", "none", "required"],
    "middleware": list,
    "sinks": list,
    "loop": str | dict,
    "approval": Literal["never", "effectful", "always"] | list[str],
    "policy": list,
}
"""Settings of a run that are not sent to the model as parameters."""

POLICY_FIELDS: dict[str, Any] = {"allow_overrides": bool | list[str], "widen_tools": bool}

PROFILE_FIELDS: dict[str, Any] = {
    "slug": str,
    "display_name": str,
    "description": str,
    "stack": list,
    "inference_settings": dict,
    "runtime": dict,
    "metadata": dict,
    "extensions": dict,
    # The short form of a profile, which geppetto does not have.
    "like": str | list[str],
    "engine": str,
    "base_url": str,
    "api_key": str,
    "params": dict,
    "model_info": dict,
    **RUNTIME_FIELDS,
    **POLICY_FIELDS,
}
REGISTRY_FIELDS: dict[str, Any] = {
    "slug": str,
    "display_name": str,
    "description": str,
    "profiles": dict,
    "metadata": dict,
    "loops": dict,
}

SHORT_PARAMS: dict[str, FieldPath] = {
    **{name: ("inference", name) for name in SETTINGS_SECTIONS["inference"]},
    "max_tokens": ("inference", "max_response_tokens"),
    "stream": ("chat", "stream"),
    "timeout": ("client", "timeout"),
    "organization": ("client", "organization"),
}
"""Parameter of the short form → its path in geppetto's settings; all others are specific to one provider."""

TYPE_DESCRIPTIONS: dict[Any, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


FIELD_SYNONYMS = {
    "model": "engine",
    "prompt": "system",
    "system_prompt": "system",
    "instructions": "system",
    "extends": "like",
    "inherits": "like",
    "key": "api_key",
    "url": "base_url",
    "max_iterations": "limit",
    "max_turns": "limit",
}
"""Name of a field in other tools → our name."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A value of the wrong type: its path, and a message like "must be a list, not 3"."""

    path: DocumentPath
    message: str


def with_parsed_json(section_values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a section of settings in which JSON texts of geppetto, which writes schemas so, are parsed."""
    parsed_values = dict(section_values or {})
    schema_text = parsed_values.get("structured_output_schema")
    if isinstance(schema_text, str):
        try:
            parsed_values["structured_output_schema"] = json.loads(schema_text) if schema_text.strip() else None
        except ValueError:  # refused as a text by the check of the fields
            return parsed_values
    return parsed_values


def find_mismatch(value: Any, expected: Any, path: DocumentPath = ()) -> Mismatch | None:
    """Return the first place in `value` that does not match the type `expected`, or None if all of it matches.

    `path` leads to `value`; the path of the result starts with it.
    """
    if expected is ANY:
        return None
    origin, type_arguments = get_origin(expected), get_args(expected)
    if origin is list:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return Mismatch(path, f"must be a list, not {describe_value(value, path)}")
        return next(
            (
                mismatch
                for i, item in enumerate(value)
                if (mismatch := find_mismatch(item, type_arguments[0], (*path, i)))
            ),
            None,
        )
    if origin is dict:
        if not isinstance(value, Mapping):
            return Mismatch(path, f"must be a mapping, not {describe_kind(value)}")
        return next(
            (
                mismatch
                for key, item in value.items()
                if (mismatch := find_mismatch(item, type_arguments[1], (*path, key)))
            ),
            None,
        )
    if origin is Literal:
        matches = isinstance(value, str) and value in type_arguments
    elif type_arguments:  # a union
        matches = any(find_mismatch(value, item, path) is None for item in type_arguments)
    else:
        matches = _matches_type(value, expected)
    return None if matches else Mismatch(path, f"must be {describe_type(expected)}, not {describe_value(value, path)}")


def _matches_type(value: Any, expected: Any) -> bool:
    """Return whether the value matches a type that is neither a generic alias nor a union."""
    if isinstance(expected, AtLeast):
        return _matches_type(value, expected.kind) and bool(value >= expected.minimum)
    if isinstance(expected, Duration):
        return _is_duration(value)
    if expected is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if expected is list:
        return isinstance(value, Sequence) and not isinstance(value, str)
    return isinstance(value, Mapping if expected is dict else expected)


def _is_duration(value: Any) -> bool:
    if not isinstance(value, str):
        return _matches_type(value, AtLeast(float, 0))
    try:
        parse_go_duration(value, "")
    except ValueError:
        return False
    return True


def describe_kind(value: Any) -> str:
    """Describe the type of a value without showing the value, like "an integer"."""
    if value is None:
        return "nothing"
    return next(
        (description for kind, description in TYPE_DESCRIPTIONS.items() if _matches_type(value, kind)),
        f"a {type(value).__name__}",
    )


def describe_value(value: Any, path: DocumentPath) -> str:
    """Return the value for an error message, or only its type if it is a container or may hold a secret."""
    may_hold_secret = any(
        isinstance(path_part, str) and (is_secret_name(path_part) or path_part in HEADER_FIELDS) for path_part in path
    )
    if may_hold_secret or isinstance(value, (Mapping, list, tuple, set)) or looks_like_a_key(value):
        return describe_kind(value)
    return shown(value)


def describe_type(expected: Any) -> str:
    """Describe an expected type in words, like "a number, 0 or greater"."""
    if isinstance(expected, AtLeast):
        return f"{TYPE_DESCRIPTIONS[expected.kind]}, {expected.minimum} or greater"
    if isinstance(expected, Duration):
        return 'a time of 0 or more, in seconds or like "1m30s"'
    type_arguments = get_args(expected)
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(map(str, type_arguments))
    if get_origin(expected) is list:
        return f"a list of {'strings' if type_arguments[0] is str else describe_type(type_arguments[0])}"
    if get_origin(expected) is dict:
        return "a mapping"
    return (
        " or ".join(describe_type(alternative) for alternative in type_arguments)
        if type_arguments
        else TYPE_DESCRIPTIONS.get(expected, "anything")
    )


def suggest(name: str, names: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar of `names`, or the list of all of them."""
    names = sorted(names)
    if hint := did_you_mean(name, names):
        return hint
    return f"available: {', '.join(names)}" if names else "none is available"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return "did you mean 'x'?" for the one of `names` that is most similar; "" if none is similar."""
    names = list(names)
    synonym = FIELD_SYNONYMS.get(str(name).lower())
    matches = [synonym] if synonym in names else get_close_matches(str(name).lower(), names, n=1, cutoff=0.6)
    return f"did you mean {matches[0]!r}?" if matches else ""


@cache
def all_param_names() -> frozenset[str]:
    """Return every parameter name, in our spelling, of all installed providers."""
    from ..engines.parameters.schema import params_of
    from ..engines.registry import installed_providers

    return frozenset(SHORT_PARAMS).union(*(params_of(provider) for provider in installed_providers()))


def dotted_path(path: DocumentPath) -> str:
    """Return a path as text, like "profiles.base.like[0]"."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = HIDDEN_TEXT if looks_secret(part) else str(part)
        text += f".{name}" if text else name
    return text
