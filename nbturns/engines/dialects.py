"""The servers that speak Chat Completions, and the differences between their requests.

Facts: recorded traffic of these hosts, and the pages of each. The replies of all are decoded
in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from ..errors import EngineError
from ..safety.secret_texts import public_url, shown
from ..values.frozen_json import EMPTY_DICT
from .transports.account import OPENAI_ACCOUNT, given_address

MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One server, or one kind of them.

    `reasoning` is the field in which it accepts thoughts: "same" for the field in which the
    same model sent them, "content" for parts of a content list, "" for none.
    `empty_content` is the content of a message with calls and no text; None leaves it out.
    `any_arguments` tells that arguments which are not JSON may go back unchanged.
    """

    name: str
    hosts: tuple[str, ...] = ()
    base_url: str = ""
    address: tuple[str, ...] = ()  # environment variables with an address of the user's own
    address_path: str = ""  # what follows such an address, where it is that of the machine alone
    key: str = ""  # environment variable with its key
    bearer: str = ""  # environment variable with a bearer token in place of a key
    key_header: str = "authorization"
    needs_key: bool = True  # whether it refuses requests without its key
    reasoning: Literal["", "same", "reasoning_content", "reasoning_details", "content"] = ""
    empty_content: Literal["null", ""] | None = "null"
    stream_options: bool = True
    choices: Mapping[str, str] = EMPTY_DICT  # its words for a tool choice
    renamed: Mapping[str, str] = EMPTY_DICT  # its names of parameters
    developer: bool = False  # whether it knows the role developer
    user_after_tool: bool = True  # whether a user's message may follow a tool's
    tool_name: bool = False  # whether a tool message must name its tool
    id: re.Pattern[str] | None = None  # the ids of calls that it accepts
    any_arguments: bool = False
    cache_control: bool = False  # whether it takes Anthropic's marks of what to cache
    json_schema: bool = True  # whether it takes the shape of an answer as a JSON Schema


OLD_LIMIT = {"max_completion_tokens": "max_tokens"}

OPENAI = Dialect(
    name="openai",
    hosts=("api.openai.com",),
    key="OPENAI_API_KEY",
    base_url="https://api.openai.com/v1",
    reasoning="same",
    developer=True,
    any_arguments=True,
)
COMPATIBLE = Dialect(name="compatible", reasoning="same", empty_content="", renamed=OLD_LIMIT)
LOCAL = replace(COMPATIBLE, needs_key=False)

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        OPENAI,
        COMPATIBLE,
        replace(
            OPENAI,
            name="azure",
            hosts=("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
            base_url="",
            address=("AZURE_OPENAI_ENDPOINT",),
            address_path="/openai/v1",
            key="AZURE_OPENAI_API_KEY",
            bearer="AZURE_OPENAI_AD_TOKEN",
            key_header="api-key",
        ),
        Dialect(
            name="groq",
            hosts=("groq.com",),
            base_url="https://api.groq.com/openai/v1",
            key="GROQ_API_KEY",
            address=("GROQ_BASE_URL",),
            empty_content=None,
        ),
        Dialect(
            name="mistral",
            hosts=("mistral.ai",),
            base_url="https://api.mistral.ai/v1",
            key="MISTRAL_API_KEY",
            address=("MISTRAL_BASE_URL",),
            reasoning="content",
            empty_content="",
            stream_options=False,
            choices={"required": "any"},
            renamed={"seed": "random_seed", **OLD_LIMIT},
            user_after_tool=False,
            tool_name=True,
            id=MISTRAL_ID,
        ),
        Dialect(
            name="deepseek",
            hosts=("deepseek.com",),
            base_url="https://api.deepseek.com",
            key="DEEPSEEK_API_KEY",
            address=("DEEPSEEK_BASE_URL",),
            json_schema=False,
            reasoning="reasoning_content",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="zai",
            hosts=("z.ai", "bigmodel.cn"),
            base_url="https://api.z.ai/api/paas/v4",
            key="ZAI_API_KEY",
            json_schema=False,
            reasoning="reasoning_content",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="openrouter",
            hosts=("openrouter.ai",),
            base_url="https://openrouter.ai/api/v1",
            key="OPENROUTER_API_KEY",
            address=("OPENROUTER_BASE_URL",),
            reasoning="reasoning_details",
            any_arguments=True,
            cache_control=True,
        ),
        Dialect(
            name="together",
            hosts=("together.xyz", "together.ai"),
            base_url="https://api.together.xyz/v1",
            key="TOGETHER_API_KEY",
            address=("TOGETHER_BASE_URL",),
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="cerebras",
            hosts=("cerebras.ai",),
            base_url="https://api.cerebras.ai/v1",
            key="CEREBRAS_API_KEY",
            reasoning="same",
        ),
        Dialect(
            name="huggingface",
            hosts=("huggingface.co",),
            base_url="https://router.huggingface.co/v1",
            key="HF_TOKEN",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="databricks",
            hosts=("databricks.com", "azuredatabricks.net"),
            key="DATABRICKS_TOKEN",
            stream_options=False,
            renamed=OLD_LIMIT,
        ),
        Dialect(name="snowflake", hosts=("snowflakecomputing.com",), key="SNOWFLAKE_PAT"),
        Dialect(
            name="cloudflare",
            hosts=("cloudflare.com",),
            key="CLOUDFLARE_API_TOKEN",
            empty_content="",
            renamed=OLD_LIMIT,
        ),
        Dialect(
            name="gemini",
            hosts=("generativelanguage.googleapis.com",),
            base_url="https://generativelanguage.googleapis.com/v1beta/openai",
            key="GEMINI_API_KEY",
        ),
        Dialect(
            name="xai",
            hosts=("x.ai",),
            base_url="https://api.x.ai/v1",
            key="XAI_API_KEY",
            address=("XAI_BASE_URL",),
        ),
        Dialect(
            name="fireworks",
            hosts=("fireworks.ai",),
            base_url="https://api.fireworks.ai/inference/v1",
            key="FIREWORKS_API_KEY",
            address=("FIREWORKS_BASE_URL",),
            reasoning="same",
            renamed=OLD_LIMIT,
        ),
        replace(
            LOCAL,
            name="ollama",
            hosts=("ollama.com",),
            base_url="http://localhost:11434/v1",
            key="OLLAMA_API_KEY",
            address=("OLLAMA_BASE_URL", "OLLAMA_HOST"),
            address_path="/v1",
        ),
        replace(
            LOCAL,
            name="vllm",
            base_url="http://localhost:8000/v1",
            key="VLLM_API_KEY",
            address=("VLLM_BASE_URL",),
        ),
        replace(LOCAL, name="llama.cpp", base_url="http://localhost:8080/v1", key="LLAMA_API_KEY"),
        replace(
            LOCAL,
            name="lmstudio",
            base_url="http://localhost:1234/v1",
            key="LMSTUDIO_API_KEY",
            address=("LMSTUDIO_BASE_URL",),
        ),
    )
}
PORTS = {11434: "ollama"}  # ports that no other server uses


def dialect_of_settings(settings: Mapping[str, Any]) -> Dialect:
    """Return the dialect that these settings name, else that of their address or of OPENAI_BASE_URL.

    Raises EngineError for an unknown name.
    """
    if (dialect := settings.get("dialect")) is not None:
        if isinstance(dialect, Dialect):
            return dialect
        if dialect not in DIALECTS:
            raise EngineError(
                f"unknown dialect {shown(dialect)}; known dialects: {', '.join(DIALECTS)}", kind="bad_parameter"
            )
        return DIALECTS[dialect]
    url = given_address(settings) or OPENAI_ACCOUNT.address_or("")
    return dialect_of_url(url) if url else OPENAI


def dialect_of_url(url: str) -> Dialect:
    """Return the dialect of the server at this URL; an unknown one is named after its host."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise EngineError(
            f"expected base_url to be like http://localhost:8000/v1, got {public_url(url)!r:.80}", kind="bad_parameter"
        ) from None
    for dialect in DIALECTS.values():
        if any(host == end or host.endswith(f".{end}") for end in dialect.hosts):
            return dialect
    return DIALECTS[PORTS[port]] if port in PORTS else replace(COMPATIBLE, name=host or COMPATIBLE.name)
