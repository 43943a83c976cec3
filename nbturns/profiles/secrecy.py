"""Keys and passwords: named in a profile, looked up when an engine is made, written nowhere.

`${env:NAME}` is looked up in the environment and then in `.env`, `${keyring:service/name}` in the system's
keyring. A secret that stands in a file as it is, is held in an object that shows and gives away nothing.
"""

from __future__ import annotations

import hmac
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from ..engines.provider import SECRET
from ..errors import MissingPackageError, MisuseError, ProfileError
from ..packages import require

REFERENCE = re.compile(r"\$\{(env|keyring):([^{}]+)\}")
ALLOWED = re.compile(r"(_tokens|cache_key)$")  # names that look like a secret's and are none

CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")  # in an address
SHELL = re.compile(r"\$\{?[A-Za-z_]\w*\}?")  # how a shell names a variable

HEADERS = frozenset({"headers", "default_headers", "extra_headers", "default_query"})  # people put keys into these
OPEN_HEADERS = frozenset(
    {"anthropic-beta", "anthropic-version", "openai-beta", "user-agent", "http-referer", "x-title"}
)

Lookup = Callable[[str], str | None]


class Secret:
    """A text that is a key: it is used, and never shown, compared, copied to a file or pickled."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "<secret>"

    def __eq__(self, other: object) -> bool:
        """Whether two are the same secret; with a text none is."""
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would tell something of it

    def __reduce__(self) -> NoReturn:
        raise MisuseError("a secret is not written anywhere; name it in the profile as ${env:NAME}")


class Reference:
    """A text with `${env:NAME}` or `${keyring:service/name}` in it; shown as it was written."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class Secrets:
    """Where secrets come from: the environment, a `.env` file, the keyring, or a function `name -> text or None`.

    `lookup` is asked first. `env_file` is read when something is looked up, and may be absent.
    """

    def __init__(self, lookup: Lookup | None = None, env_file: str | os.PathLike[str] | None = ".env") -> None:
        self._lookup = lookup
        self._env_file = None if env_file is None else Path(env_file)

    def env(self, name: str) -> str | None:
        """The text of an environment variable, or of a line of `.env`."""
        found = self._lookup(name) if self._lookup else None
        if found is not None and not isinstance(found, str):
            raise ProfileError(f"secrets gave no text for {name}, but {type(found).__name__}", key=name)
        if found is None:
            found = os.environ.get(name)
        return self._from_file().get(name) if found is None else found

    def _from_file(self) -> Mapping[str, str | None]:
        if self._env_file is None or not self._env_file.is_file():
            return {}
        require("dotenv")
        from dotenv import dotenv_values

        return dotenv_values(self._env_file, interpolate=False)

    def reveal(self, value: Any, key: str) -> Any:
        """`value` with what it refers to in place. Raises ProfileError, naming `key`, for what is not there."""
        if isinstance(value, Secret):
            return value._text
        if isinstance(value, Reference):
            return REFERENCE.sub(lambda found: self._found(found[1], found[2].strip(), key), value.text)
        if isinstance(value, Mapping):
            return {name: self.reveal(one, f"{key}.{name}") for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.reveal(one, key) for one in value]
        return value

    def _found(self, kind: str, name: str, key: str) -> str:
        text = self.env(name) if kind == "env" else _from_keyring(name, key)
        if text is None:
            where = f"the environment nor in {self._env_file}" if self._env_file else "the environment"
            where = f"neither in {where}" if self._env_file else f"not in {where}"
            raise ProfileError(
                f"{key} needs {name}, which is {where if kind == 'env' else 'not in the keyring'}; "
                + (f"set it before this session is made: export {name}=…" if kind == "env" else "store it there first"),
                key=key,
            )
        return text


def _from_keyring(name: str, key: str) -> str | None:
    try:
        require("keyring")
    except MissingPackageError as error:
        raise ProfileError(f"{key} is in the keyring; {error}", key=key) from error
    import keyring

    service, slash, user = name.rpartition("/")
    if not slash:
        raise ProfileError(f"{key}: a keyring entry is named ${{keyring:service/name}}, not {name!r}", key=key)
    found: str | None = keyring.get_password(service, user)
    return found


def is_secret(name: str) -> bool:
    """Whether a field, parameter or variable of this name holds a secret."""
    return bool(SECRET.search(name)) and not ALLOWED.search(name)


def kept(value: Any, name: str, *, secret: bool = False) -> Any:
    """`value` as a profile holds it: secrets and references in their objects, at any depth."""
    secret = secret or is_secret(name)
    if isinstance(value, Mapping) and name in HEADERS:
        return {key: kept(one, str(key), secret=str(key).lower() not in OPEN_HEADERS) for key, one in value.items()}
    if isinstance(value, str):
        if REFERENCE.search(value):
            return Reference(value)
        return Secret(value) if secret and value else value
    if isinstance(value, Mapping):
        return {key: kept(one, str(key), secret=secret) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [kept(one, name, secret=secret) for one in value]
    return value


def shown(value: Any) -> Any:
    """`value` as plain data without what is secret: "…" for a key, a reference as it was written."""
    if isinstance(value, Secret):
        return "…"
    if isinstance(value, Reference):
        return value.text
    if isinstance(value, Mapping):
        return {key: shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    return CREDENTIALS.sub("", value) if isinstance(value, str) and "://" in value else value


def without_credentials(url: str) -> str:
    """An address without user, password, query and fragment: people put keys there."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "…"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
