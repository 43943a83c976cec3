"""Keys and passwords: the names that hold them, the texts that look like them, and their removal from what is shown.

Headers and query fields are public only by an allow-list; every other value of theirs is a secret. A server may
repeat a secret in any notation, so a removal also covers the text in percent-encoding and in JSON.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from ..errors import MisuseError

HIDDEN_TEXT = "…"
SHORTEST = 6  # characters of a secret that is removed from texts; shorter ones occur in ordinary words
SECRET_NAME = re.compile(
    r"(^key|(api|access|private|signing|account)[_-]?key|[_-]key|token|secret|passw(or)?d|passphrase|(^|[_-])pwd"
    r"|authorization|(^|[_-])auth|credential|bearer|(^|[_-])jwt|(^|[_-])pat|cookie|(^|[_-])sig)s?$",
    re.IGNORECASE,
)
CAMEL_CASE_SECRET = re.compile(r"[a-z](Key|Auth|Jwt|Pat|Sig|Pwd)s?$")
PUBLIC_NAME = re.compile(r"(_tokens|Tokens|cache_key|credit_token)$")  # names like those of secrets that hold none
SECRET_PREFIX = re.compile(
    r"(Bearer +|Basic +|sk-|gsk_|xai-|AIza|hf_|pplx-|ghp_|gho_|github_pat_|glpat-|xox[abp]-|AKIA|eyJ)\S{8}"
)
KEY_IN_TEXT = re.compile(rf"(?<![A-Za-z0-9])({SECRET_PREFIX.pattern})[^\s\"'<>,;)]{{8,}}")
LONGEST_PATH_WORD = 16  # characters from which on an unknown part of a path is a secret and not a word
WORD_RUN = re.compile(r"[A-Za-z0-9]+")
PLACEHOLDERS = frozenset({"bearer", "basic", "ollama", "lm-studio", "none", "unused", "dummy", "not-needed", "no-key"})
URL = re.compile(r"https?://[^\s\"'<>\\]+", re.IGNORECASE)

PUBLIC_HEADERS = re.compile(
    r"accept|accept-encoding|accept-language|user-agent|content-type|anthropic-(version|beta|ratelimit-[a-z-]+)"
    r"|openai-(beta|model|version|processing-ms)|http-referer|x-title|x-stainless-[a-z-]+|x-should-retry|retry-after(-ms)?"
    r"|(x-)?ratelimit-[a-z-]+|request-id|x-request-id|x-goog-api-client|server|via|cf-ray|vary|cache-control",
    re.IGNORECASE,
)
TECHNICAL_HEADERS = frozenset({"content-length", "content-encoding", "transfer-encoding", "connection", "host", "date"})
PUBLIC_QUERY = frozenset({"alt", "api-version", "api_version", "beta", "version"})
PUBLIC_PATH = re.compile(
    r"v\d+\w{0,8}|_\w+|api|openai|anthropic|google|azure|chat|completions|messages|responses|models?|deployments|engines"
    r"|embeddings|count_tokens|input_tokens|batches|files|cancel|projects|locations|publishers|endpoints|inference"
    r"|openapi|compatible-mode|compat|paas|invoke|invoke-with-response-stream|converse|converse-stream|serving-endpoints|",
    re.IGNORECASE,
)
NAMED_BY_PATH = frozenset({"models", "model", "deployments", "engines", "responses", "serving-endpoints"})
CONVERSATION_FIELDS = frozenset(
    {"messages", "input", "contents", "system", "instructions", "systemInstruction", "system_instruction", "tools"}
)
SCHEMA_FIELDS = frozenset({"properties", "parameters", "schema", "json_schema", "$defs", "response_format"})
ORDINARY_FIELDS = frozenset({"type", "name", "kind", "description", "title", "format", "scheme", "provider", "in"})


class Secret:
    """A secret value. It can be compared and revealed, but not printed, hashed or pickled."""

    __slots__ = ("_reveal",)

    def __init__(self, value: Any) -> None:
        self._reveal: Callable[[], Any] = lambda: value

    def reveal(self) -> Any:
        """Return the value."""
        return self._reveal()

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same secret; a secret never equals a plain text."""
        if not isinstance(other, Secret):
            return False
        own_value, other_value = self._reveal(), other._reveal()
        if isinstance(own_value, str) and isinstance(other_value, str):
            encoded = (text.encode("utf-8", "surrogatepass") for text in (own_value, other_value))
            return hmac.compare_digest(*encoded)
        return bool(own_value == other_value)

    __hash__ = None  # type: ignore[assignment]  # a hash would leak information about the secret

    def __reduce__(self) -> NoReturn:
        raise MisuseError("a secret cannot be pickled; refer to it in the profile as ${env:NAME}")


def names_a_secret(name: object) -> bool:
    """Return whether a field, parameter or variable of this name holds a secret."""
    text = str(name)
    return bool(SECRET_NAME.search(text) or CAMEL_CASE_SECRET.search(text)) and not PUBLIC_NAME.search(text)


def looks_secret(text: object) -> bool:
    """Return whether a text looks like a key: a known prefix, or a long run of letters with digits."""
    if not isinstance(text, str) or len(text) < SHORTEST:
        return False
    if SECRET_PREFIX.search(text):
        return True
    return any(_is_random(run) for run in WORD_RUN.findall(text[:10_000]))


def without_known_keys(text: str) -> str:
    """Return a text with "…" in place of the keys in it that a known prefix and a digit tell."""
    return KEY_IN_TEXT.sub(lambda key: HIDDEN_TEXT if any(map(str.isdigit, key[0])) else key[0], text)


def is_key(text: str) -> bool:
    """Return whether the whole text is a key with a known prefix."""
    match = SECRET_PREFIX.match(text)
    return match is not None and any(map(str.isdigit, text)) and not re.search(r"\s", text[match.end(1) :])


def _is_random(run: str) -> bool:
    has_digit = any(map(str.isdigit, run))
    return (len(run) >= 12 and has_digit and not run.isdigit()) or len(run) >= 32


def shown(value: object, limit: int = 60) -> str:
    """Return the value for an error message: its repr, or only its length if it looks like a key."""
    if isinstance(value, (list, tuple, set, frozenset, Mapping)) and any(map(looks_secret, _texts(value))):
        return f"a {type(value).__name__}"
    if looks_secret(value):
        return f"a text of {len(str(value))} characters that looks like a key"
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + HIDDEN_TEXT


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(name)
            yield from _texts(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _texts(item)


# Collect.


def secrets_in(value: Any, name: str = "") -> frozenset[str]:
    """Return the secrets in plain data, found by the names of fields, by key prefixes, and in the addresses."""
    return frozenset(filter(is_removable, _secrets_in(value, is_secret=bool(name) and names_a_secret(name))))


def secrets_in_headers(headers: Mapping[str, Any]) -> frozenset[str]:
    """Return the values of all headers that are not public, and the words in them."""
    return frozenset(
        secret
        for name, value in headers.items()
        if not is_public_header(str(name)) and str(name).lower() not in TECHNICAL_HEADERS
        for secret in filter(is_removable, _words(str(value)))
    )


def secrets_in_body(body: Any) -> frozenset[str]:
    """Return the secrets in the fields of a request body outside the conversation."""
    if not isinstance(body, Mapping):
        return frozenset()
    return secrets_in({name: value for name, value in body.items() if name not in CONVERSATION_FIELDS})


def secrets_in_url(url: str) -> frozenset[str]:
    """Return user, password, query values and unknown path parts of an address."""
    return frozenset(filter(is_removable, _url_secrets(url, with_path=True)))


def _secrets_in(value: Any, *, is_secret: bool) -> Iterator[str]:
    if isinstance(value, Secret):
        yield from _secrets_in(value.reveal(), is_secret=True)
    elif isinstance(value, str):
        if is_secret or is_key(value):
            yield from _words(value)
        for url in URL.findall(value[:100_000]):
            yield from _url_secrets(url, with_path=False)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if name not in SCHEMA_FIELDS:
                is_inherited = is_secret and name not in ORDINARY_FIELDS
                yield from _secrets_in(item, is_secret=is_inherited or names_a_secret(name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _secrets_in(item, is_secret=is_secret)


def _words(value: str) -> Iterator[str]:
    yield value
    yield from value.split()


def _url_secrets(url: str, *, with_path: bool) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return
    if user or password:
        yield from (user, password, base64.b64encode(f"{user}:{password}".encode()).decode())
    for name, value in query:
        if name.lower() not in PUBLIC_QUERY:
            yield from (value, *value.split("/"), *((name,) if looks_secret(name) else ()))
    if parts.query and not query:
        yield parts.query
    if with_path:
        path = parts.path.split("/")
        for part, public_part in zip(path, public_path(parts.path).split("/"), strict=True):
            if public_part == HIDDEN_TEXT:
                yield unquote(part)


def is_removable(text: str) -> bool:
    """Return whether a secret is long and rare enough to be removed from texts."""
    return len(text) >= SHORTEST and text.lower() not in PLACEHOLDERS


# Remove.


def without_texts(text: str, secrets: Iterable[str]) -> str:
    """Return the text with "…" in place of each secret, also of one in percent-encoding or JSON."""
    for notation in secret_notations(secrets):
        text = text.replace(notation, HIDDEN_TEXT)
    return text


def secret_notations(secrets: Iterable[str]) -> list[str]:
    """Return each secret as it is, in percent-encoding and in JSON; the longest secret first."""
    return [
        notation
        for secret in sorted(secrets, key=len, reverse=True)
        for notation in dict.fromkeys((secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1]))
    ]


def data_without_texts(value: Any, secrets: Iterable[str]) -> Any:
    """Return a plain copy of the data with "…" in place of each secret."""
    secrets = tuple(secrets)
    if isinstance(value, str):
        return without_texts(value, secrets)
    if isinstance(value, Mapping):
        return {
            without_texts(name, secrets) if isinstance(name, str) else name: data_without_texts(item, secrets)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [data_without_texts(item, secrets) for item in value]
    return value


def is_public_header(name: str) -> bool:
    """Return whether a header may be written to files."""
    return PUBLIC_HEADERS.fullmatch(name) is not None


def public_url(url: str, *, for_file: bool = False) -> str:
    """Return an address without user, password, secret path parts and query values, and fragment.

    `for_file=True` also hides every path part that is not a word of the known APIs.
    """
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return HIDDEN_TEXT
    path = public_path(parts.path, for_file=for_file)
    return urlunsplit((parts.scheme, host, path, _public_query(query, parts.query), ""))


def _public_query(query: list[tuple[str, str]], text: str) -> str:
    if not query:
        return HIDDEN_TEXT if text else ""
    pairs = [
        (HIDDEN_TEXT if looks_secret(name) else name, value if name.lower() in PUBLIC_QUERY else HIDDEN_TEXT)
        for name, value in query
    ]
    return "&".join(f"{name}={value}" for name, value in pairs)


def public_path(path: str, *, for_file: bool = False) -> str:
    """Return a path with "…" for secret parts; `for_file=True` keeps only words of the known APIs and models."""
    parts = path.split("/")
    public = []
    for place, part in enumerate(parts):
        is_name = place > 0 and parts[place - 1] in NAMED_BY_PATH and not SECRET_PREFIX.search(part)
        is_public = is_name or PUBLIC_PATH.fullmatch(part.partition(":")[0]) is not None
        is_hidden = not is_public and (for_file or looks_secret(part) or len(part) >= LONGEST_PATH_WORD)
        public.append(HIDDEN_TEXT if is_hidden else part)
    return "/".join(public)


def urls_without_secrets(text: str) -> str:
    """Return a text whose addresses show no user, password and query value."""
    return without_texts(text, secrets_in(text)) if "://" in text else text
