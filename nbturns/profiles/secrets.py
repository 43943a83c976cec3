"""Keep keys and passwords out of everything that is printed or saved.

A profile names a secret as a reference, which is looked up only when an engine is built: `${env:NAME}` in the
environment and then in `.env`, `${keyring:service/name}` in the system keyring. A secret written into a profile
in plain text is wrapped in a `Secret`, which cannot be printed or pickled.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import MissingPackageError, ProfileError
from ..packages import require
from ..safety.secret_texts import Secret as Secret
from ..safety.secret_texts import is_key, is_public_header, names_a_secret, public_url, urls_without_secrets
from ..safety.visible_text import printable
from ..values.frozen_json import freeze

REFERENCE = re.compile(r"\$\{(env|keyring):([^{}]+)\}")
SHELL_VARIABLE = re.compile(r"\$\{?[A-Za-z_]\w*\}?")

HEADER_FIELDS = frozenset({"headers", "default_headers", "extra_headers", "default_query"})  # often contain API keys

SecretLookup = Callable[[str], str | None]


class Reference:
    """A text that contains `${env:NAME}` or `${keyring:service/name}`; it is displayed unresolved."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text: str = text

    @printable
    def __repr__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Secrets:
    """Look up secrets in a custom lookup, the environment, a `.env` file and the system keyring.

    `lookup(name)` returns the secret or None and is tried first. `env_file` is read at every lookup and may be missing.
    `check_variable(name, key)` raises ProfileError if the field `key` may not read the environment variable `name`.
    """

    def __init__(
        self,
        lookup: SecretLookup | None = None,
        env_file: str | os.PathLike[str] | None = ".env",
        check_variable: Callable[[str, str], object] | None = None,
    ) -> None:
        self._custom_lookup = lookup
        self._check_variable = check_variable
        self._env_file = None if env_file is None else Path(env_file)

    def environment_value(self, name: str) -> str | None:
        """Return the value of the variable `name` from the custom lookup, the environment or `.env`; None if it is not set."""
        value = self._given_value(name)
        if value is None:
            value = os.environ.get(name)
        return self._env_file_values().get(name) if value is None else value

    def _given_value(self, name: str) -> str | None:
        value = self._custom_lookup(name) if self._custom_lookup else None
        if value is not None and not isinstance(value, str):
            raise ProfileError(f"secrets must return a str or None for {name}, not {type(value).__name__}", key=name)
        return value

    def _env_file_values(self) -> Mapping[str, str | None]:
        if self._env_file is None or not self._env_file.is_file():
            return {}
        require("dotenv")
        from dotenv import dotenv_values

        return dotenv_values(self._env_file, interpolate=False)

    def reveal(self, value: Any, key: str) -> Any:
        """Return `value` with every secret and reference in it replaced by its plain text.

        Raises ProfileError for a reference that cannot be resolved; `key` names the field in that error.
        """
        if isinstance(value, Secret):
            return value.reveal()
        if isinstance(value, Reference):
            return REFERENCE.sub(lambda match: self._lookup_reference(match[1], match[2].strip(), key), value.text)
        if isinstance(value, Mapping):
            return {name: self.reveal(item, f"{key}.{name}") for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.reveal(item, key) for item in value]
        return value

    def _lookup_reference(self, kind: str, name: str, key: str) -> str:
        """Return the text for one reference. Raises ProfileError if it cannot be resolved."""
        if kind == "env" and self._check_variable is not None and self._given_value(name) is None:
            self._check_variable(name, key)
        secret = self.environment_value(name) if kind == "env" else _keyring_password(name, key)
        if secret is None:
            if kind == "keyring":
                message = f"{key} needs {name}, which is not in the keyring; store it there first"
            else:
                searched_places = f"the environment or {self._env_file}" if self._env_file else "the environment"
                message = f"{key} needs {name}, which is not set in {searched_places}; set it: export {name}=…"
            raise ProfileError(message, key=key)
        return secret


def _keyring_password(name: str, key: str) -> str | None:
    """Return the password of the keyring entry "service/user", or None."""
    try:
        require("keyring")
    except MissingPackageError as error:
        raise ProfileError(f"{key} is in the keyring; {error}", key=key) from error
    import keyring

    service, separator, user = name.rpartition("/")
    if not separator:
        raise ProfileError(
            f"{key}: a keyring reference must look like ${{keyring:service/name}}, not {name!r}", key=key
        )
    password: str | None = keyring.get_password(service, user)
    return password


def is_secret_name(name: str) -> bool:
    """Return whether a field, parameter or variable with this name holds a secret."""
    return names_a_secret(name)


def wrap_secrets(value: Any, name: str, *, secret: bool = False) -> Any:
    """Return `value` with secrets and references wrapped in `Secret` and `Reference`, at any depth.

    `name` is the field that holds the value; `secret=True` wraps every text in it.
    """
    secret = secret or is_secret_name(name)
    if isinstance(value, Mapping) and name in HEADER_FIELDS:
        return {key: wrap_secrets(item, str(key), secret=not is_public_header(str(key))) for key, item in value.items()}
    if isinstance(value, str):
        if REFERENCE.search(value):
            return Reference(value)
        return Secret(value) if value and (secret or is_key(value)) else value
    if isinstance(value, Mapping):
        return {key: wrap_secrets(item, str(key), secret=secret) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [wrap_secrets(item, name, secret=secret) for item in value]
    return value


def mask_secrets(value: Any) -> Any:
    """Return `value` as plain data: "…" for a secret, references unresolved, URLs without credentials."""
    if isinstance(value, Secret):
        return "…"
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, Mapping):
        return {key: mask_secrets(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_secrets(item) for item in value]
    return urls_without_secrets(value) if isinstance(value, str) else value


def strip_credentials(url: str | Reference) -> str:
    """Return a URL without user, password, query and fragment, because each may contain keys."""
    return url.text if isinstance(url, Reference) else public_url(url)


def freeze_params(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the params frozen, except for values that contain a Secret or Reference."""
    return {name: value if _contains_secret(value) else freeze(value) for name, value in params.items()}


def _contains_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_contains_secret(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_contains_secret(item) for item in value)
    return isinstance(value, (Secret, Reference))


def secret_leaves(masked: Any, revealed: Any) -> Iterator[str]:
    """Yield the revealed texts in place of each secret and reference of `masked`, which has the same structure."""
    if isinstance(masked, Secret):
        yield str(revealed)
    elif isinstance(masked, Reference) and isinstance(revealed, str):
        yield revealed
    elif isinstance(masked, Mapping) and isinstance(revealed, Mapping):
        for name, item in masked.items():
            yield from secret_leaves(item, revealed.get(name))
    elif isinstance(masked, (list, tuple)) and isinstance(revealed, (list, tuple)):
        for item, revealed_item in zip(masked, revealed, strict=False):
            yield from secret_leaves(item, revealed_item)


def printed_value(value: Any) -> str:
    """Return a value of a config for printing, on one line if it is short."""
    if isinstance(value, str):
        return value if "\n" not in value and len(value) < 100 else json.dumps(value, ensure_ascii=False)[:97] + "…"
    return json.dumps(value, ensure_ascii=False, default=str)


def is_http_url(text: str) -> bool:
    """Return whether `text` is an absolute http or https URL."""
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
