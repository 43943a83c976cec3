"""Claude on Amazon Bedrock, by the Bedrock client of the package anthropic, which signs the requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..environment import variable
from ..provider import Transport
from ..transports.account import AccountVariables
from ..transports.sdk_client import OfficialTransport
from .request import PROVIDER as ANTHROPIC
from .transport import SDK, TRANSPORT_SETTINGS, headers_of

AWS_SETTINGS = frozenset({"aws_region", "aws_access_key", "aws_secret_key", "aws_session_token", "aws_profile"})
CLIENT_SETTINGS = AWS_SETTINGS | {"api_key", "base_url", "default_headers", "default_query", "http_client"}
ACCOUNT = AccountVariables(address=("ANTHROPIC_BEDROCK_BASE_URL",), keys=("AWS_BEARER_TOKEN_BEDROCK",))
BEDROCK_SDK = replace(SDK, client_class="AsyncAnthropicBedrock", account=ACCOUNT, extra="bedrock")


def transport(settings: Mapping[str, Any]) -> Transport:
    """Return the transport by the Bedrock client, with AWS credentials or a Bedrock key of the environment."""
    client_settings = {name: value for name, value in settings.items() if name not in TRANSPORT_SETTINGS}
    if settings.get("client") is None and (region := variable("AWS_REGION", "AWS_DEFAULT_REGION")):
        client_settings.setdefault("aws_region", region)
    return OfficialTransport(BEDROCK_SDK, client_settings, headers_of(settings), settings.get("client"))


BEDROCK = replace(
    ANTHROPIC,
    server="bedrock",
    transport=transport,
    settings=TRANSPORT_SETTINGS | CLIENT_SETTINGS,
    counting=None,
)
