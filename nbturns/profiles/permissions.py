"""The environment variables that profiles may read, and the hosts that may receive their values.

A profile may come from elsewhere. Without permission of the user it may only name the standard variable of a key,
for `api_key` and headers, and the key goes only to the hosts of the provider that the variable belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..engines.dialects import DIALECTS, OPENAI
from ..engines.registry import installed_providers
from ..errors import ProfileError
from ..safety.secret_texts import names_a_secret
from .schema import describe_kind
from .secrets import HEADER_FIELDS, REFERENCE, Reference

if TYPE_CHECKING:
    from .config import EngineConfig

NO_KEY = "none"  # sent to a server that may not receive the user's key


@cache
def key_variables() -> Mapping[str, tuple[str, ...]]:
    """Return the standard variables of keys, each with the hosts that its key is for."""
    hosts_by_variable = {dialect.key: dialect.hosts for dialect in DIALECTS.values() if dialect.key}
    for provider in installed_providers():
        names = (*provider.account.keys, *provider.account.tokens) if provider.account is not None else ()
        hosts_by_variable |= dict.fromkeys(names, provider.hosts)
    return hosts_by_variable


@cache
def address_variables() -> frozenset[str]:
    """Return the standard variables of the addresses of providers."""
    accounts = [provider.account for provider in installed_providers() if provider.account is not None]
    return frozenset(name for account in accounts for name in account.address)


@dataclass(frozen=True, slots=True)
class Permissions:
    """The permissions of profiles: names of variables and hosts, with `*` for any text."""

    variables: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def check_variable(self, name: str, key: str) -> None:
        """Raise ProfileError if the field `key` may not read the environment variable `name`."""
        if any(fnmatchcase(name, pattern) for pattern in self.variables):
            return
        parts = key.split(".")
        is_api_key = parts[0] in ("api_key", "api")
        is_signing_param = parts[0] == "params" and (names_a_secret(parts[-1]) or not HEADER_FIELDS.isdisjoint(parts))
        if name in key_variables() and (is_api_key or is_signing_param):
            return
        if name in address_variables() and parts[0] in ("base_url", "api"):
            return
        raise ProfileError(
            f"{key} may not read the environment variable {name}; "
            f"to allow it, use load_profiles(…, allow_env=[{name!r}])",
            key=key,
        )

    def check_hosts(self, config: EngineConfig, base_url: str) -> None:
        """Raise ProfileError if a secret of the user would go to another host than its provider's."""
        host, address = _host_and_port(base_url)
        for field_name, reference in _references({"api_key": config.api_key, **config.params}):
            for kind, name in REFERENCE.findall(reference.text):
                hosts = provider_hosts(config.provider, base_url)
                if kind == "env" and name.strip() in key_variables():
                    hosts = key_variables()[name.strip()]
                target_hosts = (host,) if host else _own_hosts(config.provider) or hosts
                if not all(self._is_allowed(target, address, hosts) for target in target_hosts):
                    raise ProfileError(
                        f"{field_name} would send {reference.text} to {address or target_hosts[0]}, which is not a host "
                        f"of its provider; to allow it, use load_profiles(…, allow_hosts=[{host or target_hosts[0]!r}])",
                        key=field_name,
                    )

    def is_own_host(self, config: EngineConfig, base_url: str) -> bool:
        """Return whether the provider's key in the environment may go to this address."""
        host, address = _host_and_port(base_url)
        return not host or self._is_allowed(host, address, provider_hosts(config.provider, base_url))

    def _is_allowed(self, host: str, address: str, hosts: Iterable[str]) -> bool:
        if any(host == end or host.endswith(f".{end}") for end in hosts):
            return True
        return any(fnmatchcase(text, pattern.lower()) for pattern in self.hosts for text in (host, address) if text)


NOTHING_ALLOWED = Permissions()


def checked_permissions(allow_env: Iterable[str], allow_hosts: Iterable[str]) -> Permissions:
    """Return the permissions of these arguments of `load_profiles`. Raises ProfileError."""
    for argument, names in (("allow_env", allow_env), ("allow_hosts", allow_hosts)):
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise ProfileError(f"{argument} must be a list of names, not {describe_kind(names)}", key=argument)
    permissions = Permissions(tuple(allow_env), tuple(map(_host_pattern, allow_hosts)))
    if not all(isinstance(name, str) and name for name in (*permissions.variables, *permissions.hosts)):
        raise ProfileError("allow_env and allow_hosts must be lists of strings", key="allow_env")
    return permissions


def _host_pattern(host: Any) -> Any:
    """Return the host of an entry, which may be written as a URL."""
    return _host_and_port(host)[1] if isinstance(host, str) and "://" in host else host


def provider_hosts(provider: str, base_url: str) -> tuple[str, ...]:
    """Return the hosts of a provider: its own, and those of the known server at this address if it speaks its API."""
    own_hosts = _own_hosts(provider)
    if own_hosts != OPENAI.hosts:
        return own_hosts
    host = _host_and_port(base_url)[0]
    servers = (dialect.hosts for dialect in DIALECTS.values())
    known_hosts = (hosts for hosts in servers if any(host == end or host.endswith(f".{end}") for end in hosts))
    return (*own_hosts, *next(known_hosts, ()))


def _own_hosts(name: str) -> tuple[str, ...]:
    return next((provider.hosts for provider in installed_providers() if provider.name == name), ())


def _host_and_port(url: str) -> tuple[str, str]:
    """Return the host of a URL, and the host with the port if there is one; "" without an address."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        return host, f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return "", ""


def _references(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Reference]]:
    for name, value in values.items():
        yield from _references_in(value, f"{prefix}{name}")


def _references_in(value: Any, name: str) -> Iterable[tuple[str, Reference]]:
    if isinstance(value, Reference):
        yield name, value
    elif isinstance(value, Mapping):
        yield from _references(value, f"{name}.")
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _references_in(item, name)
