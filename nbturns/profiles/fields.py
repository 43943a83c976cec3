"""What a profile may say, field by field, and of which type.

The fields of `inference_settings` are geppetto's, read off its settings structs (`pkg/steps/ai/settings`,
2026) and the section on profiles of its documentation; the rest is ours. A table, so that reading, merging,
overriding and the picker agree on what there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from math import isfinite
from typing import Any, Literal, TypeAlias, get_args, get_origin

from ..engines.params import looks_like_a_key
from ..toolbox import seconds
from .secrecy import HEADERS, is_secret

Path: TypeAlias = tuple[str, ...]

TEXTS = list[str]
ANY = object  # kept as it is: nothing here reads it


@dataclass(frozen=True, slots=True)
class From:
    """A number from `least` up."""

    kind: type
    least: int


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds, or as Go writes it: "30s", "1m30s". 0 is no end."""


DURATION = Duration()

SETTINGS: dict[str, dict[str, Any]] = {
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
        "stop": TEXTS,
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
        "timeout": From(float, 0),
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
        "stop": TEXTS,
        "seed": int,
    },
    "model_info": {
        "id": str,
        "name": str,
        "reasoning": bool,
        "input": TEXTS,
        "context_window": From(int, 0),
        "quality_high_watermark": int,
        "max_output_tokens": From(int, 0),
        "cost": dict,
        "metadata": dict,
    },
    # About other models than the one that answers: kept, and read by nobody here.
    "ollama": {},
    "embeddings": {},
    "rerank": {},
}
OPEN = frozenset({"ollama", "embeddings", "rerank"})
COST: dict[str, Any] = dict.fromkeys(("input", "output", "cache_read", "cache_write"), From(float, 0))

LOOP: dict[str, Any] = {
    "limit": From(int, 1),
    "step": bool | list[Literal["pre_inference", "post_inference", "post_tools", "final"]],
    "execution_timeout": DURATION,
    "max_parallel_tools": From(int, 0),
    "tool_error_handling": Literal["continue", "abort", "retry"],
    "inline": bool,
    "pause_timeout": DURATION,
    "on_pause_timeout": Literal["stay", "stop", "resume"],
}

RUNTIME: dict[str, Any] = {
    "system": str,
    "tools": TEXTS,
    "tool_choice": Literal["auto", "none", "required"],
    "middleware": list,
    "sinks": list,
    "loop": str | dict,
    "approval": Literal["never", "effectful", "always"] | list[str],
}
"""What a run does besides the model's own settings."""

POLICY: dict[str, Any] = {"allow_overrides": bool | list[str], "widen_tools": bool}

PROFILE: dict[str, Any] = {
    "slug": str,
    "display_name": str,
    "description": str,
    "stack": list,
    "inference_settings": dict,
    "runtime": dict,
    "metadata": dict,
    "extensions": dict,
    # The short form.
    "like": str | list[str],
    "engine": str,
    "base_url": str,
    "api_key": str,
    "params": dict,
    "model_info": dict,
    **RUNTIME,
    **POLICY,
}
REGISTRY: dict[str, Any] = {
    "slug": str,
    "display_name": str,
    "description": str,
    "profiles": dict,
    "metadata": dict,
    "loops": dict,
}

SHORT_PARAMS: dict[str, Path] = {
    **{name: ("inference", name) for name in SETTINGS["inference"]},
    "max_tokens": ("inference", "max_response_tokens"),
    "stream": ("chat", "stream"),
    "timeout": ("client", "timeout"),
    "organization": ("client", "organization"),
}
"""Where a parameter of the short form stands among geppetto's settings; others are the provider's own."""

WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}


MEANT = {
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
"""What others call a field → our name."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """What is wrong with a value: where in it, and in words."""

    path: tuple[str | int, ...]
    words: str
    known: tuple[str, ...] = ()


def misfit(value: Any, wanted: Any, path: tuple[str | int, ...] = ()) -> Wrong | None:
    """What keeps `value` from being of the type `wanted`; None when nothing does."""
    if wanted is ANY:
        return None
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is list:
        if not isinstance(value, Sequence) or isinstance(value, str):
            return Wrong(path, f"is a list, not {instead(value, path)}")
        return next((wrong for i, one in enumerate(value) if (wrong := misfit(one, inner[0], (*path, i)))), None)
    if origin is dict:
        if not isinstance(value, Mapping):
            return Wrong(path, f"is a mapping, not {kind_of(value)}")
        return next((wrong for key, one in value.items() if (wrong := misfit(one, inner[1], (*path, key)))), None)
    if origin is Literal:
        fits = isinstance(value, str) and value in inner
    elif inner:  # one of several
        fits = any(misfit(value, one, path) is None for one in inner)
    else:
        fits = _is_a(value, wanted)
    return None if fits else Wrong(path, f"is {said(wanted)}, not {instead(value, path)}")


def _is_a(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, From):
        return _is_a(value, wanted.kind) and bool(value >= wanted.least)
    if isinstance(wanted, Duration):
        return _is_duration(value)
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted is list:
        return isinstance(value, Sequence) and not isinstance(value, str)
    return isinstance(value, Mapping if wanted is dict else wanted)


def _is_duration(value: Any) -> bool:
    if not isinstance(value, str):
        return _is_a(value, From(float, 0))
    try:
        seconds(value, "")
    except ValueError:
        return False
    return True


def kind_of(value: Any) -> str:
    """What sort of value it is, in words that tell nothing of it."""
    if value is None:
        return "nothing"
    return next((words for kind, words in WORDS.items() if _is_a(value, kind)), f"a {type(value).__name__}")


def instead(value: Any, path: tuple[str | int, ...]) -> str:
    """What stands where something else was due: as it is, unless it may hold a key."""
    hidden = any(isinstance(step, str) and (is_secret(step) or step in HEADERS) for step in path)
    if hidden or isinstance(value, (Mapping, list, tuple, set)) or looks_like_a_key(value):
        return kind_of(value)
    return f"{value!r:.60}"


def said(wanted: Any) -> str:
    """A type in words."""
    if isinstance(wanted, From):
        return f"{WORDS[wanted.kind]} from {wanted.least} up"
    if isinstance(wanted, Duration):
        return 'a time from 0 up, in seconds or like "1m30s"'
    inner = get_args(wanted)
    if get_origin(wanted) is Literal:
        return "one of " + ", ".join(map(str, inner))
    if get_origin(wanted) is list:
        return f"a list of {'texts' if inner[0] is str else said(inner[0])}"
    if get_origin(wanted) is dict:
        return "a mapping"
    return " or ".join(said(one) for one in inner) if inner else WORDS.get(wanted, "anything")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest of `known`, or all of them."""
    known = sorted(known)
    if hint := near(name, known):
        return hint
    return f"there are: {', '.join(known)}" if known else "there are none"


def near(name: str, known: Iterable[str]) -> str:
    """A hint that names the one of `known` that was probably meant; "" when none looks like it."""
    known = list(known)
    meant = MEANT.get(str(name).lower())
    found = [meant] if meant in known else get_close_matches(str(name).lower(), known, n=1, cutoff=0.6)
    return f"did you mean {found[0]!r}?" if found else ""


@cache
def known_params() -> frozenset[str]:
    """Every parameter that some installed provider takes, in our names."""
    from ..engines.params import params_of
    from ..engines.registry import installed_providers

    return frozenset(SHORT_PARAMS).union(*(params_of(provider) for provider in installed_providers()))
