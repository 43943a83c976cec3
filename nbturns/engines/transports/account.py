"""The address and the keys of requests to a server: parameters first, then the environment, then `.env`.

Facts: the variables that the clients of OpenAI (3.57), Anthropic (2.12) and Google (3.6) read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..environment import environment_variable, file_variable, variable

CREDENTIALS = ("api_key", "auth_token", "credentials", "config", "profile")  # settings that sign a request


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountVariables:
    """The names of the variables that hold the address, the keys and the account of one server.

    `keys` sign in the server's own header, `tokens` as bearer tokens; the first that is set is used.
    `headers` holds further headers, one a line, as "Name: value".
    """

    address: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    organization: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    @property
    def key_hint(self) -> str:
        """The variables that may hold a key, for messages."""
        return " or ".join((*self.keys, *self.tokens))

    def credential(self, settings: Mapping[str, Any]) -> tuple[str, bool]:
        """Return the key or token that signs a request ("" without one), and whether it is a token."""
        if key := str(settings.get("api_key") or ""):
            return key, False
        if token := str(settings.get("auth_token") or ""):
            return token, True
        for lookup in (environment_variable, file_variable):
            if key := lookup(*self.keys):
                return key, False
            if token := lookup(*self.tokens):
                return token, True
        return "", False

    def completed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of an official client with what only `.env` says; the client reads the environment."""
        completed_settings = dict(settings)
        has_credential = any(settings.get(name) for name in CREDENTIALS)
        if not has_credential and not environment_variable(*self.keys, *self.tokens):
            credential, is_token = self.credential({})
            if credential:
                completed_settings["auth_token" if is_token else "api_key"] = credential
        for name in ("base_url", "organization", "project"):
            variable_names = self.address if name == "base_url" else getattr(self, name)
            is_set = settings.get(name) or environment_variable(*variable_names)
            if not is_set and (value := file_variable(*variable_names)):
                completed_settings[name] = value
        return completed_settings

    def address_or(self, default: str) -> str:
        """Return the address that the environment sets; without one, `default`."""
        return variable(*self.address) or default

    def more_headers(self) -> dict[str, str]:
        """Return the further headers of the environment."""
        lines = (line.partition(":") for line in variable(*self.headers).split("\n"))
        return {name.strip(): value.strip() for name, separator, value in lines if separator}


def given_address(settings: Mapping[str, Any]) -> str:
    """Return the address in these settings, or of the client in them; "" without one."""
    client_address = getattr(settings.get("client"), "base_url", None)
    return str(settings.get("base_url") or "") or str(client_address or "")


OPENAI_ACCOUNT = AccountVariables(
    address=("OPENAI_BASE_URL",),
    keys=("OPENAI_API_KEY",),
    organization=("OPENAI_ORG_ID",),
    project=("OPENAI_PROJECT_ID",),
    headers=("OPENAI_CUSTOM_HEADERS",),
)
