"""Typed parameters: the check of what a user writes, and the parameters that every provider shares."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ...errors import EngineError
from ...safety.secret_texts import looks_secret, names_a_secret, shown
from ...values.metadata import convert_value

if TYPE_CHECKING:
    from ..provider import Provider


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its Python type, as JSON holds it, and a short description."""

    name: str
    type: Any
    says: str = ""

    def check(self, value: Any, provider_name: str) -> None:
        """Raise EngineError when `value` does not fit the type. None leaves a parameter out, or sends null."""
        if value is None:
            return
        try:
            convert_value(value, self.type)
        except (TypeError, ValueError) as error:
            reason = str(error)
            if names_a_secret(self.name) or self.name in ("headers", "default_headers", "base_url", "extra_body"):
                reason = f"must not be {type(value).__name__}"
            elif any(map(looks_like_a_key, (value, *_leaves(value)))):
                reason = "it looks like a key, which goes into api_key=…"
            raise EngineError(f"{self.name} of {provider_name}: {reason}", kind="bad_parameter") from None


Params = Mapping[str, Param]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
Json = dict[str, Any]


def table(*rows: tuple[str, Any] | tuple[str, Any, str]) -> dict[str, Param]:
    """Return parameters by name, from rows of name, type and description."""
    return {name: Param(name, *type_and_description) for name, *type_and_description in rows}


# Settings that every provider shares; each translates them into its own. Names as in geppetto's inference
# settings, and `max_tokens`, the most common name.
PORTABLE = table(
    ("temperature", float, "randomness of the answer; 0 is the least"),
    ("top_p", float, "sample from the tokens that make up this share of probability"),
    ("max_tokens", int, "limit of an answer, in tokens"),
    ("max_response_tokens", int, "the same under geppetto's name"),
    ("stop", list[str] | str, "texts that end an answer"),
    ("seed", int, "equal seeds ask for equal answers"),
    ("reasoning_effort", Effort, "how long the model reasons"),
    ("thinking_budget", int, "limit of the reasoning, in tokens"),
    ("thinking_type", str, "enabled, adaptive or disabled"),
    ("reasoning_summary", str, "how the reasoning is summarised: auto, concise or detailed"),
)

# Parameters of the engine itself, the same for every provider.
ENGINE = table(
    ("stream", bool, "whether the answer arrives piece by piece"),
    ("extra_body", Json, "fields that go into the body as they are, known or not"),
    ("timeout", float, "longest silence, in seconds, before the answer and inside it"),
    ("max_response_bytes", int, "limit of a response, in bytes; 128 MB unless given"),
    ("connect_timeout", float, "longest wait for a connection, in seconds"),
    ("retries", int, "how often a call is repeated that failed before its first token"),
    ("retry_for", float, "limit of all waits between attempts, in seconds"),
    ("raw", bool | int, "keep each wire request and response, up to this many characters"),
    ("record", str | Any, "a file that receives each HTTP exchange, without keys"),
)
CLIENT = table(
    ("api_key", str, "a key; otherwise from the environment"),
    ("base_url", str | Any, "address of the server"),
    ("headers", Json, "headers of every request"),
    ("client", Any, "an asynchronous client of yours"),
)

CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(name: str) -> str:
    """Return Google's maxOutputTokens as max_output_tokens."""
    return CAMEL_CASE_BOUNDARY.sub("_", name).lower()


def params(provider: str) -> dict[str, Param]:
    """Return every parameter that an engine of this provider takes, by name: its own, the portable ones, the engine's.

    For forms, profiles and checks. A provider that declares none accepts any; only the portable ones
    and the engine's are listed for it. Raises EngineError for an unknown provider.
    """
    from ..registry import find

    return params_of(find(provider))


def params_of(provider: Provider) -> dict[str, Param]:
    """Return the parameters of a provider, those of the engine included."""
    portable_params = provider.portable.params if provider.portable else {}
    return {**PORTABLE, **portable_params, **(provider.params or {}), **ENGINE, **CLIENT}


def check_params(provider: Provider, values: Mapping[str, Any]) -> None:
    """Raise EngineError for an unknown parameter, naming the nearest, and for a value of the wrong type."""
    known_params = params_of(provider)
    for name, value in values.items():
        param = known_params.get(name) or known_params.get(snake(name))
        if param is not None:
            param.check(value, provider.name)
        elif name not in provider.settings and provider.params is not None:
            raise EngineError(
                f"unknown parameter {shown(name)} of {provider.name}{nearest_name(name, (*known_params, *provider.settings))}; "
                f"to send it all the same, use extra_body={{{shown(name)}: …}}",
                kind="bad_parameter",
            )


def looks_like_a_key(value: Any) -> bool:
    """Tell whether this starts like a provider's key; such a value is never shown."""
    return looks_secret(value)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield item
            yield from _leaves(item)


def nearest_name(name: str, known_names: Iterable[str]) -> str:
    """Return "; did you mean …?" with the nearest of the known names; "" where none is near."""
    near_names = difflib.get_close_matches(snake(name), list(known_names), 1, 0.6)
    return f"; did you mean {near_names[0]}?" if near_names else ""
